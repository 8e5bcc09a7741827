//! The words of a condition, one by one: enough to colour them and to find names in them. Whether they make sense is for
//! the guard crate to say.

use aic_guard::Place as At;
use aic_guard::condition::{functions, names_in};
use std::ops::Range;

/// What a word of a condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A path of names that a condition has here: `tool.args`.
    Name,
    /// Another name: a variable of `exists`, a field of a value.
    Field,
    /// A function, before its bracket.
    Function,
    /// A function after a dot.
    Method,
    /// Text in quotes, the quotes included.
    Text,
    /// A number.
    Number,
    /// `true`, `false`, `null`, `in`.
    Keyword,
    /// Signs that compute or compare.
    Operator,
    /// Brackets, commas, dots.
    Other,
}

/// A word of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// The words of a condition, in order. Never fails: what is no word is left out.
pub(super) fn words(text: &str, at: At) -> Vec<Word> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(c) = text.get(offset..).and_then(|rest| rest.chars().next()) {
        let rest = &text[offset..];
        let (kind, len) = match c {
            '"' | '\'' => (Kind::Text, quoted(rest, c)),
            _ if is_letter(c) => {
                let path = name(rest);
                words_of_path(text, offset, path, at, &mut found);
                offset += path;
                continue;
            }
            _ if c.is_ascii_digit() => (Kind::Number, number(rest)),
            '=' | '!' | '<' | '>' | '&' | '|' | '+' | '-' | '*' | '/' | '%' | '?' | ':' => {
                let double = rest.get(..2).is_some_and(|two| ["==", "!=", "<=", ">=", "&&", "||"].contains(&two));
                (Kind::Operator, if double { 2 } else { 1 })
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | '.' => (Kind::Other, 1),
            other => {
                offset += other.len_utf8();
                continue;
            }
        };
        found.push(Word { kind, range: offset..offset + len });
        offset += len;
    }
    found
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn number(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len())
}

/// The length of a name with the names after its dots.
fn name(rest: &str) -> usize {
    let mut end = 0;
    loop {
        let part = &rest[end..];
        let len = part.find(|c: char| !(is_letter(c) || c.is_numeric())).unwrap_or(part.len());
        if len == 0 || !part.starts_with(is_letter) {
            // A dot at the end, with nothing after it yet.
            return end.saturating_sub(1);
        }
        end += len;
        if !rest[end..].starts_with('.') {
            return end;
        }
        end += 1;
    }
}

fn words_of_path(text: &str, start: usize, len: usize, at: At, found: &mut Vec<Word>) {
    let path = &text[start..start + len];
    let after_dot = text[..start].trim_end().ends_with('.');
    if matches!(path, "true" | "false" | "null" | "in") && !after_dot {
        found.push(Word { kind: Kind::Keyword, range: start..start + len });
        return;
    }
    let called = text[start + len..].trim_start().starts_with('(');
    let known = if after_dot { 0 } else { known_path(path, at) };
    let mut from = start;
    for (index, part) in path.split('.').enumerate() {
        let range = from..from + part.len();
        let last = range.end == start + len;
        let inside = range.end - start <= known;
        let method = index > 0 || after_dot;
        let kind = match (last && called, inside) {
            (true, false) if functions().iter().any(|of| of.method == method && of.name == part) => {
                if method {
                    Kind::Method
                } else {
                    Kind::Function
                }
            }
            (_, true) => Kind::Name,
            _ => Kind::Field,
        };
        if !part.is_empty() {
            found.push(Word { kind, range: range.clone() });
        }
        from = range.end + 1;
    }
}

/// How much of a path is a name that conditions have here.
fn known_path(path: &str, at: At) -> usize {
    let mut best = 0;
    for name in names_in(at) {
        let mut len = 0;
        let mut parts = path.split('.');
        // `NAME` stands for a name of the author's own; the beginning of a name counts: `tool` of `tool.args`.
        for wanted in name.name.split('.') {
            match parts.next() {
                Some(part) if part == wanted || (wanted == "NAME" && !part.is_empty()) => {
                    len += part.len() + usize::from(len > 0);
                }
                _ => break,
            }
        }
        best = best.max(len);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, at: At) -> Vec<(String, Kind)> {
        let words = words(text, at).into_iter().filter(|word| word.kind != Kind::Other);
        words.map(|word| (text[word.range].to_owned(), word.kind)).collect()
    }

    #[test]
    fn names_functions_texts_and_operators_are_told_apart() {
        let found = shown("tool.args.amount > 1.5 && input.startsWith('a\\'b') && !contains([\"x\"])", At::Guard);
        let found: Vec<_> = found.iter().map(|(text, kind)| (text.as_str(), *kind)).collect();
        assert_eq!(
            found,
            [
                ("tool", Kind::Name),
                ("args", Kind::Name),
                ("amount", Kind::Field),
                (">", Kind::Operator),
                ("1.5", Kind::Number),
                ("&&", Kind::Operator),
                ("input", Kind::Name),
                ("startsWith", Kind::Method),
                ("'a\\'b'", Kind::Text),
                ("&&", Kind::Operator),
                ("!", Kind::Operator),
                ("contains", Kind::Function),
                ("\"x\"", Kind::Text),
            ]
        );
    }

    #[test]
    fn each_place_has_its_own_names() {
        assert_eq!(shown("error_rate", At::Alerts)[0].1, Kind::Name);
        assert_eq!(shown("error_rate", At::Guard)[0].1, Kind::Field);
        let step = shown("steps.triage.output in [true]", At::ComposeStep);
        assert!(step[..3].iter().all(|(_, kind)| *kind == Kind::Name), "{step:?}");
        assert_eq!(step[3].1, Kind::Keyword);
    }

    proptest::proptest! {
        #[test]
        fn every_word_lies_in_the_text_after_the_one_before(text in "[a-z.'\"()\\\\ é1&|=]{0,40}") {
            let mut end = 0;
            for word in words(&text, At::Guard) {
                proptest::prop_assert!(word.range.start >= end && text.get(word.range.clone()).is_some_and(|t| !t.is_empty()));
                end = word.range.end;
            }
        }
    }
}
