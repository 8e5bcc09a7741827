//! The terminal is taken and given back, byte for byte, whatever happens.

use super::screen::{ENTER, LEAVE, Screen};
use crate::support::{SPEC, Workspace, until};
use rustix::process::{Signal, WaitOptions, waitpid};

/// The workbench on the small spec, both tests green.
fn open() -> (Workspace, Screen) {
    let workspace = Workspace::mini();
    let screen = Screen::open(&workspace);
    screen.shows("2 passed");
    (workspace, screen)
}

#[test]
fn it_takes_the_terminal_tests_what_is_there_and_gives_it_back() {
    let (_workspace, screen) = open();
    assert!(screen.sent().starts_with(ENTER));
    screen.quits();
}

#[test]
fn a_storm_of_sizes_is_survived() {
    let (_workspace, mut screen) = open();
    for round in 0..100_u16 {
        screen.resize(1 + round * 37 % 150, 1 + round * 13 % 50);
    }
    screen.resize(100, 30);
    screen.press("?");
    screen.shows("Esc closes");
    screen.press("q");
    screen.hides("Esc closes");
    screen.quits();
}

#[test]
fn what_is_pasted_is_text_and_not_commands() {
    let (workspace, mut screen) = open();
    screen.press("3e");
    screen.shows("(editing)");
    screen.press("\x1b[200~# pasted q R\r# more\x1b[201~");
    screen.shows("# pasted q R");
    screen.press("\x13");
    screen.shows("is saved");
    assert!(workspace.read(SPEC).starts_with("# pasted q R\n# more"));
    screen.press("\x11");
    assert_eq!(screen.ends().0, Some(0));
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let (_workspace, mut screen) = open();
        screen.signal(signal);
        assert_eq!(screen.ends(), (Some(code), String::new()));
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let workspace = Workspace::mini();
    let mut screen = Screen::with(&workspace, &[], &[("AIC_TUI_PANIC", "1")]);
    let (code, rest) = screen.ends();
    assert_eq!(code, Some(101));
    until("the report", || screen.sent().contains("AIC_TUI_PANIC").then_some(()));
    assert!(rest.is_empty() || rest.contains("panicked"), "{rest}");
    assert!(!screen.sent().split(LEAVE).next().unwrap().contains("panicked"));
}

#[test]
fn a_stop_gives_the_terminal_back_and_going_on_takes_it_again() {
    let (_workspace, mut screen) = open();
    screen.press("\x1a");
    until("it stops", || {
        let looked = waitpid(Some(screen.pid()), WaitOptions::UNTRACED | WaitOptions::NOHANG).unwrap();
        looked.filter(|(_, status)| status.stopped()).map(drop)
    });
    until("given back", || screen.sent().ends_with(LEAVE).then_some(()));
    screen.is_given_back();
    screen.signal(Signal::CONT);
    until("it is back", || (screen.sent().matches(ENTER).count() == 2).then_some(()));
    screen.press("?");
    screen.shows("Esc closes");
    screen.press("q");
    screen.hides("Esc closes");
    screen.quits();
}
