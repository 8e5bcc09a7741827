//! What a stream says, put together: text at once, tool calls when their arguments are whole, one end.

use crate::chat::ToolCall;
use crate::error::ModelError;
use crate::price::TokenUsage;
use crate::wire::{Finish, Length, Served, StreamEvent, ToolDelta};
use crate::{Ended, Piece};
use serde_json::{Map, Value};

/// The most tools one answer may ask for.
const MOST_CALLS: usize = 128;
/// Longer arguments than these, in bytes, are not looked at again to tell two calls of one index apart.
const LONG_ARGS: usize = 64 << 10;
/// A token of the public encodings is seldom longer than this, in bytes; what is longer is white space.
const LONG_TOKEN: u64 = 16;
/// And on average far from this long.
const LONG_AVERAGE: u64 = 8;
/// So that a short limit does not cut one long word, in bytes.
const SLACK: u64 = 256;
/// Pieces of on average so many characters are no letters: each is mostly a token or more.
const WORDLY: u64 = 3;
/// So that a short limit does not cut an answer in small pieces.
const SLACK_PIECES: u64 = 16;
/// How long a token is taken to be where nobody reports how many there were, in bytes.
const SHORT_TOKEN: u64 = 4;

/// Puts one answer together.
#[derive(Debug)]
pub(crate) struct Assembler {
    /// The tool calls so far, in the order in which they began.
    tools: Vec<Partial>,
    usage: Option<TokenUsage>,
    /// Whether a report was of the whole answer.
    is_whole: bool,
    finish: Finish,
    served: Served,
    /// The most tokens that money is held for.
    limit: Option<u64>,
    /// How many pieces with content came.
    pieces: u64,
    /// The same with those of thinking, and how long they are in all.
    counted: u64,
    length: Length,
}

#[derive(Debug, Default)]
struct Partial {
    index: u64,
    id: Option<String>,
    name: String,
    args: String,
    opaque: Option<String>,
}

impl Partial {
    /// Whether this is the beginning of another call: some servers give all of them the same index, each with an id and
    /// a name of its own. A server that makes up a new id for every piece is told from those by arguments that are not
    /// whole yet.
    fn is_followed_by(&self, delta: &ToolDelta) -> bool {
        let is_other = matches!((&self.id, &delta.id), (Some(id), Some(other)) if id != other);
        is_other
            && delta.name.is_some()
            && self.args.len() <= LONG_ARGS
            && self.args.ends_with('}')
            && serde_json::from_str::<serde::de::IgnoredAny>(&self.args).is_ok()
    }
}

impl Assembler {
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            tools: Vec::new(),
            usage: None,
            is_whole: false,
            finish: Finish::default(),
            served: Served::default(),
            limit,
            pieces: 0,
            counted: 0,
            length: Length::default(),
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
                self.pieces += 1;
                self.count(Length::of(&text))?;
                return Ok(Some(Piece::Text(text)));
            }
            StreamEvent::Tool(delta) => self.tool(delta)?,
            StreamEvent::Thinking(length) => self.count(length)?,
            StreamEvent::UsageSoFar(usage) => self.usage = Some(larger(self.usage.unwrap_or_default(), usage)),
            StreamEvent::Usage(usage) => {
                self.is_whole = true;
                self.usage = Some(larger(self.usage.unwrap_or_default(), usage));
            }
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
    fn count(&mut self, length: Length) -> Result<(), ModelError> {
        if length.bytes == 0 {
            return Ok(());
        }
        self.counted += 1;
        self.length.bytes = self.length.bytes.saturating_add(length.bytes);
        self.length.chars = self.length.chars.saturating_add(length.chars);
        let Some(limit) = self.limit else { return Ok(()) };
        let reported = self.usage.is_some_and(|usage| usage.output > limit);
        let (bytes, counted) = (self.length.bytes, self.counted);
        let long = bytes > limit.saturating_mul(LONG_TOKEN).saturating_add(SLACK);
        // A piece is mostly a token or more; but some servers send letters, or cut their text anew.
        let many = counted > limit && bytes > limit.saturating_mul(LONG_AVERAGE).saturating_add(SLACK);
        let wordly = self.length.chars >= counted.saturating_mul(WORDLY);
        let tokens = wordly && counted > limit.saturating_add(limit / 2).saturating_add(SLACK_PIECES);
        if reported || long || many || tokens {
            return Err(ModelError::Cut { limit, came: self.came() });
        }
        Ok(())
    }

    /// The tokens that came, thinking included: rather too many than too few.
    fn came(&self) -> u64 {
        let reported = self.usage.map_or(0, |usage| usage.output);
        let by_length = self.length.bytes.div_ceil(SHORT_TOKEN);
        reported.max(by_length).max(self.counted.min(self.length.chars))
    }

    fn tool(&mut self, delta: ToolDelta) -> Result<(), ModelError> {
        self.pieces += 1;
        self.count(Length::of(&delta.args))?;
        let last = self.tools.iter().rposition(|call| call.index == delta.index);
        let at = match last.filter(|at| !self.tools[*at].is_followed_by(&delta)) {
            Some(at) => at,
            None if self.tools.len() >= MOST_CALLS => {
                let message = format!("it asks for more than {MOST_CALLS} tools at once");
                return Err(ModelError::Protocol { message });
            }
            None => {
                self.tools.push(Partial { index: delta.index, ..Partial::default() });
                self.tools.len() - 1
            }
        };
        let call = &mut self.tools[at];
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
    pub fn end(mut self, calls: &mut u64) -> Result<Vec<Piece>, ModelError> {
        let mut pieces = Vec::new();
        self.tools.sort_by_key(|call| call.index);
        for call in self.tools {
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
        // A usage of nothing at all is none: `usage: {}` and zeros are what some servers send for "unknown". So is one
        // that was sent while the answer went on, and one that leaves out the answer that is there.
        let is_some = |usage: &TokenUsage| usage.output > 0 || (usage.input > 0 && self.counted == 0);
        let usage = self.usage.filter(|usage| self.is_whole && is_some(usage));
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
    fn whole_calls_of_one_index_are_told_apart_by_their_ids() {
        let mut all = Assembler::new(None);
        let whole = |id: &str, args: &str| {
            let (id, name) = (Some(id.to_owned()), Some("a".to_owned()));
            StreamEvent::Tool(ToolDelta { index: 0, id, name, args: args.into(), ..ToolDelta::default() })
        };
        // The last two are pieces of one call, by a server that makes up an id for each.
        for event in [whole("x", "{\"n\":1}"), whole("y", "{\"n\":"), whole("z", "2}")] {
            all.take(event).unwrap();
        }
        let pieces = all.end(&mut 0).unwrap();
        let args: Vec<&Value> =
            pieces.iter().filter_map(|p| if let Piece::ToolCall(c) = p { Some(&c.args) } else { None }).collect();
        assert_eq!(args, [&json!({"n": 1}), &json!({"n": 2})]);
    }

    #[test]
    fn a_report_while_the_answer_goes_on_or_one_that_leaves_the_answer_out_says_nothing_of_the_whole() {
        let usage = |input, output| TokenUsage { input, output, ..TokenUsage::default() };
        let reported = |report: StreamEvent| {
            let mut all = Assembler::new(None);
            all.take(StreamEvent::Text("Hi".into())).unwrap();
            all.take(report).unwrap();
            let Some(Piece::End(ended)) = all.end(&mut 0).unwrap().pop() else { panic!() };
            ended.usage
        };
        assert_eq!(reported(StreamEvent::UsageSoFar(usage(5, 1))), None);
        assert_eq!(reported(StreamEvent::Usage(usage(5, 0))), None);
        assert_eq!(reported(StreamEvent::Usage(usage(5, 1))), Some(usage(5, 1)));
    }

    #[test]
    fn thinking_counts_and_small_pieces_are_cut_soon_after_the_limit() {
        let came = |limit, event: StreamEvent| {
            let mut all = Assembler::new(Some(limit));
            (1..10_000).find(|_| all.take(event.clone()).is_err())
        };
        assert_eq!(came(10, StreamEvent::Thinking(Length::of(&"thinking hard ".repeat(20)))), Some(2));
        assert_eq!(came(100, StreamEvent::Text(" abc".into())), Some(167));
        // A server that sends letters is honest up to the length that so many tokens may have.
        assert!(came(100, StreamEvent::Text("x".into())) > Some(800));
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
        assert!(matches!(cut, Some(ModelError::Cut { limit: 10, came: 20.. })), "{cut:?}");
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
