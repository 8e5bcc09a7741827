//! What lies over the panes: palette, help, the search line, questions.

use super::{lines, span, wrapped};
use crate::tui::commands::{COMMANDS, Context};
use crate::tui::palette::{self, Found};
use crate::tui::state::{Overlay, Question, State};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget as _};
use unicode_width::UnicodeWidthStr as _;

/// Draws it; returns where the cursor stands, where something is typed.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) -> Option<Position> {
    match state.overlay.as_ref()? {
        Overlay::Palette { query, at } => Some(commands(buffer, area, state, query, *at)),
        Overlay::Help { top } => {
            help(buffer, area, state, *top);
            None
        }
        Overlay::Find { query } => {
            let row = Rect { y: area.bottom() - 1, height: 1, ..area };
            Clear.render(row, buffer);
            let line = Line::from(vec![Span::styled(" find: ", state.theme.key), span(query, state.theme.text)]);
            buffer.set_line(row.x, row.y, &line, row.width);
            Some(after(row.x + 7, row.y, query, row))
        }
        Overlay::Ask(question) => {
            ask(buffer, area, state, *question);
            None
        }
        Overlay::Problem(text) => {
            told(buffer, area, state, "Problem", text, "any key closes this · y in the list copies it");
            None
        }
    }
}

/// The place after a typed text, inside of its row.
fn after(x: u16, y: u16, text: &str, row: Rect) -> Position {
    let x = u16::try_from(text.width()).unwrap_or(u16::MAX).saturating_add(x);
    Position::new(x.min(row.right().saturating_sub(1)), y)
}

/// A cleared box with a border in the middle of the screen; returns its inside.
fn boxed(buffer: &mut Buffer, area: Rect, state: &State, width: u16, height: u16, title: &str) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    Clear.render(place, buffer);
    buffer.set_style(place, state.theme.popup);
    let title = Line::styled(format!(" {title} "), state.theme.title);
    let block = Block::bordered().border_style(state.theme.focus).title(title);
    let inside = block.inner(place);
    block.render(place, buffer);
    inside
}

fn commands(buffer: &mut Buffer, area: Rect, state: &State, query: &str, at: usize) -> Position {
    let found = palette::find(state, query);
    let inside = boxed(buffer, area, state, 76, area.height * 2 / 3 + 2, "Commands");
    let line = Line::from(vec![Span::styled("› ", state.theme.key), span(query, state.theme.popup)]);
    buffer.set_line(inside.x, inside.y, &line, inside.width);
    let below = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
    let rows = found.iter().map(|found| command(state, found, below.width)).collect();
    super::list(buffer, below, rows, Some(at), state.theme.selected);
    after(inside.x + 2, inside.y, query, inside)
}

fn command(state: &State, found: &Found, width: u16) -> Line<'static> {
    let theme = &state.theme;
    let base = if found.why_not.is_some() { theme.dim } else { theme.popup };
    let mut words = vec![Span::raw(" ")];
    for (at, c) in found.command.title.chars().enumerate() {
        let fits = u32::try_from(at).is_ok_and(|at| found.marks.binary_search(&at).is_ok());
        words.push(Span::styled(c.to_string(), if fits { base.patch(theme.found) } else { base }));
    }
    let text = found.why_not.map_or(found.command.doc, |why| why);
    let used = found.command.title.width() + found.keys.width() + 5;
    let room = usize::from(width).saturating_sub(used);
    let shown: String = text.chars().take(room).collect();
    let pad = " ".repeat(room.saturating_sub(shown.width()) + 1);
    words.push(Span::styled(format!("  {shown}"), theme.dim));
    words.push(Span::raw(pad));
    words.push(Span::styled(found.keys.clone(), theme.key));
    Line::from(words)
}

fn help(buffer: &mut Buffer, area: Rect, state: &State, top: usize) {
    let inside = boxed(buffer, area, state, 100, area.height.saturating_sub(2), "Help · Esc closes");
    let theme = &state.theme;
    let mut all: Vec<Line<'_>> = Vec::new();
    let mut contexts: Vec<Context> = COMMANDS.iter().map(|command| command.context).collect();
    contexts.sort();
    contexts.dedup();
    for context in contexts {
        all.push(Line::styled(context.title(), theme.title));
        for command in COMMANDS.iter().filter(|command| command.context == context) {
            let keys = palette::keys(state, command);
            let pad = " ".repeat(16_usize.saturating_sub(keys.width()));
            let why_not = (command.enabled)(state).err();
            let (text, look) = why_not.map_or((command.doc, theme.dim), |why| (why, theme.warn));
            all.push(Line::from(vec![
                Span::styled(format!("  {keys}{pad}"), theme.key),
                Span::styled(format!("{:<24}", command.title), theme.popup),
                Span::styled(text, look),
            ]));
        }
        all.push(Line::default());
    }
    lines(buffer, inside, all.into_iter().skip(top));
}

fn ask(buffer: &mut Buffer, area: Rect, state: &State, question: Question) {
    let (title, text, keys) = match question {
        Question::QuitUnsaved => {
            ("Not saved", "There are edits that are not saved. Leave all the same?", "y leaves · n stays")
        }
        Question::BothChanged => (
            "Changed in two places",
            "The file was changed on the disk while it was edited here. Which text is to stay? The other one can be had \
             back: with undo, or from the versions once it was tested.",
            "m keeps mine and saves it · d takes the one on the disk · Esc decides later",
        ),
    };
    told(buffer, area, state, title, text, keys);
}

/// A box with a text, and the keys that it takes.
fn told(buffer: &mut Buffer, area: Rect, state: &State, title: &str, text: &str, keys: &str) {
    let width = 64.min(area.width);
    let text = wrapped(text, usize::from(width.saturating_sub(4)).max(1));
    let keys = wrapped(keys, usize::from(width.saturating_sub(4)).max(1));
    let height = u16::try_from(text.len() + keys.len() + 3).unwrap_or(u16::MAX);
    let inside = boxed(buffer, area, state, width, height, title);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let text = text.into_iter().map(|line| Line::styled(line, state.theme.popup));
    let keys = keys.into_iter().map(|line| Line::styled(line, state.theme.key));
    lines(buffer, inside, text.chain([Line::default()]).chain(keys));
}
