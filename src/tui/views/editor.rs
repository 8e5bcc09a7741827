//! The spec pane, to be written in: the text with its problems in place, the list of what could stand here, and the
//! explanation of what does.

use super::text::{gutter_width, looks, marks, number, paint};
use super::{lines, span};
use crate::tui::editor::Editor;
use crate::tui::markdown;
use crate::tui::state::State;
use aic_base::LineIndex;
use aic_spec::Diagnostic;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};
use unicode_width::UnicodeWidthStr as _;

/// The most rows of a list of completions.
const MOST_ROWS: u16 = 8;
/// The widest explanation, in columns.
const WIDEST: u16 = 64;
/// The highest, in rows, its frame included.
const MOST_HIGH: u16 = 14;

/// Draws the text; returns where the cursor stands, if it is on the screen.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) -> Option<Position> {
    let editor = state.editor.as_ref()?;
    let text = editor.buffer.text();
    let index = LineIndex::new(&text);
    let problems: Vec<&Diagnostic> = editor.found.iter().collect();
    let gutter = gutter_width(editor.buffer.lines());
    let (cursor_line, column) = editor.buffer.shown_position();
    // The last row tells what is wrong on the cursor's line.
    let status = Rect { y: area.bottom() - 1, height: 1, ..area };
    let area = if area.height > 1 { Rect { height: area.height - 1, ..area } } else { area };
    for (row, line) in (area.y..area.bottom()).zip(editor.top..editor.buffer.lines()) {
        let here = Rect { y: row, height: 1, ..area };
        let range = index.line_range(&text, line);
        let on_line: Vec<&Diagnostic> = super::text::of_line(&problems, &text, &index, line).collect();
        number(buffer, here, state, line, gutter, &on_line);
        let content = &text[range.clone()];
        let place = Rect { x: here.x + gutter, width: here.width.saturating_sub(gutter), ..here };
        let mut parts = looks(state, content, editor.path.as_str());
        parts.extend(marks(state, &on_line, range));
        if line == cursor_line {
            buffer.set_style(here, state.theme.row);
        }
        if let Some(chosen) = editor.buffer.selection_on(line) {
            let byte = |at: usize| content.char_indices().nth(at).map_or(content.len(), |(byte, _)| byte);
            parts.push((byte(chosen.start)..byte(chosen.end), state.theme.selected));
        }
        paint(buffer, place, content, editor.left, &parts);
    }
    under_cursor(buffer, status, state, editor, &text, &index);
    let x = usize::from(area.x) + usize::from(gutter) + column.checked_sub(editor.left)?;
    let y = usize::from(area.y) + cursor_line.checked_sub(editor.top)?;
    let inside = x < usize::from(area.right()) && y < usize::from(area.bottom());
    inside.then(|| Position::new(u16::try_from(x).unwrap_or(0), u16::try_from(y).unwrap_or(0)))
}

fn under_cursor(buffer: &mut Buffer, area: Rect, state: &State, editor: &Editor, text: &str, index: &LineIndex) {
    let problems: Vec<&Diagnostic> = editor.found.iter().collect();
    let (line, at) = editor.buffer.position();
    if let Some(problem) = super::text::of_line(&problems, text, index, line).next() {
        let (words, look) = super::text::told(state, problem);
        buffer.set_line(area.x, area.y, &Line::from(span(&words, look)), area.width);
        return;
    }
    let count = match editor.found.len() {
        0 => "no problems".into(),
        some => crate::report::count(some, "problem"),
    };
    let words = format!("{}:{}  {count}", line + 1, at + 1);
    buffer.set_line(area.x, area.y, &Line::styled(words, state.theme.dim), area.width);
}

/// Draws the popups over everything, beside the cursor.
pub fn popups(buffer: &mut Buffer, screen: Rect, state: &State, cursor: Option<Position>) {
    let (Some(editor), Some(cursor)) = (&state.editor, cursor) else { return };
    if let Some(list) = &editor.completions {
        let widest = list.all.iter().map(|one| one.label.width() + one.detail.width() + 4).max().unwrap_or(10);
        let width = u16::try_from(widest).unwrap_or(WIDEST).clamp(12, WIDEST).min(screen.width);
        let rows = u16::try_from(list.all.len()).unwrap_or(MOST_ROWS).min(MOST_ROWS);
        let Some(area) = beside(screen, cursor, width, rows) else { return };
        Clear.render(area, buffer);
        buffer.set_style(area, state.theme.popup);
        let all = list.all.iter().map(|one| {
            Line::from(vec![
                Span::raw(" "),
                span(&one.label, state.theme.popup),
                span(&format!("  {}", one.detail), state.theme.dim),
            ])
        });
        super::list(buffer, area, all.collect(), Some(list.at), state.theme.selected);
        let doc = list.all.get(list.at).map(|one| one.doc.as_str()).filter(|doc| !doc.is_empty());
        if let Some(doc) = doc {
            let right = Rect { x: area.right(), width: screen.right() - area.right(), ..area };
            explain(buffer, right, state, doc);
        }
        return;
    }
    if let Some(explanation) = &editor.explanation {
        let width = WIDEST.min(screen.width);
        let inside = usize::from(width).saturating_sub(2);
        let rows = markdown::lines(&explanation.text, inside, &state.theme).len() + 2;
        let rows = u16::try_from(rows).unwrap_or(MOST_HIGH).min(MOST_HIGH);
        if let Some(area) = beside(screen, cursor, width, rows) {
            explain(buffer, area, state, &explanation.text);
        }
    }
}

/// A framed text, as high as it needs to be and its place allows.
fn explain(buffer: &mut Buffer, area: Rect, state: &State, text: &str) {
    if area.width < 24 {
        return;
    }
    let area = Rect { width: area.width.min(WIDEST), ..area };
    let text = markdown::lines(text, usize::from(area.width) - 2, &state.theme);
    let height = u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
    let bottom = buffer.area.bottom();
    let height = height.min(bottom.saturating_sub(area.y)).min(MOST_HIGH);
    if height < 3 {
        return;
    }
    let area = Rect { height, ..area };
    Clear.render(area, buffer);
    buffer.set_style(area, state.theme.popup);
    let block = Block::bordered().border_style(state.theme.border);
    let inside = block.inner(area);
    block.render(area, buffer);
    let hidden = text.len() > usize::from(inside.height);
    lines(buffer, inside, text);
    if hidden && inside.width > 0 {
        // There is more than there is room for.
        buffer.set_string(inside.right() - 1, inside.bottom() - 1, "…", state.theme.dim);
    }
}

/// A place of this size below the cursor, else above it; none where neither has room.
fn beside(screen: Rect, cursor: Position, width: u16, height: u16) -> Option<Rect> {
    let below = screen.bottom().saturating_sub(cursor.y + 1);
    let above = cursor.y.saturating_sub(screen.y);
    let x = cursor.x.min(screen.right().saturating_sub(width));
    let (y, height) = if below >= height || below >= above {
        (cursor.y + 1, height.min(below))
    } else {
        let height = height.min(above);
        (cursor.y - height, height)
    };
    (height > 0 && width > 0).then_some(Rect { x, y, width, height })
}
