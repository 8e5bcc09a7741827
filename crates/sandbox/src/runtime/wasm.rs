//! JavaScript in QuickJS in WASM in a killable worker process, as a [`Runtime`].
//!
//! A sandbox here is only a name with limits: each execution has a fresh instance anyhow, so there is nothing to keep
//! between two, and nothing to attach to.

use super::{
    Access, Attached, Capabilities, Cleaned, Exec, ExecResult, Exit, Kept, Limit, Program, Runtime, RuntimeError,
    RuntimeKind, SandboxId, SandboxSpec, State, Stats, Status,
};
use crate::cancel::Cancel;
use crate::guests;
use crate::host::ScriptHost;
use crate::script::{ScriptCall, ScriptError};
use aic_base::Limits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// WASM, by the workers of a host.
#[derive(Debug)]
pub struct Wasm {
    host: Arc<ScriptHost>,
    all: Mutex<BTreeMap<SandboxId, Room>>,
}

#[derive(Debug, Clone)]
struct Room {
    spec: SandboxSpec,
    state: State,
    created_ms: i64,
}

impl Wasm {
    /// The runtime behind this host.
    pub fn new(host: Arc<ScriptHost>) -> Self {
        Self { host, all: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SandboxId, Room>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self, id: &SandboxId) -> Result<Room, RuntimeError> {
        self.lock().get(id).cloned().ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &SandboxId) -> RuntimeError {
        RuntimeError::Unknown { runtime: self.name(), id: id.clone() }
    }

    fn set(&self, id: &SandboxId, state: State) -> Result<(), RuntimeError> {
        let mut all = self.lock();
        let room = all.get_mut(id).ok_or_else(|| self.unknown(id))?;
        room.state = state;
        Ok(())
    }

    /// A module may open files, where a script has none in reach.
    fn keeps_of_module(&self, spec: &SandboxSpec) -> Vec<Kept> {
        let mut kept = self.keeps(&spec.limits);
        if spec.workspace.access == Access::ReadWrite {
            let own = [
                Kept::enforced(Limit::Files, "counted where they are opened, and an rlimit"),
                Kept::enforced(Limit::FileSize, "looked at with each write, and an rlimit"),
                Kept::enforced(Limit::Disk, "all it writes is counted, what it overwrites too"),
            ];
            kept.retain(|kept| own.iter().all(|own| own.limit != kept.limit));
            kept.extend(own);
            kept.sort_by_key(|kept| kept.limit);
        }
        kept
    }

    fn unsupported(&self, what: &str) -> RuntimeError {
        RuntimeError::Unsupported { runtime: self.name(), what: what.into() }
    }

    fn status_of(&self, id: &SandboxId, room: &Room) -> Status {
        Status {
            id: id.clone(),
            owner: room.spec.owner.clone(),
            labels: room.spec.labels.clone(),
            choice: room.spec.choice.clone(),
            state: room.state,
            why: None,
            created_ms: room.created_ms,
            kept: self.keeps(&room.spec.limits),
        }
    }
}

impl Runtime for Wasm {
    fn name(&self) -> RuntimeKind {
        RuntimeKind::Wasm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            commands: false,
            javascript: true,
            modules: true,
            network: false,
            interactive: false,
            gpu: false,
            workspace: false,
            own_kernel: true,
        }
    }

    fn keeps(&self, limits: &Limits) -> Vec<Kept> {
        let out_of_reach = "there is nothing of it in reach";
        let cpu = if limits.cpu >= 1.0 {
            Kept::enforced(Limit::Cpu, "a script runs on one processor at a time")
        } else {
            Kept::advisory(Limit::Cpu, "a script may use all of one processor")
        };
        vec![
            Kept::enforced(Limit::Memory, "the engine's own limit"),
            cpu,
            Kept::enforced(Limit::Pids, out_of_reach),
            Kept::enforced(Limit::Files, out_of_reach),
            Kept::enforced(Limit::FileSize, out_of_reach),
            Kept::enforced(Limit::Timeout, "an epoch inside, a kill from outside"),
            Kept::enforced(Limit::Output, "cut inside the worker"),
            Kept::enforced(Limit::Disk, out_of_reach),
        ]
    }

    fn create(&self, spec: &SandboxSpec) -> Result<SandboxId, RuntimeError> {
        super::check(&spec.limits)?;
        if spec.workspace.access == Access::Copy {
            return Err(self.unsupported("copies no folder: use `read_only` or `read_write`, or gvisor"));
        }
        if !spec.network.is_none() {
            return Err(self.unsupported("has no network: use gvisor, or `network: none`"));
        }
        let mut all = self.lock();
        let id = spec.name.clone().unwrap_or_else(SandboxId::fresh);
        if all.contains_key(&id) {
            return Err(RuntimeError::Taken { id });
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        all.insert(id.clone(), Room { spec: spec.clone(), state: State::Created, created_ms });
        Ok(id)
    }

    fn start(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.set(id, State::Running)
    }

    fn stop(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.set(id, State::Exited)
    }

    fn delete(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        self.lock().remove(id).map(drop).ok_or_else(|| self.unknown(id))
    }

    fn status(&self, id: &SandboxId) -> Result<Status, RuntimeError> {
        Ok(self.status_of(id, &self.room(id)?))
    }

    fn list(&self) -> Vec<Status> {
        let all = self.lock().clone();
        all.iter().map(|(id, room)| self.status_of(id, room)).collect()
    }

    fn exec(&self, id: &SandboxId, exec: &Exec, cancel: &Cancel) -> Result<ExecResult, RuntimeError> {
        let Room { spec, state, .. } = self.room(id)?;
        if state != State::Running {
            return Err(RuntimeError::NotRunning { id: id.clone(), state, why: None });
        }
        if let Program::Module { .. } = &exec.program {
            let kept = self.keeps_of_module(&spec);
            return guests::run(&self.host, id, &spec, exec, kept, cancel);
        }
        if spec.workspace.access != Access::None {
            return Err(self.unsupported("shows scripts no folder of the host's: use gvisor, or `workspace: none`"));
        }
        let Program::JavaScript { filename, source, args, ctx, now, seed } = &exec.program else {
            return Err(self.unsupported("runs no commands: use gvisor"));
        };
        let mut limits = spec.limits.clone();
        limits.timeout = limits.timeout.min(exec.timeout);
        let call = ScriptCall {
            filename: filename.clone(),
            source: Arc::clone(source),
            args: args.clone(),
            ctx: ctx.clone(),
            limits,
            now: *now,
            seed: *seed,
        };
        let started = Instant::now();
        let called = self.host.call(&call, cancel);
        let kept = self.keeps(&spec.limits);
        let result = |exit, value, stdout: String, truncated| ExecResult {
            exit,
            value,
            stdout: stdout.into_bytes(),
            stderr: Vec::new(),
            truncated,
            took: started.elapsed(),
            choice: spec.choice.clone(),
            limits: spec.limits.clone(),
            kept,
            network: Vec::new(),
        };
        match called {
            Ok(done) => Ok(result(Exit::Code(0), Some(done.value), done.stdout, done.truncated)),
            Err(ScriptError::Timeout { .. }) => Ok(result(Exit::Over(Limit::Timeout), None, String::new(), false)),
            Err(ScriptError::OutOfMemory { .. }) => Ok(result(Exit::Over(Limit::Memory), None, String::new(), false)),
            Err(ScriptError::Cancelled { .. }) => Err(RuntimeError::Cancelled),
            Err(ScriptError::WorkerDied { why, .. }) => Err(RuntimeError::Died { id: id.clone(), why }),
            Err(error) => Err(error.into()),
        }
    }

    fn attach(&self, _: &SandboxId, _: &Exec, _: Option<(u16, u16)>) -> Result<Box<dyn Attached>, RuntimeError> {
        Err(self.unsupported("has nothing to attach to: use gvisor"))
    }

    fn stats(&self, id: &SandboxId) -> Result<Stats, RuntimeError> {
        self.room(id)?;
        // Between two executions nothing of it exists, and during one it is its caller's.
        Ok(Stats { cpu: Duration::ZERO, ..Stats::default() })
    }

    fn cleanup(&self, owner: &str) -> Cleaned {
        let mut all = self.lock();
        let removed: Vec<_> =
            all.iter().filter(|(_, room)| room.spec.owner == owner).map(|(id, _)| id.clone()).collect();
        removed.iter().for_each(|id| drop(all.remove(id)));
        Cleaned { removed, left: Vec::new() }
    }
}
