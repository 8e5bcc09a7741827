//! Text to tree: one pass where the text is well-formed, a bounded number of repaired passes where it is not.

use super::build::build;
use super::offsets::{Offsets, Patches};
use super::repair::Repair;
use super::{Node, traps};
use crate::Fix;
use aic_base::Span;
use std::sync::Arc;

/// The largest text that is read, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

/// The largest text that is repaired, in bytes; larger ones get one pass.
pub const MAX_REPAIRED: usize = 1024 * 1024;

/// How many passes a short text gets. A longer one gets fewer, so that the bytes read stay bounded.
const MAX_PASSES: usize = 48;
const MAX_WORK: usize = 8 * 1024 * 1024;

/// What a text says.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The tree; none of an empty text or one that is too large.
    pub root: Option<Arc<Node>>,
    /// What is wrong, sorted by place.
    pub errors: Vec<SyntaxError>,
}

/// One thing that is wrong with the form of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    /// What kind of thing.
    pub kind: SyntaxKind,
    /// Where.
    pub span: Span,
    /// What, and what to do.
    pub message: String,
    /// The repair that was assumed, where it is likely to be the one that is meant.
    pub fix: Option<Fix>,
    /// Another place that matters, and why.
    pub related: Option<(Span, String)>,
}

/// What can be wrong with the form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyntaxKind {
    /// It is not YAML.
    Syntax,
    /// It is YAML for something else than what was meant: quotes are needed.
    Trap,
    /// A key stands twice in a map.
    DuplicateKey,
    /// It is nested too deep.
    TooDeep,
    /// An alias that cannot be expanded.
    Alias,
    /// It holds a second document.
    MoreDocuments,
    /// It is larger than [`MAX_TEXT`].
    TooLarge,
}

/// Reads YAML. Never fails: broken text gives the tree of what can be read, and the errors.
pub fn parse(text: &str) -> Parsed {
    if text.len() > MAX_TEXT {
        let message = format!("larger than {} MiB: a spec of this size is not read", MAX_TEXT >> 20);
        let error = SyntaxError { kind: SyntaxKind::TooLarge, span: Span::at(0), message, fix: None, related: None };
        return Parsed { root: None, errors: vec![error] };
    }
    let passes = if text.len() > MAX_REPAIRED { 1 } else { (MAX_WORK / text.len().max(1)).clamp(1, MAX_PASSES) };
    let mut patches = Patches::default();
    // A byte order mark is no content.
    if text.starts_with('\u{feff}') {
        patches.replace(0..3, "");
    }
    let mut repair = Repair::new(text, patches);
    let mut built = if repair.patches().is_empty() {
        build(text, &Offsets::identity(text.len()))
    } else {
        let (patched, offsets) = repair.patches().apply(text);
        build(&patched, &offsets)
    };
    for _ in 1..passes {
        let Some(stop) = &built.stopped else { break };
        if !repair.next(stop) {
            break;
        }
        let (patched, offsets) = repair.patches().apply(text);
        built = build(&patched, &offsets);
    }
    let mut errors = built.findings;
    if let Some(stop) = &built.stopped {
        errors.push(repair.unrepaired(stop));
    }
    errors.extend(repair.into_errors());
    errors.extend(built.root.as_mut().map(|root| traps::mend(root, text)).unwrap_or_default());
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    errors.dedup_by(|a, b| a.span == b.span && a.kind == b.kind);
    for error in &mut errors {
        error.span = on_characters(text, error.span);
    }
    Parsed { root: built.root.map(Arc::new), errors }
}

/// The span moved outwards to whole characters of the text.
fn on_characters(text: &str, span: Span) -> Span {
    let mut start = (span.start as usize).min(text.len());
    let mut end = (span.end as usize).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Span::new(start, end)
}
