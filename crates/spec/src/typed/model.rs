//! `models:`.

use aic_base::{RelPath, Span};
use indexmap::IndexMap;
use serde_json::Value;
use std::time::Duration;

/// The named models and what answers when `primary` cannot.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// By name; `primary` answers.
    pub named: IndexMap<String, ModelSpec>,
    /// Tried in order.
    pub fallback: Vec<ModelSpec>,
}

/// Who serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// OpenAI.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google.
    Google,
    /// A local Ollama.
    Ollama,
    /// Any server that speaks OpenAI's chat completions.
    OpenAiCompatible,
    /// Rules in the spec; never passed off as a real model.
    Scripted,
    /// A cassette.
    Replay,
}

impl Provider {
    /// All of them, in the order of the language page.
    pub const ALL: [Self; 7] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Google,
        Self::Ollama,
        Self::OpenAiCompatible,
        Self::Scripted,
        Self::Replay,
    ];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Ollama => "ollama",
            Self::OpenAiCompatible => "openai_compatible",
            Self::Scripted => "scripted",
            Self::Replay => "replay",
        }
    }

    /// The provider this word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }
}

/// One model.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// Its key under `models`; `fallback` for those.
    pub name: String,
    /// Who serves it; none where neither the spec nor the catalog says.
    pub provider: Option<Provider>,
    /// The provider's name for it; empty for a scripted one.
    pub model: String,
    /// Whose price and tokenizer a scripted model borrows.
    pub stands_for: Option<As>,
    /// The rules of a scripted model, as written.
    pub rules: Vec<Value>,
    /// Where it is served.
    pub base_url: Option<String>,
    /// The name of the variable that holds the key.
    pub api_key_env: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// The most tokens of an answer.
    pub max_tokens: Option<u64>,
    /// The provider's seed.
    pub seed: Option<i64>,
    /// Texts at which it stops.
    pub stop: Vec<String>,
    /// How long it thinks: `low`, `medium`, `high`.
    pub reasoning_effort: Option<String>,
    /// `auto`, `none`, `required`, or the name of a tool.
    pub tool_choice: Option<String>,
    /// Whether it may ask for several tools at once.
    pub parallel_tool_calls: Option<bool>,
    /// Passed to the provider as it is.
    pub extra: Value,
    /// The recording that a replayed model answers from.
    pub replay: Option<Replay>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Additional attempts.
    pub retries: u32,
    /// A price for what the catalog lacks.
    pub pricing: Option<Pricing>,
    /// Where it stands in the spec.
    pub span: Span,
}

/// What `provider: replay` answers from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The cassette; its text is in `Spec::files`.
    pub cassette: RelPath,
    /// The named model whose exchanges were recorded.
    pub of: String,
}

/// `openai/gpt-4o-mini-2024-07-18`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct As {
    /// Before the first `/`.
    pub provider: String,
    /// After it.
    pub model: String,
}

/// How long to wait for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// For its first token.
    pub first_token: Option<Duration>,
    /// For the whole answer.
    pub total: Option<Duration>,
}

/// Dollars a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pricing {
    /// Of input.
    pub input_per_mtok: f64,
    /// Of output.
    pub output_per_mtok: f64,
}
