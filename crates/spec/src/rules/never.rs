//! Expectations that no run can satisfy. Only what is certain is reported: what depends on a variable is not.

use super::Whole;
use crate::codes::NEVER_PASSES;
use crate::cx::Cx;
use crate::typed::{Expect, TestInput};
use crate::{Diagnostic, words::shown};
use aic_guard::NameGlob;
use serde_json::Value;

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let blocked: Vec<NameGlob> = whole
        .spec
        .tools
        .blocked
        .iter()
        .filter_map(|blocked| match blocked {
            crate::Blocked::Tool(glob) => aic_guard::tool_glob(glob).ok(),
            crate::Blocked::Pattern(_) => None,
        })
        .collect();
    for test in whole.spec.tests.iter().filter(|test| test.skip.is_none()) {
        judge(cx, &test.expect, &blocked);
        if let TestInput::Turns(turns) = &test.input {
            turns.iter().for_each(|turn| judge(cx, &turn.expect, &blocked));
        }
    }
}

/// Expectations that all have to hold.
fn judge(cx: &mut Cx<'_>, expect: &[Expect], blocked: &[NameGlob]) {
    for (at, one) in expect.iter().enumerate().take(200) {
        if let Some(why) = alone(one, blocked) {
            report(cx, one, None, why);
            continue;
        }
        let against = expect.iter().take(at).find_map(|other| {
            let why = together(&one.kind, &one.value, &other.kind, &other.value)
                .or_else(|| together(&other.kind, &other.value, &one.kind, &one.value))?;
            Some((other, why))
        });
        if let Some((other, why)) = against {
            report(cx, one, Some(other), why);
        }
    }
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
fn alone(expect: &Expect, blocked: &[NameGlob]) -> Option<String> {
    let value = &expect.value;
    if has_variables(value) {
        return None;
    }
    match expect.kind.as_str() {
        "any_of" if value.as_array().is_some_and(Vec::is_empty) => Some("there is nothing to choose from".into()),
        "tool_ran" => ran(value, blocked).or_else(|| count(value)),
        "tool_called" | "guardrail" => count(value),
        "tools_in_order" => value.as_array()?.iter().find_map(|tool| ran(tool, blocked)),
        _ => None,
    }
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
