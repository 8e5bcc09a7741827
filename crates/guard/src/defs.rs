//! What the language hands over: a guardrail as it was written, and what may be wrong with it.

use aic_base::{Action, Span, Stage};
use serde_json::{Map, Value};

/// Under which heading of `guardrails:` a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// None: the short form, where each built-in has its own stages.
    Own,
    /// `pre_execution`, and `prompts.user.validation`.
    PreExecution,
    /// `runtime`.
    Runtime,
    /// `post_execution`.
    PostExecution,
}

/// A guardrail as the spec has it.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardrailDef {
    /// Its name, unique in the spec.
    pub name: String,
    /// `use`: the built-in; the name where absent.
    pub uses: Option<String>,
    /// The heading it stands under.
    pub group: Group,
    /// `on`; empty where absent.
    pub on: Vec<Stage>,
    /// `tools`; empty where absent, which means all.
    pub tools: Vec<String>,
    /// `condition`, in CEL.
    pub condition: Option<String>,
    /// `action`; the built-in's, or block, where absent.
    pub action: Option<Action>,
    /// `message`: the reason of its decisions.
    pub message: Option<String>,
    /// Every other key. A value given directly (`max_length: 1000`, `cost_limit: $10/hour`) stands under the built-in's
    /// own name.
    pub params: Map<String, Value>,
    /// `script`: a path.
    pub script: Option<String>,
    /// `wasm`: a path.
    pub wasm: Option<String>,
    /// `final`.
    pub is_final: bool,
}

impl GuardrailDef {
    /// A guardrail with nothing but a name.
    pub fn named(name: &str, group: Group) -> Self {
        Self {
            name: name.to_owned(),
            uses: None,
            group,
            on: Vec::new(),
            tools: Vec::new(),
            condition: None,
            action: None,
            message: None,
            params: Map::new(),
            script: None,
            wasm: None,
            is_final: false,
        }
    }
}

/// Which part of a guardrail is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemAt {
    /// Its name.
    Name,
    /// `use`.
    Uses,
    /// `on`.
    On,
    /// The condition, and where in its text.
    Condition(Span),
    /// A parameter.
    Param(String),
    /// `script` or `wasm`.
    Script,
}

/// One thing that is wrong with a guardrail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Where.
    pub at: ProblemAt,
    /// What, and what to do.
    pub message: String,
    /// The text that was probably meant in its place.
    pub suggestion: Option<String>,
}

impl Problem {
    pub(crate) fn new(at: ProblemAt, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), suggestion: None }
    }

    pub(crate) fn with_suggestion(mut self, suggestion: Option<&str>) -> Self {
        if let Some(meant) = suggestion {
            self.message.push_str(&format!("; did you mean `{meant}`?"));
            self.suggestion = Some(meant.to_owned());
        }
        self
    }
}
