//! Evaluating a checked condition against a scope.

use super::Condition;
use super::check::{ANY_WORDS_IN_TEXT, REGEX_IN, REGEX_IN_TEXT, WORDS_IN_TEXT};
use crate::detect::{Types, pii};
use crate::distance::levenshtein;
use crate::prepared::Prepared;
use crate::scope::Scope;
use crate::sql;
use crate::words::{self, WordSet};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A condition could not be evaluated. Whoever asked must take that as the strictest answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the condition could not be evaluated: {reason}")]
pub struct EvalError {
    /// Why; holds no value of the run.
    pub reason: String,
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Condition {
    /// Whether the condition holds for a text and a run.
    ///
    /// # Errors
    /// [`EvalError`] where a value is missing or has the wrong type; the guardrail then blocks.
    pub fn eval(&self, text: &str, scope: &Scope<'_>) -> Result<bool, EvalError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        self.add_functions(&mut context, text, scope.tainted)
            .map_err(|error| EvalError { reason: error.to_string() })?;
        for root in &self.plan.roots {
            if let Some(value) = variable(root, scope) {
                context.add_variable_from_value(*root, value);
            }
        }
        match Value::resolve(&self.expr, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(EvalError { reason: format!("its result is a {}, not true or false", other.type_of()) }),
            Err(error) => Err(EvalError { reason: plain(&error) }),
        }
    }

    fn add_functions(
        &self,
        context: &mut Context<'_, '_>,
        text: &str,
        tainted: bool,
    ) -> Result<(), cel::DeclarationError> {
        if self.plan.reads_text {
            let text: Arc<str> = Arc::from(text);
            let (words, seen) = (Arc::clone(&self.plan.words), Arc::clone(&text));
            context.add_function(WORDS_IN_TEXT, move |index: i64| -> Result<Value, ExecutionError> {
                let set = usize::try_from(index).ok().and_then(|index| words.get(index)).ok_or_else(lost)?;
                Ok(Value::Bool(set.find(&seen).is_some()))
            })?;
            let (regexes, seen) = (Arc::clone(&self.plan.regexes), Arc::clone(&text));
            context.add_function(REGEX_IN_TEXT, move |index: i64| -> Result<Value, ExecutionError> {
                let regex = usize::try_from(index).ok().and_then(|index| regexes.get(index)).ok_or_else(lost)?;
                Ok(Value::Bool(regex.is_match(&seen)))
            })?;
            context.add_function(ANY_WORDS_IN_TEXT, move |list: Arc<Vec<Value>>| -> Result<Value, ExecutionError> {
                let words: Option<Vec<&str>> = list.iter().take(1000).map(text_of).collect();
                let words = words.ok_or_else(|| {
                    ExecutionError::function_error("contains", "its list holds something that is no text")
                })?;
                Ok(Value::Bool(WordSet::new(words).find(&text).is_some()))
            })?;
        }
        let regexes = Arc::clone(&self.plan.regexes);
        context.add_function(REGEX_IN, move |text: Arc<String>, index: i64| -> Result<Value, ExecutionError> {
            let regex = usize::try_from(index).ok().and_then(|index| regexes.get(index)).ok_or_else(lost)?;
            Ok(Value::Bool(regex.is_match(&text)))
        })?;
        context.add_function("tainted", move || -> Result<Value, ExecutionError> { Ok(Value::Bool(tainted)) })?;
        context.add_function("lower", |text: Arc<String>| text.to_lowercase())?;
        context.add_function("words", |text: Arc<String>| -> Result<Value, ExecutionError> {
            Ok(Value::Int(i64::try_from(words::count(&text)).unwrap_or(i64::MAX)))
        })?;
        context.add_function("is_sql", |text: Arc<String>| sql::is_sql(&text))?;
        context.add_function("has_pii", |text: Arc<String>| {
            !pii::find(Prepared::new(&text).view(), &Types::all()).is_empty()
        })?;
        context.add_function("sql_verbs", |text: Arc<String>| Value::from(sql::verbs(&text)))?;
        context.add_function("sql_tables", |text: Arc<String>| Value::from(sql::tables(&text)))?;
        context.add_function("levenshtein", |a: Arc<String>, b: Arc<String>| -> Result<Value, ExecutionError> {
            if a.len().max(b.len()) > 8000 {
                return Err(ExecutionError::function_error("levenshtein", "a text is longer than 8,000 bytes"));
            }
            Ok(Value::Int(i64::try_from(levenshtein(&a, &b)).unwrap_or(i64::MAX)))
        })
    }
}

fn lost() -> ExecutionError {
    ExecutionError::function_error("condition", "a prepared part is missing")
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The library's errors show values; reasons are kept, so they must not.
fn plain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!("there is no `{}`", name.chars().take(60).collect::<String>()),
        ExecutionError::UndeclaredReference(name) => {
            format!("`{}` has no value here", name.chars().take(60).collect::<String>())
        }
        ExecutionError::FunctionError { function, message } => format!("`{function}` failed: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".into(),
        ExecutionError::Overflow(..) => "a number is too large".into(),
        ExecutionError::IndexOutOfBounds(_) => "a list is shorter than it assumes".into(),
        ExecutionError::NoSuchOverload(overload) => {
            format!("`{}` does not work on {}", overload.function(), overload.argument_types().join(" and "))
        }
        _ => "a value has another type than it assumes".into(),
    }
}

fn map<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let map: HashMap<Key, Value> =
        entries.into_iter().filter_map(|(key, value)| Some((Key::from(key), value?))).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn number(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn variable(root: &str, scope: &Scope<'_>) -> Option<Value> {
    Some(match root {
        "input" => Value::from(scope.input),
        "output" => Value::from(scope.output),
        "stage" => Value::from(scope.stage.as_str()),
        "environment" => Value::from(scope.environment),
        "turn" => number(scope.turn.into()),
        "user" => map([
            ("id", Some(scope.user.id.as_deref().map_or(Value::Null, Value::from))),
            ("roles", Some(Value::from(scope.user.roles.clone()))),
        ]),
        "tool" => {
            let tool = scope.tool?;
            map([
                ("name", Some(Value::from(tool.name))),
                ("args", Some(value(tool.args))),
                ("result", tool.result.map(value)),
            ])
        }
        "usage" => map([
            ("input_tokens", Some(number(scope.usage.input_tokens.0))),
            ("output_tokens", Some(number(scope.usage.output_tokens.0))),
        ]),
        "cost" => map([
            ("run", Some(Value::Float(scope.cost_run.dollars()))),
            ("hour", Some(Value::Float(scope.cost_hour.dollars()))),
        ]),
        "json" => scope.json.map_or(Value::Null, value),
        "tools" => {
            let calls = scope.tools.iter().map(|call| {
                map([
                    ("name", Some(Value::from(call.name))),
                    ("args", Some(value(call.args))),
                    ("result", Some(call.result.map_or(Value::Null, value))),
                    ("ran", Some(Value::Bool(call.ran))),
                ])
            });
            Value::List(Arc::new(calls.collect()))
        }
        "error_rate" => Value::Float(scope.alerts.error_rate),
        "p99" => Value::Float(scope.alerts.p99),
        "cost_per_hour" => Value::Float(scope.alerts.cost_per_hour),
        "guardrail_hits" => number(scope.alerts.guardrail_hits),
        "steps" => {
            let steps = scope.steps.iter().map(|step| {
                (
                    Key::from(step.name),
                    map([("output", Some(Value::from(step.output))), ("outcome", Some(Value::from(step.outcome)))]),
                )
            });
            Value::Map(Map { map: Arc::new(steps.collect()) })
        }
        _ => return None,
    })
}

/// JSON as CEL sees it. JSON that was parsed is at most 128 deep, so the recursion is bounded.
fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(count) => match (count.as_i64(), count.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::UInt(whole),
            _ => Value::Float(count.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(list) => Value::List(Arc::new(list.iter().map(value).collect())),
        Json::Object(object) => Value::Map(Map {
            map: Arc::new(object.iter().map(|(key, inner)| (Key::from(key.as_str()), value(inner))).collect()),
        }),
    }
}
