//! The tree of a document: values with the bytes they stand at. Validation, typed values and completion read this one.
//!
//! The tree is at most [`MAX_DEPTH`] levels deep, aliases are expanded within a budget, so walking it recursively is safe.

mod build;
mod offsets;
mod parse;
mod place;
mod repair;
mod scalar;
mod traps;

pub use parse::{MAX_REPAIRED, MAX_TEXT, Parsed, SyntaxError, SyntaxKind, parse};
pub use place::{place_in_scalar, place_inside};

pub(crate) use scalar::resolve;

/// The comments of a well-formed text, in order.
pub(crate) fn comments(text: &str) -> Vec<String> {
    build::comments(text)
}

/// Moves a tree to where its text stands in a longer one.
pub(crate) fn shift(node: &mut Node, by: usize) {
    node.span = node.span.shifted(by);
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Kind::Map(entries) => entries.iter_mut().for_each(|entry| {
            shift(&mut entry.key, by);
            shift(&mut entry.value, by);
        }),
        _ => {}
    }
}

use aic_base::Span;
use serde_json::{Map, Number, Value};

/// The deepest nesting that is read; deeper content is a diagnostic and left out.
pub const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its bytes in the text: with its quotes, without the header (`|`) of a block; for an alias, those of `*name`.
    pub span: Span,
    /// How it is written.
    pub style: Style,
    /// The characters of a scalar that is not text: `1.0` of `version: 1.0`.
    pub raw: Option<Box<str>>,
}

/// What a node is, by the core schema of YAML 1.2.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// Keys and values, in order. Keys differ from each other.
    Map(Vec<Entry>),
    /// A list.
    Seq(Vec<Node>),
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// How a node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`.
    SingleQuoted,
    /// `"…"`.
    DoubleQuoted,
    /// `"""…"""` of TOML.
    TripleQuoted,
    /// `'''…'''` of TOML.
    TripleLiteral,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
    /// A list or map by indentation.
    Block,
    /// A list or map in brackets.
    Flow,
    /// `*name`: a copy of what has the anchor.
    Alias,
}

impl Node {
    pub(crate) fn new(kind: Kind, span: Span, style: Style) -> Self {
        Self { kind, span, style, raw: None }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key and value of a map under this name.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text() == Some(key))
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ => &[],
        }
    }

    /// The value at the end of these keys and indices.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.kind {
            Kind::Seq(items) => items.get(step.as_ref().parse::<usize>().ok()?),
            _ => node.get(step.as_ref()),
        })
    }

    /// The text of a text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The characters of any scalar but null: `1001` of `input: 1001`.
    pub fn text(&self) -> Option<&str> {
        self.as_str().or(self.raw.as_deref())
    }

    /// The number of a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind {
            Kind::Int(number) => Some(number as f64),
            Kind::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The whole number of a number without a fraction.
    pub fn as_i64(&self) -> Option<i64> {
        match self.kind {
            Kind::Int(number) => Some(number),
            Kind::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Some(number as i64),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(is) => Some(is),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// As JSON. Numbers that JSON has not (`.inf`, `.nan`) become the text they were written as.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(is) => Value::Bool(*is),
            Kind::Int(number) => Value::from(*number),
            Kind::Float(number) => Number::from_f64(*number)
                .map_or_else(|| Value::String(self.text().unwrap_or("").to_owned()), Value::Number),
            Kind::Str(text) => Value::String(text.clone()),
            Kind::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.key_text().into_owned(), entry.value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// A key as text. Keys that are maps or lists are a finding of their own and all called the same: as JSON inside of
    /// JSON, nested ones would double with each level.
    pub(crate) fn key_text(&self) -> std::borrow::Cow<'_, str> {
        match &self.kind {
            Kind::Null => "null".into(),
            Kind::Map(_) => "{…}".into(),
            Kind::Seq(_) => "[…]".into(),
            _ => self.text().unwrap_or("").into(),
        }
    }

    /// What it is, in words for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) => "a whole number",
            Kind::Float(_) => "a number",
            Kind::Str(_) => "text",
            Kind::Map(_) => "a map",
            Kind::Seq(_) => "a list",
        }
    }
}
