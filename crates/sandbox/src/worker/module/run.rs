//! What one run has: its WASI, and how much of everything.

use crate::wire::ModuleInput;
use crate::worker::guest::MAX_MEMORY;
use crate::worker::link;
use crate::worker::random::SplitMix64;
use crate::worker::wasi::{MOST_HANDLES, Table, Wasi};
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result};

/// Elements of all tables together: functions that can be called through a pointer.
const TABLE_ELEMENTS: usize = 1_000_000;

/// What a run is made of: a module is one instance with one memory, a component may have several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) instances: usize,
    pub(super) memories: usize,
    pub(super) tables: usize,
}

impl Parts {
    pub(super) const MODULE: Self = Self { instances: 1, memories: 1, tables: 16 };
    pub(super) const COMPONENT: Self = Self { instances: 256, memories: 16, tables: 256 };
}

/// What one run has and what it did.
pub(super) struct Run {
    parts: Parts,
    /// The most that its memories and the engine's heap of its exceptions may have together, and what they have.
    memory: usize,
    used: usize,
    pub(super) memory_denied: bool,
    elements: usize,
    pub(super) wasi: Wasi,
}

impl Run {
    pub(super) fn new(parts: Parts, memory: u64, wasi: Wasi) -> Self {
        Self { parts, memory: memory.min(MAX_MEMORY) as usize, used: 0, memory_denied: false, elements: 0, wasi }
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

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let sum = self.elements.saturating_add(desired.saturating_sub(current));
        let fits = sum <= TABLE_ELEMENTS;
        if fits {
            self.elements = sum;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.parts.instances
    }

    fn memories(&self) -> usize {
        self.parts.memories
    }

    fn tables(&self) -> usize {
        self.parts.tables
    }
}

#[derive(Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) output: usize,
    pub(super) file_size: u64,
    pub(super) disk: u64,
}

pub(super) fn wasi_of(input: &ModuleInput, stdin: &[u8], now_ms: i64, seed: u64, limits: Limits) -> Wasi {
    let mut table = Table::new(stdin.into(), limits.files, limits.output, limits.file_size, limits.disk);
    if let Some((name, text)) = &input.script {
        table.script = Some((name.clone(), text.as_bytes().into()));
    }
    let mut handles = ResourceTable::new();
    handles.set_max_capacity(MOST_HANDLES);
    let env = input.env.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    Wasi {
        args: input.args.iter().map(|argument| argument.clone().into_bytes()).collect(),
        env: env.collect(),
        random: SplitMix64(seed),
        began: now_ms.max(0).cast_unsigned().saturating_mul(1_000_000),
        passed: 0,
        table,
        handles,
        listed: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::format_err;

    #[test]
    fn all_memories_together_stay_within_the_limit_whatever_the_engine_says_of_growing() {
        let mut run = Run::new(Parts::MODULE, 10, wasi_of(&ModuleInput::default(), &[], 0, 0, Limits::default()));
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

    #[test]
    fn all_tables_together_have_so_many_elements() {
        let mut run = Run::new(Parts::COMPONENT, 10, wasi_of(&ModuleInput::default(), &[], 0, 0, Limits::default()));
        assert!(run.table_growing(0, TABLE_ELEMENTS - 1, None).unwrap());
        assert!(!run.table_growing(0, 2, None).unwrap() && run.table_growing(0, 1, None).unwrap());
    }
}
