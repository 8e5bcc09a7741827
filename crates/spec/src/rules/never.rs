//! Expectations that no run can satisfy. Only what is certain is reported: what depends on a variable is not.

use super::Whole;
use crate::codes::NEVER_PASSES;
use crate::cx::Cx;
use crate::typed::{Expect, TestDef, TestInput, ToolSpec};
use crate::{Diagnostic, words::shown};
use aic_base::Action;
use aic_guard::{Guard, GuardKind, NameGlob};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    judge_all(cx, &whole.spec.tests, &Ends::of(whole));
}

/// Tests without a spec: anything may stop a run there.
pub(crate) fn alone(cx: &mut Cx<'_>, tests: &[TestDef]) {
    judge_all(cx, tests, &Ends { can_block: true, can_ask: true, ..Ends::default() });
}

fn judge_all(cx: &mut Cx<'_>, tests: &[TestDef], ends: &Ends) {
    for test in tests.iter().filter(|test| test.skip.is_none()) {
        judge(cx, &test.expect, ends);
        if let TestInput::Turns(turns) = &test.input {
            turns.iter().for_each(|turn| judge(cx, &turn.expect, ends));
        }
    }
}

/// What of a spec can end a run, or stop a call.
#[derive(Default)]
struct Ends {
    /// What `tools.blocked` says of names.
    blocked: Vec<NameGlob>,
    /// Whether anything can end a run as `blocked`. Where a base is not in reach, anything may.
    can_block: bool,
    /// Whether anything can ask for a confirmation.
    can_ask: bool,
    /// The guardrails and tools there are.
    known: HashSet<String>,
    /// Guardrails that never stop, and what they do instead.
    harmless: HashMap<String, Action>,
    /// Tools whose calls nobody is asked about.
    unasked: HashSet<String>,
}

impl Ends {
    fn of(whole: &Whole<'_>) -> Self {
        let tools = &whole.spec.tools;
        let blocked = tools.blocked.iter().filter_map(|blocked| match blocked {
            crate::Blocked::Tool(glob) => aic_guard::tool_glob(glob).ok(),
            crate::Blocked::Pattern(_) => None,
        });
        let guards: Vec<Guard> = whole.spec.guardrails.iter().filter_map(|def| Guard::compile(def).ok()).collect();
        // A script or a condition may fail, and then it blocks whatever its action is.
        let sure = |guard: &Guard| matches!(guard.kind, GuardKind::Detector(_) | GuardKind::AuditLog(_));
        let stops = |guard: &Guard| !sure(guard) || guard.action >= Action::RequireConfirmation;
        let asks = |guard: &Guard| {
            matches!(guard.kind, GuardKind::Script { .. } | GuardKind::Wasm { .. })
                || guard.action == Action::RequireConfirmation
        };
        let flows = tools.rule_of_two.is_some();
        let restricted = |tool: &ToolSpec| tool.confirm.is_some() || !tool.origins.is_empty();
        let asked = flows || tools.allowed.iter().any(restricted);
        let can_ask = whole.open || asked || guards.iter().any(asks);
        let everywhere = whole.open || flows || guards.iter().any(asks);
        Self {
            blocked: blocked.collect(),
            can_block: can_ask || !tools.blocked.is_empty() || guards.iter().any(stops),
            can_ask,
            known: guards
                .iter()
                .map(|guard| guard.name.clone())
                .chain(tools.allowed.iter().map(|tool| tool.name.clone()))
                .collect(),
            harmless: guards
                .iter()
                .filter(|guard| !stops(guard) && !whole.open)
                .map(|guard| (guard.name.clone(), guard.action))
                .collect(),
            unasked: tools
                .allowed
                .iter()
                .filter(|tool| !everywhere && !restricted(tool))
                .map(|tool| tool.name.clone())
                .collect(),
        }
    }
}

/// Expectations that all have to hold, those of `all_of` among them.
fn judge(cx: &mut Cx<'_>, expect: &[Expect], ends: &Ends) {
    let mut all = Vec::new();
    for one in expect.iter().take(200) {
        flatten(one, &mut all, 0);
    }
    let mut said: HashSet<aic_base::Span> = HashSet::new();
    for (at, one) in all.iter().enumerate() {
        // Of a group, one finding is enough.
        if said.contains(&one.span) {
            continue;
        }
        if let Some(why) = by_itself(one, ends) {
            said.insert(one.span);
            report(cx, one, None, why);
            continue;
        }
        let against = all.iter().take(at).find_map(|other| {
            let why = together(&one.kind, &one.value, &other.kind, &other.value)
                .or_else(|| together(&other.kind, &other.value, &one.kind, &one.value))?;
            Some((other, why))
        });
        if let Some((other, why)) = against {
            said.insert(one.span);
            report(cx, one, Some(other).filter(|other| other.span != one.span), why);
        }
    }
}

/// An expectation, or those that stand in an `all_of`, which stand where it does.
fn flatten(one: &Expect, all: &mut Vec<Expect>, depth: usize) {
    if all.len() >= 200 {
        return;
    }
    match inner(one).filter(|_| one.kind == "all_of" && depth < 8) {
        Some(items) => items.iter().for_each(|item| flatten(item, all, depth + 1)),
        None => all.push(one.clone()),
    }
}

/// The expectations of a group.
pub(super) fn inner(group: &Expect) -> Option<Vec<Expect>> {
    let items = group.value.as_array()?.iter().take(50).filter_map(|item| {
        let (kind, value) = match item {
            Value::String(kind) => (kind.clone(), Value::Null),
            Value::Object(map) => map.iter().next().map(|(kind, value)| (kind.clone(), value.clone()))?,
            _ => return None,
        };
        Some(Expect { kind, value, file: group.file.clone(), span: group.span })
    });
    Some(items.collect())
}

fn report(cx: &mut Cx<'_>, expect: &Expect, other: Option<&Expect>, why: String) {
    let mut found = Diagnostic::new(NEVER_PASSES, &expect.file, expect.span, format!("this can never pass: {why}"));
    if let Some(other) = other {
        found = found.related(&other.file, other.span, "this is expected too");
    }
    cx.report(found);
}

fn has_variables(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(has_variables),
        Value::Object(map) => map.values().any(has_variables),
        _ => false,
    }
}

/// What cannot hold by itself.
fn by_itself(expect: &Expect, ends: &Ends) -> Option<String> {
    let (value, blocked) = (&expect.value, &ends.blocked);
    if has_variables(value) {
        return None;
    }
    match expect.kind.as_str() {
        "any_of" if value.as_array().is_some_and(Vec::is_empty) => Some("there is nothing to choose from".into()),
        "tool_ran" => ran(value, blocked).or_else(|| count(value)),
        "tool_called" | "guardrail" => count(value),
        // Each of the choices fails by itself.
        "any_of" => inner(expect)?.iter().map(|one| by_itself(one, ends)).collect::<Option<Vec<_>>>()?.pop(),
        "that" if value.as_str().is_some_and(|text| text.trim() == "false") || value == &Value::Bool(false) => {
            Some("false is never true".into())
        }
        "outcome" if value == "needs_confirmation" && !ends.can_ask => {
            Some("nothing in this spec asks for a confirmation".into())
        }
        "outcome" if value == "blocked" && !ends.can_block => Some("nothing in this spec blocks a run".into()),
        // A name that is unknown is a finding of its own.
        "blocked" if by(value).is_some_and(|by| !ends.known.contains(by)) => None,
        "blocked" if stops(value) && !ends.can_block => Some("nothing in this spec blocks a run".into()),
        "blocked" => {
            let by = by(value)?;
            let action = ends.harmless.get(by)?;
            Some(format!("`{}` does not stop a run, its action is `{}`", shown(by), action.as_str()))
        }
        "confirmation" if !ends.can_ask && stops(value) => Some("nothing in this spec asks for a confirmation".into()),
        "confirmation" => {
            let tool = value.as_str().or_else(|| value.get("tool")?.as_str())?;
            ends.unasked.contains(tool).then(|| format!("nobody is asked about `{}`: it has no `confirm`", shown(tool)))
        }
        "tools_in_order" => value.as_array()?.iter().find_map(|tool| ran(tool, blocked)),
        _ => None,
    }
}

/// Who is to have stopped the run, where an expectation says so.
fn by(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("by")?.as_str())
}

fn name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("name")?.as_str())
}

fn ran(value: &Value, blocked: &[NameGlob]) -> Option<String> {
    let name = name(value)?;
    // `count: 0` says that it did not run.
    if value.get("count").is_some() {
        return None;
    }
    blocked
        .iter()
        .any(|glob| glob.matches(name))
        .then(|| format!("`tools.blocked` stops every call of `{}`", shown(name)))
}

/// `count: {gt: 3, lt: 2}`.
fn count(value: &Value) -> Option<String> {
    let count = value.get("count")?;
    // A number of times is a whole one, and no word.
    let literal = match count {
        Value::Number(number) => number.as_f64().is_some_and(|number| number < 0.0 || number.fract() != 0.0),
        Value::String(_) | Value::Bool(_) | Value::Array(_) => true,
        _ => false,
    };
    if literal {
        return Some(format!("a `count` is a whole number, 0 or more, not {count}"));
    }
    let bound = |key: &str| count.get(key).and_then(Value::as_f64);
    let least = bound("gt").map(|n| n.floor() + 1.0).into_iter().chain(bound("gte")).fold(0.0, f64::max);
    let most = bound("lt").map(|n| n.ceil() - 1.0).into_iter().chain(bound("lte")).fold(f64::INFINITY, f64::min);
    let none_of = count.get("one_of").and_then(Value::as_array).is_some_and(Vec::is_empty);
    (least > most || most < 0.0 || none_of).then(|| "no number is a `count` like this".into())
}

/// What the one expects, the other rules out.
fn together(a: &str, one: &Value, b: &str, other: &Value) -> Option<String> {
    if has_variables(one) || has_variables(other) {
        return None;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (a, b) {
        ("not", kind) => (one == &serde_json::json!({ kind: other }) || (one.as_str() == Some(kind) && is_yes(other)))
            .then(|| format!("`{kind}` and its opposite are both expected")),
        ("outcome", "outcome") if one != other => Some("a run has one outcome".into()),
        ("equals", "equals") if one != other => Some("two different outputs are expected".into()),
        ("blocked", "not_blocked") if stops(one) && is_yes(other) => {
            Some("it is to be blocked and not to be blocked".into())
        }
        ("blocked", "outcome") if stops(one) => {
            let outcome = other.as_str()?;
            (!matches!(outcome, "blocked" | "needs_confirmation"))
                .then(|| format!("a run that is blocked does not end as `{}`", shown(outcome)))
        }
        ("not_blocked", "outcome") if is_yes(one) => {
            let outcome = other.as_str()?;
            matches!(outcome, "blocked" | "needs_confirmation")
                .then(|| format!("a run that is not blocked does not end as `{outcome}`"))
        }
        ("no_tool_called", "tool_called" | "tool_ran" | "tools_in_order") if is_yes(one) && calls(other) => {
            Some("no tool is to be called, and one is".into())
        }
        ("equals", "contains") => {
            let (whole, part) = (text(one)?, text(other)?);
            (!whole.contains(&part)).then(|| "the output that is expected does not hold this text".into())
        }
        ("equals", "icontains") => {
            let (whole, part) = (text(one)?.to_lowercase(), text(other)?.to_lowercase());
            (!whole.contains(&part)).then(|| "the output that is expected does not hold this text".into())
        }
        ("equals", "starts_with") => {
            let (whole, part) = (text(one)?, text(other)?);
            (!whole.starts_with(&part)).then(|| "the output that is expected does not begin like this".into())
        }
        ("starts_with", "starts_with") => {
            let (a, b) = (text(one)?, text(other)?);
            (!a.starts_with(&b) && !b.starts_with(&a)).then(|| "no output begins in two ways".into())
        }
        _ => None,
    }
}

/// A word without a value, or `true`.
fn is_yes(value: &Value) -> bool {
    value.is_null() || value == &Value::Bool(true)
}

/// `blocked: false` is the opposite.
fn stops(value: &Value) -> bool {
    value != &Value::Bool(false)
}

/// Whether at least one call is expected.
fn calls(value: &Value) -> bool {
    value.get("count").is_none() && !value.as_array().is_some_and(Vec::is_empty)
}
