//! Sandboxes for tests, each in a state folder of its own, and what must be true when they are gone.

use aic_sandbox::runtime::{Access, Exec, ExecResult, RuntimeError, SandboxId, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Jails, Runtime, RuntimeKind, StateDir};
use std::path::Path;
use std::time::Duration;

/// One kind of wall, as it is used in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    Gvisor,
    Rootless,
    NoGroups,
    Process,
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
            Self::Emulated => {
                let made = Jails::microvm(command, state, aic_sandbox::Kvm::Absent);
                return made.unwrap_or_else(|why| panic!("{why}"));
            }
        };
        made.unwrap_or_else(|| panic!("{self:?} is not installed"))
    }

    pub fn kind(self) -> RuntimeKind {
        match self {
            Self::Process => RuntimeKind::Process,
            Self::Emulated => RuntimeKind::Microvm,
            Self::Gvisor | Self::Rootless | Self::NoGroups => RuntimeKind::Gvisor,
        }
    }
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
