//! Tool calls of a run: from the model's wish to what the model is told.

use super::{Run, Stop, spoken};
use crate::guards::Examined;
use crate::options::Answer;
use crate::report::{CallRecord, ConfirmationAsked};
use crate::tools::{self, Done};
use aic_base::{Action, Decision, EventKind, Stage, ToolOutcome};
use aic_guard::{GuardKind, Scope, ToolScope};
use aic_model::ToolCall;
use aic_spec::{Approver, Effect, Trust};
use serde_json::Value;

impl Run<'_> {
    /// One tool call, from the model's wish to what the model is told.
    pub(super) async fn call_tool(&mut self, call: &ToolCall) -> Result<(Value, bool), Stop> {
        let (id, name, args) = (call.id.clone(), call.name.clone(), call.args.clone());
        self.trace.push(EventKind::ToolCalled { id, name, args });
        let container = self.container;
        let (tool, job) = match container.tools.judge(call) {
            Ok(passed) => passed,
            Err(why) => return Ok(self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None)),
        };
        let untrusted = tool.spec.trust == Trust::Untrusted;
        let args = self.guard_call(call, untrusted).await?;
        if let Some(denied) = self.confirm_call(call, &args)? {
            return Ok(denied);
        }
        let (done, nth) = match self.recorded(tool, &args)? {
            (Some(done), _) => (done, None),
            (None, nth) => {
                let done = tools::carry_out(tool, job, &args, &self.conversation.options, &container.scripts).await;
                (done, nth)
            }
        };
        if let (Some(deck), Some(nth)) = (&self.conversation.deck, nth) {
            match &done {
                Done::Ran { result, .. } => deck.keep_tool(&call.name, &args, nth, Ok(result)),
                Done::Failed(why) => deck.keep_tool(&call.name, &args, nth, Err(why)),
                _ => {}
            }
        }
        match done {
            Done::Denied(why) => Ok(self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None)),
            Done::Failed(why) => Ok(self.tool_ended(call, ToolOutcome::Failed, why.into(), None)),
            Done::HandedBack => {
                self.tool_ended(call, ToolOutcome::HandedBack, Value::Null, None);
                Err(Stop::Failed(format!(
                    "`{}` has no `run`: the caller has to carry it out, and none is here",
                    call.name
                )))
            }
            Done::Stop(why) => {
                self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None);
                Err(Stop::Broken(why))
            }
            Done::Ran { result, changed } => {
                self.conversation.tainted |= untrusted;
                let result = self.guard_result(call, &args, result, changed, untrusted).await?;
                Ok(self.tool_ended(call, ToolOutcome::Ran, result, changed))
            }
        }
    }

    /// What the cassette holds of a tool that only reads; else the number under which its result is to be kept. What
    /// writes always runs: a recording has no effect.
    fn recorded(&self, tool: &tools::Tool, args: &Value) -> Result<(Option<Done>, Option<usize>), Stop> {
        let Some(deck) = &self.conversation.deck else { return Ok((None, None)) };
        let options = &self.conversation.options;
        let reads = tool.spec.effect == Effect::Read && tool.spec.run.is_some();
        if !reads || options.mocks.has(&tool.spec.name) {
            return Ok((None, None));
        }
        let (found, nth) = deck.tool(&tool.spec.name, args).map_err(|error| Stop::Stale(error.to_string()))?;
        Ok(match found {
            Some(Ok(result)) => (Some(Done::Ran { result, changed: None }), None),
            Some(Err(why)) => (Some(Done::Failed(why)), None),
            None => (None, Some(nth)),
        })
    }

    /// Guards on a call; they may redact its arguments.
    async fn guard_call(&mut self, call: &ToolCall, untrusted: bool) -> Result<Value, Stop> {
        let text = tools::strings(&call.args).join("\n");
        let tool = ToolScope { name: &call.name, args: &call.args, result: None, untrusted };
        let examined = self.examine(Stage::ToolCall, &text, Some(tool)).await;
        if let Err(stop) = self.obey(&examined, call.args.clone()) {
            let outcome = match stop {
                Stop::NeedsConfirmation(_) => ToolOutcome::NeedsConfirmation,
                _ => ToolOutcome::Denied,
            };
            self.tool_ended(call, outcome, error_value(&examined.decisive().map(spoken).unwrap_or_default()), None);
            return Err(stop);
        }
        Ok(self.redacted(call.args.clone(), Stage::ToolCall, &examined))
    }

    /// Guards on a result; they may redact it.
    async fn guard_result(
        &mut self,
        call: &ToolCall,
        args: &Value,
        result: Value,
        changed: Option<u64>,
        untrusted: bool,
    ) -> Result<Value, Stop> {
        let text = tools::strings(&result).join("\n");
        let tool = ToolScope { name: &call.name, args, result: Some(&result), untrusted };
        let examined = self.examine(Stage::ToolResult, &text, Some(tool)).await;
        if let Err(stop) = self.obey(&examined, args.clone()) {
            // It did run; what it returned is what nobody sees.
            self.tool_ended(call, ToolOutcome::Ran, error_value("the result was withheld"), changed);
            return Err(stop);
        }
        Ok(self.redacted(result, Stage::ToolResult, &examined))
    }

    /// The value with each of its texts redacted, where that was decided of the whole.
    fn redacted(&self, mut value: Value, stage: Stage, examined: &Examined) -> Value {
        if !examined.decisions.iter().any(|decision| decision.action == Action::Redact) {
            return value;
        }
        let scope = self.scope(stage);
        tools::map_strings(&mut value, &mut |text| {
            let guards = self.container.guards.iter();
            let decisions: Vec<Decision> = guards
                .filter(|guard| matches!(guard.kind, GuardKind::Detector(_)) && guard.applies(stage, None))
                .flat_map(|guard| guard.judge(text, &scope))
                .collect();
            aic_guard::redact(text, &decisions)
        });
        value
    }

    /// Asks for a person's consent where the tool wants it. `Some` is a refusal that the model is told.
    fn confirm_call(&mut self, call: &ToolCall, args: &Value) -> Result<Option<(Value, bool)>, Stop> {
        let Some(tool) = self.container.tools.get(&call.name) else { return Ok(None) };
        let Some(confirm) = &tool.spec.confirm else { return Ok(None) };
        if let Some(when) = &tool.confirm_when {
            let text = tools::strings(args).join("\n");
            let judged = ToolScope { name: &call.name, args, result: None, untrusted: false };
            let scope = Scope { tool: Some(judged), ..self.scope(Stage::ToolCall) };
            match when.eval(&text, &scope) {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(error) => self.notice(format!("`confirm.when` of {} failed, so it asks: {error}", call.name)),
            }
        }
        let asked =
            ConfirmationAsked { tool: Some(call.name.clone()), guardrail: None, args: args.clone(), by: confirm.by };
        self.confirmations.push(asked);
        match self.answers.get(&call.name) {
            Some(Answer::Approve) => Ok(None),
            Some(Answer::Deny) => {
                Ok(Some(self.tool_ended(call, ToolOutcome::Denied, error_value("the confirmation was declined"), None)))
            }
            None => {
                let who = match confirm.by {
                    Approver::User => "the user",
                    Approver::Operator => "an operator",
                };
                let why = format!("`{}` waits for {who} to confirm", call.name);
                self.tool_ended(call, ToolOutcome::NeedsConfirmation, Value::from(why.as_str()), None);
                Err(Stop::NeedsConfirmation(why))
            }
        }
    }

    fn tool_ended(
        &mut self,
        call: &ToolCall,
        outcome: ToolOutcome,
        result: Value,
        changed: Option<u64>,
    ) -> (Value, bool) {
        let record = CallRecord {
            id: call.id.clone(),
            name: call.name.clone(),
            args: call.args.clone(),
            outcome,
            result: result.clone(),
            changed,
        };
        self.calls.push(record);
        let (id, name) = (call.id.clone(), call.name.clone());
        self.trace.push(EventKind::ToolEnded { id, name, outcome, result: result.clone(), changed });
        (result, outcome != ToolOutcome::Ran)
    }
}

fn error_value(why: &str) -> Value {
    Value::from(format!("denied: {why}"))
}
