//! A call of a script: what goes in, what comes out, and everything that can go wrong.

use crate::worker::WorkerReport;
use aic_base::{Limits, Timestamp};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One call of a script's default function.
#[derive(Debug, Clone)]
pub struct ScriptCall {
    /// The script's name, as errors and stack traces show it. Nothing is read from it.
    pub filename: String,
    /// An ES module that stands alone: `export default function (args, ctx) { … }`, async if it likes.
    pub source: Arc<str>,
    /// The function's first argument.
    pub args: Value,
    /// The function's second argument.
    pub ctx: Value,
    /// What it may use. Of memory, at most 1 GiB is ever given; of printed text, at most 16 MiB.
    pub limits: Limits,
    /// What `Date` shows, standing still; moments before 1970 and after 2554 show as the nearest in between.
    pub now: Timestamp,
    /// Decides what `Math.random` gives.
    pub seed: u64,
}

/// What a script gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptResult {
    /// The function's result as JSON; `undefined` is null.
    pub value: Value,
    /// What it printed (`print`, `console.log` and its siblings), cut at the output limit.
    pub stdout: String,
    /// Whether it printed more than `stdout` holds.
    pub truncated: bool,
    /// Wall-clock time from handing the call to a ready worker until its answer was read.
    pub took: Duration,
    /// How its limits were kept.
    pub enforcement: Enforcement,
}

/// Which limits held by force, and which are only asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// Keys of `sandbox.limits` that the script could not have exceeded.
    pub enforced: Vec<&'static str>,
    /// Keys that nothing enforces here.
    pub advisory: Vec<&'static str>,
    /// What the worker process did to itself.
    pub worker: WorkerReport,
}

impl Enforcement {
    /// For a script in WASM: files, disk and processes are out of its reach altogether; the share of a processor is
    /// enforced only in that it never uses more than one.
    pub(crate) fn of_wasm(limits: &Limits, worker: WorkerReport) -> Self {
        let mut enforced = vec!["memory", "pids", "files", "file_size", "timeout", "output", "disk"];
        let mut advisory = Vec::new();
        if limits.cpu >= 1.0 { &mut enforced } else { &mut advisory }.push("cpu");
        Self { enforced, advisory, worker }
    }
}

/// Why a script gave nothing back. Each message names the script, what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The script cannot be read: a syntax error, an import, no default function, or an exception at its top level.
    #[error("{filename} cannot be loaded: {message}{}", at(stack))]
    CannotLoad {
        /// The script.
        filename: String,
        /// What is wrong with it.
        message: String,
        /// Where, one frame a line.
        stack: String,
    },
    /// The function threw, or its promise was rejected.
    #[error("{filename} threw {message}{}", at(stack))]
    Threw {
        /// The script.
        filename: String,
        /// What was thrown, as text.
        message: String,
        /// Where, one frame a line.
        stack: String,
    },
    /// It did not end in time.
    #[error("{filename} did not end within {limit:?}: look for an endless loop, or raise `limits.timeout`")]
    Timeout {
        /// The script.
        filename: String,
        /// The time it had.
        limit: Duration,
    },
    /// It wanted more memory than it may have.
    #[error("{filename} wanted more memory than {limit} bytes: keep less at a time, or raise `limits.memory`")]
    OutOfMemory {
        /// The script.
        filename: String,
        /// The memory it had, in bytes.
        limit: u64,
    },
    /// It returned what cannot be a result.
    #[error("{filename} returned no usable result: {why}; return plain data that JSON can hold")]
    NonsenseResult {
        /// The script.
        filename: String,
        /// What is wrong with the result.
        why: String,
    },
    /// It waits for a promise that nothing will settle.
    #[error("{filename} never finished: {why}; resolve or reject every promise it awaits")]
    NeverSettled {
        /// The script.
        filename: String,
        /// What it waits for.
        why: String,
    },
    /// The engine itself stopped: machine stack exhausted, or a fault inside the guest.
    #[error("{filename} was stopped by the sandbox: {why}; if this is not deep recursion, report it")]
    Trapped {
        /// The script.
        filename: String,
        /// The trap.
        why: String,
    },
    /// The script with its arguments is longer than a worker takes.
    #[error(
        "{filename} and its arguments are {bytes} bytes together, more than the {limit} a call may have: pass less"
    )]
    TooLarge {
        /// The script.
        filename: String,
        /// Their length as JSON.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The call was cancelled.
    #[error("{filename} was cancelled")]
    Cancelled {
        /// The script.
        filename: String,
    },
    /// The worker process ended, or spoke nonsense, in the middle of the call.
    #[error("the worker that ran {filename} died: {why}; the next call starts a new one")]
    WorkerDied {
        /// The script.
        filename: String,
        /// Its end, as far as is known.
        why: String,
    },
    /// No worker could be started.
    #[error("no worker for {filename}: {} {why}; run `aic doctor`", program.display())]
    CannotStart {
        /// The script.
        filename: String,
        /// The program that was to be the worker.
        program: PathBuf,
        /// What went wrong.
        why: String,
    },
}

/// The first frame of a stack trace, which is where a reader looks first.
fn at(stack: &str) -> impl fmt::Display {
    let frame = stack.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if frame.is_empty() { String::new() } else { format!(" {frame}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_script_and_the_line() {
        let error = ScriptError::Threw {
            filename: "guards/a.js".into(),
            message: "TypeError: no".into(),
            stack: "    at check (guards/a.js:3:5)\n    at default (guards/a.js:9:1)\n".into(),
        };
        assert_eq!(error.to_string(), "guards/a.js threw TypeError: no at check (guards/a.js:3:5)");
    }
}
