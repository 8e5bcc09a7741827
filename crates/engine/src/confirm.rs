//! A run that waits for a person: what it was doing, so that a yes goes on with exactly that and with nothing else.
//!
//! What was done before the question is not done again: the messages and results so far are kept with it. A yes is good
//! for one question, that of this tool with these arguments or of this guardrail on this input; whatever the run asks
//! after that is a new question.

use aic_guard::Vault;
use aic_model::{Message, ToolCall};
use aic_spec::Approver;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// How long a question stands where the spec does not say.
pub const USUAL: Duration = Duration::from_secs(15 * 60);

/// A run that waits for a person. Holds what was said: keep it where only its owner reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// The input as it came.
    pub input: String,
    /// The turn's own variables.
    pub vars: Map<String, Value>,
    /// What asks: a tool's name or a guardrail's.
    pub asks: String,
    /// The arguments that a yes is about; null where a text is asked about.
    pub args: Value,
    /// Why.
    pub why: String,
    /// Whether only an operator may answer.
    pub operator: bool,
    /// How long the question stands.
    pub expires: Duration,
    /// What was said since the input.
    said: Vec<Said>,
    /// The calls that are still to be made, the one that asks first.
    waiting: Vec<Call>,
    /// What the first of them returned, where it ran already and its result is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ran: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Model { text: String, calls: Vec<Call> },
    Tool { call: Call, result: Value, is_error: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Call {
    id: String,
    name: String,
    args: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opaque: Option<String>,
}

impl Call {
    fn of(call: &ToolCall) -> Self {
        Self { id: call.id.clone(), name: call.name.clone(), args: call.args.clone(), opaque: call.opaque.clone() }
    }

    fn call(&self) -> ToolCall {
        ToolCall { id: self.id.clone(), name: self.name.clone(), args: self.args.clone(), opaque: self.opaque.clone() }
    }
}

/// A question that nobody has answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub asks: String,
    pub args: Value,
    pub by: Approver,
    pub expires: Option<Duration>,
}

impl Pending {
    pub(crate) fn new(
        question: Question,
        why: &str,
        (input, vars): (&str, &Map<String, Value>),
        since: &[Message],
        (waiting, ran): (&[ToolCall], Option<Value>),
    ) -> Self {
        let said = |message: &Message| match &message.answers {
            Some(answered) => {
                let call =
                    Call { id: answered.call.clone(), name: answered.tool.clone(), args: Value::Null, opaque: None };
                Said::Tool { call, result: answered.result.clone(), is_error: answered.is_error }
            }
            None => {
                Said::Model { text: message.text.clone(), calls: message.tool_calls.iter().map(Call::of).collect() }
            }
        };
        Self {
            input: input.to_owned(),
            vars: vars.clone(),
            asks: question.asks,
            args: question.args,
            why: why.to_owned(),
            operator: question.by == Approver::Operator,
            expires: question.expires.unwrap_or(USUAL),
            said: since.iter().map(said).collect(),
            waiting: waiting.iter().map(Call::of).collect(),
            ran,
        }
    }

    /// What the call that asks has returned, where it ran already.
    pub(crate) fn ran(&self) -> Option<(Value, Value)> {
        self.ran.clone().map(|result| (self.args.clone(), result))
    }

    /// What was said since the input.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let message = |said: &Said| match said {
            Said::Model { text, calls } => Message::assistant(text.clone(), calls.iter().map(Call::call).collect()),
            Said::Tool { call, result, is_error } => Message::tool(&call.call(), result.clone(), *is_error),
        };
        self.said.iter().map(message).collect()
    }

    /// The calls that are still to be made.
    pub(crate) fn calls(&self) -> Vec<ToolCall> {
        self.waiting.iter().map(Call::call).collect()
    }
}

/// A person's answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    pub asks: String,
    pub args: Value,
    pub answer: crate::options::Answer,
}

/// Puts back what a run took out of its texts, in the arguments that the spec gives to the tool as they are.
pub(crate) fn restored(vault: &Vault, mut args: Value, tool: &aic_spec::ToolSpec) -> Value {
    if vault.is_empty() {
        return args;
    }
    for (name, origins) in &tool.origins {
        let needs = origins.iter().any(|origin| matches!(origin, aic_spec::Origin::User | aic_spec::Origin::Tool));
        if let Some(value) = args.get_mut(name).filter(|_| needs) {
            crate::tools::map_strings(value, &mut |text| vault.restore(text));
        }
    }
    args
}
