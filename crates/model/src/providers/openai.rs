//! Chat completions, as OpenAI documents them (`platform.openai.com/docs/api-reference/chat`), and as llama.cpp, vLLM and
//! others speak them.

use super::{is_strict, set, with_extra};
use crate::chat::{Message, Request, Role};
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::lenient::{count, has_error, list, openai_finish, stream_error, text};
use crate::wire::{Decode, Length, Served, StreamEvent, ToolDelta, Wire};
use serde_json::{Map, Value, json};

/// Chat completions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAi {
    /// OpenAI itself, which wants `max_completion_tokens`; other servers know `max_tokens` only.
    pub own: bool,
}

impl Wire for OpenAi {
    fn path(&self, _: &str) -> String {
        "chat/completions".into()
    }

    fn body(&self, model: &str, request: &Request) -> Result<Value, ModelError> {
        let settings = &request.settings;
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("messages".into(), request.messages.iter().map(message).collect());
        if !request.tools.is_empty() {
            body.insert("tools".into(), tools(request));
            set(&mut body, "tool_choice", settings.tool_choice.as_deref().map(tool_choice));
            set(&mut body, "parallel_tool_calls", settings.parallel_tool_calls);
        }
        set(&mut body, "temperature", settings.temperature);
        set(&mut body, "top_p", settings.top_p);
        set(&mut body, if self.own { "max_completion_tokens" } else { "max_tokens" }, request.max_tokens());
        set(&mut body, "seed", settings.seed);
        set(&mut body, "stop", (!settings.stop.is_empty()).then(|| settings.stop.clone()));
        set(&mut body, "reasoning_effort", settings.reasoning_effort.clone());
        if let Some(schema) = &request.schema {
            let format = json!({"name": "answer", "schema": schema, "strict": is_strict(schema)});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": format}));
        }
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({"include_usage": true}));
        with_extra(&mut body, &settings.extra)?;
        Ok(Value::Object(body))
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }
}

fn message(message: &Message) -> Value {
    match message.role {
        Role::System => json!({"role": "system", "content": message.text}),
        Role::User => json!({"role": "user", "content": message.text}),
        Role::Assistant if message.tool_calls.is_empty() => json!({"role": "assistant", "content": message.text}),
        Role::Assistant => {
            let content = if message.text.is_empty() { Value::Null } else { message.text.as_str().into() };
            let calls = message.tool_calls.iter().map(|call| {
                let function = json!({"name": call.name, "arguments": arguments(&call.args)});
                json!({"id": call.id, "type": "function", "function": function})
            });
            json!({"role": "assistant", "content": content, "tool_calls": calls.collect::<Vec<_>>()})
        }
        Role::Tool => {
            let id = message.answers.as_ref().map_or("", |answers| answers.call.as_str());
            json!({"role": "tool", "tool_call_id": id, "content": message.text})
        }
    }
}

/// Arguments as the text that the model wrote.
pub(super) fn arguments(args: &Value) -> String {
    match args {
        Value::String(raw) => raw.clone(),
        args => args.to_string(),
    }
}

fn tools(request: &Request) -> Value {
    let tools = request.tools.iter().map(|tool| {
        let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
        json!({"type": "function", "function": function})
    });
    tools.collect()
}

fn tool_choice(choice: &str) -> Value {
    match choice {
        "auto" | "none" | "required" => choice.into(),
        name => json!({"type": "function", "function": {"name": name}}),
    }
}

#[derive(Debug, Default)]
struct Decoder {
    done: bool,
    finished: bool,
    /// Whether the usage of the whole answer came.
    has_usage: bool,
    served: Served,
    /// The calls so far, by id: some servers send no index.
    ids: Vec<String>,
}

impl Decode for Decoder {
    fn frame(&mut self, _: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        if has_error(data) {
            return Err(stream_error(data));
        }
        self.served(data, found);
        for choice in list(data, "choices") {
            if count(choice, "index").unwrap_or(0) != 0 {
                continue;
            }
            // A server that does not stream sends `message` where the others send `delta`.
            for part in ["delta", "message"] {
                self.delta(&choice[part], found);
            }
            if let Some(reason) = text(choice, "finish_reason") {
                self.finished = true;
                found.push(StreamEvent::Finish(openai_finish(reason)));
            }
        }
        if let Some(usage) = data.get("usage").and_then(usage) {
            // Some servers report with every piece; only what comes with the end or after it is of the whole.
            self.has_usage |= self.finished;
            found.push(if self.finished { StreamEvent::Usage(usage) } else { StreamEvent::UsageSoFar(usage) });
        }
        Ok(())
    }

    fn ended(&mut self) {
        self.done = true;
    }

    fn is_done(&self) -> bool {
        self.done || (self.finished && self.has_usage)
    }

    fn may_end(&self) -> bool {
        self.done || self.finished
    }
}

impl Decoder {
    fn served(&mut self, data: &Value, found: &mut Vec<StreamEvent>) {
        let (model, fingerprint) = (text(data, "model"), text(data, "system_fingerprint"));
        let news = (model.is_some() && model != self.served.model.as_deref())
            || (fingerprint.is_some() && fingerprint != self.served.fingerprint.as_deref());
        if news {
            if let Some(model) = model {
                self.served.model = Some(model.to_owned());
            }
            if let Some(fingerprint) = fingerprint {
                self.served.fingerprint = Some(fingerprint.to_owned());
            }
            found.push(StreamEvent::Served(self.served.clone()));
        }
    }

    fn delta(&mut self, delta: &Value, found: &mut Vec<StreamEvent>) {
        if let Some(thought) = text(delta, "reasoning_content").or_else(|| text(delta, "reasoning")) {
            found.push(StreamEvent::Thinking(Length::of(thought)));
        }
        match delta.get("content") {
            Some(Value::String(text)) if !text.is_empty() => found.push(StreamEvent::Text(text.clone())),
            Some(Value::Array(parts)) => {
                found.extend(
                    parts.iter().filter_map(|part| text(part, "text")).map(|text| StreamEvent::Text(text.into())),
                );
            }
            _ => {}
        }
        if let Some(refusal) = text(delta, "refusal") {
            found.push(StreamEvent::Text(refusal.into()));
        }
        for call in list(delta, "tool_calls") {
            let function = &call["function"];
            let id = text(call, "id").map(str::to_owned);
            let args = match function.get("arguments") {
                Some(Value::String(text)) => text.clone(),
                Some(args @ Value::Object(_)) => args.to_string(),
                _ => String::new(),
            };
            let index = count(call, "index").unwrap_or_else(|| self.index_of(id.as_deref()));
            let name = text(function, "name").map(str::to_owned);
            found.push(StreamEvent::Tool(ToolDelta { index, id, name, args, opaque: None }));
        }
    }

    /// Without an index, a new id begins a new call, and no id goes on with the last.
    fn index_of(&mut self, id: Option<&str>) -> u64 {
        let Some(id) = id else { return self.ids.len().saturating_sub(1) as u64 };
        let known = self.ids.iter().position(|known| known == id);
        known.unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        }) as u64
    }
}

/// The usage, where it says anything.
fn usage(usage: &Value) -> Option<TokenUsage> {
    let input = count(usage, "prompt_tokens")?;
    let output = count(usage, "completion_tokens").unwrap_or(0);
    // Some servers leave reasoning out of `completion_tokens` but not out of the total.
    let total = count(usage, "total_tokens").unwrap_or(0);
    let cached = usage.get("prompt_tokens_details").and_then(|details| count(details, "cached_tokens"));
    let reasoning = usage.get("completion_tokens_details").and_then(|details| count(details, "reasoning_tokens"));
    Some(TokenUsage {
        input,
        output: output.max(total.saturating_sub(input)),
        cache_read: cached.or_else(|| count(usage, "prompt_cache_hit_tokens")).unwrap_or(0),
        reasoning: reasoning.unwrap_or(0),
        ..TokenUsage::default()
    })
}
