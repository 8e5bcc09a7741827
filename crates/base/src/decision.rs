//! What a guardrail says of a text or a call.

use crate::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is to happen, from the mildest to the strictest: all guards run, and the greatest action wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Write it down.
    Log,
    /// Show it.
    Warn,
    /// Go on with the found text replaced.
    Redact,
    /// Stop until a person has agreed.
    RequireConfirmation,
    /// Stop.
    Block,
}

impl Action {
    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Warn => "warn",
            Self::Redact => "redact",
            Self::RequireConfirmation => "require_confirmation",
            Self::Block => "block",
        }
    }

    /// The action this word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Log, Self::Warn, Self::Redact, Self::RequireConfirmation, Self::Block]
            .into_iter()
            .find(|action| action.as_str() == word)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where on a run's path a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On the user's input.
    PreExecution,
    /// Before a call of the model.
    ModelCall,
    /// Before a tool runs, on its name and arguments.
    ToolCall,
    /// On what a tool returned.
    ToolResult,
    /// On streamed text.
    Chunk,
    /// On the final output.
    PostExecution,
}

impl Stage {
    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreExecution => "pre_execution",
            Self::ModelCall => "model_call",
            Self::ToolCall => "tool_call",
            Self::ToolResult => "tool_result",
            Self::Chunk => "chunk",
            Self::PostExecution => "post_execution",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One guardrail's decision: who, where, what, on which text, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The guardrail's name in the spec.
    pub guardrail: String,
    /// Where it stood.
    pub stage: Stage,
    /// What is to happen.
    pub action: Action,
    /// The bytes of the text under examination that triggered it; none where it was not a place but a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Why, in one sentence. Never holds the found text itself: reasons are kept, and that may be personal or secret.
    pub reason: String,
    /// What a redaction puts in the span's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// How sure it is, 0 to 1; 1 where it is exact.
    pub confidence: f32,
    /// Whether the guardrail could not judge (its script threw, its condition failed) and blocks for that reason. In a
    /// test that is an error: a crash proves nothing about the guardrail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_action_is_the_greatest() {
        let all = [Action::Warn, Action::Block, Action::Log, Action::RequireConfirmation, Action::Redact];
        assert_eq!(all.iter().max(), Some(&Action::Block));
        assert!(Action::RequireConfirmation > Action::Redact && Action::Redact > Action::Warn);
    }

    #[test]
    fn words_and_actions_agree() {
        assert_eq!(Action::from_word("require_confirmation"), Some(Action::RequireConfirmation));
        assert_eq!(Action::from_word("Block"), None);
        assert_eq!(serde_json::to_string(&Stage::PreExecution).unwrap(), "\"pre_execution\"");
    }
}
