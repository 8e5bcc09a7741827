//! The few calls of the C library that the agent needs and the standard library does not have. All `unsafe` of the
//! agent is here and in `start`.
#![expect(unsafe_code, reason = "this file is the agent's door to the C library")]

use std::ffi::{CString, c_char, c_int, c_long, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

pub const SIGKILL: c_int = 9;
const SIGCHLD: c_int = 17;
const SIG_SETMASK: c_int = 2;
const WNOHANG: c_int = 1;
const F_SETFL: c_int = 4;
const O_NONBLOCK: c_int = 0o4000;
pub const O_NOCTTY: c_int = 0o400;
const F_DUPFD_CLOEXEC: c_int = 1030;
const PR_SET_DUMPABLE: c_int = 4;
const TIOCSWINSZ: c_ulong = 0x5414;
const TIOCGPTN: c_ulong = 0x8004_5430;
const TIOCSPTLCK: c_ulong = 0x4004_5431;
const TCGETS: c_ulong = 0x5401;
const TCSETS: c_ulong = 0x5402;
/// Of a terminal's local flags: keys make signals.
const ISIG: u32 = 1;
/// `CS8 | CREAD | CLOCAL | B115200`.
const PLAIN_LINE: u32 = 0o60 | 0o200 | 0o4000 | 0o10002;
const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCSIFFLAGS: c_ulong = 0x8914;
const IFF_UP: u16 = 1;
const S_IFCHR: u32 = 0o020_000;

/// Flags of [`mount`].
pub const READ_ONLY: c_ulong = 1;
pub const NOSUID: c_ulong = 2;
pub const NODEV: c_ulong = 4;
pub const NOEXEC: c_ulong = 8;
pub const REMOUNT: c_ulong = 32;
pub const BIND: c_ulong = 4096;
const MOVE: c_ulong = 8192;

/// What to wait for at a descriptor.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: RawFd,
    pub events: i16,
    pub revents: i16,
}

pub const POLLIN: i16 = 1;
pub const POLLOUT: i16 = 4;

/// One instruction of a system-call filter.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

unsafe extern "C" {
    fn ppoll(fds: *mut PollFd, count: c_ulong, timeout: *const [i64; 2], signals: *const Signals) -> c_int;
    fn sigprocmask(how: c_int, new: *const Signals, old: *mut Signals) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn write(fd: c_int, bytes: *const u8, count: usize) -> isize;
    fn umask(mask: u32) -> u32;
    fn syscall(number: c_long, ...) -> c_long;
    #[link_name = "mount"]
    fn c_mount(from: *const c_char, to: *const c_char, kind: *const c_char, flags: c_ulong, data: *const u8) -> c_int;
    fn chroot(path: *const c_char) -> c_int;
    fn mknod(path: *const c_char, mode: u32, device: u64) -> c_int;
    fn sethostname(name: *const u8, length: usize) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
}

const LANDLOCK_CREATE: c_long = 444;
const LANDLOCK_ADD: c_long = 445;

/// What a call of the C library came to.
pub fn done(result: impl Into<i64>) -> io::Result<()> {
    if result.into() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Signals by their bits.
type Signals = [u64; 16];
static NO_SIGNALS: Signals = [0; 16];

/// Waits for events, for ever where `timeout_ms` is negative. An interrupting signal counts as no event. Only here is
/// this process told of children that end.
pub fn wait(fds: &mut [PollFd], timeout_ms: i32) -> io::Result<()> {
    let timeout = [i64::from(timeout_ms / 1000), i64::from(timeout_ms % 1000) * 1_000_000];
    let timeout = if timeout_ms < 0 { std::ptr::null() } else { &raw const timeout };
    // SAFETY: pointer and length belong to one live slice of the C struct's layout; the rest lives too.
    let result = unsafe { ppoll(fds.as_mut_ptr(), fds.len() as c_ulong, timeout, &raw const NO_SIGNALS) };
    match done(result) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            fds.iter_mut().for_each(|fd| fd.revents = 0);
            Ok(())
        }
        result => result,
    }
}

static ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_child(_signal: c_int) {
    ENDED.store(true, Ordering::Relaxed);
}

/// From now on [`wait`] ends when a child does, and [`has_child_ended`] tells it. At all other times the signal is held
/// back: gVisor of 2022 loses one that comes while this process waits for a new program to begin, and all after it.
pub fn notice_children() {
    let mut held: Signals = [0; 16];
    held[0] = 1 << (SIGCHLD - 1);
    // SAFETY: the handler only does what handlers may do; the set lives.
    unsafe {
        sigprocmask(SIG_SETMASK, &raw const held, std::ptr::null_mut());
        signal(SIGCHLD, on_child as *const () as usize);
    }
}

/// Takes back for a program what [`notice_children`] did to its parent. Allocates nothing.
pub fn hold_no_signals() {
    // SAFETY: the set lives.
    unsafe { sigprocmask(SIG_SETMASK, &raw const NO_SIGNALS, std::ptr::null_mut()) };
}

/// Whether a child has ended since this was last asked.
pub fn has_child_ended() -> bool {
    ENDED.swap(false, Ordering::Relaxed)
}

/// Reads and writes that would wait return at once.
pub fn nonblocking(fd: &impl AsRawFd) {
    // SAFETY: changes a flag of a descriptor that the caller owns.
    unsafe { fcntl(fd.as_raw_fd(), F_SETFL, O_NONBLOCK) };
}

/// The same open file under a number of its own.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the result, where there is one, is a new descriptor that nobody else owns.
    unsafe {
        let copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        done(copy)?;
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

/// Sends a signal; whether there was anybody to get it.
pub fn send(pid: c_int, number: c_int) -> bool {
    // SAFETY: plain numbers.
    unsafe { kill(pid, number) == 0 }
}

/// A child that ended and its status; none where none ended, and an error where there is none at all.
pub fn reap() -> io::Result<Option<(c_int, c_int)>> {
    let mut status = 0;
    // SAFETY: the status is a live integer.
    let pid = unsafe { waitpid(-1, &raw mut status, WNOHANG) };
    done(pid)?;
    Ok((pid > 0).then_some((pid, status)))
}

/// Waits for a child that is at its end.
pub fn bury(pid: c_int) {
    // SAFETY: nobody wants the status.
    unsafe { waitpid(pid, std::ptr::null_mut(), 0) };
}

/// Nobody else may look into this process, and files it makes are not open to the world's writing.
pub fn hide() {
    // SAFETY: plain numbers.
    unsafe {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        umask(0o022);
    }
}

/// A new terminal: its master, and its other end.
pub fn terminal(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let open = |path: &str| {
        // Not as the agent's own terminal: it is the program's.
        std::fs::OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY).open(path).map(OwnedFd::from)
    };
    let master = open("/dev/ptmx").or_else(|_| open("/dev/pts/ptmx"))?;
    let (mut number, unlock): (c_int, c_int) = (0, 0);
    // SAFETY: the requests read and write one integer each.
    unsafe {
        done(ioctl(master.as_raw_fd(), TIOCSPTLCK, &raw const unlock))?;
        done(ioctl(master.as_raw_fd(), TIOCGPTN, &raw mut number))?;
    }
    resize(&master, rows, columns);
    Ok((master, open(&format!("/dev/pts/{number}"))?))
}

/// `struct termios` of the kernel's.
#[repr(C)]
struct Line {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    discipline: u8,
    characters: [u8; 19],
}

/// The keys that are signals on this terminal, each with its signal: interrupt, quit and suspend. None where the
/// program has switched them off.
pub fn signal_keys(master: &impl AsRawFd) -> Option<Vec<(u8, c_int)>> {
    let mut line = Line { input: 0, output: 0, control: 0, local: 0, discipline: 0, characters: [0; 19] };
    // SAFETY: the request writes one `struct termios` of the kernel's.
    done(unsafe { ioctl(master.as_raw_fd(), TCGETS, &raw mut line) }).ok()?;
    let keys = [(0, 2), (1, 3), (10, 20)].map(|(at, signal)| (line.characters[at], signal));
    // Zero is no key.
    (line.local & ISIG != 0).then(|| keys.into_iter().filter(|(key, _)| *key != 0).collect())
}

/// The process groups of a session that somebody lives in, by what `/proc` says: a shell fetches a job that ended in the
/// background only when it comes to its next line.
pub fn groups_of_session(leader: c_int) -> Vec<c_int> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        std::fs::read_to_string(entry.path().join("stat")).ok()
    });
    let mut groups: Vec<c_int> = lines
        .filter_map(|line| {
            let mut fields = line.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?;
            let mut fields = fields.skip(1);
            let (group, session) = (fields.next()?.parse().ok()?, fields.next()?.parse::<c_int>().ok()?);
            (session == leader && state != "Z").then_some(group)
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

pub fn resize(master: &impl AsRawFd, rows: u16, columns: u16) {
    let size = [rows, columns, 0, 0];
    // SAFETY: the request reads the four numbers of `struct winsize`.
    unsafe { ioctl(master.as_raw_fd(), TIOCSWINSZ, &raw const size) };
}

/// A set of rules of Landlock and the version of it that the kernel has. Programs may read and start everything, and
/// write below `writable` only, and below `devices` into what is there; they get no TCP but to this port, and no signals or abstract sockets to the outside.
pub fn landlock(writable: &[&str], devices: &str, port: Option<u16>) -> io::Result<(OwnedFd, u8)> {
    const READ: u64 = 0b1101;
    /// Writing, cutting off, and asking a device.
    const USE: u64 = READ | 1 << 1 | 1 << 14 | 1 << 15;
    const VERSION: c_ulong = 1;
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        folder: c_int,
    }
    // SAFETY: asks for a number.
    let abi = unsafe { syscall(LANDLOCK_CREATE, std::ptr::null::<u8>(), 0usize, VERSION) };
    done(abi)?;
    let (all, size): (u64, usize) = match abi {
        1 => (0x1fff, 8),
        2 => (0x3fff, 8),
        3 => (0x7fff, 8),
        4 => (0x7fff, 16),
        5 => (0xffff, 16),
        _ => (0xffff, 24),
    };
    let attributes = [all, 0b11, 0b11];
    // SAFETY: `size` bytes of the attributes are valid; the result is a new descriptor.
    let rules = unsafe {
        let fd = syscall(LANDLOCK_CREATE, attributes.as_ptr(), size, 0 as c_ulong);
        done(fd)?;
        OwnedFd::from_raw_fd(fd as RawFd)
    };
    let folders = [("/", READ), (devices, USE & all)].into_iter().chain(writable.iter().map(|path| (*path, all)));
    for (path, allowed) in folders {
        let Ok(folder) = std::fs::File::open(path) else { continue };
        let rule = Beneath { allowed, folder: folder.as_raw_fd() };
        // SAFETY: the rule has the layout the kernel reads, and lives.
        done(unsafe { syscall(LANDLOCK_ADD, rules.as_raw_fd(), 1 as c_int, &raw const rule, 0 as c_ulong) })?;
    }
    if let Some(port) = port.filter(|_| abi >= 4) {
        const CONNECT: u64 = 0b10;
        let rule = [CONNECT, u64::from(port)];
        // SAFETY: the rule has the layout the kernel reads, and lives.
        done(unsafe { syscall(LANDLOCK_ADD, rules.as_raw_fd(), 2 as c_int, rule.as_ptr(), 0 as c_ulong) })?;
    }
    Ok((rules, u8::try_from(abi).unwrap_or(u8::MAX)))
}

/// The process's own stdin and stdout, under other numbers than the ones that programs inherit.
pub fn take_stdio() -> io::Result<(std::fs::File, std::fs::File)> {
    // SAFETY: 0 and 1 are open for as long as the agent runs; only copies of them are made.
    let (input, output) = unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1)) };
    Ok((duplicate(input.as_raw_fd())?.into(), duplicate(output.as_raw_fd())?.into()))
}

fn text(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Mounts; `data` are the file system's own options.
pub fn mount(from: &str, to: &str, kind: &str, flags: c_ulong, data: &str) -> io::Result<()> {
    let (source, target, system, options) = (text(from)?, text(to)?, text(kind)?, text(data)?);
    // SAFETY: four strings that end with a zero and outlive the call.
    let result = unsafe { c_mount(source.as_ptr(), target.as_ptr(), system.as_ptr(), flags, options.as_ptr().cast()) };
    done(result).map_err(|error| io::Error::new(error.kind(), format!("mounting {to}: {error}")))
}

/// Makes this mount the root of all that is seen from here on.
pub fn enter_room(room: &str) -> io::Result<()> {
    std::env::set_current_dir(room)?;
    mount(".", "/", "", MOVE, "")?;
    // SAFETY: a constant string.
    done(unsafe { chroot(c".".as_ptr()) })?;
    std::env::set_current_dir("/")
}

/// A character device that everybody may use.
pub fn make_device(path: &std::path::Path, major: u32, minor: u32) -> io::Result<()> {
    let name = text(&path.to_string_lossy())?;
    // SAFETY: a string that ends with a zero and outlives the call; the mask must not narrow the mode.
    unsafe {
        let mask = umask(0);
        let result = mknod(name.as_ptr(), S_IFCHR | 0o666, u64::from(major << 8 | minor));
        umask(mask);
        done(result)
    }
}

/// What the machine calls itself. That it cannot is no reason to end.
pub fn host_name(name: &str) {
    // SAFETY: pointer and length belong to one live string.
    unsafe { sethostname(name.as_ptr(), name.len()) };
}

/// Switches the loopback on; without it programs only miss it.
pub fn loopback() {
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }
    let mut request = Request { name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0", flags: 0, rest: [0; 22] };
    // SAFETY: the requests read and write one `struct ifreq`, 40 bytes; the socket is owned from here on.
    unsafe {
        let socket = socket(2, 2, 0);
        if socket < 0 {
            return;
        }
        let socket = OwnedFd::from_raw_fd(socket);
        if ioctl(socket.as_raw_fd(), SIOCGIFFLAGS, &raw mut request) == 0 {
            request.flags |= IFF_UP;
            ioctl(socket.as_raw_fd(), SIOCSIFFLAGS, &raw const request);
        }
    }
}

/// A serial line that changes no byte and echoes none.
pub fn raw_line(line: &impl AsRawFd) -> io::Result<()> {
    let mut characters = [0; 19];
    // VMIN: a read waits for one byte at least.
    characters[6] = 1;
    let plain = Line { input: 0, output: 0, control: PLAIN_LINE, local: 0, discipline: 0, characters };
    // SAFETY: the request reads one `struct termios` of the kernel's.
    done(unsafe { ioctl(line.as_raw_fd(), TCSETS, &raw const plain) })
}
