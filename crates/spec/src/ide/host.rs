//! What was parsed, kept while its text stays the same: one host answers all requests about the files of a workspace.

use super::heirs::Inheriting;
use super::symbols::{Occurrence, occurrences};
use crate::cx::{Cx, Keeper, See, read};
use crate::load::load_in;
use crate::tree::{MAX_TEXT, Node, Parsed};
use crate::{LoadOptions, Loaded};
use aic_base::{RelPath, Source};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many files are kept parsed; when there are more, all are forgotten.
const MAX_KEPT: usize = 256;

/// Parsed files of one workspace. Cheap to make; whoever answers many requests keeps one.
#[derive(Debug, Default)]
pub struct Host {
    docs: Mutex<HashMap<RelPath, Arc<Doc>>>,
    /// Held while a text is parsed: who asks about the same text meanwhile waits for that rather than doing it twice.
    parsing: Mutex<()>,
    /// What inherits from what, once somebody asked.
    inheriting: Mutex<Option<Arc<Inheriting>>>,
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct Doc {
    pub(super) path: RelPath,
    pub(super) text: Arc<str>,
    parsed: Arc<Parsed>,
    occurrences: OnceLock<Vec<Occurrence>>,
}

impl Doc {
    /// The tree, repaired where the text is broken; none where there is nothing.
    pub(super) fn root(&self) -> Option<&Node> {
        self.parsed.root.as_deref()
    }

    /// The names that are declared and used in it, by place.
    pub(super) fn occurrences(&self) -> &[Occurrence] {
        self.occurrences.get_or_init(|| occurrences(self))
    }
}

impl Host {
    /// A host that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`crate::load`], sparing what is parsed already; what is parsed here is kept.
    pub fn load(&self, source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
        load_in(Cx::with(self, source, options), path)
    }

    /// A document with this text.
    pub(super) fn doc(&self, path: &RelPath, text: &str) -> Arc<Doc> {
        if let Some(doc) = self.same(path, text) {
            return doc;
        }
        let _parsing = self.parsing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doc) = self.same(path, text) {
            return doc;
        }
        // Before the new tree is made, so that there is one of them at a time.
        self.docs().remove(path);
        self.keep(path, text.into(), read(path, text))
    }

    /// A prompt with this text: it is not parsed as YAML.
    pub(super) fn plain(&self, path: &RelPath, text: &str) -> Arc<Doc> {
        match self.same(path, text) {
            Some(doc) => doc,
            None => self.keep(path, text.into(), Parsed { root: None, errors: Vec::new() }),
        }
    }

    /// A file of the language; none if there is no such file, or it is no text.
    pub(super) fn file(&self, source: &dyn Source, path: &RelPath) -> Option<Arc<Doc>> {
        let bytes = source.read_at_most(path, MAX_TEXT as u64).ok()?;
        Some(self.doc(path, std::str::from_utf8(&bytes).ok()?))
    }

    /// A prompt; none if there is no such file, or it is no text.
    pub(super) fn prompt(&self, source: &dyn Source, path: &RelPath) -> Option<Arc<Doc>> {
        let bytes = source.read_at_most(path, MAX_TEXT as u64).ok()?;
        Some(self.plain(path, std::str::from_utf8(&bytes).ok()?))
    }

    /// What is kept of a document, if it is of this text.
    pub(super) fn same(&self, path: &RelPath, text: &str) -> Option<Arc<Doc>> {
        self.docs().get(path).filter(|doc| &*doc.text == text).cloned()
    }

    pub(super) fn kept_inheriting(&self) -> Option<Arc<Inheriting>> {
        self.inheriting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn keep_inheriting(&self, all: Option<Arc<Inheriting>>) {
        *self.inheriting.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    fn docs(&self) -> MutexGuard<'_, HashMap<RelPath, Arc<Doc>>> {
        self.docs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, path: &RelPath, text: Arc<str>, parsed: Parsed) -> Arc<Doc> {
        let doc = Doc { path: path.clone(), text, parsed: Arc::new(parsed), occurrences: OnceLock::new() };
        let doc = Arc::new(doc);
        let mut docs = self.docs();
        if docs.len() >= MAX_KEPT && !docs.contains_key(path) {
            docs.clear();
        }
        docs.insert(path.clone(), doc.clone());
        doc
    }
}

impl Keeper for Host {
    fn parsed(&self, path: &RelPath, text: &Arc<str>) -> Arc<Parsed> {
        self.doc(path, text).parsed.clone()
    }

    fn see_heirs(&self, source: &dyn Source, base: &RelPath, see: See<'_>) {
        self.see_heirs(source, base, see);
    }
}
