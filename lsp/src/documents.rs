//! The open documents: their text as the client has it, saved or not.

use crate::home::{Home, Key};
use crate::position::{Encoding, Lines};
use aic_base::{MemorySource, OverlaySource, Source};
use std::collections::HashMap;
use std::sync::Arc;
use tower_lsp_server::ls_types::{TextDocumentContentChangeEvent, Uri};

/// One open document.
#[derive(Clone)]
pub(crate) struct Document {
    /// Where it lies.
    pub(crate) home: Home,
    /// Its text.
    pub(crate) text: Arc<str>,
    /// The client's number for this text.
    pub(crate) version: i32,
}

impl Document {
    /// The text after these changes, each made to what the one before it left.
    pub(crate) fn change(&mut self, changes: Vec<TextDocumentContentChangeEvent>, version: i32, encoding: Encoding) {
        for change in changes {
            self.text = match change.range {
                None => change.text.into(),
                Some(range) => {
                    let bytes = Lines::new(&self.text, encoding).bytes(range);
                    let (before, after) = (self.text.get(..bytes.start), self.text.get(bytes.end..));
                    let (before, after) = (before.unwrap_or(""), after.unwrap_or(""));
                    [before, &change.text, after].concat().into()
                }
            };
        }
        self.version = version;
    }
}

/// All open documents, by address.
#[derive(Default, Clone)]
pub(crate) struct Documents(HashMap<Uri, Document>);

impl Documents {
    pub(crate) fn open(&mut self, uri: Uri, document: Document) {
        self.0.insert(uri, document);
    }

    pub(crate) fn close(&mut self, uri: &Uri) -> Option<Document> {
        self.0.remove(uri)
    }

    pub(crate) fn get(&self, uri: &Uri) -> Option<&Document> {
        self.0.get(uri)
    }

    pub(crate) fn get_mut(&mut self, uri: &Uri) -> Option<&mut Document> {
        self.0.get_mut(uri)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Uri, &Document)> {
        self.0.iter()
    }

    /// The open document of a file.
    pub(crate) fn of_file(&self, key: &Key) -> Option<(&Uri, &Document)> {
        self.0.iter().find(|(_, document)| document.home.path == key.1 && document.home.root == key.0)
    }

    /// The files of a workspace as the client sees them: what is open hides what is on disk.
    pub(crate) fn source(&self, home: &Home) -> Arc<dyn Source> {
        let mut above = MemorySource::new();
        for document in self.0.values().filter(|document| document.home.root == home.root) {
            above.insert(document.home.path.clone(), Arc::<[u8]>::from(document.text.clone()));
        }
        Arc::new(OverlaySource::new(above, home.disk.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::str::FromStr;
    use tower_lsp_server::ls_types::{Position, Range};

    fn document(text: &str) -> Document {
        let home = Home::of(&Uri::from_str("untitled:x").unwrap(), "aicontainer");
        Document { home, text: text.into(), version: 1 }
    }

    fn edit(range: Option<Range>, text: &str) -> TextDocumentContentChangeEvent {
        TextDocumentContentChangeEvent { range, range_length: None, text: text.to_owned() }
    }

    #[test]
    fn changes_follow_one_another() {
        let mut document = document("one\ntwo\n");
        let at = |line, from, to| Some(Range::new(Position::new(line, from), Position::new(line, to)));
        let changes = vec![edit(at(0, 0, 3), "é😀"), edit(at(0, 3, 3), "!"), edit(at(1, 1, 99), "")];
        document.change(changes, 7, Encoding::Utf16);
        assert_eq!((&*document.text, document.version), ("é😀!\nt\n", 7));
        document.change(vec![edit(None, "all new")], 8, Encoding::Utf16);
        assert_eq!(&*document.text, "all new");
    }

    proptest! {
        #[test]
        fn an_edit_in_utf_16_is_the_edit_of_the_text_in_utf_16(
            text in "[a-c\u{e9}\u{1F600}]{0,20}", from in 0usize..40, len in 0usize..10, with in "[xy\u{1F600}]{0,4}"
        ) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let from = from.min(units.len());
            let to = (from + len).min(units.len());
            let low = |at: usize| units.get(at).is_some_and(|unit| (0xDC00..0xE000).contains(unit));
            prop_assume!(!low(from) && !low(to));
            let mut spliced = units.clone();
            spliced.splice(from..to, with.encode_utf16());
            let mut document = document(&text);
            let range = Range::new(Position::new(0, from as u32), Position::new(0, to as u32));
            document.change(vec![edit(Some(range), &with)], 2, Encoding::Utf16);
            prop_assert_eq!(&*document.text, String::from_utf16(&spliced).unwrap());
        }

        /// Somebody who keeps the text as a list of characters and counts for himself comes to the same text.
        #[test]
        fn any_sequence_of_edits_leads_to_the_text_that_the_client_has(
            text in "[a-c\u{e9}\u{1F600}\n]{0,40}",
            edits in proptest::collection::vec((0usize..60, 0usize..12, "[xy\u{1F600}\n]{0,5}"), 1..12)
        ) {
            for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                let mut model: Vec<char> = text.chars().collect();
                let mut document = document(&text);
                let mut changes = Vec::new();
                for (from, len, with) in &edits {
                    let from = (*from).min(model.len());
                    let to = (from + len).min(model.len());
                    let place = |at: usize| {
                        let before = &model[..at];
                        let line = before.iter().filter(|c| **c == '\n').count();
                        let start = before.iter().rposition(|c| *c == '\n').map_or(0, |last| last + 1);
                        let units = before[start..].iter().map(|c| match encoding {
                            Encoding::Utf8 => c.len_utf8(),
                            Encoding::Utf16 => c.len_utf16(),
                            Encoding::Utf32 => 1,
                        });
                        Position::new(line as u32, units.sum::<usize>() as u32)
                    };
                    changes.push(edit(Some(Range::new(place(from), place(to))), with));
                    model.splice(from..to, with.chars());
                }
                // Some at once, the others one by one: both are how editors do it.
                let rest = changes.split_off(changes.len() / 2);
                document.change(changes, 2, encoding);
                for (at, change) in rest.into_iter().enumerate() {
                    document.change(vec![change], 3 + at as i32, encoding);
                }
                prop_assert_eq!(&*document.text, model.into_iter().collect::<String>());
            }
        }

        #[test]
        fn no_range_makes_an_edit_panic(
            text in "\\PC{0,20}\n?\\PC{0,20}", a in 0u32..4, b in 0u32..30, c in 0u32..4, d in 0u32..30
        ) {
            for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                let range = Range::new(Position::new(a, b), Position::new(c, d));
                document(&text).change(vec![edit(Some(range), "x")], 2, encoding);
            }
        }
    }
}
