//! The few messages of the protocol that a client of tools needs. Whatever a server sends may be wrong or hostile.

use crate::tools::Done;
use serde_json::{Value, json};

/// The version that is offered.
const VERSION: &str = "2025-06-18";
/// The versions whose messages for tools are the same.
const KNOWN: [&str; 4] = ["2025-11-25", VERSION, "2025-03-26", "2024-11-05"];

/// A tool as a server lists it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListedTool {
    pub name: String,
    /// Everything that is said of it: a change of any word may change what a model does with it.
    pub whole: Value,
}

/// The parameters of `initialize`.
pub(super) fn hello() -> Value {
    json!({
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": { "name": "aic", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// Whether we speak the version that a server chose.
pub(super) fn check_version(hello: &Value) -> Result<(), String> {
    match hello.get("protocolVersion").and_then(Value::as_str) {
        Some(version) if KNOWN.contains(&version) => Ok(()),
        Some(version) => {
            let version: String = version.chars().take(20).collect();
            Err(format!("it speaks version {version:?} of the protocol, and this program knows {}", KNOWN.join(", ")))
        }
        None => Err("it did not say which version of the protocol it speaks".into()),
    }
}

/// A question.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A message that wants no answer.
pub(super) fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

/// What a message from a server is to the one who waits for the answer of this number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// The answer.
    Answer(Result<Value, String>),
    /// A question of the server's; this is what to say.
    Question(Value),
    /// Neither.
    Other,
}

/// Reads a message.
pub(super) fn hear(message: &Value, id: u64) -> Heard {
    let method = message.get("method").and_then(Value::as_str);
    match (message.get("id"), method) {
        (Some(number), Some("ping")) => Heard::Question(json!({ "jsonrpc": "2.0", "id": number, "result": {} })),
        (Some(number), Some(_)) => {
            // Roots, sampling, elicitation: nothing of this conversation is a server's to ask for.
            let error = json!({ "code": -32601, "message": "not offered" });
            Heard::Question(json!({ "jsonrpc": "2.0", "id": number, "error": error }))
        }
        (Some(number), None) if number.as_u64() == Some(id) => Heard::Answer(match message.get("error") {
            Some(error) => {
                let said = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
                Err(said.chars().take(500).collect())
            }
            None => Ok(message.get("result").cloned().unwrap_or(Value::Null)),
        }),
        _ => Heard::Other,
    }
}

/// One page of a list of tools.
pub(super) fn listed(page: &Value) -> Result<Vec<ListedTool>, String> {
    let tools = page.get("tools").and_then(Value::as_array).ok_or("its list of tools is none")?;
    let tool = |tool: &Value| {
        let name = tool.get("name").and_then(Value::as_str).ok_or("a tool of its list has no name")?;
        Ok(ListedTool { name: name.to_owned(), whole: tool.clone() })
    };
    tools.iter().map(tool).collect()
}

/// What came of a call.
pub(super) fn called(result: &Value) -> Done {
    let parts = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<String> = parts.iter().map(part).collect();
    let text = texts.join("\n");
    if result.get("isError").and_then(Value::as_bool) == Some(true) {
        return Done::Failed(if text.is_empty() { "it failed and did not say why".into() } else { text });
    }
    let value = match result.get("structuredContent") {
        Some(structured @ Value::Object(_)) => structured.clone(),
        _ => Value::from(text),
    };
    Done::Ran { result: value, changed: None }
}

fn part(part: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match part.get("type").and_then(Value::as_str) {
        Some("text") => text(part.get("text")).unwrap_or_default(),
        Some("resource") => {
            let resource = part.get("resource");
            text(resource.and_then(|resource| resource.get("text"))).unwrap_or_else(|| "<a resource>".into())
        }
        Some("resource_link") => text(part.get("uri")).unwrap_or_default(),
        Some(kind @ ("image" | "audio")) => format!("<{kind}, not shown>"),
        _ => "<something that this version does not show>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_questions_and_noise() {
        let answer = json!({"jsonrpc": "2.0", "id": 4, "result": {"a": 1}});
        assert_eq!(hear(&answer, 4), Heard::Answer(Ok(json!({"a": 1}))));
        assert_eq!(hear(&answer, 5), Heard::Other);
        assert_eq!(hear(&json!({"id": 4, "error": {"message": "no"}}), 4), Heard::Answer(Err("no".into())));
        assert!(
            matches!(hear(&json!({"id": 4, "method": "ping"}), 4), Heard::Question(said) if said["result"] == json!({}))
        );
        let sampling = hear(&json!({"id": "x", "method": "sampling/createMessage"}), 4);
        assert!(matches!(sampling, Heard::Question(said) if said["error"]["code"] == -32601 && said["id"] == "x"));
        for noise in
            [json!({"method": "notifications/message"}), json!([]), json!(null), json!({"id": -4, "result": 1})]
        {
            assert_eq!(hear(&noise, 4), Heard::Other, "{noise}");
        }
    }

    #[test]
    fn contents_become_a_result_or_an_error() {
        let text = json!({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {}]});
        let Done::Ran { result, .. } = called(&text) else { panic!() };
        assert_eq!(result, "a\n<image, not shown>\n<something that this version does not show>");
        assert!(
            matches!(called(&json!({"isError": true, "content": [{"type": "text", "text": "bad"}]})), Done::Failed(why) if why == "bad")
        );
        let structured = json!({"content": [], "structuredContent": {"n": 1}});
        assert!(matches!(called(&structured), Done::Ran { result, .. } if result == json!({"n": 1})));
        assert!(matches!(called(&Value::Null), Done::Ran { result, .. } if result == ""));
    }

    #[test]
    fn a_version_that_nobody_knows_is_refused() {
        assert!(check_version(&json!({"protocolVersion": VERSION})).is_ok());
        assert!(check_version(&json!({"protocolVersion": "1999-01-01"})).unwrap_err().contains("1999-01-01"));
        assert!(check_version(&json!({})).is_err());
        assert!(listed(&json!({"tools": [{}]})).is_err() && listed(&json!({})).is_err());
    }
}
