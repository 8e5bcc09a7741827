//! One program that the agent runs: its pipes or its terminal, what it has printed, and its end.

use crate::Voice;
use crate::protocol::{self, CHUNK, Ended, Kind, Start};
use crate::start::Starter;
use crate::sys::{self, POLLIN, POLLOUT, PollFd};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

/// The most that waits to be read by a program, in bytes; more from the host ends its input.
const MOST_WAITING: usize = 64 << 20;

pub struct Run {
    pub id: u32,
    pub pid: i32,
    /// As `waitpid` gave it, once it ended.
    pub status: Option<i32>,
    input: Option<File>,
    waiting: VecDeque<u8>,
    input_ends: bool,
    output: Option<File>,
    errors: Option<File>,
    terminal: bool,
    /// Whether keys such as Ctrl-C are made signals here.
    signals: bool,
    /// What it may still print, in bytes.
    left: u64,
    truncated: bool,
}

impl Run {
    /// Starts a program, with pipes or in a terminal of its own; `signals` as in [`Setup`](protocol::Setup).
    pub fn start(id: u32, start: &Start, signals: bool, starter: &mut Starter) -> io::Result<Self> {
        let (pid, input, output, errors) = if let Some((rows, columns)) = start.terminal {
            let (master, other) = sys::terminal(rows, columns)?;
            let pid = starter.start(start, [other.as_raw_fd(); 3])?;
            (pid, master.try_clone()?, master, None)
        } else {
            let (stdin, stdout, stderr) = (io::pipe()?, io::pipe()?, io::pipe()?);
            let pid = starter.start(start, [stdin.0.as_raw_fd(), stdout.1.as_raw_fd(), stderr.1.as_raw_fd()])?;
            (pid, stdin.1.into(), stdout.0.into(), Some(stderr.0.into()))
        };
        for fd in [&input, &output].into_iter().chain(&errors) {
            sys::nonblocking(fd);
        }
        let terminal = start.terminal.is_some();
        Ok(Self {
            id,
            pid,
            status: None,
            input: Some(input.into()),
            waiting: VecDeque::new(),
            input_ends: false,
            output: Some(output.into()),
            errors: errors.map(|errors: OwnedFd| errors.into()),
            terminal,
            signals: terminal && signals,
            left: start.output,
            truncated: false,
        })
    }

    /// What this program's pipes wait for.
    pub fn wants(&self, fds: &mut Vec<PollFd>) {
        let streams = [&self.output, &self.errors].into_iter().flatten();
        fds.extend(streams.map(|stream| PollFd { fd: stream.as_raw_fd(), events: POLLIN, revents: 0 }));
        if let Some(input) = self.input.as_ref().filter(|_| !self.waiting.is_empty()) {
            fds.push(PollFd { fd: input.as_raw_fd(), events: POLLOUT, revents: 0 });
        }
    }

    /// Moves what can be moved now.
    pub fn pump(&mut self, ready: &impl Fn(i32) -> bool, voice: &mut Voice) {
        let is_ready = |file: &Option<File>| file.as_ref().is_some_and(|file| ready(file.as_raw_fd()));
        if is_ready(&self.output) {
            self.read_once(Kind::Stdout, voice);
        }
        if is_ready(&self.errors) {
            self.read_once(Kind::Stderr, voice);
        }
        if is_ready(&self.input) {
            self.write_once();
        }
    }

    /// Whether more may come on this stream at once.
    fn read_once(&mut self, kind: Kind, voice: &mut Voice) -> bool {
        let stream = if kind == Kind::Stdout { &mut self.output } else { &mut self.errors };
        let Some(file) = stream else { return false };
        let mut bytes = [0; CHUNK];
        match file.read(&mut bytes) {
            Ok(count @ 1..) => {
                let kept = usize::try_from(self.left).unwrap_or(usize::MAX).min(count);
                self.left -= kept as u64;
                self.truncated |= kept < count;
                if let Some(text) = bytes.get(..kept).filter(|text| !text.is_empty()) {
                    voice.say(kind, self.id, text);
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            // A terminal whose other end is closed gives an error rather than an end.
            Ok(0) | Err(_) => {
                *stream = None;
                false
            }
        }
    }

    fn write_once(&mut self) {
        let Some(input) = &mut self.input else { return };
        let (front, _) = self.waiting.as_slices();
        match input.write(front) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It reads no more, which is its right.
            Err(_) => {
                self.waiting.clear();
                self.input_ends = true;
            }
        }
        self.close_when_empty();
    }

    fn close_when_empty(&mut self) {
        if self.input_ends && self.waiting.is_empty() {
            self.input = None;
        }
    }

    /// Takes bytes for its stdin.
    pub fn feed(&mut self, bytes: &[u8]) {
        let keys = self.output.as_ref().filter(|_| self.signals).and_then(sys::signal_keys).unwrap_or_default();
        let mut rest = bytes;
        while let Some((at, signal)) = first_key(rest, &keys) {
            // What was typed before and not read goes, as a kernel does it.
            self.waiting.clear();
            self.signal_jobs(signal);
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        self.put(rest);
    }

    /// Signals what runs in the terminal, or its shell where nothing else does. Which job is in front the kernel that
    /// makes no signals does not tell either, so it is all of them.
    fn signal_jobs(&self, signal: i32) {
        let mut jobs = sys::groups_of_session(self.pid);
        jobs.retain(|group| *group != self.pid);
        if jobs.is_empty() {
            jobs.push(self.pid);
        }
        for group in jobs {
            sys::send(-group, signal);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.input_ends || self.input.is_none() {
            return;
        }
        if self.waiting.len() + bytes.len() > MOST_WAITING {
            self.input_ends = true;
            return;
        }
        self.waiting.extend(bytes);
        self.write_once();
    }

    pub fn end_of_input(&mut self) {
        if self.terminal {
            // Control-D, which is how a terminal says so.
            self.put(&[4]);
        } else {
            self.input_ends = true;
            self.close_when_empty();
        }
    }

    pub fn kill(&self, signal: u8) {
        // Its group and its session's leader; a program that made others is swept up when it ended.
        sys::send(-self.pid, i32::from(signal));
    }

    pub fn resize(&self, payload: &[u8]) {
        let mut fields = protocol::Fields(payload);
        if let (Some(master), Some(rows), Some(columns)) = (&self.output, fields.array(), fields.array())
            && self.terminal
        {
            sys::resize(master, u16::from_le_bytes(rows), u16::from_le_bytes(columns));
        }
    }

    pub fn is_over(&self) -> bool {
        self.status.is_some()
    }

    /// Hands on what was printed before the end. What others hold the pipes open for does not count.
    pub fn drain(&mut self, voice: &mut Voice) {
        for kind in [Kind::Stdout, Kind::Stderr] {
            // A pipe holds 64 KiB unless made larger, and then a mebibyte: a few rounds, not as many as somebody fills.
            let mut rounds = 0;
            while rounds < 64 && self.read_once(kind, voice) {
                rounds += 1;
            }
        }
    }

    pub fn ended(&self) -> Ended {
        let status = self.status.unwrap_or_default();
        let signal = status & 0x7f;
        let code = (signal == 0).then_some((status >> 8) & 0xff);
        Ended { code, signal, truncated: self.truncated }
    }
}

/// Where the first of these keys stands, and its signal.
fn first_key(bytes: &[u8], keys: &[(u8, i32)]) -> Option<(usize, i32)> {
    let signal = |byte: &u8| keys.iter().find(|(key, _)| key == byte).map(|(_, signal)| *signal);
    bytes.iter().enumerate().find_map(|(at, byte)| Some((at, signal(byte)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_is_a_signal_is_found_and_none_where_a_terminal_has_them_off() {
        let keys = [(3, 2), (28, 3)];
        assert_eq!(first_key(b"ab\x1c\x03", &keys), Some((2, 3)));
        assert_eq!(first_key(b"ab", &keys), None);
        assert_eq!(first_key(b"\x03", &[]), None);
    }

    #[test]
    fn a_job_that_ended_is_none_before_its_shell_has_fetched_it_either() {
        use std::os::unix::process::CommandExt as _;
        let field = |pid: u32, at: usize| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.split(' ').nth(at).unwrap().to_owned()
        };
        let own = field(std::process::id(), 3).parse().unwrap();
        let mut cat = std::process::Command::new("cat");
        let mut job = cat.process_group(0).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let id = job.id();
        let is_job = || sys::groups_of_session(own).contains(&id.cast_signed());
        assert!(is_job());
        drop(job.stdin.take());
        while field(id, 0) != "Z" {
            std::thread::yield_now();
        }
        assert!(!is_job());
        job.wait().unwrap();
    }
}
