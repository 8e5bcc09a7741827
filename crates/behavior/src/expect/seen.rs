//! What an expectation looks at: one turn, or all turns of a case.

use aic_base::{Decision, Outcome, Usage, Usd};
use aic_engine::{CallRecord, ConfirmationAsked, TurnReport, Workshop};
use serde_json::Value;
use std::time::Duration;

/// What an expectation looks at.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    /// The user's input of the last turn.
    pub input: &'a str,
    /// The last output.
    pub output: &'a str,
    /// How the last turn ended.
    pub outcome: Outcome,
    /// The decisions of all turns.
    pub decisions: Vec<&'a Decision>,
    /// The calls of all turns.
    pub calls: Vec<&'a CallRecord>,
    /// The confirmations of all turns.
    pub confirmations: Vec<&'a ConfirmationAsked>,
    /// The usage of all turns.
    pub usage: Usage,
    /// The cost of all turns.
    pub cost: Usd,
    /// The models that answered and whose price nobody knows: `cost` leaves them out.
    pub unpriced: Vec<&'a str>,
    /// The time of all turns.
    pub latency: Duration,
    /// The output as JSON, if it is.
    pub json: Option<Value>,
    /// The workspace as programs left it.
    pub workshop: &'a Workshop,
}

impl<'a> Seen<'a> {
    /// What these turns leave to see; none without a turn.
    pub fn of(input: &'a str, turns: &'a [TurnReport], workshop: &'a Workshop) -> Option<Self> {
        let last = turns.last()?;
        let mut usage = Usage::default();
        for turn in turns {
            usage += turn.usage;
        }
        Some(Self {
            input,
            output: &last.output,
            outcome: last.outcome,
            decisions: turns.iter().flat_map(|turn| &turn.decisions).collect(),
            calls: turns.iter().flat_map(|turn| &turn.calls).collect(),
            confirmations: turns.iter().flat_map(|turn| &turn.confirmations).collect(),
            usage,
            cost: turns.iter().map(|turn| turn.cost).sum(),
            unpriced: turns.iter().flat_map(|turn| &turn.unpriced).map(String::as_str).collect(),
            latency: turns.iter().map(|turn| turn.latency).sum(),
            json: serde_json::from_str(&last.output).ok(),
            workshop,
        })
    }

    /// Whether the last turn was stopped before an answer.
    pub const fn was_blocked(&self) -> bool {
        matches!(self.outcome, Outcome::Blocked | Outcome::NeedsConfirmation)
    }
}
