//! The editor of the spec pane: a buffer, the file it is of, what is wrong with it as it stands, and its popups. What
//! needs files or time is asked for as effects elsewhere; here is state only.

mod buffer;

pub use buffer::{Buffer, Kind, Motion, grapheme_width};

use crate::tui::ide::{Completion, Explanation};
use aic_base::{Digest, LineIndex, RelPath};
use aic_spec::{Diagnostic, Fix};

/// A file that is being edited.
#[derive(Debug, Clone)]
pub struct Editor {
    /// The spec that the file belongs to.
    pub spec: RelPath,
    /// The file.
    pub path: RelPath,
    /// The text.
    pub buffer: Buffer,
    /// What the file was when it was read or saved last.
    pub base: Digest,
    /// What the text is now.
    pub now: Digest,
    /// Counts edits, so that answers about an older text are known as such.
    pub edits: u64,
    /// What is wrong with the text, and with which one.
    pub found: Vec<Diagnostic>,
    /// The first line that is shown.
    pub top: usize,
    /// The first column that is shown.
    pub left: usize,
    /// What could stand at the cursor.
    pub completions: Option<Completions>,
    /// What stands at the cursor, explained.
    pub explanation: Option<Explanation>,
    /// What somebody else wrote into the file meanwhile, while this text was changed, too.
    pub theirs: Option<String>,
    /// Whether the spec pane shows it; else it is read there, and what is not saved waits here.
    pub open: bool,
}

/// A list of what could stand at the cursor.
#[derive(Debug, Clone)]
pub struct Completions {
    /// All of it.
    pub all: Vec<Completion>,
    /// The one that would be taken.
    pub at: usize,
    /// Whether the user has moved in the list: only then does Enter take one.
    pub chosen: bool,
}

impl Editor {
    /// Opens a text at a line, from 0.
    pub fn new(spec: RelPath, path: RelPath, text: &str, line: usize) -> Self {
        let mut buffer = Buffer::new(text);
        buffer.go_to_line(line);
        let base = Digest::of(text);
        Self {
            spec,
            path,
            buffer,
            base,
            now: base,
            edits: 0,
            found: Vec::new(),
            top: line.saturating_sub(10),
            left: 0,
            completions: None,
            explanation: None,
            theirs: None,
            open: true,
        }
    }

    /// Whether there is something to save.
    pub fn is_dirty(&self) -> bool {
        self.now != self.base
    }

    /// Takes note that the text has changed.
    pub fn changed(&mut self) {
        self.edits += 1;
        self.now = Digest::of(self.buffer.text());
        self.explanation = None;
    }

    /// Keeps the cursor in sight.
    pub fn follow_cursor(&mut self, height: usize, width: usize) {
        let (line, column) = self.buffer.shown_position();
        let height = height.max(1);
        self.top = self.top.min(line).max((line + 1).saturating_sub(height));
        self.left = self.left.min(column).max((column + 1).saturating_sub(width.max(1)));
    }

    /// The change that mends the first problem on the cursor's line that can be mended.
    pub fn fix(&self) -> Option<&Fix> {
        let text = self.buffer.text();
        let index = LineIndex::new(&text);
        let (line, _) = self.buffer.position();
        let here = self.found.iter().filter(|found| index.line_of((found.span.start as usize).min(text.len())) == line);
        here.filter_map(|found| found.fix.as_ref()).next()
    }

    /// Applies the change that mends.
    pub fn mend(&mut self) -> Option<String> {
        let fix = self.fix()?.clone();
        let mut edits = fix.edits;
        // From the back, so that earlier places stay right.
        edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        for (span, text) in edits {
            self.buffer.replace_bytes(span.range(), &text);
        }
        self.changed();
        Some(fix.title)
    }

    /// Takes the completion that is shown as chosen.
    pub fn take_completion(&mut self) -> bool {
        let Some(completions) = self.completions.take() else { return false };
        let Some(chosen) = completions.all.get(completions.at) else { return false };
        // The list is of an older text where one was typed meanwhile: up to the cursor is replaced then.
        let end = self.buffer.offset().max(chosen.replace.end as usize);
        let end = if chosen.replace.end as usize <= self.buffer.offset() { self.buffer.offset() } else { end };
        self.buffer.replace_bytes(chosen.replace.start as usize..end, &chosen.insert);
        self.changed();
        true
    }

    /// Breaks the line: the new one is indented as this one, and further below a key without a value.
    pub fn newline(&mut self) {
        let (line, column) = self.buffer.position();
        let before: String = self.buffer.line(line).chars().take(column).collect();
        let indent: String = before.chars().take_while(|c| *c == ' ').collect();
        let deeper = if before.trim_end().ends_with(':') { "  " } else { "" };
        self.buffer.insert(&format!("\n{indent}{deeper}"), Kind::Other);
        self.changed();
    }

    /// Takes what is on the disk in the place of this text, as an edit that can be taken back.
    pub fn take_theirs(&mut self, text: &str) {
        self.buffer.replace_all(text);
        self.changed();
        self.base = self.now;
        self.theirs = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::ide::Completion;
    use aic_base::Span;

    fn editor(text: &str) -> Editor {
        let path = RelPath::new("a.ai.yml").unwrap();
        Editor::new(path.clone(), path, text, 0)
    }

    #[test]
    fn a_new_line_is_indented_as_the_one_before_and_deeper_below_a_key() {
        let mut editor = editor("models:\n  primary:");
        editor.buffer.go(Motion::Bottom, false, 1);
        editor.newline();
        assert_eq!(editor.buffer.text(), "models:\n  primary:\n    ");
        editor.newline();
        assert_eq!(editor.buffer.line(3), "    ");
    }

    #[test]
    fn a_text_is_dirty_until_it_is_what_it_was() {
        let mut editor = editor("a");
        editor.buffer.insert("b", Kind::Typing);
        editor.changed();
        assert!(editor.is_dirty());
        editor.buffer.undo();
        editor.changed();
        assert!(!editor.is_dirty());
    }

    #[test]
    fn a_completion_replaces_what_was_typed_of_it_also_after_it_was_asked_for() {
        let mut editor = editor("mod");
        editor.buffer.go(Motion::End, false, 1);
        let one = Completion {
            label: "models".into(),
            insert: "models:".into(),
            replace: Span::new(0, 2),
            ..Completion::default()
        };
        editor.completions = Some(Completions { all: vec![one], at: 0, chosen: false });
        assert!(editor.take_completion());
        assert_eq!(editor.buffer.text(), "models:");
    }
}
