//! WebAssembly modules of a spec: tools, guards and graders of the user's own, in the sandbox only.
//!
//! A module reads one JSON document from its standard input and answers on its standard output, or by the function
//! `run`. It has no network, and of files at most the workspace, without writing.

use crate::scripts::{ScriptJob, on_thread};
use aic_base::{Limits, RelPath, Timestamp};
use aic_sandbox::guests::ModuleFile;
use aic_sandbox::runtime::{Exec, ExecResult, Program, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, ScriptHost, Wasm};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The most characters of a module's complaint that are repeated.
const COMPLAINT: usize = 2000;

/// The modules of a spec and the sandbox that runs them.
pub(crate) struct Modules {
    runtime: Wasm,
    bytes: BTreeMap<RelPath, Arc<[u8]>>,
    placed: Mutex<Placed>,
}

/// Modules as files, which workers read: a spec may come from elsewhere than the disk. They go with the container.
#[derive(Default)]
struct Placed {
    folder: Option<TempDir>,
    files: BTreeMap<RelPath, ModuleFile>,
}

/// One run of a module.
#[derive(Debug)]
pub(crate) struct ModuleJob {
    pub path: RelPath,
    pub stdin: Vec<u8>,
    pub env: BTreeMap<String, String>,
    pub limits: Limits,
    pub workspace: Workspace,
    /// When its clock begins.
    pub now: Timestamp,
    /// What its random numbers follow from.
    pub seed: u64,
}

impl Modules {
    /// The modules among these files.
    pub fn new(host: Arc<ScriptHost>, files: &BTreeMap<RelPath, Arc<[u8]>>) -> Self {
        // What only bears the name is kept, so that whoever calls it hears what it is not.
        let modules =
            files.iter().filter(|(path, bytes)| bytes.starts_with(b"\0asm") || path.as_str().ends_with(".wasm"));
        let bytes = modules.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        Self { runtime: Wasm::new(host), bytes, placed: Mutex::default() }
    }

    /// Whether this is one of them.
    pub fn has(&self, path: &RelPath) -> bool {
        self.bytes.contains_key(path)
    }

    /// Which there are.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.bytes.keys()
    }

    /// What keeps the limits of scripts and modules.
    pub fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn file(&self, path: &RelPath) -> Result<ModuleFile, String> {
        let bytes = self.bytes.get(path);
        let bytes = bytes.ok_or_else(|| format!("{path}: no WebAssembly module is there: build it"))?;
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = placed.files.get(path) {
            return Ok(file.clone());
        }
        let cannot = |error: std::io::Error| format!("{path}: the module cannot be laid ready: {error}");
        let folder = match placed.folder.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new().prefix("aic-modules-").tempdir().map_err(cannot)?,
        };
        let target = folder.path().join(format!("{}.wasm", placed.files.len()));
        placed.folder = Some(folder);
        std::fs::write(&target, bytes).map_err(cannot)?;
        let file = ModuleFile::open(&target).map_err(|error| shown(&error.to_string(), &target, path))?;
        placed.files.insert(path.clone(), file.clone());
        Ok(file)
    }

    /// Runs a module. Blocks.
    ///
    /// # Errors
    /// A sentence that names the module: it is not there or none, it was stopped, or it ended badly.
    pub fn run(&self, job: ModuleJob, cancel: &Cancel) -> Result<ExecResult, String> {
        let ModuleJob { path, stdin, env, limits, workspace, now, seed } = job;
        let module = self.file(&path)?;
        let place = module.path().to_owned();
        let timeout = limits.timeout;
        let owner = format!("run-{}", std::process::id());
        let spec = SandboxSpec { limits, workspace, ..SandboxSpec::new(RuntimeKind::Wasm, owner) };
        let program = Program::Module { module, args: vec![path.file_name().to_owned()], script: None, now, seed };
        let exec = Exec { program, env, folder: None, stdin, timeout };
        let ran = self.runtime.create(&spec).and_then(|id| {
            let ran = self.runtime.start(&id).and_then(|()| self.runtime.exec(&id, &exec, cancel));
            drop(self.runtime.delete(&id));
            ran
        });
        let result = ran.map_err(|error| match error {
            RuntimeError::Died { why, .. } => format!("{path}: its worker died: {why}"),
            RuntimeError::Cancelled => format!("{path}: cancelled"),
            other => shown(&other.to_string(), &place, &path),
        })?;
        if result.exit.is_success() {
            return Ok(result);
        }
        let said = if result.stderr.is_empty() { &result.stdout } else { &result.stderr };
        let said: String = String::from_utf8_lossy(said).trim().chars().take(COMPLAINT).collect();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(format!("{path} ended by {}{said}", result.exit))
    }

    /// Calls a module as a script is called: arguments and context in one document, an answer in JSON.
    ///
    /// # Errors
    /// A sentence that names the module and what went wrong.
    pub async fn call(
        self: &Arc<Self>,
        job: ScriptJob<'_>,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Value, String> {
        let ScriptJob { path, mut args, ctx, now, seed, .. } = job;
        if let Value::Object(args) = &mut args {
            args.insert("ctx".into(), ctx);
        }
        let (stdin, env, workspace) = (args.to_string().into_bytes(), BTreeMap::new(), Workspace::default());
        let job = ModuleJob { path: path.clone(), stdin, env, limits, workspace, now, seed };
        let modules = self.clone();
        let ran = on_thread(cancel, move |stop| modules.run(job, stop)).await;
        ran.map_err(|why| format!("{path}: {why}"))?.map(|result| answer(&result))
    }
}

/// What a module answered: what its function returned, else what it printed, as JSON where it is.
pub(crate) fn answer(result: &ExecResult) -> Value {
    if let Some(value) = &result.value {
        return value.clone();
    }
    let text = String::from_utf8_lossy(&result.stdout);
    match serde_json::from_str(&text) {
        _ if result.truncated => json!({ "text": text, "truncated": true }),
        Ok(value) => value,
        Err(_) => Value::from(text.into_owned()),
    }
}

/// What is said of a file that was laid ready is said of the spec's.
fn shown(text: &str, place: &std::path::Path, path: &RelPath) -> String {
    text.replace(&*place.to_string_lossy(), path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_sandbox::WorkerCommand;

    fn modules(files: &[(&str, &[u8])]) -> Modules {
        let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
        let files = files.iter().map(|(path, bytes)| (RelPath::new(path).unwrap(), Arc::from(*bytes))).collect();
        Modules::new(Arc::new(host), &files)
    }

    fn run(modules: &Modules, path: &str) -> String {
        let job = ModuleJob {
            path: RelPath::new(path).unwrap(),
            stdin: Vec::new(),
            env: BTreeMap::new(),
            limits: Limits::default(),
            workspace: Workspace::default(),
            now: Timestamp::default(),
            seed: 0,
        };
        modules.run(job, &Cancel::new()).unwrap_err()
    }

    #[test]
    fn what_is_no_module_is_named_by_its_path_in_the_spec_and_never_run() {
        let modules =
            modules(&[("a.wasm", b"not one"), ("b/c.wasm", b"\0asm\x0d\0\x01\0"), ("d.wasm", b"\0asm\x01\0\0\0")]);
        assert_eq!(run(&modules, "none.wasm"), "none.wasm: no WebAssembly module is there: build it");
        assert_eq!(run(&modules, "a.wasm"), "a.wasm is no WebAssembly module or component");
        for name in ["b/c.wasm", "d.wasm"] {
            let no_worker = run(&modules, name);
            assert!(no_worker.starts_with(&format!("{name} cannot be run:")), "{no_worker}");
            assert!(!no_worker.contains("aic-modules-"), "{no_worker}");
        }
    }
}
