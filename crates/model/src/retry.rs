//! Whether, and when, a failed call is tried again. Pure: no clock, no randomness of its own.

use crate::error::{Again, ModelError};
use std::time::Duration;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause of our own choice.
const LONGEST: Duration = Duration::from_secs(8);
/// The longest pause that a provider may ask for; for longer ones nobody waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a failed call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Additional attempts.
    pub retries: u32,
}

/// Chance for pauses, so that callers that failed together do not come back together. Seeded, so that a run can be
/// told what it draws.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// Chance from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to 1.
    pub fn draw(&mut self) -> f64 {
        // SplitMix64: small, and even enough for pauses.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Policy {
    /// The pause before another try; none where there is to be none. `tries` were made; `chance` lies in 0 to 1.
    pub fn pause(self, error: &ModelError, tries: u32, chance: f64) -> Option<Duration> {
        if tries > self.retries || !may_pass(error) {
            return None;
        }
        let again = again(error);
        if let Some(asked) = again.after {
            // The provider's own word, without jitter: earlier would be refused.
            return (asked <= PATIENCE).then_some(asked);
        }
        let doubled = FIRST.saturating_mul(1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        Some(doubled.min(LONGEST).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0))
    }
}

fn again(error: &ModelError) -> Again {
    if let ModelError::Status { again, .. } = error { *again } else { Again::default() }
}

/// Whether the same call may succeed later.
pub(crate) fn may_pass(error: &ModelError) -> bool {
    match error {
        ModelError::Status { again: Again { should: Some(should), .. }, .. } => *should,
        // Nothing comes of asking again for what is not paid for.
        ModelError::Status { status: 429, message, .. } if message.contains("insufficient_quota") => false,
        ModelError::Status { status, .. } => passes(*status),
        ModelError::Connect { .. } | ModelError::Timeout(_) | ModelError::Reset { .. } => true,
        ModelError::Stream { passing, .. } => *passing,
        _ => false,
    }
}

const fn passes(status: u16) -> bool {
    matches!(status, 408 | 409 | 429) || status >= 500
}

/// Whether another model may answer in this one's place. Wider than trying again: what this provider cannot do for now,
/// or for its own reasons, another can. A request that is refused for what it says (400, 401, 404) is a fault to be
/// shown, and so is a wrong set-up.
pub(crate) fn may_fall_back(error: &ModelError) -> bool {
    match error {
        ModelError::Status { status, .. } => passes(*status),
        ModelError::Connect { .. }
        | ModelError::Timeout(_)
        | ModelError::Reset { .. }
        | ModelError::Open { .. }
        | ModelError::Protocol { .. }
        | ModelError::TooLarge { .. } => true,
        ModelError::Stream { passing, .. } => *passing,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_more_patience_than_there_is_is_quoted() {
        let asks = |seconds| {
            let again = Again { after: Some(Duration::from_secs(seconds)), should: None };
            ModelError::Status { status: 429, message: "slow down".into(), again }.to_string()
        };
        assert!(asks(3600).ends_with("slow down (it asks to wait 3600 s, which nobody does)"), "{}", asks(3600));
        assert!(asks(60).ends_with("slow down"));
    }

    fn status(status: u16, again: Again) -> ModelError {
        ModelError::Status { status, message: String::new(), again }
    }

    const TWICE: Policy = Policy { retries: 2 };

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
        for code in [408, 409, 429, 500, 502, 503, 529] {
            assert!(TWICE.pause(&status(code, Again::default()), 1, 0.0).is_some(), "{code}");
        }
        for code in [400, 401, 403, 404, 413, 422] {
            assert!(TWICE.pause(&status(code, Again::default()), 1, 0.0).is_none(), "{code}");
        }
        let quota =
            ModelError::Status { status: 429, message: "… (insufficient_quota)".into(), again: Again::default() };
        assert_eq!(TWICE.pause(&quota, 1, 0.0), None);
        assert_eq!(TWICE.pause(&ModelError::Redirect { to: "x".into() }, 1, 0.0), None);
    }

    #[test]
    fn the_providers_own_word_decides() {
        let again = |after: Option<u64>, should| Again { after: after.map(Duration::from_millis), should };
        assert_eq!(TWICE.pause(&status(429, again(Some(1500), None)), 1, 0.9), Some(Duration::from_millis(1500)));
        assert_eq!(TWICE.pause(&status(429, again(Some(3_600_000), None)), 1, 0.0), None);
        assert_eq!(TWICE.pause(&status(500, again(Some(10), Some(false))), 1, 0.0), None);
        assert_eq!(TWICE.pause(&status(400, again(Some(10), Some(true))), 1, 0.0), Some(Duration::from_millis(10)));
    }

    #[test]
    fn pauses_double_up_to_a_most_and_chance_only_shortens_them() {
        let pause =
            |tries, chance| Policy { retries: 99 }.pause(&ModelError::Reset { pieces: 0 }, tries, chance).unwrap();
        let millis: Vec<u128> = [1, 2, 3, 5, 6, 40, 99].map(|tries| pause(tries, 0.0).as_millis()).into();
        assert_eq!(millis, [500, 1000, 2000, 8000, 8000, 8000, 8000]);
        assert_eq!(pause(2, 1.0).as_millis(), 750);
    }

    #[test]
    fn there_are_no_more_tries_than_the_spec_says() {
        assert!(TWICE.pause(&ModelError::Reset { pieces: 0 }, 2, 0.0).is_some());
        assert!(TWICE.pause(&ModelError::Reset { pieces: 0 }, 3, 0.0).is_none());
        assert!(Policy { retries: 0 }.pause(&ModelError::Reset { pieces: 0 }, 1, 0.0).is_none());
    }

    #[test]
    fn chance_is_even_and_the_same_for_the_same_seed() {
        let draws = |seed| (0..1000).scan(Jitter::new(seed), |jitter, _| Some(jitter.draw())).collect::<Vec<_>>();
        assert_eq!(draws(7), draws(7));
        let mean = draws(7).iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean) && draws(7).iter().all(|draw| (0.0..1.0).contains(draw)));
    }
}
