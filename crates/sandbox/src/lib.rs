//! Sandboxes of the AIContainer workbench: what a spec brings that is code runs here and nowhere else.
//!
//! - Scripts run in WASM: QuickJS in a worker process that can be killed; see [`ScriptHost`].
//! - Programs run behind the wall of a [`Runtime`]: gVisor, a virtual machine, or for developers without them
//!   namespaces of the host's kernel. An agent inside starts them; a keeper outside sees to it that nothing outlives the workbench.
//! - [`Machine`] says what this machine has, and calls nothing ready that did not run a real program.
//!   [`runtime::select`] chooses.
//!
//! - Programs reach the hosts that a spec allows through a proxy of ours, and nothing else; see [`egress`].
//!
//! - WebAssembly modules of the user's run in workers of their own; see [`guests`].

#![deny(unsafe_op_in_unsafe_fn)]

mod cancel;
pub mod egress;
pub mod guests;
mod host;
#[cfg(target_os = "linux")]
mod jail;
mod kvm;
mod probe;
mod process;
pub mod runtime;
mod script;
mod wire;
mod worker;

pub use cancel::{Cancel, Watch};
pub use host::ScriptHost;
#[cfg(target_os = "linux")]
pub use jail::{Jails, Named, StateDir};
pub use kvm::{Kvm, try_kvm};
pub use probe::{Health, Machine, Probe, probe};
pub use process::WorkerCommand;
pub use runtime::{Runtime, RuntimeError, RuntimeKind, Wasm};
pub use script::{Enforcement, ScriptCall, ScriptError, ScriptResult};
pub use worker::{Landlock, WorkerReport, worker_main};
