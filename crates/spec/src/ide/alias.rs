//! Anchors and aliases as names: from `*x` to the `&x` that it stands for.

use super::host::Doc;
use crate::tree::{Kind, Node, Style};
use aic_base::Span;

/// An alias or anchor, and the anchor that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchored {
    /// The name, without its sign.
    pub(super) name: String,
    /// What the byte is on, its sign included.
    pub(super) here: Span,
    /// The name behind the sign of the anchor.
    pub(super) anchor: Span,
}

/// The alias that a byte of a document touches.
pub(super) fn at(doc: &Doc, offset: usize) -> Option<Anchored> {
    if doc.path.as_str().ends_with(".toml") {
        return None;
    }
    let here = alias(doc.root()?, &doc.text, offset)?;
    let name = here.of(&doc.text).strip_prefix('*')?.to_owned();
    let anchor = anchor(doc.root()?, &doc.text, &name, here.start as usize)?;
    Some(Anchored { name, here, anchor })
}

/// The bytes of the alias that a byte touches. What an alias stands for is not looked into: it is written elsewhere.
fn alias(root: &Node, text: &str, offset: usize) -> Option<Span> {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.style == Style::Alias {
            if node.span.touches(offset) && node.span.of(text).starts_with('*') {
                return Some(node.span);
            }
            continue;
        }
        open.extend(node.items());
        open.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
    }
    // A merge brings its keys, and is no key of the tree itself.
    merged(text, offset)
}

/// The alias of `<<: *x` that a byte touches.
fn merged(text: &str, offset: usize) -> Option<Span> {
    let start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?;
    let merge = line.find("<<:")?;
    let mut at = merge;
    while let Some(star) = line.get(at..)?.find('*').map(|found| at + found) {
        let len = line[star + 1..].find(|c: char| !of_name(c)).unwrap_or(line.len() - star - 1);
        let span = Span::new(start + star, start + star + 1 + len);
        if len > 0 && span.touches(offset) {
            return Some(span);
        }
        at = star + 1;
    }
    None
}

fn of_name(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}')
}

/// The last anchor of this name above a byte: a name may be given anew, and then the later one counts.
fn anchor(root: &Node, text: &str, name: &str, before: usize) -> Option<Span> {
    let above = text.get(..before)?;
    let written = format!("&{name}");
    let fits = |at: &usize| {
        let lead = above[..*at].chars().next_back().is_none_or(|c| c.is_whitespace() || matches!(c, '[' | '{' | ','));
        let ends = above[at + written.len()..].chars().next().is_none_or(|c| !of_name(c));
        // In a comment, it is none.
        let line = above[..*at].rsplit('\n').next().unwrap_or("");
        lead && ends && !line.trim_start().starts_with('#') && !line.contains(" #")
    };
    let at = above.rmatch_indices(&written).map(|(at, _)| at).filter(fits).take(MAX_TRIED);
    let at = at.into_iter().find(|at| !in_a_text(root, *at))?;
    Some(Span::new(at + 1, at + written.len()))
}

/// How many places are looked at that could be the anchor: for each the tree is gone through.
const MAX_TRIED: usize = 20;

/// Whether a byte is one of a text's: what looks like an anchor there is none.
fn in_a_text(root: &Node, at: usize) -> bool {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        let within = (node.span.start as usize..node.span.end as usize).contains(&at);
        match node.kind {
            Kind::Map(_) | Kind::Seq(_) => {
                open.extend(node.items());
                open.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
            }
            _ if within => return true,
            _ => {}
        }
    }
    false
}

/// The value that an anchor names, in a few words.
pub(super) fn value_line(text: &str, anchor: Span) -> String {
    let rest = text.get(anchor.end as usize..).unwrap_or("");
    let here = rest.lines().next().unwrap_or("").trim();
    let line =
        if here.is_empty() { rest.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("") } else { here };
    crate::words::shown(line)
}
