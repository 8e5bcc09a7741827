//! The `microvm` runtime: QEMU's machine of that name with a kernel of its own, on the host's processor where the probe
//! found that KVM works, and otherwise on one that QEMU emulates, which is slow and always said.
//!
//! The machine has memory, a clock and two serial lines: one for its kernel's words, one for the agent. No disk, no
//! network and no folder of the host's: root file system and workspace are packed into one archive that its kernel
//! unpacks into memory. So a workspace is seen as it was at the start, or is a copy; to write into a folder of the
//! host's needs another runtime. QEMU itself runs as nobody where it may choose, behind its own system-call filter.

use super::NOBODY;
use super::cgroup;
use super::cpio::{Cpio, Owner};
use super::image::GuestImage;
use super::keeper::Launch;
use super::protocol::Setup;
use super::session::CONSOLE;
use super::wall::{self, Built, Entry, Room, Wall};
use crate::kvm::Kvm;
use crate::runtime::{Access, Capabilities, Kept, Limit, Rootfs, RuntimeKind};
use aic_base::Limits;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that root file system and workspace may be together, in bytes: they lie in memory, for a while twice.
const MOST: u64 = 512 << 20;
/// Memory of the machine's kernel and agent, in bytes.
const KERNEL: u64 = 96 << 20;
/// What QEMU takes itself, in bytes: its translated code (32 MiB) and buffers.
const QEMU: u64 = 160 << 20;
/// QEMU's threads.
const TASKS: u64 = 64;
/// Kernel words: speak of the worst only, end at a panic, start the agent, tell it that there is a serial line. Without
/// the rewriting of locks for one processor, which an emulated one does slowly, a start takes a tenth less.
const KERNEL_WORDS: &str = "console=ttyS0 quiet loglevel=2 panic=-1 reboot=t rootfstype=ramfs 8250.nr_uarts=2 \
     no_timer_check noreplace-smp random.trust_cpu=on cryptomgr.notests rdinit=/.agent -- serial";

/// QEMU and what it starts.
#[derive(Debug, Clone)]
pub(crate) struct Microvm {
    pub(crate) qemu: PathBuf,
    pub(crate) image: Arc<GuestImage>,
    pub(crate) kvm: Kvm,
}

impl Microvm {
    /// QEMU and a guest image, where both are found.
    ///
    /// # Errors
    /// Says which is missing and what to run.
    pub(crate) fn find(kvm: Kvm) -> Result<Self, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("this version drives microVMs on x86-64 only".into());
        }
        let qemu = wall::find_program("qemu-system-x86_64").ok_or("qemu-system-x86_64 is not installed")?;
        Ok(Self { qemu, image: Arc::new(GuestImage::find()?), kvm })
    }

    /// Who the programs are.
    fn user(room: &Room<'_>) -> u32 {
        match room.workspace.access {
            Access::ReadOnly => room.owner.unwrap_or(NOBODY),
            Access::None | Access::Copy | Access::ReadWrite => NOBODY,
        }
    }

    /// Everything that the machine has. How large it is, in bytes.
    fn pack(&self, room: &Room<'_>, archive: &Path) -> io::Result<u64> {
        let skeleton = room.folder.join("bundle").join("room");
        let entries = match room.rootfs {
            Rootfs::Host => Vec::new(),
            other => wall::entries(other)?,
        };
        wall::skeleton(&skeleton, &entries, room.agent, Self::user(room))?;
        // The machine's agent lies outside of the room.
        fs::remove_file(skeleton.join(".agent"))?;
        let mut cpio = Cpio::new(BufWriter::new(File::create(archive)?), MOST);
        cpio.folder("dev")?;
        cpio.device("dev/console", (5, 1))?;
        cpio.device("dev/null", (1, 3))?;
        cpio.file(".agent", 0o755, &fs::read(room.agent)?)?;
        let limits = room.limits;
        let workspace = match room.workspace.access {
            Access::None => "none",
            Access::ReadOnly => "ro",
            Access::Copy => "copy",
            Access::ReadWrite => return Err(io::Error::other(NO_SHARING)),
        };
        let (disk, memory, pids) = (limits.disk, limits.memory, limits.pids);
        let wishes = format!("disk={disk}\nmemory={memory}\npids={pids}\nworkspace={workspace}\n");
        cpio.file(".room", 0o600, wishes.as_bytes())?;
        cpio.tree(&skeleton, "room", Owner::User(0))?;
        if room.workspace.access == Access::Copy {
            cpio.folder("room/.packer")?;
            cpio.file(&format!("room{PACKER}"), 0o755, &self.image.busybox()?)?;
        }
        if *room.rootfs == Rootfs::Host {
            cpio.folder("room/bin")?;
            cpio.file("room/bin/busybox", 0o755, &self.image.busybox()?)?;
            for name in self.image.applets()?.iter().filter(|name| *name != "busybox") {
                cpio.link(&format!("room/bin/{name}"), b"busybox")?;
            }
            for name in ["room/sbin", "room/usr"] {
                let target: &[u8] = if name.ends_with("usr") { b"." } else { b"bin" };
                cpio.link(name, target)?;
            }
        }
        for entry in &entries {
            match entry {
                // The skeleton has it.
                Entry::Link(..) | Entry::Copy(..) => {}
                Entry::Bind(name, from) if from.is_dir() => {
                    cpio.tree(from, &format!("room/{name}"), Owner::User(0))?;
                }
                Entry::Bind(name, from) => cpio.file(&format!("room/{name}"), 0o755, &fs::read(from)?)?,
            }
        }
        match room.workspace.access {
            Access::ReadOnly => cpio.tree(&room.workspace.path, "ws", Owner::Same)?,
            Access::Copy => cpio.tree(&room.workspace.path, "ws", Owner::User(NOBODY))?,
            Access::None | Access::ReadWrite => {}
        }
        cpio.finish()?;
        Ok(fs::metadata(archive)?.len())
    }

    fn argv(&self, room: &Room<'_>, archive: &Path, console: &Path, packed: u64) -> Vec<OsString> {
        let limits = room.limits;
        let memory = limits.memory.saturating_add(KERNEL).saturating_add(packed.saturating_mul(2));
        let mebibytes = memory.div_ceil(1 << 20).to_string();
        let processors = wall::processors().min(limits.cpu.ceil().max(1.0) as usize).to_string();
        let fast = self.kvm == Kvm::Usable;
        let mut argv: Vec<OsString> = vec![self.qemu.clone().into()];
        let mut add = |words: &[&str]| argv.extend(words.iter().map(OsString::from));
        add(&["-M", "microvm,acpi=off,isa-serial=off,rtc=on,pit=on,pic=on,usb=off"]);
        add(if fast { &["-accel", "kvm", "-cpu", "host"] } else { &["-accel", "tcg,tb-size=32", "-cpu", "max"] });
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-m",
            &mebibytes,
            "-smp",
            &processors,
        ]);
        add(&["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
        add(&["-chardev", &format!("file,id=words,path={}", comma(console))]);
        add(&["-device", "isa-serial,chardev=words", "-chardev", "stdio,id=agent,signal=off"]);
        add(&["-device", "isa-serial,chardev=agent", "-append", KERNEL_WORDS]);
        argv.extend(["-kernel".into(), self.kernel(room).into(), "-initrd".into(), archive.into()]);
        argv
    }

    /// The kernel beside the agent, where QEMU may read it whoever it is: the user's cache is the user's alone.
    fn kernel(&self, room: &Room<'_>) -> PathBuf {
        room.agent.with_file_name(format!(".kernel-{}", self.image.key()))
    }

    /// Lays out what QEMU opens, for the user that it is.
    fn lay_out(&self, room: &Room<'_>, archive: &Path, console: &Path, user: Option<u32>) -> io::Result<()> {
        let kernel = self.kernel(room);
        let folder = kernel.parent().unwrap_or(room.folder);
        if !kernel.exists() {
            let file = tempfile::Builder::new().prefix(".kernel-").tempfile_in(folder)?;
            io::copy(&mut File::open(self.image.kernel())?, &mut file.as_file())?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
            file.persist(&kernel).map_err(|error| error.error)?;
        }
        File::create(console)?;
        for path in [archive, console] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            std::os::unix::fs::chown(path, user, user)?;
        }
        Ok(())
    }
}

/// What packs a copied workspace when the machine is stopped, whatever root file system it has.
const PACKER: &str = "/.packer/busybox";
const NO_SHARING: &str = "shares no folder with the host: use `copy`, `read_only`, or gvisor";

/// A path as a value among QEMU's options, where a comma is written twice.
fn comma(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

impl Wall for Microvm {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Microvm
    }

    fn capabilities(&self) -> Capabilities {
        super::capabilities(true)
    }

    fn shares(&self, access: Access) -> Result<(), &'static str> {
        if access == Access::ReadWrite { Err(NO_SHARING) } else { Ok(()) }
    }

    fn overhead(&self, _: &Limits) -> (u64, u64) {
        // What holds memory is the machine's own size; a control group around QEMU is the second wall.
        (KERNEL + 2 * MOST + QEMU, TASKS)
    }

    fn keeps(&self, limits: &Limits, groups: cgroup::Ability) -> Vec<Kept> {
        let mut kept = wall::keeps(limits, groups, "the agent, which a program cannot reach");
        kept.extend([
            Kept::enforced(Limit::Memory, "control group inside a machine whose memory has a fixed size"),
            Kept::enforced(Limit::Pids, "control group inside the machine"),
            Kept::enforced(Limit::Disk, "/tmp and a copied workspace have a fixed size each"),
        ]);
        if limits.cpu >= 1.0 && limits.cpu.fract() == 0.0 && !groups.cpu {
            kept.retain(|kept| kept.limit != Limit::Cpu);
            kept.push(Kept::enforced(Limit::Cpu, "the machine has so many processors"));
        }
        kept
    }

    fn copy_owner(&self) -> Option<u32> {
        None
    }

    fn build(&self, room: &Room<'_>) -> io::Result<Built> {
        self.image.check()?;
        let (archive, console) = (room.folder.join("initrd"), room.folder.join(CONSOLE));
        let _ = fs::remove_file(&console);
        let packed = self.pack(room, &archive)?;
        // Nobody, where we may choose; started so rather than become so, or the kernel would forget that QEMU must die
        // with its keeper.
        let user = rustix::process::geteuid().is_root().then_some(NOBODY);
        let group = match (self.kvm, fs::metadata("/dev/kvm")) {
            (Kvm::Usable, Ok(found)) => user.map(|_| found.gid()),
            _ => user,
        };
        self.lay_out(room, &archive, &console, user)?;
        let argv = self.argv(room, &archive, &console, packed);
        let limits = room.limits;
        let setup = Setup {
            user: Some(Self::user(room)),
            filter: false,
            landlock: false,
            memory: 0,
            pids: u64::from(limits.pids),
            files: u64::from(limits.files),
            file_size: limits.file_size,
            egress: false,
            signals: false,
        };
        let launch = Launch { argv, groups: room.groups.clone(), user, group, processors: 0, state: Vec::new() };
        Ok(Built { launch, setup, serial: true })
    }

    fn packer(&self) -> Option<[&'static str; 6]> {
        Some([PACKER, "tar", "-cf", "-", "-C", "/workspace"])
    }

    fn emulated(&self) -> bool {
        self.kvm != Kvm::Usable
    }

    fn evidence(&self) -> String {
        let how = if self.emulated() { "emulated processor (TCG)" } else { "the host's processor (KVM)" };
        format!("{how}; /dev/kvm {}; guest image {}", self.kvm, self.image.key())
    }
}
