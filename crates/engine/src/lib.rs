//! The container: from an input to an outcome, on one path that every caller shares.
//!
//! [`Container`] is what a spec becomes: immutable, `Send + Sync`, shared by all runs. A [`Conversation`] is one user's
//! session with it; [`Conversation::turn`] is a run. Start reading in `run/mod.rs`.

mod backing;
mod confirm;
mod container;
mod conversation;
mod counters;
mod data;
mod flow;
mod guards;
mod memory;
mod modules;
mod options;
mod prompt;
mod report;
mod run;
mod scripts;
mod stream;
mod tools;
mod trace;

pub use backing::{Access, Backing, Purse, without_secrets};
pub use confirm::{Pending, USUAL as USUAL_EXPIRY};
pub use container::{Container, ContainerError};
pub use conversation::{Conversation, Kept};
pub use counters::{Counters, MemoryCounters, Reservation, Reserved};
pub use data::{Data, DataError, Snapshots};
pub use memory::Seal;
pub use options::{Answer, Answers, Effects, RunOptions, Sink};
pub use report::{CallRecord, ConfirmationAsked, FileChange, TurnReport, Was, WorkspaceChanges};
pub use scripts::{Code, ScriptJob, Scripts, read_span};
pub use tools::{Ended, Lock, LockError, Mocks, TestHosts, ToolList, Workshop};
pub use trace::{NoRecorder, Recorder};
