//! A program on a terminal of its own: a pseudoterminal (Linux, with `setsid` of util-linux), and `vt100` as the screen
//! at its other end, which also answers what a terminal is asked for its background and its cursor.

use crate::say;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hanging. Generous: a debug build on a loaded machine is slow.
const HANGS: Duration = Duration::from_secs(60);
/// A screen that was not written to for so long is finished.
const QUIET: Duration = Duration::from_millis(400);
/// How long a program that was asked to end has for it.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running program and its terminal. Dropping it ends the program.
pub(crate) struct Session {
    child: Child,
    keys: File,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Ears>,
    written: Instant,
    ended: bool,
}

/// What comes to the terminal besides text and looks.
struct Ears {
    background: (u8, u8, u8),
    answers: Vec<u8>,
    /// A frame has begun and not ended: what is on the screen is half of it.
    half: bool,
    /// What this terminal cannot do, and a picture may lack for it.
    unknown: BTreeSet<String>,
}

impl vt100::Callbacks for Ears {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        private: Option<u8>,
        _: Option<u8>,
        all: &[&[u16]],
        c: char,
    ) {
        let numbers: Vec<u16> = all.iter().filter_map(|one| one.first().copied()).collect();
        match (private, numbers.as_slice(), c) {
            (Some(b'?'), [2026], 'h' | 'l') => self.half = c == 'h',
            // Focus reports, and the end of a colour of underlines: nothing to be seen.
            (Some(b'?'), [1004], _) | (None, [59], 'm') => {}
            (None, [6], 'n') => {
                let (row, column) = screen.cursor_position();
                self.answers.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
            }
            _ => {
                let private = private.map(char::from).map(String::from).unwrap_or_default();
                let numbers = numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(";");
                self.unknown.insert(format!("CSI {private}{numbers}{c}"));
            }
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, all: &[&[u8]]) {
        if let [b"11", b"?"] = all {
            let (r, g, b) = self.background;
            self.answers.extend(format!("\x1b]11;rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}\x1b\\").bytes());
        }
    }
}

impl Session {
    /// Starts a program on a terminal of so many columns and rows, whose background has this colour.
    ///
    /// # Errors
    /// If there is no pseudoterminal, or the program cannot be started.
    pub(crate) fn start(
        program: &Command,
        (columns, rows): (u16, u16),
        background: (u8, u8, u8),
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("no terminal of its own for the program: {error}");
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .and_then(|master| grantpt(&master).and_then(|()| unlockpt(&master)).map(|()| master))
            .map_err(|error| failed(error.into()))?;
        let name = ptsname(&master, Vec::new()).map_err(|error| failed(error.into()))?;
        let name = name.into_string().map_err(|_| "the terminal's name is not UTF-8")?;
        let no_tty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).map_err(|error| error.to_string())?;
        let slave = File::options().read(true).write(true).custom_flags(no_tty).open(name).map_err(failed)?;
        let keys = File::from(master);
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keys, size).map_err(|error| failed(error.into()))?;

        let ears = Ears { background, answers: Vec::new(), half: false, unknown: BTreeSet::new() };
        let parser = vt100::Parser::new_with_callbacks(rows, columns, 0, ears);
        let state = Mutex::new(State { parser, written: Instant::now(), ended: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });

        // `setsid -c` makes the terminal the program's own, which only a program can do to itself.
        let mut command = Command::new("setsid");
        command.arg("-c").arg(program.get_program()).args(program.get_args());
        program.get_current_dir().map(|folder| command.current_dir(folder));
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let io = || slave.try_clone().map_err(failed);
        command.stdin(io()?).stdout(io()?).stderr(io()?);
        let child = command.spawn().map_err(|error| format!("setsid (of util-linux): {error}"))?;

        let session = Self { child, keys: keys.try_clone().map_err(failed)?, shared: shared.clone() };
        std::thread::spawn(move || listen(keys, &shared));
        Ok(session)
    }

    /// Types these bytes.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(crate) fn press(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.keys.write_all(bytes).map_err(|error| format!("the keys do not arrive: {error}"))
    }

    /// Waits until a whole screen satisfies something.
    ///
    /// # Errors
    /// If it never does, or the program ends: with the screen as it is.
    pub(crate) fn wait(&self, what: &str, mut look: impl FnMut(&vt100::Screen) -> bool) -> Result<(), String> {
        let end = Instant::now() + HANGS;
        let mut state = self.shared.lock();
        loop {
            let screen = state.parser.screen();
            if !state.parser.callbacks().half && look(screen) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                let why = if state.ended { "the program ended" } else { "waited in vain" };
                return Err(format!("{why}: {what}. The screen was:\n{}", screen.contents()));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until nothing is written any more, and returns the screen.
    ///
    /// # Errors
    /// As [`Session::wait`].
    pub(crate) fn settled(&self) -> Result<vt100::Screen, String> {
        let end = Instant::now() + HANGS;
        let mut state = self.shared.lock();
        loop {
            let (quiet, now) = (state.written + QUIET, Instant::now());
            if now >= quiet && !state.parser.callbacks().half {
                for what in &state.parser.callbacks().unknown {
                    say(&format!("  this terminal does not know {what}: look whether the picture lacks something"));
                }
                return Ok(state.parser.screen().clone());
            }
            if now >= end {
                return Err("the screen is written to without end".into());
            }
            let left = quiet.saturating_duration_since(now).max(Duration::from_millis(1));
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = Instant::now() + FAREWELL;
        let mut state = self.shared.lock();
        while Instant::now() < end && !state.ended {
            let left = end.saturating_duration_since(Instant::now());
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the program writes onto the screen, and answers its questions, until it ends.
fn listen(mut keys: File, shared: &Shared) {
    let mut chunk = [0; 65536];
    loop {
        // A terminal that nobody writes to any more gives an error rather than an end.
        let count = keys.read(&mut chunk).unwrap_or(0);
        let mut state = shared.lock();
        state.parser.process(&chunk[..count]);
        state.written = Instant::now();
        state.ended = count == 0;
        let answers = std::mem::take(&mut state.parser.callbacks_mut().answers);
        drop(state);
        shared.changed.notify_all();
        if count == 0 || keys.write_all(&answers).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Session {
        let mut program = Command::new("sh");
        program.args(["-c", script]);
        Session::start(&program, (60, 10), (255, 255, 240)).unwrap()
    }

    fn shows(text: &str) -> impl FnMut(&vt100::Screen) -> bool {
        move |screen| screen.contents().contains(text)
    }

    #[test]
    fn the_program_sees_its_size_and_is_answered_what_it_asks() {
        let session = shell(
            "stty size; stty raw -echo; printf '\\033]11;?\\033\\\\'; head -c 25 | tr -d '\\033'; printf ' end'; cat",
        );
        session.wait("the size", shows("10 60")).unwrap();
        session.wait("the background", shows("]11;rgb:ffff/ffff/f0f0\\ end")).unwrap();
    }

    #[test]
    fn keys_arrive_and_the_end_is_noticed() {
        let mut session = shell("read line; echo got $line");
        session.press(b"this\r").unwrap();
        session.wait("an answer", shows("got this")).unwrap();
        let error = session.wait("anything else", shows("never")).unwrap_err();
        assert!(error.contains("the program ended") && error.contains("got this"), "{error}");
    }

    #[test]
    fn half_a_frame_is_not_looked_at() {
        let mut session = shell("printf '\\033[?2026hhalf'; read line; printf ' whole\\033[?2026l'; cat");
        session.press(b"\r").unwrap();
        session.wait("anything", |screen| screen.contents().contains("half")).unwrap();
        assert!(session.settled().unwrap().contents().contains("whole"));
    }
}
