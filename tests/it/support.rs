//! What the tests share: a workspace on the disk, the program run in it, and a program that goes on running.

use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before it counts as hanging. Generous: machines that build something else are slow.
pub const HANGS: Duration = Duration::from_secs(120);

/// The prompt of [`MINI`], as its rules want it.
pub const POLITE: &str = "Be polite.\n";

/// A spec that is as small as tests allow: two cases, and a prompt in a file whose words decide one of them.
pub const MINI: &str = "\
name: mini
models:
  primary:
    provider: scripted
    rules:
      - match: {system: {icontains: polite}, user: {icontains: hello}}
        reply: {text: Hello to you.}
      - match: {}
        reply: {text: What?}
prompts: {system: {file: prompts/system.md}}
tests:
  - name: greets back
    input: Hello!
    expect: [contains: Hello to you]
  - name: is blunt otherwise
    input: Nonsense
    expect: [equals: What?]
";

/// The name of [`MINI`]'s file.
pub const SPEC: &str = ".aicontainer.yml";

/// A workspace of its own in a temporary folder, with a place for the program's temporary files beside it.
pub struct Workspace {
    folder: TempDir,
    root: PathBuf,
}

impl Workspace {
    /// An empty one.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("work");
        std::fs::create_dir_all(root.join(".aic")).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder, root }
    }

    /// One with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let workspace = Self::empty();
        files.iter().for_each(|(name, text)| workspace.write(name, text));
        workspace
    }

    /// One with [`MINI`].
    pub fn mini() -> Self {
        Self::with(&[(SPEC, MINI), ("prompts/system.md", POLITE)])
    }

    /// One with the files of a sample at its top.
    pub fn sample(name: &str) -> Self {
        let workspace = Self::empty();
        copy(&samples().join(name), &workspace.root);
        workspace
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the program's temporary files go.
    pub fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// The home folder of the programs that are run in it; all workspaces share it.
    pub fn home(&self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("home")
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file the way careful editors do: a new one beside it, renamed over it. Nobody ever sees half of it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        // Outside of the workspace, so that whoever watches it sees one change.
        let new = self.folder.path().join("being-written");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// A file as text.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A file as it is.
    #[track_caller]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Replaces a text in a file, which must be there once.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        self.write(name, text.replace(from, to));
    }

    /// Every file of it but the store's, by its path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.root).unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    if name != ".aic" {
                        folders.push(path);
                    }
                } else if path.is_file() {
                    found.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
        found
    }

    /// The program with these arguments, to be run in it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aic"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        // The compiled guest is shared by all tests; nothing else of the machine's settings takes part.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        command.env("HOME", self.home()).env("XDG_CACHE_HOME", target.join("cache")).env("TMPDIR", self.tmp());
        for name in
            ["NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"]
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program in it.
    #[track_caller]
    pub fn aic(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).finish()
    }

    /// Starts the program in it.
    pub fn start(&self, arguments: &[&str]) -> Live {
        Live::start(self.command(arguments))
    }

    /// Its store, for looking into.
    pub fn store(&self) -> aic_store::Store {
        aic_store::Store::open(&self.root, std::sync::Arc::new(aic_base::SystemClock::new())).unwrap()
    }
}

/// The folder of the samples.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-specs")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == ".aic" {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Ran {
    /// What the system says of its end.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Claims its exit code. No run of this program ever panics.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{self}");
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Claims that each of these stands on standard output.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.out.contains(text), "`{text}` is not in\n{self}");
        }
        self
    }

    /// Claims that each of these stands on standard error.
    #[track_caller]
    pub fn warns(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not in the errors of\n{self}");
        }
        self
    }

    /// The JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in\n{self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- out\n{}\n--- err\n{}", self.status, self.out, self.err)
    }
}

/// A program that runs. Dropping it kills it.
pub struct Live {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Live {
    /// Starts it and reads what it writes.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = Vec::new();
            while out.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        let errors = std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = err.read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        });
        Self { child, lines, errors: Some(errors) }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it writes.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(HANGS).expect("a line")
    }

    /// The next line as a JSON document.
    #[track_caller]
    pub fn document(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Kills it as the system would, with no chance to clean up.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends it and whatever it started a signal, as a terminal does. It must have a process group of its own.
    pub fn signal_group(&self, signal: Signal) {
        rustix::process::kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end and collects what it wrote since the last [`Live::line`].
    #[track_caller]
    pub fn finish(mut self) -> Ran {
        let status = until("the program ends", || self.child.try_wait().unwrap());
        let mut out = String::new();
        while let Ok(line) = self.lines.recv_timeout(HANGS) {
            out.push_str(&line);
        }
        let err = self.errors.take().unwrap().join().unwrap();
        Ran { status, out, err }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is something. There is nothing else to wait on: it happens in another process.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + HANGS;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process, told from a later one of the same number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    id: u32,
    started: u64,
    /// Processor time used so far, in the system's ticks.
    pub used: u64,
    /// It has ended, and only its parent has not looked yet.
    ended: bool,
}

impl Process {
    fn of(id: u32) -> Option<(u32, Self)> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in brackets and may hold anything; what follows are words.
        let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let parent = u32::try_from(number(1)?).ok()?;
        let process = Self { id, started: number(19)?, used: number(11)? + number(12)?, ended: words[0] == "Z" };
        Some((parent, process))
    }

    /// Kills it.
    pub fn kill(self) {
        let id = Pid::from_raw(i32::try_from(self.id).unwrap()).unwrap();
        rustix::process::kill_process(id, Signal::KILL).unwrap();
    }

    /// Whether it still runs.
    pub fn runs(self) -> bool {
        Self::of(self.id).is_some_and(|(_, now)| now.started == self.started && !now.ended)
    }
}

/// The processes below this one.
pub fn below(id: u32) -> Vec<Process> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: Vec<(u32, Process)> = ids.filter_map(Process::of).collect();
    let (mut found, mut open) = (Vec::new(), vec![id]);
    while let Some(parent) = open.pop() {
        for (_, process) in all.iter().filter(|(of, process)| *of == parent && !process.ended) {
            found.push(*process);
            open.push(process.id);
        }
    }
    found
}

/// Waits until none of these runs.
#[track_caller]
pub fn all_end(processes: &[Process]) {
    assert!(!processes.is_empty(), "there was something to wait for");
    until("the workers end", || processes.iter().all(|process| !process.runs()).then_some(()));
}

/// Whether this machine can use this runtime, by the probe that `aic doctor` uses; where it cannot, that is said.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
pub fn stands(kind: aic_sandbox::RuntimeKind) -> bool {
    let command =
        aic_sandbox::WorkerCommand { program: env!("CARGO_BIN_EXE_aic").into(), args: vec!["__worker".into()] };
    let host = std::sync::Arc::new(aic_sandbox::ScriptHost::new(command, None));
    let probe = aic_sandbox::Machine::new(host, None).probe(kind, false);
    if !probe.is_usable() {
        eprintln!("{kind} is left out: {}", probe.summary());
    }
    probe.is_usable()
}
