//! What a turn leaves behind.

use crate::confirm::Pending;
use aic_base::{Decision, Event, Outcome, RunId, ToolOutcome, Usage, Usd};
use aic_spec::Approver;
use serde::Serialize;
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
    /// The models that answered, also from a recording, that may charge and whose price nobody knows: `cost` leaves them
    /// out.
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
    /// What programs changed in the session's copy of the workspace, up to now; none where there is no copy.
    pub workspace: Option<WorkspaceChanges>,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
}

/// What programs changed in the session's copy of the workspace. No guardrail has judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkspaceChanges {
    /// The files, folders and links, in the order of their paths.
    pub files: Vec<FileChange>,
    /// What is to be known of the list: that it is not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The path below the workspace.
    pub path: String,
    /// What became of it.
    pub was: Was,
    /// The difference, line by line; none for folders, and for files that are large or no text.
    pub diff: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Was {
    /// It is new.
    Added,
    /// It is not what it was.
    Changed,
    /// It is gone.
    Removed,
}
