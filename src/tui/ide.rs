//! Completion and hover from the language's own analysis, as the editor's popups want them: filtered by what is typed,
//! best first, not too many.

use aic_base::{RelPath, Source, Span};
use aic_spec::ide;

/// The most completions of a list.
const MOST: usize = 200;

/// One thing that could stand at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// What is shown.
    pub label: String,
    /// What is inserted.
    pub insert: String,
    /// Documentation in Markdown.
    pub doc: String,
    /// A few words beside the label.
    pub detail: String,
    /// The bytes that it replaces.
    pub replace: Span,
}

/// What stands at the cursor, explained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Markdown.
    pub text: String,
}

/// What could stand at a place of a text.
pub fn complete(source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Vec<Completion> {
    let mut all = ide::complete(source, path, text, offset);
    let typed = |replace: Span| text.get(replace.start as usize..offset).unwrap_or("").to_lowercase();
    // What begins like the typed letters comes before what holds them; what does neither is no answer.
    let rank = |one: &ide::Completion| {
        let (typed, label) = (typed(one.replace), one.label.to_lowercase());
        if label.starts_with(&typed) {
            Some(0)
        } else if label.contains(&typed) {
            Some(1)
        } else {
            None
        }
    };
    all.retain(|one| rank(one).is_some());
    all.sort_by(|a, b| (rank(a), a.sort, &a.label).cmp(&(rank(b), b.sort, &b.label)));
    all.into_iter()
        .take(MOST)
        .map(|one| Completion {
            label: one.label,
            insert: one.insert,
            doc: one.doc,
            detail: one.detail.unwrap_or_default(),
            replace: one.replace,
        })
        .collect()
}

/// What stands at a place of a text.
pub fn explain(source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Option<Explanation> {
    ide::hover(source, path, text, offset).map(|hover| Explanation { text: hover.markdown })
}
