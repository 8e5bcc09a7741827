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

/// A list with a selected row, scrolled so that it is on the screen.
fn list<'a>(buffer: &mut Buffer, area: Rect, all: Vec<Line<'a>>, at: Option<usize>, look: Style) {
    let height = usize::from(area.height);
    let selected = at.unwrap_or(0);
    let top = (selected + 2).saturating_sub(height).min(all.len().saturating_sub(height));
    let top = top.min(selected);
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
