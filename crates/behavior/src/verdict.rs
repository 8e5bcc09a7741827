//! What a test says in the end.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The verdict of a case or a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every expectation holds.
    Pass,
    /// The test says that it is not to be run, and why.
    Skipped,
    /// The statistics are not sure yet.
    Undecided,
    /// An edit made a replayed exchange miss: record it again.
    Stale,
    /// An expectation does not hold.
    Fail,
    /// It could not be judged: the set-up is wrong.
    Error,
}

impl Verdict {
    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Undecided => "undecided",
            Self::Stale => "stale",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// Whether nothing is to be done about it.
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Pass | Self::Skipped)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many cases ended in which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Could not be judged.
    pub error: usize,
    /// Not run, by the test's own word.
    pub skipped: usize,
    /// Not sure yet, or in need of a new recording.
    pub open: usize,
}

impl Tally {
    /// Counts verdicts.
    pub fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let mut tally = Self::default();
        for verdict in verdicts {
            *match verdict {
                Verdict::Pass => &mut tally.pass,
                Verdict::Fail => &mut tally.fail,
                Verdict::Error => &mut tally.error,
                Verdict::Skipped => &mut tally.skipped,
                Verdict::Undecided | Verdict::Stale => &mut tally.open,
            } += 1;
        }
        tally
    }

    /// All of them.
    pub const fn total(&self) -> usize {
        self.pass + self.fail + self.error + self.skipped + self.open
    }

    /// The exit code of the language page: 0 all pass or skipped; 1 a fail, undecided or stale; 2 an error.
    pub const fn exit_code(&self) -> u8 {
        if self.error > 0 {
            2
        } else if self.fail > 0 || self.open > 0 {
            1
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst_case() {
        let code = |verdicts: &[Verdict]| Tally::of(verdicts.iter().copied()).exit_code();
        assert_eq!(code(&[Verdict::Pass, Verdict::Skipped]), 0);
        assert_eq!(code(&[Verdict::Pass, Verdict::Fail]), 1);
        assert_eq!(code(&[Verdict::Stale]), 1);
        assert_eq!(code(&[Verdict::Undecided]), 1);
        assert_eq!(code(&[Verdict::Fail, Verdict::Error]), 2);
        assert_eq!(code(&[]), 0);
    }
}
