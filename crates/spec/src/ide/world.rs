//! Which files belong together: a spec, the bases it inherits from, the files of tests it includes, the prompts it names.

use super::host::{Doc, Host};
use super::place::Spot;
use super::place::visit;
use crate::files::{FileKind, file_kind, find_specs, glob, is_glob, is_spec_file};
use crate::inherit::is_file;
use crate::schema::Shape;
use crate::tree::{Node, place_in_scalar};
use aic_base::{RelPath, Source, Span};
use std::sync::Arc;

/// How many bases a spec may have, one of the other.
const MAX_BASES: usize = 16;

/// How many specs are looked into for one that names a file, and how many files one of them may bring in.
pub(super) const MAX_SPECS: usize = 500;
const MAX_FILES: usize = 500;

/// Parsed files, and where others are read from.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) host: &'a Host,
    pub(super) source: &'a dyn Source,
}

/// What a file is to a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The spec, a base of it, or another spec with the same base.
    Spec,
    /// Tests kept apart.
    Tests,
    /// A prompt in a file of its own.
    Prompt,
}

/// A path that a document names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Where it leads.
    pub(super) path: RelPath,
    /// Whether it is a pattern.
    pub(super) is_glob: bool,
    /// The bytes of the document that name it, without quotes.
    pub(super) span: Span,
    /// What it is to the document.
    pub(super) role: Option<Role>,
}

impl<'a> World<'a> {
    pub(super) const fn new(host: &'a Host, source: &'a dyn Source) -> Self {
        Self { host, source }
    }

    /// The bases of a spec, those first whose word counts: of a list the last with its own bases, then the one before. A
    /// cycle ends where it closes.
    pub(super) fn bases(&self, path: &RelPath, root: &Node) -> Vec<Arc<Doc>> {
        let mut bases: Vec<Arc<Doc>> = Vec::new();
        let mut open = bases_of(path, root);
        while let Some(base) = open.pop().filter(|_| bases.len() < MAX_BASES) {
            if base == *path || bases.iter().any(|doc| doc.path == base) {
                continue;
            }
            let Some(doc) = self.host.file(self.source, &base) else { continue };
            open.extend(doc.root().map(|root| bases_of(&doc.path, root)).unwrap_or_default());
            bases.push(doc);
        }
        bases
    }

    /// The specs that name a file of tests or a prompt, nearest first. Looked for in its folder, in those above it, and in
    /// the folders directly below those; a spec that lies elsewhere is not found.
    pub(super) fn specs_naming(&self, file: &RelPath) -> Vec<Arc<Doc>> {
        let mut found: Vec<Arc<Doc>> = Vec::new();
        let mut seen = 0;
        let mut folder = file.parent();
        loop {
            let below = self.source.list(&folder).unwrap_or_default();
            let folders = below.into_iter().filter(|entry| entry.is_folder);
            let folders = folders.map(|entry| entry.path).filter(|path| !path.file_name().starts_with('.'));
            for folder in std::iter::once(folder.clone()).chain(folders) {
                for entry in self.source.list(&folder).unwrap_or_default() {
                    let is_spec = !entry.is_folder && is_spec_file(entry.path.file_name());
                    if !is_spec || found.iter().any(|doc| doc.path == entry.path) {
                        continue;
                    }
                    seen += 1;
                    if seen > MAX_SPECS {
                        return found;
                    }
                    found.extend(self.host.file(self.source, &entry.path).filter(|doc| self.names(doc, file)));
                }
            }
            if folder.is_root() {
                return found;
            }
            folder = folder.parent();
        }
    }

    fn names(&self, doc: &Doc, file: &RelPath) -> bool {
        // Most specs do not, and say so without a look at their trees.
        let ending = file.as_str().rsplit(['/', '.']).next().unwrap_or("");
        if !doc.text.contains("file") || !doc.text.contains(ending) {
            return false;
        }
        paths_of(doc).iter().any(|named| match named.is_glob {
            false => named.path == *file,
            true => named.role == Some(Role::Tests) && glob(self.source, &named.path).contains(file),
        })
    }

    /// The specs that a document speaks for: itself, or those that name it.
    pub(super) fn specs_of(&self, doc: &Arc<Doc>) -> Vec<Arc<Doc>> {
        match file_kind(doc.path.file_name()) {
            Some(FileKind::Container | FileKind::Compose) => vec![doc.clone()],
            _ => self.specs_naming(&doc.path),
        }
    }

    /// Everything that could use a name which `doc` declares or uses: the document, its specs with their bases, what
    /// inherits from those, and the tests and prompts of all of them.
    pub(super) fn unit(&self, doc: &Arc<Doc>) -> Vec<Arc<Doc>> {
        let mut specs = self.specs_of(doc);
        for at in 0..specs.len() {
            let Some(spec) = specs.get(at).cloned() else { break };
            for base in spec.root().into_iter().flat_map(|root| self.bases(&spec.path, root)) {
                push(&mut specs, base);
            }
        }
        for path in find_specs(self.source, &RelPath::default()).specs.into_iter().take(MAX_SPECS) {
            if specs.iter().any(|doc| doc.path == path) {
                continue;
            }
            let Some(other) = self.host.file(self.source, &path).filter(|doc| doc.text.contains("inherits")) else {
                continue;
            };
            let bases = other.root().map(|root| self.bases(&other.path, root)).unwrap_or_default();
            if bases.iter().any(|base| specs.iter().any(|spec| spec.path == base.path)) {
                push(&mut specs, other);
            }
        }
        let mut unit = vec![doc.clone()];
        specs.into_iter().for_each(|spec| self.with_files(&mut unit, spec));
        unit
    }

    /// Adds a spec with its tests and prompts.
    pub(super) fn with_files(&self, unit: &mut Vec<Arc<Doc>>, spec: Arc<Doc>) {
        push(unit, spec.clone());
        for named in paths_of(&spec) {
            match named.role {
                Some(Role::Tests) => {
                    for path in glob(self.source, &named.path).iter().take(MAX_FILES) {
                        self.host.file(self.source, path).into_iter().for_each(|doc| push(unit, doc));
                    }
                }
                Some(Role::Prompt) if !named.is_glob => {
                    self.host.prompt(self.source, &named.path).into_iter().for_each(|doc| push(unit, doc));
                }
                _ => {}
            }
        }
    }
}

fn push(docs: &mut Vec<Arc<Doc>>, doc: Arc<Doc>) {
    if !docs.iter().any(|other| other.path == doc.path) {
        docs.push(doc);
    }
}

/// The bases that a spec names by a path; a registry's are out of reach here.
pub(super) fn bases_of(path: &RelPath, root: &Node) -> Vec<RelPath> {
    let Some(node) = root.get("inherits") else { return Vec::new() };
    let one = std::slice::from_ref(node);
    let named = if node.items().is_empty() { one } else { node.items() };
    let texts = named.iter().filter_map(Node::as_str).filter(|text| is_path(text));
    texts.filter_map(|text| path.parent().join(text).ok()).collect()
}

/// Whether what is inherited from is a file.
pub(super) fn is_path(text: &str) -> bool {
    is_file(text) && !text.contains(char::is_whitespace)
}

/// The paths that a document names, in its order.
pub(super) fn paths_of(doc: &Doc) -> Vec<Named> {
    let mut found = Vec::new();
    let Some(root) = doc.root() else { return found };
    visit(&doc.path, root, &mut |place| {
        let Spot::Value(node) = place.spot else { return };
        let (Some(text), Some(step)) = (node.as_str(), place.keys().next()) else { return };
        let key = step.key.unwrap_or("");
        let title = step.record.map_or("", |record| record.title);
        let is_file = place.shapes.iter().any(|shape| matches!(shape, Shape::Path | Shape::Glob));
        let (written, skipped) = match (title, key) {
            ("a container spec" | "a service", "inherits") if is_path(text) => (text, 0),
            ("a way of running", "sql") => match text.strip_prefix("sqlite:") {
                Some(rest) => (rest, "sqlite:".len()),
                None => return,
            },
            // A map with names of the author's own can take a text where a path is one of the alternatives.
            _ if is_file && !text.contains(['\n', '{']) => (text, 0),
            _ => return,
        };
        let Ok(path) = doc.path.parent().join(written) else { return };
        if path.is_root() || written.is_empty() {
            return;
        }
        let role = match (title, key) {
            (_, "inherits" | "spec") => Some(Role::Spec),
            ("a prompt" | "the user prompt", "file") => Some(Role::Prompt),
            ("a test", "files") => Some(Role::Tests),
            _ => None,
        };
        let span = place_in_scalar(&doc.text, node, Span::new(skipped, text.len()));
        found.push(Named { is_glob: is_glob(path.as_str()), path, span, role });
    });
    found
}
