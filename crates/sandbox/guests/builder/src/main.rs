//! Snapshots a guest: runs its `_initialize` and `init`, and writes a module that starts where they ended.
//!
//! `aic-guest-builder IN.wasm OUT.wasm`. Time and randomness are constants while it runs, so that the same module
//! always gives the same snapshot, and so that nothing of the building machine gets into it.

use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use wasmtime::{Caller, Engine, Extern, Instance, Linker, Module, Result, Store, bail, format_err};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: aic-guest-builder IN.wasm OUT.wasm");
        return ExitCode::from(2);
    };
    match run(input, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot snapshot {input}: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(input: &str, output: &str) -> Result<()> {
    let wasm = std::fs::read(input)?;
    let mut wizer = Wizer::new();
    wizer.init_func("init").keep_init_func(false);
    let (module, instrumented) = wizer.instrument(&wasm)?;

    let engine = Engine::default();
    let compiled = Module::new(&engine, &instrumented)?;
    let mut linker = Linker::new(&engine);
    constants(&mut linker)?;
    linker.define_unknown_imports_as_traps(&compiled)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &compiled)?;
    for name in ["_initialize", "init"] {
        instance.get_typed_func::<(), ()>(&mut store, name)?.call(&mut store, ())?;
    }
    let snapshot = at_once(wizer.snapshot(&module, &mut State { store, instance }))??;
    std::fs::write(output, snapshot)?;
    Ok(())
}

/// A clock that shows 1970 and random bytes that are zero; a guest reads the real ones when it runs.
fn constants(linker: &mut Linker<()>) -> Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(WASI, "clock_time_get", |caller: Caller<'_, ()>, _id: i32, _precision: i64, at: i32| {
        zero(caller, at, 8)
    })?;
    linker.func_wrap(WASI, "random_get", |caller: Caller<'_, ()>, at: i32, length: i32| zero(caller, at, length))?;
    Ok(())
}

fn zero(mut caller: Caller<'_, ()>, at: i32, length: i32) -> Result<i32> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { bail!("the guest exports no memory") };
    memory.write(&mut caller, at as u32 as usize, &vec![0; length as u32 as usize])?;
    Ok(0)
}

/// Polls a future that never waits.
fn at_once<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(format_err!("the snapshot waits for something")),
    }
}

struct State {
    store: Store<()>,
    instance: Instance,
}

impl InstanceState for State {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        use wasmtime::Val;
        match self.instance.get_global(&mut self.store, name).map(|global| global.get(&mut self.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            other => panic!("the global {name} is {other:?}, which a snapshot cannot hold"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.instance.get_memory(&mut self.store, name) {
            Some(memory) => contents(memory.data(&self.store)),
            None => panic!("the memory {name} is not exported"),
        }
    }
}
