//! The code of a module or a component: what the engine is for each, how it is compiled, linked and called.

use super::run::{Limits, Parts, Run, wasi_of};
use crate::wire::{Facts, MAX_RESULT, ModuleInput};
use crate::worker::cache::Cache;
use crate::worker::guest::{GUARD, MAX_MEMORY, RESERVATION, WASM_STACK};
use crate::worker::link::{self, Exit};
use crate::worker::wasi::preview2;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{self, Component};
use wasmtime::{Config, Engine, Error, ExternType, Instance, InstancePre, Linker, Module, Result, Store, format_err};

/// Address space of each memory of a component, in bytes, and what one that grows beyond is moved to have beside: a
/// component may have several memories, and the whole of what an address can say is too much for each.
const PART_RESERVATION: u64 = 256 << 20;
const PART_GROWTH: u64 = 64 << 20;

/// The interface of a component that is a program. Any version that begins so will do.
const PROGRAM: &str = "wasi:cli/run@0.2.";
const NEITHER: &str = "it exports neither `wasi:cli/run` of version 0.2, as programs do, \
                       nor `run: func(string) -> string`, as functions do";

/// What a file is by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A module, for WASI preview 1.
    Module,
    /// A component, for WASI preview 2.
    Component,
}

impl Kind {
    /// # Errors
    /// What is wrong, as the end of a sentence.
    pub(crate) fn of(wasm: &[u8]) -> Result<Self, &'static str> {
        match wasm {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(Self::Module),
            [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(Self::Component),
            _ => Err("is no WebAssembly module or component"),
        }
    }

    pub(super) fn engine(self) -> Result<Engine> {
        let mut config = Config::new();
        config
            // Exceptions lie in a heap of the engine's own, which it collects, and which counts as the module's memory.
            // They are all that is offered of it: no structures, arrays and references to functions.
            .gc_support(true)
            .wasm_exceptions(true)
            .wasm_gc(false)
            .wasm_function_references(false)
            .epoch_interruption(true)
            // An image shared between instances takes a descriptor, and there is one instance only.
            .memory_init_cow(false)
            // Where there are exceptions at all; it does not grow beyond.
            .gc_heap_reservation(MAX_MEMORY)
            .gc_heap_guard_size(64 << 10)
            .gc_heap_may_move(false)
            .max_wasm_stack(WASM_STACK)
            .async_stack_size(WASM_STACK + (1 << 20))
            .wasm_backtrace_max_frames(None)
            .generate_address_map(false)
            .native_unwind_info(false);
        match self {
            Self::Module => config.memory_reservation(RESERVATION).memory_guard_size(GUARD),
            Self::Component => config
                .memory_reservation(PART_RESERVATION)
                .memory_reservation_for_growth(PART_GROWTH)
                .memory_guard_size(64 << 10),
        };
        Engine::new(&config)
    }

    pub(super) fn load(self, cache: &Cache, engine: &Engine) -> Result<Option<Code>, String> {
        Ok(match self {
            Self::Module => cache.load::<Module>(engine)?.map(Code::Module),
            Self::Component => cache.load::<Component>(engine)?.map(Code::Component),
        })
    }

    /// Compiles it into the cache.
    pub(super) fn store(self, cache: &Cache, engine: &Engine, wasm: &[u8]) -> Result<(), String> {
        match self {
            Self::Module => cache.store::<Module>(engine, wasm),
            Self::Component => cache.store::<Component>(engine, wasm),
        }
    }

    pub(super) fn compile(self, engine: &Engine, wasm: &[u8]) -> Result<Code> {
        Ok(match self {
            Self::Module => Code::Module(Module::new(engine, wasm)?),
            Self::Component => Code::Component(Component::new(engine, wasm)?),
        })
    }
}

/// Compiled code.
pub(super) enum Code {
    Module(Module),
    Component(Component),
}

impl Code {
    /// What it is, as far as can be seen without running it.
    pub(super) fn facts(&self, engine: &Engine) -> Result<Facts> {
        match self {
            Self::Module(module) => facts_of_module(engine, module),
            Self::Component(component) => facts_of_component(engine, component),
        }
    }

    /// With all that it may call.
    pub(super) fn linked(&self, engine: &Engine) -> Result<Linked> {
        Ok(match self {
            Self::Module(module) => Linked::Module(linker(engine, module)?.instantiate_pre(module)?),
            Self::Component(component) => {
                let mut linker = component::Linker::new(engine);
                preview2::offer(&mut linker, component, engine)?;
                Linked::Component(linker.instantiate_pre(component)?)
            }
        })
    }
}

/// Code that is ready to run.
pub(super) enum Linked {
    Module(InstancePre<Run>),
    Component(component::InstancePre<Run>),
}

impl Linked {
    pub(super) fn parts(&self) -> Parts {
        match self {
            Self::Module(_) => Parts::MODULE,
            Self::Component(_) => Parts::COMPONENT,
        }
    }

    /// Runs a program, or calls a function with its request. The function's answer, where there is one.
    pub(super) fn call(&self, store: &mut Store<Run>, request: &[u8]) -> Result<Vec<u8>> {
        let answer = match self {
            Self::Module(pre) => call_module(pre, store, request),
            Self::Component(pre) => {
                store.set_hostcall_fuel(preview2::MOST_BROUGHT);
                call_component(pre, store, request)
            }
        }?;
        if answer.len() > MAX_RESULT {
            return Err(format_err!("its answer is {} bytes; {MAX_RESULT} is the most", answer.len()));
        }
        Ok(answer)
    }
}

fn linker(engine: &Engine, module: &Module) -> Result<Linker<Run>> {
    let mut linker = Linker::new(engine);
    link::offer(&mut linker)?;
    // Calling one of these ends the run and names it.
    linker.define_unknown_imports_as_traps(module)?;
    Ok(linker)
}

fn facts_of_module(engine: &Engine, module: &Module) -> Result<Facts> {
    let mut offered = Linker::<Run>::new(engine);
    link::offer(&mut offered)?;
    let mut store =
        Store::new(engine, Run::new(Parts::MODULE, 0, wasi_of(&ModuleInput::default(), &[], 0, 0, Limits::default())));
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

fn facts_of_component(engine: &Engine, component: &Component) -> Result<Facts> {
    let mut linker = component::Linker::<Run>::new(engine);
    let missing = preview2::offer(&mut linker, component, engine)?;
    linker.instantiate_pre(component)?;
    let is_function = |item: &ComponentItem| match item {
        ComponentItem::ComponentFunc(run) => {
            let takes_text = run.params().map(|(_, kind)| kind).eq([Type::String]);
            let gives_text = |kind: &Type| match kind {
                Type::String => true,
                Type::Result(both) => both.ok() == Some(Type::String) && both.err() == Some(Type::String),
                _ => false,
            };
            takes_text && run.results().len() == 1 && run.results().all(|kind| gives_text(&kind))
        }
        _ => false,
    };
    let own = component.component_type();
    let command = program_of(engine, component).is_some();
    if !command && !own.get_export(engine, "run").is_some_and(|export| is_function(&export.ty)) {
        return Err(format_err!(NEITHER));
    }
    Ok(Facts { command, missing })
}

/// Under which name a component is a program.
fn program_of(engine: &Engine, component: &Component) -> Option<String> {
    let own = component.component_type();
    let names: Vec<_> = own.exports(engine).map(|(name, _)| name.to_owned()).collect();
    names.into_iter().find(|name| name.starts_with(PROGRAM))
}

fn call_module(pre: &InstancePre<Run>, store: &mut Store<Run>, request: &[u8]) -> Result<Vec<u8>> {
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
    let answer = memory.data(&*store).get(start..).and_then(|rest| rest.get(..length));
    answer.map(<[u8]>::to_vec).ok_or_else(|| format_err!("its answer lies outside its memory"))
}

fn call_component(pre: &component::InstancePre<Run>, store: &mut Store<Run>, request: &[u8]) -> Result<Vec<u8>> {
    let instance = pre.instantiate(&mut *store)?;
    if let Some(name) = program_of(pre.engine(), pre.component()) {
        let interface = instance.get_export_index(&mut *store, None, &name);
        let run = interface.and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), "run"));
        let run = run.ok_or_else(|| format_err!("its `{name}` has no `run`"))?;
        let (ended,) = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?.call(&mut *store, ())?;
        return ended.map(|()| Vec::new()).map_err(|()| Error::new(Exit(1)));
    }
    let request = std::str::from_utf8(request).map_err(|_| format_err!("its request is no UTF-8"))?;
    if let Ok(run) = instance.get_typed_func::<(&str,), (String,)>(&mut *store, "run") {
        return Ok(run.call(&mut *store, (request,))?.0.into_bytes());
    }
    let run = instance.get_typed_func::<(&str,), (Result<String, String>,)>(&mut *store, "run");
    let run = run.map_err(|_| format_err!(NEITHER))?;
    match run.call(&mut *store, (request,))? {
        (Ok(answer),) => Ok(answer.into_bytes()),
        (Err(why),) => Err(format_err!("it says: {why}")),
    }
}
