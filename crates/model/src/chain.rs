//! The attempts at one answer: a model, tried again; then the next one. Pure: it is told what happened and says what to
//! do, so that whoever calls can hold money for each attempt, and write each down.

use crate::error::ModelError;
use crate::retry::{Jitter, Policy, may_fall_back};
use std::time::Duration;

/// The attempts at one answer.
#[derive(Debug)]
pub struct Attempts {
    /// For each model, in order: how often it is tried again.
    models: Vec<Policy>,
    model: usize,
    tries: u32,
    jitter: Jitter,
}

/// What to do after a failure.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The same model, after a pause.
    Again {
        /// How long.
        pause: Duration,
        /// Which try it will be, from 2.
        attempt: u32,
    },
    /// Another model.
    Fallback {
        /// Its place in the list.
        model: usize,
    },
    /// Nothing more: this is the error of the answer.
    GiveUp,
}

impl Attempts {
    /// At least one model; the first is tried first.
    pub const fn new(models: Vec<Policy>, jitter: Jitter) -> Self {
        Self { models, model: 0, tries: 1, jitter }
    }

    /// The model that is to be asked now, by its place in the list.
    pub const fn model(&self) -> usize {
        self.model
    }

    /// An attempt failed. After something of its answer was shown there is no other attempt: whoever saw the beginning
    /// of one answer is never given the end of another.
    pub fn failed(&mut self, error: &ModelError, shown: bool) -> Next {
        if shown || error.is_set_up() {
            return Next::GiveUp;
        }
        let chance = self.jitter.draw();
        let policy = self.models.get(self.model).copied().unwrap_or(Policy { retries: 0 });
        if let Some(pause) = policy.pause(error, self.tries, chance) {
            self.tries += 1;
            return Next::Again { pause, attempt: self.tries };
        }
        if may_fall_back(error) && self.model + 1 < self.models.len() {
            self.model += 1;
            self.tries = 1;
            return Next::Fallback { model: self.model };
        }
        Next::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Again;

    fn attempts(retries: &[u32]) -> Attempts {
        Attempts::new(retries.iter().map(|retries| Policy { retries: *retries }).collect(), Jitter::new(1))
    }

    fn status(status: u16) -> ModelError {
        ModelError::Status { status, message: String::new(), again: Again::default() }
    }

    #[test]
    fn a_model_is_tried_again_before_the_next_one_is() {
        let mut attempts = attempts(&[1, 0]);
        assert!(matches!(attempts.failed(&status(503), false), Next::Again { attempt: 2, .. }));
        assert_eq!(attempts.failed(&status(503), false), Next::Fallback { model: 1 });
        assert_eq!(attempts.failed(&status(503), false), Next::GiveUp);
    }

    #[test]
    fn once_something_was_shown_nothing_is_begun_anew() {
        assert_eq!(attempts(&[5, 5]).failed(&ModelError::Reset { pieces: 3 }, true), Next::GiveUp);
    }

    #[test]
    fn a_request_that_is_wrong_is_wrong_everywhere() {
        assert_eq!(attempts(&[2, 2]).failed(&status(400), false), Next::GiveUp);
        assert_eq!(attempts(&[2, 2]).failed(&status(401), false), Next::GiveUp);
        let no_key = ModelError::NoKey { provider: "openai", env: "X".into() };
        assert_eq!(attempts(&[2, 2]).failed(&no_key, false), Next::GiveUp);
    }

    #[test]
    fn an_open_circuit_falls_back_at_once() {
        let open = ModelError::Open { place: "p".into(), failures: 5, wait: Duration::from_secs(9) };
        assert_eq!(attempts(&[2, 2]).failed(&open, false), Next::Fallback { model: 1 });
    }
}
