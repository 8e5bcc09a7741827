//! The file: lines of JSON, each short enough to be read in a diff. An exchange is a head, what was asked, what came.
//!
//! ```json
//! {"cassette":1}
//! {"exchange":"9f2c…","nth":1,"in":"greets","provider":"openai","model":"gpt-…"}
//! {"system":"Be brief."}
//! {"user":"Hello?"}
//! {"settings":{"temperature":0.0}}
//! {"at":412,"text":"Hi "}
//! {"at":420,"text":"there."}
//! {"at":431,"end":{"finish":"stop","usage":{"input":10,"output":5}}}
//! ```

use super::CassetteError;
use super::asked::{Asked, Key, tool_key};
use crate::chat::ToolCall;
use crate::error::{Again, ModelError, Waited};
use crate::wire::Finish;
use crate::{Ended, Piece};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The version of the format.
const VERSION: u64 = 1;

/// One exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The digest that stood in the file, or that of what was asked.
    pub key: Key,
    /// Which time the same was asked, from 1.
    pub nth: usize,
    /// Where it was first asked: a test case, or `run`.
    pub within: String,
    /// What was asked.
    pub asked: Asked,
    /// What came, and when: time since the question.
    pub happened: Vec<(Duration, Happened)>,
}

/// One thing that came. Redacted.
pub type Happened = Result<Piece, ModelError>;

/// The result of a tool that only reads.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRecord {
    /// Where it was first called.
    pub within: String,
    /// Which time the same was called, from 1.
    pub nth: usize,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub args: Value,
    /// What it returned, or why it failed.
    pub result: Result<Value, String>,
}

impl ToolRecord {
    /// What it is found by.
    pub fn key(&self) -> Key {
        tool_key(&self.tool, &self.args)
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Contents {
    pub exchanges: Vec<Exchange>,
    pub tools: Vec<ToolRecord>,
}

impl Contents {
    /// The file's text.
    pub fn write(&self) -> String {
        let mut out = String::new();
        let mut line = |value: Value| {
            out.push_str(&value.to_string());
            out.push('\n');
        };
        line(json!({ "cassette": VERSION }));
        for exchange in &self.exchanges {
            let Asked { provider, model, messages, tools, settings, schema } = &exchange.asked;
            line(json!({
                "exchange": exchange.key, "nth": exchange.nth, "in": exchange.within,
                "provider": provider, "model": model,
            }));
            messages.iter().chain(tools).for_each(|value| line(value.clone()));
            if !settings.is_empty() {
                line(json!({ "settings": settings }));
            }
            if let Some(schema) = schema {
                line(json!({ "schema": schema }));
            }
            for (at, happened) in &exchange.happened {
                line(write_happened(*at, happened));
            }
        }
        for tool in &self.tools {
            let mut map = Map::new();
            map.insert("called".into(), tool.tool.as_str().into());
            map.insert("nth".into(), tool.nth.into());
            map.insert("in".into(), tool.within.as_str().into());
            map.insert("args".into(), tool.args.clone());
            match &tool.result {
                Ok(value) => map.insert("returned".into(), value.clone()),
                Err(why) => map.insert("failed".into(), why.as_str().into()),
            };
            line(Value::Object(map));
        }
        out
    }

    /// Reads a file's text.
    pub fn read(path: &str, text: &str) -> Result<Self, CassetteError> {
        let mut contents = Self::default();
        let mut seen_head = false;
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |why: String| CassetteError::Line { path: path.to_owned(), line: i + 1, why };
            let Ok(Value::Object(map)) = serde_json::from_str(line) else {
                return Err(wrong("not a map of JSON. Record it again, or put the line right".into()));
            };
            if !seen_head {
                match map.get("cassette").and_then(Value::as_u64) {
                    Some(VERSION) => seen_head = true,
                    Some(other) => {
                        return Err(wrong(format!("version {other}; this program reads version {VERSION}")));
                    }
                    None => return Err(wrong("no cassette: the first line is {\"cassette\":1}".into())),
                }
                continue;
            }
            contents.line(map).map_err(wrong)?;
        }
        Ok(contents)
    }

    fn line(&mut self, map: Map<String, Value>) -> Result<(), String> {
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let nth = map.get("nth").and_then(Value::as_u64).and_then(|nth| usize::try_from(nth).ok()).unwrap_or(1).max(1);
        if map.contains_key("exchange") {
            let key = text("exchange").parse().map_err(|_| "`exchange` is no digest".to_owned())?;
            let (provider, model) = (text("provider"), text("model"));
            let asked =
                Asked { provider, model, messages: Vec::new(), tools: Vec::new(), settings: Map::new(), schema: None };
            self.exchanges.push(Exchange { key, nth, within: text("in"), asked, happened: Vec::new() });
            return Ok(());
        }
        if map.contains_key("called") {
            let result = match map.get("returned") {
                Some(value) => Ok(value.clone()),
                None => Err(text("failed")),
            };
            let args = map.get("args").cloned().unwrap_or_default();
            self.tools.push(ToolRecord { within: text("in"), nth, tool: text("called"), args, result });
            return Ok(());
        }
        let exchange = self.exchanges.last_mut().ok_or("stands before the head of its exchange")?;
        if map.contains_key("at") {
            exchange.happened.push(read_happened(&map)?);
        } else if map.contains_key("offers") {
            exchange.asked.tools.push(Value::Object(map));
        } else if let Some(Value::Object(settings)) = map.get("settings") {
            exchange.asked.settings = settings.clone();
        } else if let Some(schema) = map.get("schema") {
            exchange.asked.schema = Some(schema.clone());
        } else if ["system", "user", "assistant", "tool"].iter().any(|word| map.contains_key(*word)) {
            exchange.asked.messages.push(Value::Object(map));
        } else {
            let keys: Vec<&str> = map.keys().map(String::as_str).collect();
            return Err(format!("no line of a cassette has `{}`", keys.join("`, `")));
        }
        Ok(())
    }
}

fn write_happened(at: Duration, happened: &Happened) -> Value {
    let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    match happened {
        Ok(Piece::Text(text)) => json!({"at": at, "text": text}),
        Ok(Piece::ToolCall(call)) => {
            let mut map = Map::new();
            map.insert("id".into(), call.id.as_str().into());
            map.insert("name".into(), call.name.as_str().into());
            map.insert("args".into(), call.args.clone());
            if let Some(opaque) = &call.opaque {
                map.insert("opaque".into(), opaque.as_str().into());
            }
            json!({"at": at, "call": map})
        }
        Ok(Piece::End(ended)) => {
            let mut map = Map::new();
            map.insert("finish".into(), ended.finish.as_str().into());
            if let Some(usage) = &ended.usage {
                map.insert("usage".into(), serde_json::to_value(usage).unwrap_or_default());
            }
            if ended.served != crate::Served::default() {
                map.insert("served".into(), serde_json::to_value(&ended.served).unwrap_or_default());
            }
            json!({"at": at, "end": map})
        }
        Err(error) => json!({"at": at, "failed": write_error(error)}),
    }
}

fn read_happened(map: &Map<String, Value>) -> Result<(Duration, Happened), String> {
    let at = Duration::from_millis(map.get("at").and_then(Value::as_u64).ok_or("`at` is in milliseconds")?);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let happened = if let Some(Value::String(text)) = map.get("text") {
        Ok(Piece::Text(text.clone()))
    } else if let Some(call) = map.get("call") {
        Ok(Piece::ToolCall(ToolCall {
            id: text(call, "id").unwrap_or_default(),
            name: text(call, "name").ok_or("a call has a `name`")?,
            args: call.get("args").cloned().unwrap_or_default(),
            opaque: text(call, "opaque"),
        }))
    } else if let Some(end) = map.get("end") {
        let usage = end.get("usage").map(|usage| serde_json::from_value(usage.clone()));
        let served = end.get("served").map(|served| serde_json::from_value(served.clone()));
        Ok(Piece::End(Ended {
            usage: usage.transpose().map_err(|error| format!("`usage`: {error}"))?,
            finish: Finish::from_word(&text(end, "finish").unwrap_or_default()),
            served: served.transpose().map_err(|error| format!("`served`: {error}"))?.unwrap_or_default(),
        }))
    } else if let Some(failed) = map.get("failed") {
        Err(read_error(failed)?)
    } else {
        return Err("nothing happened here: `text`, `call`, `end` or `failed` is missing".into());
    };
    Ok((at, happened))
}

fn millis(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into())
}

fn write_error(error: &ModelError) -> Value {
    match error {
        ModelError::Status { status, message, again } => {
            json!({"kind": "status", "status": status, "message": message, "after": millis(again.after), "should": again.should})
        }
        ModelError::Connect { host, why } => json!({"kind": "connect", "host": host, "message": why}),
        ModelError::Timeout(Waited::FirstToken(time)) => json!({"kind": "first_token", "after": millis(Some(*time))}),
        ModelError::Timeout(waited) => json!({"kind": "timeout", "after": millis(waited.time())}),
        ModelError::Reset { pieces } => json!({"kind": "reset", "pieces": pieces}),
        ModelError::Stream { message, passing } => json!({"kind": "stream", "message": message, "passing": passing}),
        ModelError::Redirect { to } => json!({"kind": "redirect", "to": to}),
        ModelError::Cut { limit, came } => json!({"kind": "cut", "limit": limit, "came": came}),
        ModelError::Protocol { message } => json!({"kind": "protocol", "message": message}),
        ModelError::TooLarge { what, cap } => json!({"kind": "too_large", "what": what, "cap": cap}),
        error => json!({"kind": "protocol", "message": error.to_string()}),
    }
}

fn read_error(failed: &Value) -> Result<ModelError, String> {
    let text = |key: &str| failed.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let number = |key: &str| failed.get(key).and_then(Value::as_u64);
    let after = number("after").map(Duration::from_millis);
    Ok(match text("kind").as_str() {
        "status" => ModelError::Status {
            status: number("status").and_then(|status| u16::try_from(status).ok()).ok_or("`status` is missing")?,
            message: text("message"),
            again: Again { after, should: failed.get("should").and_then(Value::as_bool) },
        },
        "connect" => ModelError::Connect { host: text("host"), why: text("message") },
        "first_token" => ModelError::Timeout(after.map_or(Waited::Scripted, Waited::FirstToken)),
        "timeout" => ModelError::Timeout(after.map_or(Waited::Scripted, Waited::Whole)),
        "reset" => ModelError::Reset { pieces: number("pieces").and_then(|n| usize::try_from(n).ok()).unwrap_or(0) },
        "stream" => ModelError::Stream {
            message: text("message"),
            passing: failed.get("passing").and_then(Value::as_bool).unwrap_or(false),
        },
        "redirect" => ModelError::Redirect { to: text("to") },
        "cut" => ModelError::Cut { limit: number("limit").unwrap_or(0), came: number("came").unwrap_or(0) },
        "protocol" => ModelError::Protocol { message: text("message") },
        "too_large" => ModelError::TooLarge {
            what: if text("what") == "a line" { "a line" } else { "an answer" },
            cap: number("cap").and_then(|cap| usize::try_from(cap).ok()).unwrap_or(0),
        },
        other => return Err(format!("`{other}` is no kind of failure")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassette::Redaction;
    use crate::chat::{Message, Request, Role, ToolDef};
    use crate::price::TokenUsage;
    use crate::wire::Served;

    fn contents() -> Contents {
        let mut request = Request {
            messages: vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, "Hello?\nAnd «more».")],
            tools: vec![ToolDef { name: "t".into(), description: "d".into(), parameters: json!({"type": "object"}) }],
            schema: Some(json!({"type": "string"})),
            ..Request::default()
        };
        request.settings.temperature = Some(0.5);
        let asked = Asked::of("openai", "m", &request, &Redaction::default());
        let at = Duration::from_millis;
        let call = ToolCall { id: "c1".into(), name: "t".into(), args: json!({"x": [1]}), opaque: Some("sig".into()) };
        let ended = Ended {
            usage: Some(TokenUsage { input: 3, output: 2, cache_read: 1, ..TokenUsage::default() }),
            finish: Finish::Tools,
            served: Served { model: Some("m-1".into()), fingerprint: Some("fp".into()) },
        };
        let came = vec![
            (at(5), Ok(Piece::Text("Hi ".into()))),
            (at(6), Ok(Piece::ToolCall(call))),
            (at(7), Ok(Piece::End(ended))),
        ];
        let errors = [
            ModelError::Status {
                status: 429,
                message: "slow".into(),
                again: Again { after: Some(at(10)), should: Some(true) },
            },
            ModelError::Connect { host: "h:1".into(), why: "refused".into() },
            ModelError::Timeout(Waited::FirstToken(at(9))),
            ModelError::Timeout(Waited::Whole(at(9))),
            ModelError::Reset { pieces: 2 },
            ModelError::Stream { message: "x".into(), passing: true },
            ModelError::Redirect { to: "http://x".into() },
            ModelError::Cut { limit: 5, came: 7 },
            ModelError::Protocol { message: "y".into() },
            ModelError::TooLarge { what: "a line", cap: 7 },
        ];
        let exchange =
            |nth, happened| Exchange { key: asked.key(), nth, within: "a case".into(), asked: asked.clone(), happened };
        let failed = errors.into_iter().enumerate().map(|(i, error)| exchange(i + 2, vec![(at(1), Err(error))]));
        let tools = vec![
            ToolRecord { within: "c".into(), nth: 1, tool: "t".into(), args: json!({"x": 1}), result: Ok(json!([1])) },
            ToolRecord { within: "c".into(), nth: 2, tool: "t".into(), args: json!({}), result: Err("no".into()) },
        ];
        Contents { exchanges: std::iter::once(exchange(1, came)).chain(failed).collect(), tools }
    }

    #[test]
    fn what_is_written_is_read_back_with_the_same_keys() {
        let contents = contents();
        let read = Contents::read("c", &contents.write()).unwrap();
        assert_eq!(read, contents);
        assert!(read.exchanges.iter().all(|exchange| exchange.asked.key() == exchange.key));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for (text, wanted) in [
            ("{\"cassette\":2}", "c:1: version 2"),
            ("{}", "c:1: no cassette"),
            ("{\"cassette\":1}\n[1]", "c:2: not a map"),
            ("{\"cassette\":1}\n{\"user\":\"x\"}", "c:2: stands before"),
            ("{\"cassette\":1}\n{\"exchange\":\"xyz\"}", "c:2: `exchange` is no digest"),
        ] {
            let error = Contents::read("c", text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
