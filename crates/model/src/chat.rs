//! The words of a conversation, the same for every provider.

use aic_base::Tokens;
use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What. A tool's result is JSON.
    pub text: String,
    /// The tools that an assistant's message asks for.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    pub answers: Option<Answered>,
}

/// The call that a tool's message answers.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Its id in this conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub args: Value,
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

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The conversation, the instructions first.
    pub messages: Vec<Message>,
    /// The tools on offer.
    pub tools: Vec<ToolDef>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// The most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// The provider's seed.
    pub seed: Option<i64>,
    /// JSON Schema of the answer.
    pub schema: Option<Value>,
}

impl Request {
    /// An estimate of the request's tokens, its tools included.
    pub fn estimated_tokens(&self) -> Tokens {
        let messages = self.messages.iter().map(Message::estimated_tokens);
        let tools = self.tools.iter().map(|tool| {
            let text = format!("{}{}{}", tool.name, tool.description, tool.parameters);
            aic_catalog::estimate_tokens(&text)
        });
        messages.chain(tools).fold(Tokens(0), |sum, tokens| sum + tokens)
    }
}
