//! What reading a spec gathers: findings, the files it names, and what is not there.

use crate::codes::{BAD_PATH, MISSING_FILE, UNREADABLE_FILE};
use crate::tree::{Kind, Node, Parsed, Style, parse, place_in_scalar, place_inside};
use crate::words::{nearest, shown};
use crate::{Code, Diagnostic, Fix, LoadOptions, Severity, toml};
use aic_base::{RelPath, Source, SourceErrorKind, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest behaviour file that is read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// For how many unknown names it is guessed which was meant.
const MAX_GUESSED: usize = 500;

/// The most files one spec may name.
const MAX_FILES: usize = 10_000;

/// A file of the language: the spec itself, or a file of tests. A spec that inherits is one document with its bases: their
/// texts follow its own, so that a span says by itself which file it is in.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub(crate) path: RelPath,
    pub(crate) text: Arc<str>,
    /// Where the text of each base begins.
    pub(crate) bases: Vec<(usize, RelPath)>,
}

impl Doc {
    pub(crate) fn new(path: RelPath, text: Arc<str>) -> Self {
        Self { path, text, bases: Vec::new() }
    }

    /// The file that these bytes are in, and where in it.
    pub(crate) fn place(&self, span: Span) -> (&RelPath, Span) {
        let (start, end) = (span.start as usize, span.end as usize);
        match self.bases.iter().rev().find(|(base, _)| *base <= start) {
            Some((base, path)) => (path, Span::new(start - base, end.saturating_sub(*base).max(start - base))),
            None => (&self.path, span),
        }
    }

    /// Where in their own file these bytes are.
    pub(crate) fn local(&self, span: Span) -> Span {
        self.place(span).1
    }

    /// The file that these bytes are in.
    pub(crate) fn file_of(&self, span: Span) -> &RelPath {
        self.place(span).0
    }

    /// Leads a finding about the whole document back to the file that it is in.
    pub(crate) fn settle(&self, found: &mut Diagnostic) {
        if self.bases.is_empty() {
            return;
        }
        for related in found.related.iter_mut().filter(|related| related.file == self.path) {
            let (file, span) = self.place(related.span);
            (related.file, related.span) = (file.clone(), span);
        }
        if found.file != self.path {
            return;
        }
        let (file, span) = self.place(found.span);
        let file = file.clone();
        if let Some(fix) = &mut found.fix {
            for (span, _) in &mut fix.edits {
                *span = self.local(*span);
            }
        }
        (found.file, found.span) = (file, span);
    }

    pub(crate) fn find(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, &self.path, span, message)
    }

    /// A finding about bytes inside the value of a scalar.
    pub(crate) fn find_inside(&self, code: Code, node: &Node, inside: Span, message: impl Into<String>) -> Diagnostic {
        self.find(code, place_in_scalar(&self.text, node, inside), message)
    }

    /// The edit that puts `with` in the place of a scalar, in the quotes it has, or in quotes where it needs them.
    pub(crate) fn replacing(&self, node: &Node, with: &str) -> Fix {
        let text = node.text().unwrap_or("").trim_end_matches('\n');
        let inner = place_inside(&self.text, node, Span::new(0, text.len()));
        let quoted = !matches!(node.style, Style::Plain | Style::Alias);
        let edit = match inner.filter(|inner| quoted && !inner.is_empty()) {
            Some(inner) => self.escaped(node, with).map(|with| (inner, with)),
            None => None,
        };
        let edit = edit.unwrap_or_else(|| (node.span, self.bare(node, with)));
        Fix { edits: vec![edit], ..Fix::replace(node.span, with) }
    }

    /// The edit that puts `with` in the place of some bytes of a scalar's value; none where it cannot be told which these
    /// are, for then the rest of the text would go with them.
    pub(crate) fn replacing_inside(&self, node: &Node, inside: Span, with: &str) -> Option<Fix> {
        let span = place_inside(&self.text, node, inside)?;
        Some(Fix { edits: vec![(span, self.escaped(node, with)?)], ..Fix::replace(span, with) })
    }

    fn is_toml(&self, node: &Node) -> bool {
        self.file_of(node.span).as_str().ends_with(".toml")
    }

    /// A text as it is written inside the quotes of a scalar; none where these cannot hold it.
    fn escaped(&self, node: &Node, with: &str) -> Option<String> {
        match node.style {
            Style::DoubleQuoted | Style::TripleQuoted => {
                let quoted = serde_json::Value::from(with).to_string();
                Some(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned())
            }
            Style::SingleQuoted if self.is_toml(node) => (!with.contains('\'')).then(|| with.to_owned()),
            Style::SingleQuoted => Some(with.replace('\'', "''")),
            Style::TripleLiteral => (!with.contains("'''")).then(|| with.to_owned()),
            _ => Some(with.to_owned()),
        }
    }

    /// A text as a scalar of its own: as it is where it is read as this text or is what stood there too, else in quotes.
    fn bare(&self, node: &Node, with: &str) -> String {
        let plain = match self.is_toml(node) {
            // A bare key takes these characters only; values but numbers, truths and moments are in quotes.
            true if matches!(node.kind, Kind::Str(_)) && node.style == Style::Plain => {
                with.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'))
            }
            true => matches!(with, "true" | "false") || with.parse::<f64>().is_ok_and(f64::is_finite),
            false => {
                let read = parse(&format!("k: [{with}]"));
                let item = read.root.as_ref().and_then(|root| root.at(&["k", "0"])).and_then(Node::text);
                read.errors.is_empty() && item == Some(with)
            }
        };
        if plain { with.to_owned() } else { serde_json::Value::from(with).to_string() }
    }
}

/// Somebody who keeps what was parsed. Readers that come again with the same text are spared the parsing.
pub(crate) trait Keeper {
    /// What this text says, as [`read`] has it.
    fn parsed(&self, path: &RelPath, text: &Arc<str>) -> Arc<Parsed>;

    /// Shows the texts of what inherits from a spec, and of the tests and prompts that this names.
    fn see_heirs(&self, source: &dyn Source, base: &RelPath, see: See<'_>);
}

/// Who looks at texts, one after the other.
pub(crate) type See<'s> = &'s mut dyn FnMut(&RelPath, &str) -> Goes;

/// Whether more is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    On,
    NoFurther,
}

/// What the text of a file of the language says.
pub(crate) fn read(path: &RelPath, text: &str) -> Parsed {
    if path.as_str().ends_with(".toml") { toml::parse(text) } else { parse(text) }
}

/// The state of one reading.
pub(crate) struct Cx<'s> {
    pub(crate) source: &'s dyn Source,
    pub(crate) options: &'s LoadOptions,
    /// Where parsed texts are kept, if anywhere.
    pub(crate) keeper: Option<&'s dyn Keeper>,
    pub(crate) found: Vec<Diagnostic>,
    pub(crate) files: BTreeMap<RelPath, Arc<[u8]>>,
    pub(crate) data: BTreeSet<RelPath>,
    pub(crate) missing: BTreeSet<RelPath>,
    /// Files of other specs that were looked into.
    pub(crate) beside: BTreeSet<RelPath>,
    /// The files of the language among `files`: the spec and its files of tests.
    pub(crate) docs: BTreeSet<RelPath>,
    /// Literal secrets that were found: no message may show them.
    pub(crate) secrets: Vec<String>,
    /// How often it was guessed which name was meant.
    guessed: usize,
    /// Known keys that were misspelt: in which file, in the map that begins where, and which. They are not missing besides.
    misspelt: BTreeSet<(RelPath, u32, &'static str)>,
    /// The spec and its bases as one document, where it has any: findings about it are led back to their files.
    pub(crate) joined: Option<Doc>,
}

impl<'s> Cx<'s> {
    /// A reading that parses only what the keeper does not have.
    pub(crate) fn with(keeper: &'s dyn Keeper, source: &'s dyn Source, options: &'s LoadOptions) -> Self {
        Self { keeper: Some(keeper), ..Self::new(source, options) }
    }

    pub(crate) fn new(source: &'s dyn Source, options: &'s LoadOptions) -> Self {
        Self {
            source,
            options,
            keeper: None,
            found: Vec::new(),
            files: BTreeMap::new(),
            data: BTreeSet::new(),
            missing: BTreeSet::new(),
            beside: BTreeSet::new(),
            docs: BTreeSet::new(),
            secrets: Vec::new(),
            guessed: 0,
            misspelt: BTreeSet::new(),
            joined: None,
        }
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// The known name that was probably meant. After some hundred of them no more are looked for: each looks at all names.
    pub(crate) fn guess<'a>(&mut self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        self.guessed += 1;
        if self.guessed > MAX_GUESSED { None } else { nearest(word, known) }
    }

    /// Notes that a key of this map is misspelt.
    pub(crate) fn note_misspelt(&mut self, doc: &Doc, map: &Node, key: &'static str) {
        let (file, span) = doc.place(map.span);
        self.misspelt.insert((file.clone(), span.start, key));
    }

    /// Whether a key that is missing in this map was reported as misspelt.
    pub(crate) fn was_misspelt(&self, doc: &Doc, map: &Node, key: &'static str) -> bool {
        let (file, span) = doc.place(map.span);
        self.misspelt.contains(&(file.clone(), span.start, key))
    }

    /// Reports what is missing in a map, unless one of the keys that would do is there, misspelt.
    pub(crate) fn missing(&mut self, doc: &Doc, map: &Node, keys: &[&'static str], finding: Diagnostic) {
        if !keys.iter().any(|key| self.was_misspelt(doc, map, key)) {
            self.report(finding);
        }
    }

    /// The path a node names, as seen from its file.
    pub(crate) fn path(&mut self, doc: &Doc, node: &Node, text: &str) -> Option<RelPath> {
        match doc.file_of(node.span).parent().join(text) {
            Ok(path) if !path.is_root() => Some(path),
            Ok(_) => {
                self.report(doc.find(BAD_PATH, node.span, "this names no file: write a path relative to this file"));
                None
            }
            Err(error) => {
                self.report(doc.find(BAD_PATH, node.span, error.to_string()));
                None
            }
        }
    }

    /// Reads a behaviour file that a node names, and says so if it cannot. What must be there is an error where it is not.
    pub(crate) fn behaviour_file(&mut self, doc: &Doc, node: &Node, text: &str, must: bool) -> Option<RelPath> {
        let path = self.path(doc, node, text)?;
        if self.files.contains_key(&path) {
            return Some(path);
        }
        if self.files.len() >= MAX_FILES {
            self.report(doc.find(
                UNREADABLE_FILE,
                node.span,
                format!("more than {MAX_FILES} files are named: this one is not read"),
            ));
            return None;
        }
        match self.source.read_at_most(&path, MAX_FILE) {
            Ok(bytes) => {
                self.files.insert(path.clone(), bytes);
                Some(path)
            }
            Err(error) => {
                self.missing.insert(path.clone());
                if must {
                    let finding = match error.kind {
                        SourceErrorKind::NotFound => self.not_there(doc, node, &path, text),
                        kind => doc.find(UNREADABLE_FILE, node.span, format!("`{path}` cannot be read: {kind}")),
                    };
                    self.report(finding);
                }
                None
            }
        }
    }

    /// Says that a file is not there which nothing needs yet.
    pub(crate) fn warn_missing(&mut self, doc: &Doc, node: &Node, text: &str) {
        let Ok(path) = doc.file_of(node.span).parent().join(text) else { return };
        if !self.source.has_file(&path) {
            let finding = self.not_there(doc, node, &path, text).severity(Severity::Warning);
            self.report(finding);
        }
    }

    /// The text of a behaviour file that was read.
    pub(crate) fn text_of(&mut self, doc: &Doc, node: &Node, path: &RelPath) -> Option<String> {
        let bytes = self.files.get(path)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
            Err(error) => {
                let message = format!("`{path}` is not UTF-8 at byte {}: save it as UTF-8", error.valid_up_to());
                self.report(doc.find(UNREADABLE_FILE, node.span, message));
                None
            }
        }
    }

    /// A data file that a node names: watched, never part of a version, not read here.
    pub(crate) fn data_file(&mut self, doc: &Doc, node: &Node, text: &str) -> Option<RelPath> {
        let path = self.path(doc, node, text)?;
        if self.source.has_file(&path) {
            self.data.insert(path.clone());
        } else {
            self.missing.insert(path.clone());
            let finding = self.not_there(doc, node, &path, text).severity(Severity::Warning);
            self.report(finding);
        }
        Some(path)
    }

    fn not_there(&self, doc: &Doc, node: &Node, path: &RelPath, written: &str) -> Diagnostic {
        let siblings = self.source.list(&path.parent()).unwrap_or_default();
        let names: Vec<&str> =
            siblings.iter().filter(|entry| !entry.is_folder).map(|entry| entry.path.file_name()).collect();
        let meant = nearest(path.file_name(), names);
        let hint = crate::words::did_you_mean(meant);
        let finding = doc.find(MISSING_FILE, node.span, format!("there is no file `{}`{hint}", shown(path.as_str())));
        match meant.and_then(|meant| Some(format!("{}{meant}", written.strip_suffix(path.file_name())?))) {
            Some(with) => finding.fix(Some(doc.replacing(node, &with))),
            None => finding,
        }
    }
}
