//! Anthropic's messages (`docs.anthropic.com/en/api/messages-streaming`). Its `input_tokens` leave cached ones out, and
//! `message_delta.usage` is cumulative.

use super::{apart, set, with_extra};
use crate::chat::{Message, Request, Role, Settings};
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::lenient::{count, has_error, list, stream_error, text};
use crate::wire::{Decode, Finish, Length, Served, StreamEvent, ToolDelta, Wire};
use serde_json::{Map, Value, json};

/// The answer's tokens where nothing limits them: the format cannot do without a number.
const MAX_TOKENS: u64 = 4096;

/// Anthropic's messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn path(&self, _: &str) -> String {
        "v1/messages".into()
    }

    fn body(&self, model: &str, request: &Request) -> Result<Value, ModelError> {
        let settings = &request.settings;
        let (system, rest) = apart(&request.messages);
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("max_tokens".into(), request.max_tokens().unwrap_or(MAX_TOKENS).into());
        set(&mut body, "system", (!system.is_empty()).then_some(system));
        body.insert("messages".into(), messages(rest));
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(
                |tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}),
            );
            body.insert("tools".into(), tools.collect());
            set(&mut body, "tool_choice", tool_choice(settings));
        }
        set(&mut body, "temperature", settings.temperature);
        set(&mut body, "top_p", settings.top_p);
        set(&mut body, "stop_sequences", (!settings.stop.is_empty()).then(|| settings.stop.clone()));
        let mut output = Map::new();
        set(&mut output, "effort", settings.reasoning_effort.clone());
        set(
            &mut output,
            "format",
            request.schema.as_ref().map(|schema| json!({"type": "json_schema", "schema": schema})),
        );
        set(&mut body, "output_config", (!output.is_empty()).then_some(output));
        body.insert("stream".into(), true.into());
        with_extra(&mut body, &settings.extra)?;
        Ok(Value::Object(body))
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        settings.seed.map(|_| "seed").into_iter().collect()
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }
}

fn tool_choice(settings: &Settings) -> Option<Value> {
    let mut choice = match settings.tool_choice.as_deref() {
        None if settings.parallel_tool_calls != Some(false) => return None,
        None | Some("auto") => json!({"type": "auto"}),
        Some("none") => return Some(json!({"type": "none"})),
        Some("required") => json!({"type": "any"}),
        Some(name) => json!({"type": "tool", "name": name}),
    };
    if settings.parallel_tool_calls == Some(false) {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Some(choice)
}

/// Turns alternate: what one side says in several messages becomes one, and tools answer on the user's side.
fn messages<'a>(said: impl Iterator<Item = &'a Message>) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in said {
        let (role, blocks) = blocks(message);
        match turns.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let turns = turns.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    turns.map(|(role, content)| json!({"role": role, "content": content})).collect()
}

fn blocks(message: &Message) -> (&'static str, Vec<Value>) {
    // An empty text block is refused.
    let text = (!message.text.is_empty()).then(|| json!({"type": "text", "text": message.text}));
    match (&message.answers, message.role) {
        (Some(answers), Role::Tool) => {
            let mut block = json!({"type": "tool_result", "tool_use_id": answers.call, "content": message.text});
            if answers.is_error {
                block["is_error"] = true.into();
            }
            ("user", vec![block])
        }
        (_, Role::Assistant) => {
            let calls = message.tool_calls.iter().map(|call| {
                // Arguments are an object here; what the model wrote as no JSON goes back as its text.
                let input = if call.args.is_object() { call.args.clone() } else { json!({"text": call.args}) };
                json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
            });
            ("assistant", text.into_iter().chain(calls).collect())
        }
        _ => ("user", text.into_iter().collect()),
    }
}

#[derive(Debug, Default)]
struct Decoder {
    done: bool,
    stopped: bool,
}

impl Decode for Decoder {
    fn frame(&mut self, event: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        match text(data, "type").unwrap_or(event) {
            "error" => return Err(stream_error(data)),
            "message_start" => {
                let message = &data["message"];
                if let Some(model) = text(message, "model") {
                    found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
                }
                found.extend(message.get("usage").and_then(usage).map(StreamEvent::UsageSoFar));
            }
            "content_block_start" => found.extend(block(count(data, "index").unwrap_or(0), &data["content_block"])),
            // What a server sends that does not stream.
            "message" => {
                if let Some(model) = text(data, "model") {
                    found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
                }
                found.extend((0..).zip(list(data, "content")).filter_map(|(index, content)| block(index, content)));
                found.extend(data.get("usage").and_then(usage).map(StreamEvent::Usage));
                found.extend(text(data, "stop_reason").map(|reason| StreamEvent::Finish(finish(reason))));
                self.done = true;
            }
            "content_block_delta" => {
                let (index, delta) = (count(data, "index").unwrap_or(0), &data["delta"]);
                match text(delta, "type") {
                    Some("text_delta") => {
                        found.extend(text(delta, "text").map(|text| StreamEvent::Text(text.to_owned())))
                    }
                    Some("input_json_delta") => {
                        let args = text(delta, "partial_json").unwrap_or("").to_owned();
                        found.push(StreamEvent::Tool(ToolDelta { index, args, ..ToolDelta::default() }));
                    }
                    Some("thinking_delta" | "signature_delta") => {
                        let thought = text(delta, "thinking").map(Length::of).unwrap_or_default();
                        found.push(StreamEvent::Thinking(thought));
                    }
                    _ => {}
                }
            }
            "message_delta" => {
                // Alone this one says what the whole answer took.
                found.extend(data.get("usage").and_then(usage).map(StreamEvent::Usage));
                if let Some(reason) = data.get("delta").and_then(|delta| text(delta, "stop_reason")) {
                    self.stopped = true;
                    found.push(StreamEvent::Finish(finish(reason)));
                }
            }
            "message_stop" => self.done = true,
            _ if has_error(data) => return Err(stream_error(data)),
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn may_end(&self) -> bool {
        self.done || self.stopped
    }
}

/// What the beginning of a block says, or a block that came whole.
fn block(index: u64, block: &Value) -> Option<StreamEvent> {
    match text(block, "type")? {
        "tool_use" => Some(StreamEvent::Tool(ToolDelta {
            index,
            id: text(block, "id").map(str::to_owned),
            name: text(block, "name").map(str::to_owned),
            // Mostly an empty object where the real one is to come in pieces.
            args: block.get("input").filter(|input| is_filled(input)).map(Value::to_string).unwrap_or_default(),
            opaque: None,
        })),
        "text" => text(block, "text").map(|text| StreamEvent::Text(text.to_owned())),
        "thinking" => Some(StreamEvent::Thinking(text(block, "thinking").map(Length::of).unwrap_or_default())),
        "redacted_thinking" => Some(StreamEvent::Thinking(Length::default())),
        _ => None,
    }
}

fn is_filled(input: &Value) -> bool {
    input.as_object().is_some_and(|map| !map.is_empty())
}

fn finish(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" | "pause_turn" => Finish::Stop,
        "tool_use" => Finish::Tools,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Filter,
        _ => Finish::Other,
    }
}

fn usage(usage: &Value) -> Option<TokenUsage> {
    let read = count(usage, "cache_read_input_tokens").unwrap_or(0);
    let write = count(usage, "cache_creation_input_tokens").unwrap_or(0);
    let (input, output) = (count(usage, "input_tokens"), count(usage, "output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(TokenUsage {
        input: input.unwrap_or(0).saturating_add(read).saturating_add(write),
        output: output.unwrap_or(0),
        cache_read: read,
        cache_write: write,
        ..TokenUsage::default()
    })
}
