//! What the tests of this crate share: a host whose workers are the helper binary, and calls with short limits.

#![allow(dead_code, reason = "each test binary uses a part")]

#[cfg(target_os = "linux")]
pub mod jails;

use aic_base::{Limits, Timestamp};
use aic_sandbox::{Cancel, ScriptCall, ScriptError, ScriptHost, ScriptResult, WorkerCommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const NAME: &str = "scripts/test.js";

pub fn command() -> WorkerCommand {
    WorkerCommand { program: env!("CARGO_BIN_EXE_aic-sandbox-worker").into(), args: Vec::new() }
}

/// A cache that all tests share, because compiling the guest takes seconds.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-cache")
}

pub fn host() -> ScriptHost {
    ScriptHost::new(command(), Some(cache()))
}

pub fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(120), memory: 64 << 20, ..Limits::default() }
}

/// A call of a whole module.
pub fn module(source: &str) -> ScriptCall {
    ScriptCall {
        filename: NAME.into(),
        source: source.into(),
        args: json!({"x": 20}),
        ctx: json!({"y": 1}),
        limits: limits(),
        now: "2025-06-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        seed: 42,
    }
}

/// A call of a function with this body.
pub fn body(body: &str) -> ScriptCall {
    module(&format!("export default function (args, ctx) {{\n{body}\n}}\n"))
}

pub fn run(host: &ScriptHost, call: &ScriptCall) -> Result<ScriptResult, ScriptError> {
    host.call(call, &Cancel::new())
}

pub fn value(host: &ScriptHost, text: &str) -> Value {
    run(host, &body(text)).unwrap().value
}

/// Asserts that the host still works.
pub fn works(host: &ScriptHost) {
    assert_eq!(value(host, "return args.x + ctx.y"), json!(21));
}

/// How long anything may take before it counts as hanging. Generous: machines that do something else are slow.
pub const HANGS: Duration = Duration::from_secs(120);

/// Waits for a condition; gives up after [`HANGS`] at the earliest.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let never = Cancel::new();
    for _ in 0..HANGS.as_millis() / 10 {
        if condition() {
            return;
        }
        never.wait_timeout(Duration::from_millis(10));
    }
    panic!("it never came to this: {what}");
}

/// A host whose workers have this among their arguments.
pub fn tagged_host(tag: &str) -> ScriptHost {
    ScriptHost::new(WorkerCommand { args: vec![tag.into()], ..command() }, Some(cache()))
}

/// The ids of the processes one of whose arguments is this.
pub fn tagged_processes(tag: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let tagged = |id: &i32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == tag.as_bytes())
    };
    ids.filter(tagged).collect()
}

/// Starts this test program once more, as the parent of a worker that never ends its call. The program must have a test
/// `helper_parent` that is [`be_parent`].
pub fn parent_of_worker(tag: &str) -> Child {
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args(["--exact", "helper_parent"]).env("AIC_TEST_PARENT", tag);
    let parent = parent.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the worker runs", || !tagged_processes(tag).is_empty());
    parent
}

/// What [`parent_of_worker`] starts; nothing elsewhere.
pub fn be_parent() {
    if let Some(tag) = std::env::var_os("AIC_TEST_PARENT") {
        let host = tagged_host(tag.to_str().unwrap());
        drop(run(&host, &body("for (;;) {}")));
    }
}
