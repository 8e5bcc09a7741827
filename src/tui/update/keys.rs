//! Keys: what lies over the panes takes them first, then the command registry, then the editor.

use super::{edit, go, page, say};
use crate::tui::commands::{Context, Id};
use crate::tui::keymap::Key;
use crate::tui::message::Effect;
use crate::tui::palette;
use crate::tui::state::{Job, Overlay, Pane, Question, State};
use crate::tui::theme;
use aic_base::RelPath;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use std::collections::BTreeSet;

pub(super) fn key(state: &mut State, event: &KeyEvent) -> Vec<Effect> {
    if event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let key = Key::of(event);
    state.notice = None;
    match state.overlay.take() {
        Some(overlay) => over(state, overlay, key),
        None => {
            let context = state.context();
            let typed = key.typed().filter(|_| context == Context::Editor);
            match (typed, state.config.keymap.command(context, key)) {
                (Some(c), _) => edit::typed(state, c.encode_utf8(&mut [0; 4])),
                (None, Some(id)) => run(state, id),
                (None, None) => Vec::new(),
            }
        }
    }
}

pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    if state.overlay.is_none() && state.is_editing() {
        return edit::pasted(state, text);
    }
    let first = text.lines().next().unwrap_or("").chars().filter(|c| !c.is_control());
    match &mut state.overlay {
        Some(Overlay::Palette { query, at }) => {
            query.extend(first.take(100));
            *at = 0;
            Vec::new()
        }
        Some(Overlay::Find { query }) => {
            query.extend(first.take(1000));
            Vec::new()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Keys while something lies over the panes. It was taken away, and is put back where it stays.
fn over(state: &mut State, overlay: Overlay, key: Key) -> Vec<Effect> {
    let plain = key.plain();
    let control = |text: &str| Key::parse(text) == Some(key);
    if plain == Some(KeyCode::Esc) || control("ctrl-c") {
        return Vec::new();
    }
    match overlay {
        Overlay::Palette { mut query, mut at } => {
            let found = palette::find(state, &query);
            match plain {
                Some(KeyCode::Enter) => {
                    let Some(chosen) = found.get(at) else { return Vec::new() };
                    return run(state, chosen.command.id);
                }
                Some(KeyCode::Down) => at = (at + 1).min(found.len().saturating_sub(1)),
                Some(KeyCode::Up) => at = at.saturating_sub(1),
                Some(KeyCode::Backspace) => {
                    query.pop();
                    at = 0;
                }
                _ if control("ctrl-n") => at = (at + 1).min(found.len().saturating_sub(1)),
                _ if control("ctrl-p") => at = at.saturating_sub(1),
                _ => {
                    if let Some(c) = key.typed().filter(|_| query.len() < 200) {
                        query.push(c);
                        at = 0;
                    }
                }
            }
            state.overlay = Some(Overlay::Palette { query, at });
        }
        Overlay::Help { top } => {
            let height = usize::from(state.size.1.saturating_sub(4)).max(1);
            let last = palette::help_last(state.size.1);
            let top = match plain {
                Some(KeyCode::Down | KeyCode::Char('j')) => top + 1,
                Some(KeyCode::Up | KeyCode::Char('k')) => top.saturating_sub(1),
                Some(KeyCode::PageDown | KeyCode::Char(' ')) => top + height,
                Some(KeyCode::PageUp) => top.saturating_sub(height),
                Some(KeyCode::Home | KeyCode::Char('g')) => 0,
                Some(KeyCode::End | KeyCode::Char('G')) => last,
                Some(KeyCode::Char('q' | '?') | KeyCode::Enter | KeyCode::F(1)) => return Vec::new(),
                _ => top,
            };
            state.overlay = Some(Overlay::Help { top: top.min(last) });
        }
        Overlay::Find { mut query } => {
            match plain {
                Some(KeyCode::Enter) => {
                    state.search = query;
                    go::find(state, true, true);
                    return Vec::new();
                }
                Some(KeyCode::Backspace) => drop(query.pop()),
                _ => query.extend(key.typed().filter(|_| query.len() < 1000)),
            }
            state.overlay = Some(Overlay::Find { query });
        }
        Overlay::Ask(question) => return answer(state, question, plain),
        // Any key closes it.
        Overlay::Problem(_) => {}
    }
    Vec::new()
}

fn answer(state: &mut State, question: Question, key: Option<KeyCode>) -> Vec<Effect> {
    match (question, key) {
        (Question::QuitUnsaved, Some(KeyCode::Char('y' | 'Y'))) => state.quit = Some(0),
        (Question::QuitUnsaved, Some(KeyCode::Char('n' | 'N') | KeyCode::Enter)) => {}
        (Question::BothChanged, Some(KeyCode::Char('m' | 'M'))) => return edit::settle(state, true),
        (Question::BothChanged, Some(KeyCode::Char('d' | 'D'))) => return edit::settle(state, false),
        _ => state.overlay = Some(Overlay::Ask(question)),
    }
    Vec::new()
}

/// Carries a command out, or says why not.
pub(super) fn run(state: &mut State, id: Id) -> Vec<Effect> {
    if let Err(why) = state.allows(id) {
        say(state, true, why);
        return Vec::new();
    }
    let at = state.at;
    let half = (page(state, state.focus) / 2).max(1);
    let half = isize::try_from(half).unwrap_or(1);
    match id {
        Id::Quit if state.is_dirty() => state.overlay = Some(Overlay::Ask(Question::QuitUnsaved)),
        Id::Quit => state.quit = Some(0),
        Id::Palette => state.overlay = Some(Overlay::Palette { query: String::new(), at: 0 }),
        Id::Help => state.overlay = Some(Overlay::Help { top: 0 }),
        Id::Suspend => return vec![Effect::Suspend],
        Id::Focus(pane) => state.focus = pane,
        Id::NextPane => state.focus = state.focus.step(1),
        Id::PreviousPane => state.focus = state.focus.step(-1),
        Id::NextSpec => go::select_spec(state, (at + 1) % state.specs.len().max(1)),
        Id::PreviousSpec => go::select_spec(state, at.checked_sub(1).unwrap_or(state.specs.len().saturating_sub(1))),
        Id::Up => go::step(state, -1),
        Id::Down => go::step(state, 1),
        Id::PageUp => go::step(state, -half),
        Id::PageDown => go::step(state, half),
        Id::Top => go::step(state, isize::MIN),
        Id::Bottom => go::step(state, isize::MAX),
        Id::Open if state.focus == Pane::Spec => return edit::open(state),
        Id::Open => go::open(state),
        Id::RunAll => return ask_for(state, None),
        Id::RunOne => {
            let cases = state.selected_cases();
            return ask_for(state, cases);
        }
        Id::Stop => {
            state.queue.clear();
            return vec![Effect::Stop];
        }
        Id::NextRed => go::next_red(state),
        Id::Source => go::source(state),
        Id::Rollback => {
            say(state, false, "rolling back …");
            return here(state).map(|spec| Effect::RollBack { spec, to: None }).into_iter().collect();
        }
        Id::Undo => {
            say(state, false, "undoing the rollback …");
            return here(state).map(|spec| Effect::UndoRollBack { spec }).into_iter().collect();
        }
        Id::Restore => {
            let Some(to) = state.version().map(|version| format!("v{}", version.number)) else { return Vec::new() };
            say(state, false, format!("going back to {to} …"));
            return here(state).map(|spec| Effect::RollBack { spec, to: Some(to) }).into_iter().collect();
        }
        Id::Edit => return edit::open(state),
        Id::NextFile => go::next_file(state, 1),
        Id::PreviousFile => go::next_file(state, -1),
        Id::Find => state.overlay = Some(Overlay::Find { query: String::new() }),
        Id::FindNext => go::find(state, true, false),
        Id::FindPrevious => go::find(state, false, false),
        Id::NextTheme => next_theme(state),
        Id::Yank => return copy(state),
        Id::ReadConfig => return vec![Effect::ReadConfig],
        _ => return edit::command(state, id),
    }
    Vec::new()
}

/// The file of the selected spec.
fn here(state: &State) -> Option<RelPath> {
    state.spec().map(|spec| spec.path.clone())
}

/// Runs some cases or all of the selected spec, before anything that waits.
fn ask_for(state: &mut State, cases: Option<BTreeSet<String>>) -> Vec<Effect> {
    let Some(spec) = here(state) else { return Vec::new() };
    let job = Job { spec, cases, keep: false };
    state.queue.retain(|other| *other != job);
    state.queue.push_front(job);
    if state.running.is_some() {
        say(state, false, "it runs as soon as the current run has ended");
    }
    state.focus = if state.focus == Pane::Spec { Pane::Spec } else { Pane::Tests };
    super::start_next(state)
}

/// Copies what the focused pane is about.
fn copy(state: &mut State) -> Vec<Effect> {
    let Some((what, text)) = crate::tui::views::copied(state) else {
        say(state, true, "there is nothing to copy here");
        return Vec::new();
    };
    let cut = if text.len() > crate::tui::clipboard::MOST { ", its beginning" } else { "" };
    say(state, false, format!("copied: {what}{cut}"));
    state.clipboard.clone_from(&text);
    vec![Effect::Clipboard(text)]
}

fn next_theme(state: &mut State) {
    let mut names: Vec<String> = theme::BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let own: Vec<String> = state.config.themes.keys().filter(|name| !names.contains(name)).cloned().collect();
    names.extend(own);
    let at = names.iter().position(|name| *name == state.theme.name).map_or(0, |at| (at + 1) % names.len());
    let read = theme::read(&names[at], &state.config.themes);
    (state.theme, state.theme_problems) = (read.theme, read.problems);
    say(state, false, format!("theme: {}", names[at]));
}
