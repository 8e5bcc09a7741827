//! Ollama's own chat (`github.com/ollama/ollama/blob/main/docs/api.md`): a JSON document a line, tool calls whole.

use super::{set, with_extra};
use crate::chat::{Message, Request, Role, Settings};
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::lenient::{count, has_error, list, stream_error, text};
use crate::wire::{Decode, Finish, Framing, Length, Served, StreamEvent, ToolDelta, Wire};
use serde_json::{Map, Value, json};

/// Ollama's chat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ollama;

impl Wire for Ollama {
    fn path(&self, _: &str) -> String {
        "api/chat".into()
    }

    fn body(&self, model: &str, request: &Request) -> Result<Value, ModelError> {
        let settings = &request.settings;
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("messages".into(), request.messages.iter().map(message).collect());
        // There is no way to say `none`; a model that is offered nothing asks for nothing.
        if !request.tools.is_empty() && settings.tool_choice.as_deref() != Some("none") {
            let tools = request.tools.iter().map(|tool| {
                let function =
                    json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
                json!({"type": "function", "function": function})
            });
            body.insert("tools".into(), tools.collect());
        }
        let mut options = Map::new();
        set(&mut options, "temperature", settings.temperature);
        set(&mut options, "top_p", settings.top_p);
        set(&mut options, "num_predict", request.max_tokens());
        set(&mut options, "seed", settings.seed);
        set(&mut options, "stop", (!settings.stop.is_empty()).then(|| settings.stop.clone()));
        set(&mut body, "options", (!options.is_empty()).then_some(options));
        set(&mut body, "think", settings.reasoning_effort.clone());
        set(&mut body, "format", request.schema.clone());
        body.insert("stream".into(), true.into());
        with_extra(&mut body, &settings.extra)?;
        Ok(Value::Object(body))
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        let choice = settings.tool_choice.as_deref().filter(|choice| !matches!(*choice, "auto" | "none"));
        let parallel = settings.parallel_tool_calls.filter(|parallel| !parallel);
        choice.map(|_| "tool_choice").into_iter().chain(parallel.map(|_| "parallel_tool_calls")).collect()
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut out = json!({"role": role, "content": message.text});
    if let Some(answers) = &message.answers {
        out["tool_name"] = answers.tool.as_str().into();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let args = if call.args.is_object() { call.args.clone() } else { json!({"text": call.args}) };
            json!({"function": {"name": call.name, "arguments": args}})
        });
        out["tool_calls"] = calls.collect();
    }
    out
}

#[derive(Debug, Default)]
struct Decoder {
    done: bool,
    calls: u64,
    named: bool,
}

impl Decode for Decoder {
    fn frame(&mut self, _: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        if has_error(data) {
            return Err(stream_error(data));
        }
        if let Some(model) = text(data, "model").filter(|_| !self.named) {
            self.named = true;
            found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
        }
        let message = &data["message"];
        if let Some(thought) = text(message, "thinking") {
            found.push(StreamEvent::Thinking(Length::of(thought)));
        }
        found.extend(text(message, "content").map(|text| StreamEvent::Text(text.to_owned())));
        for call in list(message, "tool_calls") {
            let function = &call["function"];
            let args = match function.get("arguments") {
                Some(Value::String(text)) => text.clone(),
                Some(args @ Value::Object(_)) => args.to_string(),
                _ => String::new(),
            };
            let name = text(function, "name").map(str::to_owned);
            found.push(StreamEvent::Tool(ToolDelta { index: self.calls, id: None, name, args, opaque: None }));
            self.calls += 1;
        }
        if data.get("done") == Some(&Value::Bool(true)) {
            self.done = true;
            let reason = match text(data, "done_reason") {
                _ if self.calls > 0 => Finish::Tools,
                Some("stop") | None => Finish::Stop,
                Some("length") => Finish::Length,
                Some(_) => Finish::Other,
            };
            found.push(StreamEvent::Finish(reason));
            // A prompt that is cached whole is counted by nobody in some versions.
            if let Some(output) = count(data, "eval_count") {
                let input = count(data, "prompt_eval_count").unwrap_or(0);
                found.push(StreamEvent::Usage(TokenUsage { input, output, ..TokenUsage::default() }));
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
