//! What was asked, in a form that is the same whenever the same is asked: never an address, a key, a stream flag, an id of
//! a call, or what was left of a budget.

use super::redact::Redaction;
use crate::chat::{Message, Request, Role, Settings};
use aic_base::{Digest, DigestBuilder};
use serde_json::{Map, Value, json};

/// What an exchange is found by.
pub type Key = Digest;

/// What was asked, redacted.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The provider.
    pub provider: String,
    /// Its name for the model.
    pub model: String,
    /// The conversation, a map each: one of `system`, `user`, `assistant`, `tool`, with what belongs to it.
    pub messages: Vec<Value>,
    /// The tools on offer.
    pub tools: Vec<Value>,
    /// Sampling and the like; only what is set.
    pub settings: Map<String, Value>,
    /// JSON Schema of the answer.
    pub schema: Option<Value>,
}

impl Asked {
    /// What this request asks of this model.
    pub fn of(provider: &str, model: &str, request: &Request, redaction: &Redaction) -> Self {
        Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            messages: request.messages.iter().map(|said| message(said, redaction)).collect(),
            tools: request
                .tools
                .iter()
                .map(|tool| {
                    let about = redaction.hide(&tool.description);
                    json!({"offers": tool.name, "description": about, "parameters": redaction.hide_all(&tool.parameters)})
                })
                .collect(),
            settings: settings(&request.settings, redaction),
            schema: request.schema.as_ref().map(|schema| redaction.hide_all(schema)),
        }
    }

    /// The digest. Keys of maps are sorted for it, so that the order in which a spec names them is nobody's business.
    pub fn key(&self) -> Key {
        let mut builder = DigestBuilder::new("exchange");
        builder.part("provider", &self.provider).part("model", &self.model);
        let mut text = String::new();
        for (name, values) in [("messages", &self.messages), ("tools", &self.tools)] {
            for value in values {
                text.clear();
                sorted(value, &mut text);
                builder.part(name, &text);
            }
        }
        text.clear();
        sorted_map(&self.settings, &mut text);
        builder.part("settings", &text);
        if let Some(schema) = &self.schema {
            text.clear();
            sorted(schema, &mut text);
            builder.part("schema", &text);
        }
        builder.finish()
    }
}

/// The word that a message of this role begins with.
const fn word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn message(message: &Message, redaction: &Redaction) -> Value {
    let mut map = Map::new();
    let text = redaction.hide(&message.text);
    match &message.answers {
        Some(answers) => {
            map.insert(word(message.role).into(), answers.tool.as_str().into());
            map.insert(if answers.is_error { "error" } else { "result" }.into(), text.into());
        }
        None => {
            map.insert(word(message.role).into(), text.into());
        }
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter();
        let calls = calls.map(|call| json!({"name": call.name, "args": redaction.hide_all(&call.args)}));
        map.insert("calls".into(), calls.collect());
    }
    Value::Object(map)
}

fn settings(settings: &Settings, redaction: &Redaction) -> Map<String, Value> {
    let mut map = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    set("temperature", settings.temperature.map(Value::from));
    set("top_p", settings.top_p.map(Value::from));
    set("max_tokens", settings.max_tokens.map(Value::from));
    set("seed", settings.seed.map(Value::from));
    set("stop", (!settings.stop.is_empty()).then(|| settings.stop.iter().map(|stop| redaction.hide(stop)).collect()));
    set("reasoning_effort", settings.reasoning_effort.clone().map(Value::from));
    set("tool_choice", settings.tool_choice.clone().map(Value::from));
    set("parallel_tool_calls", settings.parallel_tool_calls.map(Value::from));
    set("extra", (!settings.extra.is_empty()).then(|| redaction.hide_all(&Value::Object(settings.extra.clone()))));
    map
}

/// The digest of a tool's call.
pub(super) fn tool_key(tool: &str, args: &Value) -> Key {
    let mut text = String::new();
    sorted(args, &mut text);
    DigestBuilder::new("tool call").part("tool", tool).part("args", &text).finish()
}

/// JSON with the keys of its maps sorted. What comes from JSON or YAML is nested a hundred deep at most.
fn sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => sorted_map(map, out),
        Value::Array(list) => {
            out.push('[');
            for item in list {
                sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        value => out.push_str(&value.to_string()),
    }
}

fn sorted_map(map: &Map<String, Value>, out: &mut String) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push('{');
    for (key, value) in entries {
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        sorted(value, out);
        out.push(',');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ToolCall;

    fn key(request: &Request) -> Key {
        Asked::of("openai", "m", request, &Redaction::default()).key()
    }

    fn request() -> Request {
        let call = ToolCall { id: "call_1".into(), name: "t".into(), args: json!({"a": 1, "b": 2}), opaque: None };
        Request {
            messages: vec![Message::new(Role::User, "Hi"), Message::assistant("", vec![call])],
            ..Request::default()
        }
    }

    #[test]
    fn the_key_is_that_of_the_question_not_of_its_circumstances() {
        let mut other = request();
        other.messages[1].tool_calls[0].id = "another".into();
        other.messages[1].tool_calls[0].args = json!({"b": 2, "a": 1});
        other.limit = Some(17);
        assert_eq!(key(&request()), key(&other));
    }

    #[test]
    fn everything_that_changes_an_answer_changes_the_key() {
        let changes: [fn(&mut Request); 7] = [
            |r| r.messages[0].text.push('!'),
            |r| r.messages[0].role = Role::System,
            |r| r.messages[1].tool_calls[0].args = json!({"a": 1}),
            |r| r.settings.temperature = Some(0.0),
            |r| r.settings.max_tokens = Some(5),
            |r| r.schema = Some(json!({})),
            |r| r.tools.push(crate::ToolDef { name: "t".into(), description: String::new(), parameters: json!({}) }),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut changed = request();
            change(&mut changed);
            assert_ne!(key(&request()), key(&changed), "change {i}");
        }
        let elsewhere = Asked::of("anthropic", "m", &request(), &Redaction::default()).key();
        assert_ne!(key(&request()), elsewhere);
    }
}
