//! The agent: the first process inside a sandbox. It starts programs when the host says so, hands their output on,
//! and leaves nothing of them running.
//!
//! One thread, one loop over all pipes, nothing but the standard library: the program is built as one static file, so
//! that it runs in any root file system, and starts in a few milliseconds where every system call is expensive.
//!
//! It has no deadlines of its own: the host has them, and kills the whole sandbox if it is not obeyed.

#![cfg(target_os = "linux")]
#![cfg_attr(test, allow(dead_code, reason = "as a test target nothing calls `main`"))]

mod egress;
mod filter;
#[allow(dead_code, reason = "the host uses the other half")]
mod protocol;
mod run;
mod start;
mod sys;
mod vm;

use egress::Egress;
use protocol::{Frame, Kind, Nonce, ReadError, Setup};
use run::Run;
use start::Starter;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

/// Where a program may make files, where Landlock confines it.
const WRITABLE: [&str; 4] = ["/tmp", "/workspace", "/dev/shm", "/dev/pts"];
/// Where it may write into the files that are there.
const DEVICES: &str = "/dev";
/// The word by which a kernel tells its first process that there are no pipes.
const SERIAL: &str = "serial";
/// How often all processes are killed before the agent gives up waiting for them to be gone, a millisecond each.
const MOST_KILLS: u32 = 2000;

fn main() -> ExitCode {
    sys::hide();
    let Some((mut input, output, group)) = line_to_host() else { return ExitCode::from(3) };
    let open = match protocol::read(&mut input) {
        Ok(frame) if frame.kind == Kind::Open => frame,
        Ok(_) | Err(ReadError::Garbage(_) | ReadError::Broken(_)) => return ExitCode::from(2),
        Err(ReadError::Closed) => return ExitCode::SUCCESS,
    };
    let Some(setup) = Setup::decode(&open.payload) else { return ExitCode::from(2) };
    sys::notice_children();
    input.sign(open.nonce);
    let port = setup.egress.then_some(protocol::EGRESS_PORT);
    let landlock = if setup.landlock { sys::landlock(&WRITABLE, DEVICES, port).ok() } else { None };
    let report = [landlock.as_ref().map_or(0, |(_, abi)| *abi)];
    let mut voice = Voice { output, nonce: open.nonce };
    let filter = filter::code(setup.filter, setup.egress, setup.memory != 0);
    let starter = match Starter::new(&setup, filter, landlock.map(|(rules, _)| rules), group) {
        Ok(starter) => starter,
        Err(error) => {
            voice.fail(0, &error);
            return ExitCode::from(3);
        }
    };
    let mut agent = Agent {
        voice,
        signals: setup.signals,
        machine: input.is_line(),
        is_first: std::process::id() == 1,
        starter,
        runs: Vec::new(),
        egress: None,
    };
    if let Some(port) = port {
        match Egress::listen(port) {
            Ok(egress) => agent.egress = Some(egress),
            Err(error) => {
                agent.voice.fail(0, &error);
                return ExitCode::from(3);
            }
        }
    }
    agent.voice.say(Kind::Ready, 0, &report);
    agent.serve(&mut input)
}

/// Where the host speaks and listens: stdin and stdout, or in a virtual machine, which is made ready first, a serial
/// line. With it the group that holds a machine's programs.
fn line_to_host() -> Option<(vm::Input, std::fs::File, Option<OwnedFd>)> {
    if !(std::process::id() == 1 && std::env::args_os().any(|word| word == SERIAL)) {
        let (input, output) = sys::take_stdio().ok()?;
        return Some((vm::Input::pipe(input), output, None));
    }
    let booted = vm::boot().and_then(|mut booted| {
        let output = booted.line.try_clone()?;
        let input = vm::Input::line(booted.line.try_clone()?)?;
        vm::greet(&mut booted.line)?;
        Ok((input, output, Some(booted.group)))
    });
    // On the kernel's console, which the host reads when a machine does not come up.
    booted.inspect_err(|error| drop(writeln!(std::io::stdout(), "agent: {error}"))).ok()
}

/// The way to the host.
pub struct Voice {
    output: std::fs::File,
    nonce: Nonce,
}

impl Voice {
    /// Ends the agent, and with it the sandbox, where nobody listens any more.
    pub fn say(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        if protocol::write(&mut self.output, kind, &self.nonce, id, payload).is_err() {
            std::process::exit(0);
        }
    }

    fn fail(&mut self, id: u32, error: &std::io::Error) {
        let mut payload = error.raw_os_error().unwrap_or_default().to_le_bytes().to_vec();
        let _ = write!(payload, "{error}");
        self.say(Kind::Failed, id, &payload);
    }
}

struct Agent {
    voice: Voice,
    /// Whether keys of a terminal are made signals here.
    signals: bool,
    machine: bool,
    /// Whether it is the first process of the sandbox, to which all others belong.
    is_first: bool,
    starter: Starter,
    runs: Vec<Run>,
    egress: Option<Egress>,
}

impl Agent {
    fn serve(&mut self, input: &mut vm::Input) -> ExitCode {
        loop {
            let mut fds = vec![sys::PollFd { fd: input.as_raw_fd(), events: sys::POLLIN, revents: 0 }];
            self.runs.iter().for_each(|run| run.wants(&mut fds));
            self.egress.iter().for_each(|egress| egress.wants(&mut fds));
            if sys::wait(&mut fds, -1).is_err() {
                return ExitCode::from(3);
            }
            let ready = |fd: i32| fds.iter().any(|polled| polled.fd == fd && polled.revents != 0);
            for run in &mut self.runs {
                run.pump(&ready, &mut self.voice);
            }
            if let Some(egress) = &mut self.egress {
                egress.pump(&ready, &mut self.voice);
            }
            let asked = ready(input.as_raw_fd());
            if sys::has_child_ended() {
                self.reap();
            }
            if asked {
                match protocol::read(input) {
                    Ok(frame) if frame.nonce == self.voice.nonce => self.obey(&frame),
                    Err(ReadError::Closed) => return self.end(0),
                    Ok(_) | Err(_) => return self.end(2),
                }
            }
        }
    }

    /// Without its first process the sandbox ends; where the agent is not the first, this is what ends it.
    fn end(&mut self, code: u8) -> ExitCode {
        self.runs.clear();
        self.sweep();
        ExitCode::from(code)
    }

    fn obey(&mut self, frame: &Frame) {
        let id = frame.id;
        let run = self.runs.iter_mut().find(|run| run.id == id);
        match (frame.kind, run) {
            (Kind::Start, None) => match self.start(frame) {
                Ok(run) => {
                    self.voice.say(Kind::Started, id, &[]);
                    self.runs.push(run);
                }
                Err(error) => self.voice.fail(id, &error),
            },
            (Kind::Stdin, Some(run)) => run.feed(&frame.payload),
            (Kind::Eof, Some(run)) => run.end_of_input(),
            (Kind::Kill, Some(run)) => run.kill(frame.payload.first().copied().unwrap_or(9)),
            (Kind::Resize, Some(run)) => run.resize(&frame.payload),
            (Kind::Count, _) => {
                let count = u32::try_from(processes(self.machine)).unwrap_or(u32::MAX);
                self.voice.say(Kind::Counted, id, &count.to_le_bytes());
            }
            (Kind::Data | Kind::Shut | Kind::Credit, _) => {
                if let Some(egress) = &mut self.egress {
                    egress.hear(frame, &mut self.voice);
                }
            }
            // About an execution that ended while the frame was on its way.
            _ => {}
        }
    }

    fn start(&mut self, frame: &Frame) -> std::io::Result<Run> {
        let start = protocol::Start::decode(&frame.payload).ok_or(std::io::ErrorKind::InvalidInput)?;
        Run::start(frame.id, &start, self.signals, &mut self.starter)
    }

    /// Notes which programs ended, and tells the host of them when nothing of theirs is left.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = sys::reap() {
            if let Some(run) = self.runs.iter_mut().find(|run| run.pid == pid) {
                run.status = Some(status);
            }
        }
        let (over, going) = std::mem::take(&mut self.runs).into_iter().partition::<Vec<_>, _>(Run::is_over);
        self.runs = going;
        if over.is_empty() {
            return;
        }
        if self.runs.is_empty() && self.is_first {
            self.sweep();
        } else {
            over.iter().for_each(|run| run.kill(9));
        }
        for mut run in over {
            run.drain(&mut self.voice);
            self.voice.say(Kind::Exit, run.id, &run.ended().encode());
        }
    }

    /// Kills every process that is left, whatever group or session it went to, and waits for them to be gone. Only
    /// the first process of a sandbox may do that; elsewhere it would hit the host's.
    fn sweep(&mut self) {
        if !self.is_first {
            return;
        }
        for _ in 0..MOST_KILLS {
            // Where there is nobody to kill, nobody is to be waited for either.
            if !sys::send(-1, sys::SIGKILL) {
                return;
            }
            loop {
                match sys::reap() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    // No child is left.
                    Err(_) => return,
                }
            }
            if sys::wait(&mut [], 1).is_err() {
                return;
            }
        }
    }
}

/// Processes beside the agent. On a kernel of our own also without the kernel's threads, which are number 2 and its
/// children.
fn processes(own_kernel: bool) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_kernel = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        pid == 2 || parent == Some(2)
    };
    numbers.filter(|pid| *pid != std::process::id() && !(own_kernel && of_kernel(*pid))).count()
}
