//! Tool calls of a run: from the model's wish to what the model is told.

use super::{Run, Stop, spoken};
use crate::confirm::Question;
use crate::flow::Said;
use crate::guards::Examined;
use crate::options::Answer;
use crate::report::{CallRecord, ConfirmationAsked};
use crate::tools::{self, Done, Leaves};
use aic_base::{Action, Decision, EventKind, Stage, ToolOutcome};
use aic_guard::{Guard, GuardKind, Scope, ToolScope};
use aic_model::{Role, ToolCall};
use aic_spec::{Approver, Confirm, Effect, ToolSpec, Trust};
use serde_json::Value;

impl Run<'_> {
    /// One tool call, from the model's wish to what the model is told.
    pub(super) async fn call_tool(&mut self, call: &ToolCall) -> Result<(Value, bool), Stop> {
        let (id, name, args) = (call.id.clone(), call.name.clone(), call.args.clone());
        self.trace.push(EventKind::ToolCalled { id, name, args });
        let container = self.container;
        if let Some((shown, result)) = self.ran_before.take() {
            let untrusted = container.tools.get(&call.name).is_some_and(|tool| tool.spec.trust == Trust::Untrusted);
            return self.returned(call, &shown, result, None, untrusted).await;
        }
        let (tool, job) = match container.tools.judge(call) {
            Ok(passed) => passed,
            Err(why) => return Ok(self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None)),
        };
        let untrusted = tool.spec.trust == Trust::Untrusted;
        let shown = self.guard_call(call, untrusted).await?;
        // The tool gets what its spec says it needs; whoever is asked or writes it down sees what the model sees.
        let args = crate::confirm::restored(&self.vault, shown.clone(), &tool.spec);
        let job = if args == call.args {
            job
        } else {
            // What really runs is what is judged.
            match container.tools.judge(&ToolCall { args: args.clone(), ..call.clone() }) {
                Ok((_, job)) => job,
                Err(why) => return Ok(self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None)),
            }
        };
        let tainting = self.judge_flow(call, &tool.spec, &args)?;
        if let Some(denied) = self.confirm_call(call, &shown, tainting)? {
            return Ok(denied);
        }
        let (done, nth) = match self.recorded(tool, &args)? {
            (Some(done), _) => (done, None),
            (None, nth) => {
                let (desk, options) = (&self.conversation.desk, &self.conversation.options);
                (tools::carry_out(container, desk, options, (tool, job), &args).await, nth)
            }
        };
        if let (Some(deck), Some(nth)) = (&self.conversation.deck, nth) {
            match &done {
                Done::Ran { result, .. } => deck.keep_tool(&call.name, &args, nth, Ok(result)),
                Done::Failed(why) => deck.keep_tool(&call.name, &args, nth, Err(why)),
                _ => {}
            }
        }
        // What a tool was given as it is, it may repeat: nobody else sees it for that.
        let done = if args == shown { done } else { self.concealed(done) };
        match done {
            Done::Denied(why) => Ok(self.tool_ended(call, ToolOutcome::Denied, error_value(&why), None)),
            Done::Failed(why) => {
                // What an untrusted tool says of its failure is its text too.
                let why = Value::from(why);
                self.heard(&call.name, &call.id, &why);
                let why = self.guard_result(call, &shown, why, None, untrusted).await?;
                Ok(self.tool_ended(call, ToolOutcome::Failed, why, None))
            }
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
            Done::Ran { result, changed } => self.returned(call, &shown, result, changed, untrusted).await,
        }
    }

    /// The tool ran: guards judge what it returned.
    async fn returned(
        &mut self,
        call: &ToolCall,
        shown: &Value,
        result: Value,
        changed: Option<u64>,
        untrusted: bool,
    ) -> Result<(Value, bool), Stop> {
        self.heard(&call.name, &call.id, &result);
        self.ran_now = Some(result.clone());
        let result = self.guard_result(call, shown, result, changed, untrusted).await?;
        self.ran_now = None;
        Ok(self.tool_ended(call, ToolOutcome::Ran, result, changed))
    }

    fn concealed(&self, done: Done) -> Done {
        match done {
            Done::Ran { mut result, changed } => {
                tools::map_strings(&mut result, &mut |text| self.vault.conceal(text));
                Done::Ran { result, changed }
            }
            Done::Failed(why) => Done::Failed(self.vault.conceal(&why)),
            other => other,
        }
    }

    /// A tool has returned this: from here on the conversation holds it.
    pub(super) fn heard(&mut self, tool: &str, call: &str, result: &Value) {
        let Some(tool) = self.container.tools.get(tool) else { return };
        let untrusted = tool.spec.trust == Trust::Untrusted;
        self.conversation.tainted |= untrusted;
        self.conversation.flow.returned(&self.container.spec, &tool.spec, call, untrusted, result);
    }

    /// The rules on the flow of data: stops what they forbid, and gives the decision that a person may overrule.
    fn judge_flow(&mut self, call: &ToolCall, tool: &ToolSpec, args: &Value) -> Result<Option<Decision>, Stop> {
        let spec = &self.container.spec;
        let options = &self.conversation.options;
        let history = self.conversation.history.iter().filter(|message| message.role == Role::User);
        let mut user: Vec<String> = history.map(|message| message.text.clone()).collect();
        user.extend([self.raw.to_owned(), self.input.clone()]);
        user.extend(options.user.id.clone());
        let given = options.vars.values().chain(self.vars.values());
        user.extend(given.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        let said = Said { user, spec, tainted: self.conversation.tainted };
        let decisions = self.conversation.flow.judge(tool, &call.id, args, spec.tools.rule_of_two, &said);
        let mut asks = None;
        for decision in decisions {
            self.decide(decision.clone());
            match decision.action {
                Action::Block => {
                    self.tool_ended(call, ToolOutcome::Denied, error_value(&spoken(&decision)), None);
                    return Err(Stop::Blocked(spoken(&decision)));
                }
                Action::RequireConfirmation => asks = asks.or(Some(decision)),
                Action::Log | Action::Warn | Action::Redact => {}
            }
        }
        Ok(asks)
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
        let leaves = Leaves::of(&call.args);
        let tool = ToolScope { name: &call.name, args: &call.args, result: None, untrusted };
        let examined = self.examine_call(Stage::ToolCall, &leaves, tool).await;
        if let Err(stop) = self.obey(&examined, call.args.clone()) {
            let outcome = match stop {
                Stop::NeedsConfirmation(_) => ToolOutcome::NeedsConfirmation,
                _ => ToolOutcome::Denied,
            };
            self.tool_ended(call, outcome, error_value(&examined.decisive().map(spoken).unwrap_or_default()), None);
            return Err(stop);
        }
        Ok(self.redacted(&call.args, Stage::ToolCall, (&leaves, &examined), tool))
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
        let leaves = Leaves::of(&result);
        let tool = ToolScope { name: &call.name, args, result: Some(&result), untrusted };
        let examined = self.examine_call(Stage::ToolResult, &leaves, tool).await;
        if let Err(stop) = self.obey(&examined, args.clone()) {
            // It did run; what it returned is what nobody sees.
            self.tool_ended(call, ToolOutcome::Ran, error_value("the result was withheld"), changed);
            return Err(stop);
        }
        Ok(self.redacted(&result, Stage::ToolResult, (&leaves, &examined), tool))
    }

    /// The value with everything taken out that was decided to be.
    fn redacted(
        &mut self,
        value: &Value,
        stage: Stage,
        (leaves, examined): (&Leaves, &Examined),
        tool: ToolScope<'_>,
    ) -> Value {
        let mut redacts = examined.decisions.iter().filter(|decision| decision.action == Action::Redact);
        let Some(decision) = redacts.next() else { return value.clone() };
        self.conversation.flow.found_private(&decision.guardrail);
        let mut vault = std::mem::take(&mut self.vault);
        let scope = Scope { tool: Some(tool), ..self.scope(stage) };
        let detects = |guard: &Guard| matches!(guard.kind, GuardKind::Detector(_));
        let container = self.container;
        let guards = &container.guards;
        // What a detector calls the whole is each text; of a condition or a guard of one's own it is the value.
        let takes_all = |decision: &Decision| {
            guards.iter().find(|guard| guard.name == decision.guardrail).is_none_or(|guard| !detects(guard))
        };
        let value = leaves.redact(value.clone(), &examined.decisions, &takes_all, &mut |text, mut found, is_text| {
            // Some of it shows only where a text stands alone.
            if is_text {
                found.extend(guards.iter().filter(|guard| detects(guard)).flat_map(|guard| guard.judge(text, &scope)));
            }
            vault.redact(text, &found)
        });
        self.vault = vault;
        value
    }

    /// Asks for a person's consent where the tool wants it, or where the flow of data does. `Some` is a refusal that the
    /// model is told.
    fn confirm_call(
        &mut self,
        call: &ToolCall,
        args: &Value,
        tainting: Option<Decision>,
    ) -> Result<Option<(Value, bool)>, Stop> {
        let Some(tool) = self.container.tools.get(&call.name) else { return Ok(None) };
        let wanted = self.wants_confirmation(tool, call, args);
        let (by, expires) = match (wanted, &tainting) {
            (Some(confirm), _) => (confirm.by, confirm.expires),
            (None, Some(_)) => (Approver::User, None),
            (None, None) => return Ok(None),
        };
        let guardrail = tainting.as_ref().map(|decision| decision.guardrail.clone());
        let asked = ConfirmationAsked { tool: Some(call.name.clone()), guardrail, args: args.clone(), by };
        self.confirmations.push(asked);
        match self.answer_to(&call.name, args, by) {
            Some(Answer::Approve) => Ok(None),
            Some(Answer::Deny) => {
                Ok(Some(self.tool_ended(call, ToolOutcome::Denied, error_value("the confirmation was declined"), None)))
            }
            None => {
                let who = match by {
                    Approver::User => "the user",
                    Approver::Operator => "an operator",
                };
                let because = tainting.map(|decision| format!(": {}", spoken(&decision))).unwrap_or_default();
                let why = format!("`{}` waits for {who} to confirm{because}", call.name);
                self.tool_ended(call, ToolOutcome::NeedsConfirmation, Value::from(why.as_str()), None);
                self.question = Some(Question { asks: call.name.clone(), args: args.clone(), by, expires });
                Err(Stop::NeedsConfirmation(why))
            }
        }
    }

    /// What the spec says of who must agree to this call; none where nobody has to.
    fn wants_confirmation<'t>(&mut self, tool: &'t tools::Tool, call: &ToolCall, args: &Value) -> Option<&'t Confirm> {
        let confirm = tool.spec.confirm.as_ref()?;
        let Some(when) = &tool.confirm_when else { return Some(confirm) };
        let text = tools::strings(args).join("\n");
        let judged = ToolScope { name: &call.name, args, result: None, untrusted: false };
        let scope = Scope { tool: Some(judged), ..self.scope(Stage::ToolCall) };
        match when.eval(&text, &scope) {
            Ok(asks) => asks.then_some(confirm),
            Err(error) => {
                self.notice(format!("`confirm.when` of {} failed, so it asks: {error}", call.name));
                Some(confirm)
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
