//! What is different between the runtimes that run an agent: how the room is built and which limits the wall itself
//! holds. Everything else is shared.

use super::cgroup;
use super::keeper::Launch;
use super::protocol::Setup;
use crate::runtime::{Access, Capabilities, Kept, Limit, Rootfs, RuntimeKind, Workspace};
use aic_base::Limits;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a wall needs to know to build one room.
pub(crate) struct Room<'a> {
    pub(crate) id: &'a str,
    /// The sandbox's own folder on the host.
    pub(crate) folder: &'a Path,
    pub(crate) agent: &'a Path,
    pub(crate) limits: &'a Limits,
    pub(crate) rootfs: &'a Rootfs,
    /// Where `/workspace` comes from; the copy, where it is one.
    pub(crate) workspace: &'a Workspace,
    /// The workspace's owner on the host, where there is one.
    pub(crate) owner: Option<u32>,
    pub(crate) groups: cgroup::Plan,
}

/// A room ready to be started.
pub(crate) struct Built {
    pub(crate) launch: Launch,
    pub(crate) setup: Setup,
    /// Whether its stdin and stdout are a serial line rather than pipes.
    pub(crate) serial: bool,
}

/// A runtime that runs an agent behind its own kind of wall.
pub(crate) trait Wall: Send + Sync + 'static {
    fn kind(&self) -> RuntimeKind;

    fn capabilities(&self) -> Capabilities;

    /// Bytes of memory and host tasks that the wall needs for itself, on top of these limits.
    fn overhead(&self, limits: &Limits) -> (u64, u64);

    /// How these limits hold with these groups.
    fn keeps(&self, limits: &Limits, groups: cgroup::Ability) -> Vec<Kept>;

    /// Whether a folder of the host's can be had in this way; if not, what to do instead.
    fn shares(&self, _: Access) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether all memory of the guest's, and no other, is in files that lie in memory alone.
    fn guest_apart(&self) -> bool {
        false
    }

    /// Which user a copied workspace must belong to, where it is not the workbench's own.
    fn copy_owner(&self) -> Option<u32>;

    /// Writes whatever the runtime reads, and says how to start it.
    ///
    /// # Errors
    /// When a file cannot be written, or the root file system is none.
    fn build(&self, room: &Room<'_>) -> io::Result<Built>;

    /// How long it may take to come up. Generous: the machine may be busy.
    fn ready_within(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The program, to which a name follows, that prints an archive of a copied workspace, where the copy is not on the
    /// host.
    fn packer(&self) -> Option<[&'static str; 6]> {
        None
    }

    /// Halts all of a running sandbox, or lets it go on. These are its processes on the host.
    ///
    /// # Errors
    /// When the runtime refuses.
    fn halt(&self, _: &str, _: &Path, processes: &[i32], halt: bool) -> io::Result<()> {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = if halt { Signal::STOP } else { Signal::CONT };
        // One that ended meanwhile needs no signal.
        processes.iter().filter_map(|pid| Pid::from_raw(*pid)).for_each(|pid| _ = kill_process(pid, signal));
        Ok(())
    }

    /// Whether the processor is emulated in software.
    fn emulated(&self) -> bool {
        false
    }

    /// What was seen of it, for a probe; empty where the means of holding limits are all there is to say.
    fn evidence(&self) -> String {
        String::new()
    }
}

/// What holds all limits that do not depend on the wall: memory, processes and disk are its own.
pub(crate) fn keeps(limits: &Limits, groups: cgroup::Ability, agent: &str) -> Vec<Kept> {
    let processors = processors();
    let cpu = if groups.cpu {
        Kept::enforced(Limit::Cpu, "control group")
    } else if limits.cpu >= processors as f64 {
        Kept::enforced(Limit::Cpu, "the machine has no more processors")
    } else if limits.cpu.fract() == 0.0 && limits.cpu >= 1.0 {
        Kept::enforced(Limit::Cpu, "bound to so many processors")
    } else {
        Kept::advisory(Limit::Cpu, "part of a processor needs a control group")
    };
    vec![
        cpu,
        Kept::enforced(Limit::Files, "rlimit of each process"),
        Kept::enforced(Limit::FileSize, "rlimit of each process"),
        Kept::enforced(Limit::Timeout, "the program is killed, then its sandbox"),
        Kept::enforced(Limit::Output, agent),
    ]
}

/// How many processors to bind a sandbox to; 0 for no binding.
pub(crate) fn binding(limits: &Limits, groups: cgroup::Ability) -> usize {
    if groups.cpu || limits.cpu >= processors() as f64 { 0 } else { limits.cpu.ceil().max(1.0) as usize }
}

pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What `/` of a sandbox has, and where it comes from.
pub(crate) enum Entry {
    /// A link: its name and where it points.
    Link(String, PathBuf),
    /// A folder or file of the host's, read-only: its name below `/`, and where it is.
    Bind(String, PathBuf),
    /// A small file of the host's, copied: in gVisor each thing that is bound costs milliseconds of the start.
    Copy(String, PathBuf),
}

/// What of the host's `/etc` programs need and says nothing of the host but which programs it has: links to the
/// programs that were chosen, and where libraries are.
const CHOSEN: &str = "alternatives";
const LIBRARIES: &str = "ld.so.cache";

/// What lies in the root folder of a sandbox with this root file system.
///
/// # Errors
/// When it is no folder, or has no programs.
pub(crate) fn entries(rootfs: &Rootfs) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    match rootfs {
        Rootfs::Host => {
            entries.push(Entry::Bind("usr".into(), "/usr".into()));
            for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
                let host = Path::new("/").join(name);
                match std::fs::read_link(&host) {
                    Ok(target) if target.is_relative() => entries.push(Entry::Link(name.into(), target)),
                    Ok(target) => entries.push(Entry::Link(name.into(), target)),
                    Err(_) if host.is_dir() => entries.push(Entry::Bind(name.into(), host)),
                    Err(_) => {}
                }
            }
            let (chosen, libraries) = (Path::new("/etc").join(CHOSEN), Path::new("/etc").join(LIBRARIES));
            if chosen.is_dir() {
                entries.push(Entry::Bind(format!("etc/{CHOSEN}"), chosen));
            }
            if libraries.is_file() {
                entries.push(Entry::Copy(format!("etc/{LIBRARIES}"), libraries));
            }
        }
        Rootfs::Oci(image) => {
            return Err(io::Error::other(format!("{} is an image that was not unpacked", image.display())));
        }
        Rootfs::Directory(folder) => {
            // What the sandbox makes itself cannot come from there.
            const OWN: [&str; 6] = ["proc", "dev", "sys", "tmp", "workspace", ".agent"];
            let read = std::fs::read_dir(folder)
                .map_err(|error| super::workspace::at(&folder.display().to_string(), error))?;
            for entry in read {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                if OWN.contains(&name.as_str()) {
                    continue;
                }
                let path = entry.path();
                match std::fs::read_link(&path) {
                    Ok(target) => entries.push(Entry::Link(name, target)),
                    Err(_) => entries.push(Entry::Bind(name, path.canonicalize()?)),
                }
            }
            if !entries.iter().any(
                |entry| matches!(entry, Entry::Bind(name, _) | Entry::Link(name, _) if name == "bin" || name == "usr"),
            ) {
                return Err(io::Error::other(format!(
                    "{} has neither bin nor usr: it is no root file system",
                    folder.display()
                )));
            }
        }
    }
    Ok(entries)
}

/// Makes the empty root folder of a sandbox: places to bind to, links, and a few files of our own.
pub(crate) fn skeleton(root: &Path, entries: &[Entry], agent: &Path, user: u32) -> io::Result<()> {
    use std::fs;
    let linked = |name: &str| entries.iter().any(|entry| matches!(entry, Entry::Link(link, _) if link == name));
    for folder in ["", "proc", "dev", "sys", "tmp", "workspace", "etc", "run", "var"] {
        if !linked(folder) {
            make(&root.join(folder))?;
        }
    }
    // A link costs no space; where the two lie on different disks, a copy.
    let target = root.join(".agent");
    if fs::hard_link(agent, &target).is_err() {
        fs::copy(agent, &target)?;
    }
    for entry in entries {
        match entry {
            Entry::Link(name, to) => std::os::unix::fs::symlink(to, root.join(name))?,
            Entry::Bind(name, from) if from.is_dir() => make(&root.join(name))?,
            Entry::Bind(name, _) => fs::write(root.join(name), "")?,
            Entry::Copy(name, from) => drop(fs::copy(from, root.join(name))?),
        }
    }
    let own = |name: &str| {
        !entries.iter().any(|entry| matches!(entry, Entry::Bind(bound, _) if bound == "etc" || bound == name))
    };
    let mut people = "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n".to_owned();
    let mut groups = "root:x:0:\nnogroup:x:65534:\n".to_owned();
    if user != 0 && user != super::NOBODY {
        people.push_str(&format!("guest:x:{user}:{user}:guest:/tmp:/bin/sh\n"));
        groups.push_str(&format!("guest:x:{user}:\n"));
    }
    let files = [
        ("etc/passwd", people.as_str()),
        ("etc/group", &groups),
        ("etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ];
    for (name, text) in files.into_iter().filter(|(name, _)| own(name) && !linked("etc")) {
        fs::write(root.join(name), text)?;
    }
    Ok(())
}

fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

/// Finds a program on the `PATH`; empty entries, which mean the working folder, are left out.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Administrators' programs are not on everybody's path.
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(usual).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Whether this is a file that can be started.
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
