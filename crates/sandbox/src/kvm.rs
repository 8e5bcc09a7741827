//! Whether `/dev/kvm` can run a virtual machine, found out by running one: machines exist where it is there, answers,
//! and then never comes back. So a child process tries, and is killed when its time is over.
//!
//! The machine is as small as one can be: a page table, one processor in 64-bit mode, and a loop that ends in a halt.

use crate::process::WorkerCommand;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The word that makes a worker try KVM.
pub(crate) const TRY: &str = "kvm";
/// How long the machine may take, from its start.
const WITHIN: Duration = Duration::from_millis(250);
/// How long the child may take to begin: it is a process like others.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);

/// What `/dev/kvm` is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kvm {
    /// It ran a machine at the processor's own speed.
    Usable,
    /// It ran a machine, but far slower than the processor is: somebody emulates it.
    Emulated,
    /// It refused, or the machine did not do what it should.
    Broken,
    /// This user may not open it.
    NoPermission,
    /// There is none.
    Absent,
    /// The machine was still running when its time was over.
    Stuck,
}

impl Kvm {
    const ALL: [Self; 6] = [Self::Usable, Self::Emulated, Self::Broken, Self::NoPermission, Self::Absent, Self::Stuck];

    const fn word(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Emulated => "emulated",
            Self::Broken => "broken",
            Self::NoPermission => "not permitted",
            Self::Absent => "absent",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for Kvm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usable => "is usable",
            Self::Emulated => "is itself emulated: it answers, but far slower than this processor is",
            Self::Broken => "is broken: it does not run a machine",
            Self::NoPermission => "may not be opened by this user (join the group `kvm`)",
            Self::Absent => "is absent",
            Self::Stuck => "is stuck: a machine on it does not come back",
        })
    }
}

/// Tries it, in a child of this program's. Takes a quarter of a second at most from when the child is there.
pub fn try_kvm(command: &WorkerCommand) -> Kvm {
    if !std::path::Path::new("/dev/kvm").exists() {
        return Kvm::Absent;
    }
    let mut start = Command::new(&command.program);
    start.args(&command.args).args([TRY, "-"]).env_clear().current_dir("/");
    start.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = start.spawn() else { return Kvm::Broken };
    let Some(output) = child.stdout.take() else { return Kvm::Broken };
    let (said, heard) = std::sync::mpsc::channel();
    // It ends with the pipe: at the latest when the child is killed.
    let reader = std::thread::Builder::new().name("kvm".into()).spawn(move || read_lines(output, &said));
    let verdict = match (reader, heard.recv_timeout(BEGINS_WITHIN)) {
        (Ok(_), Ok(first)) if first == "begin" => match heard.recv_timeout(WITHIN) {
            Ok(word) => Kvm::ALL.into_iter().find(|kvm| kvm.word() == word).unwrap_or(Kvm::Broken),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Kvm::Stuck,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Kvm::Broken,
        },
        _ => Kvm::Broken,
    };
    drop(child.kill());
    // One that hangs in the kernel cannot be reaped, and is not waited for.
    let killed = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && killed.elapsed() < Duration::from_millis(200) {
        std::thread::sleep(Duration::from_millis(1));
    }
    verdict
}

fn read_lines(output: impl Read, to: &std::sync::mpsc::Sender<String>) {
    let lines = std::io::BufRead::lines(std::io::BufReader::new(output.take(1000)));
    for line in lines.map_while(Result::ok) {
        if to.send(line).is_err() {
            return;
        }
    }
}

/// What the child does.
#[expect(clippy::print_stdout, reason = "stdout is how it answers its parent")]
pub(crate) fn kvm_main() -> ExitCode {
    println!("begin");
    println!("{}", machine::run().word());
    ExitCode::SUCCESS
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod machine {
    //! The machine. All `unsafe` of the probe is here; it runs in a child that has nothing else to lose.
    #![expect(unsafe_code, reason = "the kernel's interface to virtual machines is ioctl and shared memory")]

    use super::Kvm;
    use rustix::io::Errno;
    use rustix::ioctl::{self, Ioctl, IoctlOutput, NoArg, Opcode};
    use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};
    use std::ffi::c_void;
    use std::fs::{File, OpenOptions};
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::time::{Duration, Instant};

    /// Rounds of the loop.
    const ROUNDS: u64 = 2_000_000;
    /// Two mebibytes: what one entry of the page table maps.
    const SIZE: usize = 2 << 20;
    /// How much slower than here a loop may run there. Hardware runs it as fast; a busy machine makes either slow.
    const SLOWER: u32 = 20;
    /// What is never called slow.
    const QUICK: Duration = Duration::from_millis(50);

    const GET_API_VERSION: Opcode = 0xAE00;
    const CREATE_VM: Opcode = 0xAE01;
    const GET_VCPU_MMAP_SIZE: Opcode = 0xAE04;
    const CREATE_VCPU: Opcode = 0xAE41;
    const SET_USER_MEMORY_REGION: Opcode = 0x4020_AE46;
    const RUN: Opcode = 0xAE80;
    const SET_REGS: Opcode = 0x4090_AE82;
    const GET_SREGS: Opcode = 0x8138_AE83;
    const SET_SREGS: Opcode = 0x4138_AE84;
    const EXIT_HLT: u32 = 5;

    #[repr(C)]
    struct Region {
        slot: u32,
        flags: u32,
        guest: u64,
        size: u64,
        here: u64,
    }

    /// The general registers: of eighteen only these matter.
    #[repr(C)]
    #[derive(Default)]
    struct Registers {
        others: [u64; 6],
        stack: u64,
        more: [u64; 9],
        at: u64,
        flags: u64,
    }

    #[repr(C)]
    #[derive(Default, Clone, Copy)]
    struct Segment {
        base: u64,
        limit: u32,
        selector: u16,
        kind: u8,
        /// present, privilege, default size, code or data, long, granularity, available, unusable, padding
        flags: [u8; 9],
    }

    #[repr(C)]
    struct System {
        code: Segment,
        data: [Segment; 5],
        task: [Segment; 2],
        tables: [u64; 4],
        control: [u64; 5],
        efer: u64,
        apic: u64,
        interrupts: [u64; 4],
    }

    /// A request that answers with a number.
    struct Ask(Opcode, usize);

    // SAFETY: the requests made with it take a plain number, or none, and write no memory of this process.
    unsafe impl Ioctl for Ask {
        type Output = i32;
        const IS_MUTATING: bool = false;

        fn opcode(&self) -> Opcode {
            self.0
        }

        fn as_ptr(&mut self) -> *mut c_void {
            self.1 as *mut c_void
        }

        unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
            Ok(out)
        }
    }

    fn ask(fd: impl AsFd, opcode: Opcode, argument: usize) -> Result<i32, Errno> {
        // SAFETY: see `Ask`; the callers pass the opcodes above and numbers.
        unsafe { ioctl::ioctl(fd, Ask(opcode, argument)) }
    }

    fn descriptor(fd: impl AsFd, opcode: Opcode) -> Result<OwnedFd, Errno> {
        // SAFETY: these requests answer with a new descriptor that nobody else owns.
        ask(fd, opcode, 0).map(|raw| unsafe { OwnedFd::from_raw_fd(raw) })
    }

    pub(super) fn run() -> Kvm {
        let kvm = match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
            Ok(kvm) => kvm,
            Err(error) => {
                return match error.kind() {
                    std::io::ErrorKind::PermissionDenied => Kvm::NoPermission,
                    std::io::ErrorKind::NotFound => Kvm::Absent,
                    _ => Kvm::Broken,
                };
            }
        };
        let began = Instant::now();
        let mut left = ROUNDS;
        while std::hint::black_box(left) > 0 {
            left -= 1;
        }
        let here = began.elapsed();
        match there(&kvm) {
            Ok(Some(there)) if there > (here * SLOWER).max(QUICK) => Kvm::Emulated,
            Ok(Some(_)) => Kvm::Usable,
            Ok(None) => Kvm::Broken,
            Err(Errno::ACCESS | Errno::PERM) => Kvm::NoPermission,
            Err(_) => Kvm::Broken,
        }
    }

    /// How long the loop takes in a machine; nothing where it ends otherwise than it should.
    fn there(kvm: &File) -> Result<Option<Duration>, Errno> {
        if ask(kvm, GET_API_VERSION, 0)? != 12 {
            return Ok(None);
        }
        let vm = descriptor(kvm, CREATE_VM)?;
        let read_write = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice. It lives as long as this process.
        let memory = unsafe { mmap_anonymous(std::ptr::null_mut(), SIZE, read_write, MapFlags::SHARED)? }.cast::<u8>();
        // mov rcx, ROUNDS; dec rcx; jnz back; hlt
        let mut code = vec![0x48, 0xb9];
        code.extend_from_slice(&ROUNDS.to_le_bytes());
        code.extend_from_slice(&[0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4]);
        let tables = [(0x2000, 0x3000 | 7), (0x3000, 0x4000 | 7), (0x4000, 0x83 | 4u64)];
        // SAFETY: all of it lies inside the mapping, which nobody else uses yet.
        unsafe {
            memory.add(0x1000).copy_from_nonoverlapping(code.as_ptr(), code.len());
            for (place, entry) in tables {
                memory.add(place).cast::<u64>().write(entry);
            }
        }
        let region = Region { slot: 0, flags: 0, guest: 0, size: SIZE as u64, here: memory as u64 };
        // SAFETY: the request reads one `kvm_userspace_memory_region`, and the memory it names is mapped for good.
        unsafe { ioctl::ioctl(&vm, ioctl::Setter::<SET_USER_MEMORY_REGION, Region>::new(region))? };
        let processor = descriptor(&vm, CREATE_VCPU)?;
        let shared = usize::try_from(ask(kvm, GET_VCPU_MMAP_SIZE, 0)?).unwrap_or_default();
        if shared < 4096 {
            return Ok(None);
        }
        // SAFETY: a new mapping of what the processor shares; its size is the kernel's answer.
        let state =
            unsafe { mmap(std::ptr::null_mut(), shared, read_write, MapFlags::SHARED, &processor, 0)? }.cast::<u32>();
        // SAFETY: the request fills one `kvm_sregs`, of which zeros are a valid value.
        let mut system = unsafe { ioctl::ioctl(&processor, ioctl::Getter::<GET_SREGS, System>::new())? };
        let flat = Segment { base: 0, limit: u32::MAX, selector: 8, kind: 11, flags: [1, 0, 0, 1, 1, 1, 0, 0, 0] };
        system.code = flat;
        let data = Segment { selector: 16, kind: 3, flags: [1, 0, 1, 1, 0, 1, 0, 0, 0], ..flat };
        system.data = [data; 5];
        // cr0, cr2, cr3, cr4: protection and paging, the table, 64-bit entries.
        let [cr0, _, cr3, cr4, _] = &mut system.control;
        (*cr0, *cr3, *cr4) = (0x8005_0033, 0x2000, 0x20);
        system.efer = 0x500;
        let registers = Registers { stack: 0x10_0000, at: 0x1000, flags: 2, ..Registers::default() };
        // SAFETY: the requests read one `kvm_sregs` and one `kvm_regs`.
        unsafe {
            ioctl::ioctl(&processor, ioctl::Setter::<SET_SREGS, System>::new(system))?;
            ioctl::ioctl(&processor, ioctl::Setter::<SET_REGS, Registers>::new(registers))?;
        }
        let began = Instant::now();
        // SAFETY: runs the machine, which reaches only its own memory.
        unsafe { ioctl::ioctl(&processor, NoArg::<RUN>::new())? };
        let took = began.elapsed();
        // SAFETY: the reason is the third number of the shared page, which the kernel has written.
        let reason = unsafe { state.add(2).read_volatile() };
        Ok((reason == EXIT_HLT).then_some(took))
    }

    const _: () = assert!(size_of::<System>() == 312 && size_of::<Registers>() == 144 && size_of::<Segment>() == 24);
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod machine {
    pub(super) fn run() -> super::Kvm {
        super::Kvm::Absent
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn child(script: &str) -> WorkerCommand {
        WorkerCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
    }

    #[test]
    fn a_child_that_does_not_come_back_is_stuck_and_is_killed() {
        if !std::path::Path::new("/dev/kvm").exists() {
            assert_eq!(try_kvm(&child("echo begin; exec sleep 1000")), Kvm::Absent);
            return;
        }
        assert_eq!(try_kvm(&child("echo begin; exec sleep 1000")), Kvm::Stuck);
        // In one write, so that a busy machine puts no time between the two words.
        assert_eq!(try_kvm(&child("printf 'begin\\nusable\\n'; exec sleep 1000")), Kvm::Usable);
        assert_eq!(try_kvm(&child("printf 'begin\\nnonsense\\n'")), Kvm::Broken);
        assert_eq!(try_kvm(&child("exit 1")), Kvm::Broken);
    }

    #[test]
    fn every_verdict_reads_back_from_its_word() {
        let words: std::collections::BTreeSet<_> = Kvm::ALL.into_iter().map(Kvm::word).collect();
        assert_eq!(words.len(), Kvm::ALL.len());
    }
}
