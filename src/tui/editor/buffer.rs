//! A text that is being changed: a rope, a cursor that stands between graphemes, a selection, and edits that can be taken
//! back. Knows nothing of files, screens or specs.

use ropey::Rope;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// How a tab is shown, in columns.
pub const TAB: usize = 4;
/// The most bytes of taken-out and put-in text that are remembered for undoing.
const MOST_HISTORY: usize = 64 << 20;

/// Where the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they say it")]
pub enum Motion {
    Left,
    Right,
    Up,
    Down,
    WordLeft,
    WordRight,
    Home,
    End,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

/// What kind of edit it was: edits of one kind in a row are taken back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Characters were typed.
    Typing,
    /// Characters were deleted.
    Deleting,
    /// Anything else: stands alone.
    Other,
}

#[derive(Debug, Clone)]
struct Change {
    at: usize,
    removed: String,
    inserted: String,
    before: usize,
    kind: Kind,
}

/// The text. Places are counted in Unicode scalar values, as the rope does.
#[derive(Debug, Clone)]
pub struct Buffer {
    rope: Rope,
    cursor: usize,
    anchor: Option<usize>,
    /// The column that moving up and down aims for.
    goal: Option<usize>,
    done: Vec<Change>,
    undone: Vec<Change>,
    kept: usize,
    /// Whether the next edit begins a group of its own.
    sealed: bool,
    /// Counts changes of the text.
    version: u64,
}

impl Buffer {
    /// A text with the cursor at its start.
    pub fn new(text: &str) -> Self {
        Self {
            rope: Rope::from_str(text),
            cursor: 0,
            anchor: None,
            goal: None,
            done: Vec::new(),
            undone: Vec::new(),
            kept: 0,
            sealed: true,
            version: 0,
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.rope.to_string()
    }

    /// A number that grows with every change of the text.
    pub const fn text_version(&self) -> u64 {
        self.version
    }

    /// How many lines it has; at least one.
    pub fn lines(&self) -> usize {
        self.rope.len_lines()
    }

    /// A line without its end.
    pub fn line(&self, line: usize) -> String {
        let mut text = self.rope.get_line(line).map(|line| line.to_string()).unwrap_or_default();
        while text.ends_with(['\n', '\r']) {
            text.pop();
        }
        text
    }

    /// The cursor's place.
    #[cfg(test)]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// The cursor's place in bytes.
    pub fn offset(&self) -> usize {
        self.rope.char_to_byte(self.cursor)
    }

    /// Line and character in it, both from 0.
    pub fn position(&self) -> (usize, usize) {
        self.position_of(self.cursor)
    }

    fn position_of(&self, at: usize) -> (usize, usize) {
        let line = self.rope.char_to_line(at.min(self.rope.len_chars()));
        (line, at - self.rope.line_to_char(line))
    }

    /// The column on the screen at which the cursor stands, and its line.
    pub fn shown_position(&self) -> (usize, usize) {
        let (line, at) = self.position();
        let before: String = self.line(line).chars().take(at).collect();
        (line, shown_width(&before))
    }

    /// The selected places; none where nothing is selected.
    pub fn selection(&self) -> Option<Range<usize>> {
        let anchor = self.anchor.filter(|anchor| *anchor != self.cursor)?;
        Some(anchor.min(self.cursor)..anchor.max(self.cursor))
    }

    /// The part of a line that is selected, in characters of the line.
    pub fn selection_on(&self, line: usize) -> Option<Range<usize>> {
        let selection = self.selection()?;
        let start = self.rope.try_line_to_char(line).ok()?;
        let end = start + self.line(line).chars().count();
        // A selected line end shows as one more column.
        let range = selection.start.max(start)..selection.end.min(end + 1);
        (range.start < range.end).then(|| range.start - start..range.end - start)
    }

    /// The selected text.
    pub fn selected(&self) -> Option<String> {
        let selection = self.selection()?;
        self.rope.get_slice(selection).map(|slice| slice.to_string())
    }

    /// Selects everything.
    pub fn select_all(&mut self) {
        self.anchor = Some(0);
        self.cursor = self.rope.len_chars();
    }

    /// Moves to a line, at most the last.
    pub fn go_to_line(&mut self, line: usize) {
        self.cursor = self.rope.line_to_char(line.min(self.lines().saturating_sub(1)));
        (self.anchor, self.goal, self.sealed) = (None, None, true);
    }

    /// Moves to what is shown at a column of a line, or to the nearest place.
    pub fn go_to(&mut self, line: usize, column: usize) {
        self.go_to_line(line);
        self.cursor = self.at_column(self.position().0, column);
    }

    /// Moves the cursor; with `select`, one end of the selection. `page` is a page's height in lines.
    pub fn go(&mut self, motion: Motion, select: bool, page: usize) {
        self.sealed = true;
        if select {
            self.anchor.get_or_insert(self.cursor);
        } else if let Some(selection) = self.selection() {
            self.anchor = None;
            // Moving sideways out of a selection goes to its end on that side.
            match motion {
                Motion::Left => return self.cursor = selection.start,
                Motion::Right => return self.cursor = selection.end,
                _ => {}
            }
        } else {
            self.anchor = None;
        }
        let vertical = |lines: isize| self.vertical(lines);
        let (cursor, goal) = match motion {
            Motion::Left => (self.before(self.cursor), None),
            Motion::Right => (self.after(self.cursor), None),
            Motion::Up => vertical(-1),
            Motion::Down => vertical(1),
            Motion::PageUp => vertical(-isize::try_from(page).unwrap_or(1)),
            Motion::PageDown => vertical(isize::try_from(page).unwrap_or(1)),
            Motion::WordLeft => (self.word_before(self.cursor), None),
            Motion::WordRight => (self.word_after(self.cursor), None),
            Motion::Home => (self.home(), None),
            Motion::End => {
                let (line, _) = self.position();
                (self.rope.line_to_char(line) + self.line(line).chars().count(), None)
            }
            Motion::Top => (0, None),
            Motion::Bottom => (self.rope.len_chars(), None),
        };
        (self.cursor, self.goal) = (cursor, goal);
    }

    /// The start of the line's text, or of the line where the cursor is there already.
    fn home(&self) -> usize {
        let (line, at) = self.position();
        let indent = self.line(line).chars().take_while(|c| matches!(c, ' ' | '\t')).count();
        self.rope.line_to_char(line) + if at == indent { 0 } else { indent }
    }

    fn vertical(&self, lines: isize) -> (usize, Option<usize>) {
        let (line, column) = self.shown_position();
        let goal = self.goal.unwrap_or(column);
        let last = self.lines().saturating_sub(1);
        let to = line.saturating_add_signed(lines).min(last);
        if to == line {
            let end = if lines < 0 { 0 } else { self.rope.len_chars() };
            return (end, Some(goal));
        }
        (self.at_column(to, goal), Some(goal))
    }

    /// The place of a line that is shown at a column, or the nearest one before it.
    fn at_column(&self, line: usize, column: usize) -> usize {
        let (mut at, mut width) = (0, 0);
        for grapheme in self.line(line).graphemes(true) {
            let wide = grapheme_width(grapheme, width);
            if width + wide > column {
                break;
            }
            width += wide;
            at += grapheme.chars().count();
        }
        self.rope.line_to_char(line) + at
    }

    fn before(&self, at: usize) -> usize {
        let (line, column) = self.position_of(at);
        if column == 0 {
            return match line {
                0 => 0,
                line => self.rope.line_to_char(line - 1) + self.line(line - 1).chars().count(),
            };
        }
        let text: String = self.line(line).chars().take(column).collect();
        let last = text.graphemes(true).next_back().map_or(1, |grapheme| grapheme.chars().count());
        at - last.min(at)
    }

    fn after(&self, at: usize) -> usize {
        let (line, column) = self.position_of(at);
        let text: String = self.line(line).chars().skip(column).collect();
        match text.graphemes(true).next() {
            Some(grapheme) => at + grapheme.chars().count(),
            None if line + 1 < self.lines() => self.rope.line_to_char(line + 1),
            None => at,
        }
    }

    fn word_before(&self, at: usize) -> usize {
        let mut at = at;
        while at > 0 && !is_word(self.rope.char(at - 1)) {
            at -= 1;
        }
        while at > 0 && is_word(self.rope.char(at - 1)) {
            at -= 1;
        }
        at
    }

    fn word_after(&self, at: usize) -> usize {
        let (mut at, end) = (at, self.rope.len_chars());
        while at < end && !is_word(self.rope.char(at)) {
            at += 1;
        }
        while at < end && is_word(self.rope.char(at)) {
            at += 1;
        }
        at
    }

    /// Puts a text in the place of the selection, else at the cursor.
    pub fn insert(&mut self, text: &str, kind: Kind) {
        let range = self.selection().unwrap_or(self.cursor..self.cursor);
        let kind = if range.is_empty() { kind } else { Kind::Other };
        self.replace(range, text, kind);
    }

    /// Deletes the selection, else the grapheme before or after the cursor.
    pub fn delete(&mut self, forward: bool) {
        let range = match self.selection() {
            Some(range) => range,
            None if forward => self.cursor..self.after(self.cursor),
            None => self.before(self.cursor)..self.cursor,
        };
        self.replace(range, "", Kind::Deleting);
    }

    /// Deletes the word before the cursor.
    pub fn delete_word(&mut self) {
        let range = self.selection().unwrap_or_else(|| self.word_before(self.cursor)..self.cursor);
        self.replace(range, "", Kind::Other);
    }

    /// Takes up to two spaces from the start of the cursor's line.
    pub fn outdent(&mut self) {
        let (line, column) = self.position();
        let count = self.line(line).chars().take(2).take_while(|c| *c == ' ').count();
        if count == 0 {
            return;
        }
        let start = self.rope.line_to_char(line);
        self.replace(start..start + count, "", Kind::Other);
        self.cursor = start + column.saturating_sub(count);
    }

    /// Replaces a range of bytes: what completions and mends do. Ranges outside the text are clamped.
    pub fn replace_bytes(&mut self, range: Range<usize>, text: &str) {
        let at = |byte: usize| self.rope.byte_to_char(byte.min(self.rope.len_bytes()));
        let range = at(range.start)..at(range.end.max(range.start));
        self.replace(range, text, Kind::Other);
    }

    /// Puts another text in the place of this one, as one edit, and stays on the line.
    pub fn replace_all(&mut self, text: &str) {
        let (line, _) = self.position();
        self.replace(0..self.rope.len_chars(), text, Kind::Other);
        self.go_to_line(line);
    }

    fn replace(&mut self, range: Range<usize>, text: &str, kind: Kind) {
        if range.is_empty() && text.is_empty() {
            return;
        }
        let removed = self.rope.slice(range.clone()).to_string();
        let change = Change { at: range.start, removed, inserted: text.to_owned(), before: self.cursor, kind };
        self.apply(&change, false);
        self.undone.clear();
        self.kept += change.removed.len() + change.inserted.len();
        let seal = self.sealed || kind == Kind::Other || text.contains(char::is_whitespace);
        self.sealed = kind == Kind::Other;
        match self.done.last_mut() {
            Some(last) if !seal && last.kind == kind && joins(last, &change) => {
                if kind == Kind::Typing {
                    last.inserted.push_str(&change.inserted);
                } else if change.at == last.at {
                    last.removed.push_str(&change.removed);
                } else {
                    last.removed.insert_str(0, &change.removed);
                    last.at = change.at;
                }
            }
            _ => self.done.push(change),
        }
        while self.kept > MOST_HISTORY && self.done.len() > 1 {
            let oldest = self.done.remove(0);
            self.kept = self.kept.saturating_sub(oldest.removed.len() + oldest.inserted.len());
        }
    }

    fn apply(&mut self, change: &Change, back: bool) {
        let (out, put) = if back { (&change.inserted, &change.removed) } else { (&change.removed, &change.inserted) };
        let end = change.at + out.chars().count();
        self.rope.remove(change.at..end);
        self.rope.insert(change.at, put);
        self.cursor = change.at + put.chars().count();
        (self.anchor, self.goal) = (None, None);
        self.version += 1;
    }

    /// Takes the last edit back; false where there is none.
    pub fn undo(&mut self) -> bool {
        let Some(change) = self.done.pop() else { return false };
        self.apply(&change, true);
        self.cursor = change.before.min(self.rope.len_chars());
        self.sealed = true;
        self.undone.push(change);
        true
    }

    /// Makes an edit again; false where there is none.
    pub fn redo(&mut self) -> bool {
        let Some(change) = self.undone.pop() else { return false };
        self.apply(&change, false);
        self.sealed = true;
        self.done.push(change);
        true
    }
}

fn joins(last: &Change, change: &Change) -> bool {
    match change.kind {
        Kind::Typing => last.at + last.inserted.chars().count() == change.at,
        Kind::Deleting => change.at == last.at || change.at + change.removed.chars().count() == last.at,
        Kind::Other => false,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The columns of a grapheme that begins at a column: tabs go to the next stop.
pub fn grapheme_width(grapheme: &str, column: usize) -> usize {
    if grapheme == "\t" { TAB - column % TAB } else { grapheme.width() }
}

/// The columns of a text that begins at column 0.
pub fn shown_width(text: &str) -> usize {
    text.graphemes(true).fold(0, |column, grapheme| column + grapheme_width(grapheme, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(buffer: &mut Buffer, text: &str) {
        text.chars().for_each(|c| buffer.insert(&c.to_string(), Kind::Typing));
    }

    #[test]
    fn a_typed_word_is_taken_back_at_once_and_made_again() {
        let mut buffer = Buffer::new("");
        typed(&mut buffer, "hello big world");
        buffer.undo();
        assert_eq!(buffer.text(), "hello big");
        buffer.undo();
        assert_eq!(buffer.text(), "hello");
        buffer.redo();
        assert_eq!(buffer.text(), "hello big");
        typed(&mut buffer, "!");
        assert!(!buffer.redo(), "a new edit ends what could be made again");
    }

    #[test]
    fn the_cursor_never_stands_inside_a_grapheme() {
        let family = "👩‍👩‍👧";
        let mut buffer = Buffer::new(&format!("a{family}e\u{301}b"));
        buffer.go(Motion::Right, false, 1);
        buffer.go(Motion::Right, false, 1);
        assert_eq!(buffer.cursor(), 1 + family.chars().count());
        buffer.delete(false);
        assert_eq!(buffer.text(), "ae\u{301}b");
        buffer.delete(true);
        assert_eq!(buffer.text(), "ab");
    }

    #[test]
    fn moving_down_keeps_the_column_over_short_lines() {
        let mut buffer = Buffer::new("long line\nx\nlong again");
        buffer.go(Motion::End, false, 1);
        buffer.go(Motion::Down, false, 1);
        assert_eq!(buffer.position(), (1, 1));
        buffer.go(Motion::Down, false, 1);
        assert_eq!(buffer.position(), (2, 9));
    }

    #[test]
    fn what_is_selected_is_replaced() {
        let mut buffer = Buffer::new("one two\nthree");
        buffer.go(Motion::WordRight, true, 1);
        assert_eq!(buffer.selected().as_deref(), Some("one"));
        buffer.insert("1", Kind::Typing);
        assert_eq!(buffer.text(), "1 two\nthree");
        buffer.select_all();
        assert_eq!(buffer.selection_on(0), Some(0..6));
        buffer.delete(false);
        assert_eq!(buffer.text(), "");
        buffer.undo();
        buffer.undo();
        assert_eq!(buffer.text(), "one two\nthree");
    }

    #[test]
    fn carriage_returns_stay_and_are_no_part_of_a_line() {
        let mut buffer = Buffer::new("a\r\nb\r\n");
        assert_eq!((buffer.line(0).as_str(), buffer.lines()), ("a", 3));
        buffer.go(Motion::End, false, 1);
        typed(&mut buffer, "!");
        assert_eq!(buffer.text(), "a!\r\nb\r\n");
        buffer.go(Motion::Right, false, 1);
        assert_eq!(buffer.position(), (1, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(String),
        Go(Motion, bool),
        Delete(bool),
        Word,
        Undo,
        Redo,
        Outdent,
        Bytes(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        use Motion::{Bottom, Down, End, Home, Left, PageDown, PageUp, Right, Top, Up, WordLeft, WordRight};
        let motions = [Left, Right, Up, Down, WordLeft, WordRight, Home, End, PageUp, PageDown, Top, Bottom];
        prop_oneof![
            "[a \n\r\té👩🏽\u{301}\u{200d}]{0,4}".prop_map(Step::Insert),
            (proptest::sample::select(motions.to_vec()), any::<bool>())
                .prop_map(|(motion, select)| Step::Go(motion, select)),
            any::<bool>().prop_map(Step::Delete),
            Just(Step::Word),
            Just(Step::Undo),
            Just(Step::Redo),
            Just(Step::Outdent),
            (0..40_usize, 0..40_usize).prop_map(|(a, b)| Step::Bytes(a, b)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_panics_and_undoing_everything_gives_the_first_text(
            text in "[a \n\r\té👩🏽\u{301}\u{200d}]{0,20}",
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut buffer = Buffer::new(&text);
            for step in steps {
                match step {
                    Step::Insert(text) => buffer.insert(&text, Kind::Typing),
                    Step::Go(motion, select) => buffer.go(motion, select, 3),
                    Step::Delete(forward) => buffer.delete(forward),
                    Step::Word => buffer.delete_word(),
                    Step::Undo => { buffer.undo(); }
                    Step::Redo => { buffer.redo(); }
                    Step::Outdent => buffer.outdent(),
                    Step::Bytes(a, b) => buffer.replace_bytes(a..b, "x"),
                }
                prop_assert!(buffer.cursor() <= buffer.text().chars().count());
                let _ = (buffer.shown_position(), buffer.selected());
                for line in 0..buffer.lines() {
                    let _ = buffer.selection_on(line);
                }
            }
            while buffer.undo() {}
            prop_assert_eq!(buffer.text(), text);
        }
    }
}
