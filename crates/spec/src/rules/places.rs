//! `${…}` outside of prompts and tests: addresses, what tools run with, servers. Secrets go into `headers` and `env` only.

use super::Whole;
use crate::Template;
use crate::codes::{BAD_TEMPLATE, UNDEFINED_VARIABLE};
use crate::cx::Cx;
use crate::lower::tools::properties;
use crate::tree::{Node, place_in_scalar};
use crate::words::{did_you_mean, shown};
use std::collections::{BTreeSet, HashSet};

/// What an address can be filled with besides declared variables: what a user says and what documents hold belongs into
/// prompts.
pub(crate) const ADDRESS: [&str; 3] = ["DATE", "TIME", "ENV"];

/// Which names a place has.
struct Names<'n> {
    declared: &'n BTreeSet<&'n str>,
    /// Whether it is a tool's `run`, and the tool's parameters where they are all known.
    args: Option<Option<HashSet<&'n str>>>,
    secrets: bool,
}

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let declared: BTreeSet<&str> = whole.spec.prompts.variables.keys().map(String::as_str).chain(ADDRESS).collect();
    let names = |args| Names { declared: &declared, args, secrets: false };
    for entry in whole.at(&["models"]).map(Node::entries).unwrap_or_default() {
        for model in crate::lower::read::list(&entry.value) {
            if let Some(address) = model.get("base_url") {
                text(cx, whole, address, &names(None));
            }
        }
    }
    for tool in whole.at(&["tools", "allowed"]).map(Node::items).unwrap_or_default() {
        if let Some(run) = tool.get("run") {
            below(cx, whole, run, &mut names(Some(properties(tool))));
        }
    }
    for server in whole.at(&["tools", "servers"]).map(Node::entries).unwrap_or_default() {
        below(cx, whole, &server.value, &mut names(None));
    }
    secrets_elsewhere(cx, whole);
}

fn below(cx: &mut Cx<'_>, whole: &Whole<'_>, node: &Node, names: &mut Names<'_>) {
    if node.as_str().is_some() {
        return text(cx, whole, node, names);
    }
    for item in node.items() {
        below(cx, whole, item, names);
    }
    for entry in node.entries() {
        let outside = names.secrets;
        names.secrets |= matches!(entry.key.text(), Some("headers" | "env"));
        below(cx, whole, &entry.value, names);
        names.secrets = outside;
    }
}

fn text(cx: &mut Cx<'_>, whole: &Whole<'_>, node: &Node, names: &Names<'_>) {
    let Some(text) = node.as_str().filter(|text| text.contains("${")) else { return };
    let (template, errors) = Template::parse_strict(text);
    for error in errors.into_iter().take(20) {
        cx.report(whole.doc.find_inside(BAD_TEMPLATE, node, error.span, error.message));
    }
    for variable in template.variables().take(200) {
        let name = variable.name.as_str();
        let wrong = if let Some(secret) = name.strip_prefix("secret:") {
            let named = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            match (names.secrets, named) {
                // Found by the walk over the whole.
                (false, _) | (true, true) => None,
                (true, false) => Some(("a secret is named like a variable: `${secret:ORDERS_TOKEN}`".to_owned(), None)),
            }
        } else if let Some(arg) = name.strip_prefix("args.") {
            unknown_arg(cx, arg, names)
        } else if whole.open || names.declared.contains(name) {
            None
        } else {
            let meant = cx.guess(name, names.declared.iter().copied());
            let where_from = match names.args {
                Some(_) => "declared under `prompts.variables`, and no argument (`${args.NAME}`)",
                None => "declared under `prompts.variables`",
            };
            let message = format!("`${{{}}}` is not {where_from}{}", shown(name), did_you_mean(meant));
            Some((message, meant.map(str::to_owned)))
        };
        let Some((message, meant)) = wrong else { continue };
        let fix = meant.and_then(|meant| whole.doc.replacing_inside(node, variable.span, &format!("${{{meant}}}")));
        cx.report(whole.doc.find_inside(UNDEFINED_VARIABLE, node, variable.span, message).fix(fix));
    }
}

/// `${args.x}` of a tool that has no parameter `x`, or of no tool.
fn unknown_arg(cx: &mut Cx<'_>, arg: &str, names: &Names<'_>) -> Option<(String, Option<String>)> {
    let first = arg.split(['.', '[']).next().unwrap_or(arg);
    match &names.args {
        None => Some(("only a tool's `run` has arguments".to_owned(), None)),
        Some(Some(known)) if !known.contains(first) => {
            let meant = cx.guess(first, known.iter().copied());
            let message = format!("the tool has no parameter `{}`{}", shown(first), did_you_mean(meant));
            Some((message, meant.map(|meant| format!("args.{meant}"))))
        }
        Some(_) => None,
    }
}

/// A secret anywhere but in `headers` and `env` would be shown, sent or kept. Prompts have said so themselves.
fn secrets_elsewhere(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let mut stack: Vec<(&Node, bool)> = Vec::new();
    for entry in whole.root.entries() {
        if entry.key.text() != Some("prompts") {
            stack.push((&entry.value, false));
        }
    }
    while let Some((node, allowed)) = stack.pop() {
        stack.extend(node.items().iter().map(|item| (item, allowed)));
        for entry in node.entries() {
            stack.push((&entry.value, allowed || matches!(entry.key.text(), Some("headers" | "env"))));
        }
        let Some(text) = node.as_str().filter(|text| !allowed && text.contains("${secret:")) else { continue };
        for variable in
            Template::parse(text).variables().filter(|variable| variable.name.starts_with("secret:")).take(20)
        {
            let span = place_in_scalar(&whole.doc.text, node, variable.span);
            let message = "a secret goes into `headers` and `env` only: here it would be shown or kept";
            cx.report(whole.doc.find(UNDEFINED_VARIABLE, span, message));
        }
    }
}
