//! What every provider's format has in common: a request that becomes JSON, an answer that comes in frames.

pub mod frames;
pub mod lenient;

use crate::chat::{Request, Settings};
use crate::error::ModelError;
use crate::price::TokenUsage;
use serde_json::Value;

/// One thing that a frame says. Frames that say nothing of these are read and forgotten.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StreamEvent {
    /// More text.
    Text(String),
    /// The model is thinking; nobody is shown what. Its length counts: it is paid for as the answer is.
    Thinking(Length),
    /// More of a tool call, told apart from others by its index.
    Tool(ToolDelta),
    /// What was used in all. Later reports replace earlier ones field by field: the larger count stands.
    Usage(TokenUsage),
    /// What was used until now, while the answer goes on: alone it says nothing of the whole.
    UsageSoFar(TokenUsage),
    /// Why the answer ended.
    Finish(Finish),
    /// Who answered.
    Served(Served),
}

/// How long a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Length {
    /// In bytes.
    pub bytes: u64,
    /// In Unicode scalar values.
    pub chars: u64,
}

impl Length {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        Self { bytes: text.len() as u64, chars: text.chars().count() as u64 }
    }
}

/// More of a tool call.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ToolDelta {
    /// Which call of the answer.
    pub index: u64,
    /// Its id, where this frame has it.
    pub id: Option<String>,
    /// The tool, where this frame has it.
    pub name: Option<String>,
    /// More of its arguments, as JSON text.
    pub args: String,
    /// What the provider wants to see again.
    pub opaque: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    /// The model was done.
    #[default]
    Stop,
    /// It wants tools to run.
    Tools,
    /// `max_tokens` were used.
    Length,
    /// The provider's own filter stopped it.
    Filter,
    /// A reason this version has no word for.
    Other,
}

impl Finish {
    /// The word in a cassette and in the trace.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Tools => "tools",
            Self::Length => "length",
            Self::Filter => "filter",
            Self::Other => "other",
        }
    }

    /// The reason that this word means.
    pub fn from_word(word: &str) -> Self {
        [Self::Stop, Self::Tools, Self::Length, Self::Filter]
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .unwrap_or(Self::Other)
    }
}

/// Who answered, as the provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Served {
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `system_fingerprint`: another one may answer the same seed differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// How an answer is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// A JSON document a line.
    Lines,
    /// One JSON document: what a server sends that does not stream although it was asked to.
    Whole,
}

/// One provider's format.
pub(crate) trait Wire: Send + Sync {
    /// The path below the base URL.
    fn path(&self, model: &str) -> String;

    /// The request's body.
    fn body(&self, model: &str, request: &Request) -> Result<Value, ModelError>;

    /// The header that carries the key, and what stands before the key in it.
    fn key_header(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    /// Other headers.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Settings that this format has no word for: they are not sent, and the run says so.
    fn unsent(&self, _: &Settings) -> Vec<&'static str> {
        Vec::new()
    }

    /// How its answers are cut.
    fn framing(&self) -> Framing {
        Framing::Events
    }

    /// Reads one answer.
    fn decoder(&self) -> Box<dyn Decode>;
}

/// Reads one answer, frame by frame.
pub(crate) trait Decode: Send {
    /// One frame. `event` is the name of a server-sent event.
    fn frame(&mut self, event: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError>;

    /// The stream's own last word, `[DONE]`.
    fn ended(&mut self) {}

    /// Whether the answer is whole, though the connection may still be open.
    fn is_done(&self) -> bool;

    /// Whether the connection may end here: the answer is whole, or as whole as this format lets one know.
    fn may_end(&self) -> bool {
        self.is_done()
    }
}
