//! The guest inside a worker: the engine's configuration, what the guest may call, and one run of one script.
//!
//! The guest gets six functions of WASI preview 1, written here rather than taken from a library because they are all
//! it needs: a clock that stands still, seeded random bytes, and a collected standard output. It has no files, no
//! network, no environment and no arguments, because there is no function that would give it any.

use super::fresh::{self, Fresh};
use super::random::SplitMix64;
use super::ticker::Ticker;
use crate::wire::{AnswerHeader, CallHeader, End, MAX_PRINTED, MAX_RESULT};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use wasmtime::{
    Caller, Config, Enabled, Engine, Extern, Instance, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    PoolingAllocationConfig, ResourceLimiter, Result, Store, Trap, bail, format_err,
};

/// The guest: quickjs-ng with its context made already. See `guests/README.md`.
pub(super) static QUICKJS: &[u8] = include_bytes!("../../guests/quickjs/qjs.wasm");

/// What it is, in a few bytes: a digest of it made at each start would take a third of the time that loading it takes.
pub(super) static QUICKJS_IS: &[u8] = include_bytes!("../../guests/quickjs/SHA256SUMS");

/// The machine stack a guest may use, in bytes. QuickJS watches its own 640 KiB of C stack in linear memory; this is
/// wide enough that its check comes first, and its error is catchable.
pub(super) const WASM_STACK: usize = 8 << 20;

/// The most memory an instance can ever have, in bytes; a higher limit means this one.
pub(crate) const MAX_MEMORY: u64 = 1 << 30;

/// Address space of an instance's memory, in bytes: all that an address can say, and what lies within reach behind it.
/// So the processor keeps its bounds, and the compiled code needs no comparison before each access.
pub(super) const RESERVATION: u64 = 4 << 30;
pub(super) const GUARD: u64 = 32 << 20;

/// QuickJS's part of the memory limit: what is left after the C stack, static data and the request.
const ENGINE_OVERHEAD: u64 = 2 << 20;

const TABLE_ELEMENTS: usize = 10_000;

/// What is a small memory, in bytes; small scripts have 1.4 MB.
const SMALL: usize = 8 << 20;

const WASI: &str = "wasi_snapshot_preview1";
const PREOPENED: i32 = 3;
const EBADF: i32 = 8;
const EFAULT: i32 = 21;
const EINVAL: i32 = 28;

pub(super) fn engine() -> Result<Engine> {
    // One instance at a time, and everything sized: the defaults reserve terabytes, which fails under RLIMIT_AS.
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(1).total_memories(1).total_tables(1).total_stacks(0).total_gc_heaps(0);
    pool.max_memory_size(MAX_MEMORY as usize).table_elements(TABLE_ELEMENTS).max_unused_warm_slots(1);
    if fresh::is_possible() {
        // Not the table: it is given back whole, because nobody here could put it back as it was.
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(fresh::KEPT).table_keep_resident(0);
    }
    let mut config = Config::new();
    config
        // The guest throws no exceptions of WebAssembly and has nothing to collect; users' modules may.
        .gc_support(false)
        .wasm_exceptions(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_reservation(RESERVATION)
        .memory_guard_size(GUARD)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(WASM_STACK + (1 << 20))
        .wasm_backtrace_max_frames(None)
        // A seventh of the compiled guest, for backtraces that nobody sees.
        .generate_address_map(false)
        .native_unwind_info(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Compiles the guest. Takes the better part of a second: see [`super::cache`].
pub(super) fn compile(engine: &Engine) -> Result<Module> {
    Module::new(engine, QUICKJS)
}

/// What one run has and what it did.
struct Run {
    memory: usize,
    memory_denied: bool,
    now_ms: i64,
    random: SplitMix64,
    printed: Vec<u8>,
    most_printed: usize,
    truncated: bool,
}

impl ResourceLimiter for Run {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let fits = desired <= self.memory;
        self.memory_denied |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

/// How a run ended.
pub(super) struct Answer {
    pub(super) end: End,
    pub(super) truncated: bool,
    pub(super) printed: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self) -> AnswerHeader {
        let printed = u32::try_from(self.printed.len()).unwrap_or(u32::MAX);
        AnswerHeader { end: self.end, truncated: self.truncated, printed }
    }
}

/// Runs scripts, each in an instance of its own.
pub(super) struct Runner {
    engine: Engine,
    guest: InstancePre<Run>,
    ticker: Option<Ticker>,
    /// What the memory is at first, where it is put back by copying; known when it is first needed.
    fresh: Option<Arc<LazyLock<Option<Fresh>>>>,
}

impl Runner {
    /// Links the guest and makes one instance of it, so that what instances share exists before the lock-down.
    pub(super) fn new(engine: Engine, module: &Module) -> Result<Self> {
        let mut linker = Linker::new(&engine);
        offer_wasi(&mut linker)?;
        let guest = linker.instantiate_pre(module)?;
        let fresh = fresh::is_possible().then(|| Arc::new(LazyLock::new(first_memory as fn() -> _)));
        let runner = Self { engine, guest, ticker: None, fresh };
        let header = CallHeader { timeout_us: u64::MAX, memory: MAX_MEMORY, output: 0, now_ms: 0, seed: 0 };
        runner.guest.instantiate(runner.store(header))?;
        Ok(runner)
    }

    /// Starts the thread that keeps deadlines; after the lock-down, which only later threads inherit.
    pub(super) fn with_ticker(mut self) -> std::io::Result<Self> {
        self.ticker = Some(Ticker::start(self.engine.clone())?);
        Ok(self)
    }

    fn store(&self, header: CallHeader) -> Store<Run> {
        let run = Run {
            memory: header.memory.min(MAX_MEMORY) as usize,
            memory_denied: false,
            now_ms: header.now_ms,
            random: SplitMix64(header.seed),
            printed: Vec::new(),
            most_printed: usize::try_from(header.output).unwrap_or(usize::MAX).min(MAX_PRINTED),
            truncated: false,
        };
        let mut store = Store::new(&self.engine, run);
        store.limiter(|run| run);
        store.set_epoch_deadline(1);
        store
    }

    /// Runs one script to its end, its deadline or its limits. What it leaves is cleared when it is dropped, which is for
    /// when the answer is on its way.
    pub(super) fn run(&mut self, header: CallHeader, input: &[u8]) -> (Answer, Used) {
        let mut store = self.store(header);
        if let Some(ticker) = &self.ticker {
            ticker.arm(Duration::from_micros(header.timeout_us));
        }
        let mut memory = None;
        let result = self.guest.instantiate(&mut store).and_then(|instance| {
            let own = memory_of(&instance, &mut store)?;
            memory = Some(own);
            call(&instance, own, &mut store, input)
        });
        if let Some(ticker) = &self.ticker {
            ticker.disarm();
        }
        let run = store.data_mut();
        let (end, body) = match result {
            Ok(Ok(json)) => (End::Guest, json),
            Ok(Err(nonsense)) => (End::Nonsense, nonsense.into_bytes()),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::Interrupt) => (End::Timeout, Vec::new()),
                _ if run.memory_denied => (End::Memory, Vec::new()),
                Some(trap) => (End::Trap, trap.to_string().into_bytes()),
                None => (End::Trap, format!("{error:#}").into_bytes()),
            },
        };
        let answer = Answer { end, truncated: run.truncated, printed: std::mem::take(&mut run.printed), body };
        (answer, Used { store, memory, fresh: self.fresh.clone() })
    }
}

/// An instance that has answered. Its memory is as it was before when this is gone.
pub(super) struct Used {
    store: Store<Run>,
    /// None where no instance could be made: then nothing was written, as the guest does nothing while it is made.
    memory: Option<Memory>,
    /// None where all pages are given back to the kernel.
    fresh: Option<Arc<LazyLock<Option<Fresh>>>>,
}

impl Used {
    /// Whether it is cleared in less than a millisecond or two.
    pub(super) fn is_small(&self) -> bool {
        self.memory.is_none_or(|memory| memory.data_size(&self.store) <= SMALL)
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let (Some(fresh), Some(memory)) = (&self.fresh, self.memory) else { return };
        let memory = memory.data_mut(&mut self.store);
        // SAFETY: it is the memory of an instance, which the pool maps so: it resets it in the same two ways.
        #[expect(unsafe_code, reason = "may give pages back to the kernel")]
        let restored = fresh.as_ref().as_ref().map(|fresh| unsafe { fresh.restore(memory) });
        if !matches!(restored, Some(Ok(_))) {
            // The next script would see what is left. Another worker takes over.
            std::process::exit(6);
        }
    }
}

fn first_memory() -> Option<Fresh> {
    Fresh::of(QUICKJS)
}

/// The guest's JSON; or why its answer is none; or the trap.
fn call(instance: &Instance, memory: Memory, store: &mut Store<Run>, input: &[u8]) -> Result<Result<Vec<u8>, String>> {
    let limit = store.data().memory as u64;
    let heap = limit.saturating_sub(ENGINE_OVERHEAD + input.len() as u64).max(64 << 10);
    let heap = u32::try_from(heap).unwrap_or(u32::MAX);
    instance.get_typed_func::<u32, ()>(&mut *store, "limit")?.call(&mut *store, heap)?;

    let length = u32::try_from(input.len())?;
    // The engine reads one byte past the end, which must be zero.
    let at = instance.get_typed_func::<u32, u32>(&mut *store, "alloc")?.call(&mut *store, length.saturating_add(1))?;
    if at == 0 {
        store.data_mut().memory_denied = true;
        bail!("no room for the request");
    }
    memory.write(&mut *store, at as usize, input)?;
    memory.write(&mut *store, at as usize + input.len(), &[0])?;
    let packed = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "run")?.call(&mut *store, (at, length))?;

    let (start, length) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
    if length > MAX_RESULT {
        return Ok(Err(format!("it is {length} bytes of JSON; {MAX_RESULT} is the most")));
    }
    let answer = memory.data(&*store).get(start..).and_then(|rest| rest.get(..length));
    Ok(answer.map(<[u8]>::to_vec).ok_or_else(|| "it lies outside the guest's memory".into()))
}

fn memory_of(instance: &Instance, store: &mut Store<Run>) -> Result<Memory> {
    instance.get_memory(store, "memory").ok_or_else(|| format_err!("the guest exports no memory"))
}

fn offer_wasi(linker: &mut Linker<Run>) -> Result<()> {
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut caller: Caller<'_, Run>, _clock: u32, _precision: u64, at: u32| {
            // Both clocks stand still: two runs with the same `now` cannot differ by how fast the machine is.
            let nanoseconds = caller.data().now_ms.max(0).cast_unsigned().saturating_mul(1_000_000);
            write(&mut caller, at, &nanoseconds.to_le_bytes())
        },
    )?;
    linker.func_wrap(WASI, "random_get", |mut caller: Caller<'_, Run>, at: u32, length: u32| {
        if length > 4096 {
            return EINVAL;
        }
        let run = caller.data_mut();
        let words = (0..length.div_ceil(8)).flat_map(|_| run.random.next().to_le_bytes());
        let bytes: Vec<u8> = words.take(length as usize).collect();
        write(&mut caller, at, &bytes)
    })?;
    linker.func_wrap(WASI, "fd_write", fd_write)?;
    // The C library asks these about descriptors; there are none but the standard output, which cannot seek.
    linker.func_wrap(WASI, "fd_close", |_fd: i32| EBADF)?;
    linker.func_wrap(WASI, "fd_fdstat_get", |_fd: i32, _at: i32| EBADF)?;
    linker.func_wrap(WASI, "fd_seek", |_fd: i32, _offset: i64, _whence: i32, _at: i32| EBADF)?;
    Ok(())
}

/// Collects what is printed, up to the limit. What is over the limit counts as written, so that a script that prints
/// too much goes on and its output is marked as cut.
fn fd_write(mut caller: Caller<'_, Run>, fd: i32, pieces: u32, count: u32, written_at: u32) -> i32 {
    if !(1..PREOPENED).contains(&fd) {
        return EBADF;
    }
    // Epochs do not interrupt the host, so what it does in one call is bounded.
    if count > 1024 {
        return EINVAL;
    }
    let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else { return EFAULT };
    let (data, run) = memory.data_and_store_mut(&mut caller);
    let word = |at: u32| {
        let bytes = data.get(at as usize..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let mut written: u32 = 0;
    for index in 0..count {
        let at = pieces.saturating_add(index * 8);
        let (Some(start), Some(length)) = (word(at), word(at.saturating_add(4))) else { return EFAULT };
        let piece = data.get(start as usize..).and_then(|rest| rest.get(..length as usize));
        let Some(piece) = piece else { return EFAULT };
        let room = run.most_printed - run.printed.len().min(run.most_printed);
        run.truncated |= piece.len() > room;
        run.printed.extend_from_slice(&piece[..piece.len().min(room)]);
        written = written.saturating_add(length);
    }
    write(&mut caller, written_at, &written.to_le_bytes())
}

fn write(caller: &mut Caller<'_, Run>, at: u32, bytes: &[u8]) -> i32 {
    let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else { return EFAULT };
    if memory.write(caller, at as usize, bytes).is_ok() { 0 } else { EFAULT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_what_its_sum_says() {
        let line = format!("{}  qjs.wasm", aic_base::Digest::of(QUICKJS));
        assert!(QUICKJS_IS.split(|byte| *byte == b'\n').any(|sum| sum == line.as_bytes()), "{line}");
    }

    #[test]
    fn the_guest_imports_only_what_is_offered() {
        let guest = wasmtime::Module::new(&engine().unwrap(), QUICKJS).unwrap();
        let mut names: Vec<_> = guest.imports().map(|import| import.name().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["clock_time_get", "fd_close", "fd_fdstat_get", "fd_seek", "fd_write", "random_get"]);
        assert!(guest.imports().all(|import| import.module() == WASI));
        assert!(guest.get_export("init").is_none(), "the snapshot is after init");
    }

    #[test]
    fn the_guest_does_nothing_while_it_is_made() {
        let mut parts = wasmparser::Parser::new(0).parse_all(QUICKJS);
        assert!(!parts.any(|part| matches!(part.unwrap(), wasmparser::Payload::StartSection { .. })));
    }

    /// For any script at all.
    const HEADER: CallHeader = CallHeader { timeout_us: 1, memory: 64 << 20, output: 1000, now_ms: 0, seed: 0 };

    fn as_made(runner: &Runner) -> Vec<u8> {
        let mut store = runner.store(HEADER);
        let instance = runner.guest.instantiate(&mut store).unwrap();
        memory_of(&instance, &mut store).unwrap().data(&store).to_vec()
    }

    fn evaluated(runner: &mut Runner, source: &str) -> (String, Used) {
        let request = serde_json::json!({"source": source, "filename": "a.js", "args": {"number": 21}, "ctx": {}});
        let (answer, used) = runner.run(HEADER, request.to_string().as_bytes());
        (String::from_utf8(answer.body).unwrap(), used)
    }

    /// Puts it back ahead of its end, and says how many bytes were written.
    fn restored(used: &mut Used) -> usize {
        let memory = used.memory.unwrap().data_mut(&mut used.store);
        // SAFETY: it is the memory of an instance.
        #[expect(unsafe_code, reason = "may give pages back to the kernel")]
        unsafe { first_memory().unwrap().restore(memory) }.unwrap()
    }

    /// However the pages lie that have to be put back: few, many, and each apart from the others; and without the
    /// kernel's word on them, as before Linux 6.7.
    #[test]
    fn an_instance_has_nothing_of_the_one_before_it() {
        let engine = engine().unwrap();
        let mut runner = Runner::new(engine.clone(), &compile(&engine).unwrap()).unwrap();
        let first = as_made(&runner);
        let scripts = [
            ("few pages", "() => 'secret'.repeat(100).length", r#"{"ok":600}"#),
            ("many pages", "() => ('secret'.repeat(1 << 20) + 1).length", r#"{"ok":6291457}"#),
            (
                "pages apart",
                "() => { const all = new Uint8Array(16 << 20); for (let i = 0; i < all.length; i += 12288) all[i] = 1; return all[12288]; }",
                r#"{"ok":1}"#,
            ),
        ];
        for (name, script, expected) in scripts {
            let (answer, used) = evaluated(&mut runner, &format!("export default {script};"));
            drop(used);
            assert_eq!(answer, expected, "{name}");
            assert!(as_made(&runner) == first, "something is left after {name}");
        }
    }

    /// The test above would not notice if wasmtime alone did it: this one is about what is put back before.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_put_back_is_every_page_that_was_written() {
        let engine = engine().unwrap();
        let mut runner = Runner::new(engine.clone(), &compile(&engine).unwrap()).unwrap();
        let first = as_made(&runner);
        let mut all = vec![9; first.len()];
        first_memory().unwrap().put_back(&mut all, 0);
        assert!(all == first, "the module's data are not what an instance has");
        // Which were written only Linux 6.7 says; the test above is all there is before that.
        if !fresh::is_possible() {
            return;
        }
        let (_, mut used) = evaluated(&mut runner, "export default () => 'secret'.repeat(1 << 20).length;");
        let memory = used.memory.unwrap();
        let now = |used: &Used| memory.data(&used.store).to_vec();
        assert!(now(&used)[..first.len()] != first);
        restored(&mut used);
        let restored = now(&used);
        assert!(restored[..first.len()] == first && restored[first.len()..].iter().all(|byte| *byte == 0));
    }

    /// Memory of this process that is its own, in bytes.
    #[cfg(target_os = "linux")]
    fn own_memory() -> u64 {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let kilobytes = |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap()
        };
        (kilobytes("Private_Dirty:") + kilobytes("Private_Clean:")) << 10
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "only measures: run it alone, with --nocapture"]
    #[expect(clippy::print_stdout, reason = "prints figures")]
    fn what_an_instance_costs() {
        let engine = engine().unwrap();
        let mut runner = Runner::new(engine.clone(), &compile(&engine).unwrap()).unwrap();
        let mut times: Vec<_> = (0..2000)
            .map(|_| {
                let mut store = runner.store(HEADER);
                let began = std::time::Instant::now();
                runner.guest.instantiate(&mut store).unwrap();
                began.elapsed()
            })
            .collect();
        times.sort();
        // The first evaluation is also the first to touch much of the code, which is none of an instance's memory, and
        // what it wrote stays with the worker. So what is counted is what was written, with all it has beside its memory.
        let (answer, mut used) = evaluated(&mut runner, "export default ({ number }) => number * 2;");
        assert_eq!(answer, r#"{"ok":42}"#);
        let written = restored(&mut used);
        drop(used);
        let before = own_memory();
        let (_, _alive) = evaluated(&mut runner, "export default ({ number }) => number * 2;");
        let beside = own_memory().saturating_sub(before);
        println!("instantiate {:?}; {written} bytes written, {beside} beside them", times[times.len() / 2]);
    }
}
