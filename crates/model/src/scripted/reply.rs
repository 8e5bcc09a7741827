//! What a rule answers: text, tool calls, faults; with `${match.x}` and `${result.x}` filled in.

use super::rule::{Situation, known_keys};
use crate::chat::{Request, Role, ToolCall};
use crate::price::TokenUsage;
use aic_base::matcher::Captures;
use aic_base::units;
use serde_json::{Map, Value};
use std::time::Duration;

/// A reply as written.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    text: Option<String>,
    chunks: Vec<String>,
    echo: bool,
    tool_calls: Vec<Asked>,
    usage: Option<TokenUsage>,
    delay: Duration,
    fault: Option<Fault>,
}

/// A tool call as written.
#[derive(Debug, Clone)]
struct Asked {
    id: Option<String>,
    name: String,
    args: Value,
}

/// How an answer goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    Status { status: u16, message: String, retry_after: Option<Duration> },
    Timeout,
    ResetAfter(usize),
}

/// A reply with everything filled in.
#[derive(Debug)]
pub(super) struct Rendered {
    pub chunks: Vec<String>,
    pub tool_calls: Vec<ToolCall>,
    pub usage: Option<TokenUsage>,
    pub delay: Duration,
    pub fault: Option<Fault>,
}

impl Reply {
    pub fn compile(reply: &Value) -> Result<Self, String> {
        let Value::Object(map) = reply else { return Err("a reply is a map".into()) };
        known_keys(map, &["text", "chunks", "echo", "tool_calls", "usage", "delay", "error"])?;
        let text = |key: &str| match map.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`{key}` is a text")),
        };
        let chunks = match map.get("chunks") {
            None => Vec::new(),
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or("`chunks` is a list of texts"))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err("`chunks` is a list of texts".into()),
        };
        let echo = match map.get("echo").map(Value::as_str) {
            None => false,
            Some(Some("prompt")) => true,
            Some(_) => return Err("`echo` takes the word `prompt`".into()),
        };
        Ok(Self {
            text: text("text")?,
            chunks,
            echo,
            tool_calls: tool_calls(map.get("tool_calls"))?,
            usage: usage(map.get("usage"))?,
            delay: map.get("delay").map(duration).transpose()?.unwrap_or_default(),
            fault: map.get("error").map(fault).transpose()?,
        })
    }

    pub fn render(
        &self,
        situation: &Situation<'_>,
        captures: &Captures,
        request: &Request,
        calls_before: usize,
    ) -> Result<Rendered, String> {
        let result = situation.answered().map(|answered| &answered.result);
        let lookup = |name: &str| find(name, captures, result);
        let chunks = if self.echo {
            vec![prompt_text(request)]
        } else if self.chunks.is_empty() {
            self.text.iter().map(|text| fill(text, &lookup)).collect::<Result<_, _>>()?
        } else {
            self.chunks.iter().map(|text| fill(text, &lookup)).collect::<Result<_, _>>()?
        };
        let tool_calls = self
            .tool_calls
            .iter()
            .enumerate()
            .map(|(i, call)| {
                let schema = request.tools.iter().find(|tool| tool.name == call.name).map(|tool| &tool.parameters);
                Ok(ToolCall {
                    id: call.id.clone().unwrap_or_else(|| format!("call_{}", calls_before + i + 1)),
                    name: call.name.clone(),
                    args: fill_value(&call.args, schema, &lookup, 0)?,
                    opaque: None,
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(Rendered { chunks, tool_calls, usage: self.usage, delay: self.delay, fault: self.fault.clone() })
    }
}

fn tool_calls(value: Option<&Value>) -> Result<Vec<Asked>, String> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("`tool_calls` is a list of {name, args}".into()),
    };
    list.iter()
        .map(|call| {
            let map = call.as_object().ok_or("a tool call is a map with `name` and `args`")?;
            known_keys(map, &["id", "name", "args"])?;
            let name = map.get("name").and_then(Value::as_str).ok_or("a tool call needs a `name`")?;
            Ok(Asked {
                id: map.get("id").and_then(Value::as_str).map(str::to_owned),
                name: name.to_owned(),
                args: map.get("args").cloned().unwrap_or_else(|| Value::Object(Map::new())),
            })
        })
        .collect()
}

fn usage(value: Option<&Value>) -> Result<Option<TokenUsage>, String> {
    let Some(value) = value else { return Ok(None) };
    let map = value.as_object().ok_or("`usage` is a map with `input_tokens` and `output_tokens`")?;
    known_keys(map, &["input_tokens", "output_tokens"])?;
    let count = |key: &str| match map.get(key) {
        None => Ok(0),
        Some(value) => value.as_u64().ok_or_else(|| format!("`{key}` is a whole number")),
    };
    let (input, output) = (count("input_tokens")?, count("output_tokens")?);
    Ok(Some(TokenUsage { input, output, ..TokenUsage::default() }))
}

fn duration(value: &Value) -> Result<Duration, String> {
    match value {
        Value::String(text) => units::duration(text).map_err(|error| error.to_string()),
        Value::Number(number) => {
            units::bare_seconds(number.as_f64().unwrap_or(f64::NAN)).map_err(|error| error.to_string())
        }
        _ => Err("a duration is written like 300ms".into()),
    }
}

fn fault(value: &Value) -> Result<Fault, String> {
    const FORMS: &str = "`error` is `timeout`, {status: 429, retry_after: 1s} or {reset_after: 2}";
    match value {
        Value::String(word) if word == "timeout" => Ok(Fault::Timeout),
        Value::Object(map) => {
            known_keys(map, &["status", "message", "retry_after", "reset_after", "timeout"])?;
            if map.get("timeout") == Some(&Value::Bool(true)) {
                return Ok(Fault::Timeout);
            }
            if let Some(count) = map.get("reset_after") {
                let count = count.as_u64().and_then(|count| usize::try_from(count).ok()).ok_or(FORMS)?;
                return Ok(Fault::ResetAfter(count));
            }
            let status = map.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
            let retry_after = map.get("retry_after").map(duration).transpose()?;
            let message = map.get("message").and_then(Value::as_str).unwrap_or("").to_owned();
            Ok(Fault::Status { status: status.ok_or(FORMS)?, message, retry_after })
        }
        _ => Err(FORMS.into()),
    }
}

/// Everything the model was shown, for `echo: prompt`.
fn prompt_text(request: &Request) -> String {
    let line = |message: &crate::chat::Message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        format!("{role}: {}", message.text)
    };
    request.messages.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The value that `match.x` or `result.a.0.b` names.
fn find(name: &str, captures: &Captures, result: Option<&Value>) -> Result<Value, String> {
    if let Some(group) = name.strip_prefix("match.") {
        let caught = captures.get(group).map(|text| Value::from(text.as_str()));
        return caught.ok_or_else(|| format!("`${{{name}}}`: no named group `{group}` was caught"));
    }
    let path = name.strip_prefix("result").filter(|rest| rest.is_empty() || rest.starts_with('.'));
    let Some(path) = path else {
        return Err(format!("`${{{name}}}` is neither `match.…` nor `result.…`"));
    };
    let mut value = result.ok_or_else(|| format!("`${{{name}}}`: there is no tool result here"))?;
    for step in path.split('.').skip(1) {
        let inner = match value {
            Value::Object(map) => map.get(step),
            Value::Array(list) => step.parse().ok().and_then(|i: usize| list.get(i)),
            _ => None,
        };
        value = inner.ok_or_else(|| format!("`${{{name}}}`: the result has no `{step}`"))?;
    }
    Ok(value.clone())
}

type Lookup<'a> = dyn Fn(&str) -> Result<Value, String> + 'a;

/// Fills `${…}` into a text; `$${` is a literal. What is filled in is not looked at again.
fn fill(text: &str, lookup: &Lookup<'_>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at - 1]);
            filled.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let end = rest[at..].find('}').ok_or("`${` without its `}`")?;
        match lookup(&rest[at + 2..at + end])? {
            Value::String(text) => filled.push_str(&text),
            value => filled.push_str(&value.to_string()),
        }
        rest = &rest[at + end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Fills a value; a text that is only `${x}` keeps x's type, and a capture takes the type that the schema wants.
fn fill_value(value: &Value, schema: Option<&Value>, lookup: &Lookup<'_>, depth: usize) -> Result<Value, String> {
    if depth > 32 {
        return Err("arguments nested deeper than 32 levels".into());
    }
    match value {
        Value::String(text) => {
            let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            let filled = match whole.filter(|name| !name.contains(['$', '}'])) {
                Some(name) => lookup(name)?,
                None => Value::String(fill(text, lookup)?),
            };
            Ok(typed(filled, schema))
        }
        Value::Array(list) => {
            let items = schema.and_then(|schema| schema.get("items"));
            list.iter()
                .map(|item| fill_value(item, items, lookup, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let inner = schema.and_then(|schema| schema.get("properties")).and_then(|all| all.get(key));
                Ok((key.clone(), fill_value(value, inner, lookup, depth + 1)?))
            })
            .collect::<Result<_, String>>()
            .map(Value::Object),
        value => Ok(value.clone()),
    }
}

fn typed(value: Value, schema: Option<&Value>) -> Value {
    let wanted = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
    let parsed = match (&value, wanted) {
        (Value::String(text), Some("integer" | "number" | "boolean")) => serde_json::from_str(text).ok(),
        _ => None,
    };
    parsed.filter(|parsed: &Value| parsed.is_number() || parsed.is_boolean()).unwrap_or(value)
}
