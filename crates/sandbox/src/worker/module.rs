//! A module of the user's inside a worker: compiled or loaded, given what it may see, and run once a call.
//!
//! The worker gives up files and the network before it looks at the module, so that a hole in the compiler is behind
//! the same wall as one in the engine. Only a worker that was started to compile into the cache keeps them; it runs
//! nothing.

use super::cache::{Cache, MODULE};
use super::guest::{Answer, GUARD, MAX_MEMORY, RESERVATION, WASM_STACK};
use super::link::{self, Exit};
use super::lockdown::{self, WorkerReport};
use super::random::SplitMix64;
use super::ticker::Ticker;
use super::wasi::{Errno, Folder, Node, SHELF, Table, Wasi};
use crate::wire::{CallHeader, End, Facts, MAX_PRINTED, MAX_RESULT, Mode, ModuleBody, ModuleInput, OpenModule};
use aic_base::Digest;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmtime::{
    Config, Engine, ExternType, Instance, InstancePre, Linker, Module, ResourceLimiter, Result, Store, Trap, format_err,
};

/// The largest module, in bytes.
pub(crate) const MOST_MODULE: u64 = 64 << 20;
/// Elements of all tables together: functions that can be called through a pointer.
const TABLE_ELEMENTS: usize = 1_000_000;
/// Descriptors of the worker's own.
const OWN_FILES: u64 = 32;
/// Where a guest sees its folder. The second name is what libraries without a working folder begin paths with.
const WORKSPACE: [&str; 2] = ["/workspace", "."];

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        // Exceptions lie in a heap of the engine's own, which it collects, and which counts as the module's memory. They
        // are all that is offered of it: no structures, arrays and references to functions.
        .gc_support(true)
        .wasm_exceptions(true)
        .wasm_gc(false)
        .wasm_function_references(false)
        .epoch_interruption(true)
        // An image shared between instances takes a descriptor, and there is one instance only.
        .memory_init_cow(false)
        .memory_reservation(RESERVATION)
        .memory_guard_size(GUARD)
        // Where there are exceptions at all; it does not grow beyond.
        .gc_heap_reservation(MAX_MEMORY)
        .gc_heap_guard_size(64 << 10)
        .gc_heap_may_move(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + (1 << 20))
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    Engine::new(&config)
}

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
    check(&wasm).map_err(|why| format!("{} {why}", path.display()))?;
    let engine = engine().map_err(|error| format!("no engine for WASM: {error:#}"))?;
    let cache = cache.map(|folder| Cache::new(folder, &engine, MODULE, wanted.digest.as_bytes()));
    let loaded = match &cache {
        None => None,
        Some(cache) => cache.load(&engine).map_err(|why| report.notes.push(why)).ok().flatten(),
    };
    report.cached = loaded.is_some();
    let bad = |error: wasmtime::Error| format!("{} cannot be used: {error:#}", path.display());
    if mode == Mode::Prepare {
        let module = match loaded {
            Some(module) => module,
            None => {
                cache.as_ref().ok_or("no folder to prepare the module in")?.store(&engine, &wasm)?;
                let loaded = cache.and_then(|cache| cache.load(&engine).ok().flatten());
                loaded.ok_or("the compiled module cannot be read back")?
            }
        };
        return facts(&engine, &module).map(Ready::Prepared).map_err(bad);
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
    let module = match (mode, loaded) {
        (_, Some(module)) => module,
        (Mode::Load, None) => return Ok(Ready::Missing),
        (_, None) => Module::new(&engine, &wasm).map_err(bad)?,
    };
    let pre = linker(&engine, &module).and_then(|linker| linker.instantiate_pre(&module)).map_err(bad)?;
    let (files, file_size) = match &workspace {
        Some((folder, _)) if folder.writable => (u64::from(wanted.files), wanted.file_size),
        Some(_) => (u64::from(wanted.files), 0),
        None => (0, 0),
    };
    lockdown::before_module_runs(report, files.saturating_add(OWN_FILES), file_size);
    let workspace = workspace.map(|(folder, _)| folder);
    Ok(Ready::Runner(Runner { engine, pre, workspace, limits: wanted.clone(), ticker: None }))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_MODULE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_MODULE {
        return Err(std::io::Error::other(format!("it is larger than {MOST_MODULE} bytes")));
    }
    Ok(bytes)
}

/// Whether the first bytes are those of a module.
pub(crate) fn check(wasm: &[u8]) -> Result<(), &'static str> {
    match wasm {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => {
            Err("is a component of WASI preview 2; this version takes modules of preview 1")
        }
        _ => Err("is no WebAssembly module"),
    }
}

fn linker(engine: &Engine, module: &Module) -> Result<Linker<Run>> {
    let mut linker = Linker::new(engine);
    link::offer(&mut linker)?;
    // Calling one of these ends the run and names it.
    linker.define_unknown_imports_as_traps(module)?;
    Ok(linker)
}

fn facts(engine: &Engine, module: &Module) -> Result<Facts> {
    let mut offered = Linker::<Run>::new(engine);
    link::offer(&mut offered)?;
    let mut store = Store::new(engine, Run::new(0, wasi_of(&ModuleInput::default(), &[], 0, 0, Limits::default())));
    let missing = module
        .imports()
        .filter(|import| offered.get_by_import(&mut store, import).is_none())
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    linker(engine, module)?.instantiate_pre(module)?;
    let is_function = |name: &str| matches!(module.get_export(name), Some(ExternType::Func(_)));
    let command = is_function("_start");
    if !(command || is_function("alloc") && is_function("run")) {
        return Err(format_err!("it exports neither `_start`, as programs do, nor `alloc` and `run`, as functions do"));
    }
    Ok(Facts { command, missing })
}

/// What one run has and what it did.
struct Run {
    /// The most that its memory and the engine's heap of its exceptions may have together, and what they have.
    memory: usize,
    used: usize,
    memory_denied: bool,
    wasi: Wasi,
}

impl Run {
    fn new(memory: u64, wasi: Wasi) -> Self {
        Self { memory: memory.min(MAX_MEMORY) as usize, used: 0, memory_denied: false, wasi }
    }
}

impl link::Holds for Run {
    fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }
}

impl ResourceLimiter for Run {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        // Beyond its own maximum it does not grow; that is no matter of ours.
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        // What the engine then does not get stays counted: its word that growing failed also comes for what it never
        // asked, so that taking off on that word would let a module grow without end.
        let sum = self.used.saturating_add(desired.saturating_sub(current));
        let fits = sum <= self.memory;
        if fits {
            self.used = sum;
        }
        self.memory_denied |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        16
    }
}

#[derive(Clone, Copy, Default)]
struct Limits {
    files: usize,
    output: usize,
    file_size: u64,
    disk: u64,
}

fn wasi_of(input: &ModuleInput, stdin: &[u8], now_ms: i64, seed: u64, limits: Limits) -> Wasi {
    let mut table = Table::new(stdin.into(), limits.files, limits.output, limits.file_size, limits.disk);
    if let Some((name, text)) = &input.script {
        table.script = Some((name.clone(), text.as_bytes().into()));
    }
    let env = input.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    Wasi {
        args: input.args.iter().map(|argument| argument.clone().into_bytes()).collect(),
        env: env.collect(),
        random: SplitMix64(seed),
        began: now_ms.max(0).cast_unsigned().saturating_mul(1_000_000),
        passed: 0,
        table,
    }
}

/// Runs the module, each time in an instance of its own.
pub(super) struct Runner {
    engine: Engine,
    pre: InstancePre<Run>,
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
        let mut store = Store::new(&self.engine, Run::new(header.memory, wasi));
        store.limiter(|run| run);
        store.set_epoch_deadline(1);
        if let Some(ticker) = &self.ticker {
            ticker.arm(Duration::from_micros(header.timeout_us));
        }
        let result = call(&self.pre, &mut store, stdin);
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

/// Runs a program, or calls a function with its request. The function's answer, where there is one.
fn call(pre: &InstancePre<Run>, store: &mut Store<Run>, request: &[u8]) -> Result<Vec<u8>> {
    let instance = pre.instantiate(&mut *store)?;
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
        initialize.call(&mut *store, ())?;
    }
    if let Ok(start) = instance.get_typed_func::<(), ()>(&mut *store, "_start") {
        start.call(&mut *store, ())?;
        return Ok(Vec::new());
    }
    function(&instance, store, request)
}

fn function(instance: &Instance, store: &mut Store<Run>, request: &[u8]) -> Result<Vec<u8>> {
    let memory = instance.get_memory(&mut *store, "memory").ok_or_else(|| format_err!("it exports no memory"))?;
    let length = u32::try_from(request.len())?;
    let at = instance.get_typed_func::<u32, u32>(&mut *store, "alloc")?.call(&mut *store, length)?;
    memory.write(&mut *store, at as usize, request)?;
    let packed = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "run")?.call(&mut *store, (at, length))?;
    let (start, length) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
    if length > MAX_RESULT {
        return Err(format_err!("its answer is {length} bytes; {MAX_RESULT} is the most"));
    }
    let answer = memory.data(&*store).get(start..).and_then(|rest| rest.get(..length));
    answer.map(<[u8]>::to_vec).ok_or_else(|| format_err!("its answer lies outside its memory"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_together_stay_within_the_limit_whatever_the_engine_says_of_growing() {
        let mut run = Run::new(10, wasi_of(&ModuleInput::default(), &[], 0, 0, Limits::default()));
        assert!(run.memory_growing(0, 6, None).unwrap());
        assert!(run.memory_growing(0, 3, None).unwrap());
        // As for `memory.grow(-1)`, about which it does not ask first.
        run.memory_grow_failed(format_err!("beyond the memory's type")).unwrap();
        assert!(!run.memory_growing(6, 8, None).unwrap());
        // Its own maximum is no limit of ours, and costs nothing.
        run.memory_denied = false;
        assert!(!run.memory_growing(6, 7, Some(6)).unwrap() && !run.memory_denied);
        assert!(run.memory_growing(6, 7, Some(7)).unwrap());
        assert!(!run.memory_growing(3, usize::MAX, None).unwrap() && run.memory_denied);
    }
}
