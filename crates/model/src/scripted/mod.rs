//! Scripted models: rules in the spec stand in for a model (language page, section 7).
//!
//! The first rule that matches and is not spent answers. A rule looks at the newest message: the user's, or, where it
//! names a tool, that tool's result.

mod reply;
mod rule;

pub use rule::RuleError;

use crate::chat::{Message, Request, Role};
use crate::{Again, Ended, Finish, Model, ModelError, Piece, Price, Session, TokenUsage, Waited};
use aic_base::{Clock, Delay};
use futures_util::stream::{self, BoxStream, StreamExt};
use reply::Fault;
use rule::{Rule, Situation};
use serde_json::Value;
use std::sync::Arc;

/// A model that answers by rules.
#[derive(Debug, Clone)]
pub struct ScriptedModel {
    rules: Arc<[Rule]>,
    price: Option<Price>,
}

impl ScriptedModel {
    /// Compiles the rules as they stand in the spec. The price is that of the model it stands for, so that costs have
    /// the right size; they are still no real money.
    ///
    /// # Errors
    /// [`RuleError`], which names the rule.
    pub fn new(rules: &[Value], price: Option<Price>) -> Result<Self, RuleError> {
        let rules = rules.iter().enumerate().map(|(i, rule)| Rule::compile(i + 1, rule)).collect::<Result<_, _>>()?;
        Ok(Self { rules, price })
    }
}

impl Model for ScriptedModel {
    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    fn session(&self, clock: Arc<dyn Clock>) -> Box<dyn Session> {
        Box::new(ScriptedSession { rules: self.rules.clone(), spent: vec![0; self.rules.len()], calls: 0, clock })
    }
}

struct ScriptedSession {
    rules: Arc<[Rule]>,
    /// How often each rule has answered.
    spent: Vec<u32>,
    /// How many tools were asked for, for the ids of calls.
    calls: usize,
    clock: Arc<dyn Clock>,
}

impl Session for ScriptedSession {
    fn answer<'a>(&'a mut self, request: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>> {
        let planned = self.plan(request);
        let clock = self.clock.clone();
        stream::once(async move {
            let (delay, pieces) = match planned {
                Ok(planned) => planned,
                Err(error) => return stream::iter(vec![Err(error)]),
            };
            if let Delay::Wait(time) = clock.delay(delay) {
                tokio::time::sleep(time).await;
            }
            stream::iter(pieces)
        })
        .flatten()
        .boxed()
    }
}

type Planned = (std::time::Duration, Vec<Result<Piece, ModelError>>);

impl ScriptedSession {
    fn plan(&mut self, request: &Request) -> Result<Planned, ModelError> {
        let situation = Situation::of(request);
        let found = self.rules.iter().enumerate().find(|(i, rule)| {
            rule.times.is_none_or(|times| self.spent[*i] < times) && rule.mismatch(&situation).is_none()
        });
        let Some((i, rule)) = found else { return Err(ModelError::NoRule { nearest: self.nearest(&situation) }) };
        self.spent[i] += 1;
        let bad = |message| ModelError::BadReply { rule: rule.number, message };
        let captures = rule.captures(&situation);
        let reply = rule.reply.render(&situation, &captures, request, self.calls).map_err(bad)?;
        self.calls += reply.tool_calls.len();

        let usage = reply.usage.unwrap_or_else(|| {
            let output = Message::assistant(reply.chunks.concat(), reply.tool_calls.clone()).estimated_tokens();
            TokenUsage {
                input: request.estimated_tokens().0,
                output: output.0,
                estimated: true,
                ..TokenUsage::default()
            }
        });
        let mut pieces: Vec<Result<Piece, ModelError>> =
            reply.chunks.into_iter().map(|text| Ok(Piece::Text(text))).collect();
        let finish = if reply.tool_calls.is_empty() { Finish::Stop } else { Finish::Tools };
        pieces.extend(reply.tool_calls.into_iter().map(|call| Ok(Piece::ToolCall(call))));
        pieces.push(Ok(Piece::End(Ended { usage: Some(usage), finish, ..Ended::default() })));
        match reply.fault {
            None => {}
            Some(Fault::ResetAfter(count)) => {
                pieces.truncate(count);
                pieces.push(Err(ModelError::Reset { pieces: pieces.len() }));
            }
            Some(Fault::Timeout) => pieces = vec![Err(ModelError::Timeout(Waited::Scripted))],
            Some(Fault::Status { status, message, retry_after }) => {
                let again = Again { after: retry_after, should: None };
                pieces = vec![Err(ModelError::Status { status, message, again })]
            }
        }
        Ok((reply.delay, pieces))
    }

    fn nearest(&self, situation: &Situation<'_>) -> String {
        let nearest = self
            .rules
            .iter()
            .enumerate()
            .map(|(i, rule)| match rule.mismatch(situation) {
                None => (
                    usize::MAX,
                    format!("rule {} would, but has answered {} times already", rule.number, self.spent[i]),
                ),
                Some(mismatch) => {
                    (mismatch.matched, format!("rule {} comes nearest, but {}", rule.number, mismatch.why))
                }
            })
            .max_by(|a, b| a.0.cmp(&b.0).then(std::cmp::Ordering::Greater));
        nearest.map_or_else(|| "it has no rules".into(), |(_, text)| text)
    }
}

impl Situation<'_> {
    fn of(request: &Request) -> Situation<'_> {
        let messages = &request.messages;
        let newest = |role: Role| messages.iter().rev().find(|message| message.role == role);
        Situation {
            user: newest(Role::User).map(|message| Value::from(message.text.as_str())),
            system: newest(Role::System).map(|message| Value::from(message.text.as_str())),
            turn: Value::from(messages.iter().filter(|message| message.role == Role::User).count()),
            last: messages.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ToolDef;
    use aic_base::{FrozenClock, Timestamp};
    use serde_json::json;
    use std::time::Duration;

    fn model(rules: Value) -> ScriptedModel {
        ScriptedModel::new(rules.as_array().unwrap(), None).unwrap()
    }

    fn user(text: &str) -> Request {
        Request { messages: vec![Message::new(Role::User, text)], ..Request::default() }
    }

    async fn ask(session: &mut Box<dyn Session>, request: &Request) -> Vec<Result<Piece, ModelError>> {
        session.answer(request).collect().await
    }

    fn session(rules: Value) -> Box<dyn Session> {
        model(rules).session(Arc::new(FrozenClock::at(Timestamp::default())))
    }

    fn text_of(pieces: &[Result<Piece, ModelError>]) -> String {
        pieces.iter().filter_map(|p| if let Ok(Piece::Text(text)) = p { Some(text.as_str()) } else { None }).collect()
    }

    #[tokio::test]
    async fn the_first_rule_that_matches_answers() {
        let mut session = session(json!([
            {"match": {"user": {"icontains": "hello"}}, "reply": {"text": "Hi."}},
            {"match": {}, "reply": {"text": "What?"}},
        ]));
        assert_eq!(text_of(&ask(&mut session, &user("HELLO there")).await), "Hi.");
        assert_eq!(text_of(&ask(&mut session, &user("bye")).await), "What?");
    }

    #[tokio::test]
    async fn a_spent_rule_lets_the_next_one_answer_and_each_session_counts_anew() {
        let rules = json!([
            {"match": {"user": "flaky"}, "times": 1, "reply": {"error": {"status": 429, "retry_after": "1s"}}},
            {"match": {}, "reply": {"text": "ok"}},
        ]);
        for _ in 0..2 {
            let mut session = session(rules.clone());
            let again = Again { after: Some(Duration::from_secs(1)), should: None };
            let limited = ModelError::Status { status: 429, message: String::new(), again };
            assert_eq!(ask(&mut session, &user("flaky")).await, [Err(limited)]);
            assert_eq!(text_of(&ask(&mut session, &user("flaky")).await), "ok");
        }
    }

    #[tokio::test]
    async fn captures_take_the_type_that_the_tool_wants() {
        let mut session = session(json!([{
            "match": {"user": {"matches": r"(?i)refund (?<amount>\d+) .*order (?<id>\d+)"}},
            "reply": {"tool_calls": [{"name": "refund", "args": {"order_id": "${match.id}", "amount": "${match.amount}"}}]},
        }]));
        let parameters =
            json!({"type": "object", "properties": {"order_id": {"type": "string"}, "amount": {"type": "number"}}});
        let tool = ToolDef { name: "refund".into(), description: String::new(), parameters };
        let request = Request { tools: vec![tool], ..user("Refund 250 of order 1001") };
        let pieces = ask(&mut session, &request).await;
        let Ok(Piece::ToolCall(call)) = &pieces[0] else { panic!("{pieces:?}") };
        assert_eq!(call.args, json!({"order_id": "1001", "amount": 250}));
    }

    #[tokio::test]
    async fn a_rule_about_a_tool_sees_its_result_and_a_rule_about_the_user_does_not() {
        let mut session = session(json!([
            {"match": {"user": {"icontains": "order"}}, "reply": {"tool_calls": [{"name": "get", "args": {}}]}},
            {"match": {"tool": "get", "result": {"status": "late"}}, "reply": {"text": "Order ${result.id} is late, $${sorry}."}},
            {"match": {"tool": "get", "error": {"icontains": "denied"}}, "reply": {"text": "I may not."}},
        ]));
        let mut request = user("my order?");
        let Some(Ok(Piece::ToolCall(call))) = ask(&mut session, &request).await.into_iter().next() else { panic!() };
        request.messages.push(Message::assistant("", vec![call.clone()]));
        request.messages.push(Message::tool(&call, json!({"id": 7, "status": "late"}), false));
        assert_eq!(text_of(&ask(&mut session, &request).await), "Order 7 is late, ${sorry}.");
        request.messages.pop();
        request.messages.push(Message::tool(&call, json!("Denied by policy"), true));
        assert_eq!(text_of(&ask(&mut session, &request).await), "I may not.");
    }

    #[tokio::test]
    async fn no_match_names_the_nearest_rule_and_why_not() {
        let mut session = session(json!([
            {"match": {"tool": "x"}, "reply": {"text": "a"}},
            {"match": {"turn": 1, "user": {"icontains": "invoice"}}, "reply": {"text": "b"}},
        ]));
        let Some(Err(error)) = ask(&mut session, &user("hello")).await.into_iter().next() else { panic!() };
        let message = error.to_string();
        assert!(
            message.contains("rule 2 comes nearest, but user: wanted something that contains \"invoice\""),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_broken_connection_delivers_what_came_before_it() {
        let reply = json!([{"match": {}, "reply": {"chunks": ["One ", "moment."], "error": {"reset_after": 1}}}]);
        let pieces = ask(&mut session(reply), &user("x")).await;
        assert_eq!(pieces, [Ok(Piece::Text("One ".into())), Err(ModelError::Reset { pieces: 1 })]);
    }

    #[tokio::test]
    async fn delays_are_virtual_under_a_frozen_clock() {
        let clock = Arc::new(FrozenClock::at(Timestamp::default()));
        let slow = model(json!([{"match": {}, "reply": {"text": "late", "delay": "1h"}}]));
        let mut session = slow.session(clock.clone());
        assert_eq!(text_of(&ask(&mut session, &user("x")).await), "late");
        assert!(clock.elapsed() >= Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn usage_is_the_rules_or_a_labelled_estimate() {
        let mut session = session(json!([
            {"match": {"user": "a"}, "reply": {"text": "x", "usage": {"input_tokens": 900, "output_tokens": 40}}},
            {"match": {}, "reply": {"echo": "prompt"}},
        ]));
        let end = |pieces: Vec<Result<Piece, ModelError>>| match pieces.into_iter().next_back() {
            Some(Ok(Piece::End(ended))) => ended.usage.unwrap(),
            other => panic!("{other:?}"),
        };
        let exact = end(ask(&mut session, &user("a")).await);
        assert_eq!((exact.input, exact.output, exact.estimated), (900, 40, false));
        assert!(end(ask(&mut session, &user("b")).await).estimated);
    }

    #[test]
    fn a_rule_that_does_not_compile_is_named() {
        let broken = [
            (json!([{"match": {"user": {"matches": "("}}, "reply": {"text": "x"}}]), "not a regular expression"),
            (json!([{"match": {"usr": "x"}, "reply": {"text": "x"}}]), "unknown key `usr`"),
            (json!([{"match": {}}]), "`reply` is missing"),
            (json!([{"match": {}, "reply": {"txt": "x"}}]), "unknown key `txt`"),
            (json!([{"match": {}, "reply": {"delay": "soon"}}]), "not a duration"),
            (json!(["x"]), "a rule is a map"),
        ];
        for (rules, wanted) in broken {
            let error = ScriptedModel::new(rules.as_array().unwrap(), None).unwrap_err().to_string();
            assert!(error.starts_with("rule 1") && error.contains(wanted), "{error}");
        }
    }
}
