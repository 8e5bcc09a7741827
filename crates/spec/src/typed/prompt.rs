//! `prompts:`.

use aic_base::{RelPath, Span};
use indexmap::IndexMap;

/// The prompts.
#[derive(Debug, Clone, Default)]
pub struct Prompts {
    /// The system prompt.
    pub system: Option<Text>,
    /// Appended to the system prompt as numbered rules.
    pub constraints: Vec<String>,
    /// The template of the user's message; `${INPUT}` where the spec has none.
    pub user: Option<Text>,
    /// A whole conversation, instead of `system` and `user`.
    pub messages: Vec<Message>,
    /// For test matrices.
    pub variants: IndexMap<String, PromptVariant>,
    /// The declared variables.
    pub variables: IndexMap<String, Variable>,
}

impl Prompts {
    /// Every text.
    pub(crate) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        let variants = self.variants.values_mut().flat_map(|variant| [&mut variant.system, &mut variant.user]);
        let own = [&mut self.system, &mut self.user].into_iter();
        own.chain(variants).flatten().chain(self.messages.iter_mut().map(|message| &mut message.text))
    }
}

/// A text with `${VARIABLES}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text, of the file if one is named.
    pub text: String,
    /// The file.
    pub file: Option<RelPath>,
    /// Where it stands in the spec.
    pub span: Span,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The instructions.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What.
    pub text: Text,
}

/// What a variant replaces.
#[derive(Debug, Clone, Default)]
pub struct PromptVariant {
    /// The system prompt.
    pub system: Option<Text>,
    /// The user's template.
    pub user: Option<Text>,
}

/// A declared variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where its value comes from.
    pub from: ValueFrom,
    /// Its value where nothing gives one.
    pub default: Option<String>,
    /// Whether running without a value is an error.
    pub required: bool,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueFrom {
    /// The default, or whoever starts the run.
    Default,
    /// An environment variable.
    Env(String),
    /// Whoever starts the run, only.
    Caller,
}
