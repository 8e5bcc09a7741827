//! The way in: a file of a [`Source`] to diagnostics and a typed spec.

use crate::check::check;
use crate::codes::{
    COMPOSE, DUPLICATE_KEY, EMPTY, ENVIRONMENT, MISSING_FILE, MORE_DOCUMENTS, NOT_TEXT, SYNTAX, TOO_COMPLEX, TOO_LARGE,
    TRAP, UNKNOWN_KEY, UNREADABLE_FILE, VERSION,
};
use crate::cx::{Cx, Doc, read};
use crate::files::{FileKind, file_kind};
use crate::schema::{self, NOT_IN_OVERLAYS};
use crate::tree::{Kind, MAX_TEXT, Node, SyntaxKind};
use crate::words::{did_you_mean, nearest, shown};
use crate::{Diagnostic, LANGUAGE_VERSIONS, Severity, Spec, digest, inherit, long, lower, rules, secrets};
use aic_base::{RelPath, Source, SourceErrorKind, Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a spec is read for.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The environment (`--env`).
    pub environment: Option<String>,
    /// The day against which the retirement of models is judged.
    pub today: Timestamp,
}

/// What a file says.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file.
    pub path: RelPath,
    /// What was found, in this file and in those it names, sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The typed spec; there is one exactly when there is no error and the file is a container spec.
    pub spec: Option<Arc<Spec>>,
    /// The spec and every behaviour file it names that could be read: these make up a version.
    pub files: BTreeMap<RelPath, Arc<[u8]>>,
    /// Databases and documents: watched and part of a case's digest, but not part of a version and never rolled back.
    pub data: BTreeSet<RelPath>,
    /// What is named but not there: watched too.
    pub missing: BTreeSet<RelPath>,
    /// Files of specs that inherit from this one, where a finding hung on what they say: no part of this spec.
    pub beside: BTreeSet<RelPath>,
}

impl Loaded {
    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Why running must refuse: errors, and what is not enforced although safety depends on it.
    pub fn blockers(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error || diagnostic.blocks_running)
    }

    /// The text of a file, for showing a finding in it.
    pub fn text(&self, file: &RelPath) -> Option<&str> {
        std::str::from_utf8(self.files.get(file)?).ok()
    }
}

/// Reads a spec and everything it names. Never fails: what is wrong is among the diagnostics.
pub fn load(source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
    crate::ide::Host::new().load(source, path, options)
}

/// [`load`], in a context that may have a keeper.
pub(crate) fn load_in(mut cx: Cx<'_>, path: &RelPath) -> Loaded {
    let spec = read_spec(&mut cx, path);
    let mut diagnostics = std::mem::take(&mut cx.found);
    for found in &mut diagnostics {
        if let Some(joined) = &cx.joined {
            joined.settle(found);
        }
        secrets::hide(found, &cx.secrets);
    }
    diagnostics.sort_by(|a, b| {
        (a.file != *path, &a.file, a.span, a.code, &a.message).cmp(&(
            b.file != *path,
            &b.file,
            b.span,
            b.code,
            &b.message,
        ))
    });
    diagnostics.dedup_by(|a, b| a.file == b.file && a.span == b.span && a.code == b.code && a.message == b.message);
    let has_errors = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let spec = spec.filter(|_| !has_errors).map(|mut spec| {
        spec.behaviour = digest::behaviour(spec.behaviour, &cx.files, &cx.docs);
        spec.files.clone_from(&cx.files);
        Arc::new(spec)
    });
    Loaded {
        path: path.clone(),
        diagnostics,
        spec,
        files: cx.files,
        data: cx.data,
        missing: cx.missing,
        beside: cx.beside,
    }
}

fn read_spec(cx: &mut Cx<'_>, path: &RelPath) -> Option<Spec> {
    let doc = read_doc(cx, path)?;
    let root = read_tree(cx, &doc)?;
    secrets::scan(cx, &doc, &root);
    if file_kind(path.file_name()) == Some(FileKind::Compose) {
        check_version(cx, &doc, &root);
        check(cx, &doc, &root, &schema::COMPOSE);
        rules::workflow::check(cx, &doc, &root);
        let message = "this version reads workflows and does not run them: each container's own spec can be run";
        cx.report(doc.find(COMPOSE, Span::at(root.span.start as usize), message).blocking());
        return None;
    }
    check_version(cx, &doc, &root);
    check(cx, &doc, &root, &schema::CONTAINER);
    check_environment(cx, &doc, &root);
    check_overlays(cx, &doc, &root);
    rules::said_twice(cx, &doc, &root);
    let spec = match inherit::whole(cx, &doc, &root) {
        Some(whole) => {
            let spec = lower::spec(cx, &whole.doc, &whole.root, &whole.tests, whole.open);
            rules::run(cx, &rules::Whole { doc: &whole.doc, root: &whole.root, spec: &spec, open: whole.open });
            cx.joined = Some(whole.doc);
            spec
        }
        None => {
            let spec = lower::spec(cx, &doc, &root, &[], false);
            let long = long::container(&root);
            rules::run(cx, &rules::Whole { doc: &doc, root: &long, spec: &spec, open: false });
            spec
        }
    };
    Some(spec)
}

/// Reads the text of a file of the language.
pub(crate) fn read_doc(cx: &mut Cx<'_>, path: &RelPath) -> Option<Doc> {
    let finding = |code, message: String| Diagnostic::new(code, path, Span::at(0), message);
    let bytes = match cx.source.read_at_most(path, MAX_TEXT as u64) {
        Ok(bytes) => bytes,
        Err(error) => {
            cx.missing.insert(path.clone());
            let found = match error.kind {
                SourceErrorKind::NotFound => finding(MISSING_FILE, format!("there is no file `{path}`")),
                SourceErrorKind::TooLarge { .. } => finding(
                    TOO_LARGE,
                    format!("`{path}` is larger than {} MiB: a spec of this size is not read", MAX_TEXT >> 20),
                ),
                kind => finding(UNREADABLE_FILE, format!("`{path}` cannot be read: {kind}")),
            };
            cx.report(found);
            return None;
        }
    };
    cx.files.insert(path.clone(), bytes.clone());
    cx.docs.insert(path.clone());
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) if !text.contains('\0') => Arc::from(text),
        Ok(text) => {
            let at = text.find('\0').unwrap_or(0);
            let message = format!("`{path}` holds a NUL character at byte {at}: it is no text file");
            cx.report(finding(NOT_TEXT, message));
            return None;
        }
        Err(error) => {
            let message = format!("`{path}` is not UTF-8 at byte {}: save it as UTF-8", error.valid_up_to());
            cx.report(finding(NOT_TEXT, message));
            return None;
        }
    };
    Some(Doc::new(path.clone(), text))
}

/// Parses a file of the language and reports what is wrong with its form.
pub(crate) fn read_tree(cx: &mut Cx<'_>, doc: &Doc) -> Option<Arc<Node>> {
    let parsed = match cx.keeper {
        Some(keeper) => keeper.parsed(&doc.path, &doc.text),
        None => Arc::new(read(&doc.path, &doc.text)),
    };
    for error in &parsed.errors {
        let code = match error.kind {
            SyntaxKind::Syntax => SYNTAX,
            SyntaxKind::Trap => TRAP,
            SyntaxKind::DuplicateKey => DUPLICATE_KEY,
            SyntaxKind::TooDeep | SyntaxKind::Alias => TOO_COMPLEX,
            SyntaxKind::MoreDocuments => MORE_DOCUMENTS,
            SyntaxKind::TooLarge => TOO_LARGE,
        };
        let mut finding = doc.find(code, error.span, error.message.clone()).fix(error.fix.clone());
        if let Some((span, message)) = &error.related {
            finding = finding.related(&doc.path, *span, message.clone());
        }
        cx.report(finding);
    }
    let says_something = |root: &&Arc<Node>| !root.is_null() && !matches!(&root.kind, Kind::Map(all) if all.is_empty());
    let root = parsed.root.as_ref().filter(says_something).cloned();
    if root.is_none() && !cx.found.iter().any(|found| found.file == doc.path) {
        cx.report(
            doc.find(EMPTY, Span::at(0), "the file is empty")
                .help("the shortest spec is one line: `model: gpt-4o-2024-08-06`"),
        );
    }
    root
}

pub(crate) fn check_version(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let Some(node) = root.get("version") else { return };
    let Some(text) = node.text() else { return };
    if !LANGUAGE_VERSIONS.contains(&text) {
        let known = LANGUAGE_VERSIONS.map(|version| format!("\"{version}\"")).join(", ");
        let message = format!("version `{}` of the language is not supported: this program reads {known}", shown(text));
        cx.report(doc.find(VERSION, node.span, message).fix(Some(crate::Fix::replace(node.span, &known))));
    }
}

/// What an overlay cannot say: it is no spec of its own.
fn check_overlays(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    for overlay in root.get("environments").map(Node::entries).unwrap_or_default() {
        for key in NOT_IN_OVERLAYS {
            if let Some(entry) = overlay.value.entry(key) {
                let message =
                    format!("`{key}` is said by a spec, not by an overlay of it: move it to the top, or remove it");
                cx.report(doc.find(UNKNOWN_KEY, entry.key.span, message));
            }
        }
    }
}

/// An environment that was asked for and that the spec does not have, although it has some.
fn check_environment(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let Some(wanted) = cx.options.environment.as_deref() else { return };
    let Some(overlays) = root.entry("environments").filter(|entry| !entry.value.entries().is_empty()) else { return };
    if overlays.value.entry(wanted).is_some() {
        return;
    }
    let names: Vec<_> = overlays.value.entries().iter().filter_map(|entry| entry.key.text()).collect();
    let meant = did_you_mean(nearest(wanted, names.iter().copied()));
    let message = format!("there is no environment `{}`{meant}", shown(wanted));
    cx.report(doc.find(ENVIRONMENT, overlays.key.span, message).help(format!("environments: {}", names.join(", "))));
}
