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
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::BTreeSet;
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
    let opened = Opened {
        specs: vec![(path.clone(), "a.ai.yml".into())],
        runner: Runner::Mine,
        troubles: Vec::new(),
        memory: Default::default(),
    };
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
        1 => (0..4_u8, 0..140_u16, 0..50_u16).prop_map(|(kind, column, row)| {
            let kind = match kind {
                0 => MouseEventKind::ScrollUp,
                1 => MouseEventKind::ScrollDown,
                _ => CLICK,
            };
            mouse(kind, column, row)
        }),
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

#[test]
fn this_test_is_exactly_the_selected_case_and_only_it_is_shown_as_running() {
    let mut state = samples::tested();
    // The name of one is part of the other's.
    state.specs[0].tests[1].name = "greets again".into();
    state.specs[0].tests[1].cases = vec!["greets again".into()];
    state.specs[0].test_at = 0;
    let effects = press(&mut state, "r");
    let only = BTreeSet::from(["greets".to_owned()]);
    assert!(matches!(&effects[..], [Effect::Test { job, .. }] if job.cases.as_ref() == Some(&only)), "{effects:?}");
    assert_eq!(state.specs[0].waiting, only);
}

#[test]
fn a_test_of_several_cases_is_run_as_a_whole_and_so_are_cases_that_are_judged_together() {
    let mut state = samples::tested();
    let all = ["a[1]", "a[2]"].map(str::to_owned);
    state.specs[0].tests[1].cases = all.to_vec();
    let wanted = |state: &mut State, row: usize| {
        state.specs[0].test_at = row;
        state.selected_cases().unwrap()
    };
    assert_eq!(wanted(&mut state, 1), BTreeSet::from(all.clone()), "the test");
    assert_eq!(wanted(&mut state, 2), BTreeSet::from([all[0].clone()]), "one of its cases");
    state.specs[0].tests[1].together = true;
    assert_eq!(wanted(&mut state, 2), BTreeSet::from(all));
}

fn two_specs() -> (State, [RelPath; 2]) {
    let mut state = samples::tested();
    let [first, second] = ["a.ai.yml", "broken.ai.yml"].map(|path| RelPath::new(path).unwrap());
    let shown = [&first, &second].map(|path| (path.clone(), path.to_string()));
    let effects = update(&mut state, Msg::Specs(shown.to_vec()));
    assert_eq!(effects, [Effect::History(first.clone())]);
    (state, [first, second])
}

#[test]
fn a_new_spec_comes_in_and_the_selected_one_stays_selected() {
    let (mut state, [first, second]) = two_specs();
    assert_eq!((state.spec().unwrap().path.clone(), state.at), (second.clone(), 1));
    assert_eq!(state.spec().unwrap().results.len(), 2, "and keeps its results");
    // It goes while its tests run: they are stopped, and another one is selected.
    press(&mut state, "a");
    let effects = update(&mut state, Msg::Specs(vec![(first.clone(), "a.ai.yml".into())]));
    assert_eq!(effects, [Effect::Stop]);
    assert_eq!(state.spec().unwrap().path, first);
    update(&mut state, Msg::Specs(Vec::new()));
    assert!(matches!(state.phase, Phase::Empty(_)) && state.spec().is_none());
}

#[test]
fn a_spec_that_goes_takes_no_unsaved_text_with_it() {
    let (mut state, [first, second]) = two_specs();
    press(&mut state, "3 e");
    type_in(&mut state, "# mine");
    update(&mut state, Msg::Specs(vec![(first, "a.ai.yml".into())]));
    assert_eq!(state.spec().unwrap().path, second);
    assert!(state.is_editing() && state.is_dirty() && state.notice.as_ref().unwrap().bad);
    let saves = press(&mut state, "ctrl-s");
    assert!(matches!(&saves[..], [Effect::Save { path, text, .. }] if *path == second && text.starts_with("# mine")));
}

#[test]
fn the_next_failure_is_found_in_other_specs_too() {
    let (mut state, [first, second]) = two_specs();
    press(&mut state, "1 up");
    assert_eq!(state.spec().unwrap().path, first);
    press(&mut state, "f");
    assert_eq!((state.spec().unwrap().path.clone(), state.focus), (second, Pane::Tests));
    assert_eq!(state.case_id(), Some("never shows a card number"));
}

#[test]
fn what_was_selected_last_is_selected_again() {
    let mut state = samples::tested();
    press(&mut state, "1");
    state.view.line = 14;
    press(&mut state, "3");
    let memory = state.to_remember(std::path::Path::new("/w"));
    let mut next = State::new((120, 40), Config::default(), Depth::True);
    let other = RelPath::new("a.ai.yml").unwrap();
    let specs = vec![(other, "a.ai.yml".into()), (samples::path(), "broken.ai.yml".into())];
    let opened = Opened { specs, runner: Runner::Mine, troubles: Vec::new(), memory: memory.clone() };
    update(&mut next, Msg::Opened(Ok(opened)));
    update(&mut next, Msg::Loaded(Box::new(samples::loaded(samples::RED))));
    assert_eq!((next.at, next.focus, next.view.line), (1, Pane::Spec, 14));
    assert_eq!(next.case_id(), Some("never shows a card number"));
    assert_eq!(next.to_remember(std::path::Path::new("/w")), memory);
}

#[test]
fn a_broken_configuration_is_said_and_the_previous_one_holds() {
    let mut state = samples::tested();
    let mut config = Config { theme: Some("light".into()), mouse: false, ..Config::default() };
    config.keymap.change(&"\"ctrl-r\" = \"tests.run-all\"".parse().unwrap());
    update(&mut state, Msg::Config(Box::new(config)));
    assert_eq!((state.theme.name.as_str(), state.config.mouse), ("light", false));
    let torn = Config { broken: true, problems: vec!["config.toml: torn".into()], ..Config::default() };
    update(&mut state, Msg::Config(Box::new(torn)));
    assert_eq!((state.theme.name.as_str(), state.config.mouse), ("light", false));
    assert!(state.own_problems().any(|problem| problem.contains("torn")) && state.notice.as_ref().unwrap().bad);
    assert!(matches!(&press(&mut state, "ctrl-r")[..], [Effect::Test { .. }]));
    let mended = Config::default();
    update(&mut state, Msg::Config(Box::new(mended)));
    assert_eq!((state.theme.name.as_str(), state.own_problems().count()), ("dark", 0));
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Msg {
    Msg::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

const CLICK: MouseEventKind = MouseEventKind::Down(MouseButton::Left);

/// Where a text stands on the screen.
fn place_of(state: &State, text: &str) -> (u16, u16) {
    let (width, height) = state.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| views::draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let found = (0..height).find_map(|y| Some((row(y).split_once(text)?.0.chars().count(), y)));
    let (x, y) = found.unwrap_or_else(|| panic!("`{text}` is not on the screen"));
    (u16::try_from(x).unwrap(), y)
}

#[test]
fn a_click_selects_what_stands_there_in_every_pane() {
    let mut state = samples::tested();
    let mut click = |text: &str| {
        let (x, y) = place_of(&state, text);
        update(&mut state, mouse(CLICK, x, y));
        state.clone()
    };
    assert_eq!(click("✓ greets").case_id(), Some("greets"));
    let state_of_versions = click("v1 ");
    assert_eq!((state_of_versions.focus, state_of_versions.version().unwrap().number), (Pane::Versions, 1));
    assert_eq!(click("5 Meters").focus, Pane::Meters);
    // Problems stand between the lines of the text, and are not counted as such.
    let mut state = samples::tested();
    update(&mut state, Msg::Resize(120, 60));
    state.focus = Pane::Spec;
    let (x, y) = place_of(&state, "- contains: card");
    update(&mut state, mouse(CLICK, x, y));
    assert_eq!(samples::RED.lines().nth(state.view.line), Some("      - contains: card"));
    press(&mut state, "e");
    let (x, y) = place_of(&state, "name: greets");
    let before = samples::RED.find("greets").unwrap();
    update(&mut state, mouse(CLICK, x + 6, y));
    assert_eq!(state.editor.as_ref().unwrap().buffer.offset(), before);
}

#[test]
fn the_wheel_moves_what_is_under_it_and_leaves_the_keys_where_they_are() {
    let mut state = samples::tested();
    state.focus = Pane::Specs;
    let (x, y) = place_of(&state, "guardrails:");
    update(&mut state, mouse(MouseEventKind::ScrollDown, x, y));
    assert_eq!((state.view.line, state.focus), (3, Pane::Specs));
    press(&mut state, "?");
    update(&mut state, mouse(MouseEventKind::ScrollDown, x, y));
    assert_eq!(state.overlay, Some(Overlay::Help { top: 3 }));
}

#[test]
fn copying_takes_what_the_pane_is_about() {
    let mut state = samples::tested();
    let mut copied = |keys: &str| match press(&mut state, keys).pop() {
        Some(Effect::Clipboard(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(copied("2 y"), "Your card 4242 4242 4242 4242 is on file.");
    assert!(copied("4 y").contains("trace\n") && copied("6 y").len() == 64);
    assert_eq!(copied("3 y"), samples::RED.lines().next().unwrap());
    assert_eq!(copied("1 y"), "broken.ai.yml");
}

#[test]
fn a_problem_that_is_in_no_file_can_be_read_in_full_and_copied() {
    let mut state = samples::tested();
    let long = "the store cannot be written to ".repeat(9);
    update(&mut state, Msg::Trouble(long.clone()));
    press(&mut state, "1 G enter");
    assert_eq!(state.overlay, Some(Overlay::Problem(long.clone())));
    press(&mut state, "x");
    assert_eq!(state.overlay, None);
    assert_eq!(press(&mut state, "y"), [Effect::Clipboard(long)]);
}
