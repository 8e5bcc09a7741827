//! `*.compose.ai.yml`: whether a workflow holds together. This version reads workflows and does not run them.

use crate::codes::BAD_WORKFLOW;
use crate::cx::{Cx, Doc};
use crate::lower::read::{condition, list};
use crate::tree::{Kind, Node, place_in_scalar};
use crate::words::{did_you_mean, nearest, shown};
use aic_base::Span;
use aic_guard::Place;
use std::collections::{BTreeMap, BTreeSet};

/// The most steps that a workflow may have.
const MOST: usize = 1000;

/// A step: what it waits for, and where it stands.
struct Step {
    needs: Vec<(String, Span)>,
    span: Span,
}

pub(crate) fn check(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let services = root.get("services").map(Node::entries).unwrap_or_default();
    let names: Vec<String> = services.iter().map(|entry| entry.key.key_text().into_owned()).collect();
    for entry in services {
        let says = |key: &str| entry.value.get(key).is_some_and(|node| !node.is_null());
        if matches!(entry.value.kind, Kind::Map(_))
            && !["spec", "model", "models", "inherits"].iter().any(|key| says(key))
        {
            let message = format!(
                "the service `{}` is no container: name its `spec`, or give it a `model`",
                shown(&entry.key.key_text())
            );
            cx.report(doc.find(BAD_WORKFLOW, entry.key.span, message));
        }
    }
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    for item in root.get("workflow").map(Node::items).unwrap_or_default().iter().take(MOST) {
        match &item.kind {
            Kind::Str(text) => arrows(cx, doc, item, text, &names, &mut steps),
            Kind::Map(_) => step(cx, doc, item, &names, &mut steps),
            _ => {}
        }
    }
    for step in steps.values() {
        for (need, span) in &step.needs {
            if !steps.contains_key(need) {
                unknown(cx, doc, *span, need, "step", &steps.keys().cloned().collect::<Vec<_>>());
            }
        }
    }
    cycles(cx, doc, &steps);
}

fn unknown(cx: &mut Cx<'_>, doc: &Doc, span: Span, name: &str, what: &str, known: &[String]) {
    let meant = nearest(name, known.iter().map(String::as_str));
    let message = format!("the workflow has no {what} `{}`{}", shown(name), did_you_mean(meant));
    let fix = meant.map(|meant| crate::Fix::replace(span, meant));
    cx.report(doc.find(BAD_WORKFLOW, span, message).fix(fix));
}

/// `a -> (b, c) -> d`: each stage waits for the one before it.
fn arrows(
    cx: &mut Cx<'_>,
    doc: &Doc,
    node: &Node,
    text: &str,
    services: &[String],
    steps: &mut BTreeMap<String, Step>,
) {
    let mut before: Vec<String> = Vec::new();
    let mut at = 0;
    let mut rest = text;
    loop {
        let arrow = [("->", 2), ("→", '→'.len_utf8())].into_iter();
        let next = arrow.filter_map(|(arrow, len)| Some((rest.find(arrow)?, len))).min();
        let (stage, skip) = next.map_or((rest, 0), |(end, len)| (&rest[..end], end + len));
        let mut here = Vec::new();
        let mut offset = at;
        let inner = stage.trim();
        let grouped = inner.starts_with('(') && inner.ends_with(')');
        for part in stage.split(',') {
            let name = part.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
            let start = offset + part.find(name).unwrap_or(0);
            let span = place_in_scalar(&doc.text, node, Span::new(start, start + name.len()));
            offset += part.len() + 1;
            if name.is_empty() || (!grouped && part.contains(['(', ')'])) || (!grouped && stage.contains(',')) {
                let message = "a workflow is written like `a -> (b, c) -> d`: a name is missing or brackets do not fit";
                cx.report(doc.find(BAD_WORKFLOW, span, message));
                continue;
            }
            if !services.iter().any(|known| known == name) {
                unknown(cx, doc, span, name, "service", services);
            }
            let needs: Vec<(String, Span)> = before.iter().map(|name| (name.clone(), span)).collect();
            let known = steps.entry(name.to_owned()).or_insert(Step { needs: Vec::new(), span });
            known.needs.extend(needs);
            here.push(name.to_owned());
        }
        before = here;
        if skip == 0 {
            return;
        }
        at += skip;
        rest = &rest[skip..];
    }
}

fn step(cx: &mut Cx<'_>, doc: &Doc, node: &Node, services: &[String], steps: &mut BTreeMap<String, Step>) {
    if let Some(when) = node.get("when") {
        condition(cx, doc, when, Place::ComposeStep);
    }
    let Some(name) = node.get("step").and_then(|name| Some((name.text()?, name.span))) else {
        if node.get("rollback_on_failure").is_none() {
            let message = "a step has a name: write `step: NAME`";
            cx.report(doc.find(BAD_WORKFLOW, crate::check::head(node, &doc.text), message));
        }
        return;
    };
    for key in ["service", "fallback"] {
        if let Some(named) = node.get(key)
            && let Some(text) = named.text()
            && !services.iter().any(|known| known == text)
        {
            unknown(cx, doc, named.span, text, "service", services);
        }
    }
    if node.get("service").is_none() && !services.iter().any(|known| known == name.0) {
        unknown(cx, doc, name.1, name.0, "service", services);
    }
    let needs = node.get("needs").map(list).unwrap_or_default();
    let needs = needs.into_iter().filter_map(|need| Some((need.text()?.to_owned(), need.span))).collect();
    if let Some(first) = steps.get(name.0) {
        let found = doc.find(BAD_WORKFLOW, name.1, format!("a step `{}` stands here twice", shown(name.0)));
        cx.report(found.related(&doc.path, first.span, "the first one"));
        return;
    }
    steps.insert(name.0.to_owned(), Step { needs, span: name.1 });
}

/// Steps that wait for each other never run: whatever is left when everything that can run has run.
fn cycles(cx: &mut Cx<'_>, doc: &Doc, steps: &BTreeMap<String, Step>) {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready: Vec<&str> = steps
            .iter()
            .filter(|(name, _)| !done.contains(name.as_str()))
            .filter(|(_, step)| {
                step.needs.iter().all(|(need, _)| done.contains(need.as_str()) || !steps.contains_key(need))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if ready.is_empty() {
            break;
        }
        done.extend(ready);
    }
    let stuck: Vec<(&String, &Step)> = steps.iter().filter(|(name, _)| !done.contains(name.as_str())).collect();
    if let Some((_, first)) = stuck.first() {
        let names: Vec<&str> = stuck.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("these steps wait for each other and never run: {}", names.join(", "));
        cx.report(doc.find(BAD_WORKFLOW, first.span, message));
    }
}
