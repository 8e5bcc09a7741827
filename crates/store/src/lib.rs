//! The local store of the AIContainer workbench: `.aic/` holds the versions of every spec of a workspace, the tags and
//! operations on them, what was run and what it cost, the results of cases, and an audit chain.
//!
//! It owns the schema of `.aic/store.db` and the journalled rollback of working files. It is not for reading specs,
//! running tests, or deciding what a version should be called.
//!
//! One thread writes ([`Store`] hands it jobs through a bounded queue, and what waits together is committed together);
//! readers have connections of their own and never wait for it. A write returns when it is on the disk, except what
//! goes through a [`Recorder`], which [`Recorder::flush`] waits for. Several processes may hold the same store.
//!
//! In `.aic/`: `store.db` with its `-wal` (what was committed last; part of the database) and `-shm` (readers' marks),
//! `open.lock`, `rollback.lock` and `lease` (only locked; the system frees them when a process dies), and a
//! `.gitignore` that keeps all of it out of git. Nothing in it is ever deleted by this crate but what is erased or
//! pruned on request.
//!
//! Sessions, memories and what was said in runs are sealed where the spec says so ([`SealKey`]); keys are never stored.
//!
//! Left for later: versions keep the bytes of files, not their mode bits (a file that is replaced keeps the bits it has
//! on disk).

mod audit;
mod cases;
mod counters;
mod error;
mod lease;
mod memories;
mod operations;
mod readers;
mod recorder;
mod rekey;
mod replace;
mod rollback;
mod runs;
mod schema;
mod seal;
mod sessions;
mod store;
mod undo;
mod versions;
mod writer;

pub use audit::{AuditEntry, AuditRow, ChainBroken, ChainReport, Receipt};
pub use cases::{CaseResult, StoredCase};
pub use counters::{Reservation, Reserved};
pub use error::StoreError;
pub use lease::Lease;
pub use memories::{MemoryRecord, memory_place};
pub use operations::{Operation, OperationKind, View};
pub use recorder::Recorder;
pub use rekey::{KeyChange, Opened};
pub use replace::{FileChange, FileChangeKind, is_store_file};
pub use rollback::{Observer, Pending, Recovered, RollbackReport, RollbackRequest, Step};
pub use runs::{RunInfo, RunRecord, Sample, StoredEvent};
pub use seal::{SealError, SealKey};
pub use sessions::{SessionRecord, session_place};
pub use store::Store;
pub use undo::UndoRequest;
pub use versions::{NewVersion, Recorded, VerdictSummary, VersionInfo, VersionReason, version_digest};
