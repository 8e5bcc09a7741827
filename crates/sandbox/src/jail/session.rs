//! The host's end of the line to an agent: questions go out through one thread, answers come in through another, and
//! each execution waits at a mailbox of its own under its own deadline.
//!
//! The agent is not believed: frames that are none, lie about their session or carry too much end the sandbox, and what
//! an execution gets is counted here once more.

use super::keeper::{KEEPER, LOG, STAY};
use super::proc::Process;
use super::protocol::{self, CHUNK, Ended, Frame, Kind, Nonce, ReadError, Setup, Start};
use super::serial::Credit;
use crate::egress::gate::{Gate, Question, Questions};
use crate::process::WorkerCommand;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Answers that may wait for one execution; the agent waits when there are more.
const MOST_WAITING: usize = 64;
/// The most of the runtime's own complaints that an error repeats, in bytes.
const MOST_COMPLAINT: u64 = 2000;
/// In the sandbox's folder: what a virtual machine's kernel says.
pub(crate) const CONSOLE: &str = "console";
/// The most input of programs in one frame on a serial line, which is slow: so long a word to end a program waits.
const SERIAL_CHUNK: usize = 2 << 10;
/// How long a sandbox gets to end by itself once its agent was told to.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a keeper gets to clear everything away.
const CLEARED_WITHIN: Duration = Duration::from_secs(60);

/// What an execution hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Started,
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Exit(Ended),
    /// An error number, or 0, and the reason.
    Failed(i32, String),
    Counted(u32),
    /// Look at your cancel flag.
    Nudge,
}

/// A running sandbox. Dropping it ends the sandbox and waits until it is cleared away.
pub(crate) struct Session {
    nonce: Nonce,
    questions: Questions,
    mailboxes: Arc<Mutex<Mailboxes>>,
    next: AtomicU32,
    keeper: Mutex<Keeper>,
    process: Option<Process>,
    folder: PathBuf,
    /// On a serial line, which knows no end: closing it would tell the agent nothing.
    serial: bool,
    /// The version of Landlock that holds programs; 0 for none.
    pub(crate) landlock: u8,
    /// The way to the network, where there is one.
    pub(crate) gate: Option<Arc<Gate>>,
}

#[derive(Default)]
struct Mailboxes {
    open: HashMap<u32, SyncSender<Event>>,
    /// Why there will be no more answers.
    broken: Option<String>,
}

struct Keeper {
    child: Child,
    lifeline: Option<std::io::PipeWriter>,
    gone: bool,
}

/// One execution's place to wait.
pub(crate) struct Mailbox {
    pub(crate) id: u32,
    events: Receiver<Event>,
    sender: SyncSender<Event>,
    mailboxes: Arc<Mutex<Mailboxes>>,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        lock(&self.mailboxes).open.remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Starts what the folder's launch file says, and waits for the agent, which may be at the end of a serial line.
    pub(crate) fn start(
        command: &WorkerCommand,
        folder: &Path,
        (setup, serial): (&Setup, bool),
        within: Duration,
        gate: Option<Arc<Gate>>,
    ) -> Result<Self, String> {
        let (end, lifeline) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
        let mut start = Command::new(&command.program);
        start.args(&command.args).arg(KEEPER).arg(folder).env_clear().current_dir("/");
        start.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(end)).process_group(0);
        let _ = fs::remove_file(folder.join(LOG));
        let child =
            start.spawn().map_err(|error| format!("{} cannot be started: {error}", command.program.display()))?;
        drop(start);
        let process = Process::of(child.id());
        let mut keeper = Keeper { child, lifeline: Some(lifeline), gone: false };
        let (Some(input), Some(output)) = (keeper.child.stdin.take(), keeper.child.stdout.take()) else {
            keeper.end(false, Duration::ZERO);
            return Err("the keeper has no pipes".into());
        };
        let nonce = crate::wire::nonce();
        let mailboxes = Arc::new(Mutex::new(Mailboxes::default()));
        let (questions, queue) = mpsc::channel::<Question>();
        let questions: Questions = Arc::new(Mutex::new(Some(questions)));
        let most = if serial { SERIAL_CHUNK } else { CHUNK };
        gate.iter().for_each(|gate| gate.open(Arc::clone(&questions), nonce, most));
        let heard_by = gate.clone();
        let mut session = Self {
            nonce,
            questions,
            mailboxes: Arc::clone(&mailboxes),
            next: AtomicU32::new(1),
            keeper: Mutex::new(keeper),
            process,
            folder: folder.to_owned(),
            serial,
            landlock: 0,
            gate,
        };
        // The agent is ready when it answers the number 0.
        let ready = session.mailbox(0)?;
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let credit = serial.then(|| Arc::new(Credit::default()));
        let given = credit.clone();
        let waiting = Arc::clone(&mailboxes);
        let is_over = move |id: u32| !lock(&waiting).open.contains_key(&id);
        let writing = thread("sandbox-in").spawn(move || write_all(input, &queue, is_over, credit.as_deref()));
        let reading = thread("sandbox-out")
            .spawn(move || read_all(output, nonce, &mailboxes, heard_by.as_deref(), given.as_deref()));
        writing.and(reading).map_err(|error| format!("no thread: {error}"))?;
        session.ask(Kind::Open, 0, &setup.encode());
        let until = Instant::now().checked_add(within);
        let heard = loop {
            match ready.wait(until) {
                Ok(Event::Nudge) => {}
                heard => break heard,
            }
        };
        match heard {
            Ok(Event::Counted(landlock)) => session.landlock = u8::try_from(landlock).unwrap_or(u8::MAX),
            Ok(other) => return Err(format!("its agent said {other:?} before it was asked")),
            Err(Waited::TooLong) => {
                session.end(true);
                return Err(format!("was not ready within {within:?}{}", session.complaint()));
            }
            Err(Waited::Broken(why)) => {
                // What it complained of is complete when it is gone.
                session.end(true);
                return Err(format!("{why}{}", session.complaint()));
            }
        }
        Ok(session)
    }

    fn mailbox(&self, id: u32) -> Result<Mailbox, String> {
        let (sender, events) = mpsc::sync_channel(MOST_WAITING);
        let mut mailboxes = lock(&self.mailboxes);
        if let Some(why) = &mailboxes.broken {
            return Err(why.clone());
        }
        mailboxes.open.insert(id, sender.clone());
        Ok(Mailbox { id, events, sender, mailboxes: Arc::clone(&self.mailboxes) })
    }

    /// Starts a program; what comes of it arrives in the mailbox.
    pub(crate) fn run(&self, start: &Start) -> Result<Mailbox, String> {
        let bytes = start.encode();
        if bytes.len() > protocol::MAX_PAYLOAD {
            return Err(format!("its arguments and environment are {} bytes, more than a mebibyte", bytes.len()));
        }
        let mailbox = self.mailbox(self.next.fetch_add(1, Ordering::Relaxed))?;
        self.ask(Kind::Start, mailbox.id, &bytes);
        Ok(mailbox)
    }

    pub(crate) fn feed(&self, id: u32, bytes: &[u8]) {
        let most = if self.serial { SERIAL_CHUNK } else { CHUNK };
        bytes.chunks(most).for_each(|chunk| self.ask(Kind::Stdin, id, chunk));
    }

    pub(crate) fn ask(&self, kind: Kind, id: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        // Into memory, and the callers keep to the limit. A broken line shows in the mailbox.
        if protocol::write(&mut bytes, kind, &self.nonce, id, payload).is_ok()
            && let Some(questions) = &*lock(&self.questions)
        {
            let input = matches!(kind, Kind::Stdin | Kind::Eof);
            let _ = questions.send(if input { Question::input(bytes, id) } else { Question::own(bytes) });
        }
    }

    /// How many processes the guest has.
    pub(crate) fn count(&self, within: Duration) -> Option<u32> {
        let mailbox = self.mailbox(self.next.fetch_add(1, Ordering::Relaxed)).ok()?;
        self.ask(Kind::Count, mailbox.id, &[]);
        let until = Instant::now().checked_add(within);
        loop {
            match mailbox.wait(until) {
                Ok(Event::Counted(count)) => return Some(count),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Why the line is broken, if it is.
    pub(crate) fn broken(&self) -> Option<String> {
        lock(&self.mailboxes).broken.clone()
    }

    /// The keeper, under which all of the sandbox's processes are.
    pub(crate) fn process(&self) -> Option<Process> {
        self.process
    }

    /// Ends the sandbox and waits until nothing of it runs. Its folder stays if `stay` says so.
    pub(crate) fn end(&self, stay: bool) {
        // The agent's stdin closes, and with the agent goes the sandbox.
        *lock(&self.questions) = None;
        let grace = if self.serial || self.broken().is_some() { Duration::ZERO } else { FAREWELL };
        lock(&self.keeper).end(stay, grace);
    }

    /// Ends the sandbox without asking it.
    pub(crate) fn kill(&self, stay: bool) {
        lock(&self.keeper).end(stay, Duration::ZERO);
    }

    /// Whether the agent is at the end of a serial line.
    pub(crate) fn serial(&self) -> bool {
        self.serial
    }

    /// Which limits its control groups had met when it ended.
    pub(crate) fn hits(&self) -> super::cgroup::Hits {
        super::keeper::hits(&self.folder)
    }

    /// What the runtime wrote to its log, as the end of a sentence.
    pub(crate) fn complaint(&self) -> String {
        // A virtual machine's kernel has a console of its own.
        let text = [LOG, CONSOLE].map(|name| tail(&self.folder.join(name)).unwrap_or_default()).concat();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        // Controls could play with a terminal.
        let text: String = lines.join("; ").chars().filter(|c| !c.is_control()).collect();
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        *lock(&self.questions) = None;
        self.kill(true);
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_COMPLAINT)))?;
    let mut bytes = Vec::new();
    file.take(MOST_COMPLAINT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Keeper {
    /// Waits so long for the sandbox to end by itself, then ends it, and reaps the keeper.
    fn end(&mut self, stay: bool, grace: Duration) {
        if self.gone {
            return;
        }
        if let Some(lifeline) = &mut self.lifeline
            && stay
        {
            let _ = lifeline.write_all(&[STAY]);
        }
        // The keeper outlives the sandbox for as long as it has a lifeline, so look for its children.
        let started = Instant::now();
        let pid = self.child.id().cast_signed();
        while started.elapsed() < grace && self.lifeline.is_some() {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) || super::proc::descendants(pid).is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.lifeline = None;
        let closing = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if closing.elapsed() > CLEARED_WITHIN {
                // Its children die with it.
                let _ = self.child.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.wait();
        self.gone = true;
    }
}

/// Why a wait gave no event.
#[derive(Debug)]
pub(crate) enum Waited {
    TooLong,
    Broken(String),
}

impl Mailbox {
    /// The next event, until this moment; for ever without one.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<Event, Waited> {
        // What has come is taken even when it is late, or the line is broken by now.
        if let Ok(event) = self.events.try_recv() {
            return Ok(event);
        }
        // Our own sender keeps the channel open, so a broken line is looked for now and then, and announced by a nudge.
        if let Some(why) = &lock(&self.mailboxes).broken {
            return self.events.try_recv().map_err(|_| Waited::Broken(why.clone()));
        }
        let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        match self.events.recv_timeout(left.min(Duration::from_secs(1))) {
            Ok(event) => Ok(event),
            Err(RecvTimeoutError::Timeout) if until.is_some_and(|until| Instant::now() >= until) => {
                Err(Waited::TooLong)
            }
            Err(_) => Ok(Event::Nudge),
        }
    }

    /// Wakes whoever waits, from another thread.
    pub(crate) fn nudger(&self) -> impl Fn() + Send + Sync + 'static {
        let sender = self.sender.clone();
        // A full mailbox is awake.
        move || drop(sender.try_send(Event::Nudge))
    }
}

/// Takes what there is to say, the patient after the others; nothing when nobody asks any more.
fn next(queue: &Receiver<Question>, waiting: &mut [VecDeque<Question>; 2]) -> Option<Question> {
    if waiting.iter().all(VecDeque::is_empty) {
        let question = queue.recv().ok()?;
        waiting[usize::from(question.patient)].push_back(question);
    }
    while let Ok(question) = queue.try_recv() {
        waiting[usize::from(question.patient)].push_back(question);
    }
    waiting.iter_mut().find_map(VecDeque::pop_front)
}

/// Writes until nobody asks any more or nobody reads; then the pipe closes.
fn write_all(
    mut input: ChildStdin,
    queue: &Receiver<Question>,
    is_over: impl Fn(u32) -> bool,
    credit: Option<&Credit>,
) {
    let mut waiting = [VecDeque::new(), VecDeque::new()];
    while let Some(question) = next(queue, &mut waiting) {
        if question.input_of.is_some_and(&is_over) {
            continue;
        }
        let sent = match credit {
            Some(credit) => credit.send(&mut input, &question.bytes),
            None => input.write_all(&question.bytes),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn read_all(
    mut output: ChildStdout,
    nonce: Nonce,
    mailboxes: &Mutex<Mailboxes>,
    gate: Option<&Gate>,
    credit: Option<&Credit>,
) {
    let opened = credit.map_or(Ok(()), |credit| credit.open(&mut output));
    let why = loop {
        if let Err(error) = &opened {
            break format!("it ended before its agent was there ({error})");
        }
        let frame = match protocol::read(&mut output) {
            Ok(frame) => frame,
            Err(ReadError::Closed) => break "it ended".into(),
            Err(ReadError::Broken(error)) => break format!("it ended in the middle of an answer ({error})"),
            Err(ReadError::Garbage(what)) => break format!("its agent sent something that is no answer: {what}"),
        };
        if frame.nonce != nonce {
            break "its agent sent an answer of another session".into();
        }
        if let Some(gate) = gate.filter(|_| Gate::is_about(frame.kind)) {
            if gate.hear(frame).is_none() {
                break "its agent broke the rules of the network".into();
            }
            continue;
        }
        if let (Kind::Taken, Some(credit)) = (frame.kind, credit) {
            credit.give(protocol::Fields(&frame.payload).number().unwrap_or_default());
            continue;
        }
        let id = frame.id;
        let Some(event) = event_of(frame) else { break "its agent sent an answer that makes no sense".into() };
        let sender = lock(mailboxes).open.get(&id).cloned();
        // Not under the lock: it waits while the reader is slow. Who is not there any more misses nothing.
        if let Some(sender) = sender {
            drop(sender.send(event));
        }
    };
    gate.into_iter().for_each(Gate::close);
    let open = {
        let mut mailboxes = lock(mailboxes);
        mailboxes.broken = Some(why);
        std::mem::take(&mut mailboxes.open)
    };
    open.into_values().for_each(|sender| drop(sender.try_send(Event::Nudge)));
    if let Some(credit) = credit {
        credit.close();
    }
    // Read on into nothing, so that a sandbox that only lost its line does not hang on a full pipe.
    let _ = io::copy(&mut output, &mut io::sink());
}

fn event_of(frame: Frame) -> Option<Event> {
    let Frame { kind, mut payload, .. } = frame;
    Some(match kind {
        Kind::Started => Event::Started,
        Kind::Stdout if payload.len() <= CHUNK => Event::Stdout(payload),
        Kind::Stderr if payload.len() <= CHUNK => Event::Stderr(payload),
        Kind::Exit => Event::Exit(Ended::decode(&payload)?),
        Kind::Failed => {
            let number = i32::from_le_bytes(protocol::Fields(&payload).array()?);
            let mut text = payload.split_off(4);
            text.truncate(500);
            Event::Failed(number, String::from_utf8_lossy(&text).into_owned())
        }
        Kind::Counted => Event::Counted(protocol::Fields(&payload).number()?),
        // Its payload is one byte: the version of Landlock.
        Kind::Ready => Event::Counted(u32::from(*payload.first()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_to_end_a_program_passes_its_input_which_stays_in_order() {
        let (say, queue) = mpsc::channel();
        for (byte, patient) in [(1, true), (2, false), (3, true), (4, false)] {
            let bytes = vec![byte];
            say.send(if patient { Question::input(bytes, 1) } else { Question::own(bytes) }).unwrap();
        }
        drop(say);
        let mut waiting = [VecDeque::new(), VecDeque::new()];
        let order: Vec<_> = std::iter::from_fn(|| next(&queue, &mut waiting)).map(|one| one.bytes[0]).collect();
        assert_eq!(order, [2, 4, 1, 3]);
    }

    /// A program that is no keeper at all, and what a session makes of it.
    fn session_with(script: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let command = WorkerCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
        let within = Duration::from_secs(30);
        Session::start(&command, folder.path(), (&Setup::default(), false), within, None).err().unwrap_or_default()
    }

    #[test]
    fn an_agent_that_lies_is_not_believed() {
        let cases = [
            ("echo hello, this is no frame at all", "no answer"),
            ("exit 3", "it ended"),
            ("printf 'aicA'; exit 0", "in the middle"),
            (
                "printf 'aicA\\100AAAAAAAAAAAAAAAA\\000\\000\\000\\000\\001\\000\\000\\000x'; exec cat <&2",
                "another session",
            ),
            ("printf 'aicA\\100AAAAAAAAAAAAAAAA\\000\\000\\000\\000\\377\\377\\377\\377'; exec cat <&2", "more than"),
            // The whole of the first frame, as an answer.
            ("head -c LENGTH | sed 's/aicA./aicAD/'; exec cat <&2", "no sense"),
        ];
        let mut first = Vec::new();
        protocol::write(&mut first, Kind::Open, &[0; 16], 0, &Setup::default().encode()).unwrap();
        for (script, expected) in cases {
            let script = &script.replace("LENGTH", &first.len().to_string());
            let why = session_with(script);
            assert!(why.contains(expected), "{script}: {why}");
        }
    }

    #[test]
    fn what_the_runtime_complained_of_is_repeated_without_controls() {
        let why = session_with("printf 'no such \\033[31mthing\\n' > $1/log; exit 1 #");
        assert_eq!(why, "it ended: no such [31mthing");
    }
}
