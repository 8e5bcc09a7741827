//! One turn: input → validation → pre guards → prompt → model → tool calls → … → output → post guards → audit.
//!
//! [`Run::walk`] reads as that list. Whatever ends a run early is a [`Stop`], so that every way out passes through the
//! same end: an outcome, an event, the audit.
//!
//! The verdict on an answer is given on the whole of it. Where somebody looks, what no guard can stop any more is shown
//! before that ([`crate::stream`]).

mod audit;
mod calls;
mod memory;
mod model;
mod money;

use crate::confirm::{Grant, Pending, Question};
use crate::container::Container;
use crate::conversation::Conversation;
use crate::counters::cost_key;
use crate::guards::{self, Examined};
use crate::options::{Answer, Answers};
use crate::prompt::{self, Counter, Prompt, Variables};
use crate::report::{CallRecord, ConfirmationAsked, TurnReport};
use crate::stream::{HoldBack, Plan};
use crate::tools::Leaves;
use crate::trace::Trace;
use aic_base::{Action, Decision, EventKind, Outcome, RunId, Stage, Timestamp, Tokens, Usage, Usd};
use aic_guard::{Guard, Scope, ToolScope, Vault};
use aic_model::{Message, ToolCall};
use aic_spec::Approver;
use audit::Scanned;
use money::{HOUR, Held};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// Why a run ends before its answer.
#[derive(Debug)]
enum Stop {
    Blocked(String),
    NeedsConfirmation(String),
    Budget(String),
    Failed(String),
    /// The set-up is wrong rather than the behaviour: no rule answers, a mock is missing, a variable has no value.
    Broken(String),
    /// Nothing is recorded for what is asked.
    Stale(String),
}

impl Stop {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Blocked(_) => Outcome::Blocked,
            Self::NeedsConfirmation(_) => Outcome::NeedsConfirmation,
            Self::Budget(_) => Outcome::Budget,
            Self::Failed(_) | Self::Broken(_) | Self::Stale(_) => Outcome::Failed,
        }
    }

    /// What the user is told.
    fn why(&self) -> &str {
        match self {
            Self::Blocked(why)
            | Self::NeedsConfirmation(why)
            | Self::Budget(why)
            | Self::Failed(why)
            | Self::Broken(why)
            | Self::Stale(why) => why,
        }
    }
}

/// Runs one turn of a conversation.
pub(crate) async fn turn(
    conversation: &mut Conversation,
    id: RunId,
    input: &str,
    vars: &Map<String, Value>,
    answers: &Answers,
) -> TurnReport {
    turn_from(conversation, id, (input, vars), answers, None).await
}

/// Goes on with a turn that waited for a person.
pub(crate) async fn resume(
    conversation: &mut Conversation,
    id: RunId,
    pending: &Pending,
    answer: Answer,
) -> TurnReport {
    let input = (pending.input.as_str(), &pending.vars);
    turn_from(conversation, id, input, &Answers::new(), Some((pending, answer))).await
}

async fn turn_from(
    conversation: &mut Conversation,
    id: RunId,
    (input, vars): (&str, &Map<String, Value>),
    answers: &Answers,
    from: Option<(&Pending, Answer)>,
) -> TurnReport {
    let clock = conversation.options.clock.clone();
    let trace = Trace::new(id, clock, conversation.options.recorder.clone());
    let container = conversation.container.clone();
    let started_with = conversation.history.len();
    let mut run = Run {
        container: &container,
        vars,
        answers,
        trace,
        input: input.to_owned(),
        raw: input,
        vault: Vault::default(),
        scanned: Scanned::default(),
        waiting: VecDeque::new(),
        pending: from.map(|(pending, _)| pending),
        grant: from.map(|(pending, answer)| Grant { asks: pending.asks.clone(), args: pending.args.clone(), answer }),
        question: None,
        ran_before: from.and_then(|(pending, _)| pending.ran()),
        ran_now: None,
        hold: None,
        output: String::new(),
        usage: Usage::default(),
        cost: Usd::ZERO,
        unpriced: Vec::new(),
        decisions: Vec::new(),
        calls: Vec::new(),
        confirmations: Vec::new(),
        history: conversation.history.clone(),
        alerted: Vec::new(),
        open: None,
        conversation,
    };
    let ended = run.within_time().await;
    // A call that was stopped on its way may be charged all the same; what stopped it is how the run ended.
    let _ = run.settle(None);
    let ended = run.audited(ended);
    run.end(ended, started_with)
}

struct Run<'a> {
    conversation: &'a mut Conversation,
    container: &'a Container,
    vars: &'a Map<String, Value>,
    answers: &'a Answers,
    trace: Trace,
    /// The user's input, redacted where guards said so.
    input: String,
    /// The same as it came.
    raw: &'a str,
    /// What was taken out of the texts of this run.
    vault: Vault,
    /// What guards have looked at.
    scanned: Scanned,
    /// The calls of the model's last answer that are still to be made.
    waiting: VecDeque<ToolCall>,
    /// What this run goes on with, where it does.
    pending: Option<&'a Pending>,
    /// The one answer that a person gave to it.
    grant: Option<Grant>,
    /// The question that ended the run.
    question: Option<Question>,
    /// The arguments and the result of the first call, which ran before somebody was asked about its result.
    ran_before: Option<(Value, Value)>,
    /// The result of the call that is being made, while guards judge it.
    ran_now: Option<Value>,
    /// The model's last answer as it is shown, where it is.
    hold: Option<HoldBack<'a>>,
    /// What the model has said so far.
    output: String,
    usage: Usage,
    cost: Usd,
    /// The models that were called without a known price.
    unpriced: Vec<String>,
    decisions: Vec<Decision>,
    calls: Vec<CallRecord>,
    confirmations: Vec<ConfirmationAsked>,
    /// What was said, this turn included.
    history: Vec<Message>,
    /// The guardrails whose `alert_at` was told.
    alerted: Vec<String>,
    /// What is held for the call that is under way.
    open: Option<Held>,
}

impl<'a> Run<'a> {
    /// The path of a run. What it returns is what the user receives.
    async fn walk(&mut self) -> Result<String, Stop> {
        self.begin();
        // A run that goes on was counted when it began.
        if self.pending.is_none() {
            self.count_run()?;
        }
        self.guard_input().await?;
        let recalled = self.recall().await?;
        let Prompt { mut messages, own } = self.prompt(&recalled)?;
        let mut answered = self.pick_up(&mut messages);
        let answer = loop {
            while let Some(call) = self.waiting.front().cloned() {
                let (result, is_error) = self.call_tool(&call).await?;
                self.waiting.pop_front();
                self.note_message(&mut messages, Message::tool(&call, result, is_error));
            }
            if answered {
                break self.output.clone();
            }
            self.check_budget()?;
            self.trim(&mut messages, own);
            self.guard_model_call(&messages).await?;
            let (text, calls) = self.ask_model(&messages).await?;
            self.output = text;
            let said = Message::assistant(self.output.clone(), calls.clone());
            self.note_message(&mut messages, said);
            answered = calls.is_empty();
            self.waiting = calls.into();
            if !answered {
                self.show(|hold| hold.finish(), true);
            }
        };
        self.check_form(&answer)?;
        let output = self.guard_output(answer).await?;
        self.show(|hold| hold.rest_of(&output), false);
        self.remember(&output).await;
        Ok(output)
    }

    /// Shows more of the model's answer, where somebody looks.
    fn show(&mut self, more: impl FnOnce(&mut HoldBack<'_>) -> Option<String>, is_over: bool) {
        let (Some(sink), Some(hold)) = (&self.conversation.options.stream, &mut self.hold) else { return };
        if let Some(text) = more(hold) {
            sink.text(&text);
        }
        if is_over && !hold.shown().is_empty() {
            sink.paragraph();
        }
    }

    /// Whether the answers of this run are shown as they come; says why not, where somebody wanted it.
    fn hold_back(&mut self, step: u32) -> Option<HoldBack<'a>> {
        self.conversation.options.stream.as_ref()?;
        let container = self.container;
        let has_form = container.spec.output.as_ref().is_some_and(|output| output.json || output.schema.is_some());
        match Plan::of(&container.guards, has_form) {
            Plan::On(judges) => Some(HoldBack::new(judges)),
            Plan::Off(why) => {
                if step == 1 {
                    self.notice(format!("the answer is not shown as it comes: {why}"));
                }
                None
            }
        }
    }

    async fn within_time(&mut self) -> Result<String, Stop> {
        let cancel = self.conversation.options.cancel.clone();
        let most = self.container.spec.budget.time;
        let walk = async {
            tokio::select! {
                // First: what a run does because it is cancelled is not how it ended.
                biased;
                () = cancel.cancelled() => Err(Stop::Failed("cancelled".into())),
                ended = self.walk() => ended,
            }
        };
        match most {
            None => walk.await,
            Some(most) => match tokio::time::timeout(most, walk).await {
                Ok(ended) => ended,
                Err(_) => Err(Stop::Budget(format!("the run took longer than {} s", most.as_secs_f64()))),
            },
        }
    }

    fn begin(&mut self) {
        let kind = EventKind::RunStarted {
            spec: self.container.spec.name.clone(),
            environment: self.conversation.options.environment.clone(),
            model: self.conversation.model.clone(),
            at: self.now(),
            input: self.input.clone(),
        };
        self.trace.push(kind);
        for notice in std::mem::take(&mut self.conversation.notices) {
            self.notice(notice);
        }
    }

    fn now(&self) -> Timestamp {
        self.conversation.options.clock.now()
    }

    fn scope(&self, stage: Stage) -> Scope<'_> {
        let options = &self.conversation.options;
        let spent = || options.counters.sum(&cost_key(&self.container.spec.name), HOUR, self.now());
        // A store may have to be asked, so only where a condition does.
        let spent = self.container.asks_cost.then(spent).and_then(Result::ok);
        Scope {
            input: &self.input,
            output: &self.output,
            environment: &options.environment,
            user: options.user.clone(),
            usage: self.usage,
            cost_run: self.cost,
            // Unknown counts as more than any cap: a condition on it fails closed.
            cost_hour: spent.map_or(Usd::MAX, Usd::from_pico),
            turn: self.conversation.turns,
            tainted: self.conversation.tainted,
            ..Scope::at(stage)
        }
    }

    /// Examines a text and writes every decision down.
    async fn examine(&mut self, stage: Stage, text: &str) -> Examined {
        self.examine_all(stage, (text, ""), None).await
    }

    /// The same for what a call is given or returned.
    async fn examine_call(&mut self, stage: Stage, leaves: &Leaves, tool: ToolScope<'_>) -> Examined {
        self.examine_all(stage, (&leaves.text, &leaves.beside), Some(tool)).await
    }

    async fn examine_all(&mut self, stage: Stage, texts: (&str, &str), tool: Option<ToolScope<'_>>) -> Examined {
        let guards = &self.container.guards;
        let here =
            |guard: &&Guard| guards::stands_here(guard, stage, tool.map(|tool| tool.name)) && guards::looks(guard);
        let names = guards.iter().filter(here).map(|guard| guard.name.as_str());
        self.scanned.add(stage, texts.0.len() + texts.1.len(), names);
        let examined = {
            let scope = Scope { tool, ..self.scope(stage) };
            guards::examine(self.container, &self.conversation.options, texts, &scope).await
        };
        for decision in &examined.decisions {
            self.decide(decision.clone());
        }
        examined
    }

    fn decide(&mut self, decision: Decision) {
        self.trace.push(EventKind::Guardrail(decision.clone()));
        self.decisions.push(decision);
    }

    fn notice(&mut self, message: String) {
        self.trace.push(EventKind::Notice { message });
    }

    fn note_message(&mut self, messages: &mut Vec<Message>, message: Message) {
        messages.push(message.clone());
        self.history.push(message);
    }

    async fn guard_input(&mut self) -> Result<(), Stop> {
        let examined = self.examine(Stage::PreExecution, &self.input.clone()).await;
        self.obey(&examined, Value::Null)?;
        self.input = self.hide(self.raw, &examined.decisions);
        Ok(())
    }

    /// The text with what was found taken out, so that this run can put it back.
    fn hide(&mut self, text: &str, decisions: &[Decision]) -> String {
        if let Some(decision) = decisions.iter().find(|decision| decision.action == Action::Redact) {
            self.conversation.flow.found_private(&decision.guardrail);
        }
        self.vault.redact(text, decisions)
    }

    /// Takes up what a run that waited for a person had done. Whether the model had given its answer.
    fn pick_up(&mut self, messages: &mut Vec<Message>) -> bool {
        let Some(pending) = self.pending else { return false };
        let mut answered = false;
        for message in pending.messages() {
            answered = message.answers.is_none() && message.tool_calls.is_empty();
            match &message.answers {
                Some(told) => self.heard(&told.tool, &told.call, &told.result),
                None => self.output.clone_from(&message.text),
            }
            self.note_message(messages, message);
        }
        self.waiting = pending.calls().into();
        answered
    }

    /// What a person says to this question; none where nobody has answered.
    fn answer_to(&mut self, asks: &str, args: &Value, by: Approver) -> Option<Answer> {
        if let Some(grant) = self.grant.take_if(|grant| grant.asks == asks && grant.args == *args) {
            return Some(grant.answer);
        }
        // An operator never answers through the chat.
        let may = by == Approver::User || self.conversation.options.operator;
        self.answers.get(asks).copied().filter(|answer| may || *answer == Answer::Deny)
    }

    async fn guard_model_call(&mut self, messages: &[Message]) -> Result<(), Stop> {
        let newest = messages.last().map(|message| message.text.clone()).unwrap_or_default();
        let examined = self.examine(Stage::ModelCall, &newest).await;
        self.obey(&examined, Value::Null)
    }

    async fn guard_output(&mut self, answer: String) -> Result<String, Stop> {
        self.output.clone_from(&answer);
        // Nothing was shown yet, so the guards on streamed text see it whole.
        let streamed = self.examine(Stage::Chunk, &answer).await;
        self.obey(&streamed, Value::Null)?;
        let examined = self.examine(Stage::PostExecution, &streamed.text).await;
        self.obey(&examined, Value::Null)?;
        self.output.clone_from(&examined.text);
        Ok(examined.text)
    }

    /// Stops where the strictest action says so.
    fn obey(&mut self, examined: &Examined, args: Value) -> Result<(), Stop> {
        let Some(decision) = examined.decisive() else { return Ok(()) };
        match decision.action {
            Action::Log | Action::Warn | Action::Redact => Ok(()),
            Action::Block => Err(Stop::Blocked(spoken(decision))),
            Action::RequireConfirmation => self.confirmed_by_guard(&decision.clone(), args),
        }
    }

    fn confirmed_by_guard(&mut self, decision: &Decision, args: Value) -> Result<(), Stop> {
        let guardrail = Some(decision.guardrail.clone());
        let asked = ConfirmationAsked { tool: None, guardrail, args: args.clone(), by: Approver::User };
        self.confirmations.push(asked);
        match self.answer_to(&decision.guardrail, &args, Approver::User) {
            Some(Answer::Approve) => Ok(()),
            Some(Answer::Deny) => Err(Stop::Blocked(format!("{} (declined)", spoken(decision)))),
            None => {
                self.question =
                    Some(Question { asks: decision.guardrail.clone(), args, by: Approver::User, expires: None });
                Err(Stop::NeedsConfirmation(spoken(decision)))
            }
        }
    }

    fn prompt(&mut self, recalled: &[String]) -> Result<Prompt, Stop> {
        let container = self.container;
        let variables = Variables {
            prompts: &container.spec.prompts,
            options: &self.conversation.options,
            turn: self.vars,
            input: &self.input,
        };
        let options = &self.conversation.options;
        let prompt = prompt::messages(&container.spec, options, &variables, recalled, &self.history);
        let prompt = prompt.map_err(Stop::Broken)?;
        let said = prompt.messages.last().cloned().unwrap_or_else(|| Message::new(aic_model::Role::User, ""));
        self.history.push(said);
        Ok(prompt)
    }

    /// Leaves the oldest turns out until the request fits the spec's window and the model's.
    fn trim(&mut self, messages: &mut Vec<Message>, own: usize) {
        let seats = &self.conversation.seats;
        // Whoever is asked in the end, it is to fit.
        let smallest = seats.iter().filter(|seat| seat.window.is_some()).min_by_key(|seat| seat.window);
        let of_model = smallest.and_then(|seat| Some((seat, Tokens(seat.window?))));
        let (seat, most, whose) = match (self.container.spec.context.max_tokens, of_model) {
            (Some(own), Some((seat, models))) if models < own => {
                (seat, models, format!("the window of `{}`", seat.name))
            }
            (None, Some((seat, models))) => (seat, models, format!("the window of `{}`", seat.name)),
            (Some(own), _) => match seats.first() {
                Some(seat) => (seat, own, "`context.window`".to_owned()),
                None => return,
            },
            (None, None) => return,
        };
        let counter = Counter { of: seat.counted_as.as_ref().map(|(provider, model)| (&**provider, &**model)) };
        let schema = self.container.spec.output.as_ref().and_then(|output| output.schema.as_ref());
        let schema = schema.map(Value::to_string);
        let beside: Vec<&str> = self.container.tools.written().iter().chain(&schema).map(String::as_str).collect();
        let removed = prompt::trim(messages, own, most, &beside, counter);
        if removed > 0 {
            let how = if counter.is_exact() { "exact count" } else { "estimated tokens" };
            self.notice(format!("{removed} old messages were left out to fit {whose} of {most} tokens ({how})"));
        }
    }

    fn steps_done(&self) -> u32 {
        // A step that took several attempts is one.
        let steps = self.trace.events.iter().filter_map(|event| match event.kind {
            EventKind::ModelCalled { step, .. } => Some(step),
            _ => None,
        });
        steps.max().unwrap_or(0)
    }

    fn check_budget(&mut self) -> Result<(), Stop> {
        let budget = &self.container.spec.budget;
        let over = |what: String| Err(Stop::Budget(what));
        if self.steps_done() >= budget.steps {
            return over(format!("the run used all of its {} steps", budget.steps));
        }
        let tokens = self.usage.input_tokens + self.usage.output_tokens;
        if let Some(most) = budget.tokens.filter(|most| tokens >= *most) {
            return over(format!("the run used {tokens} of {most} tokens"));
        }
        // Virtual delays pass no timer, but they count.
        if let Some(most) = budget.time.filter(|most| self.trace.elapsed() > *most) {
            return over(format!("the run took longer than {} s", most.as_secs_f64()));
        }
        Ok(())
    }

    /// `output`: the form that the answer must have.
    fn check_form(&self, answer: &str) -> Result<(), Stop> {
        let Some(form) = &self.container.spec.output else { return Ok(()) };
        if !form.json && form.schema.is_none() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(answer)
            .map_err(|error| Stop::Failed(format!("the answer is not JSON, as `output` wants it: {error}")))?;
        let Some(validator) = self.container.form() else { return Ok(()) };
        let validator =
            validator.as_ref().map_err(|error| Stop::Failed(format!("`output.schema` is no JSON Schema: {error}")))?;
        match validator.iter_errors(&value).next() {
            Some(error) => {
                let at = error.instance_path().to_string();
                Err(Stop::Failed(format!("the answer does not follow `output.schema` at {at:?}: {error}")))
            }
            None => Ok(()),
        }
    }

    fn end(mut self, ended: Result<String, Stop>, started_with: usize) -> TurnReport {
        let outcome = ended.as_ref().err().map_or(Outcome::Completed, Stop::outcome);
        let broken = match &ended {
            Err(Stop::Broken(why) | Stop::Stale(why)) => Some(why.clone()),
            _ => self.decisions.iter().find(|decision| decision.failed).map(spoken),
        };
        let stale = matches!(ended, Err(Stop::Stale(_)));
        let pending = match (&ended, self.question.take()) {
            (Err(Stop::NeedsConfirmation(why)), Some(question)) => {
                // Behind the user's own message, which the prompt put there.
                let since = self.history.get(started_with + 1..).unwrap_or_default();
                let waiting: Vec<ToolCall> = self.waiting.iter().cloned().collect();
                Some(Pending::new(question, why, (self.raw, self.vars), since, (&waiting, self.ran_now.take())))
            }
            _ => None,
        };
        let streamed = ended.as_ref().is_ok_and(|output| self.hold.as_ref().is_some_and(|hold| hold.shown() == output));
        let output = match ended {
            Ok(output) => output,
            Err(stop) => stop.why().to_owned(),
        };
        let (usage, cost) = (self.usage, self.cost);
        self.trace.push(EventKind::RunEnded { outcome, output: output.clone(), usage, cost });
        if outcome == Outcome::Completed {
            // The next turn sees what the user received, not what was redacted from it.
            if let Some(last) = self.history.last_mut() {
                last.text.clone_from(&output);
            }
            self.conversation.history = self.history;
        } else {
            self.conversation.history.truncate(started_with);
        }
        TurnReport {
            run: self.trace.run.clone(),
            outcome,
            output,
            decisions: self.decisions,
            calls: self.calls,
            confirmations: self.confirmations,
            usage,
            cost,
            unpriced: self.unpriced,
            latency: self.trace.elapsed(),
            broken,
            stale,
            pending,
            streamed,
            workspace: None,
            events: self.trace.events,
        }
    }
}

/// What the user is told of a decision.
fn spoken(decision: &Decision) -> String {
    format!("{} ({})", decision.reason, decision.guardrail)
}
