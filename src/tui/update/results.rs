//! What comes back from outside: specs, cases, rollbacks.

use super::{edit, say, start_next};
use crate::tui::message::{Effect, LoadedSpec, Opened, Outcome};
use crate::tui::state::{Job, Phase, Rolled, Runner, SpecState, State, TestRow};
use aic_behavior::CaseReport;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn opened(state: &mut State, result: Result<Opened, String>) -> Vec<Effect> {
    match result {
        Ok(Opened { specs, runner, troubles }) => {
            state.specs = specs.into_iter().map(|(path, shown)| SpecState::new(path, shown)).collect();
            (state.phase, state.runner) = (Phase::Ready, runner);
            state.troubles.extend(troubles);
            let history = (0..state.specs.len()).map(Effect::History);
            std::iter::once(Effect::Look).chain(history).collect()
        }
        Err(why) => {
            state.phase = Phase::Empty(why);
            Vec::new()
        }
    }
}

pub(super) fn loaded(state: &mut State, new: LoadedSpec) -> Vec<Effect> {
    let LoadedSpec { spec: at, loaded, tests, known } = new;
    let Some(spec) = state.specs.get_mut(at) else { return Vec::new() };
    let selected = match spec.rows().get(spec.test_at) {
        Some(TestRow::Case(_, case, _)) => Some((*case).to_owned()),
        Some(TestRow::Test(test)) => Some(test.name.clone()),
        None => None,
    };
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
    spec.test_at = spec
        .rows()
        .iter()
        .position(|row| match row {
            TestRow::Case(_, case, _) => selected.as_deref() == Some(*case),
            TestRow::Test(test) => selected.as_ref() == Some(&test.name),
        })
        .unwrap_or(spec.test_at.min(spec.rows().len().saturating_sub(1)));
    state.specs_at = state.specs_at.min(state.specs_rows().saturating_sub(1));
    let mut effects = edit::reloaded(state, at);
    effects.push(Effect::History(at));
    if matches!(state.runner, Runner::Other(_)) {
        return effects;
    }
    let Some(spec) = state.specs.get_mut(at) else { return effects };
    if !runnable {
        let why = if has_errors { "errors" } else { "what this version cannot enforce" };
        spec.refusal = Some(format!("not run: the spec has {why}; the last verdict stands until that is mended"));
    }
    state.queue.retain(|job| job.spec != at);
    if state.running.as_ref().is_some_and(|running| running.job.spec == at) {
        // What runs is about a spec that is no more.
        effects.push(Effect::Stop);
    }
    if runnable {
        state.queue.push_back(Job { spec: at, case: None, keep: true });
    }
    effects.extend(start_next(state));
    effects
}

pub(super) fn case_ended(state: &mut State, generation: u64, at: usize, case: Arc<CaseReport>) {
    let Some(running) = state.running.as_mut().filter(|running| running.generation == generation) else { return };
    running.ended += 1;
    if let Some(spec) = state.specs.get_mut(at) {
        spec.waiting.remove(&case.id);
        spec.results.insert(case.id.clone(), case);
    }
}

pub(super) fn tested(state: &mut State, generation: u64, at: usize, outcome: Option<Outcome>) -> Vec<Effect> {
    let Some(running) = state.running.take_if(|running| running.generation == generation) else { return Vec::new() };
    let is_selected = state.at == at;
    let mut effects = Vec::new();
    if let Some(spec) = state.specs.get_mut(at) {
        spec.waiting.clear();
        if let Some(Outcome { result, unkept, took }) = outcome {
            match result {
                Ok(cases) => {
                    let whole = running.job.case.is_none();
                    if whole {
                        spec.results.clear();
                        spec.took = Some(took);
                    }
                    spec.results.extend(cases.into_iter().map(|case| (case.id.clone(), Arc::new(case))));
                    (spec.refusal, spec.unkept) = (None, unkept);
                    // Whoever has not looked anywhere yet is shown what is red.
                    let first = spec.red().next();
                    if let (true, 0, Some(red)) = (whole && is_selected, spec.test_at, first) {
                        spec.test_at = red;
                        state.trace_top = 0;
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

pub(super) fn rolled(state: &mut State, at: usize, result: Result<Option<Rolled>, String>) -> Vec<Effect> {
    match result {
        Ok(Some(rolled)) => {
            say(state, false, rolled.title.clone());
            if let Some(spec) = state.specs.get_mut(at) {
                spec.rolled = Some(rolled);
                spec.version_at = 0;
            }
        }
        Ok(None) => say(state, false, "the working files are that version already: nothing to do"),
        Err(why) => say(state, true, why),
    }
    vec![Effect::History(at), Effect::Look]
}
