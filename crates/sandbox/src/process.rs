//! One worker process, seen from its parent: started, spoken to under a deadline, killed and reaped.
//!
//! Whatever the process does (nothing, garbage, closing its pipes, reading nothing), a question ends by its deadline:
//! a thread of its own does the reading and writing, and the asker only waits for that thread's report.

use crate::cancel::Cancel;
use crate::wire::{self, Frame, Kind, Nonce, ReadError};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How to start a worker: a program that calls [`crate::worker_main`] first thing, such as `aic __worker`.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Why a question got no reply.
#[derive(Debug)]
pub(crate) enum AskError {
    /// The deadline passed.
    Deadline,
    /// The asker gave up.
    Cancelled,
    /// The process ended or broke the protocol.
    Died(String),
    /// The process was gone before it took the question up, so another may be asked.
    NotTaken(String),
}

/// A running worker. Dropping it kills the process, with whatever it started, and reaps it.
pub(crate) struct Worker {
    child: Child,
    questions: Sender<Question>,
}

struct Question {
    kind: Kind,
    parts: Arc<[Vec<u8>]>,
    reply: Arc<Mailbox>,
}

/// Why a conversation broke.
struct Broken {
    why: String,
    /// Whether the worker had the question by then.
    taken: bool,
}

/// Where a reply arrives.
#[derive(Default)]
struct Mailbox {
    reply: Mutex<Option<Result<Frame, Broken>>>,
    changed: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Option<Result<Frame, Broken>>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, reply: Result<Frame, Broken>) {
        *self.lock() = Some(reply);
        self.changed.notify_all();
    }

    /// Wakes the waiter without a reply, so that it looks at its cancel flag again.
    fn nudge(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }
}

impl Worker {
    /// Asks, and waits for the reply until `within` has passed or the asker cancels.
    pub(crate) fn ask(
        &mut self,
        kind: Kind,
        parts: Arc<[Vec<u8>]>,
        within: Duration,
        cancel: &Cancel,
    ) -> Result<Frame, AskError> {
        let end = Instant::now().checked_add(within);
        let mailbox = Arc::new(Mailbox::default());
        let question = Question { kind, parts, reply: Arc::clone(&mailbox) };
        if self.questions.send(question).is_err() {
            return Err(AskError::NotTaken(self.obituary("it is gone")));
        }
        let nudged = Arc::clone(&mailbox);
        let _watch = cancel.watch(move || nudged.nudge());
        let mut reply = mailbox.lock();
        loop {
            match reply.take() {
                Some(Ok(frame)) => return Ok(frame),
                Some(Err(broken)) => {
                    let why = self.obituary(&broken.why);
                    return Err(if broken.taken { AskError::Died(why) } else { AskError::NotTaken(why) });
                }
                None if cancel.is_cancelled() => return Err(AskError::Cancelled),
                None => {}
            }
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(AskError::Deadline);
            }
            let step = left.min(Duration::from_secs(86_400));
            reply = mailbox.changed.wait_timeout(reply, step).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What is known of the end of a process whose pipe broke. Kills it first: it may have closed its pipes and live.
    fn obituary(&mut self, seen: &str) -> String {
        // Its own end, where it has one, says more than our signal. A process that ends closes its pipes first and can
        // be waited for a moment later.
        for _ in 0..1000 {
            if let Some(ended) = self.child.try_wait().ok().flatten() {
                return format!("{seen} ({ended})");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        kill(&mut self.child);
        // A process that was about to end by itself when the signal came reports its own status.
        match self.child.wait() {
            Ok(status) if !was_killed(status) => format!("{seen} ({status})"),
            _ => seen.to_owned(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        kill(&mut self.child);
        // Reaps it; the signal cannot be caught, so this does not wait long.
        drop(self.child.wait());
    }
}

#[cfg(unix)]
fn was_killed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
fn was_killed(_status: std::process::ExitStatus) -> bool {
    true
}

/// Kills the process and, where it leads a group, what it started.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(None) = child.try_wait()
        && let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
    {
        // Not reaped yet, so the number still belongs to it.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    drop(child.kill());
}

/// Starts workers from one thread that lives as long as this does. Linux sends the parent-death signal when the
/// *thread* that started a process ends, and callers' threads come and go.
pub(crate) struct Spawner {
    requests: Option<Sender<Sender<io::Result<Worker>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Spawner {
    pub(crate) fn start(command: WorkerCommand) -> io::Result<Self> {
        let (requests, queue) = mpsc::channel::<Sender<io::Result<Worker>>>();
        let thread = std::thread::Builder::new().name("sandbox-spawner".into()).spawn(move || {
            for answer in queue {
                // An asker that is gone drops the worker, which kills it.
                drop(answer.send(spawn(&command)));
            }
        })?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    pub(crate) fn spawn(&self) -> io::Result<Worker> {
        let gone = || io::Error::other("the thread that starts workers is gone");
        let (answer, started) = mpsc::channel();
        self.requests.as_ref().ok_or_else(gone)?.send(answer).map_err(|_| gone())?;
        started.recv().map_err(|_| gone())?
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn spawn(command: &WorkerCommand) -> io::Result<Worker> {
    let mut start = Command::new(&command.program);
    start.args(&command.args).env_clear().current_dir("/");
    start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut start, 0);
    let mut child = start.spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        kill(&mut child);
        child.wait()?;
        return Err(io::Error::other("the worker has no pipes"));
    };
    let (questions, queue) = mpsc::channel();
    let worker = Worker { child, questions };
    std::thread::Builder::new().name("sandbox-pipe".into()).spawn(move || converse(input, output, &queue))?;
    Ok(worker)
}

/// Writes questions and reads replies until either pipe breaks or nobody asks any more.
fn converse(mut input: ChildStdin, mut output: ChildStdout, queue: &mpsc::Receiver<Question>) {
    for question in queue {
        let reply = exchange(&mut input, &mut output, question.kind, &question.parts);
        let broken = reply.is_err();
        question.reply.post(reply);
        if broken {
            return;
        }
    }
}

/// Writes a question and reads its reply. A call's reply comes in two frames: that it was taken up, and its end.
fn exchange(input: &mut ChildStdin, output: &mut ChildStdout, kind: Kind, parts: &[Vec<u8>]) -> Result<Frame, Broken> {
    let nonce = wire::nonce();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let written = wire::write_frame(input, kind, &nonce, &parts);
    // A worker that stopped reading may still have said why.
    let (first, nothing_came) = read_reply(output, &nonce, written);
    match first {
        Err(why) => Err(Broken { why, taken: !nothing_came }),
        Ok(frame) if kind == Kind::Call && frame.kind == Kind::Taken => {
            read_reply(output, &nonce, Ok(())).0.map_err(|why| Broken { why, taken: true })
        }
        Ok(frame) => Ok(frame),
    }
}

/// One frame, and whether the pipe ended before any byte of it.
fn read_reply(output: &mut ChildStdout, nonce: &Nonce, written: io::Result<()>) -> (Result<Frame, String>, bool) {
    let why = match (wire::read_frame(output), written) {
        (Ok(frame), _) if frame.nonce == *nonce => return (Ok(frame), false),
        (Ok(_), _) => "it sent a reply to another question".into(),
        (Err(ReadError::Garbage(what)), _) => format!("it sent something that is no reply: {what}"),
        (Err(ReadError::Closed), Err(error)) => return (Err(format!("it takes no input: {error}")), true),
        (Err(ReadError::Closed), Ok(())) => return (Err("it ended without a reply".into()), true),
        (Err(ReadError::Broken(error)), _) => format!("its reply broke off: {error}"),
    };
    (Err(why), false)
}
