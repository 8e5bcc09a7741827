//! Programs of a spec: `command`, `shell` and MCP servers run in sandboxes that belong to one conversation and go with it.

use super::Done;
use super::fill::{Place, Values};
use aic_base::{Limits, RelPath};
use aic_model::Scrub;
use aic_sandbox::egress::{Contact, HostPort, Network, Outcome};
use aic_sandbox::runtime::select::{Ask, Fallback, Needs, Security, select};
use aic_sandbox::runtime::{
    Access, Change, Choice, Exec, ExecResult, Exit, Program, Rootfs, SandboxId, SandboxSpec, Workspace, WorkspaceCopy,
};
use aic_sandbox::{Cancel, Machine, Runtime, RuntimeKind};
use aic_spec::{CommandRun, Room, Sandbox, ShellRun, WorkspaceMode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How many of the hosts that a program did not reach are told.
const SHOWN_CONTACTS: usize = 20;

/// What stands in a workspace that is the workbench's own.
const NOT_THEIRS: [&str; 1] = [".aic"];

/// How long a program that is there for the whole conversation may live.
pub(super) const LONG: Duration = Duration::from_secs(24 * 3600);

/// What a spec says of its sandboxes, and where its workspace is.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub sandbox: Sandbox,
    pub limits: Limits,
    /// The spec's own folder, to which `rootfs` is relative.
    pub folder: RelPath,
    /// The workspace.
    pub root: PathBuf,
    /// Whether the workspace is only ever copied: in tests.
    pub harmless: bool,
}

/// The sandboxes of one conversation.
#[derive(Default)]
pub(crate) struct Rooms {
    inside: Mutex<Inside>,
    /// Whether there is a copy of the workspace: known without waiting for a sandbox that is being made.
    copied: AtomicBool,
}

#[derive(Default)]
struct Inside {
    open: Vec<Open>,
    copy: Option<Copied>,
}

/// The conversation's copy of the workspace. The sandbox that made it holds it; the others share it.
enum Copied {
    /// It lies on the host since this moment.
    Here(WorkspaceCopy, SystemTime),
    /// It is in the memory of a machine.
    InMachine,
}

struct Open {
    key: Key,
    runtime: Arc<dyn Runtime>,
    id: SandboxId,
}

/// What two programs must have in common to share a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    runtime: Option<String>,
    memory: u64,
    network: Vec<String>,
    /// A server's own: it lives as long as the conversation.
    server: Option<String>,
}

/// A sandbox that runs.
pub(super) struct Entered {
    pub runtime: Arc<dyn Runtime>,
    pub id: SandboxId,
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rooms").field("open", &self.lock().open.len()).finish()
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        // Backwards: the first may hold the copy that the others share.
        for open in self.lock().open.drain(..).rev() {
            // What cannot be removed here is found by the next start.
            drop(open.runtime.delete(&open.id));
        }
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox for this room, made where there is none yet. Blocks.
    pub(super) fn enter(
        &self,
        machine: &Machine,
        ground: &Ground,
        room: &Room,
        server: Option<&str>,
    ) -> Result<Entered, String> {
        let runtime = room.runtime.clone().or_else(|| ground.sandbox.runtime.clone());
        let network = network(&ground.sandbox, room);
        let hosts = network.iter().map(|host| host.parse()).collect::<Result<Vec<HostPort>, _>>();
        let hosts = hosts.map_err(|why| format!("`network`: {why}"))?;
        let mut limits = ground.limits.clone();
        limits.memory = room.memory.unwrap_or(limits.memory);
        if server.is_some() {
            limits.timeout = LONG;
        }
        let key = Key { runtime, memory: limits.memory, network: network.to_vec(), server: server.map(str::to_owned) };
        // Held while one is made: two calls at once share it rather than make two.
        let mut inside = self.lock();
        if let Some(found) = inside.open.iter().find(|open| open.key == key) {
            return Ok(Entered { runtime: found.runtime.clone(), id: found.id.clone() });
        }
        let choice = choose(machine, ground, &key, &limits)?;
        let actual = choice.actual;
        let runtime = machine.runtime(actual).ok_or("the runtime that was chosen is gone")?;
        let spec = SandboxSpec {
            limits,
            workspace: workspace(ground, actual, inside.copy.as_ref()),
            rootfs: rootfs(ground)?,
            network: Network::to(hosts),
            choice,
            ..SandboxSpec::new(actual, format!("run-{}", std::process::id()))
        };
        let id = runtime.create(&spec).map_err(|error| error.to_string())?;
        let copy = match runtime.workspace_copy(&id) {
            Some(copy) => Some(Copied::Here(copy, SystemTime::now())),
            None if spec.workspace.access == Access::Copy => Some(Copied::InMachine),
            None => None,
        };
        if let Err(error) = runtime.start(&id) {
            drop(runtime.delete(&id));
            return Err(error.to_string());
        }
        inside.open.push(Open { key, runtime: runtime.clone(), id: id.clone() });
        inside.copy = inside.copy.take().or(copy);
        self.copied.store(inside.copy.is_some(), Ordering::Relaxed);
        Ok(Entered { runtime, id })
    }

    fn copy(&self) -> Result<Option<(WorkspaceCopy, SystemTime)>, String> {
        match &self.lock().copy {
            None => Ok(None),
            Some(Copied::Here(copy, since)) => Ok(Some((copy.clone(), *since))),
            Some(Copied::InMachine) => Err("it is in the memory of a microVM".into()),
        }
    }

    /// Whether programs have a copy of the workspace by now.
    pub(super) fn has_copy(&self) -> bool {
        self.copied.load(Ordering::Relaxed)
    }

    /// What was changed in the copy. Blocks.
    pub(super) fn changes(&self) -> Result<Vec<Change>, String> {
        let Some((copy, since)) = self.copy()? else { return Ok(Vec::new()) };
        copy.changes(since, &NOT_THEIRS).map_err(|error| error.to_string())
    }

    /// A file as programs left it, in their copy or in the workspace. Blocks.
    pub(super) fn file(&self, root: &Path, path: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let copy = match self.copy()? {
            Some((copy, _)) => copy,
            None => WorkspaceCopy::none_of(root),
        };
        copy.read(path, most).map_err(|error| error.to_string())
    }

    /// What a module sees of the workspace: the files as they are by now, if anything of it may be seen, and never more
    /// than to read. Blocks.
    pub(super) fn seen_by_modules(&self, ground: &Ground) -> Workspace {
        match (ground.sandbox.workspace, self.copy()) {
            (WorkspaceMode::None, _) => Workspace::default(),
            (_, Ok(Some((copy, _)))) => Workspace { access: Access::ReadOnly, path: copy.path().to_owned() },
            _ => Workspace { access: Access::ReadOnly, path: ground.root.clone() },
        }
    }
}

/// The hosts that a program may reach: its own, else the spec's.
pub(super) fn network<'a>(sandbox: &'a Sandbox, room: &'a Room) -> &'a [String] {
    room.network.as_ref().unwrap_or(&sandbox.network)
}

fn workspace(ground: &Ground, actual: RuntimeKind, copy: Option<&Copied>) -> Workspace {
    let access = match ground.sandbox.workspace {
        WorkspaceMode::None => return Workspace::default(),
        WorkspaceMode::ReadOnly => Access::ReadOnly,
        WorkspaceMode::Copy => Access::Copy,
        WorkspaceMode::ReadWrite if ground.harmless => Access::Copy,
        WorkspaceMode::ReadWrite => Access::ReadWrite,
    };
    match copy {
        // One copy for the conversation; a machine shares nothing, and has another.
        Some(Copied::Here(copy, _)) if access == Access::Copy && actual != RuntimeKind::Microvm => {
            Workspace { access: Access::ReadWrite, path: copy.path().to_owned() }
        }
        _ => Workspace { access, path: ground.root.clone() },
    }
}

fn rootfs(ground: &Ground) -> Result<Rootfs, String> {
    let Some(text) = &ground.sandbox.rootfs else { return Ok(Rootfs::Host) };
    let (image, text) = match text.strip_prefix("oci:") {
        Some(image) => (true, image),
        None => (false, text.as_str()),
    };
    let path = ground.folder.join(text).map_err(|error| format!("`sandbox.rootfs`: {error}"))?;
    match inside(&ground.root, &path.under(&ground.root)) {
        Some(real) if image => Ok(Rootfs::Oci(real)),
        Some(real) if real.is_dir() => Ok(Rootfs::Directory(real)),
        _ if image => Err(format!("`sandbox.rootfs`: {path} is no image of this workspace")),
        _ => Err(format!("`sandbox.rootfs`: {path} is no folder of this workspace")),
    }
}

fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
    path.starts_with(root).then_some(path)
}

fn choose(machine: &Machine, ground: &Ground, key: &Key, limits: &Limits) -> Result<Choice, String> {
    let sandbox = &ground.sandbox;
    let ask = Ask {
        runtime: key.runtime.as_deref().map(str::parse::<RuntimeKind>).transpose()?,
        security: if sandbox.high { Security::High } else { Security::Standard },
        fallback: match sandbox.fallback.as_deref() {
            Some("best-effort") => Fallback::BestEffort,
            Some("fail") => Fallback::Fail,
            _ => Fallback::Strict,
        },
        chain: sandbox.chain.iter().map(|word| word.parse()).collect::<Result<_, _>>()?,
        needs: Needs {
            command: true,
            network: !key.network.is_empty(),
            workspace: sandbox.workspace != WorkspaceMode::None,
            ..Needs::default()
        },
    };
    select(&ask, &machine.offers(limits)).map_err(|refusal| refusal.to_string())
}

/// A program that is ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    argv: Vec<String>,
    stdin: Vec<u8>,
    room: Room,
}

/// What a `command` tool starts for these arguments. `${args.x}` becomes one word of the program, whatever is in it.
pub(super) fn command(run: &CommandRun, values: &Values<'_>) -> Result<Started, String> {
    let mut scrub = Scrub::default();
    let argv: Vec<String> =
        run.argv.iter().map(|word| values.fill(word, Place::Word, &mut scrub)).collect::<Result<_, _>>()?;
    if argv.iter().any(|word| word.contains('\0')) {
        return Err("an argument holds the character 0".into());
    }
    Ok(Started { argv, stdin: stdin(run.stdin.as_deref(), values)?, room: run.room.clone() })
}

/// What a program or a module reads: what the spec says, else the arguments as JSON.
pub(super) fn stdin(text: Option<&str>, values: &Values<'_>) -> Result<Vec<u8>, String> {
    let filled = text.map(|text| values.fill(text, Place::Word, &mut Scrub::default())).transpose()?;
    Ok(filled.unwrap_or_else(|| values.args.to_string()).into_bytes())
}

/// What a `shell` tool starts for these arguments, if every command in it is allowed.
pub(super) fn shell(run: &ShellRun, values: &Values<'_>) -> Result<Started, String> {
    let line = values.fill(&run.line, Place::Word, &mut Scrub::default())?;
    super::shell::judge(&line, &run.allow, &run.deny)?;
    let argv = ["sh", "-c", &line].map(str::to_owned).to_vec();
    Ok(Started { argv, stdin: Vec::new(), room: run.room.clone() })
}

/// The environment of a program, secrets filled in; those are hidden in what it prints.
pub(super) fn environment(
    room: &Room,
    values: &Values<'_>,
    scrub: &mut Scrub,
) -> Result<BTreeMap<String, String>, String> {
    room.env.iter().map(|(name, text)| Ok((name.clone(), values.fill(text, Place::Secret, scrub)?))).collect()
}

impl Started {
    /// A program that reads nothing.
    pub fn plain(argv: Vec<String>, room: Room) -> Self {
        Self { argv, stdin: Vec::new(), room }
    }

    /// Where it runs.
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Starts it and waits for its end. Blocks.
    pub fn carry_out(
        self,
        rooms: &Rooms,
        machine: &Machine,
        ground: &Ground,
        env: BTreeMap<String, String>,
        scrub: &Scrub,
        cancel: &Cancel,
    ) -> Done {
        match self.run(rooms, machine, ground, env, cancel) {
            Ok(result) => told(&result, scrub),
            // The set-up is wrong, and no answer of a model can mend it.
            Err(NotRun::NoRoom(why)) => Done::Stop(why),
            Err(NotRun::Failed(why)) => Done::Failed(scrub.clean(&why)),
        }
    }

    /// The same, with its result as it is. Blocks.
    pub fn run(
        self,
        rooms: &Rooms,
        machine: &Machine,
        ground: &Ground,
        env: BTreeMap<String, String>,
        cancel: &Cancel,
    ) -> Result<ExecResult, NotRun> {
        let place = rooms.enter(machine, ground, &self.room, None).map_err(NotRun::NoRoom)?;
        let exec = Exec {
            program: Program::Command(self.argv.into_iter().map(Into::into).collect()),
            env,
            folder: None,
            stdin: self.stdin,
            timeout: self.room.timeout.unwrap_or(ground.limits.timeout),
        };
        place.runtime.exec(&place.id, &exec, cancel).map_err(|error| NotRun::Failed(error.to_string()))
    }
}

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRun {
    /// There is no sandbox for it.
    #[error("{0}")]
    NoRoom(String),
    /// It could not be started, or its sandbox died.
    #[error("{0}")]
    Failed(String),
}

/// What a program did, as the model is told it.
fn told(result: &ExecResult, scrub: &Scrub) -> Done {
    let text = |bytes: &[u8]| scrub.clean(&String::from_utf8_lossy(bytes));
    let (stdout, stderr) = (text(&result.stdout), text(&result.stderr));
    let code = match result.exit {
        Exit::Code(code) => code,
        Exit::Signal(_) | Exit::Over(_) => {
            let said: String = format!("{stdout}{stderr}").chars().take(2000).collect();
            return Done::Failed(format!("it ended by {}; it had printed: {said}", result.exit));
        }
    };
    let mut value = json!({ "exit": code, "stdout": stdout });
    if !stderr.is_empty() {
        value["stderr"] = stderr.into();
    }
    if result.truncated {
        value["truncated"] = Value::Bool(true);
    }
    let refused = result.network.iter().filter(|contact| contact.outcome != Outcome::Reached);
    let refused: Vec<Value> = refused.take(SHOWN_CONTACTS).map(|contact| told_contact(contact).into()).collect();
    if !refused.is_empty() {
        value["network"] = refused.into();
    }
    // Another runtime than was asked for is not kept quiet.
    if let Some(why) = &result.choice.fallback {
        value["ran_in"] = json!({ "runtime": result.choice.actual.name(), "because": why });
    }
    Done::Ran { result: value, changed: None }
}

/// Why a program did not reach what it asked for.
fn told_contact(contact: &Contact) -> String {
    match &contact.target {
        Some(target) => format!("{target} {}", contact.outcome),
        None => contact.outcome.to_string(),
    }
}
