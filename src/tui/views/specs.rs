//! Specs and problems: which specs there are and how each stands, then what is wrong with the selected one.

use super::{clip, list, selected, span};
use crate::tui::state::{Pane, SpecState, State};
use aic_base::LineIndex;
use aic_spec::{Diagnostic, Severity};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let mut rows: Vec<Line<'_>> = Vec::new();
    for (at, spec) in state.specs.iter().enumerate() {
        let (mark, look) = mark(state, spec);
        let name = if at == state.at { state.theme.title } else { state.theme.text };
        let tally = spec.tally();
        let count = if tally.total() > 0 { format!(" {}/{}", tally.pass, tally.total()) } else { String::new() };
        let room = usize::from(area.width).saturating_sub(2 + count.len());
        let called = clip(spec.name(), room);
        let room = room.saturating_sub(called.width() + 2);
        let mut words =
            vec![Span::styled(format!("{mark} "), look), span(&called, name), Span::styled(count, state.theme.dim)];
        // The path tells specs of one name apart; a few letters of it tell nothing.
        if spec.name() != spec.shown && room >= 8 {
            words.push(span(&format!("  {}", clip(&spec.shown, room)), state.theme.dim));
        }
        rows.push(Line::from(words));
    }
    if let Some(spec) = state.spec() {
        rows.extend(spec.problems().iter().map(|problem| one(state, spec, problem)));
    }
    rows.extend(
        state
            .own_problems()
            .map(|text| Line::from(vec![Span::styled("! ", state.theme.warn), span(text, state.theme.text)])),
    );
    list(buffer, area, rows, Some(state.specs_at), selected(state, Pane::Specs));
}

/// The selected path or problem.
pub fn copied(state: &State, spec: &SpecState) -> Option<(&'static str, String)> {
    if let Some(chosen) = state.specs.get(state.specs_at) {
        return Some(("the path", chosen.path.to_string()));
    }
    let at = state.specs_at - state.specs.len();
    let Some(problem) = spec.problems().get(at) else { return own_problem(state) };
    let text = spec.loaded.as_ref().and_then(|loaded| loaded.text(&problem.file));
    let place = text.map(|text| LineIndex::new(text).line_col(text, problem.span.start as usize));
    let place = place.map_or_else(String::new, |place| format!(":{}:{}", place.line, place.column));
    let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\n{help}"));
    Some(("the problem", format!("{}{place}: {}{help}", problem.file, problem.message)))
}

/// The selected problem, if it is none of a spec: of the configuration, the store, the workspace.
pub fn own_problem(state: &State) -> Option<(&'static str, String)> {
    let before = state.specs.len() + state.spec()?.problems().len();
    Some(("the problem", state.own_problems().nth(state.specs_at.checked_sub(before)?)?.clone()))
}

/// How a spec stands: it runs, is broken, red, green, or was not looked at yet.
fn mark(state: &State, spec: &SpecState) -> (&'static str, Style) {
    let theme = &state.theme;
    if state.running.as_ref().is_some_and(|running| running.job.spec == spec.path) {
        ("»", theme.info)
    } else if spec.loaded.as_ref().is_some_and(|loaded| loaded.has_errors()) || spec.refusal.is_some() {
        ("!", theme.bad)
    } else if spec.results.is_empty() {
        ("·", theme.dim)
    } else if spec.tally().exit_code() == 0 {
        ("✓", theme.good)
    } else {
        ("✗", theme.bad)
    }
}

fn one(state: &State, spec: &SpecState, problem: &Diagnostic) -> Line<'static> {
    let (mark, look) = severity(state, problem.severity);
    let text = spec.loaded.as_ref().and_then(|loaded| loaded.text(&problem.file));
    let line = text.map(|text| LineIndex::new(text).line_col(text, problem.span.start as usize).line);
    let place = line.map_or_else(String::new, |line| format!("{line}: "));
    let file = if problem.file == spec.path { String::new() } else { format!("{} ", problem.file.file_name()) };
    Line::from(vec![
        Span::styled(format!("{mark} "), look),
        span(&format!("{file}{place}"), state.theme.dim),
        span(&problem.message, state.theme.text),
    ])
}

/// The mark and the look of a finding.
pub fn severity(state: &State, severity: Severity) -> (&'static str, Style) {
    match severity {
        Severity::Error => ("✗", state.theme.bad),
        Severity::Warning => ("▲", state.theme.warn),
        Severity::Hint => ("·", state.theme.info),
    }
}
