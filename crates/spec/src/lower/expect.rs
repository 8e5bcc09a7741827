//! Expectations as data: the check has judged their form; names and conditions in them are looked up here.

use super::Names;
use super::behaviour::known;
use super::read::{condition, json_schema, list};
use crate::codes::{BAD_EXPECTATION, BAD_PATH, UNKNOWN_NAME, UNKNOWN_TOOL};
use crate::cx::{Cx, Doc};
use crate::schema::{EXPECTATIONS, Enforced};
use crate::tree::{Kind, Node};
use crate::typed::Expect;
use crate::words::{did_you_mean, nearest, shown};
use crate::{Diagnostic, Severity};
use aic_guard::Place;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn expectations(cx: &mut Cx<'_>, doc: &Doc, node: Option<&Node>, names: &Names) -> Vec<Expect> {
    node.map(list).unwrap_or_default().into_iter().filter_map(|node| expectation(cx, doc, node, names)).collect()
}

fn expectation(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) -> Option<Expect> {
    let (file, span) = doc.place(crate::check::head(node, &doc.text));
    let file = file.clone();
    if let Some(kind) = node.as_str() {
        return Some(Expect { kind: kind.to_owned(), value: Value::Null, file, span: doc.local(node.span) });
    }
    let [entry] = node.entries() else { return None };
    let kind = entry.key.text()?;
    refer(cx, doc, kind, &entry.value, names);
    Some(Expect { kind: kind.to_owned(), value: entry.value.to_json(), file, span })
}

/// Looks up what an expectation names, inside of `not`, `any_of` and `all_of` too.
fn refer(cx: &mut Cx<'_>, doc: &Doc, kind: &str, value: &Node, names: &Names) {
    match kind {
        "not" | "any_of" | "all_of" => {
            for inner in list(value) {
                if let [entry] = inner.entries() {
                    refer(cx, doc, &entry.key.key_text(), &entry.value, names);
                }
            }
        }
        "that" => condition(cx, doc, value, Place::That),
        "json_schema" => {
            json_schema(cx, doc, value);
        }
        "tool_called" | "tool_ran" => tool(cx, doc, value.get("name").unwrap_or(value), names),
        "tools_in_order" | "no_tool_called" => {
            for item in list(value).into_iter().filter(|item| !matches!(item.kind, Kind::Bool(_))) {
                tool(cx, doc, item.get("name").unwrap_or(item), names);
            }
        }
        "confirmation" => {
            if let Some(name) = value.get("tool") {
                tool(cx, doc, name, names);
            }
            if let Some(name) = value.get("guardrail") {
                guardrail(cx, doc, name, names);
            }
        }
        "blocked" => guardrail(cx, doc, value.get("by").unwrap_or(value), names),
        "guardrail" => guardrail(cx, doc, value.get("name").unwrap_or(value), names),
        "cites" => list(value).into_iter().for_each(|node| document(cx, doc, node, names)),
        "retrieved" => {
            if let Some(node) = value.get("document") {
                document(cx, doc, node, names);
            }
        }
        "file" => {
            if let Some((node, path)) = value.get("path").and_then(|node| Some((node, node.as_str()?)))
                && !path.contains("${")
                && let Err(error) = aic_base::RelPath::default().join(path)
            {
                let message = error.to_string().replace("workspace", "sandbox's workspace");
                cx.report(doc.find(BAD_PATH, node.span, message));
            }
        }
        "json_path" => {
            let node = value.get("path").unwrap_or(value);
            if let Some(text) = node.as_str().filter(|text| !text.contains("${"))
                && let Some((at, why)) = json_path_problem(text)
            {
                let inside = aic_base::Span::new(at, text.len().max(at));
                cx.report(doc.find_inside(BAD_EXPECTATION, node, inside, format!("this is no JSON path: {why}")));
            }
        }
        "judge" if value.get("model").is_none() && !names.open && !names.models.iter().any(|name| name == "judge") => {
            let message = "no model grades: add `models.judge`, or name one here (`model: NAME`)";
            cx.report(doc.find(UNKNOWN_NAME, crate::check::head(value, &doc.text), message));
        }
        "judge" if value.get("model").and_then(Node::as_str) == Some("primary") => {
            let message = "the model under test may not grade itself: name another one";
            cx.report(doc.find(BAD_EXPECTATION, value.get("model").map_or(value.span, |node| node.span), message));
        }
        "judge" | "similar" => {
            let model = value.get("model").or_else(|| value.get("embedding"));
            if let Some(model) = model.filter(|_| !names.open) {
                known(cx, doc, model, &names.models, "model", UNKNOWN_NAME);
            }
        }
        _ => {}
    }
}

/// What is wrong with the outline of a JSON path: how it begins, and brackets and quotes that are not closed.
fn json_path_problem(text: &str) -> Option<(usize, &'static str)> {
    if !text.starts_with('$') {
        return Some((0, "it begins with `$`, as in `$.items[0].id`"));
    }
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut quote: Option<(usize, char)> = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some((_, open)), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !open.is_empty() => quote = Some((at, c)),
            (None, '[' | '(') => open.push((at, c)),
            (None, ']' | ')') => {
                let wanted = if c == ']' { '[' } else { '(' };
                if open.pop().is_none_or(|(_, open)| open != wanted) {
                    return Some((at, "a bracket closes nothing"));
                }
            }
            _ => {}
        }
    }
    if let Some((at, _)) = quote {
        return Some((at, "a quote is not closed"));
    }
    if let Some((at, _)) = open.pop() {
        return Some((at, "a bracket is not closed"));
    }
    if text.ends_with('.') {
        return Some((text.len() - 1, "a name is missing behind the dot"));
    }
    text.find("...").map(|at| (at, "three dots mean nothing"))
}

fn document(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) {
    if !names.open {
        known(cx, doc, node, &names.documents, "set of documents", UNKNOWN_NAME);
    }
}

fn tool(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) {
    let Some(name) = node.as_str() else { return };
    if !names.open && !names.blocked.iter().any(|glob| glob.matches(name)) {
        known(cx, doc, node, &names.tools, "tool", UNKNOWN_TOOL);
    }
}

/// A block may come from something that is no guardrail (a blocked pattern, a confirmation), so a name that is unknown is
/// a warning unless it is nearly one that is known.
fn guardrail(cx: &mut Cx<'_>, doc: &Doc, node: &Node, names: &Names) {
    let Some(name) = node.as_str().filter(|name| !name.contains("${")) else { return };
    let all = names.guardrails.iter().chain(&names.tools);
    if names.open || all.clone().any(|known| known == name) {
        return;
    }
    let meant = nearest(name, all.map(String::as_str));
    let message = format!("the spec has no guardrail `{}`{}", shown(name), did_you_mean(meant));
    let severity = if meant.is_some() { Severity::Error } else { Severity::Warning };
    let found: Diagnostic = doc.find(UNKNOWN_NAME, node.span, message).severity(severity);
    cx.report(found.fix(meant.map(|meant| doc.replacing(node, meant))));
}

/// The kinds of expectations in it that this version cannot judge.
pub(super) fn not_yet(kind: &str, value: &Value, found: &mut BTreeSet<String>) {
    if EXPECTATIONS.key(kind).is_some_and(|key| key.enforced != Enforced::Yes) {
        found.insert(format!("expect.{kind}"));
    }
    if !matches!(kind, "not" | "any_of" | "all_of") {
        return;
    }
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    for item in items {
        match item {
            Value::String(kind) => not_yet(kind, &Value::Null, found),
            Value::Object(map) => map.iter().for_each(|(kind, value)| not_yet(kind, value, found)),
            _ => {}
        }
    }
}
