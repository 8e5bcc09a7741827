//! WASI preview 1, as far as a guest of the user's gets it: arguments, environment, clocks, random numbers, printing, and
//! one folder. Written here rather than taken from a library, because what is not written cannot be reached.
//!
//! Time and chance are inputs: a clock starts where the host says and moves only when it is looked at or slept by, and
//! random numbers follow from a seed. So a sleep takes no time, and the same run gives the same result.

mod errno;
mod fds;
#[cfg(target_os = "linux")]
mod folder;
#[cfg(not(target_os = "linux"))]
#[path = "nothing.rs"]
mod folder;
mod mem;
mod nodes;
mod paths;

pub(super) use errno::Errno;
pub(super) use folder::Folder;
pub(super) use mem::Mem;
pub(super) use nodes::{Node, SHELF, Table};

use super::guest::SplitMix64;
use std::fmt;
use wasmtime::{Caller, Extern, Linker, Result};

const NAME: &str = "wasi_snapshot_preview1";
/// How far a look at a clock moves it, in nanoseconds: a loop that waits for a moment comes to an end.
const LOOK: u64 = 1000;

/// What one run of a guest has.
pub(super) struct Wasi {
    pub(super) args: Vec<Vec<u8>>,
    pub(super) env: Vec<Vec<u8>>,
    pub(super) random: SplitMix64,
    /// When it began, in nanoseconds since 1970, and how much has passed for the guest.
    pub(super) began: u64,
    pub(super) passed: u64,
    pub(super) table: Table,
}

/// How a guest ends itself.
#[derive(Debug)]
pub(super) struct Exit(pub(super) i32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Whatever holds the state of a run.
pub(super) trait Holds: 'static {
    fn wasi(&mut self) -> &mut Wasi;
}

/// Runs one call with the guest's memory and its state at hand; the result is an error number.
fn call<T: Holds>(caller: &mut Caller<'_, T>, act: impl FnOnce(&mut Mem<'_>, &mut Wasi) -> Result<(), Errno>) -> i32 {
    let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else {
        return i32::from(Errno::FAULT.0);
    };
    let (data, state) = memory.data_and_store_mut(caller);
    match act(&mut Mem(data), state.wasi()) {
        Ok(()) => 0,
        Err(errno) => i32::from(errno.0),
    }
}

/// Offers functions of [`Wasi`] under their names in WASI.
macro_rules! offer {
    ($linker:ident: $($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $($linker.func_wrap(NAME, stringify!($name), |mut caller: Caller<'_, T>, $($argument: $kind),*| {
            call(&mut caller, |mem, wasi| wasi.$name(mem, $($argument),*))
        })?;)*
    };
}

/// Gives a guest all of WASI preview 1. What is not possible here answers so.
pub(super) fn offer<T: Holds>(linker: &mut Linker<T>) -> Result<()> {
    offer! { linker:
        args_get(list: u32, text: u32);
        args_sizes_get(count: u32, bytes: u32);
        environ_get(list: u32, text: u32);
        environ_sizes_get(count: u32, bytes: u32);
        clock_res_get(clock: u32, at: u32);
        clock_time_get(clock: u32, precision: u64, at: u32);
        random_get(at: u32, length: u32);
        poll_oneoff(wanted: u32, events: u32, count: u32, happened: u32);
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32);
        fd_allocate(fd: u32, offset: u64, length: u64);
        fd_close(fd: u32);
        fd_datasync(fd: u32);
        fd_fdstat_get(fd: u32, at: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        fd_filestat_get(fd: u32, at: u32);
        fd_filestat_set_size(fd: u32, size: u64);
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
        fd_pread(fd: u32, pieces: u32, count: u32, offset: u64, read: u32);
        fd_prestat_get(fd: u32, at: u32);
        fd_prestat_dir_name(fd: u32, at: u32, length: u32);
        fd_pwrite(fd: u32, pieces: u32, count: u32, offset: u64, written: u32);
        fd_read(fd: u32, pieces: u32, count: u32, read: u32);
        fd_readdir(fd: u32, at: u32, length: u32, cookie: u64, used: u32);
        fd_renumber(from: u32, to: u32);
        fd_seek(fd: u32, offset: i64, whence: u32, at: u32);
        fd_sync(fd: u32);
        fd_tell(fd: u32, at: u32);
        fd_write(fd: u32, pieces: u32, count: u32, written: u32);
        path_create_directory(fd: u32, path: u32, length: u32);
        path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, at: u32);
        path_filestat_set_times(fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32);
        path_link(fd: u32, lookup: u32, path: u32, length: u32, to: u32, new: u32, new_length: u32);
        path_open(fd: u32, lookup: u32, path: u32, length: u32, open: u32, base: u64, inheriting: u64, flags: u32, at: u32);
        path_readlink(fd: u32, path: u32, length: u32, at: u32, room: u32, used: u32);
        path_remove_directory(fd: u32, path: u32, length: u32);
        path_rename(fd: u32, path: u32, length: u32, to: u32, new: u32, new_length: u32);
        path_symlink(text: u32, text_length: u32, fd: u32, path: u32, length: u32);
        path_unlink_file(fd: u32, path: u32, length: u32);
        proc_raise(signal: u32);
        sched_yield();
        sock_accept(fd: u32, flags: u32, at: u32);
        sock_recv(fd: u32, pieces: u32, count: u32, flags: u32, read: u32, out: u32);
        sock_send(fd: u32, pieces: u32, count: u32, flags: u32, sent: u32);
        sock_shutdown(fd: u32, how: u32);
    }
    linker.func_wrap(NAME, "proc_exit", |code: i32| -> Result<()> { Err(wasmtime::Error::new(Exit(code))) })?;
    Ok(())
}

type Done = Result<(), Errno>;

impl Wasi {
    fn put_list(mem: &mut Mem<'_>, all: &[Vec<u8>], mut list: u32, mut text: u32) -> Done {
        for one in all {
            mem.put_u32(list, text)?;
            mem.put(text, one)?;
            let end = text.checked_add(one.len() as u32).ok_or(Errno::FAULT)?;
            mem.put(end, &[0])?;
            list = list.checked_add(4).ok_or(Errno::FAULT)?;
            text = end.checked_add(1).ok_or(Errno::FAULT)?;
        }
        Ok(())
    }

    fn put_sizes(mem: &mut Mem<'_>, all: &[Vec<u8>], count: u32, bytes: u32) -> Done {
        let sum: usize = all.iter().map(|one| one.len() + 1).sum();
        mem.put_u32(count, u32::try_from(all.len()).map_err(|_| Errno::OVERFLOW)?)?;
        mem.put_u32(bytes, u32::try_from(sum).map_err(|_| Errno::OVERFLOW)?)
    }

    fn args_get(&mut self, mem: &mut Mem<'_>, list: u32, text: u32) -> Done {
        Self::put_list(mem, &self.args, list, text)
    }

    fn args_sizes_get(&mut self, mem: &mut Mem<'_>, count: u32, bytes: u32) -> Done {
        Self::put_sizes(mem, &self.args, count, bytes)
    }

    fn environ_get(&mut self, mem: &mut Mem<'_>, list: u32, text: u32) -> Done {
        Self::put_list(mem, &self.env, list, text)
    }

    fn environ_sizes_get(&mut self, mem: &mut Mem<'_>, count: u32, bytes: u32) -> Done {
        Self::put_sizes(mem, &self.env, count, bytes)
    }

    /// The time of a clock: 0 is the calendar's, the others count from the beginning.
    fn now(&self, clock: u32) -> Result<u64, Errno> {
        match clock {
            0 => Ok(self.began.saturating_add(self.passed)),
            1..=3 => Ok(self.passed),
            _ => Err(Errno::INVAL),
        }
    }

    fn clock_res_get(&mut self, mem: &mut Mem<'_>, clock: u32, at: u32) -> Done {
        self.now(clock)?;
        mem.put_u64(at, LOOK)
    }

    fn clock_time_get(&mut self, mem: &mut Mem<'_>, clock: u32, _precision: u64, at: u32) -> Done {
        let now = self.now(clock)?;
        self.passed = self.passed.saturating_add(LOOK);
        mem.put_u64(at, now)
    }

    fn random_get(&mut self, mem: &mut Mem<'_>, at: u32, length: u32) -> Done {
        for piece in mem.get_mut(at, length)?.chunks_mut(8) {
            let bytes = self.random.next().to_le_bytes();
            piece.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        }
        Ok(())
    }

    /// Waits for clocks and descriptors. Descriptors are always ready; without any, the clock that is due first moves on
    /// to that moment.
    fn poll_oneoff(&mut self, mem: &mut Mem<'_>, wanted: u32, events: u32, count: u32, happened: u32) -> Done {
        if count == 0 || count > 1024 {
            return Err(Errno::INVAL);
        }
        let (mut ready, mut first): (Vec<(u64, u16, u8)>, Option<(u64, u64)>) = (Vec::new(), None);
        for index in 0..count {
            let at = wanted.checked_add(index * 48).filter(|at| *at < u32::MAX - 48).ok_or(Errno::FAULT)?;
            let name = mem.u64(at)?;
            match mem.get(at + 8, 1)? {
                [0] => {
                    let (clock, timeout, flags) = (mem.u32(at + 16)?, mem.u64(at + 24)?, mem.u16(at + 40)?);
                    let now = self.now(clock)?;
                    let left = if flags & 1 == 1 { timeout.saturating_sub(now) } else { timeout };
                    if first.is_none_or(|(_, soonest)| left < soonest) {
                        first = Some((name, left));
                    }
                }
                [kind @ (1 | 2)] => {
                    let known = self.table.slot(mem.u32(at + 16)?).is_ok();
                    ready.push((name, if known { 0 } else { Errno::BADF.0 }, *kind));
                }
                _ => return Err(Errno::INVAL),
            }
        }
        if let (true, Some((name, left))) = (ready.is_empty(), first) {
            self.passed = self.passed.saturating_add(left);
            ready.push((name, 0, 0));
        }
        for (at, (name, error, kind)) in (events..).step_by(32).zip(&ready) {
            let mut event = [0; 32];
            event[..8].copy_from_slice(&name.to_le_bytes());
            event[8..10].copy_from_slice(&error.to_le_bytes());
            event[10] = *kind;
            // How many bytes there are is not known before they are asked for.
            event[16] = u8::from(*kind != 0);
            mem.put(at, &event)?;
        }
        mem.put_u32(happened, ready.len() as u32)
    }

    fn proc_raise(&mut self, _: &mut Mem<'_>, _signal: u32) -> Done {
        Err(Errno::NOSYS)
    }

    fn sched_yield(&mut self, _: &mut Mem<'_>) -> Done {
        Ok(())
    }

    fn sock_accept(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    fn sock_recv(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    fn sock_send(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    fn sock_shutdown(&mut self, _: &mut Mem<'_>, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }
}
