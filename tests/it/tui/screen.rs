//! A terminal of the tests' own: the workbench runs on one end, and what a person would see stands on the other.

use crate::support::{Workspace, until};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

/// What takes the terminal, and what gives it back: byte for byte.
pub const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?1004h\x1b[?25l\x1b]11;?\x1b\\";
pub const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// The workbench, and the other end of its terminal.
pub struct Screen {
    child: Child,
    keys: File,
    slave: File,
    before: Termios,
    seen: Arc<Mutex<Seen>>,
}

/// What the terminal was sent: the bytes, and what they draw.
struct Seen {
    bytes: Vec<u8>,
    shown: vt100::Parser,
}

impl Screen {
    /// Opens it in a workspace.
    pub fn open(workspace: &Workspace) -> Self {
        Self::with(workspace, &[], &[])
    }

    /// Opens it with arguments and more of an environment.
    pub fn with(workspace: &Workspace, arguments: &[&str], more: &[(&str, &str)]) -> Self {
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
        command.arg("-c").arg(plain.get_program()).args(arguments).current_dir(workspace.root());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor").envs(more.iter().copied());
        let io = || slave.try_clone().unwrap();
        let child = command.stdin(io()).stdout(io()).stderr(io()).spawn().unwrap();
        let seen = Arc::new(Mutex::new(Seen { bytes: Vec::new(), shown: vt100::Parser::new(40, 120, 0) }));
        let (mut reader, sink) = (keys.try_clone().unwrap(), seen.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 65536];
            while let Ok(count) = reader.read(&mut chunk) {
                let mut seen = sink.lock().unwrap();
                seen.bytes.extend_from_slice(&chunk[..count]);
                seen.shown.process(&chunk[..count]);
            }
        });
        Self { child, keys, slave, before, seen }
    }

    /// Everything that was sent.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().bytes).into_owned()
    }

    /// What stands on the screen now.
    pub fn now(&self) -> String {
        self.seen.lock().unwrap().shown.screen().contents()
    }

    /// Waits until this stands on the screen.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.comes(text, |now| now.contains(text));
    }

    /// Waits until this does not stand on the screen any more.
    #[track_caller]
    pub fn hides(&self, text: &str) {
        self.comes(text, |now| !now.contains(text));
    }

    #[track_caller]
    fn comes(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let end = std::time::Instant::now() + crate::support::HANGS;
        loop {
            let now = self.now();
            if is_so(&now) {
                return;
            }
            assert!(std::time::Instant::now() < end, "never: {what}\n{now}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Presses keys, or pastes: whatever a terminal sends.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().shown.screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.keys, size(columns, rows)).unwrap();
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The terminal is as it was before.
    #[track_caller]
    pub fn is_given_back(&self) {
        let now = tcgetattr(&self.slave).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes);
        assert_eq!(now.input_modes, self.before.input_modes);
        assert_eq!(now.output_modes, self.before.output_modes);
    }

    /// Waits for the end; returns the exit code and what was sent after the last frame.
    #[track_caller]
    pub fn ends(&mut self) -> (Option<i32>, String) {
        let status = until("the workbench ends", || self.child.try_wait().unwrap());
        let as_often = |text: &str| text.contains(LEAVE) && text.matches(LEAVE).count() == text.matches(ENTER).count();
        until("taken and given back as often", || as_often(&self.sent()).then_some(()));
        self.is_given_back();
        let sent = self.sent();
        let rest = sent.rsplit_once(LEAVE).unwrap().1.to_owned();
        (status.code(), rest)
    }

    /// Leaves it with the key for that; the terminal is as before.
    #[track_caller]
    pub fn quits(mut self) {
        self.press("q");
        assert_eq!(self.ends(), (Some(0), String::new()));
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
