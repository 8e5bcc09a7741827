//! Conditions, detectors and decisions of the AIContainer workbench: text in, decision out.
//!
//! A guardrail of a spec arrives as a [`GuardrailDef`], is compiled once into a [`Guard`], and then judges texts. Nothing
//! here reads a file, a clock or the network: what needs state (rate limits, costs, audit) or a sandbox (scripts) is
//! described here and carried out by the engine. This crate alone knows CEL and SQL.

mod builtins;
pub mod condition;
mod defs;
mod detect;
mod distance;
mod guard;
pub mod normalize;
mod params;
mod prepared;
mod redact;
mod scope;
pub mod sql;
pub mod stream;
pub mod words;

pub use builtins::{Builtin, ParamDoc, ParamKind};
pub use condition::{Condition, ConditionProblem, EvalError, Place};
pub use defs::{Group, GuardrailDef, Problem, ProblemAt};
pub use detect::model as injection_model;
pub use detect::{Detector, Finding, PiiType, SecretType, Types, injection_score};
pub use distance::{nearest, optimal_alignment};
pub use guard::{AuditLog, CostControl, Guard, GuardKind, RateLimit, Window, strictest};
pub use params::direct_key;
pub use prepared::Prepared;
pub use redact::{Vault, redact};
pub use scope::{AlertScope, CallScope, Scope, StepScope, ToolScope, User};
pub use sql::{BlockedPattern, Denied, Dialect, Judged, NameGlob, SqlPolicy, judge_statement, tool_glob};
