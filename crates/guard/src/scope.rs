//! What a condition can see: the run as it is at the moment of judging.

use aic_base::{Stage, Usage, Usd};
use serde_json::Value;

/// Who asks, as the caller says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// `user.id`; null where unknown.
    pub id: Option<String>,
    /// `user.roles`.
    pub roles: Vec<String>,
}

/// The tool call that is judged.
#[derive(Debug, Clone, Copy)]
pub struct ToolScope<'a> {
    /// `tool.name`.
    pub name: &'a str,
    /// `tool.args`.
    pub args: &'a Value,
    /// `tool.result`; absent before it ran (`has(tool.result)` is false).
    pub result: Option<&'a Value>,
    /// Whether what it returns is untrusted: injection detectors without `on` look at such results only.
    pub untrusted: bool,
}

/// One tool call of the run, for `tools` of an expectation: `tools.exists(t, t.name == 'refund')`.
#[derive(Debug, Clone, Copy)]
pub struct CallScope<'a> {
    /// `name`.
    pub name: &'a str,
    /// `args`.
    pub args: &'a Value,
    /// `result`; null where it did not run.
    pub result: Option<&'a Value>,
    /// `ran`: it passed every guard and ran.
    pub ran: bool,
}

/// What `deployment.alerts` look at.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AlertScope {
    /// `error_rate`, a share from 0 to 1.
    pub error_rate: f64,
    /// `p99`: the 99th percentile of latency, in milliseconds.
    pub p99: f64,
    /// `cost_per_hour`, in US dollars.
    pub cost_per_hour: f64,
    /// `guardrail_hits`: decisions stricter than log.
    pub guardrail_hits: u64,
}

/// One finished step of a workflow: `steps.NAME.output`, `steps.NAME.outcome`.
#[derive(Debug, Clone, Copy)]
pub struct StepScope<'a> {
    /// The step.
    pub name: &'a str,
    /// What it said.
    pub output: &'a str,
    /// The word of its outcome.
    pub outcome: &'a str,
}

/// The values of all variables of conditions.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// `stage`.
    pub stage: Stage,
    /// `input`: the user's input.
    pub input: &'a str,
    /// `output`: what the model has said so far.
    pub output: &'a str,
    /// `environment`.
    pub environment: &'a str,
    /// `user`.
    pub user: User,
    /// `tool`; none outside of tool calls.
    pub tool: Option<ToolScope<'a>>,
    /// `usage`.
    pub usage: Usage,
    /// `cost.run`.
    pub cost_run: Usd,
    /// `cost.hour`.
    pub cost_hour: Usd,
    /// `turn`, from 1.
    pub turn: u32,
    /// `tainted()`: untrusted text has entered this turn.
    pub tainted: bool,
    /// `json`: the output as JSON, in expectations; null where it is none.
    pub json: Option<&'a Value>,
    /// `tools`: the calls of the run, in expectations.
    pub tools: &'a [CallScope<'a>],
    /// What alerts look at.
    pub alerts: AlertScope,
    /// `steps`, in workflows.
    pub steps: &'a [StepScope<'a>],
}

impl Scope<'_> {
    /// A scope with nothing in it but the stage.
    pub fn at(stage: Stage) -> Self {
        Self {
            stage,
            input: "",
            output: "",
            environment: "",
            user: User::default(),
            tool: None,
            usage: Usage::default(),
            cost_run: Usd::ZERO,
            cost_hour: Usd::ZERO,
            turn: 1,
            tainted: false,
            json: None,
            tools: &[],
            alerts: AlertScope::default(),
            steps: &[],
        }
    }
}

impl Default for Scope<'_> {
    fn default() -> Self {
        Self::at(Stage::PreExecution)
    }
}
