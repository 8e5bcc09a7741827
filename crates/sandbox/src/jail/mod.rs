//! Sandboxes that run programs: a room behind a wall (gVisor, or namespaces of the host's kernel), an agent inside,
//! a keeper beside it, a folder on the host. The walls differ, the rest is shared.

mod bubble;
mod cgroup;
mod changes;
mod cpio;
mod exec;
mod folder;
mod gvisor;
mod image;
mod images;
mod keeper;
mod microvm;
mod oci;
mod patrol;
pub(crate) mod proc;
#[allow(dead_code, reason = "the agent uses the other half")]
#[path = "../../agent/protocol.rs"]
pub(crate) mod protocol;
mod serial;
mod session;
mod supervisor;
mod tar;
mod wall;
mod workspace;

use crate::cancel::Cancel;
use crate::egress::gate::Gate;
use crate::egress::{Guide, TestNetwork};
use crate::kvm::Kvm;
use crate::process::WorkerCommand;
use crate::runtime::{
    Access, Attached, Capabilities, Cleaned, Exec, ExecResult, Kept, Rootfs, Runtime, RuntimeError, RuntimeKind,
    SandboxId, SandboxSpec, State, Stats, Status, WorkspaceCopy,
};
use aic_base::Limits;
pub(crate) use changes::{changes, read};
pub use folder::StateDir;
pub(crate) use gvisor::VARIABLE as RUNSC;
pub(crate) use keeper::{KEEPER, keeper_main};
use session::Session;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
pub use supervisor::Named;
pub(crate) use supervisor::{SUPERVISOR, supervisor_main};

/// The user that programs run as unless they must be another.
const NOBODY: u32 = 65_534;
/// The user that the agent runs as, where it can be another than the programs'.
const AGENT_USER: u32 = 65_532;
/// How long an agent may take to say how many processes it has.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

fn capabilities(own_kernel: bool) -> Capabilities {
    Capabilities {
        commands: true,
        javascript: false,
        modules: false,
        network: true,
        interactive: true,
        gpu: false,
        workspace: true,
        own_kernel,
    }
}

/// A runtime with an agent behind one kind of wall.
pub struct Jails {
    wall: Box<dyn wall::Wall>,
    command: WorkerCommand,
    state: StateDir,
    groups: cgroup::Ability,
    guide: Arc<Guide>,
    /// The version of Landlock that held the programs of the sandbox started last; 0 for none.
    landlock: AtomicU8,
    all: Mutex<HashMap<SandboxId, Arc<Jail>>>,
}

/// One sandbox.
struct Jail {
    record: Mutex<folder::Record>,
    /// What it sees as `/workspace`: the copy, where it is one.
    workspace: crate::runtime::Workspace,
    /// Its programs: the folder, where they came as an image.
    rootfs: Rootfs,
    /// Keeps that folder from being removed.
    _image: Option<images::Unpacked>,
    owner: Option<u32>,
    /// What lay in a workspace that it may write in, before it was started.
    before: Mutex<Arc<workspace::Survey>>,
    kept: Vec<Kept>,
    /// Its control groups, as it was started last.
    groups: Mutex<Arc<cgroup::Plan>>,
    /// Whether a control group holds its memory.
    grouped: bool,
    /// Whether the guest's memory can be told from the wall's.
    guest_apart: bool,
    /// Memory that the wall needs for itself, in bytes.
    overhead: u64,
    life: Mutex<Life>,
}

struct Life {
    state: State,
    why: Option<String>,
    session: Option<Arc<Session>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jails {
    /// gVisor, if `runsc` is installed. `command` is the program that becomes a keeper, such as `aic __worker`.
    pub fn gvisor(command: WorkerCommand, state: StateDir) -> Option<Self> {
        Some(Self::new(Box::new(gvisor::Gvisor::find()?), command, state))
    }

    /// gVisor without root's rights, even where this user is root.
    pub fn gvisor_rootless(command: WorkerCommand, state: StateDir) -> Option<Self> {
        let wall = gvisor::Gvisor { rootless: true, ..gvisor::Gvisor::find()? };
        Some(Self::new(Box::new(wall), command, state))
    }

    /// Namespaces, Landlock and a filter on the host's kernel, if `bwrap` is installed.
    pub fn process(command: WorkerCommand, state: StateDir) -> Option<Self> {
        Some(Self::new(Box::new(bubble::Bubble::find()?), command, state))
    }

    /// A virtual machine, if QEMU and a guest image are here; on an emulated processor unless KVM is usable.
    ///
    /// # Errors
    /// Says what is missing and what to run.
    pub fn microvm(command: WorkerCommand, state: StateDir, kvm: Kvm) -> Result<Self, String> {
        Ok(Self::new(Box::new(microvm::Microvm::find(kvm)?), command, state))
    }

    fn new(wall: Box<dyn wall::Wall>, command: WorkerCommand, state: StateDir) -> Self {
        state.reap();
        let (groups, guide) = (cgroup::ability(), Arc::default());
        Self { wall, command, state, groups, guide, landlock: AtomicU8::new(0), all: Mutex::default() }
    }

    /// For tests only: lets names lead to a test's own server, which is nowhere public.
    #[must_use]
    #[doc(hidden)]
    pub fn with_test_network(mut self, network: TestNetwork) -> Self {
        self.guide = Arc::new(Guide::for_tests(network));
        self
    }

    /// Does without control groups, as on a machine that has none for this user.
    #[must_use]
    pub fn without_groups(mut self) -> Self {
        self.groups = cgroup::Ability::default();
        self
    }

    /// Whether its processor is emulated in software.
    pub fn is_emulated(&self) -> bool {
        self.wall.emulated()
    }

    /// What it is made of, beside a tool: a probe is good as long as this stays.
    pub(crate) fn depends_on(&self) -> String {
        // The state folder too: what runs as another user must get through to it.
        format!("{} {}", self.wall.evidence(), self.state.path().display())
    }

    /// What holds limits here, in words: the evidence of a probe.
    pub fn means(&self) -> String {
        let groups = [("memory", self.groups.memory), ("pids", self.groups.pids), ("cpu", self.groups.cpu)];
        let had: Vec<_> = groups.iter().filter(|(_, had)| *had).map(|(name, _)| *name).collect();
        let groups =
            if had.is_empty() { "no control groups".into() } else { format!("control groups for {}", had.join(", ")) };
        let root = if rustix::process::geteuid().is_root() { "as root" } else { "without root" };
        let landlock = match self.landlock.load(Ordering::Relaxed) {
            0 => String::new(),
            version => format!(", Landlock version {version}"),
        };
        let own = match self.wall.evidence() {
            own if own.is_empty() => own,
            own => format!("{own}; "),
        };
        format!("{own}{root}, {groups}{landlock}")
    }

    /// What this kind of wall should have and this machine does not; nothing where all is there. Known after a start.
    pub fn lacks(&self) -> Option<&'static str> {
        if self.name() == RuntimeKind::Process && self.landlock.load(Ordering::Relaxed) == 0 {
            return Some("the kernel has no Landlock, so files are held by mounts alone");
        }
        if self.wall.emulated() {
            return Some("the processor is emulated, so it is slow, and taken only when named");
        }
        (!self.has_groups()).then_some(
            "without all control groups some limits are watched rather than enforced; root, or whoever may make groups, \
             has them",
        )
    }

    fn has_groups(&self) -> bool {
        self.groups == cgroup::Ability { memory: true, pids: true, cpu: true }
    }

    fn jail(&self, id: &SandboxId) -> Result<Arc<Jail>, RuntimeError> {
        let jail = lock(&self.all).get(id).map(Arc::clone);
        jail.ok_or_else(|| RuntimeError::Unknown { runtime: self.name(), id: id.clone() })
    }

    /// The session of a sandbox that runs.
    fn session(&self, id: &SandboxId) -> Result<(Arc<Jail>, Arc<Session>), RuntimeError> {
        let jail = self.jail(id)?;
        jail.look();
        let session = {
            let life = lock(&jail.life);
            match &life.session {
                Some(session) if life.state == State::Running => Arc::clone(session),
                _ => {
                    let (state, why) = (life.state, life.why.clone());
                    return Err(RuntimeError::NotRunning { id: id.clone(), state, why });
                }
            }
        };
        Ok((jail, session))
    }

    fn bring_up(&self, jail: &Jail) -> Result<Session, RuntimeError> {
        let cannot = |why: String| RuntimeError::CannotStart { runtime: self.name(), why };
        let mut record = lock(&jail.record).clone();
        let folder = self.state.folder(&record.id);
        if jail.workspace.access == Access::ReadWrite {
            let path = &jail.workspace.path;
            let before = workspace::survey(path).map_err(|error| RuntimeError::file(path, error))?;
            *lock(&jail.before) = Arc::new(before);
        }
        for old in ["bundle", "root", "runsc"] {
            keeper::remove(&folder.join(old)).map_err(|error| RuntimeError::file(&folder, error))?;
        }
        let agent = self.state.agent().map_err(|error| RuntimeError::file(self.state.path(), error))?;
        let limits = &record.spec.limits;
        let (memory, tasks) = self.wall.overhead(limits);
        let groups = cgroup::plan(record.id.as_str(), self.groups, limits, memory, tasks);
        *lock(&jail.groups) = Arc::new(groups.clone());
        let room = wall::Room {
            id: record.id.as_str(),
            folder: &folder,
            agent: &agent,
            limits,
            rootfs: &jail.rootfs,
            workspace: &jail.workspace,
            owner: jail.owner,
            groups,
        };
        let mut built = self.wall.build(&room).map_err(|error| cannot(error.to_string()))?;
        built.launch.processors = wall::binding(limits, self.groups);
        let network = &record.spec.network;
        built.setup.egress = !network.is_none();
        let gate = built.setup.egress.then(|| Arc::new(Gate::new(network.clone(), Arc::clone(&self.guide))));
        built.launch.write(&folder).map_err(|error| RuntimeError::file(&folder, error))?;
        let way = (&built.setup, built.serial);
        let session = Session::start(&self.command, &folder, way, self.wall.ready_within(), gate).map_err(cannot)?;
        self.landlock.store(session.landlock, Ordering::Relaxed);
        record.keeper = session.process();
        self.state.write(&record).map_err(|error| RuntimeError::file(&folder, error))?;
        *lock(&jail.record) = record;
        Ok(session)
    }

    /// Brings a copied workspace back to the host's side, where it lives in the sandbox's memory: a copy outlives a stop.
    fn bring_home(&self, id: &SandboxId, jail: &Jail) -> Result<(), RuntimeError> {
        let (Some(packer), Access::Copy) = (self.wall.packer(), jail.workspace.access) else { return Ok(()) };
        let Ok((_, session)) = self.session(id) else { return Ok(()) };
        let lost = |why: String| RuntimeError::Refused {
            id: id.clone(),
            why: format!("it is stopped, but what it wrote into its copy of the workspace is lost: {why}"),
        };
        let most = lock(&jail.record).spec.limits.disk;
        let archive = exec::pack(&session, &packer, most).map_err(lost)?;
        let file = |error| lost(format!("{}: {error}", jail.workspace.path.display()));
        let (new, old) = (jail.workspace.path.with_extension("new"), jail.workspace.path.with_extension("old"));
        keeper::remove(&new).map_err(file)?;
        oci::unpack_archive(archive, &new, most).map_err(file)?;
        std::fs::rename(&jail.workspace.path, &old).map_err(file)?;
        std::fs::rename(&new, &jail.workspace.path).map_err(file)?;
        keeper::remove(&old).map_err(file)
    }

    /// From one state to the other, running or paused; one that is there already stays.
    fn halt(&self, id: &SandboxId, from: State, to: State) -> Result<(), RuntimeError> {
        let jail = self.jail(id)?;
        jail.look();
        let mut life = lock(&jail.life);
        if life.state == to {
            return Ok(());
        }
        let keeper = life.session.as_ref().and_then(|session| session.process());
        let (Some(keeper), true) = (keeper, life.state == from) else {
            return Err(RuntimeError::NotRunning { id: id.clone(), state: life.state, why: life.why.clone() });
        };
        let halted =
            self.wall.halt(id.as_str(), &self.state.folder(id), &proc::descendants(keeper.pid), to == State::Paused);
        halted.map_err(|error| RuntimeError::Refused { id: id.clone(), why: format!("{}: {error}", self.name()) })?;
        life.state = to;
        Ok(())
    }

    fn forget(&self, id: &SandboxId, jail: &Jail) -> Result<(), RuntimeError> {
        jail.end(State::Exited, None);
        let folder = self.state.folder(id);
        keeper::remove(&folder).map_err(|error| RuntimeError::file(&folder, error))?;
        lock(&self.all).remove(id);
        Ok(())
    }
}

impl Jail {
    /// Notices a sandbox that ended by itself.
    fn look(&self) {
        let broken = lock(&self.life).session.as_ref().and_then(|session| session.broken());
        if let Some(why) = broken {
            self.end(State::Dead, Some(why));
        }
    }

    /// Ends it, if it runs, and cleans what it leaves on the host.
    fn end(&self, state: State, why: Option<String>) {
        let (session, paused) = {
            let mut life = lock(&self.life);
            let (session, paused) = (life.session.take(), life.state == State::Paused);
            if session.is_some() {
                life.state = state;
                life.why = why;
            }
            (session, paused)
        };
        let Some(session) = session else { return };
        // A paused one hears nothing.
        if state == State::Dead || paused {
            session.kill(true)
        } else {
            session.end(true)
        }
        // Now that nobody can put it back.
        if self.workspace.access == Access::ReadWrite {
            workspace::strip(&self.workspace.path, &self.before());
        }
    }

    fn before(&self) -> Arc<workspace::Survey> {
        Arc::clone(&lock(&self.before))
    }

    fn status(&self) -> Status {
        self.look();
        // Not both at once: whoever starts it holds its life and then wants its record.
        let record = lock(&self.record).clone();
        let life = lock(&self.life);
        Status {
            id: record.id,
            owner: record.spec.owner,
            labels: record.spec.labels,
            choice: record.spec.choice,
            state: life.state,
            why: life.why.clone(),
            created_ms: record.created_ms,
            kept: self.kept.clone(),
        }
    }
}

impl Runtime for Jails {
    fn name(&self) -> RuntimeKind {
        self.wall.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.wall.capabilities()
    }

    fn keeps(&self, limits: &Limits) -> Vec<Kept> {
        let mut kept = self.wall.keeps(limits, self.groups);
        kept.sort_by_key(|kept| kept.limit);
        kept
    }

    fn create(&self, spec: &SandboxSpec) -> Result<SandboxId, RuntimeError> {
        crate::runtime::check(&spec.limits)?;
        let id = spec.name.clone().unwrap_or_else(SandboxId::fresh);
        let created_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let created_ms = i64::try_from(created_ms).unwrap_or(i64::MAX);
        let host = proc::Process::own()
            .ok_or_else(|| RuntimeError::CannotStart { runtime: self.name(), why: "/proc cannot be read".into() })?;
        let record =
            folder::Record { id: id.clone(), spec: spec.clone(), created_ms, host, keeper: None, status: None };
        let claimed = self.state.claim(&record).or_else(|error| {
            // A crashed owner's name is free.
            let reaped = error.kind() == std::io::ErrorKind::AlreadyExists && self.state.reap().contains(&id);
            if reaped { self.state.claim(&record) } else { Err(error) }
        });
        let folder = claimed.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => RuntimeError::Taken { id: id.clone() },
            _ => RuntimeError::file(self.state.path(), error),
        })?;
        let jail = self.furnish(&folder, record).inspect_err(|_| drop(keeper::remove(&folder)))?;
        lock(&self.all).insert(id.clone(), Arc::new(jail));
        Ok(id)
    }

    fn start(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        let jail = self.jail(id)?;
        jail.look();
        let mut life = lock(&jail.life);
        if life.state == State::Running {
            return Ok(());
        }
        if life.state == State::Paused {
            return Err(RuntimeError::NotRunning { id: id.clone(), state: life.state, why: None });
        }
        let session = self.bring_up(&jail)?;
        *life = Life { state: State::Running, why: None, session: Some(Arc::new(session)) };
        Ok(())
    }

    fn pause(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.halt(id, State::Running, State::Paused)
    }

    fn resume(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.halt(id, State::Paused, State::Running)
    }

    fn stop(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        let jail = self.jail(id)?;
        let home = self.bring_home(id, &jail);
        jail.end(State::Exited, None);
        home
    }

    fn delete(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        let jail = self.jail(id)?;
        self.forget(id, &jail)
    }

    fn status(&self, id: &SandboxId) -> Result<Status, RuntimeError> {
        Ok(self.jail(id)?.status())
    }

    fn list(&self) -> Vec<Status> {
        let jails: Vec<_> = lock(&self.all).values().map(Arc::clone).collect();
        let mut all: Vec<Status> = jails.iter().map(|jail| jail.status()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    fn exec(&self, id: &SandboxId, exec: &Exec, cancel: &Cancel) -> Result<ExecResult, RuntimeError> {
        if cancel.is_cancelled() {
            return Err(RuntimeError::Cancelled);
        }
        let (jail, session) = self.session(id)?;
        exec::run(self.name(), &jail, &session, exec, cancel)
    }

    fn attach(
        &self,
        id: &SandboxId,
        exec: &Exec,
        terminal: Option<(u16, u16)>,
    ) -> Result<Box<dyn Attached>, RuntimeError> {
        let (jail, session) = self.session(id)?;
        exec::attach(self.name(), &jail, session, exec, terminal)
    }

    fn workspace_copy(&self, id: &SandboxId) -> Option<WorkspaceCopy> {
        let jail = self.jail(id).ok()?;
        // A machine has its copy in its memory until it is stopped.
        let here = jail.workspace.access == Access::Copy && self.wall.packer().is_none();
        let original = lock(&jail.record).spec.workspace.path.clone();
        here.then(|| WorkspaceCopy { original, path: jail.workspace.path.clone() })
    }

    fn stats(&self, id: &SandboxId) -> Result<Stats, RuntimeError> {
        let (_, session) = self.session(id)?;
        let below = session.process().map(|keeper| proc::descendants(keeper.pid)).unwrap_or_default();
        let usage = proc::usage(&below);
        // None known is another thing than none.
        let silent = || {
            let why = session.broken().unwrap_or_else(|| format!("its agent says nothing for {COUNTED_WITHIN:?}"));
            RuntimeError::Died { id: id.clone(), why }
        };
        let pids = session.count(COUNTED_WITHIN).ok_or_else(silent)?;
        Ok(Stats { cpu: usage.cpu, memory: usage.memory, pids, read: usage.read, written: usage.written })
    }

    fn cleanup(&self, owner: &str) -> Cleaned {
        let mut cleaned = Cleaned::default();
        let own: Vec<_> = lock(&self.all).iter().map(|(id, jail)| (id.clone(), Arc::clone(jail))).collect();
        for (id, jail) in own {
            if lock(&jail.record).spec.owner != owner {
                continue;
            }
            match self.forget(&id, &jail) {
                Ok(()) => cleaned.removed.push(id),
                Err(error) => cleaned.left.push(error.to_string()),
            }
        }
        let mut others = self.state.records();
        others.retain(|record| {
            let same = record.spec.owner == owner && record.spec.choice.actual == self.name();
            same && !cleaned.removed.contains(&record.id)
        });
        for record in others {
            match self.state.destroy(&record) {
                Ok(()) => cleaned.removed.push(record.id),
                Err(error) => cleaned.left.push(format!("{}: {error}", record.id)),
            }
        }
        cleaned
    }
}

impl Jails {
    /// Makes what a sandbox needs before it is started for the first time.
    fn furnish(&self, folder: &std::path::Path, record: folder::Record) -> Result<Jail, RuntimeError> {
        let spec = &record.spec;
        let mut workspace = spec.workspace.clone();
        let mut owner = None;
        if let Err(why) = self.wall.shares(workspace.access) {
            return Err(RuntimeError::Unsupported { runtime: self.name(), what: why.into() });
        }
        if workspace.access != Access::None {
            let path = workspace.path.canonicalize().map_err(|error| RuntimeError::file(&workspace.path, error))?;
            let found = path.metadata().map_err(|error| RuntimeError::file(&path, error))?;
            if !found.is_dir() {
                return Err(RuntimeError::file(&path, "is no folder, so it cannot be a workspace"));
            }
            owner = Some(found.uid());
            workspace.path = path;
        }
        match workspace.access {
            Access::Copy if folder.starts_with(&workspace.path) => {
                return Err(RuntimeError::file(
                    &workspace.path,
                    "holds the folder of sandboxes, so it cannot be copied there",
                ));
            }
            Access::Copy => {
                let copy = folder.join("workspace");
                workspace::copy(&workspace.path, &copy, spec.limits.disk, self.wall.copy_owner())
                    .map_err(|error| RuntimeError::file(&workspace.path, error))?;
                workspace.path = copy;
            }
            Access::ReadWrite | Access::None | Access::ReadOnly => {}
        }
        let image = match &spec.rootfs {
            Rootfs::Oci(image) if image.as_os_str().is_empty() => {
                let why = "names no image; write the path of a layout's folder or of an archive after it".into();
                return Err(RuntimeError::File { place: "oci:".into(), why });
            }
            Rootfs::Oci(image) => {
                let unpacked = oci::unpacked(image, self.state.path());
                Some(unpacked.map_err(|error| RuntimeError::file(image, error))?)
            }
            Rootfs::Host | Rootfs::Directory(_) => None,
        };
        let unpacked = image.as_ref().map(|image| Rootfs::Directory(image.path().to_owned()));
        let rootfs = unpacked.unwrap_or_else(|| spec.rootfs.clone());
        let kept = self.keeps(&spec.limits);
        let (overhead, _) = self.wall.overhead(&spec.limits);
        let life = Mutex::new(Life { state: State::Created, why: None, session: None });
        Ok(Jail {
            record: Mutex::new(record),
            workspace,
            rootfs,
            _image: image,
            owner,
            before: Mutex::default(),
            groups: Mutex::default(),
            kept,
            grouped: self.groups.memory,
            guest_apart: self.wall.guest_apart(),
            overhead,
            life,
        })
    }
}

impl Drop for Jails {
    fn drop(&mut self) {
        let all = std::mem::take(&mut *lock(&self.all));
        for (id, jail) in all {
            jail.end(State::Exited, None);
            drop(keeper::remove(&self.state.folder(&id)));
        }
    }
}

impl std::fmt::Debug for Jails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jails").field("kind", &self.wall.kind()).field("state", &self.state).finish_non_exhaustive()
    }
}
