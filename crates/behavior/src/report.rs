//! What is known of a case after it ran. Plain data: shown, kept in the store, written as JSON.

use crate::verdict::Verdict;
use aic_base::{Digest, Event, Outcome, RelPath, Span, Usage, Usd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One case of a test, all its repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The test's name.
    pub test: String,
    /// The case's id: the test's name and, where it has several, which one.
    pub id: String,
    /// Of everything that could change the result.
    pub digest: Digest,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the result is an earlier one that still holds.
    #[serde(skip)]
    pub kept: bool,
    /// Which expectations do not hold, or why it could not be judged.
    pub failures: Vec<Failure>,
    /// How often it ran, and how often it passed.
    pub repeats: (u32, u32),
    /// How the shown repeat ended.
    pub outcome: Option<Outcome>,
    /// What the user received in the shown repeat.
    pub output: String,
    /// Dollars, all repeats.
    pub cost: Usd,
    /// Tokens, all repeats.
    pub usage: Usage,
    /// The slowest repeat, virtual delays counted.
    pub latency: Duration,
    /// How often each guardrail fired, all repeats.
    pub guardrails: BTreeMap<String, u32>,
    /// What happened in the shown repeat: the first that failed, else the last.
    pub trace: Vec<Event>,
    /// The file the test stands in.
    pub file: RelPath,
    /// Where.
    pub span: Span,
}

/// One expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The expectation as written.
    pub expectation: String,
    /// What was wanted and what came.
    pub message: String,
    /// The difference, line by line, where the two are texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Which turn, from 1, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// The file the expectation stands in.
    pub file: RelPath,
    /// Where.
    pub span: Span,
}

/// All of a spec's tests.
#[derive(Debug, Clone, Default)]
pub struct TestReport {
    /// The cases, in the spec's order.
    pub cases: Vec<CaseReport>,
}

impl TestReport {
    /// How many ended in which verdict.
    pub fn tally(&self) -> crate::Tally {
        crate::Tally::of(self.cases.iter().map(|case| case.verdict))
    }

    /// Dollars, all cases that ran now.
    pub fn cost(&self) -> Usd {
        self.cases.iter().filter(|case| !case.kept).map(|case| case.cost).sum()
    }

    /// How often each guardrail fired.
    pub fn guardrails(&self) -> BTreeMap<&str, u32> {
        let mut all = BTreeMap::new();
        for (name, count) in self.cases.iter().flat_map(|case| &case.guardrails) {
            *all.entry(name.as_str()).or_default() += count;
        }
        all
    }
}
