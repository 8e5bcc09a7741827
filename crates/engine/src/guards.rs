//! All guards of one stage on one text: detectors and conditions at once, scripts and modules in the sandbox.
//!
//! All run; the strictest action wins. A guard that cannot say anything (its code fails, loops or returns nonsense)
//! blocks and says so.

use crate::container::Container;
use crate::options::RunOptions;
use crate::scripts::{Code, ScriptJob, Scripts, read_span};
use crate::tools::Leaves;
use aic_base::{Action, Decision, RelPath, Span, Stage};
use aic_guard::{Detector, Guard, GuardKind, Prepared, Scope, redact, strictest};
use serde_json::{Value, json};

/// What the guards of a stage said.
#[derive(Debug)]
pub(crate) struct Examined {
    /// Every decision, in the spec's order.
    pub decisions: Vec<Decision>,
    /// The strictest action, if any guard fired.
    pub action: Option<Action>,
    /// The text, redacted where that was decided.
    pub text: String,
}

impl Examined {
    /// The decision of the strictest action.
    pub fn decisive(&self) -> Option<&Decision> {
        self.decisions.iter().find(|decision| Some(decision.action) == self.action)
    }
}

/// Lets every guard that stands here judge the text. Detectors of what a text says look at what stands `beside` it too, as
/// [`Leaves`] has it; their places there are counted behind the text.
pub(crate) async fn examine(
    container: &Container,
    options: &RunOptions,
    (text, beside): (&str, &str),
    scope: &Scope<'_>,
) -> Examined {
    let tool = scope.tool.map(|tool| tool.name);
    let mut decisions = Vec::new();
    let (prepared, prepared_beside) = (Prepared::new(text), Prepared::new(beside));
    for guard in container.guards.iter().filter(|guard| stands_here(guard, scope.stage, tool)) {
        match &guard.kind {
            GuardKind::Script { path } => {
                let own = (path.as_str(), Code::Script);
                decisions.extend(judge_by_own(guard, own, container.scripts(), options, text, scope).await);
            }
            GuardKind::Wasm { path } => {
                let own = (path.as_str(), Code::Module);
                decisions.extend(judge_by_own(guard, own, container.scripts(), options, text, scope).await);
            }
            GuardKind::Detector(detector) => {
                decisions.extend(guard.judge_prepared(&prepared, scope));
                let counts =
                    matches!(detector, Detector::MaxLength(_) | Detector::AllowedTopics(..) | Detector::DbMutations(_));
                if !counts && !beside.is_empty() {
                    let by = Leaves::beside_at(text);
                    let behind = |span: Span| Span::new(span.range().start + by, span.range().end + by);
                    let of_beside = guard.judge_prepared(&prepared_beside, scope).into_iter();
                    decisions.extend(of_beside.map(|found| Decision { span: found.span.map(behind), ..found }));
                }
            }
            _ => decisions.extend(guard.judge(text, scope)),
        }
    }
    let redacted = redact(text, &decisions);
    Examined { action: strictest(&decisions), decisions, text: redacted }
}

/// Whether a guard judges here. Nothing is streamed by this version, so what stands on streamed text and on the final
/// output sees the same text: it judges once, in the end.
pub(crate) fn stands_here(guard: &Guard, stage: Stage, tool: Option<&str>) -> bool {
    guard.applies(stage, tool) && !(stage == Stage::Chunk && guard.applies(Stage::PostExecution, None))
}

/// Whether a guard looks at texts at all, rather than at counts.
pub(crate) const fn looks(guard: &Guard) -> bool {
    matches!(
        guard.kind,
        GuardKind::Detector(_) | GuardKind::Condition(_) | GuardKind::Script { .. } | GuardKind::Wasm { .. }
    )
}

async fn judge_by_own(
    guard: &Guard,
    (path, code): (&str, Code),
    scripts: &Scripts,
    options: &RunOptions,
    text: &str,
    scope: &Scope<'_>,
) -> Option<Decision> {
    let stage = scope.stage;
    let args = json!({
        "text": text,
        "stage": stage.as_str(),
        "input": scope.input,
        "output": scope.output,
        "user": { "id": scope.user.id, "roles": scope.user.roles },
        "tool": scope.tool.map(|tool| json!({ "name": tool.name, "args": tool.args, "result": tool.result })),
        "turn": scope.turn,
    });
    let now = options.clock.now();
    let ctx = json!({ "guardrail": guard.name, "now": now.to_string(), "environment": scope.environment });
    let path = match RelPath::new(path) {
        Ok(path) => path,
        Err(error) => return Some(failed(guard, stage, error.to_string())),
    };
    let job = ScriptJob { code, path: &path, args, ctx, limits: None, now, seed: options.seed };
    match scripts.call(job, &options.cancel).await {
        Ok(value) => read_decision(guard, stage, (&path, code), &value, text),
        Err(why) => Some(failed(guard, stage, why)),
    }
}

/// Reads `{action, reason, span}`; null and `{action: "allow"}` are no decision. Anything else blocks.
fn read_decision(
    guard: &Guard,
    stage: Stage,
    (path, code): (&RelPath, Code),
    value: &Value,
    text: &str,
) -> Option<Decision> {
    let nonsense = |what: &str| {
        let why = format!("{path} returned {what}: a guard returns null or {{action, reason, span}}");
        Some(failed(guard, stage, why))
    };
    let map = match value {
        Value::Null => return None,
        Value::Object(map) => map,
        _ => return nonsense("something that is no map"),
    };
    let action = match map.get("action") {
        None | Some(Value::Null) => guard.action,
        Some(Value::String(word)) if word == "allow" => return None,
        Some(Value::String(word)) => match Action::from_word(word) {
            Some(action) => action,
            None => return nonsense("an action that the language does not have"),
        },
        Some(_) => return nonsense("an action that is no word"),
    };
    let reason = match map.get("reason") {
        Some(Value::String(reason)) => reason.chars().take(500).collect(),
        _ => guard.message.clone().unwrap_or_else(|| format!("{} said so", guard.name)),
    };
    let span = map.get("span").filter(|span| !span.is_null()).map(|span| read_span(span, text, code));
    if span == Some(None) {
        return nonsense("a span that is not inside the text");
    }
    let span = span.flatten();
    if action == Action::Redact && span.is_none() {
        return nonsense("`redact` without the span to redact");
    }
    let replacement = map.get("replacement").and_then(Value::as_str).map(str::to_owned);
    let replacement =
        if action == Action::Redact { Some(replacement.unwrap_or_else(|| "[redacted]".into())) } else { None };
    Some(Decision {
        guardrail: guard.name.clone(),
        stage,
        action,
        span,
        reason,
        replacement,
        confidence: 1.0,
        failed: false,
    })
}

/// The decision of a guard that cannot say anything.
fn failed(guard: &Guard, stage: Stage, why: String) -> Decision {
    guard.cannot_judge(stage, format!("the guard failed, so it blocks: {why}"))
}
