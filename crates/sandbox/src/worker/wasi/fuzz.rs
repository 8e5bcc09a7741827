//! For the fuzzer: any calls with any arguments on any memory, with a folder of the host's at stake.

use super::preview2::fuzz::Said;
use super::{Folder, Mem, Node, SHELF, Table, Wasi};
use crate::worker::random::SplitMix64;
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::ResourceTable;

/// Bytes of a guest's memory. Small, so that arguments hit it.
const MEMORY: usize = 4096;

/// Numbers off the front of some bytes. Most are small, as addresses and lengths are.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn word(&mut self) -> u32 {
        let all = u32::from(self.byte().unwrap_or_default());
        match self.byte().unwrap_or_default() {
            kind @ 0..=15 => all << 8 | u32::from(kind),
            255 => u32::MAX - all,
            _ => all & 15,
        }
    }

    fn long(&mut self) -> u64 {
        match self.byte().unwrap_or_default() {
            0 => u64::MAX,
            1 => 1 << 63,
            2 => u64::from(self.word()) << 32,
            _ => u64::from(self.word()),
        }
    }
}

/// Runs a script of calls in this folder. The first bytes are the guest's memory.
pub fn run(bytes: &[u8], folder: &Path) {
    let mut memory = vec![0; MEMORY];
    let (text, script) = bytes.split_at(bytes.len().min(MEMORY / 4));
    memory[..text.len()].copy_from_slice(text);
    let mut table = Table::new(Arc::from(&b"some input"[..]), 16, 1000, 10_000, 50_000);
    let open = Folder::open(folder, true).expect("the folder is there");
    table.preopen("/workspace", Node::Folder { folder: open, entries: Vec::new() });
    table.preopen(SHELF, Node::Shelf);
    table.script = Some(("tool.py".into(), Arc::from(&b"print(1)"[..])));
    let (args, env) = (vec![b"guest".to_vec(), b"word".to_vec()], vec![b"A=b".to_vec()]);
    let handles = ResourceTable::new();
    let mut wasi = Wasi { args, env, random: SplitMix64(1), began: 1 << 60, passed: 0, table, handles, listed: 0 };
    let mut script = Script(script);
    for _ in 0..200 {
        let Some(call) = script.byte() else { break };
        // Half of the calls are preview 2's.
        if call >= 128 {
            let (at, length) = (script.word() as usize, script.word() as usize % 64);
            let text =
                memory.get(at..).map(|rest| String::from_utf8_lossy(&rest[..length.min(rest.len())]).into_owned());
            let text = text.unwrap_or_default();
            wasi.any_call(
                call,
                Said { number: &mut || script.long(), text: text.split('\0').next().unwrap_or_default() },
            );
            continue;
        }
        let m = &mut Mem(&mut memory);
        let mut w = || script.word();
        let _ = match call % 36 {
            0 => wasi.args_get(m, w(), w()),
            1 => wasi.args_sizes_get(m, w(), w()),
            2 => wasi.environ_get(m, w(), w()),
            3 => wasi.clock_time_get(m, w(), 0, w()),
            4 => wasi.random_get(m, w(), w()),
            5 => wasi.poll_oneoff(m, w(), w(), w(), w()),
            6 => wasi.fd_close(m, w()),
            7 => wasi.fd_fdstat_get(m, w(), w()),
            8 => wasi.fd_fdstat_set_flags(m, w(), w()),
            9 => wasi.fd_filestat_get(m, w(), w()),
            10 => wasi.fd_filestat_set_size(m, w(), script.long()),
            11 => wasi.fd_filestat_set_times(m, w(), 1, 2, w()),
            12 => wasi.fd_pread(m, w(), w(), w(), u64::from(w()), w()),
            13 => wasi.fd_prestat_get(m, w(), w()),
            14 => wasi.fd_prestat_dir_name(m, w(), w(), w()),
            15 => wasi.fd_pwrite(m, w(), w(), w(), u64::from(w()), w()),
            16 | 17 => wasi.fd_read(m, w(), w(), w(), w()),
            18 => wasi.fd_readdir(m, w(), w(), w(), u64::from(w()), w()),
            19 => wasi.fd_renumber(m, w(), w()),
            20 => wasi.fd_seek(m, w(), i64::from(w()), w(), w()),
            21 => wasi.fd_tell(m, w(), w()),
            22 | 23 => wasi.fd_write(m, w(), w(), w(), w()),
            24 => wasi.path_create_directory(m, w(), w(), w()),
            25 => wasi.path_filestat_get(m, w(), w(), w(), w(), w()),
            26 => wasi.path_filestat_set_times(m, w(), w(), w(), w(), 1, 2, w()),
            27..=29 => {
                let (fd, lookup, path, length, open, flags, at) = (w(), w(), w(), w(), w(), w(), w());
                wasi.path_open(m, fd, lookup, path, length, open, script.long(), 0, flags, at)
            }
            30 => wasi.path_readlink(m, w(), w(), w(), w(), w(), w()),
            31 => wasi.path_remove_directory(m, w(), w(), w()),
            32 => wasi.path_rename(m, w(), w(), w(), w(), w(), w()),
            33 => wasi.path_unlink_file(m, w(), w(), w()),
            34 => wasi.fd_allocate(m, w(), 0, 1),
            _ => wasi.fd_advise(m, w(), 0, 1, w()),
        };
    }
    assert!(wasi.table.stdout.len() + wasi.table.stderr.len() <= 1000);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_calls_with_any_arguments_end_and_touch_nothing_outside_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let (secret, folder) = (outside.path().join("secret"), outside.path().join("workspace"));
        std::fs::write(&secret, "secret").unwrap();
        std::fs::create_dir(&folder).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
        let mut random = SplitMix64(5);
        for _ in 0..300 {
            let mut bytes = b"../secret\0up/secret\0up/new\0file\0".to_vec();
            bytes.resize(MEMORY / 4, 0);
            bytes.extend((0..200).flat_map(|_| random.next().to_le_bytes()));
            run(&bytes, &folder);
        }
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 2);
    }
}
