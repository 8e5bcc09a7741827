//! Positions of the protocol and bytes of a text: lines end with `\n`, `\r\n` or `\r`, columns count units of the encoding
//! that was agreed on. Every position leads to a whole character; what lies outside of the text is drawn to its edge.

use aic_base::Span;
use tower_lsp_server::ls_types::{Position, PositionEncodingKind, Range};

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// Bytes of UTF-8.
    Utf8,
    /// Units of UTF-16: what clients use that say nothing.
    #[default]
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

impl Encoding {
    /// The best of what a client offers: bytes need no counting.
    pub(crate) fn choose(offered: Option<&[PositionEncodingKind]>) -> Self {
        let offers = |kind: PositionEncodingKind| offered.is_some_and(|offered| offered.contains(&kind));
        if offers(PositionEncodingKind::UTF8) {
            Self::Utf8
        } else if offers(PositionEncodingKind::UTF32) && !offers(PositionEncodingKind::UTF16) {
            Self::Utf32
        } else {
            Self::Utf16
        }
    }

    pub(crate) const fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    const fn units(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, starts, encoding }
    }

    /// The byte of a position.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.starts.get(line) else { return self.text.len() };
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let content = self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r']);
        let mut left = position.character as usize;
        for (at, c) in content.char_indices() {
            let units = self.encoding.units(c);
            // A position inside of a character is drawn to its beginning.
            if left < units {
                return start + at;
            }
            left -= units;
        }
        start + content.len()
    }

    /// The position of a byte.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset.min(self.text.len()));
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        // A byte between `\r` and `\n` counts as the end of the line.
        let before = before.strip_suffix('\r').unwrap_or(before);
        let units: usize = before.chars().map(|c| self.encoding.units(c)).sum();
        Position::new(small(line), small(units))
    }

    pub(crate) fn range(&self, span: Span) -> Range {
        Range::new(self.position(span.start as usize), self.position(span.end as usize))
    }

    /// The bytes of a range; one that ends before it begins is empty.
    pub(crate) fn bytes(&self, range: Range) -> std::ops::Range<usize> {
        let start = self.offset(range.start);
        start..self.offset(range.end).max(start)
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

    #[test]
    fn a_column_counts_units_of_the_encoding() {
        let text = "aé😀b\nx";
        for (encoding, column) in [(Encoding::Utf8, 7), (Encoding::Utf16, 4), (Encoding::Utf32, 3)] {
            let lines = Lines::new(text, encoding);
            assert_eq!(lines.position(7), Position::new(0, column), "{encoding:?}");
            assert_eq!(lines.offset(Position::new(0, column)), 7, "{encoding:?}");
        }
        // In the middle of the pair of surrogates.
        assert_eq!(Lines::new(text, Encoding::Utf16).offset(Position::new(0, 3)), 3);
    }

    #[test]
    fn what_lies_outside_is_drawn_to_the_edge() {
        let lines = Lines::new("ab\r\ncd\re", Encoding::Utf16);
        assert_eq!(lines.offset(Position::new(0, 99)), 2);
        assert_eq!(lines.offset(Position::new(1, 99)), 6);
        assert_eq!(lines.offset(Position::new(2, 0)), 7);
        assert_eq!(lines.offset(Position::new(9, 0)), 8);
        assert_eq!(lines.position(3), Position::new(0, 2));
        assert_eq!(lines.position(99), Position::new(2, 1));
    }

    #[test]
    fn bytes_are_preferred_and_silence_means_utf_16() {
        let kinds = [PositionEncodingKind::UTF16, PositionEncodingKind::UTF8];
        assert_eq!(Encoding::choose(Some(&kinds)), Encoding::Utf8);
        assert_eq!(Encoding::choose(Some(&[PositionEncodingKind::UTF32])), Encoding::Utf32);
        assert_eq!(Encoding::choose(Some(&[])), Encoding::Utf16);
        assert_eq!(Encoding::choose(None), Encoding::Utf16);
    }

    proptest! {
        #[test]
        fn every_character_has_a_position_that_leads_back(text in "[ab\u{e9}\u{1F600}\n\r ]{0,40}") {
            for encoding in ENCODINGS {
                let lines = Lines::new(&text, encoding);
                for (at, _) in text.char_indices().chain([(text.len(), ' ')]) {
                    if at > 0 && text[..at].ends_with('\r') && text[at..].starts_with('\n') {
                        continue;
                    }
                    prop_assert_eq!(lines.offset(lines.position(at)), at);
                }
            }
        }

        #[test]
        fn every_position_leads_to_a_whole_character(
            text in "\\PC{0,20}[\n\r]?\\PC{0,20}", line in 0u32..5, character in 0u32..60
        ) {
            for encoding in ENCODINGS {
                let offset = Lines::new(&text, encoding).offset(Position::new(line, character));
                prop_assert!(text.is_char_boundary(offset));
            }
        }

        #[test]
        fn utf_16_columns_are_those_of_the_text_in_utf_16(text in "\\PC{0,30}") {
            let lines = Lines::new(&text, Encoding::Utf16);
            let units: Vec<u16> = text.encode_utf16().collect();
            for (at, _) in text.char_indices() {
                let column = lines.position(at).character as usize;
                prop_assert_eq!(String::from_utf16(&units[..column]).unwrap(), &text[..at]);
            }
        }
    }
}
