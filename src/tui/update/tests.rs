use super::update;
use crate::tui::config::Config;
use crate::tui::editor::Editor;
use crate::tui::keymap::Key;
use crate::tui::message::{Effect, Msg, NotSaved, Opened, Outcome};
use crate::tui::samples;
use crate::tui::state::{Overlay, Pane, Phase, Question, Runner, State};
use crate::tui::theme::Depth;
use crate::tui::views;
use aic_base::{Digest, RelPath};
use aic_behavior::Verdict;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::Duration;

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for text in keys.split(' ') {
        assert!(Key::parse(text).is_some(), "{text}");
        effects.extend(update(state, Msg::Key(samples::event(text))));
    }
    effects
}

fn type_in(state: &mut State, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| update(state, Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))).collect()
}

#[test]
fn an_opened_workspace_is_loaded_and_a_loaded_spec_is_tested() {
    let mut state = State::new((80, 24), Config::default(), Depth::True);
    let path = samples::path();
    let opened = Opened { specs: vec![(path.clone(), "a.ai.yml".into())], runner: Runner::Mine, troubles: Vec::new() };
    assert_eq!(update(&mut state, Msg::Opened(Ok(opened))), [Effect::Look, Effect::History(path)]);
    let loaded = samples::loaded(samples::GREEN);
    let effects = update(&mut state, Msg::Loaded(Box::new(loaded)));
    assert!(matches!(effects.last(), Some(Effect::Test { generation: 1, job }) if job.keep), "{effects:?}");
    assert_eq!(state.spec().unwrap().waiting.len(), 2);
}

#[test]
fn a_workspace_without_specs_says_so() {
    let mut state = State::new((80, 24), Config::default(), Depth::True);
    update(&mut state, Msg::Opened(Err("nothing here".into())));
    assert_eq!(state.phase, Phase::Empty("nothing here".into()));
}

#[test]
fn results_of_an_older_run_are_not_shown() {
    let mut state = samples::tested();
    let before = state.spec().unwrap().results.clone();
    let stale = samples::case("greets", Verdict::Fail);
    update(&mut state, Msg::CaseEnded { generation: 99, spec: samples::path(), case: stale.into() });
    assert_eq!(state.spec().unwrap().results, before);
}

#[test]
fn a_save_during_a_run_stops_it_and_runs_again_afterwards() {
    let mut state = samples::tested();
    press(&mut state, "a");
    let generation = state.running.as_ref().unwrap().generation;
    let effects = update(&mut state, Msg::Loaded(Box::new(samples::loaded(samples::GREEN))));
    assert!(effects.contains(&Effect::Stop) && !effects.iter().any(|effect| matches!(effect, Effect::Test { .. })));
    let effects = update(&mut state, Msg::Tested { generation, spec: samples::path(), outcome: None });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Test { job, .. } if job.keep)), "{effects:?}");
}

#[test]
fn a_spec_with_errors_keeps_its_last_verdict() {
    let mut state = samples::tested();
    let before = state.spec().unwrap().results.len();
    let effects = update(&mut state, Msg::Loaded(Box::new(samples::loaded("name: x\nnonsense: [1"))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Test { .. })));
    let spec = state.spec().unwrap();
    assert_eq!(spec.results.len(), before);
    assert!(spec.refusal.is_some() && !spec.problems().is_empty());
}

#[test]
fn whoever_has_looked_nowhere_is_shown_what_is_red() {
    let mut state = samples::tested();
    state.spec_mut().unwrap().test_at = 0;
    press(&mut state, "a");
    let generation = state.running.as_ref().unwrap().generation;
    let result =
        Ok(vec![samples::case("greets", Verdict::Pass), samples::case("never shows a card number", Verdict::Fail)]);
    let outcome = Outcome { result, unkept: None, took: Duration::from_millis(3) };
    update(&mut state, Msg::Tested { generation, spec: samples::path(), outcome: Some(Box::new(outcome)) });
    assert_eq!(state.case_id(), Some("never shows a card number"));
}

#[test]
fn a_follower_runs_nothing() {
    let mut state = samples::tested();
    update(&mut state, Msg::Runner(Runner::Other(Some(7))));
    assert!(press(&mut state, "a").is_empty() && press(&mut state, "r").is_empty());
    assert!(state.notice.as_ref().is_some_and(|notice| notice.bad));
    let effects = update(&mut state, Msg::Loaded(Box::new(samples::loaded(samples::GREEN))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Test { .. })), "{effects:?}");
}

#[test]
fn rolling_back_is_one_key_and_needs_a_stable_version() {
    let mut state = samples::tested();
    assert_eq!(press(&mut state, "R"), [Effect::RollBack { spec: samples::path(), to: None }]);
    state.spec_mut().unwrap().history.versions.iter_mut().for_each(|version| version.stable = false);
    assert!(press(&mut state, "R").is_empty());
    assert_eq!(press(&mut state, "6 b"), [Effect::RollBack { spec: samples::path(), to: Some("v2".into()) }]);
}

#[test]
fn the_failing_expectation_is_shown_in_the_text_and_edited_there() {
    let mut state = samples::tested();
    press(&mut state, "2 f o");
    assert_eq!(state.focus, Pane::Spec);
    assert!(state.view.line > 0);
    let line = state.view.line;
    press(&mut state, "e");
    assert_eq!(state.editor.as_ref().unwrap().buffer.position().0, line);
}

#[test]
fn edits_are_analysed_and_saved_over_what_was_read() {
    let mut state = samples::tested();
    let base = Digest::of(samples::RED);
    press(&mut state, "3 e");
    let effects = type_in(&mut state, "#q?");
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Analyse(_))).count(), 3);
    assert!(state.is_dirty() && state.quit.is_none(), "`q` is a letter here");
    let saves = press(&mut state, "ctrl-s");
    assert!(
        matches!(&saves[..], [Effect::Save { text, base: Some(of), .. }] if text.starts_with("#q?") && *of == base)
    );
    let path = state.editor.as_ref().unwrap().path.clone();
    let digest = state.editor.as_ref().unwrap().now;
    assert_eq!(update(&mut state, Msg::Saved { path, result: Ok(digest) }), [Effect::Look]);
    assert!(!state.is_dirty());
    press(&mut state, "esc");
    assert!(state.editor.is_none());
}

#[test]
fn quitting_with_unsaved_edits_asks_first() {
    let mut state = samples::tested();
    press(&mut state, "3 e x esc q");
    assert_eq!((state.quit, &state.overlay), (None, &Some(Overlay::Ask(Question::QuitUnsaved))));
    press(&mut state, "n");
    assert_eq!((state.quit, &state.overlay), (None, &None));
    press(&mut state, "q y");
    assert_eq!(state.quit, Some(0));
}

#[test]
fn a_clean_text_follows_the_disk_and_a_changed_one_asks() {
    let mut state = samples::tested();
    press(&mut state, "3 e");
    update(&mut state, Msg::Loaded(Box::new(samples::loaded(samples::GREEN))));
    assert_eq!(state.editor.as_ref().unwrap().buffer.text(), samples::GREEN);
    type_in(&mut state, "#");
    update(&mut state, Msg::Loaded(Box::new(samples::loaded(samples::RED))));
    assert_eq!(state.overlay, Some(Overlay::Ask(Question::BothChanged)));
    let mine = press(&mut state, "m");
    let red = Digest::of(samples::RED);
    assert!(
        matches!(&mine[..], [Effect::Save { text, base: Some(base), .. }] if text.starts_with('#') && *base == red)
    );
}

#[test]
fn the_text_of_the_disk_can_be_taken_and_mine_comes_back_with_undo() {
    let mut state = samples::tested();
    press(&mut state, "3 e");
    type_in(&mut state, "#");
    let path = state.editor.as_ref().unwrap().path.clone();
    update(&mut state, Msg::Saved { path, result: Err(NotSaved::Changed("theirs".into())) });
    press(&mut state, "d");
    let text = |state: &State| state.editor.as_ref().unwrap().buffer.text();
    assert_eq!(text(&state), "theirs");
    assert!(!state.is_dirty());
    press(&mut state, "ctrl-z");
    assert!(text(&state).starts_with('#'));
}

#[test]
fn a_paste_is_one_edit() {
    let mut state = samples::tested();
    press(&mut state, "3 e");
    update(&mut state, Msg::Paste("one\r\ntwo\rthree".into()));
    let text = |state: &State| state.editor.as_ref().unwrap().buffer.text();
    assert!(text(&state).starts_with("one\ntwo\nthree"));
    press(&mut state, "ctrl-z");
    assert_eq!(text(&state), samples::RED);
}

#[test]
fn answers_about_an_older_text_are_dropped() {
    let mut state = samples::tested();
    press(&mut state, "3 e");
    type_in(&mut state, "m");
    let list = vec![crate::tui::ide::Completion { label: "x".into(), insert: "x".into(), ..Default::default() }];
    update(&mut state, Msg::Completed { edits: 0, all: list.clone() });
    assert!(state.editor.as_ref().unwrap().completions.is_none());
    update(&mut state, Msg::Completed { edits: 1, all: list });
    assert!(state.editor.as_ref().unwrap().completions.is_some());
}

#[test]
fn the_palette_finds_and_runs_a_command() {
    let mut state = samples::tested();
    press(&mut state, ":");
    type_in(&mut state, "roll back");
    assert_eq!(press(&mut state, "enter"), [Effect::RollBack { spec: samples::path(), to: None }]);
    assert!(state.overlay.is_none());
}

#[test]
fn finding_goes_from_match_to_match_and_around() {
    let mut state = samples::tested();
    press(&mut state, "3 /");
    type_in(&mut state, "card");
    press(&mut state, "enter");
    let first = state.view.line;
    press(&mut state, "n");
    assert!(state.view.line > first);
    press(&mut state, "N");
    assert_eq!(state.view.line, first);
}

fn event() -> impl Strategy<Value = Msg> {
    let codes = vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::F(1),
        KeyCode::F(5),
    ];
    let key = prop_oneof![
        3 => proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => proptest::sample::select(vec!['é', '日', '\u{301}', '👩']).prop_map(KeyCode::Char),
        3 => proptest::sample::select(codes),
    ];
    let modifiers = proptest::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
        KeyModifiers::SHIFT,
    ]);
    prop_oneof![
        8 => (key, modifiers).prop_map(|(code, modifiers)| Msg::Key(KeyEvent::new(code, modifiers))),
        1 => "[a: \n\r\té日]{0,30}".prop_map(Msg::Paste),
        1 => (0..140_u16, 0..50_u16).prop_map(|(width, height)| Msg::Resize(width, height)),
        1 => any::<bool>().prop_map(|red| {
            Msg::Loaded(Box::new(samples::loaded(if red { samples::RED } else { samples::GREEN })))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_keys_pastes_and_sizes_never_panic(events in proptest::collection::vec(event(), 0..40)) {
        let mut state = samples::tested();
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        for event in events {
            update(&mut state, event);
            if state.quit.is_some() {
                break;
            }
            let (width, height) = state.size;
            terminal.backend_mut().resize(width.max(1), height.max(1));
            terminal.draw(|frame| views::draw(frame, &state)).unwrap();
        }
    }
}

#[test]
fn an_editor_of_another_file_waits_until_it_is_saved() {
    let mut state = samples::tested();
    let other = RelPath::new("other.yml").unwrap();
    let mut editor = Editor::new(samples::path(), other.clone(), "x", 0);
    editor.buffer.insert("y", crate::tui::editor::Kind::Typing);
    editor.changed();
    editor.open = false;
    state.editor = Some(editor);
    press(&mut state, "3 e");
    assert_eq!(state.editor.as_ref().unwrap().path, other);
    assert!(state.is_editing() && state.is_dirty());
}
