//! Drawing. Views read the state and change nothing.

mod editor;
mod frame;
pub mod meters;
mod overlay;
mod specs;
mod tests;
mod text;
pub mod trace;
mod versions;
mod yaml;

#[cfg(test)]
mod snapshots;

pub use frame::tab_at;
pub use specs::own_problem;
pub use text::gutter_width;

use crate::output::harmless;
use crate::tui::layout::layout;
use crate::tui::state::{Pane, Phase, State};
use crate::tui::theme::Theme;
use aic_behavior::Verdict;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let buffer = frame.buffer_mut();
    buffer.set_style(area, state.theme.text);
    let Some(layout) = layout(area.width, area.height, state.focus, state.specs_rows()) else {
        return frame::too_small(buffer, area, state);
    };
    frame::tabs(buffer, layout.tabs, state);
    let mut cursor = None;
    for (pane, place) in &layout.panes {
        let inside = frame::border(buffer, *place, *pane, state);
        if inside.is_empty() {
            continue;
        }
        if state.phase != Phase::Ready && *pane == state.focus {
            frame::opening(buffer, inside, state);
            continue;
        }
        match pane {
            Pane::Specs => specs::draw(buffer, inside, state),
            Pane::Tests => tests::draw(buffer, inside, state),
            Pane::Spec if state.editor.as_ref().is_some_and(|editor| editor.open) => {
                cursor = editor::draw(buffer, inside, state).filter(|_| state.focus == Pane::Spec);
            }
            Pane::Spec => text::draw(buffer, inside, state),
            Pane::Trace => trace::draw(buffer, inside, state),
            Pane::Meters => meters::draw(buffer, inside, state),
            Pane::Versions => versions::draw(buffer, inside, state),
        }
    }
    frame::footer(buffer, layout.footer, state);
    if state.is_editing() && state.overlay.is_none() {
        editor::popups(buffer, area, state, cursor);
    }
    let typed = overlay::draw(buffer, area, state);
    let shown = if state.overlay.is_some() { typed } else { cursor };
    if let Some(place) = shown {
        frame.set_cursor_position(place);
    }
}

/// Writes lines below each other, as many as fit, from the top.
fn lines<'a>(buffer: &mut Buffer, area: Rect, all: impl IntoIterator<Item = Line<'a>>) {
    for (row, line) in (area.y..area.bottom()).zip(all) {
        buffer.set_line(area.x, row, &line, area.width);
    }
}

/// What stands in a row of the screen, inside of a pane: the row of its list, or the line of its text.
pub fn row_at(state: &State, pane: Pane, inside: Rect, y: u16) -> Option<usize> {
    let spec = state.spec()?;
    let of_list = |area: Rect, count: usize, at: usize| {
        let row = list_top(count, at, area.height) + usize::from(y.checked_sub(area.y)?);
        (row < count).then_some(row)
    };
    match pane {
        Pane::Specs => of_list(inside, state.specs_rows(), state.specs_at),
        Pane::Tests => of_list(tests::below(state, spec, inside), spec.rows().len(), spec.test_at),
        Pane::Versions => of_list(versions::below(state, spec, inside), spec.history.versions.len(), spec.version_at),
        Pane::Spec => text::line_at(state, inside, y),
        Pane::Trace | Pane::Meters => None,
    }
}

/// What somebody would copy from the pane that has the keys: what it is, and it.
pub fn copied(state: &State) -> Option<(&'static str, String)> {
    let spec = state.spec()?;
    match state.focus {
        Pane::Specs => specs::copied(state, spec),
        Pane::Tests => Some(("the output", state.case()?.output.clone())).filter(|(_, text)| !text.is_empty()),
        Pane::Trace => {
            state.case()?;
            // Wide enough that nothing is broken that was one line.
            let lines = trace::lines(state, u16::MAX);
            let text: String = lines.iter().map(|line| line.to_string().trim_end().to_owned() + "\n").collect();
            Some(("the trace", text))
        }
        Pane::Spec => {
            let line = state.shown_text()?.lines().nth(state.view.line)?;
            Some(("the line", line.to_owned()))
        }
        Pane::Meters => None,
        Pane::Versions => Some(("the digest", state.version()?.digest.to_string())),
    }
}

/// The first row of a list that is shown, so that the selected one is.
fn list_top(count: usize, selected: usize, height: u16) -> usize {
    let height = usize::from(height);
    (selected + 2).saturating_sub(height).min(count.saturating_sub(height)).min(selected)
}

/// A list with a selected row, scrolled so that it is on the screen.
fn list<'a>(buffer: &mut Buffer, area: Rect, all: Vec<Line<'a>>, at: Option<usize>, look: Style) {
    let top = list_top(all.len(), at.unwrap_or(0), area.height);
    for (row, (number, line)) in (area.y..area.bottom()).zip(all.into_iter().enumerate().skip(top)) {
        buffer.set_line(area.x, row, &line, area.width);
        if at == Some(number) {
            buffer.set_style(Rect { y: row, height: 1, ..area }, look);
        }
    }
}

/// The look of a selected row: strong in the pane that has the keys.
fn selected(state: &State, pane: Pane) -> Style {
    if state.focus == pane && state.overlay.is_none() { state.theme.selected } else { state.theme.row }
}

/// A text of at most so many columns; what is cut off is shown to be.
fn clip(text: &str, width: usize) -> String {
    use unicode_segmentation::UnicodeSegmentation as _;
    use unicode_width::UnicodeWidthStr as _;
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() > width {
            break;
        }
        used += grapheme.width();
        kept.push_str(grapheme);
    }
    kept.push('…');
    kept
}

/// A text that is not ours, on one line, in a style.
fn span(text: &str, style: Style) -> Span<'static> {
    Span::styled(harmless(text).replace(['\n', '\t'], " "), style)
}

/// The mark and the look of a verdict.
const fn verdict(verdict: Verdict, theme: &Theme) -> (&'static str, Style) {
    match verdict {
        Verdict::Pass => ("✓", theme.good),
        Verdict::Fail => ("✗", theme.bad),
        Verdict::Error => ("!", theme.bad),
        Verdict::Skipped => ("-", theme.dim),
        Verdict::Undecided | Verdict::Stale => ("?", theme.warn),
    }
}

/// Breaks a text into lines of at most so many columns, between words where it can.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    use unicode_segmentation::UnicodeSegmentation as _;
    use unicode_width::UnicodeWidthStr as _;
    let width = width.max(1);
    let mut all = Vec::new();
    for line in harmless(text).replace('\t', "    ").lines() {
        let (mut now, mut used) = (String::new(), 0);
        for word in line.split_inclusive(' ') {
            let wide = word.trim_end().width();
            if used + wide > width && used > 0 {
                all.push(std::mem::take(&mut now));
                used = 0;
            }
            if wide <= width {
                now.push_str(word);
                used += word.width();
                continue;
            }
            for grapheme in word.graphemes(true) {
                if used + grapheme.width() > width && used > 0 {
                    all.push(std::mem::take(&mut now));
                    used = 0;
                }
                now.push_str(grapheme);
                used += grapheme.width();
            }
        }
        all.push(now);
    }
    for line in &mut all {
        line.truncate(line.trim_end().len());
    }
    if all.is_empty() { vec![String::new()] } else { all }
}

#[cfg(test)]
mod unit_tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn a_text_is_broken_between_words_and_never_wider_than_its_place() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("", 8), [""]);
        for width in 1..12 {
            let text = "a long-winded_word_without_end 日本語の文 and\ttabs\nnext";
            assert!(wrapped(text, width).iter().all(|line| line.width() <= width.max(2)), "{width}");
        }
    }
}
