//! Joins WASI to the engine: each function under its name, with the guest's memory and its state at hand.

use super::wasi::{Errno, Mem, Wasi};
use std::fmt;
use wasmtime::{Caller, Extern, Linker, Result};

const NAME: &str = "wasi_snapshot_preview1";

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
