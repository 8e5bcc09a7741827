//! Limits of a run that outlast it: how many, and for how much.

use super::{Run, Stop, spoken};
use crate::counters::{Reservation, Reserved, amount_of, cost_key};
use aic_base::{Action, Decision, Stage, Tokens, Usd};
use aic_guard::{CostControl, Guard, GuardKind, RateLimit};
use aic_model::{Price, Request};
use serde_json::Value;
use std::time::Duration;

/// The window of `cost_control`.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// The tokens of an answer that are reserved where the spec sets no `max_tokens`.
const ASSUMED_OUTPUT: u64 = 4096;

/// Money that is held for a call.
pub(super) struct Held {
    reservation: Option<Reservation>,
    pub(super) amount: Usd,
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

    /// Holds what the call may cost under every cap; the sum of what is held never exceeds one.
    pub(super) fn reserve(&mut self, request: &Request, price: Option<Price>, provider: &str) -> Result<Held, Stop> {
        let container = self.container;
        let caps: Vec<(&Guard, &CostControl)> = container
            .guards
            .iter()
            .filter_map(|guard| match &guard.kind {
                GuardKind::CostControl(control) => Some((guard, control)),
                _ => None,
            })
            .collect();
        let budget = container.spec.budget.cost;
        let amount = match price {
            Some(price) => {
                let output = Tokens(request.max_tokens.unwrap_or(ASSUMED_OUTPUT));
                price.of(request.estimated_tokens(), output)
            }
            // Rules cost nothing; a real model of unknown price has no place under a cap.
            None if provider == "scripted" => Usd::ZERO,
            None if caps.is_empty() && budget.is_none() => Usd::ZERO,
            None => {
                return Err(Stop::Failed(
                    "the model's price is unknown, and the spec caps cost: give the model a `pricing`".into(),
                ));
            }
        };
        if let Some(most) = budget.filter(|most| self.cost + amount > *most) {
            return Err(Stop::Budget(format!(
                "the next call may cost {amount}, and {} of {most} is spent: lower `max_tokens` or raise `budget.cost`",
                self.cost
            )));
        }
        let most = caps.iter().map(|(_, control)| control.max_per_hour).min().unwrap_or(Usd::MAX);
        let key = cost_key(&container.spec.name);
        let reserved =
            self.conversation.options.counters.reserve(&key, HOUR, amount_of(most), amount_of(amount), self.now());
        match reserved {
            Ok(Reserved::Held(reservation)) => Ok(Held { reservation: Some(reservation), amount }),
            Ok(Reserved::Refused { sum }) => {
                let spent = Usd::from_pico(sum);
                let why =
                    format!("{spent} spent in the last hour and the next call may cost {amount}; the cap is {most}");
                let tightest = caps.iter().find(|(_, control)| control.max_per_hour == most);
                match tightest {
                    Some((guard, _)) => self.apply_limit(guard, why)?,
                    None => return Err(Stop::Budget(why)),
                }
                Ok(Held { reservation: None, amount })
            }
            Err(error) => Err(Stop::Blocked(format!("the hour's cost cannot be read, so nothing is spent: {error}"))),
        }
    }

    pub(super) fn settle(&mut self, held: &Held, cost: Usd) -> Result<(), Stop> {
        let counters = self.conversation.options.counters.clone();
        if let Some(reservation) = &held.reservation {
            let settled = counters.settle(reservation, amount_of(cost));
            settled.map_err(|error| Stop::Failed(format!("the hour's cost cannot be written: {error}")))?;
        }
        let container = self.container;
        let spent = counters.sum(&cost_key(&container.spec.name), HOUR, self.now()).map_or(Usd::MAX, Usd::from_pico);
        for guard in &container.guards {
            let GuardKind::CostControl(control) = &guard.kind else { continue };
            if spent >= control.alert_at {
                self.notice(format!("{}: {spent} of {} an hour is spent", guard.name, control.max_per_hour));
            }
        }
        Ok(())
    }
}
