//! Names that one part of a spec has for another: models that embed, tools that are chosen.

use super::Whole;
use crate::codes::{UNKNOWN_NAME, UNKNOWN_TOOL};
use crate::cx::Cx;
use crate::lower::read::list;
use crate::tree::Node;
use crate::words::{did_you_mean, shown};

/// What `tool_choice` takes besides a tool.
const CHOICES: [&str; 3] = ["auto", "none", "required"];

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    if whole.open {
        return;
    }
    let models: Vec<&str> = whole.spec.models.named.keys().map(String::as_str).collect();
    let sets = whole.at(&["documents"]).map(Node::entries).unwrap_or_default();
    let embedders = sets.iter().filter_map(|set| set.value.get("embedding"));
    for node in embedders.chain(whole.at(&["context", "memory", "embedding"])) {
        unknown(cx, whole, node, &models, "model", UNKNOWN_NAME);
    }
    let mut tools: Vec<&str> = whole.spec.tools.allowed.iter().map(|tool| tool.name.as_str()).collect();
    tools.extend(CHOICES);
    for entry in whole.at(&["models"]).map(Node::entries).unwrap_or_default() {
        for of in list(&entry.value).into_iter().filter_map(|model| model.get("of")) {
            unknown(cx, whole, of, &models, "model", UNKNOWN_NAME);
        }
        for choice in list(&entry.value).into_iter().filter_map(|model| model.get("tool_choice")) {
            unknown(cx, whole, choice, &tools, "tool", UNKNOWN_TOOL);
        }
    }
}

fn unknown(cx: &mut Cx<'_>, whole: &Whole<'_>, node: &Node, known: &[&str], what: &str, code: crate::Code) {
    let Some(name) = node.text().filter(|name| !known.contains(name)) else { return };
    let meant = cx.guess(name, known.iter().copied());
    let message = format!("the spec has no {what} `{}`{}", shown(name), did_you_mean(meant));
    cx.report(whole.doc.find(code, node.span, message).fix(meant.map(|meant| whole.doc.replacing(node, meant))));
}
