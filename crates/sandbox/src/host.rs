//! The pool of workers that scripts run in.

use crate::cancel::Cancel;
use crate::process::{AskError, Spawner, Worker, WorkerCommand};
use crate::script::{Enforcement, ScriptCall, ScriptError, ScriptResult};
use crate::wire::{self, AnswerHeader, CallHeader, End, Facts, Frame, Kind, Mode, Open, OpenModule};
use crate::worker::WorkerReport;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Workers that may run at the same time; further calls wait. More than processors, as scripts may be waited for.
const MOST_RUNNING: usize = 16;
/// Workers that are kept while idle.
const MOST_IDLE: usize = 4;
/// How much longer than a script's own timeout the worker gets to say that it passed, before it is killed.
const GRACE: Duration = Duration::from_millis(250);
/// How long a worker may take to get ready with a precompiled guest.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a worker may take to compile the guest (0.7 s where nothing else runs).
const COMPILED_WITHIN: Duration = Duration::from_secs(120);

/// Runs scripts in worker processes, a fresh instance for each call.
///
/// It starts workers when they are needed, keeps a few while idle, and replaces those that die. It can be shared
/// between threads; each call blocks its thread. Dropping it kills and reaps all workers.
pub struct ScriptHost {
    shared: Arc<Shared>,
}

struct Shared {
    command: WorkerCommand,
    state: Mutex<State>,
    changed: Condvar,
    cache: Option<PathBuf>,
    /// Where the caller names no cache: goes with the host.
    _private_cache: Option<TempDir>,
}

#[derive(Default)]
struct State {
    // Before the spawner, so that they are dropped first: the thread's end would kill them, but not reap them.
    idle: Vec<Ready>,
    spawner: Option<Arc<Spawner>>,
    running: usize,
    preparing: bool,
    /// Whether a worker is being started ahead of the first call, which then waits for that one.
    warming: bool,
}

/// A worker that is ready for a call.
struct Ready {
    worker: Worker,
    report: WorkerReport,
}

impl ScriptHost {
    /// A host without workers yet. `cache_dir` is where the precompiled guest is kept, in a subfolder with mode 0700
    /// that is made for it; with `None` it is kept in a temporary folder that goes with the host, so each host
    /// compiles once.
    pub fn new(command: WorkerCommand, cache_dir: Option<PathBuf>) -> Self {
        let private = if cache_dir.is_none() { TempDir::with_prefix("aic-").ok() } else { None };
        // A worker starts in `/`.
        let cache = cache_dir.or_else(|| private.as_ref().map(|folder| folder.path().to_owned()));
        let cache = cache.map(|path| std::path::absolute(&path).unwrap_or(path));
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { command, state, changed, cache, _private_cache: private }) }
    }

    /// Calls a script's default function.
    ///
    /// # Errors
    /// Whatever keeps the script from giving a result; the next call works all the same.
    pub fn call(&self, call: &ScriptCall, cancel: &Cancel) -> Result<ScriptResult, ScriptError> {
        let input = input_of(call)?;
        let permit = self.shared.permit(cancel).ok_or_else(|| cancelled(call))?;
        let limits = &call.limits;
        let header = CallHeader {
            timeout_us: u64::try_from(limits.timeout.as_micros()).unwrap_or(u64::MAX),
            memory: limits.memory,
            output: limits.output,
            now_ms: call.now.millis(),
            seed: call.seed,
        };
        let parts: Arc<[Vec<u8>]> = Arc::new([header.to_bytes().to_vec(), input]);
        let filename = || call.filename.clone();
        let (ready, reply, took) = loop {
            let (mut ready, was_idle) = self.shared.worker(call, cancel)?;
            let started = Instant::now();
            let within = limits.timeout.saturating_add(GRACE);
            let reply = ready.worker.ask(Kind::Call, Arc::clone(&parts), within, cancel);
            // One that died in its idleness was never asked anything: it is as if it had not been there.
            if !(was_idle && matches!(reply, Err(AskError::NotTaken(_)))) {
                break (ready, reply, started.elapsed());
            }
        };
        let frame = reply.map_err(|error| match error {
            AskError::Deadline => ScriptError::Timeout { filename: filename(), limit: limits.timeout },
            AskError::Cancelled => cancelled(call),
            AskError::Died(why) | AskError::NotTaken(why) => ScriptError::WorkerDied { filename: filename(), why },
        })?;
        let (header, printed, body) = answer_of(&frame).ok_or_else(|| ScriptError::WorkerDied {
            filename: filename(),
            why: "it sent something that is no answer".into(),
        })?;
        let enforcement = Enforcement::of_wasm(limits, ready.report.clone());
        // It answered as it should, so it may go on, whatever the script did.
        self.shared.keep(ready);
        drop(permit);
        Ok(ScriptResult {
            value: value_of(call, header.end, body)?,
            stdout: String::from_utf8_lossy(printed).into_owned(),
            truncated: header.truncated,
            took,
            enforcement,
        })
    }

    /// Compiles a module into the cache and says what it is.
    pub(crate) fn prepare_module(&self, module: OpenModule, cancel: &Cancel) -> Result<Facts, ModuleFailure> {
        let shared = &self.shared;
        let opened = {
            let _turn = shared.turn_to_prepare(cancel).map_err(|error| error.of_module(shared))?;
            shared.open_for(Mode::Prepare, Some(module), cancel).map_err(|error| error.of_module(shared))?
        };
        let wrong = || StartError::Missing.of_module(shared);
        let Opened::Prepared(facts) = opened else { return Err(wrong()) };
        serde_json::from_slice(&facts).map_err(|_| wrong())
    }

    /// Runs a module once, in a worker of its own. How the worker was locked down, and its answer.
    pub(crate) fn run_module(
        &self,
        module: &OpenModule,
        parts: Arc<[Vec<u8>]>,
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<(WorkerReport, Frame), ModuleFailure> {
        let shared = &self.shared;
        let _permit = shared.permit(cancel).ok_or(ModuleFailure::Cancelled)?;
        let open = |mode| shared.open_for(mode, Some(module.clone()), cancel).map_err(|error| error.of_module(shared));
        let mut opened = open(Mode::Load)?;
        if matches!(opened, Opened::Missing) {
            // Without a cache the worker compiles for itself, which is only slower.
            if let Err(failure @ (ModuleFailure::Cancelled | ModuleFailure::NotCompiled(_))) =
                self.prepare_module(module.clone(), cancel)
            {
                return Err(failure);
            }
            opened = open(Mode::LoadOrCompile)?;
        }
        let Opened::Ready(mut ready) = opened else { return Err(StartError::Missing.of_module(shared)) };
        let frame = ready.worker.ask(Kind::Call, parts, timeout.saturating_add(GRACE), cancel);
        let frame = frame.map_err(|error| match error {
            AskError::Deadline => ModuleFailure::Timeout,
            AskError::Cancelled => ModuleFailure::Cancelled,
            AskError::Died(why) | AskError::NotTaken(why) => ModuleFailure::Died(why),
        })?;
        Ok((ready.report, frame))
    }

    /// Starts a worker ahead of the first call, if there is none, and returns at once. A failure shows in that call.
    pub fn warm_up(&self) {
        {
            let mut state = self.shared.lock();
            if state.warming || state.running > 0 || !state.idle.is_empty() {
                return;
            }
            state.warming = true;
        }
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new().name("warm-up".into()).spawn(move || {
            let ready = shared.start(&Cancel::new());
            shared.warmed(ready.ok());
        });
        if started.is_err() {
            self.shared.warmed(None);
        }
    }

    /// The process ids of the workers that are idle now, for diagnostics.
    pub fn idle_workers(&self) -> Vec<u32> {
        self.shared.lock().idle.iter().map(|ready| ready.worker.id()).collect()
    }

    /// What an idle worker did to itself, for diagnostics; nothing where none is idle.
    pub fn evidence(&self) -> Option<String> {
        let state = self.shared.lock();
        let report = &state.idle.last()?.report;
        let notes = report.notes.iter().map(|note| format!(", {note}"));
        Some(format!("Landlock {:?}", report.landlock).to_lowercase() + &notes.collect::<String>())
    }

    /// The program its workers run.
    pub fn command(&self) -> &WorkerCommand {
        &self.shared.command
    }
}

impl fmt::Debug for ScriptHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        let (idle, running) = (state.idle.len(), state.running);
        f.debug_struct("ScriptHost").field("idle", &idle).field("running", &running).finish_non_exhaustive()
    }
}

/// The right to run one worker.
struct Permit<'a>(&'a Shared);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `take` gives something; `None` when cancelled first.
    fn wait_for<T>(self: &Arc<Self>, cancel: &Cancel, mut take: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let shared = Arc::clone(self);
        let _watch = cancel.watch(move || {
            drop(shared.lock());
            shared.changed.notify_all();
        });
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            if let Some(taken) = take(&mut state) {
                return Some(taken);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn permit(self: &Arc<Self>, cancel: &Cancel) -> Option<Permit<'_>> {
        self.wait_for(cancel, |state| {
            let free = state.running < MOST_RUNNING;
            state.running += usize::from(free);
            free.then_some(())
        })?;
        Some(Permit(self))
    }

    /// An idle worker, or a new one, and which it is.
    fn worker(self: &Arc<Self>, call: &ScriptCall, cancel: &Cancel) -> Result<(Ready, bool), ScriptError> {
        loop {
            let taken = self.wait_for(cancel, |state| match state.idle.pop() {
                None if state.warming => None,
                idle => Some(idle),
            });
            let Some(mut ready) = taken.flatten() else {
                return self.start(cancel).map(|ready| (ready, false)).map_err(|error| error.about(self, call));
            };
            // One that died while nobody looked is dropped, which reaps it.
            if ready.worker.is_alive() {
                return Ok((ready, true));
            }
        }
    }

    fn warmed(&self, ready: Option<Ready>) {
        let mut state = self.lock();
        state.warming = false;
        state.idle.extend(ready);
        drop(state);
        self.changed.notify_all();
    }

    fn keep(&self, ready: Ready) {
        let mut state = self.lock();
        if state.idle.len() < MOST_IDLE {
            state.idle.push(ready);
        }
    }

    fn start(self: &Arc<Self>, cancel: &Cancel) -> Result<Ready, StartError> {
        if self.cache.is_none() {
            return self.open(Mode::LoadOrCompile, cancel)?.ok_or(StartError::Missing);
        }
        if let Some(ready) = self.open(Mode::Load, cancel)? {
            return Ok(ready);
        }
        // One at a time, so that the first calls of many threads compile once. Those who waited find it there.
        let _turn = self.turn_to_prepare(cancel)?;
        if let Some(ready) = self.open(Mode::Load, cancel)? {
            return Ok(ready);
        }
        // A failure here is no failure yet: the worker can compile for itself, which is only slower.
        if let Err(StartError::Cancelled) = self.open(Mode::Prepare, cancel) {
            return Err(StartError::Cancelled);
        }
        self.open(Mode::LoadOrCompile, cancel)?.ok_or(StartError::Missing)
    }

    fn turn_to_prepare(self: &Arc<Self>, cancel: &Cancel) -> Result<Turn<'_>, StartError> {
        let taken = self.wait_for(cancel, |state| (!std::mem::replace(&mut state.preparing, true)).then_some(()));
        taken.map(|()| Turn(self)).ok_or(StartError::Cancelled)
    }

    /// Starts a process and gets it ready; `None` where it did what it was started for, or found no guest.
    fn open(&self, mode: Mode, cancel: &Cancel) -> Result<Option<Ready>, StartError> {
        match self.open_for(mode, None, cancel)? {
            Opened::Ready(ready) => Ok(Some(ready)),
            Opened::Missing | Opened::Prepared(_) => Ok(None),
        }
    }

    fn open_for(&self, mode: Mode, module: Option<OpenModule>, cancel: &Cancel) -> Result<Opened, StartError> {
        let mut worker = self.spawner()?.spawn()?;
        let cache = self.cache.as_ref().map(|path| path.as_os_str().as_encoded_bytes().to_vec());
        let compiles = module.is_some() && mode != Mode::Load;
        let open = serde_json::to_vec(&Open { mode, cache, module }).map_err(std::io::Error::other)?;
        let within = if mode == Mode::Load { READY_WITHIN } else { COMPILED_WITHIN };
        let frame = worker.ask(Kind::Open, Arc::new([open]), within, cancel).map_err(|error| match error {
            AskError::Deadline if compiles => StartError::NotCompiled(format!("it was not compiled within {within:?}")),
            AskError::Died(why) | AskError::NotTaken(why) if compiles => {
                let most = crate::worker::COMPILING >> 30;
                StartError::NotCompiled(format!(
                    "it cannot be compiled, for which there are {most} GiB of memory: {why}"
                ))
            }
            AskError::Deadline => StartError::Other(format!("was not ready within {within:?}")),
            AskError::Cancelled => StartError::Cancelled,
            AskError::Died(why) | AskError::NotTaken(why) => StartError::Other(format!("is no worker: {why}")),
        })?;
        match frame.kind {
            Kind::Ready => {
                let report = serde_json::from_slice(&frame.payload)
                    .map_err(|error| StartError::Other(format!("gave no valid report: {error}")))?;
                Ok(Opened::Ready(Ready { worker, report }))
            }
            Kind::Missing => Ok(Opened::Missing),
            Kind::Prepared => Ok(Opened::Prepared(frame.payload)),
            Kind::Failed => Err(StartError::Other(format!("failed: {}", String::from_utf8_lossy(&frame.payload)))),
            Kind::Open | Kind::Call | Kind::Taken | Kind::Answer => {
                Err(StartError::Other("gave the wrong kind of reply".into()))
            }
        }
    }

    fn spawner(&self) -> Result<Arc<Spawner>, StartError> {
        let mut state = self.lock();
        if let Some(spawner) = &state.spawner {
            return Ok(Arc::clone(spawner));
        }
        let spawner = Arc::new(Spawner::start(self.command.clone())?);
        state.spawner = Some(Arc::clone(&spawner));
        Ok(spawner)
    }
}

/// What came of starting a worker.
enum Opened {
    Ready(Ready),
    Missing,
    Prepared(Vec<u8>),
}

/// The right to compile the guest.
struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().preparing = false;
        self.0.changed.notify_all();
    }
}

/// Why no worker is ready.
enum StartError {
    Cancelled,
    Missing,
    /// The worker of a module did not outlive its compiling, or its deadline came first.
    NotCompiled(String),
    Spawn(std::io::Error),
    Other(String),
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::Spawn(error)
    }
}

impl StartError {
    fn of_module(self, shared: &Shared) -> ModuleFailure {
        ModuleFailure::CannotStart(match self {
            Self::Cancelled => return ModuleFailure::Cancelled,
            Self::Missing => "the worker gave the wrong kind of reply".into(),
            Self::NotCompiled(why) => return ModuleFailure::NotCompiled(why),
            Self::Spawn(error) => format!("{} cannot be started: {error}", shared.command.program.display()),
            Self::Other(why) => why.strip_prefix("failed: ").map_or_else(|| format!("the worker {why}"), Into::into),
        })
    }

    fn about(self, shared: &Shared, call: &ScriptCall) -> ScriptError {
        let why = match self {
            Self::Cancelled => return cancelled(call),
            Self::Missing => "gave the wrong kind of reply".into(),
            Self::Spawn(error) => format!("cannot be started: {error}"),
            Self::NotCompiled(why) | Self::Other(why) => why,
        };
        ScriptError::CannotStart { filename: call.filename.clone(), program: shared.command.program.clone(), why }
    }
}

/// Why a module gave no answer.
#[derive(Debug)]
pub(crate) enum ModuleFailure {
    Cancelled,
    Timeout,
    /// It cannot be read or compiled, or there is no worker.
    CannotStart(String),
    /// Compiling it takes too long or too much memory: trying again would take it again.
    NotCompiled(String),
    /// Its worker died in the middle.
    Died(String),
}

fn cancelled(call: &ScriptCall) -> ScriptError {
    ScriptError::Cancelled { filename: call.filename.clone() }
}

/// The guest's input: `{source, filename, args, ctx}`.
fn input_of(call: &ScriptCall) -> Result<Vec<u8>, ScriptError> {
    #[derive(serde::Serialize)]
    struct Input<'a> {
        source: &'a str,
        filename: &'a str,
        args: &'a Value,
        ctx: &'a Value,
    }
    let input = Input { source: &call.source, filename: &call.filename, args: &call.args, ctx: &call.ctx };
    let limit = wire::MAX_PAYLOAD - CallHeader::BYTES;
    // Values of this type always have a form in JSON.
    let bytes = serde_json::to_vec(&input).unwrap_or_default();
    if bytes.len() > limit {
        return Err(ScriptError::TooLarge { filename: call.filename.clone(), bytes: bytes.len(), limit });
    }
    Ok(bytes)
}

pub(crate) fn answer_of(frame: &Frame) -> Option<(AnswerHeader, &[u8], &[u8])> {
    if frame.kind == Kind::Answer { AnswerHeader::split(&frame.payload) } else { None }
}

/// What a guest answers. It is as trustworthy as the script.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum GuestAnswer {
    Ok(Value),
    Error { kind: String, message: String, stack: String },
}

fn value_of(call: &ScriptCall, end: End, body: &[u8]) -> Result<Value, ScriptError> {
    let filename = call.filename.clone();
    let text = || String::from_utf8_lossy(body).into_owned();
    let answer = match end {
        End::Timeout => return Err(ScriptError::Timeout { filename, limit: call.limits.timeout }),
        End::Memory => return Err(ScriptError::OutOfMemory { filename, limit: call.limits.memory }),
        End::Trap => return Err(ScriptError::Trapped { filename, why: text() }),
        End::Nonsense => return Err(ScriptError::NonsenseResult { filename, why: text() }),
        End::Guest => serde_json::from_slice(body),
    };
    match answer {
        Ok(GuestAnswer::Ok(value)) => Ok(value),
        Ok(GuestAnswer::Error { kind, message, stack }) => Err(match kind.as_str() {
            "load" => ScriptError::CannotLoad { filename, message, stack },
            "memory" => ScriptError::OutOfMemory { filename, limit: call.limits.memory },
            "nonsense" => ScriptError::NonsenseResult { filename, why: message },
            "unsettled" => ScriptError::NeverSettled { filename, why: message },
            _ => ScriptError::Threw { filename, message, stack },
        }),
        Err(error) => Err(ScriptError::NonsenseResult { filename, why: error.to_string() }),
    }
}
