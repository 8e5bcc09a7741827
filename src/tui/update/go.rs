//! Moving about: selections, scrolling, opening what is selected, finding.

use super::{page, say};
use crate::tui::state::{Overlay, Pane, State, TestRow};
use crate::tui::views;
use aic_base::{LineIndex, RelPath, Span};

/// A number moved by so many, from 0 to the last.
fn moved(at: usize, by: isize, count: usize) -> usize {
    at.saturating_add_signed(by).min(count.saturating_sub(1))
}

/// Moves the selection or the text of the focused pane.
pub(super) fn step(state: &mut State, by: isize) {
    step_in(state, state.focus, by);
}

/// Moves the selection or the text of a pane.
pub(super) fn step_in(state: &mut State, pane: Pane, by: isize) {
    match pane {
        Pane::Specs => select_row(state, moved(state.specs_at, by, state.specs_rows())),
        Pane::Tests => {
            if let Some(spec) = state.spec_mut() {
                spec.test_at = moved(spec.test_at, by, spec.rows().len());
            }
            state.trace_top = 0;
        }
        Pane::Spec => {
            let lines = state.shown_text().map_or(1, |text| LineIndex::new(text).len());
            state.view.line = moved(state.view.line, by, lines);
            keep_line_in_sight(state);
        }
        Pane::Trace => {
            let lines = views::trace::lines(state, super::place(state, Pane::Trace).width.saturating_sub(2)).len();
            let last = lines.saturating_sub(page(state, Pane::Trace));
            state.trace_top = moved(state.trace_top, by, last + 1);
        }
        Pane::Meters => state.meters_top = moved(state.meters_top, by, 64),
        Pane::Versions => {
            if let Some(spec) = state.spec_mut() {
                spec.version_at = moved(spec.version_at, by, spec.history.versions.len());
            }
        }
    }
}

/// Scrolls the text so that the selected line is on the screen.
pub(super) fn keep_line_in_sight(state: &mut State) {
    // Problems take lines of their own between those of the text, so that a page holds fewer of these.
    let height = page(state, Pane::Spec);
    let margin = (height / 4).min(3);
    let view = &mut state.view;
    view.top = view.top.min(view.line.saturating_sub(margin));
    view.top = view.top.max((view.line + margin + 1).saturating_sub(height));
}

/// Selects a row of specs and problems.
pub(super) fn select_row(state: &mut State, at: usize) {
    state.specs_at = at;
    if at < state.specs.len() {
        select_spec(state, at);
    }
}

/// Selects a spec.
pub(super) fn select_spec(state: &mut State, at: usize) {
    if at >= state.specs.len() || at == state.at {
        return;
    }
    (state.at, state.specs_at) = (at, at);
    fresh(state);
    if let Some(editor) = &mut state.editor {
        editor.open = false;
        if !editor.is_dirty() {
            state.editor = None;
        }
    }
}

/// Forgets how far the panes of a spec were scrolled.
pub(super) fn fresh(state: &mut State) {
    (state.trace_top, state.meters_top) = (0, 0);
    state.view = crate::tui::state::FileView::default();
}

/// Opens what is selected.
pub(super) fn open(state: &mut State) {
    match state.focus {
        Pane::Specs => {
            let at = state.specs_at;
            if at < state.specs.len() {
                select_spec(state, at);
                state.focus = Pane::Spec;
                return;
            }
            if let Some((_, text)) = views::own_problem(state) {
                state.overlay = Some(Overlay::Problem(text));
                return;
            }
            let problem = state.spec().and_then(|spec| spec.problems().get(at - state.specs.len()));
            if let Some((file, span)) = problem.map(|problem| (problem.file.clone(), problem.span)) {
                show(state, &file, span);
            }
        }
        Pane::Tests => state.focus = Pane::Trace,
        Pane::Trace => source(state),
        Pane::Versions | Pane::Meters => state.focus = Pane::Trace,
        Pane::Spec => {}
    }
}

/// Shows a place of a file.
pub(super) fn show(state: &mut State, file: &RelPath, span: Span) {
    let text = state.spec().and_then(|spec| spec.loaded.as_ref()?.text(file));
    let Some(line) = text.map(|text| LineIndex::new(text).line_of((span.start as usize).min(text.len()))) else {
        say(state, true, format!("{file} cannot be shown: it is not there, or no text"));
        return;
    };
    state.focus = Pane::Spec;
    state.view.file = Some(file.clone());
    state.view.line = line;
    if let Some(editor) = state.editor.as_mut().filter(|editor| editor.open) {
        if editor.path == *file {
            editor.buffer.go_to_line(line);
        } else {
            editor.open = false;
        }
    }
    keep_line_in_sight(state);
    super::edit::follow(state);
}

/// Shows where the first failing expectation of the selected case stands, or the test.
pub(super) fn source(state: &mut State) {
    let failing =
        state.case().and_then(|case| case.failures.first()).map(|failure| (failure.file.clone(), failure.span));
    let place = failing.or_else(|| match state.spec()?.rows().get(state.spec()?.test_at)? {
        TestRow::Test(test) | TestRow::Case(test, ..) => Some((test.file.clone(), test.span)),
    });
    match place {
        Some((file, span)) => show(state, &file, span),
        None => say(state, false, "no case is selected"),
    }
}

/// Selects the next case that is not green: further down in this spec, else in the next spec that has some, around.
pub(super) fn next_red(state: &mut State) {
    let Some(spec) = state.spec() else { return };
    let below = spec.red().find(|row| *row > spec.test_at).map(|row| (state.at, row));
    let count = state.specs.len();
    let others = (1..=count).map(|by| (state.at + by) % count);
    let next = below.or_else(|| others.into_iter().find_map(|at| Some((at, state.specs[at].red().next()?))));
    let Some((at, row)) = next else { return };
    select_spec(state, at);
    state.specs[at].test_at = row;
    state.trace_top = 0;
    if !matches!(state.focus, Pane::Tests | Pane::Trace) {
        state.focus = Pane::Tests;
    }
}

/// Shows another file of the spec.
pub(super) fn next_file(state: &mut State, by: isize) {
    let Some(spec) = state.spec() else { return };
    let files = spec.files();
    let shown = state.shown_file();
    let at = files.iter().position(|file| Some(*file) == shown).unwrap_or(0);
    let next = (at + files.len()).wrapping_add_signed(by) % files.len().max(1);
    let Some(file) = files.get(next).map(|file| (*file).clone()) else { return };
    state.view = crate::tui::state::FileView { file: Some(file), line: 0, top: 0 };
}

/// Goes to the next or previous line that holds the searched text; lower case finds both cases.
pub(super) fn find(state: &mut State, forward: bool, from_here: bool) {
    let wanted = state.search.clone();
    if wanted.is_empty() {
        return;
    }
    let Some(text) = state.shown_text() else { return };
    let exact = wanted.chars().any(char::is_uppercase);
    let holds = |line: &str| if exact { line.contains(&wanted) } else { line.to_lowercase().contains(&wanted) };
    let hits: Vec<usize> = text.lines().enumerate().filter(|(_, line)| holds(line)).map(|(at, _)| at).collect();
    let line = state.view.line;
    let next = match (forward, from_here) {
        (true, true) => hits.iter().find(|at| **at >= line).or(hits.first()),
        (true, false) => hits.iter().find(|at| **at > line).or(hits.first()),
        (false, _) => hits.iter().rev().find(|at| **at < line).or(hits.last()),
    };
    match next.copied() {
        Some(next) => {
            state.view.line = next;
            keep_line_in_sight(state);
            let at = hits.iter().position(|hit| *hit == next).unwrap_or(0) + 1;
            say(state, false, format!("{at} of {}", crate::report::count(hits.len(), "line")));
        }
        None => say(state, true, format!("`{wanted}` is not in this file")),
    }
}
