//! The typed spec: what a file means once it is checked, desugared and its references are read. Plain data, no parser.

mod behaviour;
mod context;
mod model;
mod prompt;
mod tool;

pub use behaviour::{CaseSource, Confirmation, Expect, HistoryTurn, MinPassRate, Mock, TestDef, TestInput, Turn, User};
pub use context::{Context, Memory, MemoryKind, Persistence, Retention, VectorStore};
pub use model::{As, ModelSpec, Models, Pricing, Provider, Replay, Timeouts};
pub use prompt::{Message, PromptVariant, Prompts, Role, Text, ValueFrom, Variable};
pub use tool::{
    Approver, Blocked, CommandRun, Confirm, Database, Effect, HttpRun, Origin, Room, Run, Sandbox, Server, ShellRun,
    SqlRun, ToolSpec, Tools, Trust, WasmRun, WorkspaceMode,
};

use aic_base::{Digest, Limits, RelPath, Tokens, Usd};
use aic_guard::GuardrailDef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A container spec in its long form, everything it names read.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The file.
    pub path: RelPath,
    /// Its name: `name`, else the file's or the folder's.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The models.
    pub models: Models,
    /// The prompts.
    pub prompts: Prompts,
    /// The form of the final output.
    pub output: Option<OutputSpec>,
    /// The guardrails of all stages, in the spec's order; those of `prompts.user.validation` come first.
    pub guardrails: Vec<GuardrailDef>,
    /// The tools.
    pub tools: Tools,
    /// What sandboxed code may use.
    pub limits: Limits,
    /// Where programs run and what they see.
    pub sandbox: Sandbox,
    /// What one run may use.
    pub budget: Budget,
    /// What the model is shown of a conversation.
    pub context: Context,
    /// Fields that hold personal data: they enter the audit chain as salted digests only.
    pub personal_data: Vec<String>,
    /// The behaviour tests, those of `files:` included.
    pub tests: Vec<TestDef>,
    /// Of everything but the tests: the tree as JSON without `tests` and `test_defaults`, and every file that the rest
    /// of the spec or a test names (prompts, scripts, schemas, case files), test files excepted. Comments and layout do
    /// not count.
    pub behaviour: Digest,
    /// The text of every script and other file that the spec names, by path.
    pub files: BTreeMap<RelPath, Arc<[u8]>>,
}

/// The form that the final output must have.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    /// Whether it is JSON (`format: json`).
    pub json: bool,
    /// The JSON Schema it must follow.
    pub schema: Option<serde_json::Value>,
}

/// What one run may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Model calls.
    pub steps: u32,
    /// Dollars.
    pub cost: Option<Usd>,
    /// Tokens in and out.
    pub tokens: Option<Tokens>,
    /// Wall-clock time.
    pub time: Option<Duration>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 20, cost: None, tokens: None, time: None }
    }
}
