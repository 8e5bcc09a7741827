//! The model calls of a run: money is held for each attempt; what fails is tried again, or asked of the fallback, and
//! each of these is written down.

use super::money::{Limit, Payee};
use super::{Run, Stop};
use aic_base::{Delay, EventKind, Tokens, Usage};
use aic_model::cassette::Deck;
use aic_model::{Attempts, Ended, Finish, Jitter, Message, ModelError, Next, Piece, Request, ToolCall};
use futures_util::StreamExt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// What one attempt gave.
struct Answer {
    text: String,
    calls: Vec<ToolCall>,
    ended: Ended,
}

/// What one attempt gave in place of an answer.
struct Failure {
    error: ModelError,
    /// Whether anything of the answer had come.
    shown: bool,
}

impl Run<'_> {
    /// Asks the model, and those behind it, for the next answer.
    pub(super) async fn ask_model(&mut self, messages: &[Message]) -> Result<(String, Vec<ToolCall>), Stop> {
        let step = self.steps_done() + 1;
        let policies = self.conversation.seats.iter().map(|seat| seat.policy).collect();
        let mut attempts = Attempts::new(policies, Jitter::new(self.seed(step)));
        loop {
            let seat = attempts.model();
            let failure = match self.attempt(seat, step, messages).await? {
                Ok(answer) => return self.answered(answer),
                Err(failure) => failure,
            };
            let who = self.who(seat);
            match attempts.failed(&failure.error, failure.shown) {
                Next::Again { pause, attempt } => {
                    let of = self.conversation.seats[seat].policy.retries + 1;
                    // Without the pause: it differs from run to run, and a replay is to be the same.
                    self.notice(format!("{who}: {}; try {attempt} of {of}", failure.error));
                    let wait = self.to_wait(seat, pause);
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                }
                Next::Fallback { model } => {
                    let next = self.who(model);
                    self.notice(format!("{who}: {}; {next} is asked in its place", failure.error));
                }
                Next::GiveUp => return Err(stop_of(failure.error)),
            }
        }
    }

    /// `fallback (anthropic/claude-…)`.
    fn who(&self, seat: usize) -> String {
        let seat = &self.conversation.seats[seat];
        let slash = if seat.model.name().is_empty() { "" } else { "/" };
        format!("{} ({}{slash}{})", seat.name, seat.model.provider(), seat.model.name())
    }

    /// The same for the same run and step, so that a run can be repeated; different for others.
    fn seed(&self, step: u32) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.conversation.options.seed, &self.trace.run.0, step).hash(&mut hasher);
        hasher.finish()
    }

    /// What really has to be waited for: a provider's patience does not pass virtually, a scripted one's does.
    fn to_wait(&self, seat: usize, pause: Duration) -> Duration {
        if self.conversation.seats[seat].model.is_real() {
            return pause;
        }
        let is_instant = self.conversation.deck.as_ref().is_some_and(Deck::is_instant);
        match self.conversation.options.clock.delay(pause) {
            Delay::Wait(pause) if !is_instant => pause,
            Delay::Wait(_) | Delay::Passed => Duration::ZERO,
        }
    }

    /// One attempt: holds the money, waits for the whole answer, settles.
    async fn attempt(&mut self, seat: usize, step: u32, messages: &[Message]) -> Result<Result<Answer, Failure>, Stop> {
        let container = self.container;
        let (model, settings, max_output) = {
            let seat = &self.conversation.seats[seat];
            (seat.model.clone(), seat.settings.clone(), seat.max_output)
        };
        let mut request = Request {
            messages: messages.to_vec(),
            tools: container.tools.offered().to_vec(),
            settings,
            schema: container.spec.output.as_ref().and_then(|output| output.schema.clone()),
            limit: None,
        };
        let is_real = model.is_real() && !self.conversation.seats[seat].session.is_recorded(&request);
        let place = is_real.then(|| model.place());
        let (circuits, clock) = (&container.backing.circuits, &container.backing.clock);
        if let Some(place) = &place
            && let Err(error) = circuits.ask(place, clock.elapsed())
        {
            return Ok(Err(Failure { error, shown: false }));
        }
        let name = self.conversation.seats[seat].name.clone();
        let payee = Payee { name: &name, provider: model.provider(), price: model.price(), max_output, is_real };
        request.limit = match self.reserve(&request, &payee)? {
            Limit::None => None,
            Limit::Tokens(tokens) => Some(tokens),
        };
        if model.price().is_none() && model.may_charge() && !self.unpriced.contains(&name) {
            self.unpriced.push(name.clone());
        }
        self.trace.push(EventKind::ModelCalled {
            model: name,
            provider: model.provider().to_owned(),
            step,
            messages: messages.len(),
        });
        let unsent = model.unsent(&request.settings);
        if !unsent.is_empty() && step == 1 {
            let unsent = unsent.join("`, `");
            self.notice(format!("{} has no word for `{unsent}`: not sent", model.provider()));
        }
        let (mut text, mut calls, mut ended, mut broken) = (String::new(), Vec::new(), None, None);
        self.hold = self.hold_back(step);
        {
            let sink = self.conversation.options.stream.clone();
            let mut answer = self.conversation.seats[seat].session.answer(&request);
            while let Some(piece) = answer.next().await {
                match piece {
                    Ok(Piece::Text(more)) => {
                        let fresh = self.hold.as_mut().and_then(|hold| hold.push(&more));
                        if let (Some(sink), Some(fresh)) = (&sink, fresh) {
                            sink.text(&fresh);
                        }
                        text.push_str(&more);
                    }
                    Ok(Piece::ToolCall(call)) => calls.push(call),
                    Ok(Piece::End(end)) => ended = Some(end),
                    Err(error) => broken = Some(error),
                }
            }
        }
        if ended.is_none() && broken.is_none() {
            broken = Some(ModelError::Reset { pieces: calls.len() + usize::from(!text.is_empty()) });
        }
        if let Some(place) = &place {
            circuits.tell(place, broken.as_ref(), clock.elapsed());
        }
        let reported = ended.as_ref().and_then(|ended| ended.usage);
        let cost = match (reported, &broken) {
            (Some(usage), _) => Some(model.price().map_or(aic_base::Usd::ZERO, |price| price.cost(&usage))),
            // Refused, or never reached: nothing was worked for.
            (None, Some(error)) if error.is_free() => Some(aic_base::Usd::ZERO),
            // Where usage never came, what is held stays: the provider may have charged. More came than was held for?
            // Then that is what it is charged for.
            (None, broken) => {
                let came = came(&text, &calls, broken.as_ref());
                let bound = model.price().map(|price| price.bound(request.bytes(), came));
                bound.filter(|bound| *bound > self.held())
            }
        };
        let cost = self.settle(cost)?;
        let usage = reported.map_or_else(|| estimated(&request, &text, broken.as_ref()), |usage| usage.summary());
        self.usage += usage;
        let (Some(ended), None) = (ended, &broken) else {
            let shown = !text.is_empty() || !calls.is_empty();
            let error = broken.unwrap_or(ModelError::Reset { pieces: 0 });
            return Ok(Err(Failure { error, shown }));
        };
        if reported.is_none() {
            self.notice(format!("{} reported no usage: the {cost} that were held count as spent", model.provider()));
        }
        self.trace.push(EventKind::ModelAnswered { step, text: text.clone(), tool_calls: calls.len(), usage, cost });
        Ok(Ok(Answer { text, calls, ended }))
    }

    fn answered(&mut self, answer: Answer) -> Result<(String, Vec<ToolCall>), Stop> {
        let served = &answer.ended.served;
        if let Some(fingerprint) = &served.fingerprint {
            let model = served.model.as_deref().unwrap_or("the provider");
            self.notice(format!("{model} answered, system_fingerprint {fingerprint}"));
        }
        match answer.ended.finish {
            Finish::Filter if answer.text.is_empty() && answer.calls.is_empty() => {
                return Err(Stop::Failed("the provider's own filter stopped the answer".into()));
            }
            Finish::Filter => self.notice("the provider's own filter ended the answer".into()),
            Finish::Length => self.notice("the answer used all of its `max_tokens` and may lack its end".into()),
            Finish::Stop | Finish::Tools | Finish::Other => {}
        }
        Ok((answer.text, answer.calls))
    }
}

/// The tokens that came, as far as we can tell.
fn came(text: &str, calls: &[ToolCall], broken: Option<&ModelError>) -> u64 {
    if let Some(ModelError::Cut { came, .. }) = broken {
        return *came;
    }
    let calls = calls.iter().map(|call| aic_catalog::estimate_tokens(&call.args.to_string()).0);
    calls.fold(aic_catalog::estimate_tokens(text).0, u64::saturating_add)
}

/// What a call used as far as we can tell; nothing where it never began.
fn estimated(request: &Request, text: &str, broken: Option<&ModelError>) -> Usage {
    if broken.is_some_and(ModelError::is_free) {
        return Usage::default();
    }
    let output_tokens = aic_catalog::estimate_tokens(text);
    let input_tokens = if broken.is_some() && text.is_empty() { Tokens(0) } else { request.estimated_tokens() };
    Usage { input_tokens, output_tokens, estimated: true }
}

fn stop_of(error: ModelError) -> Stop {
    let message = error.to_string();
    match error {
        ModelError::Miss { .. } => Stop::Stale(message),
        error if error.is_set_up() => Stop::Broken(message),
        _ => Stop::Failed(message),
    }
}
