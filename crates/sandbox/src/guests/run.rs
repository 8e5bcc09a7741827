//! One run of a module, from its file to its result.

use crate::cancel::Cancel;
use crate::host::{ModuleFailure, ScriptHost, answer_of};
use crate::runtime::{
    Access, Exec, ExecResult, Exit, Kept, Limit, Program, RuntimeError, RuntimeKind, SandboxId, SandboxSpec,
};
use crate::wire::{self, CallHeader, End, ModuleBody, ModuleInput, OpenModule};
use crate::worker::{MOST_MODULE, ModuleKind};
use aic_base::{Digest, Limits};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The file of a module, and what was in it when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    path: PathBuf,
    digest: Digest,
}

/// Why a file is no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {why}", path.display())]
pub struct ModuleError {
    path: PathBuf,
    why: String,
}

impl ModuleFile {
    /// Looks at a file. Compiling it, and the last word on it, is a worker's.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or does not begin like a module.
    pub fn open(path: &Path) -> Result<Self, ModuleError> {
        Self::read(path).map(|(file, _)| file)
    }

    /// The same, with its bytes.
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<u8>), ModuleError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let bad = |why: String| ModuleError { path: path.clone(), why };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| bad(format!("cannot be read: {error}")))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(bad("is no file".into()));
        }
        file.take(MOST_MODULE + 1).read_to_end(&mut bytes).map_err(|error| bad(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MOST_MODULE {
            return Err(bad(format!("is larger than the {MOST_MODULE} bytes that a module may have")));
        }
        ModuleKind::of(&bytes).map_err(|why| bad(why.into()))?;
        let digest = Digest::of(&bytes);
        Ok((Self { path, digest }, bytes))
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn at(path: PathBuf, digest: Digest) -> Self {
        Self { path, digest }
    }

    pub(super) fn ask(&self, limits: &Limits, workspace: Option<(Vec<u8>, bool)>) -> OpenModule {
        OpenModule {
            path: self.path.as_os_str().as_encoded_bytes().to_vec(),
            digest: self.digest,
            workspace,
            files: limits.files,
            file_size: limits.file_size,
            disk: limits.disk,
        }
    }
}

/// Runs a module in a room of the `wasm` runtime.
pub(crate) fn run(
    host: &ScriptHost,
    id: &SandboxId,
    spec: &SandboxSpec,
    exec: &Exec,
    kept: Vec<Kept>,
    cancel: &Cancel,
) -> Result<ExecResult, RuntimeError> {
    let Program::Module { module, args, script, now, seed } = &exec.program else {
        let what = "was asked for no module".into();
        return Err(RuntimeError::Unsupported { runtime: RuntimeKind::Wasm, what });
    };
    let name = || module.path.display().to_string();
    let cannot = |why: String| RuntimeError::CannotRunModule { module: name(), why };
    let workspace = match spec.workspace.access {
        Access::None => None,
        access => {
            let folder = &spec.workspace.path;
            let folder = folder.canonicalize().map_err(|error| RuntimeError::file(folder, error))?;
            Some((folder.into_os_string().into_encoded_bytes(), access == Access::ReadWrite))
        }
    };
    let texts = args.iter().chain(exec.env.keys()).chain(exec.env.values());
    if texts.into_iter().any(|text| text.contains('\0')) || exec.env.keys().any(|name| name.contains('=')) {
        return Err(cannot("there is a zero byte in its arguments or environment, or `=` in a name".into()));
    }
    if let Some((script, _)) = script
        && (script.is_empty() || script.contains(['/', '\0']) || script == "." || script == "..")
    {
        return Err(cannot(format!("{script:?} is no name of a script")));
    }
    let mut limits = spec.limits.clone();
    limits.timeout = limits.timeout.min(exec.timeout);
    let header = CallHeader {
        timeout_us: u64::try_from(limits.timeout.as_micros()).unwrap_or(u64::MAX),
        memory: limits.memory,
        output: limits.output,
        now_ms: now.millis(),
        seed: *seed,
    };
    let env = exec.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let input = ModuleInput { args: args.clone(), env, script: script.clone() }.encode(&exec.stdin);
    if input.len() > wire::MAX_PAYLOAD - CallHeader::BYTES {
        return Err(cannot(format!("its input is {} bytes, more than {}", input.len(), wire::MAX_PAYLOAD)));
    }
    let parts: Arc<[Vec<u8>]> = Arc::new([header.to_bytes().to_vec(), input]);
    let started = Instant::now();
    let ran = host.run_module(&module.ask(&limits, workspace), parts, limits.timeout, cancel);
    let took = started.elapsed();
    let result = |exit, value, stdout: &[u8], stderr: &[u8], truncated| ExecResult {
        exit,
        value,
        stdout: stdout.to_vec(),
        stderr: stderr.to_vec(),
        truncated,
        took,
        choice: spec.choice.clone(),
        limits: spec.limits.clone(),
        kept,
        network: Vec::new(),
    };
    let died = |why: &str| RuntimeError::Died { id: id.clone(), why: why.to_owned() };
    let (_, frame) = match ran {
        Ok(answered) => answered,
        Err(ModuleFailure::Timeout) => return Ok(result(Exit::Over(Limit::Timeout), None, b"", b"", false)),
        Err(ModuleFailure::Cancelled) => return Err(RuntimeError::Cancelled),
        Err(ModuleFailure::CannotStart(why) | ModuleFailure::NotCompiled(why)) => return Err(cannot(why)),
        Err(ModuleFailure::Died(why)) => return Err(died(&why)),
    };
    let nonsense = || died("its worker sent something that is no answer");
    let (header, stdout, body) = answer_of(&frame).ok_or_else(nonsense)?;
    let ModuleBody { code, stderr, rest } = ModuleBody::split(body).ok_or_else(nonsense)?;
    let reason = || String::from_utf8_lossy(rest).into_owned();
    let exit = match header.end {
        End::Guest => Exit::Code(code),
        End::Timeout => Exit::Over(Limit::Timeout),
        End::Memory => Exit::Over(Limit::Memory),
        End::Trap | End::Nonsense => return Err(cannot(format!("it was stopped: {}{}", reason(), last(stderr)))),
    };
    let value = match rest {
        [] => None,
        json => {
            let value: Result<Value, _> = serde_json::from_slice(json);
            Some(value.map_err(|error| cannot(format!("what it returned is no JSON: {error}")))?)
        }
    };
    Ok(result(exit, value, stdout, stderr, header.truncated))
}

/// The last line of what it complained, as the end of a sentence.
fn last(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(500).collect();
    if line.is_empty() { line } else { format!(" ({line})") }
}
