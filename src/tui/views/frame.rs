//! What surrounds the panes: tabs, borders, the footer; and what is shown while there is nothing else.

use super::{lines, span, wrapped};
use crate::report::{count, tests};
use crate::tui::layout::{Form, LEAST};
use crate::tui::palette;
use crate::tui::state::{Pane, Phase, Runner, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget as _};

/// The title of the command that shows all others.
const HELP: &str = "Help";

/// What the line at the top begins with.
const NAME: &str = " aic ";

/// The line at the top: what is open, how it stands, and, where one pane fits only, which it is.
pub fn tabs(buffer: &mut Buffer, area: Rect, state: &State) {
    let theme = &state.theme;
    let mut words = vec![Span::styled(NAME, theme.key)];
    let form = Form::of(state.size.0, state.size.1);
    if form == Form::One {
        words.extend(Pane::ALL.map(|pane| {
            let look = if pane == state.focus { theme.title } else { theme.dim };
            Span::styled(tab(state, pane), look)
        }));
    } else if let Some(spec) = state.spec() {
        words.push(span(&format!("{}  ", spec.name()), theme.title));
        words.push(span(&spec.shown, theme.dim));
    }
    let line = Line::from(words);
    let used = line.width();
    buffer.set_line(area.x, area.y, &line, area.width);
    // The long form where it fits beside the rest, else the short one.
    let (text, look) = standing(state);
    let (short, _) = text.split_once(" · ").unwrap_or((&text, ""));
    let marks = state.spec().map(|spec| spec.tally()).filter(|tally| tally.total() > 0 && state.running.is_none());
    let marks = marks.map_or_else(String::new, |tally| format!("{}/{}", tally.pass, tally.total()));
    for text in [text.as_str(), short, marks.as_str()] {
        let width = unicode_width::UnicodeWidthStr::width(text) + 1;
        if used + width < usize::from(area.width) {
            let width = u16::try_from(width).unwrap_or(u16::MAX);
            buffer.set_line(area.right() - width, area.y, &Line::from(span(text, look)), width);
            break;
        }
    }
}

/// The tab of a pane, where one fits only: the one that is shown has its title.
fn tab(state: &State, pane: Pane) -> String {
    let number = Pane::ALL.iter().position(|one| *one == pane).unwrap_or(0) + 1;
    if pane == state.focus { format!("{number} {} ", pane.title()) } else { format!("{number} ") }
}

/// The pane whose tab stands at a column.
pub fn tab_at(state: &State, x: u16) -> Option<Pane> {
    if Form::of(state.size.0, state.size.1) != Form::One {
        return None;
    }
    let mut end = NAME.len();
    Pane::ALL.into_iter().find(|pane| {
        let start = end;
        end += tab(state, *pane).len();
        (start..end).contains(&usize::from(x))
    })
}

/// How the selected spec stands, in a few words.
fn standing(state: &State) -> (String, Style) {
    let theme = &state.theme;
    let Some(spec) = state.spec() else { return (String::new(), theme.dim) };
    if let Some(running) = &state.running {
        let name = if running.job.spec == spec.path { "" } else { "another spec, " };
        let place = state.place_of(&running.job.spec);
        let total = place.map_or(0, |at| state.specs[at].waiting.len()) + running.ended;
        return (format!("running {name}{}/{total}", running.ended), theme.info);
    }
    if let Runner::Other(holder) = state.runner {
        let who = holder.map_or_else(String::new, |pid| format!(" {pid}"));
        let tally = spec.tally();
        let how = if tally.total() == 0 { String::new() } else { format!(" · {}", tests::words(&tally)) };
        return (format!("following process{who}{how}"), theme.info);
    }
    if spec.refusal.is_some() {
        return ("not run: see the problems".into(), theme.bad);
    }
    if spec.results.is_empty() {
        let none = spec.loaded.is_some() && spec.tests.is_empty();
        return (if none { "no tests" } else { "no tests have run" }.into(), theme.dim);
    }
    let tally = spec.tally();
    let look = if tally.exit_code() == 0 { theme.good } else { theme.bad };
    let took = spec.took.map_or_else(String::new, |took| format!(" · {}", crate::report::duration(took)));
    (format!("{}{took}", tests::words(&tally)), look)
}

/// The border of a pane; returns what is inside.
pub fn border(buffer: &mut Buffer, area: Rect, pane: Pane, state: &State) -> Rect {
    let theme = &state.theme;
    let focused = state.focus == pane && state.overlay.is_none();
    let look = if focused { theme.focus } else { theme.border };
    let number = Pane::ALL.iter().position(|one| *one == pane).unwrap_or(0) + 1;
    let title_look = if focused { theme.title.patch(theme.focus) } else { theme.dim };
    let mut title = vec![Span::styled(format!(" {number} {}", pane.title()), title_look)];
    let more = match pane {
        Pane::Specs => state.spec().map(|spec| count(spec.problems().len() + state.own_problems().count(), "problem")),
        Pane::Spec => state.shown_file().map(|file| {
            let dirty = if state.is_dirty() { " ●" } else { "" };
            let mode = if state.editor.as_ref().is_some_and(|editor| editor.open) { " (editing)" } else { "" };
            let file = state.editor.as_ref().filter(|editor| editor.open).map_or(file, |editor| &editor.path);
            format!("{file}{mode}{dirty}")
        }),
        Pane::Trace => state.case_id().map(str::to_owned),
        Pane::Tests => state.spec().filter(|spec| !spec.results.is_empty()).map(|spec| {
            let tally = spec.tally();
            format!("{}/{}", tally.pass, tally.total())
        }),
        Pane::Versions => state.spec().map(|spec| spec.history.versions.len().to_string()),
        Pane::Meters => None,
    };
    if let Some(more) = more {
        title.push(span(&format!(" {more}"), theme.dim));
    }
    title.push(Span::raw(" "));
    let block = Block::bordered().border_style(look).title(Line::from(title));
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}

/// The line at the bottom: what was said last, else the keys that can be used now.
pub fn footer(buffer: &mut Buffer, area: Rect, state: &State) {
    let theme = &state.theme;
    if let Some(notice) = &state.notice {
        let look = if notice.bad { theme.bad } else { theme.info };
        let line = Line::from(span(&format!(" {}", notice.text), look));
        buffer.set_line(area.x, area.y, &line, area.width);
        return;
    }
    let all = palette::footer(state);
    let wide = |(key, title): &(String, &str)| unicode_width::UnicodeWidthStr::width(key.as_str()) + title.len() + 3;
    // Help leads to all the others, so its place is never given away.
    let mut left = usize::from(area.width).saturating_sub(all.iter().rfind(|one| one.1 == HELP).map_or(0, wide));
    let mut words = Vec::new();
    for one in &all {
        if one.1 != HELP {
            match left.checked_sub(wide(one)) {
                Some(rest) => left = rest,
                None => continue,
            }
        }
        words.push(Span::styled(format!(" {}", one.0), theme.key));
        words.push(Span::styled(format!(" {} ", one.1), theme.dim));
    }
    buffer.set_line(area.x, area.y, &Line::from(words), area.width);
}

/// While there are no specs yet, or none at all.
pub fn opening(buffer: &mut Buffer, area: Rect, state: &State) {
    let (text, look) = match &state.phase {
        Phase::Opening | Phase::Ready => ("looking for specs …", state.theme.dim),
        Phase::Empty(why) => (why.as_str(), state.theme.text),
    };
    let text = wrapped(text, usize::from(area.width));
    lines(buffer, area, text.into_iter().map(|line| Line::styled(line, look)));
}

/// A terminal in which nothing can be shown: how large it has to be.
pub fn too_small(buffer: &mut Buffer, area: Rect, state: &State) {
    let text = format!("{}×{} is too small: make it {}×{} or larger", area.width, area.height, LEAST.0, LEAST.1);
    let text = wrapped(&text, usize::from(area.width));
    lines(buffer, area, text.into_iter().map(|line| Line::styled(line, state.theme.warn)));
}
