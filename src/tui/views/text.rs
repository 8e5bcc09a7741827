//! The spec pane, to be read: lines with their numbers, and what is wrong below the line it is about. The rows of the
//! editor are drawn here, too.

use super::specs::severity;
use super::{selected, wrapped, yaml};
use crate::output::harmless;
use crate::tui::editor::grapheme_width;
use crate::tui::state::{Pane, State};
use aic_base::{LineIndex, RelPath};
use aic_spec::{Diagnostic, Severity};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// The most rows of one of them.
const MOST_ROWS: usize = 3;
/// The most problems that are shown below one line.
const MOST_BELOW: usize = 3;

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let (Some(spec), Some(file)) = (state.spec(), state.shown_file()) else { return };
    let Some(text) = state.shown_text() else {
        let words = if spec.loaded.is_none() { "loading …" } else { "this file is not there, or no text" };
        super::lines(buffer, area, [Line::styled(words, state.theme.dim)]);
        return;
    };
    let index = LineIndex::new(text);
    let problems: Vec<&Diagnostic> = spec.problems().iter().filter(|found| found.file == *file).collect();
    let failing = failing(state, file);
    let gutter = gutter_width(index.len());
    let width = usize::from(area.width.saturating_sub(gutter));
    let notes = |line: usize| {
        let red = failing.iter().filter(|(at, _)| *at == line).map(|(_, words)| words.as_str());
        notes(state, of_line(&problems, text, &index, line), red, width)
    };
    let height = usize::from(area.height);
    let first = top(state.view.top, state.view.line, index.len(), height, |line| 1 + notes(line).len());
    let (mut row, mut line) = (area.y, first);
    while row < area.bottom() && line < index.len() {
        let range = index.line_range(text, line);
        let here = Rect { y: row, height: 1, ..area };
        let on_line: Vec<&Diagnostic> = of_line(&problems, text, &index, line).collect();
        number(buffer, here, state, line, gutter, &on_line);
        let content = &text[range.clone()];
        let mut parts = looks(state, content, file.as_str());
        parts.extend(marks(state, &on_line, range));
        let place = Rect { x: here.x + gutter, width: here.width.saturating_sub(gutter), ..here };
        paint(buffer, place, content, 0, &parts);
        if line == state.view.line {
            buffer.set_style(here, selected(state, Pane::Spec));
        }
        row += 1;
        for note in notes(line) {
            if row < area.bottom() {
                let place = Rect { y: row, height: 1, ..place };
                buffer.set_line(place.x, row, &note, place.width);
                row += 1;
            }
        }
        line += 1;
    }
}

/// What is wrong on a line, broken into rows that stand below it.
fn notes<'a>(
    state: &State,
    found: impl Iterator<Item = &'a Diagnostic>,
    failing: impl Iterator<Item = &'a str>,
    width: usize,
) -> Vec<Line<'static>> {
    let found = found.take(MOST_BELOW).map(|found| told(state, found));
    let all = found.chain(failing.take(MOST_BELOW).map(|words| (words.to_owned(), state.theme.bad)));
    all.flat_map(|(words, look)| {
        wrapped(&words, width).into_iter().take(MOST_ROWS).map(move |row| Line::styled(row, look))
    })
    .collect()
}

/// The line of the text that stands in a row of the screen, inside of the pane.
pub fn line_at(state: &State, area: Rect, y: u16) -> Option<usize> {
    let (spec, file, text) = (state.spec()?, state.shown_file()?, state.shown_text()?);
    let index = LineIndex::new(text);
    let problems: Vec<&Diagnostic> = spec.problems().iter().filter(|found| found.file == *file).collect();
    let failing = failing(state, file);
    let width = usize::from(area.width.saturating_sub(gutter_width(index.len())));
    let rows_of = |line: usize| {
        let red = failing.iter().filter(|(at, _)| *at == line).map(|(_, words)| words.as_str());
        1 + notes(state, of_line(&problems, text, &index, line), red, width).len()
    };
    let mut line = top(state.view.top, state.view.line, index.len(), usize::from(area.height), rows_of);
    let mut left = usize::from(y.checked_sub(area.y)?);
    while line < index.len() {
        match left.checked_sub(rows_of(line)) {
            Some(rest) => (line, left) = (line + 1, rest),
            None => return Some(line),
        }
    }
    None
}

/// A problem in words, with what helps, and its look.
pub fn told(state: &State, problem: &Diagnostic) -> (String, Style) {
    let (mark, look) = severity(state, problem.severity);
    let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" · {help}"));
    let fix = problem.fix.as_ref().map_or_else(String::new, |fix| format!(" · {}", fix.title));
    (format!("{mark} {}{help}{fix}", problem.message), look)
}

/// The expectations in a file that do not hold: on which line, and what came instead.
fn failing(state: &State, file: &RelPath) -> Vec<(usize, String)> {
    let (Some(spec), Some(text)) = (state.spec(), state.shown_text()) else { return Vec::new() };
    let index = LineIndex::new(text);
    let all = spec.results.values().flat_map(|case| case.failures.iter().map(move |failure| (case, failure)));
    let here = all.filter(|(_, failure)| failure.file == *file);
    here.map(|(case, failure)| {
        let line = index.line_of((failure.span.start as usize).min(text.len()));
        (line, format!("✗ {}: {}", case.id, failure.message))
    })
    .collect()
}

/// The first line to show: the wanted one, or a later one where problems take so many rows that the selected line would
/// not be on the screen.
fn top(wanted: usize, selected: usize, lines: usize, height: usize, rows_of: impl Fn(usize) -> usize) -> usize {
    let selected = selected.min(lines.saturating_sub(1));
    let (mut top, mut used) = (selected, rows_of(selected));
    while top > wanted && used + rows_of(top - 1) <= height {
        top -= 1;
        used += rows_of(top);
    }
    top
}

/// The columns of the line numbers, a mark and a blank included.
pub fn gutter_width(lines: usize) -> u16 {
    u16::try_from(lines.max(1).ilog10()).unwrap_or(0) + 4
}

/// The problems that begin on a line.
pub fn of_line<'a>(
    problems: &'a [&'a Diagnostic],
    text: &'a str,
    index: &'a LineIndex,
    line: usize,
) -> impl Iterator<Item = &'a Diagnostic> {
    problems.iter().copied().filter(move |found| index.line_of((found.span.start as usize).min(text.len())) == line)
}

/// The number of a line, with the mark of the worst problem on it.
pub fn number(buffer: &mut Buffer, area: Rect, state: &State, line: usize, gutter: u16, problems: &[&Diagnostic]) {
    let worst = problems.iter().map(|found| found.severity).min();
    let (mark, look) = worst.map_or((" ", state.theme.gutter), |worst| severity(state, worst));
    let wide = usize::from(gutter).saturating_sub(3);
    let words = Line::from(vec![
        Span::styled(format!("{mark} "), look),
        Span::styled(format!("{:>wide$} ", line + 1), state.theme.gutter),
    ]);
    buffer.set_line(area.x, area.y, &words, gutter.min(area.width));
}

/// The looks of a line's parts; files that are no specs have none.
pub fn looks(state: &State, line: &str, file: &str) -> Vec<(Range<usize>, Style)> {
    let is_yaml = [".yml", ".yaml", ".toml"].iter().any(|ending| file.ends_with(ending));
    if is_yaml { yaml::parts(line, &state.theme) } else { Vec::new() }
}

/// Where the problems of a line stand in it.
pub fn marks(state: &State, problems: &[&Diagnostic], line: Range<usize>) -> Vec<(Range<usize>, Style)> {
    let mut all: Vec<(Range<usize>, Style)> = Vec::new();
    for found in problems {
        let look = match found.severity {
            Severity::Error => state.theme.under_bad,
            Severity::Warning | Severity::Hint => state.theme.under_warn,
        };
        let span = found.span.range();
        let start = span.start.clamp(line.start, line.end) - line.start;
        let end = span.end.clamp(line.start, line.end) - line.start;
        all.push((start..end, look));
    }
    all
}

/// Writes a line from a column on, each part in its look; later parts win.
pub fn paint(buffer: &mut Buffer, area: Rect, line: &str, left: usize, parts: &[(Range<usize>, Style)]) {
    let mut column = 0;
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = grapheme_width(grapheme, column);
        let (start, end) = (column, column + wide);
        column = end;
        if start < left || wide == 0 {
            continue;
        }
        let x = usize::from(area.x) + start - left;
        if x + wide > usize::from(area.right()) {
            break;
        }
        let inside = parts.iter().filter(|(range, _)| range.contains(&at));
        let look = inside.fold(Style::new(), |look, (_, more)| look.patch(*more));
        let shown = if grapheme == "\t" { " ".repeat(wide) } else { harmless(grapheme) };
        if let Ok(x) = u16::try_from(x) {
            buffer.set_string(x, area.y, shown, look);
        }
    }
}
