//! The `process` runtime: bubblewrap's namespaces, then Landlock and a system-call filter, which the agent puts on each
//! program. The kernel behind it is the host's own, so it is for developers without the rest, and taken only when named.

use super::NOBODY;
use super::cgroup;
use super::keeper::Launch;
use super::protocol::Setup;
use super::wall::{self, Built, Entry, Room, Wall};
use crate::runtime::{Access, Capabilities, Kept, Limit, RuntimeKind};
use aic_base::Limits;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// bubblewrap, as it works here.
#[derive(Debug, Clone)]
pub(crate) struct Bubble {
    pub(crate) bwrap: PathBuf,
}

impl Bubble {
    /// `bwrap` where it is found.
    pub(crate) fn find() -> Option<Self> {
        Some(Self { bwrap: wall::find_program("bwrap")? })
    }

    /// Who starts bubblewrap. Root becomes nobody where it can: the limit on processes does not hold for root.
    fn starter(access: Access, owner: Option<u32>) -> Option<u32> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        match access {
            Access::None | Access::Copy => Some(NOBODY),
            Access::ReadOnly | Access::ReadWrite => owner.filter(|owner| *owner != 0),
        }
    }
}

impl Wall for Bubble {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    fn capabilities(&self) -> Capabilities {
        super::capabilities(false)
    }

    fn overhead(&self, _: &Limits) -> (u64, u64) {
        (8 << 20, 4)
    }

    fn keeps(&self, limits: &Limits, groups: cgroup::Ability) -> Vec<Kept> {
        let mut kept = wall::keeps(limits, groups, "the agent, which a program cannot trace");
        kept.push(if groups.memory {
            Kept::enforced(Limit::Memory, "control group, for all processes and what lies in /tmp together")
        } else {
            Kept::watched(
                Limit::Memory,
                "rlimit for each process; all together are looked at ten times a second; what lies in /tmp and \
                 /dev/shm comes on top, up to limits.disk",
            )
        });
        kept.push(if groups.pids {
            Kept::enforced(Limit::Pids, "control group")
        } else if rustix::process::geteuid().is_root() {
            Kept::watched(Limit::Pids, "rlimit, which does not hold where the workspace is root's")
        } else {
            Kept::enforced(Limit::Pids, "rlimit of the sandbox's user")
        });
        kept.push(Kept::watched(
            Limit::Disk,
            "/tmp and /dev/shm have a fixed size; a writable workspace is looked at while a program runs",
        ));
        kept
    }

    fn evidence(&self) -> String {
        self.bwrap.display().to_string()
    }

    fn copy_owner(&self) -> Option<u32> {
        rustix::process::geteuid().is_root().then_some(NOBODY)
    }

    fn build(&self, room: &Room<'_>) -> io::Result<Built> {
        let entries = wall::entries(room.rootfs)?;
        let root = room.folder.join("root");
        wall::skeleton(&root, &entries, room.agent, NOBODY)?;
        let mut argv: Vec<OsString> = vec![self.bwrap.clone().into()];
        let mut add = |words: &[&str]| argv.extend(words.iter().map(OsString::from));
        let user = NOBODY.to_string();
        add(&[
            "--unshare-all",
            "--unshare-user",
            "--die-with-parent",
            "--as-pid-1",
            "--clearenv",
            "--hostname",
            "sandbox",
        ]);
        add(&["--uid", &user, "--gid", &user, "--cap-drop", "ALL"]);
        argv.extend(["--ro-bind".into(), root.into(), "/".into()]);
        for entry in &entries {
            if let Entry::Bind(name, from) = entry {
                argv.extend(["--ro-bind".into(), from.clone().into(), format!("/{name}").into()]);
            }
        }
        let mut add = |words: &[&str]| argv.extend(words.iter().map(OsString::from));
        // Together no more than the limit.
        let shared = room.limits.disk / 8;
        add(&["--proc", "/proc", "--dev", "/dev"]);
        for (folder, size) in [("/dev/shm", shared), ("/tmp", room.limits.disk.saturating_sub(shared))] {
            // No size at all would be half of the machine's memory.
            add(&["--perms", "1777", "--size", &size.max(4096).to_string(), "--tmpfs", folder]);
        }
        add(&["--remount-ro", "/dev"]);
        let bind = match room.workspace.access {
            Access::None => None,
            Access::ReadOnly => Some("--ro-bind"),
            Access::Copy | Access::ReadWrite => Some("--bind"),
        };
        if let Some(bind) = bind {
            argv.extend([bind.into(), room.workspace.path.clone().into(), "/workspace".into()]);
        }
        argv.extend(["--chdir", "/", "/.agent"].map(OsString::from));
        let limits = room.limits;
        let setup = Setup {
            user: None,
            filter: true,
            landlock: true,
            memory: if room.groups.holds_memory() { 0 } else { limits.memory },
            pids: u64::from(limits.pids).saturating_add(1),
            files: u64::from(limits.files),
            file_size: limits.file_size,
            egress: false,
            signals: false,
        };
        let user = Self::starter(room.workspace.access, room.owner);
        let launch = Launch { argv, groups: room.groups.clone(), user, group: None, processors: 0, state: Vec::new() };
        Ok(Built { launch, setup, serial: false })
    }
}
