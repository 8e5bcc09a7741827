//! One pass over a text that tells which patterns of a table could match it.
//!
//! Every pattern needs some literal texts (see [`super::pattern`]). All of a table's are looked for at once; what a
//! pattern needs and the text lacks costs nothing more. A text that needs none of the patterns is read once.

use super::pattern::{Pattern, odd};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::sync::OnceLock;

/// Literals shorter than this are in almost every text, and only slow the pass down.
const SHORTEST: usize = 2;

/// What the patterns of one table need.
pub(super) struct Prefilter(OnceLock<Built>);

struct Built {
    literals: AhoCorasick,
    /// Of each literal, in which groups it stands.
    groups_of: Vec<Vec<u32>>,
    /// Of each pattern, the groups of which each must have a literal in the text.
    needs: Vec<Vec<u32>>,
    groups: usize,
}

impl Prefilter {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Which of the patterns could match, in their order. They must be the same at every call.
    pub(super) fn candidates<'p>(&self, patterns: impl Iterator<Item = &'p Pattern>, text: &str) -> Vec<bool> {
        let built = self.0.get_or_init(|| Built::of(patterns));
        let mut seen = vec![false; built.groups];
        for hit in built.literals.find_overlapping_iter(text) {
            for group in built.groups_of.get(hit.pattern().as_usize()).into_iter().flatten() {
                if let Some(group) = seen.get_mut(*group as usize) {
                    *group = true;
                }
            }
        }
        let has = |group: &u32| seen.get(*group as usize).copied().unwrap_or(true);
        let odd = odd(text);
        built.needs.iter().map(|needs| odd || needs.iter().all(has)).collect()
    }
}

impl Built {
    fn of<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Self {
        let (mut literals, mut groups_of): (Vec<String>, Vec<Vec<u32>>) = (Vec::new(), Vec::new());
        let (mut needs, mut groups) = (Vec::new(), 0_u32);
        for pattern in patterns {
            let mut mine = Vec::new();
            for group in pattern.needs().iter().filter(|group| group.iter().all(|literal| literal.len() >= SHORTEST)) {
                for literal in group {
                    let at = literals.iter().position(|known| known == literal).unwrap_or_else(|| {
                        literals.push(literal.clone());
                        groups_of.push(Vec::new());
                        literals.len() - 1
                    });
                    groups_of[at].push(groups);
                }
                mine.push(groups);
                groups += 1;
            }
            needs.push(mine);
        }
        // The literals are ASCII in lower case; a text in capitals needs the same ones.
        let literals = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(true)
            .build(&literals)
            .unwrap_or_else(|error| unreachable!("too many literals in the patterns of this crate: {error}"));
        Self { literals, groups_of, needs, groups: groups as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::pattern::pattern;

    static TABLE: [Pattern; 3] =
        [pattern!(r"\bunion\s+select\b"), pattern!(r"\b(?:drop|delete)\b.{0,20}\btable\b"), pattern!(r"\d+")];
    static PREFILTER: Prefilter = Prefilter::new();

    #[test]
    fn only_patterns_whose_needs_are_all_there_are_tried() {
        let candidates = |text: &str| PREFILTER.candidates(TABLE.iter(), text);
        assert_eq!(candidates("nothing here"), [false, false, true]);
        assert_eq!(candidates("a drop of water"), [false, false, true]);
        assert_eq!(candidates("DELETE the Table"), [false, true, true]);
        assert_eq!(candidates("union of those who select"), [true, false, true]);
    }
}
