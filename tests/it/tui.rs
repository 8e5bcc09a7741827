//! The workbench on a terminal of its own: it takes the terminal and gives it back, byte for byte, whatever happens.

use crate::support::{SPEC, Workspace, until};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?1004h\x1b[?25l\x1b]11;?\x1b\\";
const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// The workbench, and the other end of its terminal.
struct Screen {
    child: Child,
    keys: File,
    slave: File,
    before: Termios,
    seen: Arc<Mutex<Vec<u8>>>,
    /// How much of what was seen does not count any more.
    old: usize,
}

impl Screen {
    fn open(workspace: &Workspace, more: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let no_tty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let slave = File::options().read(true).write(true).custom_flags(no_tty).open(name).unwrap();
        let keys = File::from(master);
        tcsetwinsize(&keys, size(120, 40)).unwrap();
        let before = tcgetattr(&slave).unwrap();
        // `setsid -c` makes the terminal the program's own, which only a program can do to itself.
        let plain = workspace.command(&[]);
        let mut command = Command::new("setsid");
        command.arg("-c").arg(plain.get_program()).current_dir(workspace.root());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor").envs(more.iter().copied());
        let io = || slave.try_clone().unwrap();
        let child = command.stdin(io()).stdout(io()).stderr(io()).spawn().unwrap();
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut reader, sink) = (keys.try_clone().unwrap(), seen.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 65536];
            while let Ok(count) = reader.read(&mut chunk) {
                sink.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Self { child, keys, slave, before, seen, old: 0 }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until the terminal was sent this.
    #[track_caller]
    fn shows(&self, text: &str) {
        let new = || String::from_utf8_lossy(&self.seen.lock().unwrap()[self.old..]).into_owned();
        until(text, || new().contains(text).then_some(()));
    }

    /// From now on only what is new is looked at.
    fn forget(&mut self) {
        self.old = self.seen.lock().unwrap().len();
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The terminal is as it was before.
    #[track_caller]
    fn is_given_back(&self) {
        let now = tcgetattr(&self.slave).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes);
        assert_eq!(now.input_modes, self.before.input_modes);
        assert_eq!(now.output_modes, self.before.output_modes);
    }

    /// Waits for the end; returns the exit code and what was sent after the last frame.
    #[track_caller]
    fn ends(&mut self) -> (Option<i32>, String) {
        let status = until("the workbench ends", || self.child.try_wait().unwrap());
        let as_often = |text: &str| text.contains(LEAVE) && text.matches(LEAVE).count() == text.matches(ENTER).count();
        until("taken and given back as often", || as_often(&self.text()).then_some(()));
        self.is_given_back();
        let text = self.text();
        let rest = text.rsplit_once(LEAVE).unwrap().1.to_owned();
        (status.code(), rest)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn it_takes_the_terminal_tests_what_is_there_and_gives_it_back() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[]);
    screen.shows("2 passed");
    assert!(screen.text().starts_with(ENTER));
    screen.press("q");
    assert_eq!(screen.ends(), (Some(0), String::new()));
}

#[test]
fn a_save_elsewhere_turns_it_red_by_itself_and_one_key_turns_it_green_again() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[]);
    screen.shows("2 passed");
    screen.forget();
    workspace.write("prompts/system.md", "Be rude.\n");
    screen.shows("1 failed");
    screen.forget();
    screen.press("R");
    screen.shows("back at v1");
    screen.shows("2 passed");
    assert_eq!(workspace.read("prompts/system.md"), crate::support::POLITE);
    screen.press("q");
    assert_eq!(screen.ends().0, Some(0));
}

#[test]
fn a_storm_of_sizes_is_survived() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[]);
    screen.shows("2 passed");
    for round in 0..100_u16 {
        tcsetwinsize(&screen.keys, size(1 + round * 37 % 150, 1 + round * 13 % 50)).unwrap();
    }
    tcsetwinsize(&screen.keys, size(100, 30)).unwrap();
    screen.forget();
    screen.press("?");
    screen.shows("Esc closes");
    screen.press("qq");
    assert_eq!(screen.ends().0, Some(0));
}

#[test]
fn what_is_pasted_is_text_and_not_commands() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[]);
    screen.shows("2 passed");
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
        let workspace = Workspace::mini();
        let mut screen = Screen::open(&workspace, &[]);
        screen.shows("2 passed");
        kill_process(screen.pid(), signal).unwrap();
        assert_eq!(screen.ends(), (Some(code), String::new()));
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[("AIC_TUI_PANIC", "1")]);
    let (code, rest) = screen.ends();
    assert_eq!(code, Some(101));
    until("the report", || screen.text().contains("AIC_TUI_PANIC").then_some(()));
    assert!(rest.is_empty() || rest.contains("panicked"), "{rest}");
    assert!(!screen.text().split(LEAVE).next().unwrap().contains("panicked"));
}

#[test]
fn a_stop_gives_the_terminal_back_and_going_on_takes_it_again() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace, &[]);
    screen.shows("2 passed");
    screen.press("\x1a");
    until("it stops", || {
        let looked = waitpid(Some(screen.pid()), WaitOptions::UNTRACED | WaitOptions::NOHANG).unwrap();
        looked.filter(|(_, status)| status.stopped()).map(drop)
    });
    screen.shows(LEAVE);
    screen.is_given_back();
    assert!(screen.text().ends_with(LEAVE));
    kill_process(screen.pid(), Signal::CONT).unwrap();
    until("it is back", || (screen.text().matches(ENTER).count() == 2).then_some(()));
    screen.forget();
    screen.press("?");
    screen.shows("Esc closes");
    screen.press("qq");
    assert_eq!(screen.ends().0, Some(0));
}

#[test]
fn without_a_terminal_it_reports_and_exits_with_the_verdict() {
    let workspace = Workspace::mini();
    workspace.aic(&[]).exits(0).says(&["2 passed"]);
    workspace.write("prompts/system.md", "Be rude.\n");
    workspace.aic(&[]).exits(1).says(&["1 failed"]);
}
