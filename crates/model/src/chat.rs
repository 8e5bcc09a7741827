//! The words of a conversation, the same for every provider.

use aic_base::Tokens;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What. A tool's result is JSON.
    pub text: String,
    /// The tools that an assistant's message asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answered>,
}

/// The call that a tool's message answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The call's id.
    pub call: String,
    /// The tool's name.
    pub tool: String,
    /// The result as data; `text` is how the model reads it.
    pub result: Value,
    /// Whether it is an error.
    pub is_error: bool,
}

impl Message {
    /// A message of plain text.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), tool_calls: Vec::new(), answers: None }
    }

    /// An answer of the model.
    pub fn assistant(text: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(Role::Assistant, text) }
    }

    /// A tool's result, or its error.
    pub fn tool(call: &ToolCall, result: Value, is_error: bool) -> Self {
        let text = match &result {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let answers = Answered { call: call.id.clone(), tool: call.name.clone(), result, is_error };
        Self { answers: Some(answers), ..Self::new(Role::Tool, text) }
    }

    /// An estimate of its tokens, four for its frame included.
    pub fn estimated_tokens(&self) -> Tokens {
        let calls: Tokens = self
            .tool_calls
            .iter()
            .map(|call| aic_catalog::estimate_tokens(&call.name) + aic_catalog::estimate_tokens(&call.args.to_string()))
            .fold(Tokens(0), |sum, tokens| sum + tokens);
        Tokens(4) + aic_catalog::estimate_tokens(&self.text) + calls
    }
}

/// A tool that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its id in this conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments. A text where the model wrote what is no JSON: the tool's schema then says so to the model.
    pub args: Value,
    /// What the provider wants to see again beside the call, unread: Google's thought signature.
    pub opaque: Option<String>,
}

/// A tool that the model is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDef {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// How a model is to answer, as the spec says it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// The most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// The provider's seed.
    pub seed: Option<i64>,
    /// Texts at which it stops.
    pub stop: Vec<String>,
    /// How long it thinks: `low`, `medium`, `high`.
    pub reasoning_effort: Option<String>,
    /// `auto`, `none`, `required`, or the name of a tool.
    pub tool_choice: Option<String>,
    /// Whether it may ask for several tools at once.
    pub parallel_tool_calls: Option<bool>,
    /// Passed to the provider as it is.
    pub extra: Map<String, Value>,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The conversation, the instructions first.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<ToolDef>,
    /// How to answer.
    pub settings: Settings,
    /// JSON Schema of the answer.
    pub schema: Option<Value>,
    /// The most tokens that money is held for: it lowers `settings.max_tokens`, and a stream that goes beyond it is cut.
    /// No part of what a cassette is found by, as it depends on what was spent before.
    pub limit: Option<u64>,
}

impl Request {
    /// The most tokens of the answer: the lower of what the spec wants and what money is held for.
    pub fn max_tokens(&self) -> Option<u64> {
        match (self.settings.max_tokens, self.limit) {
            (Some(wanted), Some(limit)) => Some(wanted.min(limit)),
            (wanted, limit) => wanted.or(limit),
        }
    }

    /// An estimate of the request's tokens, its tools included.
    pub fn estimated_tokens(&self) -> Tokens {
        let messages = self.messages.iter().map(Message::estimated_tokens);
        let tools = self.tools.iter().map(|tool| {
            let text = format!("{}{}{}", tool.name, tool.description, tool.parameters);
            aic_catalog::estimate_tokens(&text)
        });
        messages.chain(tools).fold(Tokens(0), |sum, tokens| sum + tokens)
    }

    /// An upper bound of the request's tokens: its bytes, as no token is shorter than one, with a margin for its frame
    /// and for the instructions that providers add where tools are on offer (Anthropic states up to 530 tokens).
    pub fn bytes(&self) -> u64 {
        const TOOL_PROMPT: usize = 600;
        let messages: usize = self.messages.iter().map(Message::bytes).sum();
        let tools: usize = self
            .tools
            .iter()
            .map(|tool| 32 + tool.name.len() + tool.description.len() + json_len(&tool.parameters))
            .sum();
        let schema = self.schema.as_ref().map_or(0, json_len);
        let hidden = if self.tools.is_empty() { 0 } else { TOOL_PROMPT };
        let extra: usize = self.settings.extra.iter().map(|(key, value)| key.len() + json_len(value)).sum();
        (messages + tools + schema + hidden + extra) as u64
    }
}

impl Message {
    fn bytes(&self) -> usize {
        let calls: usize = self.tool_calls.iter().map(|call| 32 + call.name.len() + json_len(&call.args)).sum();
        16 + self.text.len() + calls
    }
}

/// How long a value is as JSON, without writing it down.
fn json_len(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Writing to a counter cannot fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}
