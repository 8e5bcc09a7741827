//! What comes back from outside: specs, cases, rollbacks.

use super::{edit, go, say, start_next};
use crate::tui::memory::Memory;
use crate::tui::message::{Effect, LoadedSpec, Opened, Outcome};
use crate::tui::state::{Job, Pane, Phase, Rolled, Runner, SpecState, State, TestRow};
use aic_base::RelPath;
use aic_behavior::CaseReport;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is said where there is nothing to work on.
const NO_SPEC: &str = "No spec below this folder yet.\n\nA spec is called .aicontainer.yml, NAME.aicontainer.yml or \
                       NAME.ai.yml. `aic init` makes one that passes its own tests; it appears here by itself.\n\n\
                       q leaves.";

pub(super) fn opened(state: &mut State, result: Result<Opened, String>) -> Vec<Effect> {
    match result {
        Ok(Opened { specs: found, runner, troubles, memory }) => {
            state.runner = runner;
            state.troubles.extend(troubles);
            let effects = specs(state, found);
            remember(state, memory);
            std::iter::once(Effect::Look).chain(effects).collect()
        }
        Err(why) => {
            state.phase = Phase::Empty(why);
            Vec::new()
        }
    }
}

/// Goes where somebody was who worked here before; what needs the texts of the specs waits for them.
fn remember(state: &mut State, memory: Memory) {
    let at = state.specs.iter().position(|spec| Some(spec.path.as_str()) == memory.spec.as_deref());
    if let Some(at) = at {
        (state.at, state.specs_at) = (at, at);
        let pane = Pane::ALL.into_iter().find(|pane| Some(pane.title()) == memory.pane.as_deref());
        state.focus = pane.unwrap_or(state.focus);
    }
    state.memory = memory;
}

/// The rest of it, once a spec is loaded for the first time.
fn remember_more(state: &mut State, path: &RelPath) {
    let case = state.memory.cases.remove(path.as_str());
    if let (Some(case), Some(spec)) = (case, state.spec_of(path)) {
        spec.test_at = row_of(spec, &case).unwrap_or(0);
    }
    let is_selected = state.spec().is_some_and(|spec| spec.path == *path);
    if state.memory.spec.as_deref() != Some(path.as_str()) || !is_selected {
        return;
    }
    state.memory.spec = None;
    state.trace_top = state.memory.trace_top;
    let file = state.memory.file.take().and_then(|file| RelPath::new(&file).ok());
    let known = |file: &RelPath| state.spec().is_some_and(|spec| spec.files().contains(&file));
    if file.as_ref().is_none_or(known) {
        state.view.file = file;
        let lines = state.shown_text().map_or(1, |text| aic_base::LineIndex::new(text).len());
        state.view.line = state.memory.line.min(lines.saturating_sub(1));
        go::keep_line_in_sight(state);
    }
}

/// The row of a case, or of a test of several.
fn row_of(spec: &SpecState, name: &str) -> Option<usize> {
    spec.rows().iter().position(|row| match row {
        TestRow::Case(_, case, _) => *case == name,
        TestRow::Test(test) => test.name == name,
    })
}

/// The specs that there are: new ones come in, others go. One whose text is being edited and not saved stays, so that
/// nothing is lost.
pub(super) fn specs(state: &mut State, found: Vec<(RelPath, String)>) -> Vec<Effect> {
    let selected = state.spec().map(|spec| spec.path.clone());
    let row = state.specs_at.checked_sub(state.specs.len());
    let mut before: BTreeMap<RelPath, SpecState> =
        std::mem::take(&mut state.specs).into_iter().map(|spec| (spec.path.clone(), spec)).collect();
    let mut effects = Vec::new();
    for (path, shown) in found {
        state.specs.push(before.remove(&path).unwrap_or_else(|| {
            effects.push(Effect::History(path.clone()));
            SpecState::new(path, shown)
        }));
    }
    if let Some(editor) = &state.editor
        && let Some(spec) = before.remove(&editor.spec)
    {
        if editor.is_dirty() {
            let text = format!("{} is gone from the disk: saving makes it again", editor.spec);
            state.specs.push(spec);
            say(state, true, text);
        } else {
            state.editor = None;
        }
    }
    state.specs.sort_by(|a, b| a.path.cmp(&b.path));
    state.queue.retain(|job| !before.contains_key(&job.spec));
    if state.running.as_ref().is_some_and(|running| before.contains_key(&running.job.spec)) {
        effects.push(Effect::Stop);
    }
    let stays = selected.as_ref().and_then(|path| state.place_of(path));
    if selected.is_some() && stays.is_none() {
        go::fresh(state);
    }
    state.at = stays.unwrap_or(state.at).min(state.specs.len().saturating_sub(1));
    state.specs_at = row.map_or(state.at, |row| state.specs.len() + row);
    state.specs_at = state.specs_at.min(state.specs_rows().saturating_sub(1));
    state.phase = if state.specs.is_empty() { Phase::Empty(NO_SPEC.into()) } else { Phase::Ready };
    effects
}

pub(super) fn loaded(state: &mut State, new: LoadedSpec) -> Vec<Effect> {
    let LoadedSpec { spec: path, loaded, tests, known } = new;
    let Some(spec) = state.spec_of(&path) else { return Vec::new() };
    let selected = match spec.rows().get(spec.test_at) {
        Some(TestRow::Case(_, case, _)) => Some((*case).to_owned()),
        Some(TestRow::Test(test)) => Some(test.name.clone()),
        None => None,
    };
    let is_first = spec.loaded.is_none();
    let runnable = loaded.spec.is_some() && loaded.blockers().next().is_none();
    let has_errors = loaded.has_errors();
    spec.called = loaded.spec.as_ref().map(|spec| spec.name.clone()).or(spec.called.take());
    spec.loaded = Some(loaded);
    // Where the spec cannot be read now, its tests stay as they were: the last verdict stands until it is mended.
    if !has_errors {
        spec.tests = tests;
        let cases: BTreeSet<&String> = spec.tests.iter().flat_map(|test| &test.cases).collect();
        spec.results.retain(|case, _| cases.contains(case));
    }
    spec.results.extend(known.into_iter().map(|case| (case.id.clone(), Arc::new(case))));
    let last = spec.rows().len().saturating_sub(1);
    spec.test_at = selected.and_then(|name| row_of(spec, &name)).unwrap_or(spec.test_at.min(last));
    if is_first {
        remember_more(state, &path);
    }
    state.specs_at = state.specs_at.min(state.specs_rows().saturating_sub(1));
    let mut effects = edit::reloaded(state, &path);
    effects.push(Effect::History(path.clone()));
    if matches!(state.runner, Runner::Other(_)) {
        return effects;
    }
    let Some(spec) = state.spec_of(&path) else { return effects };
    if !runnable {
        let why = if has_errors { "errors" } else { "what this version cannot enforce" };
        spec.refusal = Some(format!("not run: the spec has {why}; the last verdict stands until that is mended"));
    }
    state.queue.retain(|job| job.spec != path);
    if state.running.as_ref().is_some_and(|running| running.job.spec == path) {
        // What runs is about a spec that is no more.
        effects.push(Effect::Stop);
    }
    if runnable {
        state.queue.push_back(Job { spec: path, cases: None, keep: true });
    }
    effects.extend(start_next(state));
    effects
}

pub(super) fn case_ended(state: &mut State, generation: u64, at: &RelPath, case: Arc<CaseReport>) {
    let Some(running) = state.running.as_mut().filter(|running| running.generation == generation) else { return };
    running.ended += 1;
    if let Some(spec) = state.spec_of(at) {
        spec.waiting.remove(&case.id);
        spec.results.insert(case.id.clone(), case);
    }
}

pub(super) fn tested(state: &mut State, generation: u64, at: RelPath, outcome: Option<Outcome>) -> Vec<Effect> {
    let Some(running) = state.running.take_if(|running| running.generation == generation) else { return Vec::new() };
    let is_selected = state.spec().is_some_and(|spec| spec.path == at);
    let mut effects = Vec::new();
    if let Some(spec) = state.spec_of(&at) {
        spec.waiting.clear();
        if let Some(Outcome { result, unkept, took }) = outcome {
            match result {
                Ok(cases) => {
                    let whole = running.job.cases.is_none();
                    if whole {
                        spec.results.clear();
                        spec.took = Some(took);
                    }
                    spec.results.extend(cases.into_iter().map(|case| (case.id.clone(), Arc::new(case))));
                    (spec.refusal, spec.unkept) = (None, unkept);
                    // Whoever has not looked anywhere yet is shown what is red.
                    let first = spec.red().next();
                    if let (true, 0, Some(red)) = (whole, spec.test_at, first) {
                        spec.test_at = red;
                        if is_selected {
                            state.trace_top = 0;
                        }
                    }
                }
                Err(why) => spec.refusal = Some(why),
            }
        }
        effects.push(Effect::History(at));
    }
    effects.extend(start_next(state));
    effects
}

pub(super) fn rolled(state: &mut State, at: RelPath, result: Result<Option<Rolled>, String>) -> Vec<Effect> {
    match result {
        Ok(Some(rolled)) => {
            say(state, false, rolled.title.clone());
            if let Some(spec) = state.spec_of(&at) {
                spec.rolled = Some(rolled);
                spec.version_at = 0;
            }
        }
        Ok(None) => say(state, false, "the working files are that version already: nothing to do"),
        Err(why) => say(state, true, why),
    }
    vec![Effect::History(at), Effect::Look]
}
