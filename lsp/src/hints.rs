//! Inlay hints and lenses: what is worth seeing beside a text, from the text itself and from earlier runs.

use crate::commands::{RUN_ALL, RUN_TEST};
use crate::convert::markup;
use crate::position::Lines;
use crate::runner::{History, TestResult};
use crate::shared::{Shared, Snapshot};
use aic_base::{RelPath, Usd};
use aic_spec::ide::Host;
use aic_spec::{FileKind, LoadOptions, Spec, file_kind};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tower_lsp_server::ls_types::*;

/// A guardrail that decided nothing in so many runs is worth a word; in fewer, chance says nothing.
const QUIET_RUNS: u32 = 50;

/// The hints in a range of a document.
pub(crate) async fn inlay(shared: &Arc<Shared>, params: InlayHintParams) -> Option<Vec<InlayHint>> {
    let snapshot = shared.snapshot(&params.text_document.uri)?;
    let history = match file_kind(snapshot.document.home.path.file_name()) {
        Some(FileKind::Container) => history(shared, &snapshot, snapshot.document.home.path.clone()).await,
        _ => None,
    };
    let work = move || {
        let Snapshot { document, source, host, can, .. } = &snapshot;
        let lines = Lines::new(&document.text, can.encoding);
        let within = lines.bytes(params.range);
        let wanted = |offset: usize| within.start <= offset && offset <= within.end;
        let hint = |offset: usize, label: String, doc: String| InlayHint {
            position: lines.position(offset),
            label: label.into(),
            kind: None,
            text_edits: None,
            tooltip: Some(markup(doc, can.markdown_in_hover).into()),
            padding_left: Some(true),
            padding_right: None,
            data: None,
        };
        let path = &document.home.path;
        let mut found: Vec<InlayHint> = Vec::new();
        for one in host.hints(&**source, path, &document.text) {
            if wanted(one.offset) {
                found.push(hint(one.offset, one.label, one.doc));
            }
        }
        if let Some(history) = history.filter(|history| history.runs >= QUIET_RUNS) {
            let quiet = host.guardrails(path, &document.text).into_iter();
            let quiet = quiet.filter(|guard| !history.fired.contains(&guard.name) && wanted(guard.span.end as usize));
            found.extend(quiet.map(|guard| {
                let label = format!("silent in the last {} runs", history.runs);
                let doc = "It decided nothing in any of them: it may be shadowed, or guard against what nobody does.";
                hint(guard.span.end as usize, label, doc.into())
            }));
        }
        found.sort_by_key(|hint| hint.position);
        found
    };
    tokio::task::spawn_blocking(work).await.ok()
}

/// The lenses of a document: each of its tests can be run, and all of them.
pub(crate) async fn lenses(shared: &Arc<Shared>, uri: Uri) -> Option<Vec<CodeLens>> {
    let snapshot = shared.snapshot(&uri)?;
    let spec = spec_of(&snapshot).await?;
    let history = history(shared, &snapshot, spec.clone()).await;
    let session = shared.results(&snapshot.document.home.root, &spec);
    let options = shared.load_options();
    let work = move || {
        let edited = Edited::of(&snapshot, &spec, &options);
        let Snapshot { document, host, can, .. } = &snapshot;
        let lines = Lines::new(&document.text, can.encoding);
        let (all, tests) = host.tests(&document.home.path, &document.text);
        let lens = |span, title: String, command: &str, test: Option<&str>| CodeLens {
            range: lines.range(span),
            command: Some(Command {
                title,
                command: command.into(),
                arguments: Some(std::iter::once(json!(uri)).chain(test.map(|test| json!(test))).collect()),
            }),
            data: None,
        };
        let nothing = BTreeMap::new();
        let kept = history.as_ref().map_or(&nothing, |history| &history.tests);
        let last = Last { kept, session: &session, edited: &edited };
        let mut found = Vec::new();
        if let Some(span) = all {
            let names = tests.iter().map(|test| test.name.as_str());
            found.push(lens(span, format!("▶ run all{}", last.of_all(names)), RUN_ALL, None));
        }
        for test in tests {
            found.push(lens(test.span, format!("▶ run test{}", last.of(&test.name)), RUN_TEST, Some(&test.name)));
        }
        found
    };
    tokio::task::spawn_blocking(work).await.ok()
}

/// How the tests of a spec went last.
struct Last<'a> {
    /// The results that still hold.
    kept: &'a BTreeMap<String, TestResult>,
    /// What this session ran. Where nothing vouches for it any more, it was before the last change.
    session: &'a BTreeMap<String, TestResult>,
    /// What was changed and not saved.
    edited: &'a Edited,
}

/// Which tests say or mean something else than on disk, which is what was tested.
enum Edited {
    /// All of them: what they are about was changed, or cannot be read.
    All,
    /// Those of these names.
    Some(BTreeSet<String>),
}

impl Edited {
    fn of(snapshot: &Snapshot, spec: &RelPath, options: &LoadOptions) -> Self {
        let Snapshot { document, source, host, documents, .. } = snapshot;
        let disk = &document.home.disk;
        let here = documents.iter().map(|(_, open)| open).filter(|open| open.home.root == document.home.root);
        let mut unsaved = here.filter(|open| disk.read_text(&open.home.path).ok().as_deref() != Some(&*open.text));
        if unsaved.next().is_none() {
            return Self::Some(BTreeSet::new());
        }
        // A host of its own: the other one keeps what is being typed.
        let (now, then) = (host.load(&**source, spec, options), Host::new().load(&**disk, spec, options));
        let (Some(now), Some(then)) = (now.spec, then.spec) else { return Self::All };
        if now.behaviour != then.behaviour {
            return Self::All;
        }
        let digests = |spec: &Spec, name: &str| {
            spec.tests.iter().filter(|test| test.name == name).map(|test| test.digest).collect::<Vec<_>>()
        };
        let names = now.tests.iter().chain(&then.tests).map(|test| test.name.clone());
        Self::Some(names.filter(|name| digests(&now, name) != digests(&then, name)).collect())
    }

    fn has(&self, test: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(test),
        }
    }
}

impl Last<'_> {
    /// ` · last 3/3 · $0.004`; nothing where the test never ran.
    fn of(&self, test: &str) -> String {
        match (self.kept.get(test), self.session.get(test)) {
            (Some(result), _) if !self.edited.has(test) => format!(" · last {}", brief(result)),
            (Some(result), _) | (None, Some(result)) => format!(" · last {} · changed since", brief(result)),
            (None, None) => String::new(),
        }
    }

    /// The same of all tests together: those that stand in the document, and those that the spec has from elsewhere.
    fn of_all<'n>(&'n self, written: impl Iterator<Item = &'n str>) -> String {
        let known = self.kept.keys().chain(self.session.keys()).map(String::as_str);
        let names: BTreeSet<&str> = written.chain(known).collect();
        let mut total = TestResult { passed: 0, cases: 0, cost: Usd::ZERO, problem: None };
        let mut ran = 0;
        for result in names.iter().filter_map(|name| self.kept.get(*name).or_else(|| self.session.get(*name))) {
            ran += 1;
            total.passed += result.passed;
            total.cases += result.cases;
            total.cost += result.cost;
        }
        let holds = |name: &str| self.kept.contains_key(name) && !self.edited.has(name);
        let ran_once = |name: &str| self.kept.contains_key(name) || self.session.contains_key(name);
        let changed = names.iter().any(|name| ran_once(name) && !holds(name));
        match (ran, names.len() - ran) {
            (0, _) => String::new(),
            (_, 0) if changed => format!(" · last {} · changed since", brief(&total)),
            (_, 0) => format!(" · last {}", brief(&total)),
            (_, missing) => format!(" · last {} · {missing} not run", brief(&total)),
        }
    }
}

/// `3/3 · $0.004`.
pub(crate) fn brief(result: &TestResult) -> String {
    if result.cases == 0 {
        return "skipped".to_owned();
    }
    format!("{}/{} · {}", result.passed, result.cases, dollars(result.cost))
}

/// Money in as many digits as it takes to see it: three where it is less than a cent, two else.
pub(crate) fn dollars(cost: Usd) -> String {
    match cost.dollars() {
        0.0 => "$0".into(),
        cost if cost < 0.0005 => "<$0.001".into(),
        cost if cost < 0.01 => format!("${cost:.3}"),
        cost => format!("${cost:.2}"),
    }
}

/// The spec by which the tests of a document run: itself, or the first that includes it.
pub(crate) async fn spec_of(snapshot: &Snapshot) -> Option<RelPath> {
    let path = snapshot.document.home.path.clone();
    match file_kind(path.file_name())? {
        FileKind::Container => Some(path),
        FileKind::Compose => None,
        FileKind::Tests => {
            let (source, host) = (snapshot.source.clone(), snapshot.host.clone());
            let found = tokio::task::spawn_blocking(move || host.specs_naming(&*source, &path));
            found.await.ok()?.into_iter().find(|spec| file_kind(spec.file_name()) == Some(FileKind::Container))
        }
    }
}

/// What is known of earlier runs; read once, until something on disk changes or a run ends.
async fn history(shared: &Arc<Shared>, snapshot: &Snapshot, spec: RelPath) -> Option<Arc<History>> {
    let runner = shared.config.runner.clone()?;
    let root = snapshot.document.home.root.clone();
    let key = (root.clone(), spec.clone());
    let (known, epoch) = shared.known_history(&key);
    if let Some(known) = known {
        return known;
    }
    let read = tokio::task::spawn_blocking(move || runner.history(&root, &spec)).await.ok()?;
    let read = read.map(Arc::new);
    shared.keep_history(key, read.clone(), epoch);
    read
}
