//! Lines and columns of findings: each file is looked through once, however many findings it has.

use aic_base::{LineCol, LineIndex, RelPath, Span};
use aic_spec::Loaded;
use std::collections::HashMap;

/// The files of a spec that have been looked through.
pub struct Places<'l> {
    loaded: &'l Loaded,
    indexes: HashMap<&'l RelPath, (&'l str, LineIndex)>,
}

impl<'l> Places<'l> {
    /// Of no file yet.
    pub fn new(loaded: &'l Loaded) -> Self {
        Self { loaded, indexes: HashMap::new() }
    }

    /// Where a span begins and ends; the beginning of a file that could not be read.
    pub fn of(&mut self, file: &'l RelPath, span: Span) -> (LineCol, LineCol) {
        let loaded = self.loaded;
        let (text, index) = self.indexes.entry(file).or_insert_with(|| {
            let text = loaded.text(file).unwrap_or("");
            (text, LineIndex::new(text))
        });
        (index.line_col(text, span.start as usize), index.line_col(text, span.end as usize))
    }
}
