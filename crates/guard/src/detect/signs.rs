//! Signs: patterns with weights that together speak for a finding.

use super::Finding;
use super::pattern::{Looked, Pattern};
use crate::normalize::Folded;
use std::ops::Range;

/// One thing that speaks for a finding.
pub(super) struct Sign {
    pub(super) pattern: Pattern,
    /// 1 is enough alone at the default sensitivity.
    pub(super) weight: f64,
    /// What it is, for the reason.
    pub(super) what: &'static str,
}

/// A table of [`Sign`]s: weight, what it is, pattern.
macro_rules! signs {
    ($($weight:literal, $what:literal, $pattern:expr;)*) => {
        [$($crate::detect::signs::Sign {
            pattern: $crate::detect::pattern::pattern!($pattern),
            weight: $weight,
            what: $what,
        }),*]
    };
}
pub(super) use signs;

/// What speaks for a finding in a text.
pub(super) struct Weighed {
    /// The weights together.
    pub(super) score: f64,
    /// Where the heaviest sign stands, in the text that was weighed.
    pub(super) range: Range<usize>,
    /// What the heaviest sign is.
    pub(super) what: &'static str,
}

impl Weighed {
    /// Whether that is enough at a sensitivity from 0 to 1.
    pub(super) fn is_enough(&self, sensitivity: f64) -> bool {
        self.score >= 1.5 - sensitivity
    }

    /// What to say of it.
    pub(super) fn finding(self, folded: &Folded, what_it_is: &str) -> Finding {
        let confidence = (self.score / (self.score + 1.0)) as f32;
        Finding::new(folded.original(self.range), format!("{what_it_is}: {}", self.what), confidence)
    }
}

/// Weighs a folded text; nothing if no sign is in it.
pub(super) fn weigh<'t>(signs: &[Sign], text: impl Into<Looked<'t>>) -> Option<Weighed> {
    let looked = text.into();
    let mut best: Option<(f64, Range<usize>, &'static str)> = None;
    // Signs of one kind count once: different spellings of one thing are not two things.
    let mut kinds: Vec<(&'static str, f64)> = Vec::new();
    for sign in signs {
        let Some(hit) = sign.pattern.find(looked) else { continue };
        match kinds.iter_mut().find(|(what, _)| *what == sign.what) {
            Some((_, weight)) => *weight = weight.max(sign.weight),
            None => kinds.push((sign.what, sign.weight)),
        }
        if best.as_ref().is_none_or(|(weight, ..)| sign.weight > *weight) {
            best = Some((sign.weight, hit.range(), sign.what));
        }
    }
    let score = kinds.iter().map(|(_, weight)| weight).sum();
    best.map(|(_, range, what)| Weighed { score, range, what })
}
