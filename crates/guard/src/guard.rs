//! A compiled guardrail: where it applies, and what it says of a text.

use crate::builtins::{AUDIT_FIELDS, Builtin, ParamKind};
use crate::condition::{Condition, Place};
use crate::defs::{Group, GuardrailDef, Problem, ProblemAt};
use crate::detect::{Detector, Finding, Types};
use crate::distance::nearest;
use crate::scope::Scope;
use crate::words::WordSet;
use aic_base::{Action, Decision, Span, Stage, Usd, units};
use serde_json::Value;
use std::time::Duration;

/// A limit on runs in a window of time; the engine counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// The most runs in one window.
    pub max_operations: u64,
    /// The window.
    pub window: Duration,
    /// Whether each user is counted alone.
    pub per_user: bool,
}

/// A limit on the cost of an hour; the engine counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostControl {
    /// The cap.
    pub max_per_hour: Usd,
    /// From here on it warns.
    pub alert_at: Usd,
}

/// What the audit writes down of each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLog {
    /// The fields.
    pub fields: Vec<String>,
}

/// How a guardrail decides.
#[derive(Debug, Clone)]
pub enum GuardKind {
    /// By looking at the text.
    Detector(Detector),
    /// By its condition.
    Condition(Condition),
    /// By a script of the user's own; the engine runs it in the sandbox.
    Script {
        /// Its path, as the spec has it.
        path: String,
    },
    /// By a WebAssembly module of the user's own; the engine runs it in the sandbox.
    Wasm {
        /// Its path, as the spec has it.
        path: String,
    },
    /// By counting runs.
    RateLimit(RateLimit),
    /// By counting money.
    CostControl(CostControl),
    /// It decides nothing and writes the audit.
    AuditLog(AuditLog),
}

/// How much text a guardrail has to see at once to judge a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// What it looks for is at most so many bytes long.
    Bounded(usize),
    /// The whole text: such a guardrail turns streaming off.
    Whole,
}

/// A guardrail that is ready to judge.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// What happens when it fires.
    pub action: Action,
    /// The reason it gives, where the spec has one.
    pub message: Option<String>,
    /// Where it stands.
    pub stages: Vec<Stage>,
    /// The tools it looks at; empty means all.
    pub tools: Vec<String>,
    /// How it decides.
    pub kind: GuardKind,
    /// The built-in it is, if any.
    pub builtin: Option<Builtin>,
    /// Whether a child spec may not loosen it.
    pub is_final: bool,
    /// Whether it looks only at tool results that are untrusted.
    pub untrusted_results_only: bool,
}

impl Guard {
    /// Checks a guardrail and prepares it.
    ///
    /// # Errors
    /// Everything that is wrong with it; never empty.
    pub fn compile(def: &GuardrailDef) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let own = def.script.is_some() || def.wasm.is_some();
        let named = def.uses.as_deref().unwrap_or(&def.name);
        let builtin = if own { None } else { Builtin::from_name(named) };
        if let (Some(uses), false) = (&def.uses, own || builtin.is_some()) {
            let problem = Problem::new(ProblemAt::Uses, format!("there is no built-in guardrail `{}`", short(uses)));
            return Err(vec![problem.with_suggestion(Builtin::suggest(uses))]);
        }
        let kind = match (builtin, &def.condition) {
            _ if own => own_kind(def),
            (None, None) => {
                let message = format!(
                    "`{}` is no built-in guardrail: give it a `condition`, a `script`, or the name of a built-in in `use`",
                    short(&def.name)
                );
                Err(vec![Problem::new(ProblemAt::Name, message).with_suggestion(Builtin::suggest(&def.name))])
            }
            (None | Some(Builtin::ConfirmDestructive), Some(text)) => condition(text),
            (Some(builtin), Some(_)) => {
                let message = format!(
                    "`{}` decides by itself and takes no condition: leave it out, or give a guardrail of your own another name",
                    builtin.name()
                );
                Err(vec![Problem::new(ProblemAt::Condition(Span::default()), message)])
            }
            (Some(builtin), None) => built_in(builtin, def),
        };
        if builtin.is_none() || matches!(&kind, Ok(GuardKind::Condition(_))) {
            let unknown = |key: &String| Problem::new(ProblemAt::Param(key.clone()), format!("`{}` is no key of this guardrail", short(key)));
            problems.extend(def.params.keys().map(unknown));
        }
        let kind = match kind {
            Ok(kind) => kind,
            Err(more) => {
                problems.extend(more);
                return Err(problems);
            }
        };
        let stages = stages(def, builtin, &kind);
        if let GuardKind::Condition(condition) = &kind
            && condition.needs_tool_result()
            && stages.iter().any(|stage| *stage != Stage::ToolResult)
        {
            let message = "`tool.result` exists on tool results only: add `on: tool_result`, or ask `has(tool.result)` first";
            problems.push(Problem::new(ProblemAt::Condition(Span::new(0, condition.as_str().len())), message));
        }
        if let GuardKind::Condition(condition) = &kind
            && condition.names_tool()
            && let Some(wrong) = stages.iter().find(|stage| !matches!(stage, Stage::ToolCall | Stage::ToolResult))
        {
            let message = format!("there is no `tool` on {wrong}: use `on: tool_call` or `on: tool_result`");
            problems.push(Problem::new(ProblemAt::On, message));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let injections = [Builtin::NoSqlInjection, Builtin::NoCodeExecution, Builtin::PromptInjection];
        Ok(Self {
            name: def.name.clone(),
            action: def.action.unwrap_or_else(|| builtin.map_or(Action::Block, Builtin::default_action)),
            message: def.message.clone(),
            stages,
            tools: def.tools.clone(),
            kind,
            builtin,
            is_final: def.is_final,
            untrusted_results_only: def.on.is_empty() && builtin.is_some_and(|builtin| injections.contains(&builtin)),
        })
    }

    /// Whether it stands on this stage, and looks at this tool.
    pub fn applies(&self, stage: Stage, tool: Option<&str>) -> bool {
        self.stages.contains(&stage)
            && (self.tools.is_empty() || tool.is_some_and(|tool| self.tools.iter().any(|listed| listed == tool)))
    }

    /// Judges a text. Guardrails that count, audit or run scripts say nothing here: the engine carries those out.
    pub fn judge(&self, text: &str, scope: &Scope<'_>) -> Vec<Decision> {
        if !self.applies(scope.stage, scope.tool.map(|tool| tool.name)) {
            return Vec::new();
        }
        match &self.kind {
            GuardKind::Detector(_)
                if self.untrusted_results_only
                    && scope.stage == Stage::ToolResult
                    && scope.tool.is_some_and(|tool| !tool.untrusted) =>
            {
                Vec::new()
            }
            GuardKind::Detector(detector) => {
                detector.find(text, scope).into_iter().map(|finding| self.decide(text, scope, finding)).collect()
            }
            GuardKind::Condition(condition) => match condition.eval(text, scope) {
                Ok(false) => Vec::new(),
                Ok(true) => {
                    let reason = format!("the condition of `{}` holds", self.name);
                    let finding = Finding { span: None, reason, replacement: None, confidence: 1.0 };
                    vec![self.decide(text, scope, finding)]
                }
                // A condition that cannot be judged protects nothing, so it stops the run and says why, whatever its action.
                Err(error) => vec![Decision {
                    guardrail: self.name.clone(),
                    stage: scope.stage,
                    action: Action::Block,
                    span: None,
                    reason: format!("{error}; what cannot be judged is blocked"),
                    replacement: None,
                    confidence: 1.0,
                }],
            },
            _ => Vec::new(),
        }
    }

    /// How much of a stream it has to see at once.
    pub fn window(&self) -> Window {
        match &self.kind {
            // The longest things with a pattern are addresses and keys; a private key may fill some kilobytes.
            GuardKind::Detector(Detector::Data(types)) if types.secrets.is_empty() => Window::Bounded(320),
            GuardKind::Detector(Detector::Data(_)) => Window::Bounded(8192),
            GuardKind::RateLimit(_) | GuardKind::CostControl(_) | GuardKind::AuditLog(_) => Window::Bounded(0),
            _ => Window::Whole,
        }
    }

    fn decide(&self, text: &str, scope: &Scope<'_>, finding: Finding) -> Decision {
        let redacts = self.action == Action::Redact;
        let whole = Span::new(0, text.len());
        Decision {
            guardrail: self.name.clone(),
            stage: scope.stage,
            action: self.action,
            span: if redacts { Some(finding.span.unwrap_or(whole)) } else { finding.span },
            reason: self.message.clone().unwrap_or(finding.reason),
            replacement: if redacts { Some(finding.replacement.unwrap_or_else(|| format!("[{}]", self.name))) } else { finding.replacement },
            confidence: finding.confidence,
        }
    }
}

/// The strictest action of all decisions; none where there is no decision.
pub fn strictest(decisions: &[Decision]) -> Option<Action> {
    decisions.iter().map(|decision| decision.action).max()
}

/// The text with the spans of all redacting decisions replaced. Spans that overlap are replaced as one, by the
/// replacement of the one that covers all, else by `[redacted]`.
pub fn redact(text: &str, decisions: &[Decision]) -> String {
    let mut spans: Vec<(usize, usize, &str)> = decisions
        .iter()
        .filter(|decision| decision.action == Action::Redact)
        .map(|decision| {
            let span = decision.span.unwrap_or(Span::new(0, text.len()));
            let (mut start, mut end) = (span.range().start.min(text.len()), span.range().end.min(text.len()));
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            while !text.is_char_boundary(end) {
                end += 1;
            }
            (start, end, decision.replacement.as_deref().unwrap_or("[redacted]"))
        })
        .collect();
    spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut merged: Vec<(usize, usize, &str)> = Vec::new();
    for (start, end, replacement) in spans {
        match merged.last_mut() {
            Some((_, last_end, last)) if start < *last_end => {
                if end > *last_end {
                    *last_end = end;
                    *last = "[redacted]";
                }
            }
            _ => merged.push((start, end, replacement)),
        }
    }
    let mut redacted = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, replacement) in merged {
        redacted.push_str(text.get(at..start).unwrap_or(""));
        redacted.push_str(replacement);
        at = end;
    }
    redacted.push_str(text.get(at..).unwrap_or(""));
    redacted
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn own_kind(def: &GuardrailDef) -> Result<GuardKind, Vec<Problem>> {
    let both = def.script.is_some() && def.wasm.is_some();
    if both || def.condition.is_some() || def.uses.is_some() {
        let message = "a guardrail has one of `script`, `wasm`, `condition` and `use`: make several guardrails";
        return Err(vec![Problem::new(ProblemAt::Script, message)]);
    }
    let path = def.script.as_ref().or(def.wasm.as_ref()).cloned().unwrap_or_default();
    if path.trim().is_empty() {
        return Err(vec![Problem::new(ProblemAt::Script, "the path of the guardrail's script is missing")]);
    }
    Ok(if def.script.is_some() { GuardKind::Script { path } } else { GuardKind::Wasm { path } })
}

fn condition(text: &str) -> Result<GuardKind, Vec<Problem>> {
    Condition::compile(text, Place::Guard).map(GuardKind::Condition).map_err(|problems| {
        let problem = |problem: crate::ConditionProblem| Problem {
            at: ProblemAt::Condition(problem.span),
            message: problem.message,
            suggestion: problem.suggestion,
        };
        problems.into_iter().map(problem).collect()
    })
}

/// Where a guardrail stands: where `on` says; else a condition that names `tool` on tool calls; else where its heading and
/// its built-in's own stages meet.
fn stages(def: &GuardrailDef, builtin: Option<Builtin>, kind: &GuardKind) -> Vec<Stage> {
    use Stage::{Chunk, ModelCall, PostExecution, PreExecution, ToolCall, ToolResult};
    if !def.on.is_empty() {
        return def.on.clone();
    }
    if let GuardKind::Condition(condition) = kind {
        if condition.names_tool() {
            return vec![ToolCall];
        }
        return match def.group {
            Group::PreExecution => vec![PreExecution],
            Group::PostExecution => vec![PostExecution],
            Group::Own if builtin.is_some() => vec![PreExecution],
            Group::Runtime | Group::Own => vec![ModelCall, ToolResult, Chunk],
        };
    }
    let defaults: &[Stage] = builtin.map_or(&[], Builtin::default_stages);
    let (heading, least): (&[Stage], &[Stage]) = match def.group {
        Group::Own => return if defaults.is_empty() { vec![PreExecution, PostExecution] } else { defaults.to_vec() },
        // Injection detectors stay on untrusted tool results, wherever they are written.
        Group::PreExecution if builtin != Some(Builtin::DataPrivacy) => (&[PreExecution, ToolResult], &[PreExecution]),
        Group::PreExecution | Group::Runtime | Group::PostExecution if builtin == Some(Builtin::DataPrivacy) => return defaults.to_vec(),
        Group::Runtime => (&[ModelCall, ToolCall, ToolResult, Chunk], &[]),
        // What streams out ahead of the final output is output too.
        _ => (&[Chunk, PostExecution], &[PostExecution]),
    };
    let mut stages: Vec<Stage> = defaults.iter().filter(|stage| heading.contains(stage)).copied().collect();
    stages.extend(least.iter().filter(|stage| !stages.contains(stage)).copied().collect::<Vec<_>>());
    if stages.is_empty() { vec![ModelCall, ToolCall, ToolResult, Chunk] } else { stages }
}

/// Reads the parameters of a built-in.
struct Params<'a> {
    builtin: Builtin,
    def: &'a GuardrailDef,
    problems: Vec<Problem>,
}

impl<'a> Params<'a> {
    fn new(builtin: Builtin, def: &'a GuardrailDef) -> Self {
        let known: Vec<&str> = builtin.params().iter().map(|param| param.name).collect();
        let mut problems = Vec::new();
        for key in def.params.keys() {
            let direct = Builtin::from_name(key) == Some(builtin) && direct_key(builtin).is_some();
            if !direct && !known.contains(&key.as_str()) {
                let all = if known.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", known.join(", ")) };
                let message = format!("`{}` is no parameter of {}: {all}", short(key), builtin.name());
                let problem = Problem::new(ProblemAt::Param(key.clone()), message);
                problems.push(problem.with_suggestion(nearest(key, known.iter().copied())));
            }
        }
        Self { builtin, def, problems }
    }

    /// A parameter under its own key, or the value that was given directly.
    fn value(&self, name: &str) -> Option<(&'a str, &'a Value)> {
        let direct = |key: &str| Builtin::from_name(key) == Some(self.builtin) && direct_key(self.builtin) == Some(name);
        let found = self.def.params.iter().find(|(key, _)| *key == name);
        found.or_else(|| self.def.params.iter().find(|(key, _)| direct(key))).map(|(key, value)| (key.as_str(), value))
    }

    fn wrong(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(ProblemAt::Param(key.to_owned()), message));
    }

    fn count(&mut self, name: &str, default: u64, least: u64) -> u64 {
        let Some((key, value)) = self.value(name) else { return default };
        match value.as_u64() {
            Some(count) if count >= least => count,
            _ => {
                self.wrong(key, format!("`{key}` takes a whole number, {least} or more"));
                default
            }
        }
    }

    fn share(&mut self, name: &str, default: f64) -> f64 {
        let Some((key, value)) = self.value(name) else { return default };
        let share = match value {
            Value::String(text) => units::share(text).ok(),
            other => other.as_f64().filter(|share| (0.0..=1.0).contains(share)),
        };
        share.unwrap_or_else(|| {
            self.wrong(key, format!("`{key}` takes a share from 0 to 1, such as 0.5 or 50%"));
            default
        })
    }

    fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some((key, value)) = self.value(name) else { return default };
        let duration = match value {
            Value::String(text) => units::duration(text).map_err(|error| error.to_string()),
            other => other.as_f64().ok_or_else(|| "a duration is written like 30s, 1m or 1h".to_owned())
                .and_then(|seconds| units::bare_seconds(seconds).map_err(|error| error.to_string())),
        };
        match duration {
            Ok(duration) if !duration.is_zero() => duration,
            Ok(_) => {
                self.wrong(key, format!("`{key}` must be longer than nothing"));
                default
            }
            Err(message) => {
                self.wrong(key, message);
                default
            }
        }
    }

    /// US dollars of an hour; a share where `of` is given.
    fn money(&mut self, name: &str, default: Usd, of: Option<Usd>) -> Usd {
        let Some((key, value)) = self.value(name) else { return default };
        let money = match (value, of) {
            (Value::String(text), Some(whole)) if text.trim_end().ends_with('%') => {
                units::share(text).map(|share| Usd::from_dollars(whole.dollars() * share)).map_err(|error| error.to_string())
            }
            (Value::String(text), _) => units::money(text).map_err(|error| error.to_string()).and_then(|rate| match rate.per {
                Some(per) if per != Duration::from_secs(3600) => Err(format!("`{key}` is an amount of one hour: write it like $10/hour")),
                _ => Ok(rate.amount),
            }),
            (other, _) => match other.as_f64() {
                Some(dollars) if dollars >= 0.0 => Ok(Usd::from_dollars(dollars)),
                _ => Err(format!("`{key}` takes US dollars, such as 10 or $10/hour")),
            },
        };
        money.unwrap_or_else(|message| {
            self.wrong(key, message);
            default
        })
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let (key, value) = self.value(name)?;
        let texts = match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.wrong(key, format!("`{key}` takes a list of texts"));
        }
        texts
    }

    /// A list of words out of the parameter's own.
    fn words(&mut self, name: &str) -> Option<Vec<String>> {
        let known = self.builtin.params().iter().find(|param| param.name == name).map(|param| param.kind);
        let all = match known {
            Some(ParamKind::ListOf(all) | ParamKind::OneOf(all)) => all,
            _ => &[],
        };
        let words = self.texts(name)?;
        for word in &words {
            if !all.contains(&word.as_str()) {
                let message = format!("`{}` is none of {}", short(word), all.join(", "));
                let problem = Problem::new(ProblemAt::Param(name.to_owned()), message);
                self.problems.push(problem.with_suggestion(nearest(word, all.iter().copied())));
            }
        }
        Some(words)
    }
}

/// The parameter that a value given directly means: `max_length: 1000`, `cost_limit: $10/hour`.
fn direct_key(builtin: Builtin) -> Option<&'static str> {
    match builtin {
        Builtin::MaxLength => Some("max"),
        Builtin::CostControl => Some("max_cost_per_hour"),
        Builtin::RateLimit => Some("max_operations"),
        Builtin::AllowedTopics => Some("topics"),
        Builtin::AuditLog => Some("fields"),
        _ => None,
    }
}

fn built_in(builtin: Builtin, def: &GuardrailDef) -> Result<GuardKind, Vec<Problem>> {
    let mut params = Params::new(builtin, def);
    let kind = match builtin {
        Builtin::MaxLength => GuardKind::Detector(Detector::MaxLength(params.count("max", 4000, 0))),
        Builtin::NoSqlInjection => GuardKind::Detector(Detector::SqlInjection(params.share("sensitivity", 0.5))),
        Builtin::NoCodeExecution => GuardKind::Detector(Detector::CodeExecution(params.share("sensitivity", 0.5))),
        Builtin::PromptInjection => GuardKind::Detector(Detector::PromptInjection(params.share("sensitivity", 0.5))),
        Builtin::ConfirmDestructive => GuardKind::Detector(Detector::Destructive),
        Builtin::NoDbMutations => {
            let allow = params.texts("allow").unwrap_or_default();
            GuardKind::Detector(Detector::DbMutations(allow.iter().map(|verb| verb.to_uppercase()).collect()))
        }
        Builtin::Secrets | Builtin::PiiProtection | Builtin::DataPrivacy => {
            let words = params.words("types").unwrap_or_else(|| vec!["all".to_owned()]);
            let mut types = Types::default();
            for word in &words {
                types.add(word);
            }
            match builtin {
                Builtin::Secrets => types.pii.clear(),
                Builtin::PiiProtection => types.secrets.clear(),
                _ => {}
            }
            GuardKind::Detector(Detector::Data(types))
        }
        Builtin::RateLimit => GuardKind::RateLimit(RateLimit {
            max_operations: params.count("max_operations", 60, 0),
            window: params.duration("window", Duration::from_secs(60)),
            per_user: params.words("per").is_some_and(|words| words.iter().any(|word| word == "user")),
        }),
        Builtin::CostControl => {
            let max = params.money("max_cost_per_hour", Usd::from_dollars(10.0), None);
            let alert = Usd::from_pico(max.pico() / 10 * 8);
            let alert_at = params.money("alert_at", alert, Some(max));
            if alert_at > max {
                params.wrong("alert_at", format!("`alert_at` ({alert_at}) lies above the cap ({max}): it would never warn"));
            }
            GuardKind::CostControl(CostControl { max_per_hour: max, alert_at })
        }
        Builtin::AuditLog => GuardKind::AuditLog(AuditLog {
            fields: params.words("fields").unwrap_or_else(|| AUDIT_FIELDS.iter().map(|field| (*field).to_owned()).collect()),
        }),
        Builtin::AllowedTopics => {
            let topics = params.texts("topics").unwrap_or_default();
            if topics.iter().all(|topic| topic.trim().is_empty()) && params.problems.is_empty() {
                params.wrong("topics", "`topics` is missing: list the words of the topics that are allowed".into());
            }
            let least = usize::try_from(params.count("min_match", 1, 1)).unwrap_or(usize::MAX);
            if least > topics.len() && params.problems.is_empty() {
                params.wrong("min_match", format!("`min_match` asks for more topics than the {} there are", topics.len()));
            }
            GuardKind::Detector(Detector::AllowedTopics(WordSet::new(topics), least))
        }
    };
    if params.problems.is_empty() { Ok(kind) } else { Err(params.problems) }
}
