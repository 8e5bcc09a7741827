//! The one place where the state changes: `update` takes what happened and says what is to be done. Pure: it reads no
//! clock, no file and no terminal.

mod edit;
mod go;
mod keys;
mod mouse;
mod results;

use crate::report::count;
use crate::tui::message::{Effect, Msg};
use crate::tui::state::{Notice, Pane, Runner, State};
use ratatui::layout::Rect;

/// Takes what happened into the state, and returns what is to be done about it.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Key(key) => keys::key(state, &key),
        Msg::Mouse(event) => mouse::mouse(state, event),
        Msg::Paste(text) => keys::paste(state, &text),
        Msg::Resize(width, height) => {
            state.size = (width, height);
            edit::follow(state);
            go::keep_line_in_sight(state);
            Vec::new()
        }
        // Files may have changed in a way that the system does not report, on a network for one.
        Msg::FocusGained => vec![Effect::Look],
        Msg::Background { dark } => {
            state.dark = dark;
            if state.config.theme.is_none() {
                retheme(state);
            }
            Vec::new()
        }
        Msg::Opened(result) => results::opened(state, result),
        Msg::Specs(specs) => results::specs(state, specs),
        Msg::Runner(runner) => {
            state.runner = runner;
            Vec::new()
        }
        Msg::Loaded(loaded) => results::loaded(state, *loaded),
        Msg::CaseEnded { generation, spec, case } => {
            results::case_ended(state, generation, &spec, case);
            Vec::new()
        }
        Msg::Tested { generation, spec, outcome } => results::tested(state, generation, spec, outcome.map(|all| *all)),
        Msg::History { spec, history } => {
            if let Some(spec) = state.spec_of(&spec) {
                spec.version_at = spec.version_at.min(history.versions.len().saturating_sub(1));
                spec.history = *history;
            }
            Vec::new()
        }
        Msg::Rolled { spec, result } => results::rolled(state, spec, result),
        // The end of a run of our own says more.
        Msg::Config(config) => {
            if config.broken {
                // What held before still does.
                state.config.problems = config.problems;
                say(state, true, "the configuration cannot be read: the previous one holds; see the problems");
            } else {
                let problems = config.problems.len();
                state.config = *config;
                retheme(state);
                let found =
                    if problems == 0 { String::new() } else { format!(", with {}", count(problems, "problem")) };
                say(state, problems > 0, format!("the configuration was read again{found}"));
            }
            Vec::new()
        }
        Msg::StoreChanged if state.running.is_some() => Vec::new(),
        Msg::StoreChanged => {
            let look = matches!(state.runner, Runner::Other(_)).then_some(Effect::Look);
            state.specs.iter().map(|spec| Effect::History(spec.path.clone())).chain(look).collect()
        }
        Msg::Suspend => vec![Effect::Suspend],
        Msg::Trouble(text) => {
            if !state.troubles.contains(&text) {
                state.troubles.push(text);
            }
            Vec::new()
        }
        Msg::Saved { path, result } => edit::saved(state, &path, result),
        Msg::Analysed { edits, found } => {
            if let Some(editor) = state.editor.as_mut().filter(|editor| editor.edits == edits) {
                editor.found = found;
            }
            Vec::new()
        }
        Msg::Completed { edits, all } => {
            edit::completed(state, edits, all);
            Vec::new()
        }
        Msg::Explained { edits, explanation } => {
            if let Some(editor) = state.editor.as_mut().filter(|editor| editor.edits == edits) {
                if explanation.is_none() {
                    state.notice = Some(Notice { bad: false, text: "nothing is known of what stands here".into() });
                }
                editor.explanation = explanation;
            }
            Vec::new()
        }
        Msg::End(code) => {
            state.quit = Some(code);
            Vec::new()
        }
    }
}

/// Takes the theme that the configuration has.
fn retheme(state: &mut State) {
    let read = state.config.theme(state.depth, state.dark);
    (state.theme, state.theme_problems) = (read.theme, read.problems);
}

/// Starts the next run that waits, if nothing runs.
fn start_next(state: &mut State) -> Vec<Effect> {
    if state.running.is_some() {
        return Vec::new();
    }
    let Some(job) = state.queue.pop_front() else { return Vec::new() };
    state.generation += 1;
    let generation = state.generation;
    if let Some(spec) = state.spec_of(&job.spec) {
        let wanted = |case: &&String| job.cases.as_ref().is_none_or(|cases| cases.contains(*case));
        spec.waiting = spec.tests.iter().flat_map(|test| &test.cases).filter(wanted).cloned().collect();
    }
    state.running = Some(crate::tui::state::Running { job: job.clone(), generation, ended: 0 });
    vec![Effect::Test { generation, job }]
}

/// Says something in the last line.
fn say(state: &mut State, bad: bool, text: impl Into<String>) {
    state.notice = Some(Notice { bad, text: text.into() });
}

/// Where a pane stands now, its border included; the whole screen where it is not on it.
fn place(state: &State, pane: Pane) -> Rect {
    let (width, height) = state.size;
    let layout = crate::tui::layout::layout(width, height, state.focus, state.specs_rows());
    let place = layout.and_then(|layout| layout.panes.into_iter().find(|(one, _)| *one == pane));
    place.map_or(Rect::new(0, 0, width, height), |(_, area)| area)
}

/// The lines that fit into a pane now; at least one.
fn page(state: &State, pane: Pane) -> usize {
    usize::from(place(state, pane).height.saturating_sub(2)).max(1)
}

#[cfg(test)]
mod tests;
