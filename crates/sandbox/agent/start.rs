//! How a program is started: what a new process does to itself before it becomes the program, and how it becomes it.
//!
//! Until then the new process borrows the agent's memory, and the agent waits (`vfork`), because a copy is dear where
//! another kernel keeps the pages: in gVisor each page that either of the two touches afterwards is a fault, and those
//! were half of what a command cost. All `unsafe` of the agent is here and in `sys`.
#![expect(unsafe_code, reason = "the standard library starts programs by copies of this process only")]

use crate::protocol::{Setup, Start};
use crate::sys::{self, Instruction, done};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

/// Numbers of `RLIMIT_…`.
const FSIZE: c_int = 1;
const CORE: c_int = 4;
const NPROC: c_int = 6;
const NOFILE: c_int = 7;
const AS: c_int = 9;

const ENOENT: c_int = 2;
const ENOEXEC: c_int = 8;
const EACCES: c_int = 13;
const ENOTDIR: c_int = 20;

const SIGCHLD: c_int = 17;
const SIGPIPE: c_int = 13;
const CLONE_VM: c_int = 0x100;
const CLONE_VFORK: c_int = 0x4000;
const TIOCSCTTY: c_ulong = 0x540E;
const PR_SET_SECCOMP: c_int = 22;
const PR_CAPBSET_DROP: c_int = 24;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const LANDLOCK_RESTRICT: c_long = 446;

/// All that an agent with a user of its own ever has: kill, setgid, setuid, setpcap.
const CAPABILITIES: [c_ulong; 4] = [5, 6, 7, 8];
/// Where a program is looked for whose environment does not say it.
const PATH: &[u8] = b"/bin:/usr/bin";
const SHELL: &CStr = c"/bin/sh";
/// Sixteen bytes each: what the new process has for a stack.
const STACK: usize = 4096;

#[cfg(target_arch = "x86_64")]
mod numbers {
    use std::ffi::c_long;
    pub const CAPSET: c_long = 126;
    pub const SETUID: c_long = 105;
    pub const SETGID: c_long = 106;
    pub const SETGROUPS: c_long = 116;
}
#[cfg(target_arch = "aarch64")]
mod numbers {
    use std::ffi::c_long;
    pub const CAPSET: c_long = 91;
    pub const SETUID: c_long = 146;
    pub const SETGID: c_long = 144;
    pub const SETGROUPS: c_long = 159;
}

unsafe extern "C" {
    fn clone(begin: extern "C" fn(*const c_void) -> c_int, stack: *mut u128, flags: c_int, job: *const c_void)
    -> c_int;
    fn execve(program: *const c_char, argv: *const *const c_char, env: *const *const c_char) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn setsid() -> c_int;
    fn setpgid(pid: c_int, group: c_int) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn chdir(path: *const c_char) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn write(fd: c_int, bytes: *const u8, count: usize) -> isize;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
}

#[repr(C)]
struct Code {
    length: u16,
    code: *const Instruction,
}

/// What is the same for all programs of a sandbox.
pub struct Starter {
    user: Option<u32>,
    /// Resource, and the most that is had of it.
    limits: Vec<(c_int, [u64; 2])>,
    filter: Vec<Instruction>,
    landlock: Option<OwnedFd>,
    /// The group in which a virtual machine holds all programs.
    group: Option<OwnedFd>,
    /// One program is started at a time.
    stack: Vec<u128>,
}

impl Starter {
    /// Also takes from this process what no program may get through it.
    pub fn new(
        setup: &Setup,
        filter: Vec<Instruction>,
        landlock: Option<OwnedFd>,
        group: Option<OwnedFd>,
    ) -> io::Result<Self> {
        if setup.user.is_some() {
            forget(group.is_some())?;
        }
        let most = |most: u64| if most == 0 { u64::MAX } else { most };
        let wanted = [
            (AS, most(setup.memory)),
            (NPROC, most(setup.pids)),
            (NOFILE, most(setup.files)),
            (FSIZE, most(setup.file_size)),
            (CORE, 0),
        ];
        let wanted = wanted.into_iter().filter(|(resource, most)| *resource == CORE || *most != u64::MAX);
        let limits = wanted.map(|(resource, most)| {
            let mut limit = [0u64; 2];
            // SAFETY: writes the two numbers of `struct rlimit`.
            done(unsafe { getrlimit(resource, &raw mut limit) })?;
            // Not above what was set before, which only a privileged process may raise.
            Ok((resource, [limit[1].min(most); 2]))
        });
        let limits = limits.collect::<io::Result<Vec<_>>>()?;
        Ok(Self { user: setup.user, limits, filter, landlock, group, stack: vec![0; STACK] })
    }

    /// Starts a program with these descriptors as its stdin, stdout and stderr, and returns its process id.
    pub fn start(&mut self, start: &Start, stdio: [RawFd; 3]) -> io::Result<c_int> {
        let program = Program::of(start)?;
        let folder = CString::new(start.folder.as_slice())?;
        let top = self.stack.as_mut_ptr_range().end;
        let job = Job {
            starter: self,
            files: &program.files,
            words: std::iter::once(ptr::null()).chain(pointers(&program.words)).map(Cell::new).collect(),
            env: pointers(&program.env).collect(),
            folder: &folder,
            terminal: start.terminal.is_some(),
            stdio,
            error: Cell::new(0),
        };
        // SAFETY: the new process runs `become_program` on a stack of its own, which nobody else looks at, while this
        // one, which has no other thread, waits until it is the program or has ended; all the job refers to lives until
        // then.
        let pid = unsafe { clone(become_program, top, CLONE_VM | CLONE_VFORK | SIGCHLD, (&raw const job).cast()) };
        done(pid)?;
        match job.error.get() {
            0 => Ok(pid),
            error => {
                sys::bury(pid);
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }
}

/// As the kernel takes lists: with a null at their end.
fn pointers(texts: &[CString]) -> impl Iterator<Item = *const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain(std::iter::once(ptr::null()))
}

/// Takes rights from what this process may hand on: its own stay, and it starts nothing but by [`Starter::start`].
fn forget(machine: bool) -> io::Result<()> {
    // SAFETY: plain numbers.
    unsafe {
        done(syscall(numbers::SETGROUPS, 0usize, ptr::null::<u32>()))?;
        for capability in CAPABILITIES {
            done(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))?;
        }
        // The first process of a machine begins with all of them; past the last there is none to drop.
        let mut capability = 0;
        while machine && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 {
            capability += 1;
        }
    }
    Ok(())
}

/// A program's files, words and environment.
struct Program {
    /// The files that it may be, in the order in which they are tried.
    files: Vec<CString>,
    words: Vec<CString>,
    env: Vec<CString>,
}

impl Program {
    fn of(start: &Start) -> io::Result<Self> {
        let (name, arguments) = start.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let path = start.env.iter().rev().find(|(name, _)| name == b"PATH").map_or(PATH, |(_, path)| path);
        let files = if name.contains(&b'/') {
            vec![CString::new(name.as_slice())?]
        } else {
            let places = path.split(|byte| *byte == b':').filter(|_| !name.is_empty());
            let file = |place: &[u8]| {
                let place = if place.is_empty() { b"." } else { place };
                CString::new([place, b"/", name].concat())
            };
            places.map(file).collect::<Result<_, _>>()?
        };
        let words = std::iter::once(name).chain(arguments).map(|word| CString::new(word.as_slice()));
        let env = start.env.iter().map(|(name, value)| CString::new([name, b"=".as_slice(), value].concat()));
        Ok(Self { files, words: words.collect::<Result<_, _>>()?, env: env.collect::<Result<_, _>>()? })
    }
}

/// What the new process has to do; all of it made before there is one, which must not allocate.
struct Job<'a> {
    starter: &'a Starter,
    files: &'a [CString],
    /// Room for a shell, then the words.
    words: Vec<Cell<*const c_char>>,
    env: Vec<*const c_char>,
    folder: &'a CStr,
    terminal: bool,
    stdio: [RawFd; 3],
    /// Why there is no program.
    error: Cell<c_int>,
}

/// Begins in the new process; comes back only where it became no program.
extern "C" fn become_program(job: *const c_void) -> c_int {
    // SAFETY: it is the job that `Starter::start` keeps until this process is another program or has ended.
    let job = unsafe { &*job.cast::<Job<'_>>() };
    let error = match job.descend() {
        Ok(()) => job.exec(),
        Err(error) => error.raw_os_error().unwrap_or(EACCES),
    };
    job.error.set(error);
    1
}

impl Job<'_> {
    fn descend(&self) -> io::Result<()> {
        let Starter { user, limits, filter, landlock, group, .. } = self.starter;
        // SAFETY: plain numbers and pointers to values that live in the job or on this stack.
        unsafe {
            // The standard library ignores it, and so would the program.
            signal(SIGPIPE, 0);
            sys::hold_no_signals();
            for (number, fd) in (0..).zip(self.stdio) {
                done(dup2(fd, number))?;
            }
            if self.terminal {
                done(setsid())?;
                done(ioctl(0, TIOCSCTTY, 0 as c_ulong))?;
            } else {
                done(setpgid(0, 0))?;
            }
            if let Some(group) = group
                && write(group.as_raw_fd(), b"0".as_ptr(), 1) != 1
            {
                return Err(io::Error::last_os_error());
            }
            for (resource, limit) in limits {
                done(setrlimit(*resource, limit))?;
            }
            // By number: the C library would do it to all threads, and knows of none here.
            if let Some(user) = user {
                done(syscall(numbers::SETGID, *user as c_ulong))?;
                done(syscall(numbers::SETUID, *user as c_ulong))?;
            }
            let (version, none) = ([0x2008_0522u32, 0], [0u32; 6]);
            done(syscall(numbers::CAPSET, version.as_ptr(), none.as_ptr()))?;
            done(chdir(self.folder.as_ptr()))?;
            done(prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0, 0, 0))?;
            if let Some(rules) = landlock {
                done(syscall(LANDLOCK_RESTRICT, rules.as_raw_fd(), 0 as c_ulong))?;
            }
            if !filter.is_empty() {
                let program = Code { length: filter.len() as u16, code: filter.as_ptr() };
                done(prctl(PR_SET_SECCOMP, 2 as c_ulong, &raw const program, 0, 0))?;
            }
        }
        Ok(())
    }

    /// Tries the files as shells look for programs: past one that may not be run, another may be found. Returns why
    /// there is none.
    fn exec(&self) -> c_int {
        let mut why = ENOENT;
        for file in self.files {
            match self.exec_file(file) {
                ENOENT | ENOTDIR => {}
                EACCES => why = EACCES,
                other => return other,
            }
        }
        why
    }

    fn exec_file(&self, file: &CStr) -> c_int {
        let words = |from: usize| self.words.get(from..).unwrap_or_default().as_ptr().cast();
        let error = || io::Error::last_os_error().raw_os_error().unwrap_or(EACCES);
        // SAFETY: lists of strings that live in the job and end with a null.
        unsafe { execve(file.as_ptr(), words(1), self.env.as_ptr()) };
        if error() != ENOEXEC {
            return error();
        }
        // A script that does not say who reads it, as the C library takes it.
        if let [shell, name, ..] = self.words.as_slice() {
            shell.set(SHELL.as_ptr());
            name.set(file.as_ptr());
        }
        // SAFETY: as above.
        unsafe { execve(SHELL.as_ptr(), words(0), self.env.as_ptr()) };
        error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    fn start(argv: &[&str], path: &str) -> Start {
        Start {
            argv: argv.iter().map(|word| word.as_bytes().to_vec()).collect(),
            env: vec![(b"PATH".to_vec(), path.as_bytes().to_vec()), (b"WORD".to_vec(), b"a=b".to_vec())],
            folder: b"/".to_vec(),
            output: 1000,
            terminal: None,
        }
    }

    /// What it printed, or why it did not start.
    fn run(start: &Start) -> io::Result<String> {
        let mut starter = Starter::new(&Setup::default(), Vec::new(), None, None)?;
        let (mut out, into) = io::pipe()?;
        let nothing = std::fs::File::open("/dev/null")?;
        let pid = starter.start(start, [nothing.as_raw_fd(), into.as_raw_fd(), into.as_raw_fd()])?;
        drop(into);
        let mut printed = String::new();
        out.read_to_string(&mut printed)?;
        sys::bury(pid);
        Ok(printed)
    }

    fn file(folder: &std::path::Path, name: &str, text: &str, mode: u32) {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_program_gets_its_words_its_environment_its_folder_and_nothing_else() {
        let said = run(&start(&["sh", "-c", "echo $0 $1 $WORD $PWD", "x", "y z"], "/bin")).unwrap();
        assert_eq!(said, "x y z a=b /\n");
        assert_eq!(run(&start(&["env"], "/bin:/usr/bin")).unwrap(), "PATH=/bin:/usr/bin\nWORD=a=b\n");
    }

    #[test]
    fn a_program_is_looked_for_as_shells_do_it() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(first.path(), "tool", "#!/bin/sh\necho first", 0o644);
        let path = format!("{}:{}:/no/such", first.path().display(), second.path().display());
        let error = |argv: &[&str]| run(&start(argv, &path)).unwrap_err().raw_os_error();
        assert_eq!(error(&["tool"]), Some(EACCES));
        assert_eq!(error(&["nothing"]), Some(ENOENT));
        assert_eq!(error(&[""]), Some(ENOENT));
        assert_eq!(error(&["/no/such/tool"]), Some(ENOENT));
        file(second.path(), "tool", "echo $0 $1", 0o755);
        let said = run(&start(&["tool", "one"], &path)).unwrap();
        assert_eq!(said, format!("{}/tool one\n", second.path().display()));
        assert!(run(&start(&[], &path)).is_err());
        assert!(run(&start(&["a\0b"], &path)).is_err());
    }

    #[test]
    fn one_that_did_not_start_leaves_no_child() {
        run(&start(&["nothing"], "/bin")).unwrap_err();
        assert_eq!(std::fs::read_to_string("/proc/thread-self/children").unwrap(), "");
    }
}
