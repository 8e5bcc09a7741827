//! The document with a mark where the cursor stands, so that the place is found in a tree, although the line at the cursor
//! is not finished: the word that is being typed becomes a key or a value, and the parser says where it stands.

use super::trim::dispensable;
use crate::cx::read;
use crate::tree::Node;
use aic_base::{RelPath, Span};
use std::ops::Range;
use std::sync::Arc;

/// Stands for the word at the cursor.
pub(super) const MARK: &str = "aicCursorStands0Here";

/// The document as it would be if the word at the cursor were complete.
pub(super) struct Probe {
    /// The tree of it.
    pub(super) root: Arc<Node>,
    /// The word at the cursor, in bytes of the original.
    pub(super) word: Span,
    /// Whether a blank has to come before what is inserted: `model:` and `-` end there.
    pub(super) blank: bool,
    /// Whether a value has to be put in quotes (TOML).
    pub(super) quote: bool,
    /// Whether the document is TOML.
    pub(super) toml: bool,
    /// Whether parts of the document were left out.
    pub(super) trimmed: bool,
    /// Bytes of the original, how many were taken away there, and how many put in.
    edits: Vec<(usize, usize, usize)>,
}

/// What the word is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// A key whose colon is not typed yet.
    Key,
    /// What it is as it stands.
    Written,
}

impl Probe {
    /// The document with the mark; none where the word cannot be taken so.
    pub(super) fn new(path: &RelPath, text: &str, offset: usize, taken: As) -> Option<Self> {
        if offset > text.len() || !text.is_char_boundary(offset) || text.contains(MARK) {
            return None;
        }
        let word = word_at(text, offset);
        let line = Line::around(text, word);
        let is_toml = path.as_str().ends_with(".toml");
        let (before, after, blank, quote) = match (is_toml, taken) {
            (false, As::Key) => {
                let (blank, rest) = line.bare()?;
                (if blank { " " } else { "" }, Some((word.end as usize + rest, ": ".to_owned())), blank, false)
            }
            (false, As::Written) => {
                let blank = line.ends_a_key();
                (if blank { " " } else { "" }, None, blank, false)
            }
            (true, As::Key) => {
                let (rest, closed) = line.toml_key()?;
                ("", Some((word.end as usize + rest, format!(" = 0{closed}"))), false, false)
            }
            (true, As::Written) => {
                let bare = line.wants_quotes();
                let closed = line.toml_value(bare);
                let after = (!closed.is_empty()).then_some((word.end as usize, closed));
                (if bare { "\"" } else { "" }, after, false, bare)
            }
        };
        let (start, end) = (word.start as usize, word.end as usize);
        let mut changes: Vec<(Range<usize>, String)> = vec![(start..end, format!("{before}{MARK}"))];
        changes.extend(after.map(|(at, with)| (at..at, with)));
        let line = start - line.lead.len()..end + line.tail.len();
        let dropped = if is_toml { Vec::new() } else { dispensable(text, offset) };
        let dropped: Vec<_> =
            dropped.into_iter().filter(|part| part.end <= line.start || part.start >= line.end).collect();
        let trimmed = !dropped.is_empty();
        changes.extend(dropped.into_iter().map(|part| (part, String::new())));
        changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut marked = String::with_capacity(text.len() + MARK.len() + 4);
        let mut edits = Vec::with_capacity(changes.len());
        let mut at = 0;
        for (range, with) in changes {
            marked.push_str(text.get(at..range.start)?);
            marked.push_str(&with);
            edits.push((range.start, range.len(), with.len()));
            at = range.end;
        }
        marked.push_str(text.get(at..)?);
        let root = read(path, &marked).root?;
        Some(Self { root, word, blank, quote, toml: is_toml, trimmed, edits })
    }

    /// Bytes of the marked document, in bytes of the original.
    pub(super) fn original(&self, span: Span) -> Span {
        Span::new(self.back(span.start as usize, false), self.back(span.end as usize, true))
    }

    fn back(&self, offset: usize, is_end: bool) -> usize {
        let mut shift = 0isize;
        for &(at, removed, inserted) in &self.edits {
            let start = at.saturating_add_signed(shift);
            if offset <= start {
                break;
            }
            if offset < start + inserted {
                return if is_end { at + removed } else { at };
            }
            if offset == start + inserted {
                return at + removed;
            }
            shift += inserted as isize - removed as isize;
        }
        offset.saturating_add_signed(-shift)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The word that a cursor touches; empty between two that are none.
pub(super) fn word_at(text: &str, offset: usize) -> Span {
    let (before, after) = text.split_at(offset);
    let start = before.trim_end_matches(is_word).len();
    let end = text.len() - after.trim_start_matches(is_word).len();
    Span::new(start, end)
}

/// The line of a word: what stands before it and after it.
struct Line<'t> {
    lead: &'t str,
    tail: &'t str,
}

impl<'t> Line<'t> {
    fn around(text: &'t str, word: Span) -> Self {
        let (before, after) = (&text[..word.start as usize], &text[word.end as usize..]);
        let lead = before.rsplit(['\n', '\r']).next().unwrap_or("");
        let tail = after.split(['\n', '\r']).next().unwrap_or("");
        Self { lead, tail }
    }

    /// Whether nothing but this word stands on the line, so that it may become a key; then whether a blank is missing
    /// before it, and how many bytes after it belong to it.
    fn bare(&self) -> Option<(bool, usize)> {
        let mut lead = self.lead.trim_start_matches([' ', '\u{feff}']);
        while let Some(rest) = lead.strip_prefix("- ") {
            lead = rest.trim_start_matches(' ');
        }
        let of_name = |c: char| is_word(c) || matches!(c, '.' | '-');
        let blank = lead == "-";
        if !blank && (lead.starts_with('-') || !lead.chars().all(of_name)) {
            return None;
        }
        let rest = self.tail.len() - self.tail.trim_start_matches(of_name).len();
        let left = self.tail.get(rest..)?;
        let ends = left.trim().is_empty() || (left.starts_with([' ', '\t']) && left.trim_start().starts_with('#'));
        ends.then_some((blank, rest))
    }

    /// Whether the colon of a key stands right before the word: YAML wants a blank after it.
    fn ends_a_key(&self) -> bool {
        let Some(lead) = self.lead.strip_suffix(':') else { return false };
        let key = lead.rsplit(['{', '[', ',', ' ']).next().unwrap_or("");
        let rest = lead[..lead.len() - key.len()].trim_end();
        !key.is_empty()
            && key.chars().all(|c| is_word(c) || matches!(c, '-' | '.' | '"' | '\''))
            && (rest.is_empty() || rest.ends_with(['{', '[', ',', '-']))
    }

    /// Of a key of TOML, on a line of its own or in braces: how many bytes after the word belong to it, and what closes the
    /// brackets that are still open where the line ends there.
    fn toml_key(&self) -> Option<(usize, String)> {
        if let Some((_, rest)) = self.bare().filter(|(blank, _)| !blank) {
            return Some((rest, String::new()));
        }
        let open = Open::at_the_end_of(self.lead);
        let rest = self.tail.len() - self.tail.trim_start_matches(|c| is_word(c) || c == '-').len();
        let left = self.tail.get(rest..)?.trim_start();
        let ends = left.is_empty() || left.starts_with([',', '}']);
        (open.takes_a_key && ends).then(|| (rest, if left.is_empty() { open.closed() } else { String::new() }))
    }

    /// What has to follow a value of TOML at the end of a line so that it can be read: the other quote, the brackets that
    /// close. `bare` says that it gets quotes.
    fn toml_value(&self, bare: bool) -> String {
        let open = Open::at_the_end_of(self.lead);
        let mut closed = String::from(if bare { "\"" } else { "" });
        let several_lines = self.lead.contains("\"\"\"") || self.lead.contains("\'\'\'");
        if let Some(quote) = open.quote.filter(|quote| !bare && !several_lines && !self.tail.contains(*quote)) {
            closed.push(quote);
        } else if !bare && open.quote.is_some() {
            return closed;
        }
        if self.tail.trim().is_empty() {
            closed.push_str(&open.closed());
        }
        closed
    }

    /// Whether it is a value of TOML that no quotes are around.
    fn wants_quotes(&self) -> bool {
        let open = |quote| self.lead.matches(quote).count() % 2 == 1;
        self.lead.contains('=') && !open('"') && !open('\'')
    }
}

/// What is open where a part of a line of TOML ends.
#[derive(Default)]
struct Open {
    brackets: Vec<char>,
    quote: Option<char>,
    /// Whether a key comes next, or is being written: after `{`, and after a comma in braces.
    takes_a_key: bool,
}

impl Open {
    fn at_the_end_of(text: &str) -> Self {
        let mut open = Self::default();
        let mut escaped = false;
        for c in text.chars() {
            if let Some(quote) = open.quote {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && quote == '"' && !escaped;
                open.quote = (!ends).then_some(quote);
                continue;
            }
            match c {
                '"' | '\'' => open.quote = Some(c),
                '{' | '[' => open.brackets.push(c),
                '}' | ']' => drop(open.brackets.pop()),
                _ => {}
            }
            open.takes_a_key = match c {
                '{' => true,
                ',' => open.brackets.last() == Some(&'{'),
                ' ' | '\t' | '.' | '-' => open.takes_a_key,
                c => open.takes_a_key && is_word(c),
            };
        }
        open
    }

    fn closed(&self) -> String {
        self.brackets.iter().rev().map(|open| if *open == '{' { '}' } else { ']' }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(text: &str, taken: As, of: &str) -> Option<String> {
        let offset = text.find('$')?;
        let text = text.replacen('$', "", 1);
        let path = RelPath::new("a.ai.yml").ok()?;
        let probe = Probe::new(&path, &text, offset, taken)?;
        let value = probe.root.at(&of.split('/').collect::<Vec<_>>())?;
        Some(probe.original(value.span).of(&text).to_owned())
    }

    #[test]
    fn spans_lead_back_to_the_original() {
        assert_eq!(original("a: fo$o-bar\nb: c\n", As::Written, "a").as_deref(), Some("foo-bar"));
        assert_eq!(original("a: fo$o-bar\nb: ccc\n", As::Written, "b").as_deref(), Some("ccc"));
        assert_eq!(original("a:$\nb: ccc\n", As::Written, "b").as_deref(), Some("ccc"));
        assert_eq!(original("a: 1\nxy$\nb: ccc\n", As::Key, "b").as_deref(), Some("ccc"));
        assert_eq!(original("a: {b: \"x$y\", c: dd}\n", As::Written, "a/c").as_deref(), Some("dd"));
        assert_eq!(original("a: {b: \"x$y\", c: dd}\n", As::Written, "a/b").as_deref(), Some("\"xy\""));
    }

    #[test]
    fn a_word_alone_on_its_line_may_become_a_key() {
        let bare = |text: &str| {
            let offset = text.find('$').unwrap();
            let text = text.replacen('$', "", 1);
            Line::around(&text, word_at(&text, offset)).bare()
        };
        assert_eq!(bare("a:\n  mod$\n"), Some((false, 0)));
        assert_eq!(bare("  - mod$el # why"), Some((false, 0)));
        assert_eq!(bare("  -$"), Some((true, 0)));
        assert_eq!(bare("  user-$na-me"), Some((false, 3)));
        for text in ["a: b$", "mod$: x", "two wo$rds", "\"quo$te\"", "a$ b"] {
            assert_eq!(bare(text), None, "{text}");
        }
    }
}
