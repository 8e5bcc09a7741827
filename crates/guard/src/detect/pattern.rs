//! Patterns of ours, each built only when a text comes along that could match it.
//!
//! Building takes far longer than matching (a release build: 1 ms for a long pattern, all of `no_code_execution` 9 ms),
//! and most texts lack what most patterns need. So a pattern is parsed first, which takes a twentieth of the time, and
//! what every match must contain is read off its tree; a text without it is answered without building anything.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{CaptureMatches, Captures, Match, Matches, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::borrow::Cow;
use std::sync::OnceLock;

/// Longer texts are not looked through for what a pattern needs: building it then costs little beside the matching.
const LONGEST_LOOKED_THROUGH: usize = 4096;
/// More alternatives than this say little about a text and take long to look for.
const MOST_ALTERNATIVES: usize = 400;
/// Up to so many literals are looked for one after the other.
const MOST_ONE_BY_ONE: usize = 3;
/// Classes of at most so many characters are alternatives; larger ones need nothing in particular.
const MOST_OF_A_CLASS: usize = 10;
/// The letters beyond ASCII that are `s` and `k` where case does not matter.
const LONG_S: char = '\u{17f}';
const KELVIN: char = '\u{212a}';

/// A regular expression that is built when it is needed.
///
/// `\w`, `\d`, `\s` and `\b` mean ASCII in it, where it is spelled in ASCII: the detectors read folded text, where width
/// and compatibility forms are plain already, and the Unicode classes take ten times as long to build.
pub(super) struct Pattern {
    source: fn() -> Cow<'static, str>,
    needs: OnceLock<Needs>,
    regex: OnceLock<Regex>,
}

/// A [`Pattern`] from a literal, or from `format!` with arguments.
macro_rules! pattern {
    (format $($part:tt)*) => { $crate::detect::pattern::Pattern::new(|| ::std::borrow::Cow::Owned(format!($($part)*))) };
    ($source:expr) => { $crate::detect::pattern::Pattern::new(|| ::std::borrow::Cow::Borrowed($source)) };
}
pub(super) use pattern;

impl Pattern {
    pub(super) const fn new(source: fn() -> Cow<'static, str>) -> Self {
        Self { source, needs: OnceLock::new(), regex: OnceLock::new() }
    }

    /// What every match of it contains: of each group at least one, in ASCII lower case.
    pub(super) fn needs(&self) -> &[Vec<String>] {
        &self.needs.get_or_init(|| Needs::of(&ascii(&(self.source)()))).groups
    }

    /// The pattern, built, unless this text cannot match it.
    fn for_text(&self, text: &str) -> Option<&Regex> {
        if self.regex.get().is_none() && text.len() <= LONGEST_LOOKED_THROUGH {
            let needs = self.needs.get_or_init(|| Needs::of(&ascii(&(self.source)())));
            if !needs.are_in(text) {
                return None;
            }
        }
        Some(self.built())
    }

    /// The pattern, built now if it was not.
    pub(super) fn built(&self) -> &Regex {
        self.regex.get_or_init(|| {
            Regex::new(&ascii(&(self.source)()))
                .unwrap_or_else(|error| unreachable!("a pattern of this crate is wrong: {error}"))
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.for_text(text).is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn find<'t>(&self, text: &'t str) -> Option<Match<'t>> {
        self.for_text(text)?.find(text)
    }

    pub(super) fn find_at<'t>(&self, text: &'t str, at: usize) -> Option<Match<'t>> {
        self.for_text(text)?.find_at(text, at)
    }

    pub(super) fn find_iter<'r, 't>(
        &'r self,
        text: &'t str,
    ) -> std::iter::Flatten<std::option::IntoIter<Matches<'r, 't>>> {
        self.for_text(text).map(|regex| regex.find_iter(text)).into_iter().flatten()
    }

    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.for_text(text)?.captures(text)
    }

    pub(super) fn captures_at<'t>(&self, text: &'t str, at: usize) -> Option<Captures<'t>> {
        self.for_text(text)?.captures_at(text, at)
    }

    pub(super) fn captures_iter<'r, 't>(
        &'r self,
        text: &'t str,
    ) -> std::iter::Flatten<std::option::IntoIter<CaptureMatches<'r, 't>>> {
        self.for_text(text).map(|regex| regex.captures_iter(text)).into_iter().flatten()
    }
}

/// What every match of a pattern contains: of each group at least one alternative, in ASCII lower case.
#[derive(Debug, Default)]
struct Needs {
    groups: Vec<Alternatives>,
    /// Finds them all in one pass, where they are many.
    search: Option<Search>,
}

/// The literals of all groups, and the group of each.
#[derive(Debug)]
struct Search {
    literals: AhoCorasick,
    group_of: Vec<usize>,
}

impl Search {
    fn of(groups: &[Alternatives]) -> Option<Self> {
        let all = || groups.iter().enumerate().flat_map(|(at, group)| group.iter().map(move |text| (at, text)));
        if all().count() <= MOST_ONE_BY_ONE {
            return None;
        }
        let mut builder = AhoCorasick::builder();
        // The cheapest to build: most patterns are asked for a few texts only.
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::NoncontiguousNFA));
        let literals = builder.build(all().map(|(_, text)| text)).ok()?;
        Some(Self { literals, group_of: all().map(|(at, _)| at).collect() })
    }

    fn finds_all(&self, groups: usize, text: &str) -> bool {
        let (mut seen, mut left) = (vec![false; groups], groups);
        for hit in self.literals.find_overlapping_iter(text) {
            let group = self.group_of.get(hit.pattern().as_usize()).and_then(|at| seen.get_mut(*at));
            if let Some(group) = group.filter(|seen| !**seen) {
                *group = true;
                left -= 1;
                if left == 0 {
                    return true;
                }
            }
        }
        left == 0
    }
}

/// Texts of which one must occur.
type Alternatives = Vec<String>;

impl Needs {
    fn of(pattern: &str) -> Self {
        // A pattern that cannot be parsed is reported when it is built.
        let groups = regex_syntax::parse(pattern).map_or_else(|_| Vec::new(), |tree| needs_of(&tree));
        Self { search: Search::of(&groups), groups }
    }

    fn are_in(&self, text: &str) -> bool {
        if odd(text) {
            return true;
        }
        if let Some(search) = &self.search {
            return search.finds_all(self.groups.len(), text);
        }
        let lower = text.to_ascii_lowercase();
        self.groups.iter().all(|group| group.iter().any(|needed| lower.contains(needed.as_str())))
    }
}

/// Whether a text has one of the letters that are ASCII ones only where case does not matter.
pub(super) fn odd(text: &str) -> bool {
    !text.is_ascii() && text.contains([LONG_S, KELVIN])
}

fn needs_of(tree: &Hir) -> Vec<Alternatives> {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).map_or_else(|_| Vec::new(), |text| vec![vec![text.to_ascii_lowercase()]])
        }
        HirKind::Class(characters) => class(characters).into_iter().collect(),
        HirKind::Repetition(repeated) if repeated.min > 0 => needs_of(&repeated.sub),
        HirKind::Repetition(_) => Vec::new(),
        HirKind::Capture(group) => needs_of(&group.sub),
        HirKind::Concat(parts) => in_a_row(parts),
        HirKind::Alternation(branches) => one_of(branches).into_iter().collect(),
    }
}

/// The characters of a small class, in ASCII lower case.
fn class(class: &Class) -> Option<Alternatives> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        // Beyond ASCII a byte is no character.
        Class::Bytes(class) if class.is_ascii() => {
            class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
        Class::Bytes(_) => return None,
    };
    let mut texts = Alternatives::new();
    for c in ranges.into_iter().flat_map(|(start, end)| start..=end) {
        let text = match c {
            LONG_S => 's',
            KELVIN => 'k',
            c => c.to_ascii_lowercase(),
        }
        .to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
        if texts.len() > MOST_OF_A_CLASS {
            return None;
        }
    }
    (!texts.is_empty()).then_some(texts)
}

/// All that the parts need, where letters that stand side by side make one text.
fn in_a_row(parts: &[Hir]) -> Vec<Alternatives> {
    let (mut needs, mut run) = (Vec::new(), String::new());
    for part in parts {
        let needs_of_part = needs_of(part);
        match (part.kind(), needs_of_part.as_slice()) {
            (HirKind::Literal(_) | HirKind::Class(_), [alternatives]) if alternatives.len() == 1 => {
                run.push_str(&alternatives[0]);
            }
            // A place between two letters is no letter.
            (HirKind::Look(_), _) => {}
            _ => {
                if !run.is_empty() {
                    needs.push(vec![std::mem::take(&mut run)]);
                }
                needs.extend(needs_of_part);
            }
        }
    }
    if !run.is_empty() {
        needs.push(vec![run]);
    }
    needs
}

/// One group for all branches: of each what says most. Nothing if a branch needs nothing.
fn one_of(branches: &[Hir]) -> Option<Alternatives> {
    let mut all = Alternatives::new();
    for branch in branches {
        let says = |group: &Alternatives| (group.iter().map(String::len).min().unwrap_or(0), usize::MAX - group.len());
        all.extend(needs_of(branch).into_iter().max_by_key(says)?);
        if all.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The pattern with its classes spelled in ASCII; one that spells letters beyond ASCII is about words that have them, and
/// stays as it is.
fn ascii(pattern: &str) -> Cow<'_, str> {
    const SPACE: &str = r"\t\n\x0B\x0C\r ";
    if !pattern.is_ascii() {
        return Cow::Borrowed(pattern);
    }
    let (mut plain, mut in_class) = (String::with_capacity(pattern.len() * 2), 0_usize);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match (chars.next(), in_class > 0) {
                (Some('w'), false) => plain.push_str("[0-9A-Za-z_]"),
                (Some('w'), true) => plain.push_str("0-9A-Za-z_"),
                (Some('W'), false) => plain.push_str("[^0-9A-Za-z_]"),
                (Some('d'), false) => plain.push_str("[0-9]"),
                (Some('d'), true) => plain.push_str("0-9"),
                (Some('s'), false) => plain.extend(["[", SPACE, "]"]),
                (Some('s'), true) => plain.push_str(SPACE),
                (Some('S'), false) => plain.extend(["[^", SPACE, "]"]),
                (Some('b'), false) => plain.push_str(r"(?-u:\b)"),
                (Some('B'), false) => plain.push_str(r"(?-u:\B)"),
                (Some(other), _) => plain.extend(['\\', other]),
                (None, _) => plain.push('\\'),
            },
            '[' => {
                in_class += 1;
                plain.push(c);
            }
            ']' => {
                in_class = in_class.saturating_sub(1);
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(pattern: &str) -> Vec<Vec<String>> {
        Needs::of(&ascii(pattern)).groups
    }

    #[test]
    fn what_stands_in_a_row_is_needed_as_one_text() {
        let spaces = ["\t", "\n", "\u{b}", "\u{c}", "\r", " "].map(str::to_owned).to_vec();
        let needed = [vec!["union".to_owned()], spaces, vec!["select".to_owned()]];
        assert_eq!(needs(r"\bunion\s+select\b"), needed);
    }

    #[test]
    fn of_alternatives_one_is_needed_and_of_what_may_be_missing_nothing() {
        assert_eq!(needs("(?:drop|delete)x?"), [vec!["delete".to_owned(), "drop".to_owned()]]);
        assert_eq!(needs("(?:drop|x*)"), Vec::<Vec<String>>::new());
        assert_eq!(needs(r"[^a]\w+\b"), Vec::<Vec<String>>::new());
    }

    #[test]
    fn letters_of_either_case_are_one_letter() {
        assert_eq!(needs("(?i)Bask"), [vec!["bask".to_owned()]]);
        assert!(Needs::of("(?i)bask").are_in("to BASK in the sun"));
        assert!(Needs::of("(?i)bask").are_in("ba\u{17f}\u{212a}"));
    }

    #[test]
    fn a_pattern_is_built_for_the_first_text_that_could_match_it() {
        let pattern = pattern!(r"\bdrop\s+table\b");
        assert!(!pattern.is_match("a drop of water"));
        assert!(pattern.regex.get().is_none());
        assert!(!pattern.is_match("a drop on the table"));
        assert!(pattern.regex.get().is_some());
        assert!(pattern.is_match("drop table users"));
    }

    /// Small patterns of all kinds of parts.
    fn patterns() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[abkS]{1,3}",
            Just("[abA]".into()),
            Just(r"\s".into()),
            Just("(?i:sK)".into()),
            Just("é".into())
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner.clone(), prop_oneof!["[*?+]", Just("{2}".to_owned())])
                    .prop_map(|(part, many)| format!("(?:{part}){many}")),
                inner.prop_map(|part| format!(r"(\b{part})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_that_matches_lacks_what_is_needed(pattern in patterns(), text in "[abAksSK é\u{17f}\u{212a}]{0,24}") {
            let pattern = ascii(&pattern).into_owned();
            if Regex::new(&pattern).unwrap().is_match(&text) {
                prop_assert!(Needs::of(&pattern).are_in(&text), "{pattern} needs {:?}", Needs::of(&pattern));
            }
        }
    }
}
