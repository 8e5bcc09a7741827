//! What the words inside of prompts and conditions are, for colouring them: to YAML they are all one text.

use super::cel;
use super::host::Host;
use super::inside;
use super::place::{Spot, visit};
use crate::Template;
use crate::files::file_kind;
use crate::tree::place_in_scalar;
use aic_base::{RelPath, Span};

/// How many steps the words of one text may take; beyond it, the rest of them is left out.
const MAX_STEPS: usize = 20_000_000;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// `${NAME}`, or a name that conditions have.
    Variable,
    /// A field of a value.
    Property,
    /// A function.
    Function,
    /// A function after a dot.
    Method,
    /// Text in quotes inside of a condition.
    Text,
    /// A number.
    Number,
    /// A sign.
    Operator,
    /// `true`, `false`, `null`, `in`.
    Keyword,
}

impl TokenKind {
    /// All of them; a kind's place here is its number.
    pub const ALL: [Self; 8] = [
        Self::Variable,
        Self::Property,
        Self::Function,
        Self::Method,
        Self::Text,
        Self::Number,
        Self::Operator,
        Self::Keyword,
    ];
}

/// A word to be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its bytes, on one line.
    pub span: Span,
    /// What it is.
    pub kind: TokenKind,
}

impl Host {
    /// The words inside of the prompts and conditions of a document, by place; they do not overlap.
    pub fn tokens(&self, path: &RelPath, text: &str) -> Vec<Token> {
        let doc = self.any(path, text);
        let mut found = Vec::new();
        match doc.root() {
            None if file_kind(path.file_name()).is_none() => {
                let template = Template::parse(text);
                found.extend(template.variables().map(|one| Token { span: one.span, kind: TokenKind::Variable }));
            }
            None => {}
            Some(root) => visit(path, root, &mut |place| {
                let Spot::Value(node) = place.spot else { return };
                let Some(value) = node.as_str() else { return };
                let most = (MAX_STEPS / value.len().max(1)).max(16);
                if let Some(at) = inside::condition(place) {
                    for word in cel::words(value, at).into_iter().take(most) {
                        let Some(kind) = of_word(word.kind) else { continue };
                        found.push(Token { span: place_in_scalar(text, node, word.range.into()), kind });
                    }
                } else if value.contains("${") {
                    for one in Template::parse(value).variables().take(most) {
                        let span = place_in_scalar(text, node, one.span);
                        found.push(Token { span, kind: TokenKind::Variable });
                    }
                }
            }),
        }
        let on_a_line = |span: Span| text.get(span.range()).is_some_and(|text| !text.contains(['\n', '\r']));
        found.retain(|token| !token.span.is_empty() && on_a_line(token.span));
        found.sort_by_key(|token| token.span);
        let mut end = 0;
        found.retain(|token| {
            let after = token.span.start >= end;
            end = if after { token.span.end } else { end };
            after
        });
        found
    }
}

const fn of_word(kind: cel::Kind) -> Option<TokenKind> {
    Some(match kind {
        cel::Kind::Name => TokenKind::Variable,
        cel::Kind::Field => TokenKind::Property,
        cel::Kind::Function => TokenKind::Function,
        cel::Kind::Method => TokenKind::Method,
        cel::Kind::Text => TokenKind::Text,
        cel::Kind::Number => TokenKind::Number,
        cel::Kind::Keyword => TokenKind::Keyword,
        cel::Kind::Operator => TokenKind::Operator,
        cel::Kind::Other => return None,
    })
}
