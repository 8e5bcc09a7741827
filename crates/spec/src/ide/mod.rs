//! Completion and hover as plain data with byte spans: the workbench and the language server both draw these.
//!
//! Nothing here knows an editor. What may stand at a place is read from [`schema`](crate::schema), what is declared
//! elsewhere from the tree, which is the repaired one: a document is hardly ever whole while somebody types. How the
//! place is found is in `probe.rs` and `place.rs`.

mod alias;
mod cel;
mod complete;
mod complete_values;
mod docs;
mod heirs;
mod hints;
mod host;
mod hover;
mod inside;
mod names;
mod navigate;
mod origin;
mod outline;
mod paths;
mod place;
mod probe;
mod refs;
mod resolve;
mod snippet;
mod symbols;
mod tests_alone;
mod tokens;
mod trim;
mod world;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_places;
#[cfg(test)]
mod tests_values;

pub use complete::complete;
pub use hints::{GuardrailPlace, Hint, TestPlace};
pub use host::Host;
pub use hover::hover;
pub use navigate::Edits;
pub use outline::{Fold, OutlineItem};
pub use symbols::{Refusal, Symbol, SymbolKind, Usage, UsageRole};
pub use tests_alone::{load_tests, specs_of_tests};
pub use tokens::{Token, TokenKind};

use aic_base::Span;

/// One thing that may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown, and what the letters typed so far are compared with: a whole key, word or path.
    pub label: String,
    /// What is put in the place of `replace`.
    pub insert: String,
    /// The same with places to fill in, in the grammar of the Language Server Protocol's snippets; none where there is
    /// nothing to fill in.
    pub snippet: Option<String>,
    /// What it is.
    pub kind: CompletionKind,
    /// Documentation in Markdown.
    pub doc: String,
    /// A few words beside the label: the type of a key, the price of a model.
    pub detail: Option<String>,
    /// The bytes of the text that it replaces; always on one line, and the place that was asked about touches them.
    pub replace: Span,
    /// The order among others: lower comes first, then by label.
    pub sort: u8,
    /// Whether there are better ones: a model that is about to be retired.
    pub deprecated: bool,
}

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A key of the language.
    Key,
    /// One of the words that a key takes.
    Word,
    /// A model of the catalog.
    Model,
    /// A built-in guardrail.
    Guardrail,
    /// Something that the spec declares elsewhere: a tool, a model, a guardrail, a variant.
    Name,
    /// A variable of a prompt or a condition.
    Variable,
    /// A function of a condition.
    Function,
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// What is known of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// Markdown.
    pub markdown: String,
    /// The bytes it is about.
    pub span: Span,
}
