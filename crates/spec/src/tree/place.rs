//! Where a byte of a scalar's value stands in the source: through quotes, escapes, folding and block indentation.

use super::{Node, Style};
use aic_base::Span;

/// The place in `text` of these bytes of the value of a text node. Exact for scalars on one line and for literal blocks;
/// in folded text the blanks at a fold may be off by some. Where it cannot be told (an alias), the whole node.
pub fn place_in_scalar(text: &str, node: &Node, inside: Span) -> Span {
    place_inside(text, node, inside).unwrap_or(node.span)
}

/// [`place_in_scalar`], or nothing where the place cannot be told: whoever writes there needs to know.
pub fn place_inside(text: &str, node: &Node, inside: Span) -> Option<Span> {
    let value = node.as_str().filter(|_| node.style != Style::Alias)?;
    let source = node.span.of(text);
    let header = match node.style {
        Style::SingleQuoted | Style::DoubleQuoted => 1,
        // A line break right behind the quotes is none of the text.
        Style::TripleQuoted | Style::TripleLiteral => {
            let rest = source.get(3..)?;
            3 + ["\r\n", "\n"].into_iter().find(|line| rest.starts_with(line)).map_or(0, str::len)
        }
        _ => 0,
    };
    let base = node.span.start as usize;
    let walk = Walk { value, source, style: node.style, header };
    match (walk.offset_of(inside.start as usize), walk.offset_of(inside.end as usize)) {
        (Some(start), Some(end)) if start <= end => Some(Span::new(base + start, base + end)),
        _ => None,
    }
}

struct Walk<'a> {
    value: &'a str,
    source: &'a str,
    style: Style,
    header: usize,
}

impl Walk<'_> {
    /// The offset in the source of this offset in the value.
    fn offset_of(&self, wanted: usize) -> Option<usize> {
        let mut at = self.header;
        for (offset, c) in self.value.char_indices() {
            let rest = self.source.get(at..)?;
            let (skipped, len) = self.step(rest, c)?;
            if offset >= wanted {
                return Some(at + skipped);
            }
            at += skipped + len;
        }
        Some(at.min(self.source.len()))
    }

    /// How many bytes lie before the next character of the value, and how many it takes.
    fn step(&self, rest: &str, c: char) -> Option<(usize, usize)> {
        let next = rest.chars().next()?;
        if matches!(self.style, Style::DoubleQuoted | Style::TripleQuoted) && next == '\\' {
            return escape(rest, c);
        }
        if matches!(self.style, Style::TripleQuoted | Style::TripleLiteral) {
            // Nothing is folded or indented here; only a line break may be written with two characters.
            let broken = c == '\n' && rest.starts_with("\r\n");
            return if broken { Some((0, 2)) } else { (next == c).then_some((0, c.len_utf8())) };
        }
        if self.style == Style::SingleQuoted && rest.starts_with("''") && c == '\'' {
            return Some((0, 2));
        }
        if next == c {
            return Some((0, c.len_utf8()));
        }
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        if c == ' ' || c == '\n' {
            // A fold: the line break and the indentation after it stand for this one character.
            return Some((0, blank));
        }
        let after = rest.get(blank..)?;
        if self.style == Style::DoubleQuoted && after.starts_with('\\') {
            let (skipped, len) = escape(after, c)?;
            return Some((blank + skipped, len));
        }
        after.starts_with(c).then_some((blank, c.len_utf8()))
    }
}

/// An escape of a double-quoted scalar; an escaped line break stands for nothing and is skipped.
fn escape(rest: &str, c: char) -> Option<(usize, usize)> {
    let mut skipped = 0;
    loop {
        let here = rest.get(skipped..)?;
        if !here.starts_with('\\') {
            return here.starts_with(c).then_some((skipped, c.len_utf8()));
        }
        let kind = here.chars().nth(1)?;
        let after = here.get(1..)?;
        // TOML takes blanks between the sign and the line break.
        let blank = after.len() - after.trim_start().len();
        if after.get(..blank)?.contains('\n') {
            skipped += 1 + blank;
            continue;
        }
        let len = match kind {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            other => 1 + other.len_utf8(),
        };
        return Some((skipped, len.min(here.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn found(text: &str, word: &str) -> String {
        let root = parse(text).root.expect("a tree");
        let node = root.get("k").expect("a value");
        let at = node.as_str().expect("text").find(word).expect("the word");
        place_in_scalar(text, node, Span::new(at, at + word.len())).of(text).to_owned()
    }

    #[test]
    fn a_word_is_found_through_every_style() {
        for text in [
            "k: one two three",
            "k: 'it''s one two three'",
            "k: \"a\\tb \\u00e9 one two three\"",
            "k: |\n  zero\n    one two\n  three\n",
            "k: >-\n  zero\n  one two\n  three\n",
            "k: \"zero\n  one two\n  three\"\n",
            "k: |\r\n  zero\r\n  one two\r\n",
        ] {
            assert_eq!(found(text, "two"), "two", "{text:?}");
        }
    }

    #[test]
    fn an_escaped_character_covers_its_escape() {
        assert_eq!(found("k: \"a\\u00e9b\"", "é"), "\\u00e9");
        assert_eq!(found("k: 'a''b'", "'"), "''");
    }
}
