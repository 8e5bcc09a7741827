//! What can isolate a program on this machine, and proof of it: each runtime runs a real program in a real sandbox
//! before it is called ready. Tools that are merely installed are reported as such.

use crate::cancel::Cancel;
use crate::host::ScriptHost;
use crate::kvm::Kvm;
use crate::runtime::select::Offer;
use crate::runtime::{Capabilities, Exec, ExecResult, Program, Runtime, RuntimeKind, SandboxSpec, Wasm};
use aic_base::{Limits, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long a probe may take: a busy machine is no broken one, and nobody waits for ever.
const WITHIN: Duration = Duration::from_secs(30);
/// How long one probe is waited for before the next begins beside it: those that are well do not disturb each other's
/// times, and those that hang do so together.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It ran a program, and holds every limit by force or by watching.
    Ready,
    /// It ran a program, but something is missing; here is what.
    Degraded(String),
    /// It ran nothing; here is why.
    Unusable(String),
}

/// A runtime and what its probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Which.
    pub kind: RuntimeKind,
    /// Whether it can be used.
    pub health: Health,
    /// What was seen: versions, paths, what holds limits.
    pub evidence: String,
    /// From nothing to a sandbox that takes programs, and one program through it.
    pub cold: Option<Duration>,
    /// One program through a running sandbox.
    pub warm: Option<Duration>,
    /// What to do to have it, where something can be done.
    pub install: Option<String>,
    /// Whether this is remembered from an earlier probe since the machine started.
    pub cached: bool,
}

impl Probe {
    /// Whether programs can be run in it.
    pub fn is_usable(&self) -> bool {
        !matches!(self.health, Health::Unusable(_))
    }

    /// One line for a person.
    pub fn summary(&self) -> String {
        let times = match (self.cold, self.warm) {
            (Some(cold), Some(warm)) => {
                format!(": first answer {:.1} ms, then {:.2} ms", cold.as_secs_f64() * 1e3, warm.as_secs_f64() * 1e3)
            }
            _ => String::new(),
        };
        let evidence = if self.evidence.is_empty() { String::new() } else { format!("; {}", self.evidence) };
        match &self.health {
            Health::Ready => format!("ready{times}{evidence}"),
            Health::Degraded(why) => format!("degraded{times}; {why}{evidence}"),
            Health::Unusable(why) => format!("unusable: {why}{evidence}"),
        }
    }

    fn unusable(kind: RuntimeKind, why: impl Into<String>, install: Option<&str>) -> Self {
        Self {
            kind,
            health: Health::Unusable(why.into()),
            evidence: String::new(),
            cold: None,
            warm: None,
            install: install.map(Into::into),
            cached: false,
        }
    }
}

/// Runs a real program in a real sandbox of this runtime, twice.
pub fn probe(runtime: &dyn Runtime) -> Probe {
    let kind = runtime.name();
    let script = !runtime.capabilities().commands;
    let tried = || -> Result<(Duration, Duration), String> {
        let limits = Limits { timeout: WITHIN, memory: 64 << 20, ..Limits::default() };
        let spec = SandboxSpec { limits, ..SandboxSpec::new(kind, format!("probe-{}", std::process::id())) };
        let started = Instant::now();
        let id = runtime.create(&spec).map_err(|error| error.to_string())?;
        let once = |number: u32| {
            let exec = if script { script_of(number) } else { command_of(number) };
            let result = runtime.exec(&id, &exec, &Cancel::new()).map_err(|error| error.to_string())?;
            check(&result, number)
        };
        let times = runtime.start(&id).map_err(|error| error.to_string()).and_then(|()| once(21)).and_then(|()| {
            let cold = started.elapsed();
            let started = Instant::now();
            once(1000).map(|()| (cold, started.elapsed()))
        });
        let removed = runtime.delete(&id).map_err(|error| error.to_string());
        times.and_then(|times| removed.map(|()| times))
    };
    match tried() {
        Ok((cold, warm)) => Probe {
            kind,
            health: Health::Ready,
            evidence: String::new(),
            cold: Some(cold),
            warm: Some(warm),
            install: None,
            cached: false,
        },
        Err(why) => Probe::unusable(kind, why, None),
    }
}

fn script_of(number: u32) -> Exec {
    let program = Program::JavaScript {
        filename: "probe.js".into(),
        source: "export default ({ number }) => number * 2;".into(),
        args: json!({ "number": number }),
        ctx: json!({}),
        now: Timestamp::default(),
        seed: 0,
    };
    Exec { program, ..Exec::command([""; 0]) }
}

fn command_of(number: u32) -> Exec {
    Exec::command(["sh", "-c", &format!("echo $(({number} * 2))")])
}

fn check(result: &ExecResult, number: u32) -> Result<(), String> {
    let twice = (number * 2).to_string();
    let printed = String::from_utf8_lossy(&result.stdout);
    let said = result.value.as_ref().map_or_else(|| printed.trim().to_owned(), ToString::to_string);
    if result.exit.is_success() && said == twice {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&result.stderr);
    Err(format!("twice {number} came out as {said:?} ({}) {}", result.exit, errors.trim()))
}

/// The runtimes that this machine can have, made ready to be used. Making them starts nothing.
pub struct Machine {
    host: Arc<ScriptHost>,
    runtimes: Vec<Arc<dyn Runtime>>,
    #[cfg(target_os = "linux")]
    jails: Vec<Arc<crate::jail::Jails>>,
    /// Why there is no microVM, where there is none.
    no_microvm: String,
    /// Why no sandbox that runs programs can be made, where that is so.
    no_state: Option<String>,
    /// What `/dev/kvm` is worth.
    kvm: Kvm,
    cache: Option<PathBuf>,
}

impl Machine {
    /// Whatever is installed. `cache_dir` is where probes are remembered until the machine restarts; without one they
    /// are made each time.
    pub fn new(host: Arc<ScriptHost>, cache_dir: Option<PathBuf>) -> Self {
        let command = host.command().clone();
        let wasm: Arc<dyn Runtime> = Arc::new(Wasm::new(Arc::clone(&host)));
        let mut machine = Self {
            host,
            runtimes: vec![wasm],
            #[cfg(target_os = "linux")]
            jails: Vec::new(),
            no_microvm: "it is driven on Linux only".into(),
            no_state: None,
            kvm: Kvm::Absent,
            cache: cache_dir,
        };
        machine.add_jails(&command);
        machine
    }

    #[cfg(target_os = "linux")]
    fn add_jails(&mut self, command: &crate::process::WorkerCommand) {
        match crate::jail::StateDir::of_user() {
            Ok(state) => self.add_jails_in(command, &state, None),
            Err(error) => self.no_state = Some(format!("no folder for sandboxes: {error}")),
        }
    }

    /// For tests only: sandboxes in a state folder of their own, with names that lead to a test's own server.
    #[cfg(target_os = "linux")]
    #[doc(hidden)]
    pub fn for_tests(host: Arc<ScriptHost>, state: &crate::StateDir, network: crate::egress::TestNetwork) -> Self {
        let command = host.command().clone();
        let (no_microvm, kvm) = (String::new(), Kvm::Absent);
        let mut machine =
            Self { host, runtimes: Vec::new(), jails: Vec::new(), no_microvm, no_state: None, kvm, cache: None };
        machine.add_jails_in(&command, state, Some(network));
        machine
    }

    #[cfg(target_os = "linux")]
    fn add_jails_in(
        &mut self,
        command: &crate::process::WorkerCommand,
        state: &crate::StateDir,
        network: Option<crate::egress::TestNetwork>,
    ) {
        use crate::jail::Jails;
        self.kvm = self.try_kvm(command);
        let microvm = Jails::microvm(command.clone(), state.clone(), self.kvm);
        let microvm = microvm.inspect_err(|why| self.no_microvm.clone_from(why)).ok();
        let process = Jails::process(command.clone(), state.clone());
        for jails in [Jails::gvisor(command.clone(), state.clone()), microvm, process].into_iter().flatten() {
            let jails = Arc::new(match &network {
                Some(network) => jails.with_test_network(network.clone()),
                None => jails,
            });
            self.runtimes.push(Arc::clone(&jails) as Arc<dyn Runtime>);
            self.jails.push(jails);
        }
    }

    /// What KVM is worth here, as it was found since the machine started.
    #[cfg(target_os = "linux")]
    fn try_kvm(&self, command: &crate::process::WorkerCommand) -> Kvm {
        let file = self.cache.as_ref().map(|folder| folder.join("probe-kvm.json"));
        let memory = file.and_then(|file| Memory::about(&["/dev/kvm".as_ref()], file));
        if let Some(known) = memory.as_ref().and_then(Memory::recall) {
            return known;
        }
        let found = crate::kvm::try_kvm(command);
        // Whoever was too slow once is tried again.
        if let Some(memory) = memory.filter(|_| found != Kvm::Broken) {
            memory.keep(&found);
        }
        found
    }

    #[cfg(not(target_os = "linux"))]
    fn add_jails(&mut self, _: &crate::process::WorkerCommand) {}

    /// The runtime of this kind, where it is installed.
    pub fn runtime(&self, kind: RuntimeKind) -> Option<Arc<dyn Runtime>> {
        self.runtimes.iter().find(|runtime| runtime.name() == kind).map(Arc::clone)
    }

    /// Every runtime that is installed.
    pub fn runtimes(&self) -> &[Arc<dyn Runtime>] {
        &self.runtimes
    }

    /// Probes every runtime that a spec can name, in the order of [`RuntimeKind::ALL`]. What was found earlier since
    /// the machine started is not tried again, unless it is `fresh`ly wanted or was unusable.
    pub fn probe_all(&self, fresh: bool) -> Vec<Probe> {
        let kinds = RuntimeKind::ALL.into_iter().filter(|kind| *kind != RuntimeKind::Docker);
        let begun: Vec<_> = kinds
            .map(|kind| {
                let mut begun = self.begin(kind, fresh);
                if let Begun::Trial(trial, _) = &mut begun {
                    trial.wait(PATIENCE);
                }
                (kind, begun)
            })
            .collect();
        begun.into_iter().map(|(kind, begun)| self.finish(kind, begun)).collect()
    }

    /// Probes one runtime, for half a minute at most.
    pub fn probe(&self, kind: RuntimeKind, fresh: bool) -> Probe {
        self.finish(kind, self.begin(kind, fresh))
    }

    fn begin(&self, kind: RuntimeKind, fresh: bool) -> Begun {
        let Some(runtime) = self.runtime(kind) else { return Begun::Known(self.missing(kind)) };
        let memory = self.cache.as_ref().and_then(|folder| Memory::of(kind, folder));
        let memory = memory.map(|memory| memory.and(&self.depends_on(kind)));
        match memory.as_ref().filter(|_| !fresh).and_then(Memory::recall::<Probe>) {
            Some(known) => Begun::Known(Probe { cached: true, ..known }),
            None => Begun::Trial(Trial::start(WITHIN, move || probe(&*runtime)), memory),
        }
    }

    fn finish(&self, kind: RuntimeKind, begun: Begun) -> Probe {
        let (trial, memory) = match begun {
            Begun::Known(found) => return found,
            Begun::Trial(trial, memory) => (trial, memory),
        };
        let mut found = trial.end(kind);
        if kind == RuntimeKind::Wasm {
            found.evidence = self.host.evidence().unwrap_or_default();
        }
        self.explain(kind, &mut found);
        if let Some(memory) = memory.filter(|_| found.is_usable()) {
            memory.keep(&found);
        }
        found
    }

    /// What else than its tool a runtime depends on.
    #[cfg(target_os = "linux")]
    fn depends_on(&self, kind: RuntimeKind) -> String {
        self.jails.iter().find(|jails| jails.name() == kind).map(|jails| jails.depends_on()).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn depends_on(&self, _: RuntimeKind) -> String {
        String::new()
    }

    #[cfg(target_os = "linux")]
    fn explain(&self, kind: RuntimeKind, found: &mut Probe) {
        let Some(jails) = self.jails.iter().find(|jails| jails.name() == kind) else { return };
        found.evidence = jails.means();
        if let Some(lack) = jails.lacks().filter(|_| found.is_usable()) {
            found.health = Health::Degraded(lack.into());
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn explain(&self, _: RuntimeKind, _: &mut Probe) {}

    /// What the selector needs to know of each runtime, for these limits. An emulated machine takes seconds to try and
    /// is taken only when named, so it is not tried for this: one that does not come up says so when it is started.
    pub fn offers(&self, limits: &Limits) -> Vec<Offer> {
        let kinds = RuntimeKind::ALL.into_iter().filter(|kind| *kind != RuntimeKind::Docker);
        kinds.map(|kind| self.offer(kind, limits)).collect()
    }

    fn offer(&self, kind: RuntimeKind, limits: &Limits) -> Offer {
        let everything = Capabilities {
            commands: true,
            javascript: true,
            modules: true,
            network: true,
            interactive: true,
            gpu: true,
            workspace: true,
            own_kernel: true,
        };
        let runtime = self.runtime(kind);
        let emulated = self.is_emulated(kind);
        let found = if emulated { None } else { Some(self.probe(kind, false)) };
        Offer {
            kind,
            // What cannot be used lacks nothing else worth saying.
            capabilities: runtime.as_ref().map_or(everything, |runtime| runtime.capabilities()),
            kept: runtime.as_ref().map(|runtime| runtime.keeps(limits)).unwrap_or_default(),
            emulated,
            warm: found.as_ref().and_then(|found| found.warm).unwrap_or(Duration::MAX),
            unusable: match found.map(|found| found.health) {
                Some(Health::Unusable(why)) => Some(why),
                Some(Health::Ready | Health::Degraded(_)) | None => None,
            },
        }
    }

    #[cfg(target_os = "linux")]
    fn is_emulated(&self, kind: RuntimeKind) -> bool {
        self.jails.iter().any(|jails| jails.name() == kind && jails.is_emulated())
    }

    #[cfg(not(target_os = "linux"))]
    fn is_emulated(&self, _: RuntimeKind) -> bool {
        false
    }

    /// What is to be said of a runtime that is not here.
    fn missing(&self, kind: RuntimeKind) -> Probe {
        let runs_programs = matches!(kind, RuntimeKind::Gvisor | RuntimeKind::Process | RuntimeKind::Microvm);
        if let Some(why) = self.no_state.as_ref().filter(|_| runs_programs) {
            return Probe::unusable(kind, why.clone(), None);
        }
        if kind != RuntimeKind::Microvm {
            return missing(kind);
        }
        let why = &self.no_microvm;
        let install = match why.contains("qemu") {
            true => {
                "apt-get install --no-install-recommends qemu-system-x86, then cargo xtask guest-image in the sources of aic, or AIC_GUEST_IMAGE=FOLDER"
            }
            false => "cargo xtask guest-image in the sources of aic, or AIC_GUEST_IMAGE=FOLDER",
        };
        let evidence = format!("/dev/kvm {}", self.kvm);
        Probe { evidence, ..Probe::unusable(kind, why.clone(), Some(install)) }
    }

    /// What `/dev/kvm` is worth here.
    pub fn kvm(&self) -> Kvm {
        self.kvm
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.runtimes.iter().map(|runtime| runtime.name().name()).collect();
        f.debug_struct("Machine").field("runtimes", &names).finish_non_exhaustive()
    }
}

/// A probe on its way.
enum Begun {
    Known(Probe),
    Trial(Trial, Option<Memory>),
}

/// A probe in a thread of its own. What hangs is left to its sandbox's own deadlines, or to its keeper when this
/// process ends.
struct Trial {
    found: Option<Probe>,
    answer: mpsc::Receiver<Probe>,
    until: Instant,
}

impl Trial {
    fn start(within: Duration, act: impl FnOnce() -> Probe + Send + 'static) -> Self {
        let (say, answer) = mpsc::channel();
        // One that cannot be started gives no answer either.
        drop(std::thread::Builder::new().name("probe".into()).spawn(move || drop(say.send(act()))));
        Self { found: None, answer, until: Instant::now() + within }
    }

    /// Waits for so long, and not beyond its deadline.
    fn wait(&mut self, patience: Duration) {
        let left = self.until.saturating_duration_since(Instant::now());
        if self.found.is_none() {
            self.found = self.answer.recv_timeout(patience.min(left)).ok();
        }
    }

    fn end(mut self, kind: RuntimeKind) -> Probe {
        self.wait(Duration::MAX);
        let late = || Probe::unusable(kind, format!("it gave no answer within {} s", WITHIN.as_secs()), None);
        self.found.unwrap_or_else(late)
    }
}

/// What is to be said of a runtime that is not here.
fn missing(kind: RuntimeKind) -> Probe {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = |programs: &[&str]| look_for(programs, &folders);
    let not_driven = |programs: &[&str]| {
        let where_ = found(programs).map_or("not found".into(), |path| format!("found at {}", path.display()));
        Probe::unusable(kind, format!("{where_}; this version does not drive it"), None)
    };
    match kind {
        #[cfg(target_os = "linux")]
        RuntimeKind::Gvisor if std::env::var_os(crate::jail::RUNSC).is_some() => {
            let why = format!("{} names no program; it must be the whole path of `runsc`", crate::jail::RUNSC);
            Probe::unusable(kind, why, None)
        }
        RuntimeKind::Gvisor => Probe::unusable(
            kind,
            "runsc is not installed",
            Some("apt-get install runsc, or name another with AIC_RUNSC"),
        ),
        RuntimeKind::Process => Probe::unusable(kind, "bwrap is not installed", Some("apt-get install bubblewrap")),
        RuntimeKind::Firecracker => not_driven(&["firecracker"]),
        RuntimeKind::Kata => not_driven(&["kata-runtime"]),
        RuntimeKind::Wasm | RuntimeKind::Microvm | RuntimeKind::Docker => {
            Probe::unusable(kind, "not part of this build", None)
        }
    }
}

/// Finds the first of these programs in these folders.
fn look_for(programs: &[&str], folders: &[PathBuf]) -> Option<PathBuf> {
    // An empty entry of PATH means the working folder, where anybody may have put anything.
    let folders = || folders.iter().filter(|folder| folder.is_absolute());
    programs.iter().find_map(|program| folders().map(|folder| folder.join(program)).find(|path| is_program(path)))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// What was found, on disk: good until the machine restarts or what it depends on changes.
struct Memory {
    file: PathBuf,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct Remembered<T> {
    key: String,
    probe: T,
}

impl Memory {
    /// The probe of a runtime; nothing for those that are quick to try.
    fn of(kind: RuntimeKind, folder: &Path) -> Option<Self> {
        let program = match kind {
            #[cfg(target_os = "linux")]
            RuntimeKind::Gvisor if std::env::var_os(crate::jail::RUNSC).is_some() => {
                let tool = PathBuf::from(std::env::var_os(crate::jail::RUNSC)?);
                return Self::about(
                    &[&tool, &std::env::current_exe().ok()?],
                    folder.join(format!("probe-{kind}.json")),
                );
            }
            RuntimeKind::Gvisor => "runsc",
            RuntimeKind::Process => "bwrap",
            RuntimeKind::Microvm => "qemu-system-x86_64",
            // Quick to try, and the worker is wanted warm anyhow.
            _ => return None,
        };
        let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        let tool = look_for(&[program], &folders)?;
        Self::about(&[&tool, &std::env::current_exe().ok()?], folder.join(format!("probe-{kind}.json")))
    }

    /// What depends on these files and this user.
    fn about(files: &[&Path], file: PathBuf) -> Option<Self> {
        let mut key = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        key.push_str(&format!(" {}", user()));
        for path in files {
            let found = std::fs::metadata(path).ok()?;
            key.push_str(&format!(" {} {} {:?}", path.display(), found.len(), found.modified().ok()?));
        }
        Some(Self { file, key })
    }

    /// The same, but only as long as this stays as it is too.
    fn and(mut self, more: &str) -> Self {
        self.key.push(' ');
        self.key.push_str(more);
        self
    }

    fn recall<T: for<'a> Deserialize<'a>>(&self) -> Option<T> {
        let kept: Remembered<T> = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        (kept.key == self.key).then_some(kept.probe)
    }

    /// A probe that cannot be remembered is made again, which is only slower.
    fn keep<T: Serialize>(self, probe: &T) {
        let Some(folder) = self.file.parent() else { return };
        let kept = Remembered { key: self.key.clone(), probe };
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(file.as_file(), &kept)?;
            file.persist(&self.file).map_err(|error| error.error)?;
            Ok(())
        };
        drop(written());
    }
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user() -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_installed_is_found_but_not_claimed() {
        assert_eq!(look_for(&["no-such-program", "sh"], &["/bin".into()]), Some("/bin/sh".into()));
        let found = missing(RuntimeKind::Firecracker);
        assert!(!found.is_usable() && found.summary().contains("does not drive it"), "{}", found.summary());
    }

    #[test]
    fn a_tool_is_not_looked_for_in_the_working_folder() {
        assert_eq!(look_for(&["Cargo.toml"], &["".into(), ".".into()]), None);
    }

    #[test]
    fn a_probe_that_hangs_is_given_up_and_one_that_is_late_is_waited_for() {
        let (release, gate) = mpsc::channel::<()>();
        let ready = || Probe { health: Health::Ready, ..Probe::unusable(RuntimeKind::Gvisor, "", None) };
        let waits = move || {
            let _ = gate.recv();
            ready()
        };
        let mut late = Trial::start(Duration::from_secs(60), waits);
        late.wait(Duration::ZERO);
        assert_eq!(late.found, None);
        drop(release);
        assert_eq!(late.end(RuntimeKind::Gvisor), ready());
        let (_kept, gate) = mpsc::channel::<()>();
        let hangs = Trial::start(Duration::ZERO, move || gate.recv().map_or_else(|_| ready(), |()| ready()));
        assert!(!hangs.end(RuntimeKind::Gvisor).is_usable());
    }

    #[test]
    fn a_probe_is_remembered_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache/probe.json");
        let memory = |key: &str| Memory { file: file.clone(), key: key.into() };
        let found = Probe { health: Health::Ready, ..Probe::unusable(RuntimeKind::Gvisor, "", None) };
        memory("a").keep(&found);
        assert_eq!(memory("a").recall(), Some(found));
        assert_eq!(memory("b").recall::<Probe>(), None);
        std::fs::write(&file, "no JSON").unwrap();
        assert_eq!(memory("a").recall::<Probe>(), None);
    }
}
