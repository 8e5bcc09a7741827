//! The supervisor: a small process that owns one named sandbox until it is removed, so that the sandbox outlives the
//! command that made it. It answers on a Unix socket in the sandbox's folder, which only this user can reach.
//!
//! When it is killed, its keeper notices and removes the sandbox with everything that was in it.

use super::{Jails, StateDir};
use crate::cancel::Cancel;
use crate::process::WorkerCommand;
use crate::runtime::{
    Attached, Exec, ExecResult, Exit, Printed, Program, Runtime, RuntimeError, RuntimeKind, SandboxId, SandboxSpec,
    Stats, Status,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The word that makes a worker a supervisor; the state folder comes after it, and the order on stdin.
pub(crate) const SUPERVISOR: &str = "supervisor";
/// The longest message of either side, in bytes, without the bytes that come after it.
const MAX_MESSAGE: u32 = 16 << 20;
/// The most bytes of a program's after a message.
const MAX_BYTES: u32 = 1 << 30;
/// Typed messages that may wait for a program that reads none.
const MOST_TYPED: usize = 64;
/// How long a supervisor may take to be there.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long the other side of an attached program may say nothing before it is looked whether it still is there.
const PULSE: Duration = Duration::from_millis(50);

/// What a supervisor is told on its stdin.
#[derive(Serialize, Deserialize)]
struct Order {
    spec: SandboxSpec,
    program: PathBuf,
    args: Vec<Vec<u8>>,
}

/// What may be asked of a supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Start,
    Stop,
    Pause,
    Resume,
    Restart,
    Delete,
    Status,
    Stats,
    Exec(Work),
    Attach(Work, Option<(u16, u16)>),
}

/// An execution, as it goes over the socket.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    argv: Vec<Vec<u8>>,
    env: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    timeout: Duration,
}

/// What it answers. Bytes that a program printed come after it; of a result the first so many are its stdout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Done,
    Status(Status),
    Stats(Stats),
    Result(Box<ExecResult>, usize),
    Error(String),
    Out,
    Err,
    End(Exit),
}

/// What somebody who is attached says; what was typed comes after it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Typed {
    Bytes,
    Close,
    Resize(u16, u16),
}

/// Sends a message and the bytes that belong to it.
fn send(to: &mut impl Write, message: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let json = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = |bytes: &[u8], most: u32| {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
        let why = || format!("{} bytes are more than the {most} that can be said at once", bytes.len());
        length.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, why()))
    };
    for length in [length(&json, MAX_MESSAGE)?, length(bytes, MAX_BYTES)?] {
        to.write_all(&length.to_le_bytes())?;
    }
    to.write_all(&json)?;
    to.write_all(bytes)?;
    to.flush()
}

fn receive<T: for<'a> Deserialize<'a>>(from: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [0; 8];
    from.read_exact(&mut lengths)?;
    let lengths = u64::from_le_bytes(lengths);
    let (json, bytes) = (lengths & 0xffff_ffff, lengths >> 32);
    if json > u64::from(MAX_MESSAGE) || bytes > u64::from(MAX_BYTES) {
        return Err(io::Error::other("the message is too long"));
    }
    let mut read = |length: u64| {
        let mut all = Vec::new();
        from.take(length).read_to_end(&mut all)?;
        if (all.len() as u64) < length { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { Ok(all) }
    };
    let json = read(json)?;
    Ok((serde_json::from_slice(&json).map_err(io::Error::other)?, read(bytes)?))
}

/// Answers, or says that the answer is too long to be given.
fn answer(to: &mut UnixStream, reply: &Reply, bytes: &[u8]) {
    if let Err(error) = send(to, reply, bytes)
        && error.kind() == io::ErrorKind::FileTooLarge
    {
        let _ = send(to, &Reply::Error(format!("what it printed cannot be handed on: {error}")), &[]);
    }
}

fn door(folder: &Path) -> PathBuf {
    folder.join("door").join("s")
}

/// What a supervisor does, from its first moment to its last.
pub(crate) fn supervisor_main(state: &Path) -> ExitCode {
    let mut line = String::new();
    let read = BufReader::new(io::stdin().lock()).read_line(&mut line);
    let began = read.and_then(|_| begin(state, &line));
    let said = match &began {
        Ok((_, id, _)) => serde_json::json!({ "ok": id }),
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    };
    let mut out = io::stdout().lock();
    let told = writeln!(out, "{said}").and_then(|()| out.flush());
    drop(out);
    let Ok((jails, id, listener)) = began else { return ExitCode::from(1) };
    // Nobody waits for it: then nobody knows of the sandbox.
    if told.is_err() {
        return ExitCode::from(1);
    }
    if let Ok(nothing) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
    let jails = Arc::new(jails);
    for stream in listener.incoming().flatten() {
        let (jails, id) = (Arc::clone(&jails), id.clone());
        let served = std::thread::Builder::new().name("visitor".into()).spawn(move || visit(&jails, &id, stream));
        drop(served);
    }
    ExitCode::SUCCESS
}

fn begin(state: &Path, line: &str) -> io::Result<(Jails, SandboxId, UnixListener)> {
    // So that no terminal's end ends it.
    rustix::process::setsid().or_else(|_| rustix::process::getsid(None))?;
    let order: Order = serde_json::from_str(line).map_err(io::Error::other)?;
    let args = order.args.into_iter().map(std::ffi::OsString::from_vec).collect();
    let command = WorkerCommand { program: order.program, args };
    let state = StateDir::at(state.to_owned())?;
    let kind = order.spec.choice.actual;
    let jails = jails_of(kind, command, state.clone()).map_err(io::Error::other)?;
    let id = jails.create(&order.spec).map_err(io::Error::other)?;
    let door = door(&state.folder(&id));
    if let Some(folder) = door.parent() {
        DirBuilder::new().mode(0o700).create(folder)?;
    }
    let listener = UnixListener::bind(&door)?;
    Ok((jails, id, listener))
}

fn jails_of(kind: RuntimeKind, command: WorkerCommand, state: StateDir) -> Result<Jails, String> {
    let made = match kind {
        // Tried again: it costs a quarter of a second, where a machine takes more to start.
        RuntimeKind::Microvm => return Jails::microvm(command.clone(), state, crate::kvm::try_kvm(&command)),
        RuntimeKind::Gvisor => Jails::gvisor(command, state),
        RuntimeKind::Process => Jails::process(command, state),
        _ => {
            return Err(format!(
                "{kind} keeps nothing between two executions, so it has no named sandboxes; use gvisor"
            ));
        }
    };
    made.ok_or_else(|| format!("{kind} is not installed; run `aic doctor`"))
}

/// How long a supervisor may take to remove its sandbox, before it is ended instead.
const DISMISSED_WITHIN: Duration = Duration::from_secs(90);

/// Has the supervisor of a sandbox, where it has one, remove it and end. One that does not is killed; its sandbox is
/// then removed by its keeper or by whoever asked for this.
pub(super) fn dismiss(state: &StateDir, record: &super::folder::Record) {
    let Ok(named) = Named::open(state, &record.id) else { return };
    let asked = || -> io::Result<()> {
        let mut stream = UnixStream::connect(&named.door)?;
        stream.set_read_timeout(Some(DISMISSED_WITHIN))?;
        stream.set_write_timeout(Some(DISMISSED_WITHIN))?;
        send(&mut stream, &Request::Delete, &[])?;
        receive::<Reply>(&mut stream).map(drop)
    };
    drop(asked());
    let host = record.host;
    // Only what was made to own this one: a sandbox's host may be any program that uses this library.
    let words = fs::read(format!("/proc/{}/cmdline", host.pid)).unwrap_or_default();
    if host.is_alive() && words.split(|byte| *byte == 0).any(|word| word == SUPERVISOR.as_bytes()) {
        host.kill();
    }
}

fn visit(jails: &Jails, id: &SandboxId, mut stream: UnixStream) {
    let Ok((request, stdin)) = receive::<Request>(&mut stream) else { return };
    let mut printed = Vec::new();
    let done = |result: Result<(), RuntimeError>| result.map(|()| Reply::Done);
    let reply = match request {
        Request::Start => done(jails.start(id)),
        Request::Stop => done(jails.stop(id)),
        Request::Pause => done(jails.pause(id)),
        Request::Resume => done(jails.resume(id)),
        Request::Restart => done(jails.restart(id)),
        Request::Status => jails.status(id).map(Reply::Status),
        Request::Stats => jails.stats(id).map(Reply::Stats),
        Request::Exec(work) => exec(jails, id, &work.exec(stdin), &stream).map(|mut result| {
            printed = std::mem::take(&mut result.stdout);
            let count = printed.len();
            printed.append(&mut result.stderr);
            Reply::Result(Box::new(result), count)
        }),
        Request::Attach(work, terminal) => match jails.attach(id, &work.exec(stdin), terminal) {
            Ok(link) => return hold(link, stream),
            Err(error) => Err(error),
        },
        Request::Delete => {
            let deleted = done(jails.delete(id));
            let over = deleted.is_ok();
            answer(&mut stream, &deleted.unwrap_or_else(|error| Reply::Error(error.to_string())), &[]);
            if over {
                // There is nothing left to own.
                std::process::exit(0);
            }
            return;
        }
    };
    answer(&mut stream, &reply.unwrap_or_else(|error| Reply::Error(error.to_string())), &printed);
}

impl Work {
    fn exec(self, stdin: Vec<u8>) -> Exec {
        let argv = self.argv.into_iter().map(std::ffi::OsString::from_vec).collect();
        let Self { env, folder, timeout, .. } = self;
        Exec { program: Program::Command(argv), env, folder, stdin, timeout }
    }

    fn of(exec: &Exec) -> Result<Self, RuntimeError> {
        let Program::Command(argv) = &exec.program else {
            let what = "runs no JavaScript in a named sandbox".into();
            return Err(RuntimeError::Unsupported { runtime: RuntimeKind::Wasm, what });
        };
        let argv = argv.iter().map(|argument| argument.clone().into_vec()).collect();
        Ok(Self { argv, env: exec.env.clone(), folder: exec.folder.clone(), timeout: exec.timeout })
    }
}

/// Runs a program; when the asker goes away, so does the program.
fn exec(jails: &Jails, id: &SandboxId, work: &Exec, stream: &UnixStream) -> Result<ExecResult, RuntimeError> {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    let watch = stream.try_clone().ok().and_then(|mut other| {
        let watch = std::thread::Builder::new().name("asker".into());
        // Nothing more is said: a byte or an end means that the asker is gone. It ends with the stream.
        watch.spawn(move || drop(other.read(&mut [0]).map(|_| raised.cancel()))).ok()
    });
    let result = jails.exec(id, work, &cancel);
    drop(watch);
    result
}

/// Goes between a program and whoever is attached to it.
fn hold(mut link: Box<dyn Attached>, mut stream: UnixStream) {
    let (typed, queue) = std::sync::mpsc::sync_channel::<Option<(Typed, Vec<u8>)>>(MOST_TYPED);
    let Ok(mut input) = stream.try_clone() else { return };
    let reader = std::thread::Builder::new().name("typed".into()).spawn(move || {
        while let Ok(message) = receive::<Typed>(&mut input) {
            if typed.send(Some(message)).is_err() {
                return;
            }
        }
        drop(typed.send(None));
    });
    if reader.is_err() || send(&mut stream, &Reply::Done, &[]).is_err() {
        return;
    }
    loop {
        for message in queue.try_iter() {
            // To a program that has just ended nothing can be said; how it ended comes next.
            drop(match message {
                Some((Typed::Bytes, bytes)) => link.write(&bytes),
                Some((Typed::Close, _)) => link.close(),
                Some((Typed::Resize(rows, columns), _)) => link.resize(rows, columns),
                None => return,
            });
        }
        let (reply, bytes, last) = match link.next(PULSE) {
            Ok(None) => continue,
            Ok(Some(Printed::Stdout(bytes))) => (Reply::Out, bytes, false),
            Ok(Some(Printed::Stderr(bytes))) => (Reply::Err, bytes, false),
            Ok(Some(Printed::End(exit))) => (Reply::End(exit), Vec::new(), true),
            Err(error) => (Reply::Error(error.to_string()), Vec::new(), true),
        };
        if send(&mut stream, &reply, &bytes).is_err() || last {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// A named sandbox of another process's.
#[derive(Debug, Clone)]
pub struct Named {
    id: SandboxId,
    door: PathBuf,
}

impl Named {
    /// Starts a supervisor for a new sandbox; the sandbox itself is not started yet. `command` is the program that
    /// becomes the supervisor, such as `aic __worker`.
    ///
    /// # Errors
    /// When the name is taken, or the runtime is not there.
    pub fn create(command: &WorkerCommand, state: &StateDir, spec: &SandboxSpec) -> Result<Self, RuntimeError> {
        let kind = spec.choice.actual;
        let cannot = |why: String| RuntimeError::CannotStart { runtime: kind, why };
        let order = Order {
            spec: spec.clone(),
            program: command.program.clone(),
            args: command.args.iter().map(|argument| argument.clone().into_vec()).collect(),
        };
        let mut order = serde_json::to_vec(&order).map_err(|error| cannot(error.to_string()))?;
        order.push(b'\n');
        let mut start = Command::new(&command.program);
        start.args(&command.args).arg(SUPERVISOR).arg(state.path()).env_clear().current_dir("/");
        if let Some(path) = std::env::var_os("PATH") {
            start.env("PATH", path);
        }
        if let Some(runsc) = std::env::var_os(super::RUNSC) {
            start.env(super::RUNSC, runsc);
        }
        if let (RuntimeKind::Microvm, Ok(image)) = (kind, super::image::GuestImage::find()) {
            start.env(super::image::VARIABLE, image.folder());
        }
        start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = start.spawn().map_err(|error| cannot(error.to_string()))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(cannot("it has no pipes".into()));
        };
        input.write_all(&order).map_err(|error| cannot(error.to_string()))?;
        drop(input);
        let (said, heard) = std::sync::mpsc::channel();
        let reader = std::thread::Builder::new().name("supervisor".into());
        let reading = reader.spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            drop(said.send(read.map(|_| line)));
        });
        reading.map_err(|error| cannot(error.to_string()))?;
        let line = heard.recv_timeout(READY_WITHIN).unwrap_or_else(|_| Ok(String::new())).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(id) = said.get("ok").and_then(|id| id.as_str()?.parse::<SandboxId>().ok()) {
            return Ok(Self { door: door(&state.folder(&id)), id });
        }
        drop(child.kill());
        drop(child.wait());
        if let (Some(name), true) = (&spec.name, line.contains("already")) {
            return Err(RuntimeError::Taken { id: name.clone() });
        }
        let why = said.get("error").and_then(|why| why.as_str()).unwrap_or("its supervisor did not answer");
        Err(cannot(why.to_owned()))
    }

    /// The sandbox of this name.
    ///
    /// # Errors
    /// When there is none that a supervisor owns.
    pub fn open(state: &StateDir, id: &SandboxId) -> Result<Self, RuntimeError> {
        let door = door(&state.folder(id));
        if !door.exists() {
            let runtime = state.read(id).map_or(RuntimeKind::Gvisor, |record| record.spec.choice.actual);
            return Err(RuntimeError::Unknown { runtime, id: id.clone() });
        }
        Ok(Self { id: id.clone(), door })
    }

    /// Every sandbox in this folder, those of other processes without a door too.
    pub fn list(state: &StateDir) -> Vec<Status> {
        let status = |record: super::folder::Record| {
            let asked = Self::open(state, &record.id).and_then(|named| named.status());
            asked.unwrap_or_else(|_| Status {
                id: record.id.clone(),
                owner: record.spec.owner.clone(),
                labels: record.spec.labels.clone(),
                choice: record.spec.choice.clone(),
                state: match (record.host.is_alive(), record.keeper.is_some_and(super::proc::Process::is_alive)) {
                    (_, true) => crate::runtime::State::Running,
                    (true, false) => crate::runtime::State::Created,
                    (false, false) => crate::runtime::State::Dead,
                },
                why: (!record.host.is_alive()).then(|| "its owner is gone".to_owned()),
                created_ms: record.created_ms,
                kept: Vec::new(),
            })
        };
        state.records().into_iter().map(status).collect()
    }

    /// Its name.
    pub fn id(&self) -> &SandboxId {
        &self.id
    }

    fn gone(&self, error: io::Error) -> RuntimeError {
        RuntimeError::Died { id: self.id.clone(), why: format!("its supervisor does not answer ({error})") }
    }

    fn refused(&self, why: String) -> RuntimeError {
        RuntimeError::Refused { id: self.id.clone(), why }
    }

    fn ask(&self, request: &Request, stdin: &[u8]) -> Result<(Reply, Vec<u8>, UnixStream), RuntimeError> {
        let asked = || -> io::Result<(Reply, Vec<u8>, UnixStream)> {
            let mut stream = UnixStream::connect(&self.door)?;
            send(&mut stream, request, stdin)?;
            let (reply, bytes) = receive(&mut stream)?;
            Ok((reply, bytes, stream))
        };
        match asked() {
            Ok((Reply::Error(why), ..)) => Err(self.refused(why)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(self.refused(format!("its input, or its arguments and environment, are too long: {error}")))
            }
            answered => answered.map_err(|error| self.gone(error)),
        }
    }

    fn done(&self, request: &Request) -> Result<(), RuntimeError> {
        self.ask(request, &[]).map(drop)
    }

    /// Starts it.
    ///
    /// # Errors
    /// Those of [`Runtime::start`].
    pub fn start(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Start)
    }

    /// Stops it.
    ///
    /// # Errors
    /// Those of [`Runtime::stop`].
    pub fn stop(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Stop)
    }

    /// Halts it in place.
    ///
    /// # Errors
    /// Those of [`Runtime::pause`].
    pub fn pause(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Pause)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Those of [`Runtime::resume`].
    pub fn resume(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Resume)
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// Those of [`Runtime::restart`].
    pub fn restart(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Restart)
    }

    /// Removes it and ends its supervisor.
    ///
    /// # Errors
    /// Those of [`Runtime::delete`].
    pub fn delete(&self) -> Result<(), RuntimeError> {
        self.done(&Request::Delete)
    }

    /// What is known of it.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub fn status(&self) -> Result<Status, RuntimeError> {
        match self.ask(&Request::Status, &[])? {
            (Reply::Status(status), ..) => Ok(status),
            _ => Err(self.refused("it gave the wrong answer".into())),
        }
    }

    /// What it uses.
    ///
    /// # Errors
    /// Those of [`Runtime::stats`].
    pub fn stats(&self) -> Result<Stats, RuntimeError> {
        match self.ask(&Request::Stats, &[])? {
            (Reply::Stats(stats), ..) => Ok(stats),
            _ => Err(self.refused("it gave the wrong answer".into())),
        }
    }

    /// Runs a command to its end. When this process dies, so does the command.
    ///
    /// # Errors
    /// Those of [`Runtime::exec`].
    pub fn exec(&self, exec: &Exec) -> Result<ExecResult, RuntimeError> {
        match self.ask(&Request::Exec(Work::of(exec)?), &exec.stdin)? {
            (Reply::Result(result, count), mut printed, _) if count <= printed.len() => {
                let stderr = printed.split_off(count);
                Ok(ExecResult { stdout: printed, stderr, ..*result })
            }
            _ => Err(self.refused("it gave the wrong answer".into())),
        }
    }

    /// Starts a command and stays with it.
    ///
    /// # Errors
    /// Those of [`Runtime::attach`].
    pub fn attach(&self, exec: &Exec, terminal: Option<(u16, u16)>) -> Result<Box<dyn Attached>, RuntimeError> {
        let (_, _, stream) = self.ask(&Request::Attach(Work::of(exec)?, terminal), &exec.stdin)?;
        // Without a bound: who types much before he listens would wait for himself.
        let (heard, queue) = std::sync::mpsc::channel();
        let mut input = stream.try_clone().map_err(|error| self.gone(error))?;
        let reader = std::thread::Builder::new().name("attached".into());
        let reading = reader.spawn(move || {
            while let Ok(reply) = receive::<Reply>(&mut input) {
                if heard.send(reply).is_err() {
                    return;
                }
            }
        });
        reading.map_err(|error| self.gone(error))?;
        Ok(Box::new(Line { named: self.clone(), stream, queue }))
    }
}

/// A program in a named sandbox that this process is attached to.
struct Line {
    named: Named,
    stream: UnixStream,
    queue: std::sync::mpsc::Receiver<(Reply, Vec<u8>)>,
}

impl Line {
    fn say(&mut self, typed: &Typed, bytes: &[u8]) -> Result<(), RuntimeError> {
        match send(&mut self.stream, typed, bytes) {
            // The program has ended, or its supervisor has: what was heard last says which, in [`Attached::next`].
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
            said => said.map_err(|error| self.named.gone(error)),
        }
    }
}

impl Attached for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RuntimeError> {
        self.say(&Typed::Bytes, bytes)
    }

    fn close(&mut self) -> Result<(), RuntimeError> {
        self.say(&Typed::Close, &[])
    }

    fn resize(&mut self, rows: u16, columns: u16) -> Result<(), RuntimeError> {
        self.say(&Typed::Resize(rows, columns), &[])
    }

    fn next(&mut self, within: Duration) -> Result<Option<Printed>, RuntimeError> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.queue.recv_timeout(within) {
            Ok((Reply::Out, bytes)) => Ok(Some(Printed::Stdout(bytes))),
            Ok((Reply::Err, bytes)) => Ok(Some(Printed::Stderr(bytes))),
            Ok((Reply::End(exit), _)) => Ok(Some(Printed::End(exit))),
            Ok((Reply::Error(why), _)) => Err(self.named.refused(why)),
            Ok(_) => Err(self.named.refused("it gave the wrong answer".into())),
            Err(Timeout) => Ok(None),
            Err(Disconnected) => Err(self.named.gone(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
