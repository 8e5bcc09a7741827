//! The agent as the first process of a virtual machine: it makes the room that programs see out of what the kernel
//! unpacked into memory, and speaks with the host over a serial line.
//!
//! Beside itself the host packs `/room`, which becomes `/`; `/ws`, the workspace; and `/.room`, which says in lines of
//! `name=value` what to do with them. When the agent ends, the kernel stops and with it the machine.

use crate::protocol::{self, Kind, Nonce};
use crate::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// The line to the host; the first one is the kernel's own.
const LINE: &str = "/dev/ttyS1";
/// How many bytes are read before the host is told that it may send more.
const TOLD_AFTER: u32 = 1024;
/// Character devices of the room: name, major, minor.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// What the host wants of the room.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wishes {
    /// Bytes that `/tmp`, and a workspace that is a copy, may hold each.
    disk: u64,
    memory: u64,
    pids: u64,
    workspace: Workspace,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Workspace {
    #[default]
    None,
    ReadOnly,
    Copy,
}

impl Wishes {
    fn read(text: &str) -> Self {
        let mut wishes = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "disk" => wishes.disk = value.parse().unwrap_or_default(),
                "memory" => wishes.memory = value.parse().unwrap_or_default(),
                "pids" => wishes.pids = value.parse().unwrap_or_default(),
                "workspace" if value == "ro" => wishes.workspace = Workspace::ReadOnly,
                "workspace" if value == "copy" => wishes.workspace = Workspace::Copy,
                _ => {}
            }
        }
        wishes
    }
}

/// A machine that is ready.
pub struct Booted {
    pub line: File,
    /// Where a process writes itself to be held by the machine's limits.
    pub group: OwnedFd,
}

/// Makes the room and opens the line.
pub fn boot() -> io::Result<Booted> {
    let wishes = Wishes::read(&fs::read_to_string("/.room")?);
    sys::mount("dev", "/dev", "devtmpfs", sys::NOSUID, "")?;
    let line = OpenOptions::new().read(true).write(true).custom_flags(sys::O_NOCTTY).open(LINE)?;
    sys::raw_line(&line)?;
    let group = group(&wishes)?;
    sys::host_name("sandbox");
    sys::loopback();
    sys::mount("/room", "/room", "", sys::BIND, "")?;
    sys::mount("proc", "/room/proc", "proc", sys::NOSUID | sys::NODEV | sys::NOEXEC, "")?;
    devices(Path::new("/room/dev"))?;
    let size = format!("size={},mode=1777", wishes.disk);
    sys::mount("tmp", "/room/tmp", "tmpfs", sys::NOSUID | sys::NODEV, &size)?;
    workspace(&wishes)?;
    sys::mount("", "/room", "", sys::BIND | sys::REMOUNT | sys::READ_ONLY | sys::NOSUID, "")?;
    sys::enter_room("/room")?;
    Ok(Booted { line, group })
}

fn devices(dev: &Path) -> io::Result<()> {
    sys::mount("dev", "/room/dev", "tmpfs", sys::NOSUID | sys::NOEXEC, "size=65536,mode=755")?;
    for (name, major, minor) in DEVICES {
        sys::make_device(&dev.join(name), major, minor)?;
    }
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(target, dev.join(name))?;
    }
    fs::DirBuilder::new().mode(0o755).create(dev.join("pts"))?;
    sys::mount("pts", "/room/dev/pts", "devpts", sys::NOSUID | sys::NOEXEC, "newinstance,ptmxmode=0666,mode=620")?;
    symlink("pts/ptmx", dev.join("ptmx"))
}

/// The group in which all programs are: their memory and number together.
fn group(wishes: &Wishes) -> io::Result<OwnedFd> {
    fs::create_dir("/cg")?;
    sys::mount("cg", "/cg", "cgroup2", sys::NOSUID | sys::NODEV | sys::NOEXEC, "")?;
    fs::write("/cg/cgroup.subtree_control", "+memory +pids")?;
    fs::create_dir("/cg/guest")?;
    for (file, value) in [("memory.max", wishes.memory), ("pids.max", wishes.pids)] {
        fs::write(Path::new("/cg/guest").join(file), value.to_string())?;
    }
    Ok(OpenOptions::new().write(true).open("/cg/guest/cgroup.procs")?.into())
}

fn workspace(wishes: &Wishes) -> io::Result<()> {
    let kept = sys::NOSUID | sys::NODEV;
    match wishes.workspace {
        Workspace::None => Ok(()),
        Workspace::ReadOnly => {
            sys::mount("/ws", "/room/workspace", "", sys::BIND, "")?;
            sys::mount("", "/room/workspace", "", sys::BIND | sys::REMOUNT | sys::READ_ONLY | kept, "")
        }
        Workspace::Copy => {
            sys::mount("ws", "/room/workspace", "tmpfs", kept, &format!("size={}", wishes.disk))?;
            copy(Path::new("/ws"), Path::new("/room/workspace"))?;
            fs::remove_dir_all("/ws")
        }
    }
}

/// Copies a tree that the host packed, so it is no deeper than the host lets a workspace be.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            fs::create_dir(&target)?;
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
            let found = entry.metadata()?;
            std::os::unix::fs::lchown(&target, Some(found.uid()), Some(found.gid()))?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            let found = entry.metadata()?;
            std::os::unix::fs::lchown(&target, Some(found.uid()), Some(found.gid()))?;
        }
    }
    let found = fs::metadata(from)?;
    std::os::unix::fs::lchown(to, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(found.mode() & 0o777))
}

/// What the host says. On a serial line it is told how much of it was read, because such a line holds little and
/// drops the rest.
pub struct Input {
    file: File,
    told: Option<Told>,
}

struct Told {
    line: File,
    nonce: Option<Nonce>,
    unsaid: u32,
}

impl Input {
    pub fn pipe(file: File) -> Self {
        Self { file, told: None }
    }

    pub fn line(file: File) -> io::Result<Self> {
        let line = file.try_clone()?;
        Ok(Self { file, told: Some(Told { line, nonce: None, unsaid: 0 }) })
    }

    pub fn is_line(&self) -> bool {
        self.told.is_some()
    }

    /// From now on the host is told.
    pub fn sign(&mut self, nonce: Nonce) {
        if let Some(told) = &mut self.told {
            told.nonce = Some(nonce);
        }
    }
}

impl AsRawFd for Input {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        if let Some(told) = &mut self.told {
            told.unsaid = told.unsaid.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            if let Some(nonce) = told.nonce.filter(|_| told.unsaid >= TOLD_AFTER) {
                protocol::write(&mut told.line, Kind::Taken, &nonce, 0, &told.unsaid.to_le_bytes())?;
                told.unsaid = 0;
            }
        }
        Ok(count)
    }
}

/// Tells the host that from here on the line carries frames. What stood before it was noise.
pub fn greet(line: &mut File) -> io::Result<()> {
    line.write_all(protocol::GREETING)?;
    line.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_line_by_line_and_what_is_unknown_is_left_alone() {
        let wishes = Wishes::read("disk=10\nworkspace=copy\nnonsense\ncolour=red\nmemory=x\npids=7\n");
        assert_eq!(wishes, Wishes { disk: 10, memory: 0, pids: 7, workspace: Workspace::Copy });
    }

    #[test]
    fn the_host_is_told_how_much_was_read_once_there_is_a_nonce() {
        let folder = std::env::temp_dir().join(format!("aic-agent-input-{}", std::process::id()));
        fs::write(&folder, vec![7; 3000]).unwrap();
        // Reads from the file's start; what it says is appended through the same open file, after what was read.
        let file = OpenOptions::new().read(true).append(true).open(&folder).unwrap();
        let mut input = Input::line(file).unwrap();
        input.read_exact(&mut [0; 100]).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().len(), 3000);
        input.sign([9; 16]);
        input.read_exact(&mut [0; 1000]).unwrap();
        let said = fs::read(&folder).unwrap()[3000..].to_vec();
        fs::remove_file(&folder).unwrap();
        let frame = protocol::read(&mut said.as_slice()).unwrap();
        assert_eq!((frame.kind, frame.nonce, frame.payload), (Kind::Taken, [9; 16], 1100u32.to_le_bytes().to_vec()));
    }
}
