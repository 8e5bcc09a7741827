//! `inherits` and `environments`: a spec, its bases and the chosen overlay to one tree.
//!
//! Each base is parsed and checked on its own; its text then follows the spec's in one document, so that a node of the
//! merged tree still knows the file it is from. The chain is bounded in length and in all it may hold.

mod merge;
pub(crate) mod tighten;

use crate::check::check;
use crate::codes::{
    BAD_BASE, BAD_FINAL, BASE_NOT_IN_REACH, CHAIN_TOO_LONG, CYCLE, MISSING_FILE, UNREADABLE_FILE, WEAKENED_FINAL,
};
use crate::cx::{Cx, Doc};
use crate::files::{FileKind, file_kind};
use crate::load::{check_version, read_doc, read_tree};
use crate::long::{self, take};
use crate::schema::{CONTAINER, NOT_IN_OVERLAYS, Shape};
use crate::tree::{Kind, Node};
use crate::words::{did_you_mean, nearest, shown};
use crate::{Diagnostic, secrets, tree};
use aic_base::{RelPath, SourceErrorKind, Span};
use merge::{Final, Merger};
use std::sync::Arc;

/// The longest chain of bases, the spec itself not counted.
pub const MAX_CHAIN: usize = 16;
/// How many bases a spec may have in all, and how many bytes they may hold.
const MAX_BASES: usize = 64;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Tests that come from a base, with the defaults of that base.
#[derive(Debug)]
pub(crate) struct BaseTests {
    pub(crate) defaults: Option<Node>,
    pub(crate) tests: Vec<Node>,
}

/// A spec together with what it inherits.
pub(crate) struct Whole {
    /// The document: the spec's text, then those of its bases.
    pub(crate) doc: Doc,
    /// The merged tree, in its long form.
    pub(crate) root: Node,
    /// The tests of the bases, the furthest first.
    pub(crate) tests: Vec<BaseTests>,
    /// Whether a base is not in reach: it may bring more of everything.
    pub(crate) open: bool,
}

/// Reads the bases of a spec and lays the chosen overlay over; none if there is neither.
pub(crate) fn whole(cx: &mut Cx<'_>, doc: &Doc, root: &Node) -> Option<Whole> {
    finals_are_known(cx, doc, root);
    let overlay = cx.options.environment.as_deref().and_then(|name| root.get("environments")?.get(name)).is_some();
    let inherits = root.get("inherits").is_some_and(|node| !node.is_null());
    if !matches!(root.kind, Kind::Map(_)) || (!inherits && !overlay) {
        let alone = Joining { path: doc.path.clone(), text: String::new(), bases: Vec::new() };
        if root.get("environments").is_some_and(|all| !all.entries().is_empty()) {
            overlays_keep_what_is_final(cx, &alone, &long::container(root), None);
        }
        return None;
    }
    let mut joining = Joining { path: doc.path.clone(), text: doc.text.to_string(), bases: Vec::new() };
    let chain = vec![doc.path.clone()];
    let mut merged = joining.resolve(cx, doc, root, 0, &chain);
    let mut tests = std::mem::take(&mut merged.tests);
    // What the spec's own tests are is said by the merged tree.
    let own = tests.pop();
    if let Some(own) = own {
        long::set(&mut merged.root, "tests", long::seq(own.tests, root.span));
    }
    let chosen = cx.options.environment.clone();
    overlays_keep_what_is_final(cx, &joining, &merged.root, chosen.as_deref());
    if let Some(name) = chosen {
        overlay_with(cx, &joining, &mut merged, &name);
    }
    take(&mut merged.root, "environments");
    let joined = Doc { path: joining.path, text: Arc::from(joining.text), bases: joining.bases };
    Some(Whole { doc: joined, root: merged.root, tests, open: merged.open })
}

/// The overlay of an environment comes after inheritance and under `final`, the spec's own included.
fn overlay_with(cx: &mut Cx<'_>, joining: &Joining, merged: &mut Merged, name: &str) {
    let Some(overlay) = merged.root.get("environments").and_then(|all| all.get(name)) else { return };
    let mut overlay = overlay_of(overlay);
    let more = take(&mut overlay, "tests").map(|entry| entry.value.items().to_vec()).unwrap_or_default();
    let mut tests = take(&mut merged.root, "tests").map(|entry| entry.value.items().to_vec()).unwrap_or_default();
    tests.extend(more);
    let mut merger = Merger::new(finals(&merged.root));
    merged.root = merger.merge_specs(&merged.root, &overlay);
    joining.report(cx, merger);
    long::set(&mut merged.root, "tests", long::seq(tests, overlay.span));
}

/// An overlay in its long form, without what it cannot say.
fn overlay_of(node: &Node) -> Node {
    let mut overlay = long::container(node);
    for key in NOT_IN_OVERLAYS {
        take(&mut overlay, key);
    }
    overlay
}

/// How many overlays are compared with what is final: each is laid over the whole spec.
const COMPARED: usize = 50;

/// Overlays that were not asked for may loosen what is final as little as the one that was. Nothing else about them is
/// looked at here.
fn overlays_keep_what_is_final(cx: &mut Cx<'_>, joining: &Joining, root: &Node, chosen: Option<&str>) {
    let overlays = root.get("environments").map(Node::entries).unwrap_or_default();
    if overlays.is_empty() || finals(root).is_empty() {
        return;
    }
    let mut bare = root.clone();
    for key in ["environments", "tests"] {
        take(&mut bare, key);
    }
    for overlay in overlays.iter().filter(|entry| entry.key.text() != chosen).take(COMPARED) {
        let mut with = overlay_of(&overlay.value);
        take(&mut with, "tests");
        let mut merger = Merger::new(finals(&bare));
        merger.merge_specs(&bare, &with);
        joining.report(cx, merger);
    }
}

struct Merged {
    root: Node,
    tests: Vec<BaseTests>,
    open: bool,
}

/// The texts of the spec and its bases, one after the other.
struct Joining {
    path: RelPath,
    text: String,
    bases: Vec<(usize, RelPath)>,
}

impl Joining {
    /// A spec with its bases; its own tests are the last of `tests`.
    fn resolve(&mut self, cx: &mut Cx<'_>, doc: &Doc, root: &Node, offset: usize, chain: &[RelPath]) -> Merged {
        let mut own = long::container(root);
        tree::shift(&mut own, offset);
        let mut below: Option<Merged> = None;
        let mut open = false;
        let listed: Vec<&Node> = match root.get("inherits") {
            Some(node) if !node.items().is_empty() => node.items().iter().collect(),
            Some(node) if !node.is_null() => vec![node],
            _ => Vec::new(),
        };
        for node in listed {
            let Some(base) = self.base(cx, doc, node, chain) else {
                open = true;
                continue;
            };
            below = Some(match below {
                None => base,
                Some(earlier) => {
                    let mut merger = Merger::new(finals(&earlier.root));
                    let root = merger.merge_specs(&earlier.root, &base.root);
                    let mut tests = earlier.tests;
                    tests.extend(base.tests);
                    self.report(cx, merger);
                    Merged { root, tests, open: earlier.open || base.open }
                }
            });
        }
        let own_tests = take(&mut own, "tests").map(|entry| entry.value.items().to_vec()).unwrap_or_default();
        take(&mut own, "inherits");
        let (root, mut tests, below_open) = match below {
            None => (own, Vec::new(), false),
            Some(base) => {
                let mut merger = Merger::new(finals(&base.root));
                let root = merger.merge_specs(&base.root, &own);
                self.report(cx, merger);
                (root, base.tests, base.open)
            }
        };
        tests.push(BaseTests { defaults: root.get("test_defaults").cloned(), tests: own_tests });
        Merged { root, tests, open: open || below_open }
    }

    /// Reports what may not be loosened, at the line that does it.
    fn report(&self, cx: &mut Cx<'_>, merger: Merger) {
        let whole = Doc { path: self.path.clone(), text: Arc::from(""), bases: self.bases.clone() };
        for weakened in merger.weakened {
            let (file, span) = whole.place(weakened.span);
            let mut found = Diagnostic::new(WEAKENED_FINAL, file, span, weakened.message);
            for (span, why) in weakened.related {
                let (file, span) = whole.place(span);
                found = found.related(file, span, why);
            }
            cx.report(found);
        }
    }

    /// One base, with its own bases; none where it cannot be had, which was reported.
    fn base(&mut self, cx: &mut Cx<'_>, doc: &Doc, node: &Node, chain: &[RelPath]) -> Option<Merged> {
        let text = node.text()?;
        if text.trim().is_empty() || text.contains(char::is_whitespace) {
            let message = "this names no base: write a relative path (`./base.aicontainer.yml`) or a reference (`company/base:1.2`)";
            cx.report(doc.find(BAD_BASE, node.span, message));
            return None;
        }
        if !is_file(text) {
            let message = format!(
                "the base `{}` is a registry reference, and this version reaches no registry: checking goes on without it, running refuses",
                shown(text)
            );
            let found = doc.find(BASE_NOT_IN_REACH, node.span, message).blocking();
            cx.report(found.help("a base in this workspace is named by its relative path: `./base.aicontainer.yml`"));
            return None;
        }
        let path = cx.path(doc, node, text)?;
        let printed = || {
            let names: Vec<&str> = chain.iter().chain([&path]).map(RelPath::as_str).collect();
            names.join(" → ")
        };
        if chain.contains(&path) {
            let message = format!("a spec cannot inherit from itself: {}", printed());
            cx.report(doc.find(CYCLE, node.span, message));
            return None;
        }
        if chain.len() > MAX_CHAIN || self.bases.len() >= MAX_BASES || self.text.len() > MAX_BYTES {
            let message = format!(
                "the chain of bases is too long ({MAX_CHAIN} at most, {MAX_BASES} bases and {} MiB in all): {}",
                MAX_BYTES >> 20,
                printed()
            );
            cx.report(doc.find(CHAIN_TOO_LONG, node.span, message));
            return None;
        }
        if matches!(file_kind(path.file_name()), Some(FileKind::Compose | FileKind::Tests)) {
            let message = format!("`{path}` is no container spec, and only those can be inherited from");
            cx.report(doc.find(BAD_BASE, node.span, message));
            return None;
        }
        if let Err(error) = cx.source.read_at_most(&path, tree::MAX_TEXT as u64) {
            cx.missing.insert(path.clone());
            cx.report(match error.kind {
                SourceErrorKind::NotFound => {
                    doc.find(MISSING_FILE, node.span, format!("the base is not there: {}", printed()))
                }
                kind => doc.find(UNREADABLE_FILE, node.span, format!("the base cannot be read: {}: {kind}", printed())),
            });
            return None;
        }
        let base = read_doc(cx, &path)?;
        let root = read_tree(cx, &base)?;
        secrets::scan(cx, &base, &root);
        check_version(cx, &base, &root);
        check(cx, &base, &root, &CONTAINER);
        finals_are_known(cx, &base, &root);
        if !matches!(root.kind, Kind::Map(_)) {
            return None;
        }
        // A byte between the texts, so that the end of one is not the start of the next.
        self.text.push('\n');
        let offset = self.text.len();
        self.text.push_str(&base.text);
        self.bases.push((offset, path.clone()));
        let mut chain = chain.to_vec();
        chain.push(path);
        Some(self.resolve(cx, &base, &root, offset, &chain))
    }
}

/// A path rather than a reference to a registry: `./base.aicontainer.yml`, or a name with the ending of a spec.
pub(crate) fn is_file(text: &str) -> bool {
    text.starts_with("./")
        || text.starts_with("../")
        || [".yml", ".yaml", ".toml"].iter().any(|end| text.ends_with(end))
}

/// What a tree says is final: the paths under `final`, and guardrails that say it of themselves.
fn finals(root: &Node) -> Vec<Final> {
    let listed = root.get("final").map(Node::items).unwrap_or_default();
    let mut finals: Vec<Final> = listed
        .iter()
        .filter_map(|node| {
            let mut steps: Vec<String> = node.text()?.split('.').map(str::to_owned).collect();
            // A guardrail by its name, whichever stage it stands on.
            let named = steps.get(1).is_some_and(|step| step != "*" && !long::is_heading(step));
            if named && steps.first().map(String::as_str) == Some("guardrails") {
                steps.insert(1, "*".to_owned());
            }
            Some(Final { steps, span: node.span })
        })
        .collect();
    let stages = root.get("guardrails").map(Node::entries).unwrap_or_default();
    for stage in stages {
        for item in stage.value.items() {
            if let (Some(said), Some(name)) = (item.get("final"), item.get("name").and_then(Node::text))
                && said.as_bool() == Some(true)
            {
                let steps = vec!["guardrails".to_owned(), "*".to_owned(), name.to_owned()];
                finals.push(Final { steps, span: said.span });
            }
        }
    }
    finals
}

/// Paths under `final` that name nothing would protect nothing.
fn finals_are_known(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    for node in root.get("final").map(Node::items).unwrap_or_default() {
        let Some(text) = node.text() else { continue };
        if let Err((step, known)) = known_path(text) {
            let meant = nearest(step, known.iter().copied());
            let message = format!(
                "`{}` names nothing that a spec has, so nothing would be final{}",
                shown(text),
                did_you_mean(meant)
            );
            let at = text.find(step).unwrap_or(0);
            let inside = Span::new(at, at + step.len());
            let fix = meant.and_then(|meant| doc.replacing_inside(node, inside, meant));
            cx.report(doc.find_inside(BAD_FINAL, node, inside, message).fix(fix));
        }
    }
}

/// Whether the table has a place at the end of this path; else the step that is unknown, and what is known there.
fn known_path(path: &str) -> Result<(), (&str, Vec<&'static str>)> {
    let mut shapes: Vec<Shape> = vec![Shape::Record(&CONTAINER)];
    for step in path.split('.') {
        let mut next = Vec::new();
        let mut known = Vec::new();
        while let Some(shape) = shapes.pop() {
            match shape {
                Shape::Either(all) => shapes.extend(all),
                Shape::OneOrMore(inner) => shapes.extend([*inner, Shape::List(inner)]),
                Shape::Named(inner) => next.push(*inner),
                // Items of lists are named by their `name`.
                Shape::List(inner) if step == "*" || has_names(inner) => next.push(*inner),
                Shape::Any => next.push(Shape::Any),
                Shape::Record(record) => {
                    known.extend(record.keys().map(|key| key.name));
                    match record.key(step) {
                        Some(key) => next.push(key.shape),
                        None => next.extend(record.open.copied()),
                    }
                    if step == "*" {
                        next.extend(record.keys().map(|key| key.shape));
                    }
                }
                _ => {}
            }
        }
        if next.is_empty() || step.is_empty() {
            return Err((step, known));
        }
        shapes = next;
    }
    Ok(())
}

/// Whether things of this shape have names by which a path can lead to them.
fn has_names(shape: &Shape) -> bool {
    match shape {
        Shape::Record(record) => record.key("name").is_some(),
        Shape::Either(all) => all.iter().any(has_names),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_language_are_known_and_others_are_not() {
        for path in ["guardrails", "tools.blocked", "sandbox", "models.*.base_url", "guardrails.runtime.cost_control"] {
            assert!(known_path(path).is_ok(), "{path}");
        }
        assert_eq!(known_path("tools.blokced").unwrap_err().0, "blokced");
        assert_eq!(known_path("guardrail").unwrap_err().0, "guardrail");
        assert_eq!(known_path("models.*.base_ulr").unwrap_err().0, "base_ulr");
        assert!(known_path("").is_err() && known_path("tools..x").is_err());
    }

    #[test]
    fn a_reference_is_told_from_a_path() {
        assert!(is_file("./base.aicontainer.yml") && is_file("../x") && is_file("base.ai.toml"));
        assert!(!is_file("company/base:1.2") && !is_file("base@sha256:00"));
    }
}
