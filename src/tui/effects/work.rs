//! The effects that need a thread for a moment: the store, rollbacks, saving, analyses of unsaved text.

use super::{Open, save};
use crate::rollback;
use crate::tui::ide;
use crate::tui::message::{Effect, Msg, Unsaved};
use crate::tui::state::{History, Rolled, TestItem};
use crate::workspace::now;
use aic_base::{Digest, MemorySource, OverlaySource, RelPath};
use aic_behavior::Plan;
use aic_spec::{LoadOptions, Loaded};
use aic_store::{FileChangeKind, OperationKind, RollbackReport, RunInfo, Sample, Store, version_digest};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// The most runs that the meters read.
const MOST_SAMPLES: u32 = 500;
/// The most lines of a file that a rollback shows to have gone, and to have come.
const MOST_LINES: usize = 20;
/// How long the store must be quiet before it is read again.
const STORE_QUIET: Duration = Duration::from_millis(120);

/// Starts an effect on a thread of its own.
pub(super) fn start(open: Arc<Open>, effect: Effect, messages: mpsc::Sender<Msg>) {
    let kind = match effect {
        Effect::Analyse(_) => Some(0),
        Effect::Complete(_) => Some(1),
        _ => None,
    };
    let newest = kind.map(|kind: usize| (kind, open.asked[kind].fetch_add(1, Ordering::SeqCst) + 1));
    tokio::task::spawn_blocking(move || {
        // Somebody who types faster than a text is analysed wants to hear of the last one.
        if newest.is_some_and(|(kind, number)| open.asked[kind].load(Ordering::SeqCst) != number) {
            return;
        }
        if let Some(msg) = carry_out(&open, effect) {
            let _ = messages.blocking_send(msg);
        }
    });
}

fn carry_out(open: &Open, effect: Effect) -> Option<Msg> {
    match effect {
        Effect::History(spec) => {
            let history = Box::new(history(open, &spec));
            Some(Msg::History { spec, history })
        }
        Effect::RollBack { spec, to } => {
            let result = roll_back(open, &spec, to.as_deref());
            Some(Msg::Rolled { spec, result })
        }
        Effect::UndoRollBack { spec } => {
            let result = undo(open, &spec);
            Some(Msg::Rolled { spec, result })
        }
        Effect::Save { path, text, base } => {
            let full = path.under(&open.workspace.root);
            let result = save::save(&full, &text, base);
            Some(Msg::Saved { path, result })
        }
        Effect::Analyse(unsaved) => {
            let source = overlay(open, &unsaved);
            let options = LoadOptions { environment: open.settings.environment.clone(), today: now() };
            let loaded = aic_spec::load(&source, &unsaved.spec, &options);
            let found = loaded.diagnostics.into_iter().filter(|found| found.file == unsaved.path).collect();
            Some(Msg::Analysed { edits: unsaved.edits, found })
        }
        Effect::Complete(unsaved) => {
            let all = ide::complete(&overlay(open, &unsaved), &unsaved.path, &unsaved.text, unsaved.offset);
            Some(Msg::Completed { edits: unsaved.edits, all })
        }
        Effect::Explain(unsaved) => {
            let explanation = ide::explain(&overlay(open, &unsaved), &unsaved.path, &unsaved.text, unsaved.offset);
            Some(Msg::Explained { edits: unsaved.edits, explanation })
        }
        Effect::Open
        | Effect::Look
        | Effect::Stop
        | Effect::Suspend
        | Effect::Clipboard(_)
        | Effect::ReadConfig
        | Effect::Test { .. } => None,
    }
}

/// The disk, with the unsaved text over it.
fn overlay(open: &Open, unsaved: &Unsaved) -> OverlaySource {
    let mut above = MemorySource::new();
    above.insert(unsaved.path.clone(), unsaved.text.as_bytes());
    OverlaySource::new(above, open.workspace.source().clone())
}

/// The tests of a spec and the ids of their cases.
pub(super) fn tests(loaded: &Loaded) -> Vec<TestItem> {
    let Some(spec) = &loaded.spec else { return Vec::new() };
    // Only names are wanted here, so the world does not matter.
    let plan = Plan::of(spec, Digest::of(b""));
    let mut tests: Vec<TestItem> = plan
        .tests
        .iter()
        .map(|test| TestItem {
            name: test.def.name.clone(),
            file: test.def.file.clone(),
            span: test.def.span,
            cases: Vec::new(),
            together: false,
        })
        .collect();
    for at in plan.judged_together() {
        if let Some(test) = tests.get_mut(at) {
            test.together = true;
        }
    }
    for case in plan.cases {
        if let Some(test) = tests.get_mut(case.test) {
            test.cases.push(case.id);
        }
    }
    tests
}

fn history(open: &Open, spec: &RelPath) -> History {
    let Some(store) = open.store() else { return History::default() };
    let here = open.loaded(spec).map(|loaded| version_digest(spec, &loaded.files));
    match read(store, spec) {
        Ok(history) => History { here, ..history },
        Err(error) => History { here, problem: Some(error.to_string()), ..History::default() },
    }
}

fn read(store: &Store, spec: &RelPath) -> Result<History, aic_store::StoreError> {
    let versions = store.versions(spec)?;
    // Not by a span of time: the runs of tests began at whatever moment the tests say it is.
    let mut samples: Vec<Sample> = store.runs(spec, MOST_SAMPLES)?.iter().map(sample).collect();
    samples.reverse();
    let operations = store.operations(spec)?;
    let undone: BTreeSet<i64> = operations.iter().filter_map(|operation| operation.undoes).collect();
    let can_undo =
        operations.iter().any(|operation| operation.kind == OperationKind::Rollback && !undone.contains(&operation.id));
    Ok(History { versions, here: None, samples, can_undo, problem: None })
}

fn sample(run: &RunInfo) -> Sample {
    let RunInfo { started, outcome, cost, usage, latency, guardrail_hits, .. } = *run;
    let tokens = usage.input_tokens + usage.output_tokens;
    Sample { at: started, outcome, cost, latency, tokens, guardrail_hits }
}

fn roll_back(open: &Open, spec: &RelPath, to: Option<&str>) -> Result<Option<Rolled>, String> {
    let session = open.session(spec);
    let store = open.store().ok_or("there is no store, so there are no versions")?;
    let loaded = open.load(spec);
    let report = rollback::back(&session, store, &loaded, to, false)?;
    Ok(report.map(|report| told("back at", store, &session.spec, &report)))
}

fn undo(open: &Open, spec: &RelPath) -> Result<Option<Rolled>, String> {
    let session = open.session(spec);
    let store = open.store().ok_or("there is no store, so there are no versions")?;
    let report = rollback::undo(&session, store, &open.load(spec))?;
    Ok(report.map(|report| told("undone: at", store, &session.spec, &report)))
}

fn told(what: &str, store: &Store, spec: &RelPath, report: &RollbackReport) -> Rolled {
    let known = store.versions(spec).unwrap_or_default();
    let shown = |digest: Digest| {
        let number = known.iter().find(|version| version.digest == digest).map(|version| version.number);
        number.map_or_else(|| digest.short(), |number| format!("v{number}"))
    };
    let took = crate::report::duration(report.took);
    let changed: Vec<_> = report.changed.iter().filter(|change| change.kind != FileChangeKind::Unchanged).collect();
    let said = match changed[..] {
        [] => "no file differs".to_owned(),
        [one] => format!("{} {}", near(spec, &one.path), rollback::word(one.kind)),
        [one, ..] => format!("{} {}, {} more", near(spec, &one.path), rollback::word(one.kind), changed.len() - 1),
    };
    let title = format!("{what} {} in {took}: {said}; what was there is {}", shown(report.to), shown(report.from));
    let (before, after) = (store.files_of(report.from), store.files_of(report.to));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let mut lines = Vec::new();
    for change in changed {
        lines.push(format!("{} {}", near(spec, &change.path), rollback::word(change.kind)));
        let text = |files: &BTreeMap<RelPath, Arc<[u8]>>| {
            files.get(&change.path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
        };
        lines.extend(difference(&text(&before), &text(&after)));
    }
    if let Some(rescued) = report.rescued {
        lines.push(format!("somebody wrote into the files meanwhile; that is kept as {}", shown(rescued)));
    }
    Rolled { title, lines }
}

/// A file as somebody in the spec's folder would write it.
fn near<'a>(spec: &RelPath, path: &'a RelPath) -> &'a str {
    let folder = spec.parent();
    let inside = path.as_str().strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
    inside.filter(|_| !folder.is_root()).unwrap_or(path.as_str())
}

/// The lines between the first and the last that differ: what went, then what came.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = old.iter().zip(&new).take_while(same).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(same).count();
    let part = |mark: char, lines: &[&str]| -> Vec<String> {
        let own = &lines[start..lines.len() - end];
        let more = (own.len() > MOST_LINES).then(|| format!("{mark} … {} more lines", own.len() - MOST_LINES));
        own.iter().take(MOST_LINES).map(|line| format!("{mark} {line}")).chain(more).collect()
    };
    [part('-', &old), part('+', &new)].concat()
}

/// Tells when somebody writes into the store: another process that runs the tests, or a run of the command line. The
/// system reports it, so that nothing has to be asked again and again.
pub(super) fn watch_store(open: &Open, messages: &mpsc::Sender<Msg>) -> Option<RecommendedWatcher> {
    let folder = open.store()?.workspace().join(".aic");
    let (sender, mut changes) = mpsc::channel::<()>(1);
    let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        let written = event.is_ok_and(|event| {
            matches!(event.kind, EventKind::Modify(_) | EventKind::Create(_))
                && event
                    .paths
                    .iter()
                    .any(|path| path.file_name().is_some_and(|name| name == "store.db-wal" || name == "store.db"))
        });
        if written {
            let _ = sender.try_send(());
        }
    })
    .ok()?;
    watcher.watch(&folder, RecursiveMode::NonRecursive).ok()?;
    let messages = messages.clone();
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            tokio::time::sleep(STORE_QUIET).await;
            while changes.try_recv().is_ok() {}
            if messages.send(Msg::StoreChanged).await.is_err() {
                return;
            }
        }
    });
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_shown_without_what_did_not() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), ["- b", "+ x", "+ y"]);
        assert_eq!(difference("a\na\n", "a\n"), ["- a"]);
        assert!(difference("same", "same").is_empty());
        assert_eq!(difference("", &"x\n".repeat(30)).last().unwrap(), "+ … 10 more lines");
    }

    #[test]
    fn a_file_is_named_from_the_folder_of_its_spec() {
        let path = |text: &str| RelPath::new(text).unwrap();
        assert_eq!(near(&path("a/b/x.ai.yml"), &path("a/b/p/s.md")), "p/s.md");
        assert_eq!(near(&path("x.ai.yml"), &path("p/s.md")), "p/s.md");
        assert_eq!(near(&path("a/x.ai.yml"), &path("ab/s.md")), "ab/s.md");
    }
}
