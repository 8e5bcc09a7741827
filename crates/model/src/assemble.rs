//! What a stream says, put together: text at once, tool calls when their arguments are whole, one end.

use crate::chat::ToolCall;
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::{Finish, Served, StreamEvent, ToolDelta};
use crate::{Ended, Piece};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most tools one answer may ask for.
const MOST_CALLS: usize = 128;
/// A token of the public encodings is seldom longer than this, in bytes; what is longer is white space.
const LONG_TOKEN: u64 = 16;
/// And on average far from this long.
const LONG_AVERAGE: u64 = 8;
/// So that a short limit does not cut one long word, in bytes.
const SLACK: u64 = 256;

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    tools: BTreeMap<u64, Partial>,
    usage: Option<TokenUsage>,
    finish: Finish,
    served: Served,
    /// The most tokens that money is held for.
    limit: Option<u64>,
    /// How many pieces with content came, and of how many bytes.
    pieces: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Partial {
    id: Option<String>,
    name: String,
    args: String,
    opaque: Option<String>,
}

impl Assembler {
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            tools: BTreeMap::new(),
            usage: None,
            finish: Finish::default(),
            served: Served::default(),
            limit,
            pieces: 0,
            bytes: 0,
        }
    }

    /// How many pieces with content came.
    pub const fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Takes what a frame says; text goes on at once.
    pub fn take(&mut self, event: StreamEvent) -> Result<Option<Piece>, ModelError> {
        match event {
            StreamEvent::Text(text) => {
                self.count(text.len())?;
                return Ok(Some(Piece::Text(text)));
            }
            StreamEvent::Tool(delta) => self.tool(delta)?,
            StreamEvent::Thinking => {}
            StreamEvent::Usage(usage) => self.usage = Some(larger(self.usage.unwrap_or_default(), usage)),
            // A reason with a meaning is not replaced by one without.
            StreamEvent::Finish(reason) => {
                if self.finish == Finish::Stop || reason != Finish::Other {
                    self.finish = reason;
                }
            }
            StreamEvent::Served(served) => {
                self.served.model = served.model.or(self.served.model.take());
                self.served.fingerprint = served.fingerprint.or(self.served.fingerprint.take());
            }
        }
        Ok(None)
    }

    /// Content beyond what was asked for ends the answer. Tokens cannot be counted here for every model, so the bound is
    /// a generous one: it stops a provider that ignores the limit, and no honest one.
    fn count(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.pieces += 1;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let Some(limit) = self.limit else { return Ok(()) };
        let reported = self.usage.is_some_and(|usage| usage.output > limit);
        let long = self.bytes > limit.saturating_mul(LONG_TOKEN).saturating_add(SLACK);
        // A piece is mostly a token or more; but some servers send letters.
        let many = self.pieces > limit && self.bytes > limit.saturating_mul(LONG_AVERAGE).saturating_add(SLACK);
        if reported || long || many {
            return Err(ModelError::Cut { limit });
        }
        Ok(())
    }

    fn tool(&mut self, delta: ToolDelta) -> Result<(), ModelError> {
        self.count(delta.args.len())?;
        if !self.tools.contains_key(&delta.index) && self.tools.len() >= MOST_CALLS {
            let message = format!("it asks for more than {MOST_CALLS} tools at once");
            return Err(ModelError::Protocol { message });
        }
        let call = self.tools.entry(delta.index).or_default();
        call.id = call.id.take().or(delta.id);
        call.opaque = delta.opaque.or(call.opaque.take());
        // Some servers repeat the name in every piece.
        if let Some(name) = delta.name.filter(|_| call.name.is_empty()) {
            call.name = name;
        }
        call.args.push_str(&delta.args);
        Ok(())
    }

    /// The rest of the answer: its tool calls and its end. `calls` counts the calls of the conversation, for ids.
    pub fn end(self, calls: &mut u64) -> Result<Vec<Piece>, ModelError> {
        let mut pieces = Vec::new();
        for (_, call) in self.tools {
            if call.name.is_empty() {
                return Err(ModelError::Protocol { message: "it asks for a tool without a name".into() });
            }
            let args = match call.args.trim() {
                "" => Value::Object(Map::new()),
                text => match serde_json::from_str(text) {
                    Ok(args) => args,
                    Err(_) if self.finish == Finish::Length => {
                        let message = format!(
                            "`max_tokens` cut off the arguments of `{}` in the middle: raise `max_tokens`",
                            call.name
                        );
                        return Err(ModelError::Protocol { message });
                    }
                    // The tool's schema refuses it, and the model is told.
                    Err(_) => Value::String(call.args),
                },
            };
            *calls += 1;
            let id = call.id.unwrap_or_else(|| format!("call_{calls}"));
            pieces.push(Piece::ToolCall(ToolCall { id, name: call.name, args, opaque: call.opaque }));
        }
        // A usage of nothing at all is none: `usage: {}` and zeros are what some servers send for "unknown".
        let usage = self.usage.filter(|usage| usage.input > 0 || usage.output > 0);
        pieces.push(Piece::End(Ended { usage, finish: self.finish, served: self.served }));
        Ok(pieces)
    }
}

/// Counts only grow: reports are cumulative, and a later one may leave fields out.
fn larger(a: TokenUsage, b: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: a.input.max(b.input),
        output: a.output.max(b.output),
        cache_read: a.cache_read.max(b.cache_read),
        cache_write: a.cache_write.max(b.cache_write),
        reasoning: a.reasoning.max(b.reasoning),
        estimated: a.estimated || b.estimated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn delta(index: u64, name: &str, args: &str) -> StreamEvent {
        let name = (!name.is_empty()).then(|| name.to_owned());
        StreamEvent::Tool(ToolDelta { index, name, args: args.into(), ..ToolDelta::default() })
    }

    #[test]
    fn pieces_of_calls_that_come_mixed_are_told_apart_by_index() {
        let mut all = Assembler::new(None);
        for event in [delta(0, "a", "{\"x\""), delta(1, "b", ""), delta(0, "", ":1}"), delta(1, "b", "{}")] {
            all.take(event).unwrap();
        }
        let pieces = all.end(&mut 0).unwrap();
        let call = |id: &str, name: &str, args: Value| {
            Piece::ToolCall(ToolCall { id: id.into(), name: name.into(), args, opaque: None })
        };
        assert_eq!(pieces[..2], [call("call_1", "a", json!({"x": 1})), call("call_2", "b", json!({}))]);
    }

    #[test]
    fn arguments_that_are_no_json_go_to_the_tools_schema_as_text() {
        let mut all = Assembler::new(None);
        all.take(delta(0, "a", "{oops")).unwrap();
        let Piece::ToolCall(call) = all.end(&mut 0).unwrap().remove(0) else { panic!() };
        assert_eq!(call.args, json!("{oops"));
    }

    #[test]
    fn arguments_that_the_limit_cut_are_an_error() {
        let mut all = Assembler::new(None);
        all.take(delta(0, "a", "{\"x\":")).unwrap();
        all.take(StreamEvent::Finish(Finish::Length)).unwrap();
        assert!(matches!(all.end(&mut 0), Err(ModelError::Protocol { .. })));
    }

    #[test]
    fn a_provider_that_ignores_the_limit_is_cut_and_an_honest_one_is_not() {
        let mut honest = Assembler::new(Some(10));
        for _ in 0..10 {
            honest.take(StreamEvent::Text("longish ".into())).unwrap();
        }
        let mut endless = Assembler::new(Some(10));
        let cut = (0..100).find_map(|_| endless.take(StreamEvent::Text("longish ".into())).err());
        assert_eq!(cut, Some(ModelError::Cut { limit: 10 }));
    }

    #[test]
    fn cumulative_reports_replace_each_other_and_empty_ones_are_none() {
        let mut all = Assembler::new(None);
        for (input, output) in [(25, 1), (0, 15), (25, 9)] {
            all.take(StreamEvent::Usage(TokenUsage { input, output, ..TokenUsage::default() })).unwrap();
        }
        let Some(Piece::End(ended)) = all.end(&mut 0).unwrap().pop() else { panic!() };
        assert_eq!(ended.usage.map(|usage| (usage.input, usage.output)), Some((25, 15)));
        let mut nothing = Assembler::new(None);
        nothing.take(StreamEvent::Usage(TokenUsage::default())).unwrap();
        let Some(Piece::End(ended)) = nothing.end(&mut 0).unwrap().pop() else { panic!() };
        assert_eq!(ended.usage, None);
    }
}
