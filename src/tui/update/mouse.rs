//! The mouse: a click gives a pane the keys and selects what is under it, the wheel moves what is under the pointer. With
//! Shift the terminal keeps it for itself, to select text.

use super::{edit, go};
use crate::tui::layout::layout;
use crate::tui::message::Effect;
use crate::tui::palette;
use crate::tui::state::{Overlay, Pane, State};
use crate::tui::views;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

/// The lines that a notch of the wheel moves a text.
const NOTCH: isize = 3;

pub(super) fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let by = match event.kind {
        MouseEventKind::ScrollUp => -1,
        MouseEventKind::ScrollDown => 1,
        MouseEventKind::Down(MouseButton::Left) => 0,
        _ => return Vec::new(),
    };
    if let Some(overlay) = &mut state.overlay {
        let (found, last) = match overlay {
            Overlay::Palette { query, .. } => (query.clone(), 0),
            Overlay::Help { .. } => (String::new(), palette::help_last(state.size.1)),
            Overlay::Find { .. } | Overlay::Ask(_) | Overlay::Problem(_) => return Vec::new(),
        };
        let found = palette::find(state, &found).len();
        match &mut state.overlay {
            Some(Overlay::Palette { at, .. }) => *at = at.saturating_add_signed(by).min(found.saturating_sub(1)),
            Some(Overlay::Help { top }) => *top = top.saturating_add_signed(by * NOTCH).min(last),
            _ => {}
        }
        return Vec::new();
    }
    let at = Position::new(event.column, event.row);
    let (width, height) = state.size;
    let Some(layout) = layout(width, height, state.focus, state.specs_rows()) else { return Vec::new() };
    if layout.tabs.contains(at) && by == 0 {
        if let Some(pane) = views::tab_at(state, at.x) {
            state.focus = pane;
        }
        return Vec::new();
    }
    let Some((pane, place)) = layout.panes.into_iter().find(|(_, place)| place.contains(at)) else { return Vec::new() };
    if by != 0 {
        wheel(state, pane, by);
        return Vec::new();
    }
    state.notice = None;
    state.focus = pane;
    let inside = Rect::new(place.x + 1, place.y + 1, place.width.saturating_sub(2), place.height.saturating_sub(2));
    if inside.contains(at) {
        click(state, pane, inside, at);
    }
    Vec::new()
}

fn wheel(state: &mut State, pane: Pane, by: isize) {
    let is_editor = pane == Pane::Spec && state.editor.as_ref().is_some_and(|editor| editor.open);
    match (&mut state.editor, pane) {
        (Some(editor), _) if is_editor => {
            let last = editor.buffer.lines().saturating_sub(1);
            editor.top = editor.top.saturating_add_signed(by * NOTCH).min(last);
        }
        (_, Pane::Spec | Pane::Trace | Pane::Meters) => go::step_in(state, pane, by * NOTCH),
        (_, Pane::Specs | Pane::Tests | Pane::Versions) => go::step_in(state, pane, by),
    }
}

fn click(state: &mut State, pane: Pane, inside: Rect, at: Position) {
    if pane == Pane::Spec
        && let Some(editor) = state.editor.as_mut().filter(|editor| editor.open)
    {
        let gutter = views::gutter_width(editor.buffer.lines());
        let column = usize::from(at.x.saturating_sub(inside.x + gutter)) + editor.left;
        editor.buffer.go_to(editor.top + usize::from(at.y - inside.y), column);
        (editor.completions, editor.explanation) = (None, None);
        edit::follow(state);
        return;
    }
    let Some(row) = views::row_at(state, pane, inside, at.y) else { return };
    match pane {
        Pane::Specs => go::select_row(state, row),
        Pane::Tests => {
            if let Some(spec) = state.spec_mut() {
                spec.test_at = row;
            }
            state.trace_top = 0;
        }
        Pane::Spec => {
            state.view.line = row;
            go::keep_line_in_sight(state);
        }
        Pane::Versions => {
            if let Some(spec) = state.spec_mut() {
                spec.version_at = row;
            }
        }
        Pane::Trace | Pane::Meters => {}
    }
}
