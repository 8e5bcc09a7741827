//! The providers' formats, one file each: what is sent, and how what comes is read. Facts about them are from their
//! public documentation; each file names the page.

mod anthropic;
mod google;
mod ollama;
mod openai;
mod responses;

pub(crate) use anthropic::Anthropic;
pub(crate) use google::Google;
pub(crate) use ollama::Ollama;
pub(crate) use openai::OpenAi;
pub(crate) use responses::Responses;

use crate::chat::{Message, Role};
use crate::error::ModelError;
use serde_json::{Map, Value};

/// Keys that `extra` may not set, at any depth that is looked at: they would change who is asked what, spend more than
/// is reserved, or give the model tools that no guard sees.
const RESERVED: &[&str] = &[
    "model",
    "messages",
    "input",
    "contents",
    "system",
    "systemInstruction",
    "system_instruction",
    "instructions",
    "prompt",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "num_predict",
    "n",
    "best_of",
    "candidateCount",
    "candidate_count",
    "background",
    "previous_response_id",
    "conversation",
    "tools",
    "functions",
    "web_search_options",
    "mcp_servers",
    "plugins",
    "cachedContent",
    "service_tier",
];

/// The same at the top only: deeper they are common words. Other models, routes, speeds, places and caches have other
/// prices, and so have sound, searches and predictions.
const RESERVED_AT_TOP: &[&str] = &[
    "models",
    "route",
    "provider",
    "speed",
    "inference_geo",
    "cache_control",
    "modalities",
    "audio",
    "prediction",
    "search_parameters",
    "enable_search",
];

/// How deep `extra` is merged and looked at; what lies deeper is passed on unread.
const DEPTH: usize = 4;

/// Puts `extra` into a body.
pub(crate) fn with_extra(body: &mut Map<String, Value>, extra: &Map<String, Value>) -> Result<(), ModelError> {
    merge(body, extra, DEPTH)
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>, depth: usize) -> Result<(), ModelError> {
    for (key, value) in from {
        let key_is = |list: &[&str]| list.contains(&key.as_str());
        if key_is(RESERVED) || (depth == DEPTH && key_is(RESERVED_AT_TOP)) {
            let message = format!(
                "`extra.{key}` is not passed on: the spec's own keys decide who is asked what, with which tools, and for how \
                 much. Remove it"
            );
            return Err(ModelError::Setup { message });
        }
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) if depth > 0 => merge(into, from, depth - 1)?,
            (None, Value::Object(from)) if depth > 0 => {
                let mut map = Map::new();
                merge(&mut map, from, depth - 1)?;
                into.insert(key.clone(), Value::Object(map));
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// Sets what is there.
pub(crate) fn set(body: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(key.to_owned(), value.into());
    }
}

/// The instructions and the rest of the conversation, for formats that keep the two apart. Instructions that come later
/// in the conversation join the first.
pub(crate) fn apart(messages: &[Message]) -> (String, impl Iterator<Item = &Message>) {
    let system: Vec<&str> = messages.iter().filter(|m| m.role == Role::System).map(|m| m.text.as_str()).collect();
    (system.join("\n\n"), messages.iter().filter(|m| m.role != Role::System))
}

/// Whether a schema keeps the rules of strict structured output: every object closed, every property required.
pub(crate) fn is_strict(schema: &Value) -> bool {
    fn all(schema: &Value, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        match schema {
            Value::Array(list) => list.iter().all(|schema| all(schema, depth - 1)),
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    let required = map.get("required").and_then(Value::as_array);
                    let is_required =
                        |name: &String| required.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(name)));
                    if map.get("additionalProperties") != Some(&Value::Bool(false))
                        || !properties.keys().all(is_required)
                    {
                        return false;
                    }
                }
                map.values().all(|value| all(value, depth - 1))
            }
            _ => true,
        }
    }
    all(schema, 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(extra: Value) -> Result<Value, ModelError> {
        let mut body = json!({"options": {"seed": 1}, "model": "m"}).as_object().unwrap().clone();
        with_extra(&mut body, extra.as_object().unwrap())?;
        Ok(Value::Object(body))
    }

    #[test]
    fn extra_is_added_beside_what_is_there() {
        let body = merged(json!({"options": {"top_k": 3}, "logit_bias": {"5": -1}})).unwrap();
        assert_eq!(body, json!({"options": {"seed": 1, "top_k": 3}, "model": "m", "logit_bias": {"5": -1}}));
        assert!(merged(json!({"metadata": {"route": "north"}})).is_ok());
    }

    #[test]
    fn extra_cannot_change_the_model_or_spend_more_at_any_depth() {
        for extra in [
            json!({"model": "x"}),
            json!({"n": 5}),
            json!({"options": {"num_predict": 9}}),
            json!({"a": {"tools": []}}),
            json!({"models": ["x"]}),
            json!({"speed": "fast"}),
            json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        ] {
            assert!(matches!(merged(extra), Err(ModelError::Setup { .. })));
        }
    }

    #[test]
    fn a_schema_is_strict_only_where_every_object_is_closed() {
        let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
        assert!(is_strict(&closed));
        assert!(!is_strict(&json!({"type": "object", "properties": {"a": {}}, "required": ["a"]})));
        assert!(!is_strict(&json!({"items": {"properties": {"a": {}}, "additionalProperties": false}})));
    }
}
