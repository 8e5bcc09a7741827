//! `aic fmt`: one layout for everybody. Two spaces a level, one blank at a colon, at most one empty line, no blanks at the end.
//!
//! Comments, quotes and the order of keys stay. Nothing is written that does not say the same: what comes out is parsed and
//! compared with what went in, values and comments, and where it differs less is changed.

mod layout;
mod lines;

use crate::emit::same;
use crate::tree::{self, Parsed, SyntaxKind, parse};
use aic_base::Span;

/// How often the layout is laid out anew until it stays as it is.
const ROUNDS: usize = 4;

/// Why a text is not formatted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read as a whole.
    #[error("it is not formatted, because it cannot be read: {message}")]
    Broken {
        /// Where.
        span: Span,
        /// Why.
        message: String,
    },
}

/// The text in the one layout.
///
/// # Errors
/// [`FormatError::Broken`] where the text has mistakes of form; a key that stands twice is none.
pub fn format(text: &str) -> Result<String, FormatError> {
    let parsed = parse(text);
    if let Some(error) = parsed.errors.iter().find(|error| error.kind != SyntaxKind::DuplicateKey) {
        return Err(FormatError::Broken { span: error.span, message: error.message.clone() });
    }
    let mut now = text.to_owned();
    for _ in 0..ROUNDS {
        let next = once(&now);
        if next == now {
            break;
        }
        now = next;
    }
    Ok(now)
}

/// Lays a text out once, as far as it keeps what it says.
fn once(text: &str) -> String {
    let before = parse(text);
    let plain = lines::plain(text);
    let read = parse(&plain);
    if !says_the_same(text, &before, &plain) {
        return text.to_owned();
    }
    let root = read.root.as_deref();
    let laid_out = root.map(|root| layout::layout(&plain, root));
    let kept = |candidate: &String| says_the_same(&plain, &read, candidate);
    let trimmed = || Some(lines::trimmed(&plain, root)).filter(kept);
    laid_out.filter(kept).or_else(trimmed).unwrap_or(plain)
}

/// Whether a candidate has the values, the mistakes and the comments of a text.
fn says_the_same(text: &str, before: &Parsed, candidate: &str) -> bool {
    let after = parse(candidate);
    let roots = match (&before.root, &after.root) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    roots && before.errors.len() == after.errors.len() && tree::comments(text) == tree::comments(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let out = format(text).unwrap();
        assert_eq!(format(&out).unwrap(), out, "formatting twice changes nothing");
        out
    }

    #[test]
    fn blocks_are_indented_by_two_and_blanks_are_one() {
        let text =
            "a:\n    b:   1   # one\n    c:\n    - x\n    -   y: 1\n        z: 2\n\n\n\nd: {e:  1,f: [ 1,2 ]}   \n";
        assert_eq!(
            formatted(text),
            "a:\n  b: 1   # one\n  c:\n    - x\n    - y: 1\n      z: 2\n\nd: {e: 1, f: [1, 2]}\n"
        );
    }

    #[test]
    fn comments_stay_where_they_belong() {
        let text = "# top\n\na:\n    # of b\n    b: 1\n    # at the end of a\n# of c\nc: 2\n  # odd\n";
        assert_eq!(formatted(text), "# top\n\na:\n  # of b\n  b: 1\n  # at the end of a\n# of c\nc: 2\n# odd\n");
    }

    #[test]
    fn multi_line_texts_keep_what_they_say() {
        let text = "a:\n      lit: |\n            one\n              two\n\n            three  \n      fold: >-\n        x\n        y\n      plain: one\n          two\n      quoted: \"one\n          two\"\n      list: [a,\n             b]\n";
        assert_eq!(
            formatted(text),
            "a:\n  lit: |\n    one\n      two\n\n    three  \n  fold: >-\n    x\n    y\n  plain: one\n    two\n  quoted: \"one\n    two\"\n  list: [a,\n         b]\n"
        );
    }

    #[test]
    fn marks_line_ends_and_missing_ends_are_made_plain() {
        assert_eq!(formatted("\u{feff}a: 1\r\nb: 2"), "a: 1\nb: 2\n");
        assert_eq!(formatted(""), "");
        assert_eq!(formatted("# only\n\n\n"), "# only\n");
    }

    #[test]
    fn anchors_aliases_and_merges_survive() {
        let text = "base: &b\n    x: 1\none:\n    <<: *b\n    y:  2\ntwo: [*b,  *b, &c 3, *c]\n";
        assert_eq!(formatted(text), "base: &b\n  x: 1\none:\n  <<: *b\n  y: 2\ntwo: [*b, *b, &c 3, *c]\n");
    }

    #[test]
    fn one_blank_stands_behind_a_colon_whatever_follows() {
        let text = "model:    &m   x\nsystem:   |+\n  a\n\nuser:    >-\n  b\ndescription:      !!str    abc\nlist:\n  -   &a   y\nq : 1\n";
        assert_eq!(
            formatted(text),
            "model: &m x\nsystem: |+\n  a\n\nuser: >-\n  b\ndescription: !!str abc\nlist:\n  - &a y\nq: 1\n"
        );
    }

    #[test]
    fn a_comment_at_the_edge_at_the_end_is_no_part_of_the_list() {
        assert_eq!(formatted("tests:\n- a\n# end\n"), "tests:\n  - a\n# end\n");
        assert_eq!(formatted("tests:\n- a\n# of b\n- b\n"), "tests:\n  - a\n  # of b\n  - b\n");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_place() {
        let FormatError::Broken { span, message } = format("a: 1\nb: \"open\n").unwrap_err();
        assert_eq!(span.of("a: 1\nb: \"open\n"), "\"open");
        assert!(message.contains("quote"), "{message}");
    }
}
