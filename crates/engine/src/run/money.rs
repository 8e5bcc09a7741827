//! Limits of a run that outlast it: how many, and for how much.

use super::{Run, Stop, spoken};
use crate::backing::Purse;
use crate::counters::{Reservation, Reserved, amount_of, cost_key};
use aic_base::{Action, Decision, EventKind, Stage, Usd};
use aic_guard::{CostControl, Guard, GuardKind, RateLimit};
use aic_model::{Price, Request};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The window of `cost_control`.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// The tokens of an answer that are reserved where the spec sets no `max_tokens`.
const ASSUMED_OUTPUT: u64 = 4096;

/// An answer shorter than this many tokens is not worth asking for, unless the spec wants it so short.
const SHORTEST: u64 = 64;

/// Money that is held for a call, in every place that counts it.
pub(super) struct Held {
    reservation: Reservation,
    purse: Option<Arc<Purse>>,
    pub(super) amount: Usd,
}

/// What a call is of, where money for it is concerned.
pub(super) struct Payee<'a> {
    /// How a message names it.
    pub name: &'a str,
    pub provider: &'a str,
    pub price: Option<Price>,
    /// The most tokens of an answer that it has, where that is known.
    pub max_output: Option<u64>,
    /// Whether the call goes out and may cost something: only then the session's purse pays.
    pub is_real: bool,
}

/// The longest answer that money is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Nobody caps cost: the provider decides.
    None,
    /// So many tokens.
    Tokens(u64),
}

impl Run<'_> {
    /// `rate_limit`: a run is counted before anything else happens.
    pub(super) fn count_run(&mut self) -> Result<(), Stop> {
        let container = self.container;
        for guard in &container.guards {
            let GuardKind::RateLimit(RateLimit { max_operations, window, per_user }) = &guard.kind else { continue };
            let options = &self.conversation.options;
            let who = if *per_user { options.user.id.as_deref().unwrap_or("") } else { "*" };
            let key = format!("rate/{}/{}/{who}", container.spec.name, guard.name);
            let reserved = options.counters.reserve(&key, *window, *max_operations, 1, self.now());
            let why = match reserved {
                Ok(Reserved::Held(_)) => continue,
                Ok(Reserved::Refused { sum }) => {
                    format!("{sum} runs in the last {} s; the limit is {max_operations}", window.as_secs_f64())
                }
                Err(error) => format!("the count of runs cannot be read, so it blocks: {error}"),
            };
            self.apply_limit(guard, why)?;
        }
        Ok(())
    }

    /// A limit was reached: what its action says.
    fn apply_limit(&mut self, guard: &Guard, why: String) -> Result<(), Stop> {
        let reason = guard.message.clone().unwrap_or(why);
        let decision = Decision {
            guardrail: guard.name.clone(),
            stage: Stage::ModelCall,
            action: guard.action,
            span: None,
            reason,
            replacement: None,
            confidence: 1.0,
            failed: false,
        };
        self.decide(decision.clone());
        match guard.action {
            Action::Log | Action::Warn | Action::Redact => Ok(()),
            Action::Block => Err(Stop::Blocked(spoken(&decision))),
            Action::RequireConfirmation => self.confirmed_by_guard(&decision, Value::Null),
        }
    }

    /// Holds what the call may cost under every cap: the bytes of the request at the input's price, and the longest answer
    /// at the output's. Under a cap there is always a longest answer: the spec's `max_tokens`, what the model has, and what
    /// the run's budget still pays for, whichever is least. The sum of what is held never exceeds a cap.
    pub(super) fn reserve(&mut self, request: &Request, payee: &Payee<'_>) -> Result<Limit, Stop> {
        let container = self.container;
        let purse = container.backing.purse.clone().filter(|_| payee.is_real);
        let caps: Vec<(&Guard, &CostControl)> = container
            .guards
            .iter()
            .filter_map(|guard| match &guard.kind {
                GuardKind::CostControl(control) => Some((guard, control)),
                _ => None,
            })
            .collect();
        let budget = container.spec.budget.cost;
        let is_capped = budget.is_some() || !caps.is_empty() || purse.is_some();
        let wanted = request.settings.max_tokens.unwrap_or(ASSUMED_OUTPUT).min(payee.max_output.unwrap_or(u64::MAX));
        let (mut amount, mut limit) = (Usd::ZERO, Limit::None);
        match payee.price {
            Some(price) if is_capped && price.has_fees => {
                return Err(Stop::Broken(format!(
                    "`{}` charges for requests or searches beside their tokens, so its list price is no bound, and cost is \
                     capped: give the model a `pricing` that includes them",
                    payee.name
                )));
            }
            Some(price) => {
                let bytes = request.bytes();
                let output = self.affordable(&price, bytes, wanted, budget)?;
                amount = price.bound(bytes, output);
                if is_capped {
                    limit = Limit::Tokens(output);
                }
            }
            // Rules cost nothing; a real model of unknown price has no place under a cap: no test passes by that.
            None if payee.provider != "scripted" && is_capped => {
                return Err(Stop::Broken(format!(
                    "the price of `{}` is unknown, and cost is capped: give the model a `pricing`",
                    payee.name
                )));
            }
            None => {}
        }
        let most = caps.iter().map(|(_, control)| control.max_per_hour).min().unwrap_or(Usd::MAX);
        let reservation = match self.reserve_hour(most, amount)? {
            Ok(reservation) => reservation,
            Err(sum) => {
                let spent = Usd::from_pico(sum);
                let why =
                    format!("{spent} spent in the last hour and the next call may cost {amount}; the cap is {most}");
                match caps.iter().find(|(_, control)| control.max_per_hour == most) {
                    Some((guard, _)) => self.apply_limit(guard, why)?,
                    None => return Err(Stop::Budget(why)),
                }
                // Let through all the same: what it costs counts like anything else.
                let counted = self.reserve_hour(Usd::MAX, amount)?;
                counted.map_err(|_| Stop::Budget("the hour's cost is more than can be counted".into()))?
            }
        };
        if let Some(purse) = &purse
            && let Err(why) = purse.reserve(amount)
        {
            self.settle_hour(&reservation, Usd::ZERO)?;
            return Err(Stop::Broken(why));
        }
        self.open = Some(Held { reservation, purse, amount });
        Ok(limit)
    }

    /// Holds an amount in the hour; else the sum that leaves no room for it.
    fn reserve_hour(&self, most: Usd, amount: Usd) -> Result<Result<Reservation, u64>, Stop> {
        let (counters, key) = (&self.conversation.options.counters, cost_key(&self.container.spec.name));
        match counters.reserve(&key, HOUR, amount_of(most), amount_of(amount), self.now()) {
            Ok(Reserved::Held(reservation)) => Ok(Ok(reservation)),
            Ok(Reserved::Refused { sum }) => Ok(Err(sum)),
            Err(error) => Err(Stop::Blocked(format!("the hour's cost cannot be read, so nothing is spent: {error}"))),
        }
    }

    fn settle_hour(&self, reservation: &Reservation, cost: Usd) -> Result<(), Stop> {
        let settled = self.conversation.options.counters.settle(reservation, amount_of(cost));
        settled.map_err(|error| Stop::Failed(format!("the hour's cost cannot be written: {error}")))
    }

    /// The longest answer that the run's budget pays for.
    fn affordable(&mut self, price: &Price, bytes: u64, wanted: u64, budget: Option<Usd>) -> Result<u64, Stop> {
        let Some(most) = budget else { return Ok(wanted) };
        let full = price.bound(bytes, wanted);
        let left = most.saturating_sub(self.cost);
        if full <= left {
            return Ok(wanted);
        }
        let for_output = left.saturating_sub(price.bound(bytes, 0));
        // A request that may be a long one has the output's price of long ones.
        let one = price.bound(bytes, 1).saturating_sub(price.bound(bytes, 0)).pico().max(1);
        // One token less, for what rounding may add.
        let output = (for_output.pico() / one).saturating_sub(1);
        if output < wanted.min(SHORTEST) || price.bound(bytes, output) > left {
            return Err(Stop::Budget(format!(
                "the next call may cost {full}, and {} of {most} is spent: lower `max_tokens` or raise `budget.cost`",
                self.cost
            )));
        }
        self.notice(format!("`budget.cost` pays for {output} tokens of this answer rather than {wanted}"));
        Ok(output)
    }

    /// Puts what the call cost in the place of what is held for it; none: what is held stays. Says what it was.
    pub(super) fn settle(&mut self, cost: Option<Usd>) -> Result<Usd, Stop> {
        let Some(held) = self.open.take() else { return Ok(Usd::ZERO) };
        let spent = cost.unwrap_or(held.amount);
        self.cost += spent;
        if let Some(purse) = &held.purse {
            purse.settle(held.amount, spent);
        }
        if cost.is_some() {
            self.settle_hour(&held.reservation, spent)?;
        }
        self.alert();
        Ok(spent)
    }

    /// What is held for the call that is under way.
    pub(super) fn held(&self) -> Usd {
        self.open.as_ref().map_or(Usd::ZERO, |held| held.amount)
    }

    /// Tells once a run and guardrail that its mark is reached, by what is spent and what others hold.
    fn alert(&mut self) {
        let container = self.container;
        if !container.guards.iter().any(|guard| matches!(guard.kind, GuardKind::CostControl(_))) {
            return;
        }
        let counters = &self.conversation.options.counters;
        let spent = counters.sum(&cost_key(&container.spec.name), HOUR, self.now()).map_or(Usd::MAX, Usd::from_pico);
        for guard in &container.guards {
            let GuardKind::CostControl(control) = &guard.kind else { continue };
            if spent >= control.alert_at && !self.alerted.contains(&guard.name) {
                self.alerted.push(guard.name.clone());
                let (alert_at, cap) = (control.alert_at, control.max_per_hour);
                self.trace.push(EventKind::CostAlert { guardrail: guard.name.clone(), spent, alert_at, cap });
            }
        }
    }
}
