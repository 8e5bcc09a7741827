//! The rules of a scripted model: what they fill in was caught, what they answer is something, the tools are there.

use super::Whole;
use crate::Template;
use crate::codes::{BAD_TEMPLATE, BAD_VALUE, MISSING_KEY, UNDEFINED_VARIABLE, UNKNOWN_TOOL, UNREACHABLE_RULE};
use crate::cx::Cx;
use crate::lower::read::list;
use crate::tree::{Kind, Node};
use crate::words::{did_you_mean, shown};
use regex::Regex;
use std::collections::{BTreeSet, HashSet};

/// How many rules of a model are looked at.
const MOST: usize = 1000;

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let tools: HashSet<&str> = whole.spec.tools.allowed.iter().map(|tool| tool.name.as_str()).collect();
    for entry in whole.at(&["models"]).map(Node::entries).unwrap_or_default() {
        for model in list(&entry.value) {
            let rules = model.get("rules").map(Node::items).unwrap_or_default();
            let rules = rules.get(..MOST).unwrap_or(rules);
            for rule in rules {
                one(cx, whole, rule, &tools);
            }
            unreachable(cx, whole, rules);
            unasked(cx, whole, rules, &tools);
        }
    }
}

/// Rules behind one that takes every message of a user's, as often as it comes. Results of tools it does not take.
fn unreachable(cx: &mut Cx<'_>, whole: &Whole<'_>, rules: &[Node]) {
    let takes_all = |rule: &&Node| {
        let matches = rule.get("match");
        rule.get("times").is_none_or(Node::is_null) && matches.is_some_and(|matches| matches.entries().is_empty())
    };
    let Some(first) = rules.iter().position(|rule| takes_all(&rule)) else { return };
    for rule in rules.iter().skip(first + 1) {
        if rule.get("match").is_some_and(|matches| matches.get("tool").is_some()) {
            continue;
        }
        let message =
            "this rule is never reached: an earlier one takes every message (`match: {}`); move it before that one";
        let found = whole.doc.find(UNREACHABLE_RULE, crate::check::head(rule, &whole.doc.text), message);
        let place = rules.get(first).map_or(rule.span, |rule| crate::check::head(rule, &whole.doc.text));
        cx.report(found.related(&whole.doc.path, place, "it takes every message"));
    }
}

/// Rules about the result of a tool that there is not and that no rule asks for.
fn unasked(cx: &mut Cx<'_>, whole: &Whole<'_>, rules: &[Node], tools: &HashSet<&str>) {
    let calls = |rule: &Node| rule.at(&["reply", "tool_calls"]).map(|calls| calls.items().to_vec()).unwrap_or_default();
    let asked: HashSet<String> =
        rules.iter().flat_map(calls).filter_map(|call| Some(call.get("name")?.text()?.to_owned())).collect();
    for node in rules.iter().filter_map(|rule| rule.at(&["match", "tool"])) {
        let Some(name) = node.as_str() else { continue };
        let near = crate::words::nearest(name, tools.iter().copied()).is_some();
        if !whole.open && !near && !name.contains("${") && !tools.contains(name) && !asked.contains(name) {
            let message =
                format!("the spec has no tool `{}`, and no rule asks for it: this never matches", shown(name));
            cx.report(whole.doc.find(UNKNOWN_TOOL, node.span, message).severity(crate::Severity::Warning));
        }
    }
}

fn one(cx: &mut Cx<'_>, whole: &Whole<'_>, rule: &Node, tools: &HashSet<&str>) {
    let matches = rule.get("match");
    if let Some(tool) = matches.and_then(|matches| matches.get("tool")) {
        near_tool(cx, whole, tool, tools);
    }
    let Some(reply) = rule.get("reply").filter(|reply| matches!(reply.kind, Kind::Map(_))) else { return };
    let says = |key: &str| reply.get(key).filter(|value| !value.is_null());
    if ["text", "tool_calls", "error", "echo", "chunks"].iter().all(|key| says(key).is_none()) {
        let message = "`text`, `tool_calls`, `error` or `echo` is missing in a reply: it would say nothing";
        let found = whole.doc.find(MISSING_KEY, crate::check::head(reply, &whole.doc.text), message);
        cx.missing(whole.doc, reply, &["text", "tool_calls", "error", "echo", "chunks"], found);
    }
    if let (Some(text), Some(chunks)) = (says("text").and_then(Node::text), says("chunks")) {
        let joined: String = chunks.items().iter().filter_map(Node::text).collect();
        if joined != text && !text.contains("${") {
            let message = "the chunks together are not the text: write the text in pieces, blanks included";
            cx.report(whole.doc.find(BAD_VALUE, chunks.span, message));
        }
    }
    for call in says("tool_calls").map(Node::items).unwrap_or_default() {
        if let Some(name) = call.get("name") {
            near_tool(cx, whole, name, tools);
        }
    }
    filled(cx, whole, reply, &captures(matches), matches.and_then(|matches| matches.get("tool")).is_some());
}

/// A model may ask for a tool that there is not; one that is nearly there is a slip.
fn near_tool(cx: &mut Cx<'_>, whole: &Whole<'_>, node: &Node, tools: &HashSet<&str>) {
    let Some(name) = node.text().filter(|name| !whole.open && !tools.contains(name)) else { return };
    if let Some(meant) = cx.guess(name, tools.iter().copied()) {
        let message = format!("the spec has no tool `{}`{}", shown(name), did_you_mean(Some(meant)));
        let found = whole.doc.find(UNKNOWN_TOOL, node.span, message).severity(crate::Severity::Warning);
        cx.report(found.fix(Some(whole.doc.replacing(node, meant))));
    }
}

/// The named groups of all patterns of a rule.
fn captures(matches: Option<&Node>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut stack: Vec<&Node> = matches.into_iter().collect();
    while let Some(node) = stack.pop() {
        if let Some(pattern) = node.get("matches").and_then(Node::as_str).and_then(|text| Regex::new(text).ok()) {
            names.extend(pattern.capture_names().flatten().map(str::to_owned));
        }
        stack.extend(node.items());
        stack.extend(node.entries().iter().map(|entry| &entry.value));
    }
    names
}

/// `${match.x}` that no pattern catches, `${result.x}` where no tool has answered.
fn filled(cx: &mut Cx<'_>, whole: &Whole<'_>, reply: &Node, caught: &BTreeSet<String>, has_result: bool) {
    let mut stack = vec![reply];
    while let Some(node) = stack.pop() {
        stack.extend(node.items());
        stack.extend(node.entries().iter().map(|entry| &entry.value));
        let Some(text) = node.as_str().filter(|text| text.contains("${")) else { continue };
        let (template, errors) = Template::parse_strict(text);
        for error in errors.into_iter().take(50) {
            cx.report(whole.doc.find_inside(BAD_TEMPLATE, node, error.span, error.message));
        }
        for variable in template.variables().take(50) {
            let name = variable.name.as_str();
            let (message, meant) = if let Some(group) = name.strip_prefix("match.") {
                if caught.contains(group) {
                    continue;
                }
                let meant = cx.guess(group, caught.iter().map(String::as_str));
                let message =
                    format!("no pattern of this rule has a group `(?<{}>…)`{}", shown(group), did_you_mean(meant));
                (message, meant.map(|meant| format!("match.{meant}")))
            } else if name == "result" || name.starts_with("result.") {
                if has_result {
                    continue;
                }
                ("only a rule with `match: {tool: …}` has a result".to_owned(), None)
            } else {
                (format!("`${{{}}}` is neither `${{match.…}}` nor `${{result.…}}`", shown(name)), None)
            };
            let fix = meant.and_then(|meant| whole.doc.replacing_inside(node, variable.span, &format!("${{{meant}}}")));
            cx.report(whole.doc.find_inside(UNDEFINED_VARIABLE, node, variable.span, message).fix(fix));
        }
    }
}
