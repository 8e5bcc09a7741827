//! `*.compose.ai.yml`: whether a workflow holds together. This version reads workflows and does not run them.

use crate::codes::BAD_WORKFLOW;
use crate::cx::{Cx, Doc};
use crate::files::{FileKind, file_kind};
use crate::lower::read::{condition, list};
use crate::tree::{Entry, Kind, Node, place_in_scalar};
use crate::words::{did_you_mean, nearest, shown};
use crate::{long, lower};
use aic_base::Span;
use aic_guard::Place;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The most steps that a workflow may have.
const MOST: usize = 1000;

/// How many services are checked as the containers they are.
const CHECKED: usize = 200;

/// A step: what it waits for, and where it stands.
struct Step {
    needs: Vec<(String, Span)>,
    span: Span,
}

pub(crate) fn check(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let services = root.get("services").map(Node::entries).unwrap_or_default();
    let names: Vec<String> = services.iter().map(|entry| entry.key.key_text().into_owned()).collect();
    for (at, entry) in services.iter().enumerate() {
        let says = |key: &str| entry.value.get(key).is_some_and(|node| !node.is_null());
        if matches!(entry.value.kind, Kind::Map(_))
            && !["spec", "model", "models", "inherits"].iter().any(|key| says(key))
        {
            let message = format!(
                "the service `{}` is no container: name its `spec`, or give it a `model`",
                shown(&entry.key.key_text())
            );
            let found = doc.find(BAD_WORKFLOW, entry.key.span, message);
            cx.missing(doc, &entry.value, &["spec", "model", "models", "inherits"], found);
        }
        service(cx, doc, entry, at < CHECKED);
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
    if steps.is_empty()
        && let Some(entry) = root.entry("workflow").filter(|entry| matches!(entry.value.kind, Kind::Seq(_)))
        && entry.value.items().iter().all(|item| item.get("rollback_on_failure").is_some())
    {
        cx.report(doc.find(BAD_WORKFLOW, entry.key.span, "no step stands here: nothing would run"));
    }
    for item in root.get("workflow").map(Node::items).unwrap_or_default().iter().take(MOST) {
        for key in ["when", "input"] {
            if let Some(node) = item.get(key) {
                outputs(cx, doc, item, node, &steps);
            }
        }
    }
    unused(cx, doc, services, root);
}

/// A service is a container: its file is one, or what stands here is checked as one.
fn service(cx: &mut Cx<'_>, doc: &Doc, entry: &Entry, deep: bool) {
    let (name, node) = (entry.key.key_text(), &entry.value);
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        let message = format!("`{}` is no name of a service: write letters, digits, `_` and `-`", shown(&name));
        cx.report(doc.find(BAD_WORKFLOW, entry.key.span, message));
    }
    let Some(spec) = node.get("spec").filter(|spec| !spec.is_null()) else {
        if deep && matches!(node.kind, Kind::Map(_)) {
            // What a base brings is not looked up here.
            let open = node.get("inherits").is_some_and(|base| !base.is_null());
            let needs_model = ["model", "models"].iter().any(|key| node.get(key).is_some());
            let lowered = lower::spec(cx, doc, node, &[], open || !needs_model);
            let long = long::container(node);
            super::run(cx, &super::Whole { doc, root: &long, spec: &lowered, open });
        }
        return;
    };
    let own = ["spec", "role", "name", "description"];
    if let Some(other) =
        node.entries().iter().find(|entry| !own.contains(&&*entry.key.key_text()) && !entry.value.is_null())
    {
        let message = "a service is the container of its `spec`, or the one that stands here: remove one of the two";
        cx.report(doc.find(BAD_WORKFLOW, other.key.span, message).related(&doc.path, spec.span, "the spec"));
    }
    let file = spec.as_str().map(|text| text.rsplit('/').next().unwrap_or(text));
    if file.is_some_and(|file| matches!(file_kind(file), Some(FileKind::Compose | FileKind::Tests))) {
        let message = "this is no container spec, and only those can be services";
        cx.report(doc.find(BAD_WORKFLOW, spec.span, message));
    }
}

/// `steps.NAME.output`: the step is there, is waited for, and has that.
fn outputs(cx: &mut Cx<'_>, doc: &Doc, item: &Node, node: &Node, steps: &BTreeMap<String, Step>) {
    static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bsteps\.([\w-]+)(?:\.([\w-]+))?").ok());
    let (Some(text), Some(pattern)) = (node.as_str(), STEP.as_ref()) else { return };
    let before = item.get("step").and_then(Node::text).map(|own| upstream(steps, own));
    for found in pattern.captures_iter(text).take(100) {
        let Some(name) = found.get(1) else { continue };
        if !steps.contains_key(name.as_str()) {
            let known = steps.keys().cloned().collect::<Vec<_>>();
            let span = place_in_scalar(&doc.text, node, name.range().into());
            unknown(cx, doc, span, name.as_str(), "step", &known);
        } else if before.as_ref().is_some_and(|before| !before.contains(name.as_str())) {
            let message = format!(
                "this step does not wait for `{0}`, so there may be no output yet: add `{0}` to its `needs`",
                shown(name.as_str())
            );
            cx.report(doc.find_inside(BAD_WORKFLOW, node, name.range().into(), message));
        }
        // What a condition says of a step was judged where it was compiled.
        let is_condition = item.get("when").is_some_and(|when| std::ptr::eq(when, node));
        let part = found.get(2).filter(|part| !is_condition && !matches!(part.as_str(), "output" | "outcome"));
        let Some(part) = part else { continue };
        let meant = nearest(part.as_str(), ["output", "outcome"]);
        let message =
            format!("a step has `output` and `outcome`, no `{}`{}", shown(part.as_str()), did_you_mean(meant));
        let inside = part.range().into();
        let fix = meant.and_then(|meant| doc.replacing_inside(node, inside, meant));
        cx.report(doc.find_inside(BAD_WORKFLOW, node, inside, message).fix(fix));
    }
}

/// Whatever has run before a step.
fn upstream<'s>(steps: &'s BTreeMap<String, Step>, step: &str) -> BTreeSet<&'s str> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<&Step> = steps.get(step).into_iter().collect();
    while let Some(at) = stack.pop() {
        for (need, _) in &at.needs {
            if seen.insert(need.as_str()) {
                stack.extend(steps.get(need));
            }
        }
    }
    seen
}

/// Services that no step names.
fn unused(cx: &mut Cx<'_>, doc: &Doc, services: &[Entry], root: &Node) {
    let mut words: BTreeSet<String> = BTreeSet::new();
    for item in root.get("workflow").map(Node::items).unwrap_or_default().iter().take(MOST) {
        match item.as_str() {
            Some(text) => words.extend(
                text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-'))
                    .map(|word| word.trim_end_matches('-').to_owned()),
            ),
            None => words.extend(
                ["step", "service", "fallback"].iter().filter_map(|key| item.get(key)?.text()).map(str::to_owned),
            ),
        }
    }
    if words.is_empty() {
        return;
    }
    for entry in services {
        let name = entry.key.key_text();
        if !words.contains(&*name) {
            let message = format!("no step of the workflow uses the service `{}`", shown(&name));
            cx.report(doc.find(BAD_WORKFLOW, entry.key.span, message).severity(crate::Severity::Warning));
        }
    }
}

fn unknown(cx: &mut Cx<'_>, doc: &Doc, span: Span, name: &str, what: &str, known: &[String]) {
    let meant = nearest(name, known.iter().map(String::as_str));
    let message = format!("the workflow has no {what} `{}`{}", shown(name), did_you_mean(meant));
    // Where the name has no place of its own in a text, the rest would go with it.
    let alone = span.of(&doc.text).trim_matches(['"', '\'']) == name;
    let fix = meant.filter(|_| alone).map(|meant| crate::Fix::replace(span, meant));
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
        let grouped =
            (inner.starts_with('(') && inner.ends_with(')')) || (inner.starts_with('[') && inner.ends_with(']'));
        if let Some(other) = ["=>", "→>", ">"].into_iter().find(|other| inner.contains(other)) {
            let start = offset + stage.find(other).unwrap_or(0);
            let inside = Span::new(start, start + other.len());
            let found = doc.find_inside(BAD_WORKFLOW, node, inside, "the arrow of a workflow is written `->`");
            cx.report(found.fix(doc.replacing_inside(node, inside, "->")));
            return;
        }
        for part in stage.split(',') {
            let name = part.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']'));
            let start = offset + part.find(name).unwrap_or(0);
            let span = place_in_scalar(&doc.text, node, Span::new(start, start + name.len()));
            offset += part.len() + 1;
            if name.is_empty() || (!grouped && part.contains(['(', ')', '[', ']'])) || (!grouped && stage.contains(','))
            {
                let message = "a workflow is written like `a -> (b, c) -> d`: a name is missing or brackets do not fit";
                cx.report(doc.find(BAD_WORKFLOW, span, message));
                if name.is_empty() {
                    continue;
                }
                // One finding a stage says it.
                return;
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
            let found = doc.find(BAD_WORKFLOW, crate::check::head(node, &doc.text), message);
            cx.missing(doc, node, &["step"], found);
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
