//! One execution in a sandbox: its deadline, its output, the limits that have to be looked at, its end.

use super::patrol::Patrol;
use super::protocol::{EGRESS_PORT, Kind, Start};
use super::session::{Event, Mailbox, Session, Waited};
use super::{Jail, lock};
use crate::cancel::Cancel;
use crate::runtime::{
    Access, Attached, Exec, ExecResult, Exit, Limit, Printed, Program, RuntimeError, RuntimeKind, State,
};
use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where programs are looked for, unless the environment says otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// How long a program that was killed may take to be gone, before its whole sandbox is ended. Long, as a busy machine
/// takes seconds for it and a sandbox is somebody's work.
const GRACE: Duration = Duration::from_secs(10);
/// The same at the end of a serial line, whose processor may be an emulated one.
const SLOW_GRACE: Duration = Duration::from_secs(60);
/// How long a copied workspace may take to come out of a machine's memory.
const PACKED_WITHIN: Duration = Duration::from_secs(60);
/// A file grew beyond the rlimit.
const SIGXFSZ: i32 = 25;
const ENOENT: i32 = 2;
const EACCES: i32 = 13;

fn start_of(
    kind: RuntimeKind,
    jail: &Jail,
    exec: &Exec,
    terminal: Option<(u16, u16)>,
    output: u64,
) -> Result<(Start, String), RuntimeError> {
    let Program::Command(argv) = &exec.program else {
        let what = "runs no JavaScript by itself: use wasm, or a command such as `node`".into();
        return Err(RuntimeError::Unsupported { runtime: kind, what });
    };
    let program = argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let cannot = |why: &str| RuntimeError::CannotRun { runtime: kind, program: program.clone(), why: why.into() };
    if program.is_empty() {
        return Err(cannot("no program is named"));
    }
    let folder = match &exec.folder {
        Some(folder) => folder.clone().into_os_string().into_vec(),
        None if jail.workspace.access == Access::None => b"/tmp".to_vec(),
        None => b"/workspace".to_vec(),
    };
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut env: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::from([(bytes("PATH"), bytes(PATH))]);
    if !lock(&jail.record).spec.network.is_none() {
        let proxy = format!("http://127.0.0.1:{EGRESS_PORT}");
        // Some programs read the one, some the other.
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            env.insert(bytes(name), bytes(&proxy));
            env.insert(bytes(&name.to_ascii_uppercase()), bytes(&proxy));
        }
        env.extend(["no_proxy", "NO_PROXY"].map(|name| (bytes(name), bytes("localhost,127.0.0.1,::1"))));
    }
    env.extend(exec.env.iter().map(|(name, value)| (bytes(name), bytes(value))));
    let argv: Vec<Vec<u8>> = argv.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    let zero = |text: &Vec<u8>| text.contains(&0);
    if argv.iter().any(zero) || zero(&folder) || env.iter().any(|(name, value)| zero(name) || zero(value)) {
        return Err(cannot("there is a zero byte in its arguments, folder or environment"));
    }
    if env.keys().any(|name| name.is_empty() || name.contains(&b'=')) {
        return Err(cannot("a variable of its environment has no name, or `=` in it"));
    }
    Ok((Start { argv, env: env.into_iter().collect(), folder, output, terminal }, program))
}

/// Runs a program to its end.
pub(super) fn run(
    kind: RuntimeKind,
    jail: &Arc<Jail>,
    session: &Arc<Session>,
    exec: &Exec,
    cancel: &Cancel,
) -> Result<ExecResult, RuntimeError> {
    let started = Instant::now();
    let (id, choice, limits) = {
        let record = lock(&jail.record);
        (record.id.clone(), record.spec.choice.clone(), record.spec.limits.clone())
    };
    let (start, program) = start_of(kind, jail, exec, None, limits.output)?;
    let died = |why: String| {
        jail.end(State::Dead, Some(why.clone()));
        RuntimeError::Died { id: id.clone(), why }
    };
    let groups = Arc::clone(&lock(&jail.groups));
    let killed = groups.killed();
    let mark = session.gate.as_ref().map_or(0, |gate| gate.mark());
    let mailbox = session.run(&start).map_err(died)?;
    let watched = Patrol::start(jail, session, &limits, mailbox.nudger());
    let patrol = watched.inspect_err(|_| session.ask(Kind::Kill, mailbox.id, &[9])).map_err(died)?;
    session.feed(mailbox.id, &exec.stdin);
    session.ask(Kind::Eof, mailbox.id, &[]);
    let nudge = mailbox.nudger();
    let _watch = cancel.watch(nudge);

    let deadline = started.checked_add(exec.timeout.min(limits.timeout));
    let mut got = Got { left: limits.output, ..Got::default() };
    let ended = loop {
        if cancel.is_cancelled() {
            break Ending::Cancelled;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break Ending::Over(Limit::Timeout);
        }
        if let Some(limit) = patrol.over() {
            break Ending::Over(limit);
        }
        match mailbox.wait(deadline) {
            Ok(Event::Exit(ended)) => {
                got.truncated |= ended.truncated;
                break Ending::Itself(ended.code.map_or(Exit::Signal(ended.signal), Exit::Code));
            }
            Ok(Event::Failed(number, why)) => {
                let why = explain(number, &why, exec);
                return Err(RuntimeError::CannotRun { runtime: kind, program, why });
            }
            Ok(event) => got.take(event),
            Err(Waited::TooLong) => {}
            // Whoever ends a sandbox takes its session first.
            Err(Waited::Broken(_)) if lock(&jail.life).session.is_none() => {
                return Err(RuntimeError::Died { id, why: "somebody stopped or removed it".into() });
            }
            Err(Waited::Broken(why)) => {
                jail.end(State::Dead, Some(why.clone()));
                // Where there are no groups nothing was met.
                match session.hits() {
                    hits if hits.memory => break Ending::Broke(Limit::Memory),
                    hits if hits.pids => break Ending::Broke(Limit::Pids),
                    _ => return Err(died(format!("{why}{}", session.complaint()))),
                }
            }
        }
    };
    let exit = match ended {
        Ending::Itself(Exit::Code(0)) => Exit::Code(0),
        // Perhaps not itself, but something that it, or another execution in the same memory, had started.
        Ending::Itself(_) if groups.killed() > killed => Exit::Over(Limit::Memory),
        Ending::Itself(exit) => of_limit(exit),
        Ending::Broke(limit) => Exit::Over(limit),
        Ending::Over(limit) => {
            put_down(jail, session, &mailbox, &mut got);
            Exit::Over(limit)
        }
        Ending::Cancelled => {
            put_down(jail, session, &mailbox, &mut got);
            return Err(RuntimeError::Cancelled);
        }
    };
    let Got { stdout, stderr, truncated, .. } = got;
    let (took, kept) = (started.elapsed(), jail.kept.clone());
    let network = session.gate.as_ref().map_or_else(Vec::new, |gate| gate.since(mark));
    Ok(ExecResult { exit, value: None, stdout, stderr, truncated, took, choice, limits, kept, network })
}

/// Runs a program that prints an archive, of so many bytes of files, into a file that nobody else sees.
///
/// # Errors
/// Says why there is none.
pub(super) fn pack(session: &Session, packer: &[&str], most: u64) -> Result<std::fs::File, String> {
    // Headers and padding are a kibibyte for each file, and there may be many small ones.
    let output = most.saturating_mul(2).saturating_add(1 << 20);
    let argv = packer.iter().chain(&["."]).map(|word| word.as_bytes().to_vec()).collect();
    let start = Start { argv, env: Vec::new(), folder: b"/".to_vec(), output, terminal: None };
    let mailbox = session.run(&start)?;
    session.ask(Kind::Eof, mailbox.id, &[]);
    let mut file = tempfile::tempfile().map_err(|error| error.to_string())?;
    let until = Instant::now().checked_add(PACKED_WITHIN);
    let mut complaint = Vec::new();
    loop {
        match mailbox.wait(until) {
            Ok(Event::Stdout(bytes)) => file.write_all(&bytes).map_err(|error| error.to_string())?,
            Ok(Event::Stderr(bytes)) if complaint.len() < 1000 => complaint.extend(bytes),
            Ok(Event::Exit(ended)) if ended.code == Some(0) && !ended.truncated => break,
            Ok(Event::Exit(ended)) if ended.truncated => return Err("it is larger than `limits.disk`".into()),
            Ok(Event::Exit(_)) => {
                let text = String::from_utf8_lossy(&complaint);
                return Err(text.chars().filter(|c| !c.is_control()).take(300).collect());
            }
            Ok(Event::Failed(_, why)) => return Err(why),
            Ok(_) => {}
            Err(Waited::TooLong) => return Err(format!("it was not read within {PACKED_WITHIN:?}")),
            Err(Waited::Broken(why)) => return Err(why),
        }
        // Output without end must not keep us here.
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err(format!("it was not read within {PACKED_WITHIN:?}"));
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
    Ok(file)
}

enum Ending {
    Itself(Exit),
    Over(Limit),
    /// The kernel ended the sandbox at this limit.
    Broke(Limit),
    Cancelled,
}

/// A signal that the kernel sends at a limit is that limit.
fn of_limit(exit: Exit) -> Exit {
    if exit == Exit::Signal(SIGXFSZ) { Exit::Over(Limit::FileSize) } else { exit }
}

fn explain(number: i32, why: &str, exec: &Exec) -> String {
    let hint = match number {
        ENOENT => "; it must lie in the sandbox's root file system, and so must its folder",
        EACCES => "; the sandbox's user may not run it, or not enter its folder",
        _ => "",
    };
    let folder = exec.folder.as_ref().map(|folder| format!(" in {}", folder.display())).unwrap_or_default();
    format!("{why}{folder}{hint}")
}

/// Kills a program, and its sandbox where that does not help.
fn put_down(jail: &Jail, session: &Session, mailbox: &Mailbox, got: &mut Got) {
    session.ask(Kind::Kill, mailbox.id, &[9]);
    let until = Instant::now().checked_add(if session.serial() { SLOW_GRACE } else { GRACE });
    loop {
        match mailbox.wait(until) {
            Ok(Event::Exit(ended)) => {
                got.truncated |= ended.truncated;
                return;
            }
            Ok(event) => got.take(event),
            Err(_) => {
                jail.end(State::Dead, Some("a program in it could not be stopped".into()));
                return;
            }
        }
        // Output without end must not keep us here.
        if until.is_some_and(|until| Instant::now() >= until) {
            jail.end(State::Dead, Some("a program in it could not be stopped".into()));
            return;
        }
    }
}

/// What was printed so far.
#[derive(Default)]
struct Got {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    left: u64,
    truncated: bool,
}

impl Got {
    fn take(&mut self, event: Event) {
        let (stream, bytes) = match event {
            Event::Stdout(bytes) => (&mut self.stdout, bytes),
            Event::Stderr(bytes) => (&mut self.stderr, bytes),
            _ => return,
        };
        let kept = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= kept as u64;
        self.truncated |= kept < bytes.len();
        stream.extend_from_slice(bytes.get(..kept).unwrap_or_default());
    }
}

/// Starts a program and stays with it.
pub(super) fn attach(
    kind: RuntimeKind,
    jail: &Arc<Jail>,
    session: Arc<Session>,
    exec: &Exec,
    terminal: Option<(u16, u16)>,
) -> Result<Box<dyn Attached>, RuntimeError> {
    let id = lock(&jail.record).id.clone();
    let (start, program) = start_of(kind, jail, exec, terminal, u64::MAX)?;
    let died = |why| RuntimeError::Died { id: id.clone(), why };
    let mailbox = session.run(&start).map_err(died)?;
    let (ended, victim) = (Arc::clone(&session), mailbox.id);
    let limits = lock(&jail.record).spec.limits.clone();
    let patrol = Patrol::start(jail, &session, &limits, move || ended.ask(Kind::Kill, victim, &[9])).map_err(died)?;
    session.feed(mailbox.id, &exec.stdin);
    // A terminal is attached to for as long as somebody sits at it; a deadline is kept where one was given.
    let deadline = Instant::now().checked_add(exec.timeout);
    let link = Link { kind, id, program, session, mailbox, deadline, patrol, over: false };
    Ok(Box::new(link))
}

struct Link {
    kind: RuntimeKind,
    id: crate::runtime::SandboxId,
    program: String,
    session: Arc<Session>,
    mailbox: Mailbox,
    deadline: Option<Instant>,
    patrol: Patrol,
    over: bool,
}

impl Link {
    fn died(&self, why: String) -> RuntimeError {
        RuntimeError::Died { id: self.id.clone(), why }
    }

    fn alive(&self) -> Result<(), RuntimeError> {
        self.session.broken().map_or(Ok(()), |why| Err(self.died(why)))
    }
}

impl Attached for Link {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RuntimeError> {
        self.alive()?;
        self.session.feed(self.mailbox.id, bytes);
        Ok(())
    }

    fn close(&mut self) -> Result<(), RuntimeError> {
        self.alive()?;
        self.session.ask(Kind::Eof, self.mailbox.id, &[]);
        Ok(())
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        self.alive()?;
        let size: Vec<u8> = [rows, columns].into_iter().flat_map(u16::to_le_bytes).collect();
        self.session.ask(Kind::Resize, self.mailbox.id, &size);
        Ok(())
    }

    fn next(&mut self, within: Duration) -> Result<Option<Printed>, RuntimeError> {
        let until = Instant::now().checked_add(within);
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) && !self.over {
                self.over = true;
                return Ok(Some(Printed::End(Exit::Over(Limit::Timeout))));
            }
            let until = [until, self.deadline.filter(|_| !self.over)].into_iter().flatten().min();
            match self.mailbox.wait(until) {
                Ok(Event::Stdout(bytes)) => return Ok(Some(Printed::Stdout(bytes))),
                Ok(Event::Stderr(bytes)) => return Ok(Some(Printed::Stderr(bytes))),
                Ok(Event::Exit(ended)) => {
                    self.over = true;
                    let itself = ended.code.map_or(Exit::Signal(ended.signal), Exit::Code);
                    let exit = self.patrol.over().map_or(of_limit(itself), Exit::Over);
                    return Ok(Some(Printed::End(exit)));
                }
                Ok(Event::Failed(_, why)) => {
                    self.over = true;
                    let program = self.program.clone();
                    return Err(RuntimeError::CannotRun { runtime: self.kind, program, why });
                }
                Ok(Event::Started | Event::Counted(_) | Event::Nudge) => {}
                Err(Waited::TooLong) => return Ok(None),
                Err(Waited::Broken(why)) => return Err(self.died(why)),
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Also after an end by deadline, when it still runs; to one that ended it means nothing.
        self.session.ask(Kind::Kill, self.mailbox.id, &[9]);
    }
}
