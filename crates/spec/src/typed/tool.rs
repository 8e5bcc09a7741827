//! `tools:`.

use aic_base::{RelPath, Span};
use serde_json::Value;
use std::time::Duration;

/// What the agent may call, and what it may never call.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// The tools the model is offered.
    pub allowed: Vec<ToolSpec>,
    /// What is stopped whoever asks.
    pub blocked: Vec<Blocked>,
}

/// One tool.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// SQL verbs it may use, in capitals.
    pub permissions: Vec<String>,
    /// SQL tables it may touch; none means any but the system's.
    pub tables: Option<Vec<String>>,
    /// SQL functions it may call; none means the safe default.
    pub functions: Option<Vec<String>>,
    /// How it is carried out; without, its calls are handed back to the caller.
    pub run: Option<Run>,
    /// What it does to the world, by the spec or by the kind of `run` (language page, section 6).
    pub effect: Effect,
    /// When a person must agree.
    pub confirm: Option<Confirm>,
    /// Whether its results may hold somebody's instructions.
    pub trust: Trust,
    /// Where it stands in the spec.
    pub span: Span,
}

/// How a tool is carried out.
#[derive(Debug, Clone)]
pub enum Run {
    /// On a database.
    Sql(SqlRun),
    /// A script in the sandbox.
    Script {
        /// The file; its text is in `Spec::files`.
        path: RelPath,
        /// How long it may run.
        timeout: Option<Duration>,
        /// How much memory it may use, in bytes.
        memory: Option<u64>,
    },
    /// A kind that this version reads but does not carry out (`http`, `wasm`, `command`, `shell`, `mcp`).
    NotYet(String),
}

/// A tool on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRun {
    /// The SQLite file.
    pub database: RelPath,
    /// A fixed statement with `:named` arguments; without, the model writes it into the argument `query`.
    pub statement: Option<String>,
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing.
    Read,
    /// It changes something here.
    Write,
    /// It changes or tells something elsewhere.
    Egress,
}

/// Whether a tool's results may hold somebody's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// They are data of the spec's owner.
    #[default]
    Trusted,
    /// They taint the turn.
    Untrusted,
}

/// When a person must agree, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// A condition; none means always.
    pub when: Option<String>,
    /// Who.
    pub by: Approver,
    /// How long the question stands.
    pub expires: Option<Duration>,
}

/// Who must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Approver {
    /// The user of the chat.
    User,
    /// An operator, who never answers through the chat.
    Operator,
}

/// What is stopped whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// Statements that begin like this pattern of SQL tokens.
    Pattern(String),
    /// Tools whose name matches this glob.
    Tool(String),
}
