//! Expectations: compiled once when the tests are planned, judged on what a case left behind.

mod compile;
mod judge;
mod seen;

pub(crate) use judge::judge;
pub(crate) use seen::Seen;

use crate::plan::PlanError;
use aic_base::{Digest, Matcher, Outcome, RelPath, Span, Usd};
use aic_engine::Code;
use aic_guard::Condition;
use std::sync::Arc;
use std::time::Duration;

/// One expectation, compiled.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// As it was written, for messages.
    pub shown: String,
    /// The file it stands in.
    pub file: RelPath,
    /// Where.
    pub span: Span,
    pub(crate) what: What,
}

/// An expectation that does not compile.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{kind}`: {message}")]
pub struct ExpectError {
    /// Its kind.
    pub kind: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The file.
    pub file: RelPath,
    /// Where.
    pub span: Span,
}

impl From<ExpectError> for PlanError {
    fn from(error: ExpectError) -> Self {
        Self { message: error.to_string(), file: error.file, span: error.span }
    }
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Of the output.
    Output(Matcher),
    /// The output as JSON follows a schema.
    JsonSchema(Arc<jsonschema::Validator>),
    /// A place in the output as JSON.
    JsonPath { path: Arc<serde_json_path::JsonPath>, text: String, is: Matcher },
    /// A condition.
    That(Arc<Condition>),
    /// How the run ended.
    Outcome(Outcome),
    /// It was stopped before an answer.
    Blocked { by: Option<Matcher>, reason: Option<Matcher> },
    /// It was not.
    NotBlocked,
    /// A person was asked.
    Confirmation { tool: Option<Matcher>, guardrail: Option<Matcher>, args: Option<Matcher>, by: Option<Matcher> },
    /// A guardrail fired.
    Guardrail { name: Matcher, action: Option<Matcher>, stage: Option<Matcher> },
    /// A tool was asked for, or ran.
    Tool { name: Matcher, args: Option<Matcher>, count: Option<Matcher>, ran: bool },
    /// Tools ran in this order, others in between.
    ToolsInOrder(Vec<String>),
    /// None of these tools (or none at all) was asked for.
    NoToolCalled(Vec<String>),
    /// At most so many dollars.
    Cost(Usd),
    /// At most so long.
    Latency(Duration),
    /// At most so long in this share of the cases.
    LatencyOver { percentile: f64, most: Duration },
    /// At most so many tokens.
    Tokens { input: Option<u64>, output: Option<u64>, total: Option<u64> },
    /// All repeats gave the same output.
    SameOutput,
    /// A grader of the user's own.
    Own { code: Code, path: RelPath, min_score: Option<f64> },
    /// A file of the workspace as programs left it.
    File { path: RelPath, contains: Option<String>, exists: bool },
    /// A program in the workspace as the others left it.
    Command { argv: Vec<String>, exit: i32, stdout: Option<Matcher> },
    /// Not this.
    Not(Box<Expectation>),
    /// At least one of these.
    AnyOf(Vec<Expectation>),
    /// All of these.
    AllOf(Vec<Expectation>),
}

impl Expectation {
    /// Whether it is about all repeats or cases together rather than one run.
    pub(crate) fn is_about_all(&self) -> bool {
        match &self.what {
            What::SameOutput | What::LatencyOver { .. } => true,
            What::Not(inner) => inner.is_about_all(),
            What::AnyOf(all) | What::AllOf(all) => all.iter().any(Self::is_about_all),
            _ => false,
        }
    }
}

/// What a repeat left behind, as far as `same_output` compares it: each turn's outcome and output.
pub(crate) fn output_digest(turns: &[(Outcome, &str)]) -> Digest {
    let mut builder = aic_base::DigestBuilder::new("outputs");
    for (outcome, output) in turns {
        builder.part(outcome.as_str(), output);
    }
    builder.finish()
}
