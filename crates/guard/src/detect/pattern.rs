//! Patterns of ours, each tried only on texts that could match it, and built when the first one comes along.
//!
//! Building takes far longer than matching (a release build: 1 ms for a long pattern, all of `no_code_execution` 9 ms), and
//! most texts lack what most patterns need. So a pattern is parsed first, which takes a twentieth of the time, and what
//! every match must contain is read off its tree; a text without it, as its [`Grams`] say, is answered at once.

use super::prefilter::{Grams, Literal};
use crate::normalize::Folded;
use regex::{CaptureMatches, Captures, Match, Matches, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::borrow::Cow;
use std::sync::OnceLock;

/// Longer texts are not looked through for what a pattern needs: building it then costs little beside the matching.
const LONGEST_LOOKED_THROUGH: usize = 4096;
/// More alternatives than this say little about a text and take long to look for.
const MOST_ALTERNATIVES: usize = 400;
/// Letters of either case, and alternatives, are multiplied out to at most so many texts in a row.
const MOST_IN_A_ROW: usize = 16;
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

/// A text that a pattern is tried on, and what is known of it. A part of a text is best given without: to look at it costs
/// less than to know it.
#[derive(Clone, Copy)]
pub(super) struct Looked<'t> {
    pub(super) text: &'t str,
    grams: Option<&'t Grams>,
}

impl<'t> From<&'t str> for Looked<'t> {
    fn from(text: &'t str) -> Self {
        Self { text, grams: None }
    }
}

impl<'t> From<&'t String> for Looked<'t> {
    fn from(text: &'t String) -> Self {
        Self { text, grams: None }
    }
}

impl<'t> From<&'t Folded> for Looked<'t> {
    fn from(folded: &'t Folded) -> Self {
        Self { text: &folded.text, grams: Some(folded.grams()) }
    }
}

impl<'t> From<(&'t str, &'t Grams)> for Looked<'t> {
    fn from((text, grams): (&'t str, &'t Grams)) -> Self {
        Self { text, grams: Some(grams) }
    }
}

impl Pattern {
    pub(super) const fn new(source: fn() -> Cow<'static, str>) -> Self {
        Self { source, needs: OnceLock::new(), regex: OnceLock::new() }
    }

    /// As it is spelled.
    pub(super) fn source(&self) -> Cow<'static, str> {
        (self.source)()
    }

    /// Whether a text with these grams could match it.
    pub(super) fn may_match(&self, grams: &Grams) -> bool {
        self.needs.get_or_init(|| Needs::of(&ascii(&(self.source)()))).are_in(grams)
    }

    /// The pattern, built, unless this text cannot match it.
    fn for_text(&self, looked: Looked<'_>) -> Option<&Regex> {
        let may_match = match looked.grams {
            Some(grams) => self.may_match(grams),
            None => {
                self.regex.get().is_some()
                    || looked.text.len() > LONGEST_LOOKED_THROUGH
                    || self.may_match(&Grams::of(looked.text))
            }
        };
        may_match.then(|| self.built())
    }

    /// The pattern, built now if it was not.
    pub(super) fn built(&self) -> &Regex {
        self.regex.get_or_init(|| {
            Regex::new(&ascii(&(self.source)()))
                .unwrap_or_else(|error| unreachable!("a pattern of this crate is wrong: {error}"))
        })
    }

    pub(super) fn is_match<'t>(&self, text: impl Into<Looked<'t>>) -> bool {
        let looked = text.into();
        self.for_text(looked).is_some_and(|regex| regex.is_match(looked.text))
    }

    pub(super) fn find<'t>(&self, text: impl Into<Looked<'t>>) -> Option<Match<'t>> {
        let looked = text.into();
        self.for_text(looked)?.find(looked.text)
    }

    pub(super) fn find_at<'t>(&self, text: impl Into<Looked<'t>>, at: usize) -> Option<Match<'t>> {
        let looked = text.into();
        self.for_text(looked)?.find_at(looked.text, at)
    }

    pub(super) fn find_iter<'r, 't>(
        &'r self,
        text: impl Into<Looked<'t>>,
    ) -> std::iter::Flatten<std::option::IntoIter<Matches<'r, 't>>> {
        let looked = text.into();
        self.for_text(looked).map(|regex| regex.find_iter(looked.text)).into_iter().flatten()
    }

    pub(super) fn captures<'t>(&self, text: impl Into<Looked<'t>>) -> Option<Captures<'t>> {
        let looked = text.into();
        self.for_text(looked)?.captures(looked.text)
    }

    pub(super) fn captures_at<'t>(&self, text: impl Into<Looked<'t>>, at: usize) -> Option<Captures<'t>> {
        let looked = text.into();
        self.for_text(looked)?.captures_at(looked.text, at)
    }

    pub(super) fn captures_iter<'r, 't>(
        &'r self,
        text: impl Into<Looked<'t>>,
    ) -> std::iter::Flatten<std::option::IntoIter<CaptureMatches<'r, 't>>> {
        let looked = text.into();
        self.for_text(looked).map(|regex| regex.captures_iter(looked.text)).into_iter().flatten()
    }
}

/// What every match of a pattern contains: of each group at least one alternative.
#[derive(Debug, Default)]
struct Needs {
    groups: Vec<Vec<Literal>>,
}

/// Texts of which one must occur, in ASCII lower case.
type Alternatives = Vec<String>;

impl Needs {
    fn of(pattern: &str) -> Self {
        // A pattern that cannot be parsed is reported when it is built.
        let mut groups = regex_syntax::parse(pattern).map_or_else(|_| Vec::new(), |tree| needs_of(&tree));
        // What says most is asked for first.
        groups.sort_by_key(|group| std::cmp::Reverse(says(group)));
        Self { groups: groups.iter().map(|group| group.iter().map(|text| Literal::of(text)).collect()).collect() }
    }

    fn are_in(&self, grams: &Grams) -> bool {
        self.groups.iter().all(|group| group.iter().any(|literal| grams.may_have(literal)))
    }
}

/// Whether a text has one of the letters that are ASCII ones only where case does not matter.
pub(super) fn odd(text: &str) -> bool {
    !text.is_ascii() && (text.contains(LONG_S) || text.contains(KELVIN))
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

/// How much a group says of a text: the longer its shortest alternative the more, then the fewer they are.
fn says(group: &Alternatives) -> (usize, usize) {
    (group.iter().map(String::len).min().unwrap_or(0), usize::MAX - group.len())
}

/// All texts that a part matches, where they are few. The empty text may be among them.
fn exactly(tree: &Hir) -> Option<Alternatives> {
    let texts = match tree.kind() {
        // A place between two letters is no letter.
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![std::str::from_utf8(&literal.0).ok()?.to_ascii_lowercase()],
        HirKind::Class(characters) => class(characters)?,
        HirKind::Repetition(repeated) if (repeated.min, repeated.max) == (0, Some(1)) => {
            let mut texts = exactly(&repeated.sub)?;
            texts.push(String::new());
            texts
        }
        HirKind::Repetition(_) => return None,
        HirKind::Capture(group) => exactly(&group.sub)?,
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![String::new()], |before, part| multiplied(&before, &exactly(part)?))?
        }
        HirKind::Alternation(branches) => {
            let mut texts = Alternatives::new();
            for branch in branches {
                texts.extend(exactly(branch)?);
                if texts.len() > MOST_IN_A_ROW {
                    return None;
                }
            }
            texts
        }
    };
    (texts.len() <= MOST_IN_A_ROW).then_some(texts)
}

/// Each text of the one list with each of the other behind it, where they are few.
fn multiplied(before: &Alternatives, behind: &Alternatives) -> Option<Alternatives> {
    (before.len() * behind.len() <= MOST_IN_A_ROW)
        .then(|| before.iter().flat_map(|head| behind.iter().map(move |tail| format!("{head}{tail}"))).collect())
}

/// All that the parts need, where letters that stand side by side make one text.
fn in_a_row(parts: &[Hir]) -> Vec<Alternatives> {
    let (mut needs, mut run) = (Vec::new(), vec![String::new()]);
    for part in parts {
        let exact = exactly(part);
        match exact.as_ref().and_then(|texts| multiplied(&run, texts)) {
            Some(longer) => run = longer,
            None => {
                needs.push(std::mem::replace(&mut run, exact.clone().unwrap_or_else(|| vec![String::new()])));
                if exact.is_none() {
                    needs.extend(needs_of(part));
                }
            }
        }
    }
    needs.push(run);
    // What may be empty is not needed.
    needs.retain(|group| group.iter().all(|text| !text.is_empty()));
    needs
}

/// One group for all branches: of each what says most. Nothing if a branch needs nothing.
fn one_of(branches: &[Hir]) -> Option<Alternatives> {
    let mut all = Alternatives::new();
    for branch in branches {
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
        let tree = regex_syntax::parse(&ascii(pattern)).unwrap();
        needs_of(&tree)
    }

    #[test]
    fn what_stands_in_a_row_is_needed_as_one_text() {
        let spaces = ["\t", "\n", "\u{b}", "\u{c}", "\r", " "].map(str::to_owned).to_vec();
        let needed = [vec!["union".to_owned()], spaces, vec!["select".to_owned()]];
        assert_eq!(needs(r"\bunion\s+select\b"), needed);
    }

    #[test]
    fn of_alternatives_one_is_needed_and_of_what_may_be_missing_nothing() {
        assert_eq!(needs("(?:drop|delete)x*"), [vec!["drop".to_owned(), "delete".to_owned()]]);
        assert_eq!(needs("(?:drop|x*)"), Vec::<Vec<String>>::new());
        assert_eq!(needs(r"[^a]\w+\b"), Vec::<Vec<String>>::new());
    }

    #[test]
    fn letters_of_either_case_are_one_letter() {
        assert_eq!(needs("(?i)Bask"), [vec!["bask".to_owned()]]);
        let in_text = |text: &str| Needs::of("(?i)bask").are_in(&Grams::of(text));
        assert!(in_text("to BASK in the sun") && in_text("ba\u{17f}\u{212a}") && !in_text("back"));
        assert_eq!(needs("(?i)hasło"), [vec!["hasŁo".to_owned(), "hasło".to_owned()]]);
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
                prop_assert!(Needs::of(&pattern).are_in(&Grams::of(&text)), "{pattern} needs {:?}", needs(&pattern));
            }
        }
    }
}
