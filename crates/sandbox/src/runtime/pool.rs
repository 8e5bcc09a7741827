//! Sandboxes started ahead of their use, so that a one-off execution does not wait for a start.
//!
//! Each is used once and thrown away: nothing of one execution is there for the next.

use super::{Exec, ExecResult, Runtime, RuntimeError, SandboxId, SandboxSpec};
use crate::cancel::Cancel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Keeps so many sandboxes of one kind ready. Dropping it removes them.
pub struct Pool {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    runtime: Arc<dyn Runtime>,
    spec: SandboxSpec,
    state: Mutex<State>,
    changed: Condvar,
    size: usize,
}

#[derive(Default)]
struct State {
    ready: Vec<SandboxId>,
    used: Vec<SandboxId>,
    failed: Option<RuntimeError>,
    over: bool,
}

impl Pool {
    /// Starts filling at once, on a thread of its own. `spec` is that of each sandbox; a name in it is left out.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn new(runtime: Arc<dyn Runtime>, spec: SandboxSpec, size: usize) -> std::io::Result<Self> {
        let spec = SandboxSpec { name: None, ..spec };
        let shared =
            Arc::new(Shared { runtime, spec, state: Mutex::default(), changed: Condvar::new(), size: size.max(1) });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sandbox-pool".into()).spawn(move || worker.fill())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Runs a program in a sandbox of its own, which is there already or is waited for.
    ///
    /// # Errors
    /// Those of the runtime.
    pub fn run(&self, exec: &Exec, cancel: &Cancel) -> Result<ExecResult, RuntimeError> {
        let id = self.shared.take(cancel)?;
        let result = self.shared.runtime.exec(&id, exec, cancel);
        self.shared.lock().used.push(id);
        self.shared.changed.notify_all();
        result
    }

    /// How many are ready now.
    pub fn ready(&self) -> usize {
        self.shared.lock().ready.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, cancel: &Cancel) -> Result<SandboxId, RuntimeError> {
        let shared = Arc::clone(self);
        let _watch = cancel.watch(move || {
            drop(shared.lock());
            shared.changed.notify_all();
        });
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() {
                return Err(RuntimeError::Cancelled);
            }
            if let Some(id) = state.ready.pop() {
                self.changed.notify_all();
                return Ok(id);
            }
            if let Some(error) = state.failed.take() {
                // The next one to ask tries again.
                self.changed.notify_all();
                return Err(error);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fill(&self) {
        let mut state = self.lock();
        loop {
            if state.over {
                let rest: Vec<_> = state.ready.drain(..).collect();
                let rest: Vec<_> = rest.into_iter().chain(state.used.drain(..)).collect();
                drop(state);
                // What cannot be removed is found by the next start.
                rest.iter().for_each(|id| drop(self.runtime.delete(id)));
                return;
            }
            if state.ready.len() < self.size && state.failed.is_none() {
                drop(state);
                let made = self.make();
                state = self.lock();
                match made {
                    Ok(id) => state.ready.push(id),
                    Err(error) => state.failed = Some(error),
                }
                self.changed.notify_all();
            } else if let Some(id) = state.used.pop() {
                drop(state);
                drop(self.runtime.delete(&id));
                state = self.lock();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn make(&self) -> Result<SandboxId, RuntimeError> {
        let id = self.runtime.create(&self.spec)?;
        self.runtime.start(&id).inspect_err(|_| drop(self.runtime.delete(&id)))?;
        Ok(id)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("size", &self.shared.size).field("ready", &self.ready()).finish_non_exhaustive()
    }
}
