//! What a turn leaves behind.

use crate::confirm::Pending;
use aic_base::{Decision, Event, Outcome, RunId, ToolOutcome, Usage, Usd};
use aic_spec::Approver;
use serde_json::Value;
use std::time::Duration;

/// One tool call of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments the model gave.
    pub args: Value,
    /// What became of it.
    pub outcome: ToolOutcome,
    /// The result, or the error that the model was shown.
    pub result: Value,
    /// Rows changed, where the tool can tell.
    pub changed: Option<u64>,
}

impl CallRecord {
    /// Whether it passed every guard and ran.
    pub const fn ran(&self) -> bool {
        matches!(self.outcome, ToolOutcome::Ran | ToolOutcome::Failed)
    }
}

/// A confirmation that was asked for, answered or not.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfirmationAsked {
    /// The tool, where a tool call asks.
    pub tool: Option<String>,
    /// The guardrail, where one asks.
    pub guardrail: Option<String>,
    /// The call's arguments.
    pub args: Value,
    /// Who must agree.
    pub by: Approver,
}

/// What a turn leaves behind.
#[derive(Debug, Clone)]
pub struct TurnReport {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// What the user receives: the answer after redaction, or why there is none.
    pub output: String,
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Every tool call, in order.
    pub calls: Vec<CallRecord>,
    /// Every confirmation that was asked for.
    pub confirmations: Vec<ConfirmationAsked>,
    /// What all model calls used.
    pub usage: Usage,
    /// What the turn cost.
    pub cost: Usd,
    /// The models that were called and may charge, and whose price nobody knows: `cost` leaves them out.
    pub unpriced: Vec<String>,
    /// Wall-clock time with tools, virtual delays counted.
    pub latency: Duration,
    /// Set where the set-up is wrong rather than the behaviour: no rule of a scripted model answers, a mock is missing,
    /// a variable has no value, a guardrail could not judge. In a test this is an error, never a pass.
    pub broken: Option<String>,
    /// Whether `broken` is a question that nothing is recorded for: the recording is out of date.
    pub stale: bool,
    /// What a person is asked, with all that is needed to go on; set where the outcome is `needs_confirmation`.
    pub pending: Option<Pending>,
    /// Whether all of `output` was shown as it came.
    pub streamed: bool,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
}
