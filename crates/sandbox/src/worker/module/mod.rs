//! A module or component of the user's inside a worker: compiled or loaded, given what it may see, and run once a call.
//!
//! The worker gives up files and the network before it looks at the module, so that a hole in the compiler is behind
//! the same wall as one in the engine. Only a worker that was started to compile into the cache keeps them; it runs
//! nothing.

mod code;
mod run;

use super::cache::{Cache, MODULE};
use super::guest::Answer;
use super::link::Exit;
use super::lockdown::{self, WorkerReport};
use super::ticker::Ticker;
use super::wasi::{Errno, Folder, Node, SHELF, Wasi};
use crate::wire::{CallHeader, End, Facts, MAX_PRINTED, Mode, ModuleBody, ModuleInput, OpenModule};
use aic_base::Digest;
pub(crate) use code::Kind;
use code::Linked;
use run::{Limits, Run, wasi_of};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::{Engine, Store, Trap};

/// The largest module, in bytes.
pub(crate) const MOST_MODULE: u64 = 64 << 20;
/// Descriptors of the worker's own.
const OWN_FILES: u64 = 32;
/// Where a guest sees its folder. The second name is what libraries without a working folder begin paths with.
const WORKSPACE: [&str; 2] = ["/workspace", "."];

pub(super) enum Ready {
    Runner(Runner),
    Missing,
    Prepared(Facts),
}

/// Does what a worker for a module is started for.
pub(super) fn get_ready(
    wanted: &OpenModule,
    mode: Mode,
    cache: Option<Vec<u8>>,
    report: &mut WorkerReport,
) -> Result<Ready, String> {
    let path = path_of(wanted.path.clone());
    let wasm = read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if Digest::of(&wasm) != wanted.digest {
        return Err(format!("{} is not the module it was", path.display()));
    }
    let kind = Kind::of(&wasm).map_err(|why| format!("{} {why}", path.display()))?;
    let engine = kind.engine().map_err(|error| format!("no engine for WASM: {error:#}"))?;
    let cache = cache.map(|folder| Cache::new(folder, &engine, MODULE, wanted.digest.as_bytes()));
    let loaded = match &cache {
        None => None,
        Some(cache) => kind.load(cache, &engine).map_err(|why| report.notes.push(why)).ok().flatten(),
    };
    report.cached = loaded.is_some();
    if loaded.is_none() && mode != Mode::Load {
        lockdown::before_compiling(report);
    }
    let bad = |error: wasmtime::Error| format!("{} cannot be used: {error:#}", path.display());
    if mode == Mode::Prepare {
        let code = match loaded {
            Some(code) => code,
            None => {
                let cache = cache.ok_or("no folder to prepare the module in")?;
                kind.store(&cache, &engine, &wasm)?;
                kind.load(&cache, &engine)?.ok_or("the compiled module cannot be read back")?
            }
        };
        return code.facts(&engine).map(Ready::Prepared).map_err(bad);
    }
    let workspace = match &wanted.workspace {
        None => None,
        Some((folder, writable)) => {
            let folder = path_of(folder.clone());
            let opened = Folder::open(&folder, *writable).map_err(|error| format!("{}: {error}", folder.display()))?;
            Some((opened, folder))
        }
    };
    lockdown::before_module(report, workspace.as_ref().map(|(folder, path)| (path.as_path(), folder.writable)));
    let code = match (mode, loaded) {
        (_, Some(code)) => code,
        (Mode::Load, None) => return Ok(Ready::Missing),
        (_, None) => kind.compile(&engine, &wasm).map_err(bad)?,
    };
    let linked = code.linked(&engine).map_err(bad)?;
    let (files, file_size) = match &workspace {
        Some((folder, _)) if folder.writable => (u64::from(wanted.files), wanted.file_size),
        Some(_) => (u64::from(wanted.files), 0),
        None => (0, 0),
    };
    lockdown::before_module_runs(report, files.saturating_add(OWN_FILES), file_size);
    let workspace = workspace.map(|(folder, _)| folder);
    Ok(Ready::Runner(Runner { engine, linked, workspace, limits: wanted.clone(), ticker: None }))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_MODULE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_MODULE {
        return Err(std::io::Error::other(format!("it is larger than {MOST_MODULE} bytes")));
    }
    Ok(bytes)
}

/// Runs the module, each time in an instance of its own.
pub(super) struct Runner {
    engine: Engine,
    linked: Linked,
    workspace: Option<Folder>,
    limits: OpenModule,
    ticker: Option<Ticker>,
}

impl Runner {
    /// Starts the thread that keeps deadlines; after the lock-down, which only later threads inherit.
    pub(super) fn with_ticker(mut self) -> std::io::Result<Self> {
        self.ticker = Some(Ticker::start(self.engine.clone())?);
        Ok(self)
    }

    fn wasi(&self, header: CallHeader, input: &ModuleInput, stdin: &[u8]) -> Result<Wasi, Errno> {
        let limits = Limits {
            files: self.limits.files as usize,
            output: usize::try_from(header.output).unwrap_or(usize::MAX).min(MAX_PRINTED),
            file_size: self.limits.file_size,
            disk: self.limits.disk,
        };
        let mut wasi = wasi_of(input, stdin, header.now_ms, header.seed, limits);
        if let Some(folder) = &self.workspace {
            for name in WORKSPACE {
                wasi.table.preopen(name, Node::Folder { folder: folder.same()?, entries: Vec::new() });
            }
        }
        if input.script.is_some() {
            wasi.table.preopen(SHELF, Node::Shelf);
        }
        Ok(wasi)
    }

    /// Runs it to its end, its deadline or its limits.
    pub(super) fn run(&mut self, header: CallHeader, input: &[u8]) -> Answer {
        let nonsense = |why: &str| Answer {
            end: End::Nonsense,
            truncated: false,
            printed: Vec::new(),
            body: ModuleBody { rest: why.as_bytes(), ..ModuleBody::default() }.encode(),
        };
        let Some((input, stdin)) = ModuleInput::split(input) else { return nonsense("the request is none") };
        let Ok(wasi) = self.wasi(header, &input, stdin) else { return nonsense("the workspace cannot be shared") };
        let mut store = Store::new(&self.engine, Run::new(self.linked.parts(), header.memory, wasi));
        store.limiter(|run| run);
        store.set_epoch_deadline(1);
        if let Some(ticker) = &self.ticker {
            ticker.arm(Duration::from_micros(header.timeout_us));
        }
        let result = self.linked.call(&mut store, stdin);
        if let Some(ticker) = &self.ticker {
            ticker.disarm();
        }
        let run = store.into_data();
        let (end, code, rest) = match result {
            Ok(rest) => (End::Guest, 0, rest),
            Err(error) => match (error.downcast_ref::<Exit>(), error.downcast_ref::<Trap>()) {
                (Some(Exit(code)), _) => (End::Guest, *code, Vec::new()),
                (_, Some(Trap::Interrupt)) => (End::Timeout, 0, Vec::new()),
                _ if run.memory_denied => (End::Memory, 0, Vec::new()),
                (_, Some(trap)) => (End::Trap, 0, trap.to_string().into_bytes()),
                _ => (End::Trap, 0, format!("{error:#}").into_bytes()),
            },
        };
        let table = run.wasi.table;
        let body = ModuleBody { code, stderr: &table.stderr, rest: &rest }.encode();
        Answer { end, truncated: table.truncated, printed: table.stdout, body }
    }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
