//! `tests:`: behaviour tests as written. Planning, matching and judging are the behaviour crate's.

use aic_base::{Digest, RelPath, Span, Timestamp, Usd};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::time::Duration;

/// One behaviour test, the file's `test_defaults` merged in.
#[derive(Debug, Clone)]
pub struct TestDef {
    /// Its name.
    pub name: String,
    /// The file it stands in, and where.
    pub file: RelPath,
    /// Where its name stands.
    pub span: Span,
    /// What it is run with.
    pub input: TestInput,
    /// How often each case runs; 1 unless the test says more.
    pub repeat: u32,
    /// The dimensions of its matrix (`models`, `prompts`, variables) and their values.
    pub matrix: IndexMap<String, Vec<String>>,
    /// The share of cases and repeats that must pass.
    pub min_pass_rate: Option<MinPassRate>,
    /// What must hold of the whole.
    pub expect: Vec<Expect>,
    /// Who asks.
    pub user: User,
    /// The conversation so far: given, not run.
    pub history: Vec<HistoryTurn>,
    /// What stands in for tools' `run`.
    pub mocks: IndexMap<String, Vec<Mock>>,
    /// Variables.
    pub vars: Map<String, Value>,
    /// The moment that `${DATE}` and SQL see.
    pub now: Option<Timestamp>,
    /// The named model it is pinned to.
    pub model: Option<String>,
    /// Tools whose real `run` is used although they write or reach out.
    pub real: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Why it is skipped.
    pub skip: Option<String>,
    /// How long a case may take.
    pub timeout: Option<Duration>,
    /// What a case may cost.
    pub max_cost: Option<Usd>,
    /// Of what the test says (its tree as JSON, `test_defaults` merged in), not of where it stands: moving a test or
    /// changing a comment leaves it as it is.
    pub digest: Digest,
    /// Keys that this version reads but does not honour; running the test is an error that names them.
    pub not_yet: Vec<String>,
}

impl TestDef {
    /// Whether one of its expectations runs a program in the sandbox's workspace.
    pub fn starts_programs(&self) -> bool {
        let turns = match &self.input {
            TestInput::Turns(turns) => turns.as_slice(),
            TestInput::Cases(_) => &[],
        };
        let mut all = self.expect.iter().chain(turns.iter().flat_map(|turn| &turn.expect));
        all.any(|expect| runs_command(&expect.kind, &expect.value))
    }
}

fn runs_command(kind: &str, value: &Value) -> bool {
    if !matches!(kind, "not" | "any_of" | "all_of") {
        return kind == "command";
    }
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut all = items.iter().filter_map(Value::as_object).flatten();
    all.any(|(kind, value)| runs_command(kind, value))
}

/// What a test is run with.
#[derive(Debug, Clone)]
pub enum TestInput {
    /// One or more cases.
    Cases(Vec<CaseSource>),
    /// A conversation.
    Turns(Vec<Turn>),
}

/// Where cases come from.
#[derive(Debug, Clone)]
pub enum CaseSource {
    /// A case in place.
    Inline {
        /// The user's input.
        input: String,
        /// The case's own variables.
        vars: Map<String, Value>,
        /// Where it stands.
        span: Span,
    },
    /// A `.csv` or `.jsonl` file, a row a case; its bytes are in `Spec::files`.
    File(RelPath),
}

/// One turn of a conversation.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The user's input.
    pub input: String,
    /// The turn's own variables.
    pub vars: Map<String, Value>,
    /// Answers to confirmations, by tool (or guardrail) name.
    pub confirm: IndexMap<String, Confirmation>,
    /// What must hold of this turn.
    pub expect: Vec<Expect>,
    /// Where it stands.
    pub span: Span,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// One expectation as written: `{contains: text}`, or `same_output` with a null value.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// Its kind.
    pub kind: String,
    /// Its value, null where it has none.
    pub value: Value,
    /// The file it stands in.
    pub file: RelPath,
    /// Where.
    pub span: Span,
}

/// The share of cases and repeats that must pass, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinPassRate {
    /// Of the cases.
    pub cases: f64,
    /// Of each case's repeats.
    pub repeats: f64,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The user's id.
    pub id: Option<String>,
    /// The user's roles.
    pub roles: Vec<String>,
}

/// One message of the conversation so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryTurn {
    /// Whether the model said it rather than the user.
    pub by_assistant: bool,
    /// What.
    pub text: String,
}

/// One rule of a mock; the first that matches answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Mock {
    /// Answers calls whose arguments match.
    Rule {
        /// A matcher of the arguments, as written; null matches all.
        matches: Value,
        /// The result.
        returns: Option<Value>,
        /// The error, instead.
        error: Option<String>,
        /// Whether the call times out, instead.
        times_out: bool,
    },
    /// A script in the sandbox.
    Script(RelPath),
}
