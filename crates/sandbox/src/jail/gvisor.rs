//! gVisor: an OCI bundle of our own making, run by `runsc` with the agent as its first process.
//!
//! The agent is a user of its own with just the rights to become another; programs are another user without any, so
//! that they can neither signal it nor reach its pipes, and a file they leave behind belongs to nobody special. The
//! network is none at all. `runsc run` rather than `create` and `start`: it is the faster, and works without root.

use super::cgroup;
use super::keeper::Launch;
use super::protocol::Setup;
use super::wall::{self, Built, Entry, Room, Wall};
use super::{AGENT_USER, NOBODY};
use crate::runtime::{Access, Capabilities, Kept, Limit, RuntimeKind};
use aic_base::Limits;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What gVisor's kernel takes itself, in bytes, as far as its own control group must have room for it: it is 14 MB
/// idle, and its caches grow with the guest.
const OVERHEAD: u64 = 96 << 20;
/// The same for each process that the guest may have: with 95 idle ones it was 3.5 MB for each.
const OVERHEAD_EACH: u64 = 4 << 20;
/// Host tasks of an idle sandbox (about 50), with room, and what each process of the guest's adds (about 5).
const TASKS: u64 = 256;
const TASKS_EACH: u64 = 8;

/// Names a `runsc` to use in place of the one on the path.
pub(crate) const VARIABLE: &str = "AIC_RUNSC";

/// gVisor, as it works here.
#[derive(Debug, Clone)]
pub(crate) struct Gvisor {
    pub(crate) runsc: PathBuf,
    /// Without root on the host.
    pub(crate) rootless: bool,
}

impl Gvisor {
    /// `runsc` where it is found, or where [`VARIABLE`] says that it is, used as this user can.
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        let runsc = match named {
            Some(path) => Some(path).filter(|path| path.is_absolute() && wall::is_program(path))?,
            None => wall::find_program("runsc")?,
        };
        Some(Self { runsc, rootless: !rustix::process::geteuid().is_root() })
    }

    /// The user whose files these are, as the sandbox sees it.
    fn inside(&self, owner: u32) -> u32 {
        let own = rustix::process::geteuid().as_raw();
        match self.rootless {
            // Only one user is known inside: ours, as root. All others are nobody.
            true if owner == own => 0,
            true => NOBODY,
            false => owner,
        }
    }

    fn config(&self, room: &Room<'_>, entries: &[Entry]) -> Value {
        let disk = room.limits.disk;
        let mut mounts = vec![
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                   "options": [format!("size={disk}"), "mode=1777", "nosuid", "nodev"]}),
        ];
        for entry in entries {
            if let Entry::Bind(name, from) = entry {
                mounts.push(json!({"destination": format!("/{name}"), "type": "bind", "source": from,
                                   "options": ["rbind", "ro", "nosuid", "nodev"]}));
            }
        }
        let access = room.workspace.access;
        if access != Access::None {
            let mode = if access == Access::ReadOnly { "ro" } else { "rw" };
            mounts.push(json!({"destination": "/workspace", "type": "bind", "source": room.workspace.path,
                               "options": ["rbind", mode, "nosuid", "nodev"]}));
        }
        let rights = ["CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP"];
        let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({"type": kind}));
        json!({
            "ociVersion": "1.0.0",
            "process": {
                "terminal": false,
                "user": {"uid": AGENT_USER, "gid": AGENT_USER},
                "args": ["/.agent"],
                "env": [],
                "cwd": "/",
                "noNewPrivileges": true,
                "capabilities": {"bounding": rights, "effective": rights, "permitted": rights},
            },
            "root": {"path": "root", "readonly": true},
            "hostname": "sandbox",
            "mounts": mounts,
            "linux": {"namespaces": namespaces},
        })
    }
}

impl Wall for Gvisor {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Gvisor
    }

    fn capabilities(&self) -> Capabilities {
        super::capabilities(true)
    }

    fn overhead(&self, limits: &Limits) -> (u64, u64) {
        let pids = u64::from(limits.pids);
        (
            OVERHEAD.saturating_add(pids.saturating_mul(OVERHEAD_EACH)),
            TASKS.saturating_add(pids.saturating_mul(TASKS_EACH)),
        )
    }

    fn keeps(&self, limits: &Limits, groups: cgroup::Ability) -> Vec<Kept> {
        let mut kept = wall::keeps(limits, groups, "the agent, which a program cannot reach");
        let most = limits.memory.saturating_add(self.overhead(limits).0);
        kept.push(Kept::watched(
            Limit::Memory,
            match groups.memory {
                true => format!(
                    "what programs have is looked at ten times a second; a control group holds it, with what \
                     gVisor's kernel may need itself, at {} MiB",
                    most >> 20
                ),
                false => "rlimit for each process; what all have is looked at ten times a second".into(),
            },
        ));
        kept.push(Kept::enforced(Limit::Pids, "rlimit of the sandbox's user"));
        kept.push(Kept::watched(
            Limit::Disk,
            "/tmp has a fixed size; a writable workspace is looked at while a program runs",
        ));
        kept
    }

    /// gVisor's kernel keeps its programs' memory in one file, and its own on its heap.
    fn guest_apart(&self) -> bool {
        true
    }

    fn evidence(&self) -> String {
        self.runsc.display().to_string()
    }

    fn copy_owner(&self) -> Option<u32> {
        (!self.rootless).then_some(NOBODY)
    }

    /// By gVisor's own kernel: a signal to its processes would meet its tracing of them.
    fn halt(&self, id: &str, folder: &Path, _: &[i32], halt: bool) -> io::Result<()> {
        let mut command = std::process::Command::new(&self.runsc);
        command.arg("--root").arg(folder.join("runsc")).args(["--network=none", "--ignore-cgroups"]);
        if self.rootless {
            command.arg("--rootless");
        }
        command
            .args([if halt { "pause" } else { "resume" }, id])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let done = command.stdin(std::process::Stdio::null()).output()?;
        if done.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&done.stderr);
        Err(io::Error::other(why.lines().last().unwrap_or("runsc refuses").to_owned()))
    }

    fn build(&self, room: &Room<'_>) -> io::Result<Built> {
        let user = match (room.workspace.access, room.owner) {
            (Access::Copy, _) if self.rootless => 0,
            (Access::None | Access::Copy, _) | (_, None) => NOBODY,
            (Access::ReadOnly | Access::ReadWrite, Some(owner)) => self.inside(owner),
        };
        let entries = wall::entries(room.rootfs)?;
        let bundle = room.folder.join("bundle");
        wall::skeleton(&bundle.join("root"), &entries, room.agent, user)?;
        let config = serde_json::to_vec(&self.config(room, &entries)).map_err(io::Error::other)?;
        std::fs::write(bundle.join("config.json"), config)?;
        let limits = room.limits;
        let setup = Setup {
            user: Some(user),
            filter: false,
            landlock: false,
            // With a control group the address space is free: some engines reserve far more than they use.
            memory: if room.groups.holds_memory() { 0 } else { limits.memory },
            pids: u64::from(limits.pids),
            files: u64::from(limits.files),
            file_size: limits.file_size,
            egress: false,
            signals: true,
        };
        let state = room.folder.join("runsc");
        Ok(Built { launch: self.launch(room, &bundle, state), setup, serial: false })
    }
}

impl Gvisor {
    fn launch(&self, room: &Room<'_>, bundle: &Path, state: PathBuf) -> Launch {
        let mut argv: Vec<OsString> = vec![self.runsc.clone().into(), "--root".into(), state.clone().into()];
        argv.extend(["--network=none", "--ignore-cgroups"].map(OsString::from));
        if self.rootless {
            argv.push("--rootless".into());
        }
        if room.workspace.access == Access::None {
            // All that is shared then is programs that are only read: what was looked up stays good, and is not asked of
            // the host again each time. A command takes an eighth less time.
            argv.push("--file-access-mounts=exclusive".into());
        }
        argv.extend(["run".into(), "--bundle".into(), bundle.as_os_str().to_owned(), room.id.into()]);
        Launch { argv, groups: room.groups.clone(), user: None, group: None, processors: 0, state: vec![state] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Rootfs, Workspace};

    fn room<'a>(folder: &'a Path, limits: &'a Limits, workspace: &'a Workspace, owner: Option<u32>) -> Room<'a> {
        let (agent, groups) = (Path::new("/bin/true"), cgroup::Plan::default());
        Room { id: "a", folder, agent, limits, rootfs: &Rootfs::Host, workspace, owner, groups }
    }

    fn built(access: Access, owner: u32, rootless: bool) -> (Value, Built) {
        let (folder, limits) = (tempfile::tempdir().unwrap(), Limits::default());
        let workspace = Workspace { access, path: "/srv/work".into() };
        let wall = Gvisor { runsc: "/usr/bin/runsc".into(), rootless };
        let built = wall.build(&room(folder.path(), &limits, &workspace, Some(owner))).unwrap();
        let config = std::fs::read(folder.path().join("bundle/config.json")).unwrap();
        (serde_json::from_slice(&config).unwrap(), built)
    }

    #[test]
    fn a_bundle_has_no_network_no_environment_and_a_read_only_root() {
        let (config, built) = built(Access::None, 0, false);
        assert_eq!(config["process"]["env"], json!([]));
        assert_eq!(config["root"]["readonly"], json!(true));
        assert!(config["linux"]["namespaces"].as_array().unwrap().contains(&json!({"type": "network"})));
        let mounts = config["mounts"].as_array().unwrap();
        assert!(
            mounts
                .iter()
                .filter(|mount| mount["type"] == "bind")
                .all(|mount| { mount["options"].as_array().unwrap().contains(&json!("ro")) })
        );
        assert!(!mounts.iter().any(|mount| mount["destination"] == "/workspace"));
        assert!(built.launch.argv.contains(&"--network=none".into()));
    }

    #[test]
    fn programs_are_the_workspaces_owner_where_they_must_be_and_nobody_elsewhere() {
        use Access::{Copy, None, ReadOnly, ReadWrite};
        let own = rustix::process::geteuid().as_raw();
        let table = [
            (None, 1000, false, NOBODY),
            (Copy, 1000, false, NOBODY),
            (ReadOnly, 1000, false, 1000),
            (ReadWrite, 0, false, 0),
            (ReadWrite, own, true, 0),
            (ReadWrite, own + 1, true, NOBODY),
            (Copy, own, true, 0),
        ];
        for (access, owner, rootless, user) in table {
            let (config, built) = built(access, owner, rootless);
            assert_eq!(built.setup.user, Some(user), "{access:?} {owner} {rootless}");
            assert_eq!(config["process"]["user"]["uid"], json!(AGENT_USER));
            assert_eq!(built.launch.argv.contains(&"--rootless".into()), rootless);
        }
    }

    #[test]
    fn what_the_host_may_change_is_asked_of_it_each_time() {
        for access in [Access::None, Access::ReadOnly, Access::ReadWrite, Access::Copy] {
            let (_, built) = built(access, 1000, false);
            let keeps = built.launch.argv.contains(&"--file-access-mounts=exclusive".into());
            assert_eq!(keeps, access == Access::None, "{access:?}");
        }
    }

    #[test]
    fn a_workspace_is_writable_only_where_that_was_asked() {
        for (access, mode) in [(Access::ReadOnly, "ro"), (Access::ReadWrite, "rw"), (Access::Copy, "rw")] {
            let (config, _) = built(access, 1000, false);
            let mounts = config["mounts"].as_array().unwrap();
            let workspace = mounts.iter().find(|mount| mount["destination"] == "/workspace").unwrap();
            assert!(workspace["options"].as_array().unwrap().contains(&json!(mode)));
        }
    }
}
