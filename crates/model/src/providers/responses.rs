//! OpenAI's responses API (`platform.openai.com/docs/api-reference/responses`), where a spec asks for it with
//! `extra: {api: responses}`. Its events end with `response.completed`, without `[DONE]`.

use super::openai::arguments;
use super::{is_strict, set, with_extra};
use crate::chat::{Request, Role, Settings};
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::lenient::{count, error_message, list, openai_finish, stream_error, text};
use crate::wire::{Decode, Finish, Length, Served, StreamEvent, ToolDelta, Wire};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The responses API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Responses;

impl Wire for Responses {
    fn path(&self, _: &str) -> String {
        "responses".into()
    }

    fn body(&self, model: &str, request: &Request) -> Result<Value, ModelError> {
        let settings = &request.settings;
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("input".into(), input(request));
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({
                    "type": "function", "name": tool.name, "description": tool.description,
                    "parameters": tool.parameters, "strict": false,
                })
            });
            body.insert("tools".into(), tools.collect());
            let choice = settings.tool_choice.as_deref().map(|choice| match choice {
                "auto" | "none" | "required" => Value::from(choice),
                name => json!({"type": "function", "name": name}),
            });
            set(&mut body, "tool_choice", choice);
            set(&mut body, "parallel_tool_calls", settings.parallel_tool_calls);
        }
        set(&mut body, "temperature", settings.temperature);
        set(&mut body, "top_p", settings.top_p);
        set(&mut body, "max_output_tokens", request.max_tokens());
        set(&mut body, "reasoning", settings.reasoning_effort.as_ref().map(|effort| json!({"effort": effort})));
        if let Some(schema) = &request.schema {
            let format =
                json!({"type": "json_schema", "name": "answer", "schema": schema, "strict": is_strict(schema)});
            body.insert("text".into(), json!({"format": format}));
        }
        body.insert("store".into(), false.into());
        body.insert("stream".into(), true.into());
        with_extra(&mut body, &settings.extra)?;
        Ok(Value::Object(body))
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        let seed = settings.seed.map(|_| "seed");
        seed.into_iter().chain((!settings.stop.is_empty()).then_some("stop")).collect()
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }
}

fn input(request: &Request) -> Value {
    let mut input = Vec::new();
    for message in &request.messages {
        match message.role {
            Role::System => input.push(json!({"role": "system", "content": message.text})),
            Role::User => input.push(json!({"role": "user", "content": message.text})),
            Role::Assistant => {
                if !message.text.is_empty() {
                    input.push(json!({"role": "assistant", "content": message.text}));
                }
                for call in &message.tool_calls {
                    let arguments = arguments(&call.args);
                    input.push(
                        json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}),
                    );
                }
            }
            Role::Tool => {
                let id = message.answers.as_ref().map_or("", |answers| answers.call.as_str());
                input.push(json!({"type": "function_call_output", "call_id": id, "output": message.text}));
            }
        }
    }
    Value::Array(input)
}

#[derive(Debug, Default)]
struct Decoder {
    done: bool,
    /// Items whose arguments came in pieces: their last event repeats the whole.
    in_pieces: BTreeSet<u64>,
    /// Items whose text came in pieces.
    text_in_pieces: BTreeSet<u64>,
    has_tools: bool,
}

impl Decode for Decoder {
    fn frame(&mut self, event: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        // What a server sends that does not stream.
        if text(data, "object") == Some("response") && data.get("type").is_none() {
            return self.whole(data, found);
        }
        let kind = text(data, "type").unwrap_or(event);
        let index = count(data, "output_index").unwrap_or(0);
        let delta = text(data, "delta");
        match kind {
            "response.output_text.delta" | "response.refusal.delta" => {
                if let Some(delta) = delta {
                    self.text_in_pieces.insert(index);
                    found.push(StreamEvent::Text(delta.to_owned()));
                }
            }
            "response.function_call_arguments.delta" => {
                if let Some(delta) = delta {
                    self.in_pieces.insert(index);
                    found.push(StreamEvent::Tool(ToolDelta { index, args: delta.to_owned(), ..ToolDelta::default() }));
                }
            }
            "response.output_item.added" => self.item(index, &data["item"], false, found),
            "response.output_item.done" => self.item(index, &data["item"], true, found),
            "response.created" => {
                if let Some(model) = data.get("response").and_then(|response| text(response, "model")) {
                    found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
                }
            }
            "response.completed" | "response.incomplete" => self.completed(&data["response"], found),
            "response.failed" | "response.cancelled" => return Err(failed(&data["response"])),
            "error" => return Err(stream_error(data)),
            other if other.starts_with("response.reasoning") => {
                // Events at the end of a part repeat what came in pieces; those have no `delta`.
                found.push(StreamEvent::Thinking(delta.map(Length::of).unwrap_or_default()));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn failed(response: &Value) -> ModelError {
    match response.get("error") {
        Some(error) if !error.is_null() => stream_error(response),
        _ => ModelError::Stream { message: error_message(response), passing: false },
    }
}

impl Decoder {
    fn whole(&mut self, response: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        if matches!(text(response, "status"), Some("failed" | "cancelled")) {
            return Err(failed(response));
        }
        if let Some(model) = text(response, "model") {
            found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
        }
        for (index, item) in (0..).zip(list(response, "output")) {
            self.item(index, item, true, found);
        }
        self.completed(response, found);
        Ok(())
    }

    fn item(&mut self, index: u64, item: &Value, whole: bool, found: &mut Vec<StreamEvent>) {
        match text(item, "type") {
            Some("function_call") => {
                self.has_tools = true;
                let id = text(item, "call_id").or_else(|| text(item, "id")).map(str::to_owned);
                // The finished item repeats its arguments; they count only where they did not come in pieces.
                let args =
                    if whole && self.in_pieces.insert(index) { text(item, "arguments").unwrap_or("") } else { "" };
                let name = text(item, "name").map(str::to_owned);
                found.push(StreamEvent::Tool(ToolDelta { index, id, name, args: args.to_owned(), opaque: None }));
            }
            Some("message") if whole && self.text_in_pieces.insert(index) => {
                let parts = list(item, "content").iter();
                let texts = parts.filter_map(|part| text(part, "text").or_else(|| text(part, "refusal")));
                found.extend(texts.map(|text| StreamEvent::Text(text.to_owned())));
            }
            Some("reasoning") => found.push(StreamEvent::Thinking(Length::default())),
            _ => {}
        }
    }

    fn completed(&mut self, response: &Value, found: &mut Vec<StreamEvent>) {
        self.done = true;
        if let Some(usage) = response.get("usage").and_then(usage) {
            found.push(StreamEvent::Usage(usage));
        }
        let reason = response.get("incomplete_details").and_then(|details| text(details, "reason"));
        let reason = match reason {
            Some(reason) => openai_finish(reason),
            None if self.has_tools => Finish::Tools,
            None => Finish::Stop,
        };
        found.push(StreamEvent::Finish(reason));
    }
}

fn usage(usage: &Value) -> Option<TokenUsage> {
    let cached = usage.get("input_tokens_details").and_then(|details| count(details, "cached_tokens"));
    let reasoning = usage.get("output_tokens_details").and_then(|details| count(details, "reasoning_tokens"));
    Some(TokenUsage {
        input: count(usage, "input_tokens")?,
        output: count(usage, "output_tokens").unwrap_or(0),
        cache_read: cached.unwrap_or(0),
        reasoning: reasoning.unwrap_or(0),
        ..TokenUsage::default()
    })
}
