//! Sandboxes for tests, each in a state folder of its own, and what must be true when they are gone.

use aic_sandbox::runtime::{Access, Exec, ExecResult, RuntimeError, SandboxId, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Health, Jails, Runtime, RuntimeKind, StateDir};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One kind of wall, as it is used in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    Gvisor,
    Rootless,
    NoGroups,
    Process,
    /// The same without control groups.
    ProcessAlone,
    /// On an emulated processor, whatever the machine has.
    Emulated,
}

impl Wall {
    pub fn open(self, state: &Path) -> Jails {
        let (command, state) = (super::command(), StateDir::at(state.join("state")).unwrap());
        let made = match self {
            Self::Gvisor => Jails::gvisor(command, state),
            Self::Rootless => Jails::gvisor_rootless(command, state).map(Jails::without_groups),
            Self::NoGroups => Jails::gvisor(command, state).map(Jails::without_groups),
            Self::Process => Jails::process(command, state),
            Self::ProcessAlone => Jails::process(command, state).map(Jails::without_groups),
            Self::Emulated => {
                let made = Jails::microvm(command, state, aic_sandbox::Kvm::Absent);
                return made.unwrap_or_else(|why| panic!("{why}"));
            }
        };
        made.unwrap_or_else(|| panic!("{self:?} is not installed"))
    }

    pub fn kind(self) -> RuntimeKind {
        match self {
            Self::Process | Self::ProcessAlone => RuntimeKind::Process,
            Self::Emulated => RuntimeKind::Microvm,
            Self::Gvisor | Self::Rootless | Self::NoGroups => RuntimeKind::Gvisor,
        }
    }
}

/// Those of these walls that stand on this machine. Whatever the machine is, nothing is assumed of it: each wall is
/// probed once, by the same function that `aic doctor` uses, and one that it calls unusable must refuse to start, so that
/// a test that leaves it out has seen why.
pub fn here(walls: &[Wall]) -> Vec<Wall> {
    walls.iter().copied().filter(|wall| is_here(*wall)).collect()
}

/// Whether this wall stands on this machine; see [`here`].
pub fn is_here(wall: Wall) -> bool {
    static FOUND: Mutex<Vec<(Wall, bool)>> = Mutex::new(Vec::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, usable)) = found.iter().find(|(known, _)| *known == wall) {
        return *usable;
    }
    let state = tempfile::tempdir().unwrap();
    let jails = wall.open(state.path());
    let probe = aic_sandbox::probe(&jails);
    if let Health::Unusable(why) = &probe.health {
        let started = jails.create(&spec(wall)).and_then(|id| jails.start(&id).map(|()| id));
        let ran = started.and_then(|id| jails.exec(&id, &Exec::command(["true"]), &Cancel::new()));
        assert!(ran.is_err(), "{wall:?} works, but its probe says: {why}");
        note(&format!("{wall:?} is left out: {why}"));
    }
    found.push((wall, probe.is_usable()));
    probe.is_usable()
}

#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
fn note(text: &str) {
    eprintln!("{text}");
}

/// A sandbox in use. It and its state folder go when this is dropped.
pub struct Cell {
    pub jails: Jails,
    pub id: SandboxId,
    pub state: tempfile::TempDir,
}

pub fn spec(wall: Wall) -> SandboxSpec {
    let mut spec = SandboxSpec::new(wall.kind(), "test");
    spec.limits.timeout = Duration::from_secs(120);
    spec
}

pub fn with_workspace(wall: Wall, access: Access, path: &Path) -> SandboxSpec {
    SandboxSpec { workspace: Workspace { access, path: path.into() }, ..spec(wall) }
}

impl Cell {
    pub fn new(wall: Wall) -> Self {
        Self::of(wall, &spec(wall))
    }

    pub fn of(wall: Wall, spec: &SandboxSpec) -> Self {
        let state = tempfile::tempdir().unwrap();
        let jails = wall.open(state.path());
        let id = jails.create(spec).unwrap();
        jails.start(&id).unwrap();
        Self { jails, id, state }
    }

    pub fn exec(&self, exec: &Exec) -> Result<ExecResult, RuntimeError> {
        self.jails.exec(&self.id, exec, &Cancel::new())
    }

    /// Runs a line of shell.
    pub fn sh(&self, line: &str) -> ExecResult {
        self.exec(&Exec::command(["sh", "-c", line])).unwrap()
    }

    /// What a line of shell prints, both streams.
    pub fn says(&self, line: &str) -> String {
        text(&self.sh(line))
    }

    pub fn python(&self, program: &str) -> ExecResult {
        self.exec(&Exec::command(["python3", "-c", program])).unwrap()
    }

    /// Asserts that it still takes programs.
    pub fn works(&self) {
        assert_eq!(self.says("echo fine"), "fine");
    }
}

pub fn text(result: &ExecResult) -> String {
    let (out, err) = (String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
    format!("{out}{err}").trim().to_owned()
}

/// Processes whose command line names this folder.
pub fn processes_about(folder: &Path) -> Vec<i32> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let about = |id: &i32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.windows(needle.len()).any(|window| window == needle)
    };
    ids.filter(about).collect()
}

/// Asserts that nothing on this machine speaks of this folder any more: processes, mounts, groups, folders.
pub fn nothing_left_of(state: &Path, ids: &[SandboxId]) {
    super::until("no process is left", || processes_about(state).is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(state.to_str().unwrap()), "{mounts}");
    for id in ids {
        let gone = || {
            let groups = ["memory", "pids", "cpu", ""]
                .map(|name| Path::new("/sys/fs/cgroup").join(name).join(format!("aic-{id}")));
            !state.join("state").join(id.as_str()).exists() && groups.iter().all(|group| !group.exists())
        };
        super::until("no folder is left", gone);
    }
}

/// A root file system with Debian's Python and a shell of the host's and what they need, small enough for a machine's memory.
pub fn python_rootfs() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = "import sys, os, time, socket, ctypes, zlib, encodings.idna, encodings.latin_1; \
                print(os.path.realpath(sys.executable)); \
                [print(m.__file__) for m in list(sys.modules.values()) if getattr(m, '__file__', None)]";
    let mut files: Vec<String> = run("/usr/bin/python3", &["-c", list]).lines().map(str::to_owned).collect();
    let python = files.first().unwrap().clone();
    files.extend(["/bin/sh", "/bin/rm"].map(String::from));
    let binaries: Vec<String> =
        files.iter().filter(|file| file.contains(".so") || !file.ends_with(".py")).cloned().collect();
    for binary in binaries {
        let needs = run("ldd", &[&binary]);
        files.extend(needs.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    files.sort();
    files.dedup();
    for file in files {
        // Under the folder's real name, as `/lib` is a link to `/usr/lib`, and the file's own, as others call it so.
        let file = Path::new(&file);
        let folder = file.parent().unwrap().canonicalize().unwrap();
        let target = root.path().join(folder.strip_prefix("/").unwrap());
        std::fs::create_dir_all(&target).unwrap();
        std::fs::copy(file, target.join(file.file_name().unwrap())).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        if let Ok(target) = std::fs::read_link(Path::new("/").join(name)) {
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        }
    }
    let named = root.path().join("usr/bin/python3");
    if !named.exists() {
        std::os::unix::fs::symlink(Path::new(&python).file_name().unwrap(), named).unwrap();
    }
    root
}

/// Starts this test program once more, as a workbench with ten programs in a sandbox [`mine`]. The program must have a
/// test `helper_workbench` that is [`be_workbench`].
pub fn workbench(wall: Wall, state: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper_workbench"]).env("AIC_TEST_STATE", state);
    command.env("AIC_TEST_WALL", format!("{wall:?}"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    super::until("its sandbox runs", || state.join("ready").exists());
    child
}

pub fn mine() -> SandboxId {
    "mine".parse().unwrap()
}

/// What [`workbench`] starts; nothing elsewhere.
pub fn be_workbench() {
    let Some(state) = std::env::var_os("AIC_TEST_STATE") else { return };
    let wall = match std::env::var("AIC_TEST_WALL").as_deref() {
        Ok("Process") => Wall::Process,
        Ok("Emulated") => Wall::Emulated,
        Ok("Rootless") => Wall::Rootless,
        _ => Wall::Gvisor,
    };
    let jails = wall.open(Path::new(&state));
    let named = SandboxSpec { name: Some(mine().as_str().parse().unwrap()), ..spec(wall) };
    let id = jails.create(&named).unwrap();
    jails.start(&id).unwrap();
    std::fs::write(Path::new(&state).join("ready"), "").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| jails.exec(&id, &Exec::command(["sleep", "1000"]), &Cancel::new()));
        }
    });
}
