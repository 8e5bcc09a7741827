//! What happens during a run, as data: the trace, the screens and the store all read these.

use crate::{Decision, Timestamp, Tokens, Usd};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The name of one run, unique in its workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It answered.
    Completed,
    /// A guardrail stopped it.
    Blocked,
    /// It waits for a person.
    NeedsConfirmation,
    /// A budget ran out.
    Budget,
    /// Something broke.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Completed, Self::Blocked, Self::NeedsConfirmation, Self::Budget, Self::Failed];

    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Blocked => "blocked",
            Self::NeedsConfirmation => "needs_confirmation",
            Self::Budget => "budget",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a model call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: Tokens,
    /// Tokens of the answer.
    pub output_tokens: Tokens,
    /// Whether the counts are estimates rather than the provider's own.
    #[serde(default)]
    pub estimated: bool,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.estimated |= other.estimated;
    }
}

/// What became of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It passed every guard and ran.
    Ran,
    /// It passed every guard, ran, and reported an error.
    Failed,
    /// A permission, a guard or a blocked pattern stopped it.
    Denied,
    /// It waits for a person.
    NeedsConfirmation,
    /// The spec gives it no `run`: the caller has to carry it out.
    HandedBack,
}

/// One thing that happened, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// Its place in the run, from 0 and without gaps.
    pub seq: u32,
    /// Since the run's start.
    #[serde(with = "micros")]
    pub after: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A run began.
    RunStarted {
        /// The spec's name.
        spec: String,
        /// The environment it runs in.
        environment: String,
        /// The named model that answers.
        model: String,
        /// When.
        at: Timestamp,
        /// The user's input, as it came.
        input: String,
    },
    /// A guardrail decided.
    Guardrail(Decision),
    /// The model was called.
    ModelCalled {
        /// The named model.
        model: String,
        /// `scripted`, `openai`…: a scripted model is never passed off as a real one.
        provider: String,
        /// Which call of this run, from 1.
        step: u32,
        /// How many messages it was shown.
        messages: usize,
    },
    /// The model has answered.
    ModelAnswered {
        /// Which call of this run, from 1.
        step: u32,
        /// Its text.
        text: String,
        /// How many tools it asked for.
        tool_calls: usize,
        /// What it used.
        usage: Usage,
        /// What that cost.
        cost: Usd,
    },
    /// The model asked for a tool.
    ToolCalled {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        args: Value,
    },
    /// A tool call has ended.
    ToolEnded {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// What became of it.
        outcome: ToolOutcome,
        /// The result, or the error that the model is shown.
        result: Value,
        /// Rows or files changed, where the tool can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed: Option<u64>,
    },
    /// Something the person should know that is no decision: a near cap, a key that is not enforced.
    Notice {
        /// What.
        message: String,
    },
    /// What a cap counts has reached its `alert_at`. Once a run and guardrail.
    CostAlert {
        /// The guardrail that caps it.
        guardrail: String,
        /// What is spent or held in the window.
        spent: Usd,
        /// The mark that is reached.
        alert_at: Usd,
        /// The cap.
        cap: Usd,
    },
    /// The run is over.
    RunEnded {
        /// How.
        outcome: Outcome,
        /// What the user receives, or why there is no answer.
        output: String,
        /// What all calls used.
        usage: Usage,
        /// What the run cost.
        cost: Usd,
    },
}

mod micros {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Stage};

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let decision = Decision {
            guardrail: "no_sql".into(),
            stage: Stage::ToolCall,
            action: Action::Block,
            span: None,
            reason: "because".into(),
            replacement: None,
            confidence: 1.0,
            failed: false,
        };
        let event = Event {
            run: RunId("r1".into()),
            seq: 3,
            after: Duration::from_micros(1500),
            kind: EventKind::Guardrail(decision),
        };
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""event":"guardrail""#) && json.contains(r#""after":1500"#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
