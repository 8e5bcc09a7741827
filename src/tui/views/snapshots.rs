//! What a person sees: every pane at four sizes, in the dark theme with its looks and in the one without colours.

use super::draw;
use crate::tui::editor::Completions;
use crate::tui::ide::Completion;
use crate::tui::message::{Effect, Msg};
use crate::tui::samples;
use crate::tui::state::{Overlay, Pane, Question, Rolled, State};
use crate::tui::theme;
use crate::tui::update::update;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::fmt::Write as _;

const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (40, 10), (1, 1)];

fn drawn(state: &mut State, theme: &str, (width, height): (u16, u16)) -> Buffer {
    state.theme = theme::read(theme, &theme::Files::new()).theme;
    update(state, Msg::Resize(width, height));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, and with `looks` below them where each look begins.
fn shown(buffer: &Buffer, looks: bool) -> String {
    let area = *buffer.area();
    let (mut text, mut styles) = (String::new(), String::new());
    let mut last = None;
    for y in 0..area.height {
        let mut skip = 0;
        let mut line = String::new();
        for x in 0..area.width {
            let cell = &buffer[(x, y)];
            let look = (cell.fg, cell.bg, cell.modifier);
            if last != Some(look) {
                let _ = writeln!(styles, "{x},{y}: {:?} on {:?} {:?}", look.0, look.1, look.2);
                last = Some(look);
            }
            if skip == 0 {
                line.push_str(cell.symbol());
                skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if looks { format!("{text}\n{styles}") } else { text }
}

/// One file for what can be read, one for the looks.
fn check(name: &str, mut state: State) {
    let (mut mono, mut dark) = (String::new(), String::new());
    for size in SIZES {
        let (width, height) = size;
        let _ = writeln!(mono, "{width}×{height}\n{}", shown(&drawn(&mut state, "mono", size), false));
        let _ = writeln!(dark, "{width}×{height}\n{}", shown(&drawn(&mut state, "dark", size), true));
    }
    insta::assert_snapshot!(format!("{name}_mono"), mono);
    insta::assert_snapshot!(format!("{name}_dark"), dark);
}

fn on(pane: Pane) -> State {
    let mut state = samples::tested();
    state.focus = pane;
    state
}

#[test]
fn specs() {
    check("specs", on(Pane::Specs));
}

#[test]
fn tests() {
    check("tests", on(Pane::Tests));
}

#[test]
fn spec() {
    let mut state = on(Pane::Spec);
    // With a problem, in place.
    let wrong = samples::RED.replace("action: warn", "action: wran");
    update(&mut state, Msg::Loaded(Box::new(samples::loaded(&wrong))));
    state.view.line = 13;
    check("spec", state);
}

#[test]
fn trace() {
    check("trace", on(Pane::Trace));
}

#[test]
fn meters() {
    check("meters", on(Pane::Meters));
}

#[test]
fn versions() {
    let mut state = on(Pane::Versions);
    let title = "back at v1 in 4.2 ms; what was there is v2".into();
    state.specs[0].rolled = Some(Rolled { title, lines: vec!["restored broken.ai.yml".into()] });
    check("versions", state);
}

#[test]
fn editor() {
    let mut state = on(Pane::Spec);
    state.size = (80, 24);
    let effects = update(&mut state, Msg::Key(samples::event("e")));
    assert!(matches!(effects[..], [Effect::Analyse(_)]));
    let editor = state.editor.as_mut().unwrap();
    editor.buffer.go_to_line(2);
    let one = |label: &str, doc: &str| Completion {
        label: label.into(),
        insert: label.into(),
        doc: doc.into(),
        detail: "mapping".into(),
        ..Completion::default()
    };
    let all = vec![one("models", "The models that answer."), one("metadata", "")];
    editor.completions = Some(Completions { all, at: 0, chosen: false });
    check("editor", state);
}

#[test]
fn overlays() {
    for (name, overlay) in [
        ("palette", Overlay::Palette { query: "roll".into(), at: 0 }),
        ("help", Overlay::Help { top: 0 }),
        ("find", Overlay::Find { query: "card".into() }),
        ("ask", Overlay::Ask(Question::BothChanged)),
    ] {
        let mut state = on(Pane::Tests);
        state.overlay = Some(overlay);
        check(name, state);
    }
}

#[test]
fn before_anything_is_known_and_where_there_is_nothing() {
    let fresh = || State::new((80, 24), crate::tui::config::Config::default(), theme::Depth::True);
    let mut opening = fresh();
    insta::assert_snapshot!("opening", shown(&drawn(&mut opening, "mono", (80, 24)), false));
    let mut empty = fresh();
    update(&mut empty, Msg::Opened(Err("no spec here: `aic init` makes one".into())));
    insta::assert_snapshot!("empty", shown(&drawn(&mut empty, "mono", (80, 24)), false));
}
