//! Where the bytes of a repaired text stood in the original.

use std::ops::Range;

/// Changes to a text, in the order of the original. Each replaces a range, which may be empty, by ASCII text.
#[derive(Debug, Clone, Default)]
pub(super) struct Patches(Vec<(Range<usize>, String)>);

impl Patches {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Inserts at an offset of the original, after what was inserted there before. No effect inside a removed range.
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        if self.0.iter().any(|(range, _)| range.start < at && at < range.end) {
            return;
        }
        let index = self.0.partition_point(|(range, _)| range.start <= at);
        self.0.insert(index, (at..at, text.to_owned()));
    }

    /// Replaces a range of the original; changes inside it are forgotten.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        self.0.retain(|(old, _)| {
            old.end < range.start || old.start > range.end || (old.end == range.start && old.start < range.start)
        });
        let index = self.0.partition_point(|(old, _)| old.start < range.start);
        self.0.insert(index, (range, text.to_owned()));
    }

    /// The repaired text and the way back.
    pub(super) fn apply(&self, original: &str) -> (String, Offsets) {
        let mut text = String::with_capacity(original.len() + self.0.len());
        let mut pieces = Vec::with_capacity(self.0.len() + 1);
        let mut from = 0;
        for (range, with) in &self.0 {
            if range.start < from {
                continue;
            }
            let Some(kept) = original.get(from..range.start) else { continue };
            pieces.push(Piece { here: text.len(), original: from, len: kept.len() });
            text.push_str(kept);
            text.push_str(with);
            from = range.end;
        }
        let rest = original.get(from..).unwrap_or("");
        pieces.push(Piece { here: text.len(), original: from, len: rest.len() });
        text.push_str(rest);
        (text, Offsets { pieces })
    }
}

/// A stretch of text that was kept.
#[derive(Debug, Clone, Copy)]
struct Piece {
    here: usize,
    original: usize,
    len: usize,
}

/// Offsets of a repaired text to offsets of the original.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    pieces: Vec<Piece>,
}

impl Offsets {
    /// Of a text that was not repaired.
    pub(super) fn identity(len: usize) -> Self {
        Self { pieces: vec![Piece { here: 0, original: 0, len }] }
    }

    /// Where an offset of the repaired text stood; what was inserted stands where it was inserted.
    pub(super) fn original(&self, offset: usize) -> usize {
        let index = self.pieces.partition_point(|piece| piece.here <= offset);
        let piece = index.checked_sub(1).and_then(|index| self.pieces.get(index));
        piece.map_or(0, |piece| piece.original + (offset - piece.here).min(piece.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lead_back_over_insertions_and_removals() {
        let mut patches = Patches::default();
        patches.insert(3, "\"");
        patches.replace(5..7, "");
        let (text, offsets) = patches.apply("abcdefghi");
        assert_eq!(text, "abc\"dehi");
        let back: Vec<usize> = (0..=text.len()).map(|at| offsets.original(at)).collect();
        assert_eq!(back, [0, 1, 2, 3, 3, 4, 7, 8, 9]);
    }

    #[test]
    fn a_replaced_line_forgets_its_repairs() {
        let mut patches = Patches::default();
        patches.insert(2, "\"");
        patches.replace(0..4, "");
        patches.insert(3, ":");
        assert_eq!(patches.apply("abcd\nef").0, "\nef");
    }
}
