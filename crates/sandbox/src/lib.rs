//! Sandboxes of the AIContainer workbench: scripts that a spec names run here and nowhere else.
//!
//! This version runs JavaScript: QuickJS compiled to WebAssembly, in a worker process that can be killed. A script has
//! no files, no network, no environment and no clock but the ones it is given; see [`ScriptHost`]. Two walls stand
//! around it: WebAssembly, which gives it no function to reach anything with, and a process that gave up its own
//! rights before it ran the first script ([`WorkerReport`] says which).
//!
//! Not here yet: gVisor, microVMs, other people's WASM, commands, and system-call filtering. [`probe_all`] says what a
//! machine has and never claims isolation that was not tried.

#![deny(unsafe_op_in_unsafe_fn)]

mod cancel;
mod host;
mod process;
mod runtime;
mod script;
mod wire;
mod worker;

pub use cancel::{Cancel, Watch};
pub use host::ScriptHost;
pub use process::WorkerCommand;
pub use runtime::{Probe, ProbeReport, Runtime, Wasm, probe_all};
pub use script::{Enforcement, ScriptCall, ScriptError, ScriptResult};
pub use worker::{Landlock, WorkerReport, worker_main};
