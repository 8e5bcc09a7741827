//! Google's generateContent, streamed (`ai.google.dev/api/generate-content`). Usage is cumulative in every chunk; tokens of
//! thinking are charged as output; a thought signature beside a call has to be sent back with it.

use super::{apart, set, with_extra};
use crate::chat::{Message, Request, Role, Settings};
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::lenient::{count, has_error, list, stream_error, text};
use crate::wire::{Decode, Finish, Length, Served, StreamEvent, ToolDelta, Wire};
use serde_json::{Map, Value, json};

/// What the documentation names for calls that did not come from the model itself: it skips the check of a signature.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Google's generateContent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Google;

impl Wire for Google {
    fn path(&self, model: &str) -> String {
        let model = model.strip_prefix("models/").unwrap_or(model);
        format!("v1beta/models/{model}:streamGenerateContent?alt=sse")
    }

    fn body(&self, _: &str, request: &Request) -> Result<Value, ModelError> {
        let settings = &request.settings;
        let (system, rest) = apart(&request.messages);
        let mut body = Map::new();
        set(&mut body, "systemInstruction", (!system.is_empty()).then(|| json!({"parts": [{"text": system}]})));
        body.insert("contents".into(), contents(rest));
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(
                |tool| json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}),
            );
            body.insert("tools".into(), json!([{"functionDeclarations": tools.collect::<Vec<_>>()}]));
            set(&mut body, "toolConfig", settings.tool_choice.as_deref().map(tool_config));
        }
        let mut generation = Map::new();
        set(&mut generation, "temperature", settings.temperature);
        set(&mut generation, "topP", settings.top_p);
        set(&mut generation, "maxOutputTokens", request.max_tokens());
        set(&mut generation, "seed", settings.seed);
        set(&mut generation, "stopSequences", (!settings.stop.is_empty()).then(|| settings.stop.clone()));
        let thinking = settings.reasoning_effort.as_ref().map(|effort| json!({"thinkingLevel": effort}));
        set(&mut generation, "thinkingConfig", thinking);
        if let Some(schema) = &request.schema {
            generation.insert("responseMimeType".into(), "application/json".into());
            generation.insert("responseJsonSchema".into(), schema.clone());
        }
        set(&mut body, "generationConfig", (!generation.is_empty()).then_some(generation));
        with_extra(&mut body, &settings.extra)?;
        Ok(Value::Object(body))
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        settings.parallel_tool_calls.filter(|parallel| !parallel).map(|_| "parallel_tool_calls").into_iter().collect()
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }
}

fn tool_config(choice: &str) -> Value {
    let config = match choice {
        "auto" => json!({"mode": "AUTO"}),
        "none" => json!({"mode": "NONE"}),
        "required" => json!({"mode": "ANY"}),
        name => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    json!({"functionCallingConfig": config})
}

fn contents<'a>(said: impl Iterator<Item = &'a Message>) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in said {
        let (role, parts) = parts(message);
        match turns.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    let turns = turns.into_iter().filter(|(_, parts)| !parts.is_empty());
    turns.map(|(role, parts)| json!({"role": role, "parts": parts})).collect()
}

fn parts(message: &Message) -> (&'static str, Vec<Value>) {
    let text = (!message.text.is_empty()).then(|| json!({"text": message.text}));
    match (&message.answers, message.role) {
        (Some(answers), Role::Tool) => {
            // A response is an object.
            let key = if answers.is_error { "error" } else { "result" };
            let response = json!({ key: answers.result });
            ("user", vec![json!({"functionResponse": {"name": answers.tool, "response": response}})])
        }
        (_, Role::Assistant) => {
            let calls = message.tool_calls.iter().enumerate().map(|(i, call)| {
                let args = if call.args.is_object() { call.args.clone() } else { json!({"text": call.args}) };
                let mut part = json!({"functionCall": {"name": call.name, "args": args}});
                // Only the first of parallel calls carries one.
                if let Some(signature) = call.opaque.as_deref().or((i == 0).then_some(NO_SIGNATURE)) {
                    part["thoughtSignature"] = signature.into();
                }
                part
            });
            ("model", text.into_iter().chain(calls).collect())
        }
        _ => ("user", text.into_iter().collect()),
    }
}

#[derive(Debug, Default)]
struct Decoder {
    finished: bool,
    calls: u64,
    named: bool,
}

impl Decode for Decoder {
    fn frame(&mut self, _: &str, data: &Value, found: &mut Vec<StreamEvent>) -> Result<(), ModelError> {
        if has_error(data) {
            return Err(stream_error(data));
        }
        if let Some(model) = text(data, "modelVersion").filter(|_| !self.named) {
            self.named = true;
            found.push(StreamEvent::Served(Served { model: Some(model.to_owned()), fingerprint: None }));
        }
        if let Some(candidate) = list(data, "candidates").first() {
            let parts = candidate.get("content").map_or(&[][..], |content| list(content, "parts"));
            parts.iter().for_each(|part| self.part(part, found));
            if let Some(reason) =
                text(candidate, "finishReason").filter(|reason| *reason != "FINISH_REASON_UNSPECIFIED")
            {
                self.finished = true;
                found.push(StreamEvent::Finish(self.finish(reason)));
            }
        }
        if data.get("promptFeedback").and_then(|feedback| text(feedback, "blockReason")).is_some() {
            self.finished = true;
            found.push(StreamEvent::Finish(Finish::Filter));
        }
        let report = if self.finished { StreamEvent::Usage } else { StreamEvent::UsageSoFar };
        found.extend(data.get("usageMetadata").and_then(usage).map(report));
        Ok(())
    }

    /// Nothing in the stream says that it is over: the chunk with the reason is mostly the last, but usage may follow.
    fn is_done(&self) -> bool {
        false
    }

    fn may_end(&self) -> bool {
        self.finished
    }
}

impl Decoder {
    fn part(&mut self, part: &Value, found: &mut Vec<StreamEvent>) {
        if part.get("thought") == Some(&Value::Bool(true)) {
            found.push(StreamEvent::Thinking(text(part, "text").map(Length::of).unwrap_or_default()));
        } else if let Some(call) = part.get("functionCall") {
            // A call comes whole. Its id, where there is one, is this format's own; ours tells calls apart.
            found.push(StreamEvent::Tool(ToolDelta {
                index: self.calls,
                id: None,
                name: text(call, "name").map(str::to_owned),
                args: call.get("args").filter(|args| args.is_object()).map(Value::to_string).unwrap_or_default(),
                opaque: text(part, "thoughtSignature").map(str::to_owned),
            }));
            self.calls += 1;
        } else {
            found.extend(text(part, "text").map(|text| StreamEvent::Text(text.to_owned())));
        }
    }

    fn finish(&self, reason: &str) -> Finish {
        match reason {
            "STOP" if self.calls > 0 => Finish::Tools,
            "STOP" => Finish::Stop,
            "MAX_TOKENS" => Finish::Length,
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" => Finish::Filter,
            _ => Finish::Other,
        }
    }
}

fn usage(usage: &Value) -> Option<TokenUsage> {
    let thoughts = count(usage, "thoughtsTokenCount").unwrap_or(0);
    let tool_prompt = count(usage, "toolUsePromptTokenCount").unwrap_or(0);
    Some(TokenUsage {
        input: count(usage, "promptTokenCount")?.saturating_add(tool_prompt),
        output: count(usage, "candidatesTokenCount").unwrap_or(0).saturating_add(thoughts),
        cache_read: count(usage, "cachedContentTokenCount").unwrap_or(0),
        reasoning: thoughts,
        ..TokenUsage::default()
    })
}
