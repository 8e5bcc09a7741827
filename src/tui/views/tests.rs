//! Tests: the tree, each case with how it stands; below it, where there is room, what fails first.

use super::{clip, list, selected, span, verdict};
use crate::report::duration;
use crate::tui::state::{Pane, SpecState, State, TestRow};
use aic_behavior::Verdict;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let Some(spec) = state.spec() else { return };
    let above = above(state, spec, area.width);
    let below = below(state, spec, area);
    super::lines(buffer, Rect { height: below.y - area.y, ..area }, above);
    let area = below;
    let rows: Vec<Line<'_>> = spec.rows().iter().map(|row| one(state, spec, row, area.width)).collect();
    if rows.is_empty() {
        let text = match &spec.loaded {
            None => "loading …",
            Some(loaded) if loaded.has_errors() => "its tests are known once its errors are mended",
            Some(_) => "the spec has no tests yet: they stand under `tests:` in it; `e` opens the editor",
        };
        let text = super::wrapped(text, usize::from(area.width));
        super::lines(buffer, area, text.into_iter().map(|line| Line::styled(line, state.theme.dim)));
        return;
    }
    list(buffer, area, rows, Some(spec.test_at), selected(state, Pane::Tests));
}

/// Why nothing ran, or nothing is kept.
fn above(state: &State, spec: &SpecState, width: u16) -> Vec<Line<'static>> {
    let Some(why) = spec.refusal.as_ref().or(spec.unkept.as_ref()) else { return Vec::new() };
    let look = if spec.refusal.is_some() { state.theme.bad } else { state.theme.warn };
    super::wrapped(why, usize::from(width)).into_iter().map(|line| Line::styled(line, look)).collect()
}

/// Where the tree stands: below what has to be said first.
pub fn below(state: &State, spec: &SpecState, area: Rect) -> Rect {
    let height = u16::try_from(above(state, spec, area.width).len()).unwrap_or(u16::MAX).min(area.height / 2);
    Rect { y: area.y + height, height: area.height - height, ..area }
}

fn one<'a>(state: &State, spec: &SpecState, row: &TestRow<'_>, width: u16) -> Line<'a> {
    match row {
        TestRow::Test(test) => {
            let ended = test.cases.iter().filter_map(|case| spec.results.get(case));
            let worst = ended.map(|case| case.verdict).max();
            let waiting = test.cases.iter().any(|case| spec.waiting.contains(case));
            let (mark, look) = mark(state, worst, waiting);
            let green =
                test.cases.iter().filter(|case| spec.results.get(*case).is_some_and(|case| case.verdict.is_fine()));
            let count = format!("{}/{}", green.count(), test.cases.len());
            let room = usize::from(width).saturating_sub(2 + count.len() + 1);
            let name = clip(&test.name, room);
            let pad = " ".repeat(room.saturating_sub(name.width()) + 1);
            Line::from(vec![
                Span::styled(format!("{mark} "), look),
                span(&name, state.theme.title),
                Span::raw(pad),
                Span::styled(count, state.theme.dim),
            ])
        }
        TestRow::Case(test, case, below) => {
            let result = spec.results.get(*case);
            let (mark, look) = mark(state, result.map(|case| case.verdict), spec.waiting.contains(*case));
            let indent = if *below { "  " } else { "" };
            // Case ids repeat the name of their test: what tells them apart is their end.
            let facts = result
                .filter(|_| !spec.waiting.contains(*case))
                .map(|case| if case.kept { "kept".to_owned() } else { duration(case.latency) });
            let facts = facts.unwrap_or_default();
            let room = usize::from(width).saturating_sub(indent.len() + 2 + facts.width() + 1);
            let own = case.strip_prefix(test.name.as_str()).filter(|own| *below && !own.is_empty());
            let name = clip(own.unwrap_or(case), room);
            let pad = " ".repeat(room.saturating_sub(name.width()) + 1);
            let text = if result.is_some_and(|case| !case.verdict.is_fine()) { look } else { state.theme.text };
            Line::from(vec![
                Span::styled(format!("{indent}{mark} "), look),
                span(&name, text),
                Span::raw(pad),
                Span::styled(facts, state.theme.dim),
            ])
        }
    }
}

fn mark(state: &State, result: Option<Verdict>, waiting: bool) -> (&'static str, Style) {
    match (waiting, result) {
        (true, _) => ("»", state.theme.info),
        (false, Some(result)) => verdict(result, &state.theme),
        (false, None) => ("·", state.theme.dim),
    }
}
