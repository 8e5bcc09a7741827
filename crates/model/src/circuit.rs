//! A provider that keeps failing is left alone for a while: callers get their fallback at once instead of a timeout each.
//!
//! After [`FAILURES`] failures in a row the circuit opens. After [`REST`] it lets one call through (half open): that one's
//! success closes it, its failure opens it for twice as long, up to [`LONGEST_REST`]. Time is handed in.

use crate::error::ModelError;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row that open a circuit.
const FAILURES: u32 = 5;
/// How long it stays open at first.
const REST: Duration = Duration::from_secs(15);
/// And at most.
const LONGEST_REST: Duration = Duration::from_secs(120);

/// The circuits of all places, shared by all runs of a process.
#[derive(Debug, Default)]
pub struct Circuits(Mutex<HashMap<String, Circuit>>);

#[derive(Debug, Clone, Copy, Default)]
struct Circuit {
    failures: u32,
    state: State,
    rest: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Closed,
    /// Until then.
    Open(Duration),
    /// One call is on its way since then.
    HalfOpen(Duration),
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Through,
    /// It may, as the one that shows whether the place has recovered.
    Probe,
}

impl Circuits {
    /// Asks before a call, at this time since some fixed moment.
    ///
    /// # Errors
    /// [`ModelError::Open`] where the place is left alone.
    pub fn ask(&self, place: &str, now: Duration) -> Result<Gate, ModelError> {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(circuit) = circuits.get_mut(place) else { return Ok(Gate::Through) };
        let until = match circuit.state {
            State::Closed => return Ok(Gate::Through),
            State::Open(until) => until,
            // A probe that was given up without a word must not hold the circuit for ever.
            State::HalfOpen(since) => since.saturating_add(circuit.rest),
        };
        if now >= until {
            circuit.state = State::HalfOpen(now);
            return Ok(Gate::Probe);
        }
        Err(ModelError::Open { place: place.to_owned(), failures: circuit.failures, wait: until.saturating_sub(now) })
    }

    /// Tells how a call ended. Only failures that are the place's own count: a refused request says that it is there.
    pub fn tell(&self, place: &str, error: Option<&ModelError>, now: Duration) {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) if is_failure(error) => {
                let circuit = circuits.entry(place.to_owned()).or_default();
                circuit.failures = circuit.failures.saturating_add(1);
                let probe_failed = matches!(circuit.state, State::HalfOpen(_));
                if probe_failed || circuit.failures >= FAILURES {
                    let longer = circuit.rest.saturating_mul(2).min(LONGEST_REST);
                    // What fails while it is open was on its way before.
                    if !matches!(circuit.state, State::Open(_)) {
                        circuit.rest = if probe_failed { longer } else { REST };
                        circuit.state = State::Open(now.saturating_add(circuit.rest));
                    }
                }
            }
            Some(error) if error.is_set_up() || matches!(error, ModelError::Open { .. }) => {}
            _ => {
                circuits.remove(place);
            }
        }
    }
}

fn is_failure(error: &ModelError) -> bool {
    match error {
        // Being told to slow down is an answer.
        ModelError::Status { status, .. } => *status >= 500,
        ModelError::Connect { .. }
        | ModelError::Timeout(_)
        | ModelError::Reset { .. }
        | ModelError::TooLarge { .. } => true,
        ModelError::Stream { passing, .. } => *passing,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: ModelError = ModelError::Reset { pieces: 0 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Circuits {
        let circuits = Circuits::default();
        (0..FAILURES).for_each(|_| circuits.tell("p", Some(&DOWN), at(0)));
        circuits
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_for_that_place_only() {
        let circuits = Circuits::default();
        (1..FAILURES).for_each(|_| circuits.tell("p", Some(&DOWN), at(0)));
        circuits.tell("p", None, at(0));
        circuits.tell("p", Some(&DOWN), at(0));
        assert_eq!(circuits.ask("p", at(0)), Ok(Gate::Through));
        let circuits = opened();
        let wait = REST - at(5);
        assert_eq!(circuits.ask("p", at(5)), Err(ModelError::Open { place: "p".into(), failures: FAILURES, wait }));
        assert_eq!(circuits.ask("other", at(5)), Ok(Gate::Through));
    }

    #[test]
    fn after_its_rest_one_call_probes_and_its_success_closes() {
        let circuits = opened();
        assert_eq!(circuits.ask("p", at(15)), Ok(Gate::Probe));
        assert!(circuits.ask("p", at(16)).is_err());
        circuits.tell("p", None, at(17));
        assert_eq!(circuits.ask("p", at(17)), Ok(Gate::Through));
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_longer_up_to_a_most() {
        let circuits = opened();
        let mut now = at(15);
        for rest in [30, 60, 120, 120] {
            assert_eq!(circuits.ask("p", now), Ok(Gate::Probe));
            circuits.tell("p", Some(&DOWN), now);
            assert!(circuits.ask("p", now + at(rest) - at(1)).is_err());
            now += at(rest);
        }
    }

    #[test]
    fn a_probe_that_was_given_up_holds_nothing_for_ever() {
        let circuits = opened();
        assert_eq!(circuits.ask("p", at(15)), Ok(Gate::Probe));
        assert_eq!(circuits.ask("p", at(30)), Ok(Gate::Probe));
    }

    #[test]
    fn a_refusal_shows_that_the_place_is_there() {
        let circuits = opened();
        assert_eq!(circuits.ask("p", at(15)), Ok(Gate::Probe));
        let refused = ModelError::Status { status: 400, message: String::new(), again: crate::Again::default() };
        circuits.tell("p", Some(&refused), at(15));
        assert_eq!(circuits.ask("p", at(15)), Ok(Gate::Through));
    }
}
