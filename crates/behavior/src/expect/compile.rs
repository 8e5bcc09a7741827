//! From an expectation as written to one that can be judged.

use super::{ExpectError, Expectation, What};
use aic_base::{Matcher, Outcome, RelPath, units};
use aic_engine::Code;
use aic_guard::{Condition, Place};
use aic_spec::{Expect, Spec};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

const MAX_DEPTH: usize = 16;

impl Expectation {
    /// Compiles an expectation.
    ///
    /// # Errors
    /// [`ExpectError`]: an unknown kind, a value of the wrong shape, a kind that this version does not judge.
    pub fn compile(expect: &Expect, spec: &Spec) -> Result<Self, ExpectError> {
        compile(expect, spec, 0)
    }
}

fn compile(expect: &Expect, spec: &Spec, depth: usize) -> Result<Expectation, ExpectError> {
    let wrong = |message: String| ExpectError {
        kind: expect.kind.clone(),
        message,
        file: expect.file.clone(),
        span: expect.span,
    };
    if depth > MAX_DEPTH {
        return Err(wrong(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    let inner = |value: &Value| {
        let (kind, value) =
            split(value).ok_or_else(|| wrong("an expectation is a word or a map with one key".into()))?;
        let inner = Expect { kind, value, file: expect.file.clone(), span: expect.span };
        compile(&inner, spec, depth + 1)
    };
    let all = || match &expect.value {
        Value::Array(list) => list.iter().map(inner).collect::<Result<Vec<_>, _>>(),
        _ => Err(wrong("takes a list of expectations".into())),
    };
    let what = match expect.kind.as_str() {
        "not" => What::Not(Box::new(inner(&expect.value)?)),
        "any_of" => What::AnyOf(all()?),
        "all_of" => What::AllOf(all()?),
        _ => simple(expect, spec).map_err(wrong)?,
    };
    let shown = match &expect.value {
        Value::Null => expect.kind.clone(),
        value => format!("{}: {}", expect.kind, as_written(value)),
    };
    Ok(Expectation { shown, file: expect.file.clone(), span: expect.span, what })
}

/// A value the way it is written in a spec: `{name: refund, count: 1}`. For people; texts are quoted only where needed.
fn as_written(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) if text.is_empty() || text.contains([',', '{', '}', '[', ']', '\n', '"']) => {
            Value::from(text.as_str()).to_string()
        }
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", join(list.iter().map(as_written).collect())),
        Value::Object(map) => {
            format!("{{{}}}", join(map.iter().map(|(key, value)| format!("{key}: {}", as_written(value))).collect()))
        }
        value => value.to_string(),
    }
}

/// A bare word, or a map with one key.
fn split(value: &Value) -> Option<(String, Value)> {
    match value {
        Value::String(kind) => Some((kind.clone(), Value::Null)),
        Value::Object(map) if map.len() == 1 => map.iter().next().map(|(kind, value)| (kind.clone(), value.clone())),
        _ => None,
    }
}

fn simple(expect: &Expect, spec: &Spec) -> Result<What, String> {
    let value = &expect.value;
    match expect.kind.as_str() {
        "contains" | "icontains" | "starts_with" | "matches" => {
            let text = scalar(value).ok_or("takes a text")?;
            let operator = expect.kind.as_str();
            Ok(What::Output(matcher(&json!({ operator: text }))?))
        }
        "equals" => Ok(What::Output(matcher(&json!({ "equals": scalar(value).ok_or("takes a text")? }))?)),
        "json_schema" => json_schema(value, &expect.file, spec),
        "json_path" => json_path(value),
        "that" => {
            let text = value.as_str().ok_or("takes a condition")?;
            let condition = Condition::compile(text, Place::That).map_err(|problems| {
                problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ")
            })?;
            Ok(What::That(Arc::new(condition)))
        }
        "outcome" => {
            let word = value.as_str().unwrap_or_default();
            let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
            let words = Outcome::ALL.map(Outcome::as_str).join(", ");
            outcome.map(What::Outcome).ok_or_else(|| format!("takes one of {words}"))
        }
        "blocked" => match value {
            Value::Null | Value::Bool(true) => Ok(What::Blocked { by: None, reason: None }),
            Value::String(_) => Ok(What::Blocked { by: Some(matcher(value)?), reason: None }),
            Value::Object(map) => {
                let [by, reason] = matchers(map, ["by", "reason"])?;
                Ok(What::Blocked { by, reason })
            }
            _ => Err("takes nothing, a guardrail's name, or {by, reason}".into()),
        },
        "not_blocked" => Ok(What::NotBlocked),
        "confirmation" => {
            let [tool, guardrail, args, by] = match value {
                Value::Null | Value::Bool(true) => [None, None, None, None],
                Value::String(_) => [Some(matcher(value)?), None, None, None],
                Value::Object(map) => matchers(map, ["tool", "guardrail", "args", "by"])?,
                _ => return Err("takes a tool's name or {tool, guardrail, args, by}".into()),
            };
            Ok(What::Confirmation { tool, guardrail, args, by })
        }
        "guardrail" => match value {
            Value::Object(map) if map.contains_key("name") => {
                let [name, action, stage] = matchers(map, ["name", "action", "stage"])?;
                Ok(What::Guardrail { name: name.ok_or("needs a `name`")?, action, stage })
            }
            Value::String(_) | Value::Object(_) => {
                Ok(What::Guardrail { name: matcher(value)?, action: None, stage: None })
            }
            _ => Err("takes a guardrail's name or {name, action, stage}".into()),
        },
        "tool_called" | "tool_ran" => {
            let ran = expect.kind == "tool_ran";
            match value {
                Value::Object(map) if map.contains_key("name") => {
                    let [name, args, count] = matchers(map, ["name", "args", "count"])?;
                    Ok(What::Tool { name: name.ok_or("needs a `name`")?, args, count, ran })
                }
                Value::String(_) | Value::Object(_) => {
                    Ok(What::Tool { name: matcher(value)?, args: None, count: None, ran })
                }
                _ => Err("takes a tool's name or {name, args, count}".into()),
            }
        }
        "tools_in_order" => Ok(What::ToolsInOrder(names(value).ok_or("takes a list of tools")?)),
        "no_tool_called" => match value {
            Value::Null | Value::Bool(true) => Ok(What::NoToolCalled(Vec::new())),
            Value::String(name) => Ok(What::NoToolCalled(vec![name.clone()])),
            value => Ok(What::NoToolCalled(names(value).ok_or("takes nothing, a tool or a list of tools")?)),
        },
        "cost" => {
            let text = scalar(value).ok_or("takes dollars: 0.01")?;
            Ok(What::Cost(units::money(&text).map_err(|error| error.to_string())?.amount))
        }
        "latency" => latency(value),
        "tokens" => tokens(value),
        "same_output" => Ok(What::SameOutput),
        "script" => own(Code::Script, value, &expect.file),
        "wasm" => own(Code::Module, value, &expect.file),
        "file" => file(value),
        "command" => command(value),
        "snapshot" | "similar" | "judge" | "cites" | "retrieved" => Err("this version does not judge it yet".into()),
        _ => Err("no such expectation".into()),
    }
}

fn matcher(value: &Value) -> Result<Matcher, String> {
    Matcher::compile(value).map_err(|error| {
        if error.path.is_empty() { error.message } else { format!("{}: {}", error.path.join("."), error.message) }
    })
}

/// The matchers under these keys; another key is an error.
fn matchers<const N: usize>(map: &Map<String, Value>, keys: [&str; N]) -> Result<[Option<Matcher>; N], String> {
    known_keys(map, &keys)?;
    let mut all = std::array::from_fn(|_| None);
    for (place, key) in all.iter_mut().zip(keys) {
        *place = map.get(key).map(matcher).transpose()?;
    }
    Ok(all)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn json_schema(value: &Value, file: &RelPath, spec: &Spec) -> Result<What, String> {
    let schema = match value {
        Value::String(path) => {
            let path = file.parent().join(path).map_err(|error| error.to_string())?;
            let bytes = spec.files.get(&path).ok_or_else(|| format!("{path}: no such file"))?;
            serde_json::from_slice(bytes).map_err(|error| format!("{path}: {error}"))?
        }
        value => value.clone(),
    };
    let validator = jsonschema::validator_for(&schema).map_err(|error| format!("no JSON Schema: {error}"))?;
    Ok(What::JsonSchema(Arc::new(validator)))
}

fn json_path(value: &Value) -> Result<What, String> {
    let map = value.as_object().ok_or("takes {path: $.a.b, is: MATCHER}")?;
    known_keys(map, &["path", "is"])?;
    let text = map.get("path").and_then(Value::as_str).ok_or("needs a `path` like $.a.b")?;
    let path = serde_json_path::JsonPath::parse(text).map_err(|error| format!("`{text}` is no JSON path: {error}"))?;
    let is = matcher(map.get("is").unwrap_or(&json!({ "exists": true })))?;
    Ok(What::JsonPath { path: Arc::new(path), text: text.to_owned(), is })
}

fn duration(value: &Value) -> Result<Duration, String> {
    match value {
        Value::String(text) => units::duration(text),
        value => units::bare_seconds(value.as_f64().unwrap_or(f64::NAN)),
    }
    .map_err(|error| error.to_string())
}

fn latency(value: &Value) -> Result<What, String> {
    let Value::Object(map) = value else { return Ok(What::Latency(duration(value)?)) };
    let mut entries = map.iter();
    let (Some((key, most)), None) = (entries.next(), entries.next()) else {
        return Err("takes a duration or one of {p50: …}, {p95: …}, {p99: …}, {max: …}".into());
    };
    let percentile = match key.as_str() {
        "max" => 100.0,
        key => key
            .strip_prefix('p')
            .and_then(|number| number.parse().ok())
            .filter(|percentile| (0.0..=100.0).contains(percentile))
            .ok_or_else(|| format!("`{key}` is no percentile: write p95"))?,
    };
    Ok(What::LatencyOver { percentile, most: duration(most)? })
}

fn tokens(value: &Value) -> Result<What, String> {
    if let Some(total) = value.as_u64() {
        return Ok(What::Tokens { input: None, output: None, total: Some(total) });
    }
    let map = value.as_object().ok_or("takes a number or {input, output}")?;
    known_keys(map, &["input", "output"])?;
    let count = |key: &str| match map.get(key) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("`{key}` takes a whole number")),
    };
    Ok(What::Tokens { input: count("input")?, output: count("output")?, total: None })
}

fn known_keys(map: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(other) => Err(format!("unknown key `{other}`: the keys are {}", keys.join(", "))),
        None => Ok(()),
    }
}

fn file(value: &Value) -> Result<What, String> {
    let map = value.as_object().ok_or("takes {path, contains}")?;
    known_keys(map, &["path", "contains", "exists"])?;
    let path = map.get("path").and_then(Value::as_str).ok_or("needs a `path`")?;
    let path = RelPath::default().join(path).map_err(|error| error.to_string())?;
    let contains = map.get("contains").map(|text| scalar(text).ok_or("`contains` takes a text")).transpose()?;
    let exists = map.get("exists").map_or(Some(true), Value::as_bool).ok_or("`exists` takes true or false")?;
    if path.is_root() || (contains.is_some() && !exists) {
        return Err("names a file, and asks nothing of one that is not to be there".into());
    }
    Ok(What::File { path, contains, exists })
}

fn command(value: &Value) -> Result<What, String> {
    let map = value.as_object().ok_or("takes {run: [program, …], exit: 0}")?;
    known_keys(map, &["run", "exit", "stdout"])?;
    let words = map.get("run").and_then(Value::as_array).filter(|words| !words.is_empty());
    let words = words.ok_or("needs `run`, a program and its arguments: [pytest, -q]")?;
    let argv: Option<Vec<String>> = words.iter().map(scalar).collect();
    let argv = argv.filter(|argv| !argv.iter().any(|word| word.contains('\0')));
    let exit = map.get("exit").map_or(Some(0), Value::as_i64).and_then(|code| i32::try_from(code).ok());
    let stdout = map.get("stdout").map(matcher).transpose()?;
    let (argv, exit) = (argv.ok_or("`run` takes words")?, exit.ok_or("`exit` takes an exit code")?);
    Ok(What::Command { argv, exit, stdout })
}

/// A grader of the user's own: its file, or `{file, min_score}`.
fn own(code: Code, value: &Value, file: &RelPath) -> Result<What, String> {
    let (path, min_score) = match value {
        Value::String(path) => (path.as_str(), None),
        Value::Object(map) => {
            known_keys(map, &["file", "min_score"])?;
            let path = map.get("file").and_then(Value::as_str).ok_or("needs a `file`")?;
            (path, map.get("min_score").and_then(Value::as_f64))
        }
        _ => return Err("takes a file or {file, min_score}".into()),
    };
    let path = file.parent().join(path).map_err(|error| error.to_string())?;
    Ok(What::Own { code, path, min_score })
}
