//! The one table of the language: every key of the language page, what it takes, and whether this version enforces it.
//! Validation, completion, documentation and the JSON Schema read the same one.

mod behaviour;
mod expect;
mod models;
mod prompts;
mod rest;
mod root;
mod tools;

pub use expect::EXPECTATIONS;
pub(crate) use expect::WORDS as BARE_EXPECTATIONS;
pub use root::{COMPOSE, CONTAINER, TEST_FILE};

pub(crate) use behaviour::{TEST, TEST_DEFAULTS};
pub(crate) use prompts::GUARDRAIL;
pub(crate) use tools::{RUN_KINDS, RUN_TITLE, SQL_VERBS};

/// What an overlay of an environment cannot say, although a spec can: it is none of its own.
pub(crate) const NOT_IN_OVERLAYS: [&str; 3] = ["version", "inherits", "environments"];

/// A map with known keys.
#[derive(Debug)]
pub struct Record {
    /// What it is, for messages: `a tool`.
    pub title: &'static str,
    /// Its keys, in groups that records share.
    pub keys: &'static [&'static [Key]],
    /// What any other key takes; none where other keys are errors.
    pub open: Option<&'static Shape>,
}

impl Record {
    /// All its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().flat_map(|group| group.iter())
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether the map means nothing without.
    pub required: bool,
    /// What holds where it is not said, as one would write it.
    pub default: Option<&'static str>,
    /// The long form, where this is the short one: `models.primary`.
    pub short_for: Option<&'static str>,
    /// Whether this version does what it says.
    pub enforced: Enforced,
}

/// Whether this version does what a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// It does.
    Yes,
    /// It is read and nothing comes of it.
    NotYet {
        /// Whether a spec is unsafe without, so that running refuses.
        safety: bool,
    },
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Anything.
    Any,
    /// Text; other scalars are taken as they are written.
    Text,
    /// Letters a-z, digits and `-`.
    Slug,
    /// `true` or `false`.
    Bool,
    /// A whole number in this range.
    Integer(i64, i64),
    /// A number in this range.
    Number(f64, f64),
    /// `300ms`, `5s`, `5m`, `1h`, `30d`.
    Duration,
    /// `64MB`, `64MiB`.
    Size,
    /// `10%` or `0.1`.
    Share,
    /// An amount of US dollars: `0.01`, `$10`. (Rates, `$10/hour`, are parameters of guardrails.)
    Money,
    /// An address: `https://…`, variables included.
    Url,
    /// A host and a port: `api.example.com:443`.
    HostPort,
    /// A moment, RFC 3339.
    Moment,
    /// The name of an environment variable.
    EnvName,
    /// One of these words.
    Words(&'static [Word]),
    /// A verb of SQL, in any case.
    SqlVerb,
    /// The path of a file.
    Path,
    /// The path of files, `*` and `**` included.
    Glob,
    /// A regular expression.
    Regex,
    /// A condition in CEL; its place decides about its names and is known to the rules.
    Condition,
    /// A JSON Schema, written in place.
    JsonSchema,
    /// A matcher of the one grammar.
    Matcher,
    /// An expectation: a word, or a map of one key out of [`EXPECTATIONS`].
    Expectation,
    /// A list.
    List(&'static Shape),
    /// A list, or one item in its place.
    OneOrMore(&'static Shape),
    /// A map with names of the author's own.
    Named(&'static Shape),
    /// A map with known keys.
    Record(&'static Record),
    /// One of these; the form of the value tells which.
    Either(&'static [Shape]),
}

/// A word that a key takes.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The word.
    pub word: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// Whether this version does what it says.
    pub enforced: Enforced,
}

const fn key(name: &'static str, doc: &'static str, shape: Shape) -> Key {
    Key { name, doc, shape, required: false, default: None, short_for: None, enforced: Enforced::Yes }
}

impl Key {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn short_for(self, long: &'static str) -> Self {
        Self { short_for: Some(long), ..self }
    }

    const fn not_yet(self) -> Self {
        Self { enforced: Enforced::NotYet { safety: false }, ..self }
    }
}

const fn word(word: &'static str, doc: &'static str) -> Word {
    Word { word, doc, enforced: Enforced::Yes }
}

impl Word {
    const fn not_safe_yet(self) -> Self {
        Self { enforced: Enforced::NotYet { safety: true }, ..self }
    }
}

impl Shape {
    /// What it takes, in words for messages: `a list`.
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Text | Self::Regex | Self::Condition => "text".into(),
            Self::Slug => "a name of a-z, 0-9 and `-`".into(),
            Self::Bool => "true or false".into(),
            Self::Integer(..) => "a whole number".into(),
            Self::Number(..) => "a number".into(),
            Self::Duration => "a duration like 300ms, 5s, 5m, 1h or 30d".into(),
            Self::Size => "a size like 64MB or 64MiB".into(),
            Self::Share => "a share like 10% or 0.1".into(),
            Self::Money => "an amount like 0.01 or $10".into(),
            Self::Url => "an address like https://api.example.com".into(),
            Self::HostPort => "a host and a port like api.example.com:443".into(),
            Self::Moment => "a moment like 2025-06-01T12:00:00Z".into(),
            Self::EnvName => "the name of an environment variable".into(),
            Self::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{}`", word.word)).collect();
                words.join(", ")
            }
            Self::SqlVerb => "a verb of SQL like SELECT".into(),
            Self::Path => "the path of a file".into(),
            Self::Glob => "a path, `*` included".into(),
            Self::Matcher => "a matcher".into(),
            Self::Expectation => "an expectation".into(),
            Self::List(_) => "a list".into(),
            Self::OneOrMore(item) => format!("{} or a list", item.describe()),
            Self::Named(_) | Self::Record(_) | Self::JsonSchema => "a map".into(),
            Self::Either(shapes) => {
                let all: Vec<_> = shapes.iter().map(Shape::describe).collect();
                all.join(" or ")
            }
        }
    }
}
