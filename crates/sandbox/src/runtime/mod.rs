//! The words that every sandbox speaks: what may be asked of one, what it answers, and the trait behind them.
//!
//! A result never says more than is true: it names the runtime that was asked for and the one that ran, and for each
//! limit whether something enforces it.

mod copy;
mod kept;
pub mod pool;
pub mod select;
mod wasm;

use crate::cancel::Cancel;
use crate::egress::{Contact, Network};
use crate::guests::ModuleFile;
use aic_base::{Limits, Timestamp};
pub use copy::{Change, MOST_CHANGES, Side, WorkspaceCopy};
pub use kept::{Hold, Kept, Limit, check};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
pub use wasm::Wasm;

/// A way to isolate a program, driven or only known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// WebAssembly in a worker process.
    Wasm,
    /// gVisor: a kernel of its own in user space.
    Gvisor,
    /// QEMU's `microvm` machine.
    Microvm,
    /// Namespaces, Landlock and a system-call filter on the host's kernel.
    Process,
    /// Known by name, not driven by this version.
    Firecracker,
    /// Known by name, not driven by this version.
    Kata,
    /// Refused: its containers share the host's kernel.
    Docker,
}

impl RuntimeKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 7] =
        [Self::Wasm, Self::Gvisor, Self::Microvm, Self::Process, Self::Firecracker, Self::Kata, Self::Docker];

    /// Its name in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Gvisor => "gvisor",
            Self::Microvm => "microvm",
            Self::Process => "process",
            Self::Firecracker => "firecracker",
            Self::Kata => "kata",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RuntimeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            let all: Vec<_> = Self::ALL.into_iter().filter(|kind| *kind != Self::Docker).map(Self::name).collect();
            format!("`{text}` is no runtime; write one of {}", all.join(", "))
        })
    }
}

/// What a runtime can do at all, whatever the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Runs programs of the root file system.
    pub commands: bool,
    /// Runs JavaScript without any program.
    pub javascript: bool,
    /// Reaches hosts that a spec allows.
    pub network: bool,
    /// Programs may have a terminal.
    pub interactive: bool,
    /// Gives programs a graphics processor.
    pub gpu: bool,
    /// Runs WebAssembly modules.
    pub modules: bool,
    /// Sees a folder of the host's.
    pub workspace: bool,
    /// Has a kernel of its own, or none, between programs and the host's.
    pub own_kernel: bool,
}

/// The number or name under which a sandbox is known: letters, digits, `-`, `_` and `.`, at most 64 of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SandboxId(String);

impl SandboxId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number that no other sandbox has.
    pub(crate) fn fresh() -> Self {
        let number: String = crate::wire::nonce().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("s{number}"))
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SandboxId> for String {
    fn from(id: SandboxId) -> Self {
        id.0
    }
}

impl TryFrom<String> for SandboxId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 64 && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no name of a sandbox: use up to 64 letters, digits, `-`, `_` and `.`"))
    }
}

impl FromStr for SandboxId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

/// How a sandbox sees a folder of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Not at all.
    #[default]
    None,
    /// As it is, without writing.
    ReadOnly,
    /// A copy that goes with the sandbox.
    Copy,
    /// The folder itself.
    ReadWrite,
}

/// The folder that a sandbox sees as `/workspace`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Workspace {
    /// What it may do with it.
    pub access: Access,
    /// Where it is; not looked at with [`Access::None`].
    pub path: PathBuf,
}

/// What a sandbox has as `/usr` and the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rootfs {
    /// The host's `/usr`, read-only, with the few files of `/etc` that programs need. A virtual machine shares nothing
    /// with the host, and has the programs of its guest image in its place.
    #[default]
    Host,
    /// A folder, read-only.
    Directory(PathBuf),
    /// An OCI image: the folder of a layout, or an archive of one. It is unpacked once; of its settings none is used.
    Oci(PathBuf),
}

impl Rootfs {
    /// What a spec's `rootfs` says: `host`, a folder, or `oci:` and an image.
    pub fn named(text: &str) -> Self {
        match text.strip_prefix("oci:") {
            Some(image) => Self::Oci(image.into()),
            None if text == "host" => Self::Host,
            None => Self::Directory(text.into()),
        }
    }

    /// Where it lies, where that can be said.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Host => None,
            Self::Directory(path) | Self::Oci(path) => Some(path),
        }
    }
}

/// What was asked for and what was taken, as the selector saw it; see [`select::select`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The words of the spec: a runtime's name, or `auto`.
    pub requested: String,
    /// What runs.
    pub actual: RuntimeKind,
    /// Why it is not what was asked for, where it is not.
    pub fallback: Option<String>,
}

impl Choice {
    /// Exactly this one.
    pub fn exactly(kind: RuntimeKind) -> Self {
        Self { requested: kind.name().into(), actual: kind, fallback: None }
    }
}

/// A sandbox to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Its name; without one it gets a number.
    pub name: Option<SandboxId>,
    /// Whose it is: `cleanup` of this owner removes it.
    pub owner: String,
    /// What the owner wants to remember of it.
    pub labels: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// The folder it sees.
    pub workspace: Workspace,
    /// The programs it has.
    pub rootfs: Rootfs,
    /// What it may reach; nothing unless said otherwise.
    #[serde(default)]
    pub network: Network,
    /// How this runtime was chosen.
    pub choice: Choice,
}

impl SandboxSpec {
    /// An empty room with the default limits.
    pub fn new(kind: RuntimeKind, owner: impl Into<String>) -> Self {
        Self {
            name: None,
            owner: owner.into(),
            labels: BTreeMap::new(),
            limits: Limits::default(),
            workspace: Workspace::default(),
            rootfs: Rootfs::default(),
            network: Network::default(),
            choice: Choice::exactly(kind),
        }
    }
}

/// Where a sandbox is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Made, not started.
    Created,
    /// Takes executions.
    Running,
    /// Halted in place.
    Paused,
    /// Stopped because somebody asked; can be started again.
    Exited,
    /// Ended by itself or by somebody else's hand; can be started again or deleted.
    Dead,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
            Self::Dead => "dead",
        })
    }
}

/// What is known of a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub id: SandboxId,
    /// Whose it is.
    pub owner: String,
    /// What the owner wants to remember.
    pub labels: BTreeMap<String, String>,
    /// How its runtime was chosen.
    pub choice: Choice,
    /// Where it is in its life.
    pub state: State,
    /// Why it is dead, where it is.
    pub why: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// How its limits are kept.
    pub kept: Vec<Kept>,
}

/// What a sandbox uses now, with all that isolates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Processor time since it started.
    pub cpu: Duration,
    /// Memory in bytes; shared pages count by their share.
    pub memory: u64,
    /// Processes of the guest's, the agent left out.
    pub pids: u32,
    /// Bytes read since it started, from files and pipes.
    pub read: u64,
    /// Bytes written since it started, to files and pipes.
    pub written: u64,
}

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    /// A program and its arguments. It is looked for in the sandbox's `PATH`; no shell reads it.
    Command(Vec<OsString>),
    /// The default function of an ES module.
    JavaScript {
        /// Its name in errors.
        filename: String,
        /// The module.
        source: Arc<str>,
        /// The function's first argument.
        args: Value,
        /// The function's second argument.
        ctx: Value,
        /// What `Date` shows.
        now: Timestamp,
        /// Decides what `Math.random` gives.
        seed: u64,
    },
    /// A WebAssembly module (WASI preview 1) or component (preview 2): a program, or a function that takes its stdin and
    /// returns JSON.
    Module {
        /// Its file.
        module: ModuleFile,
        /// Its arguments, its own name first.
        args: Vec<String>,
        /// The name and text of a script that it sees as `/script/NAME`.
        script: Option<(String, String)>,
        /// When its clock begins.
        now: Timestamp,
        /// Decides what its random numbers are.
        seed: u64,
    },
}

/// One execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Exec {
    /// What to run.
    pub program: Program,
    /// All of its environment but `PATH`, which it gets unless it stands here.
    pub env: BTreeMap<String, String>,
    /// Its working folder; `/workspace` where there is one, else `/tmp`.
    pub folder: Option<PathBuf>,
    /// What it reads from its stdin.
    pub stdin: Vec<u8>,
    /// Wall-clock time; the sandbox's limit where it is shorter.
    pub timeout: Duration,
}

impl Exec {
    /// A command with the longest time its sandbox gives, no environment and no input.
    pub fn command<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            program: Program::Command(argv.into_iter().map(Into::into).collect()),
            env: BTreeMap::new(),
            folder: None,
            stdin: Vec::new(),
            timeout: Duration::MAX,
        }
    }
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which it got inside the sandbox.
    Signal(i32),
    /// It was ended because it went over this limit.
    Over(Limit),
}

impl Exit {
    /// Whether all is well.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Over(limit) => write!(f, "over limits.{limit}"),
        }
    }
}

/// What came of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecResult {
    /// How it ended.
    pub exit: Exit,
    /// The result of a script's function.
    pub value: Option<Value>,
    /// What it printed, within the limit for both streams together.
    pub stdout: Vec<u8>,
    /// What it printed to stderr.
    pub stderr: Vec<u8>,
    /// Whether it printed more than is here.
    pub truncated: bool,
    /// Wall-clock time, from the question to its end.
    pub took: Duration,
    /// What was asked for and what ran.
    pub choice: Choice,
    /// The limits it ran under.
    pub limits: Limits,
    /// How each was kept.
    pub kept: Vec<Kept>,
    /// What it wanted of the network, and what came of it. Executions of one sandbox that overlap see each other's.
    #[serde(default)]
    pub network: Vec<Contact>,
}

/// What comes from a program that somebody is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Printed {
    /// Bytes of its stdout, or of its terminal.
    Stdout(Vec<u8>),
    /// Bytes of its stderr.
    Stderr(Vec<u8>),
    /// Its end; nothing comes after it.
    End(Exit),
}

/// A program that somebody is attached to. Dropping it ends the program.
pub trait Attached: Send {
    /// Hands bytes to its stdin.
    ///
    /// # Errors
    /// When the sandbox is gone.
    fn write(&mut self, bytes: &[u8]) -> Result<(), RuntimeError>;

    /// Ends its stdin.
    ///
    /// # Errors
    /// When the sandbox is gone.
    fn close(&mut self) -> Result<(), RuntimeError>;

    /// Tells it the new size of its terminal, in rows and columns.
    ///
    /// # Errors
    /// When the sandbox is gone.
    fn resize(&mut self, rows: u16, columns: u16) -> Result<(), RuntimeError>;

    /// Waits for what it prints next, for so long at most; nothing where nothing came.
    ///
    /// # Errors
    /// When the sandbox is gone.
    fn next(&mut self, within: Duration) -> Result<Option<Printed>, RuntimeError>;
}

/// What `cleanup` did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cleaned {
    /// Sandboxes that were removed.
    pub removed: Vec<SandboxId>,
    /// What could not be removed, and why.
    pub left: Vec<String>,
}

/// A way to isolate programs. All of it can be called from many threads; calls block their thread.
pub trait Runtime: Send + Sync {
    /// Which one this is.
    fn name(&self) -> RuntimeKind;

    /// What it can do at all.
    fn capabilities(&self) -> Capabilities;

    /// How it would keep these limits here. Known before anything runs.
    fn keeps(&self, limits: &Limits) -> Vec<Kept>;

    /// Makes a sandbox; nothing runs yet.
    ///
    /// # Errors
    /// When the name is taken, or what it needs cannot be made.
    fn create(&self, spec: &SandboxSpec) -> Result<SandboxId, RuntimeError>;

    /// Starts it. A running one stays as it is.
    ///
    /// # Errors
    /// When it does not come up; the error says why.
    fn start(&self, id: &SandboxId) -> Result<(), RuntimeError>;

    /// Ends whatever runs in it. It can be started again; a copied workspace stays.
    ///
    /// # Errors
    /// When there is no such sandbox.
    fn stop(&self, id: &SandboxId) -> Result<(), RuntimeError>;

    /// Halts it in place: nothing in it runs until it is resumed, and nothing is lost. Deadlines go on.
    ///
    /// # Errors
    /// When it does not run, or this runtime has nothing to halt.
    fn pause(&self, _: &SandboxId) -> Result<(), RuntimeError> {
        let what = "keeps nothing between two executions, so there is nothing to pause".into();
        Err(RuntimeError::Unsupported { runtime: self.name(), what })
    }

    /// Lets a paused one go on. A running one stays as it is.
    ///
    /// # Errors
    /// When it is neither.
    fn resume(&self, _: &SandboxId) -> Result<(), RuntimeError> {
        let what = "keeps nothing between two executions, so there is nothing to resume".into();
        Err(RuntimeError::Unsupported { runtime: self.name(), what })
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// Those of `stop` and `start`.
    fn restart(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.stop(id)?;
        self.start(id)
    }

    /// Removes it with all it has: processes, folders, mounts.
    ///
    /// # Errors
    /// When there is no such sandbox, or something of it cannot be removed.
    fn delete(&self, id: &SandboxId) -> Result<(), RuntimeError>;

    /// What is known of it.
    ///
    /// # Errors
    /// When there is no such sandbox.
    fn status(&self, id: &SandboxId) -> Result<Status, RuntimeError>;

    /// All sandboxes of this object's.
    fn list(&self) -> Vec<Status>;

    /// Runs a program to its end. A limit that is exceeded is a result, with what was printed until then.
    ///
    /// # Errors
    /// When the program cannot be started, the sandbox does not run or dies, or `cancel` is raised.
    fn exec(&self, id: &SandboxId, exec: &Exec, cancel: &Cancel) -> Result<ExecResult, RuntimeError>;

    /// Starts a program and stays with it; with a terminal where its size (rows, columns) is given.
    ///
    /// # Errors
    /// When it cannot be started, or this runtime has nothing to attach to.
    fn attach(
        &self,
        id: &SandboxId,
        exec: &Exec,
        terminal: Option<(u16, u16)>,
    ) -> Result<Box<dyn Attached>, RuntimeError>;

    /// The copy of its workspace, where it has one and that lies on the host.
    fn workspace_copy(&self, _: &SandboxId) -> Option<WorkspaceCopy> {
        None
    }

    /// What it uses now.
    ///
    /// # Errors
    /// When it does not run.
    fn stats(&self, id: &SandboxId) -> Result<Stats, RuntimeError>;

    /// Removes every sandbox of this owner's, those of other and of crashed processes too.
    fn cleanup(&self, owner: &str) -> Cleaned;
}

/// Why a sandbox did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// It is not here.
    #[error("there is no sandbox {id}; `aic sandbox ls` shows those there are")]
    Unknown {
        /// The runtime.
        runtime: RuntimeKind,
        /// The sandbox.
        id: SandboxId,
    },
    /// Another one has its name.
    #[error("there is a sandbox {id} already; choose another name, or remove it with `aic sandbox rm {id}`")]
    Taken {
        /// The name.
        id: SandboxId,
    },
    /// A limit that nothing could run under, or that nothing could hold.
    #[error("limits.{limit}: {why}")]
    BadLimit {
        /// Which.
        limit: Limit,
        /// What it must be.
        why: String,
    },
    /// It is in the wrong state for this.
    #[error("sandbox {id} is {state}{}; {} it first", why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(), if *state == State::Paused { "resume" } else { "start" })]
    NotRunning {
        /// The sandbox.
        id: SandboxId,
        /// Its state.
        state: State,
        /// Why it is dead, where it is.
        why: Option<String>,
    },
    /// This runtime cannot do that at all.
    #[error("{runtime} {what}")]
    Unsupported {
        /// The runtime.
        runtime: RuntimeKind,
        /// What it cannot do, and what to do instead.
        what: String,
    },
    /// The sandbox does not come up.
    #[error("{runtime} does not start: {why}; run `aic doctor`")]
    CannotStart {
        /// The runtime.
        runtime: RuntimeKind,
        /// What went wrong.
        why: String,
    },
    /// The program could not be started in it.
    #[error("{program} cannot be run in {runtime}: {why}")]
    CannotRun {
        /// The runtime.
        runtime: RuntimeKind,
        /// The program.
        program: String,
        /// What went wrong, and what to do.
        why: String,
    },
    /// A module could not be started in it.
    #[error("{module} cannot be run: {why}")]
    CannotRunModule {
        /// The module.
        module: String,
        /// What went wrong.
        why: String,
    },
    /// The script cannot be loaded, threw, or returned nothing usable.
    #[error("{0}")]
    Script(#[from] crate::ScriptError),
    /// The sandbox ended in the middle of it.
    #[error("sandbox {id} died: {why}; start it again or make a new one")]
    Died {
        /// The sandbox.
        id: SandboxId,
        /// Its end, as far as is known.
        why: String,
    },
    /// Its supervisor, in another process, could not do it.
    #[error("{why}")]
    Refused {
        /// The sandbox.
        id: SandboxId,
        /// What it said.
        why: String,
    },
    /// The caller gave up.
    #[error("it was cancelled")]
    Cancelled,
    /// A file of the host's is in the way.
    #[error("{place}: {why}")]
    File {
        /// Which.
        place: String,
        /// What went wrong.
        why: String,
    },
}

impl RuntimeError {
    pub(crate) fn file(place: &std::path::Path, error: impl fmt::Display) -> Self {
        Self::File { place: place.display().to_string(), why: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back_from_its_name_and_a_wrong_name_lists_the_right_ones() {
        for kind in RuntimeKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("gvizor".parse::<RuntimeKind>().unwrap_err().contains("wasm, gvisor, microvm, process"));
    }

    #[test]
    fn a_name_that_could_be_a_path_or_an_option_is_none() {
        for bad in ["", "..", ".hidden", "-x", "a/b", "a b", "ä", "a\0", &"a".repeat(65)] {
            assert!(bad.parse::<SandboxId>().is_err(), "{bad:?}");
        }
        for good in ["a", "tool-1", "A_b.c", &"a".repeat(64)] {
            assert_eq!(good.parse::<SandboxId>().unwrap().as_str(), good);
        }
        assert!(serde_json::from_str::<SandboxId>("\"../x\"").is_err());
    }

    #[test]
    fn an_error_says_what_to_do() {
        let id: SandboxId = "a".parse().unwrap();
        let why = Some("killed".to_owned());
        let error = RuntimeError::NotRunning { id: id.clone(), state: State::Dead, why };
        assert_eq!(error.to_string(), "sandbox a is dead (killed); start it first");
        assert!(RuntimeError::Taken { id }.to_string().contains("aic sandbox rm a"));
    }
}
