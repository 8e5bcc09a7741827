//! The words every room of the AIContainer workbench shares: digests, money, spans, decisions, events, time and files.
//!
//! Nothing here knows a higher floor, a file format or a protocol. If a type is used by two rooms that must not know
//! each other, it belongs here; if one room could own it, it does not.

mod clock;
mod decision;
mod digest;
mod event;
mod limits;
pub mod matcher;
mod money;
mod path;
mod source;
mod span;
pub mod units;

pub use clock::{Clock, Delay, FrozenClock, SystemClock, Timestamp, TimestampError};
pub use decision::{Action, Decision, Stage};
pub use digest::{Digest, DigestBuilder, DigestError};
pub use event::{Event, EventKind, Outcome, RunId, ToolOutcome, Usage};
pub use limits::Limits;
pub use matcher::Matcher;
pub use money::{Tokens, Usd};
pub use path::{PathError, RelPath};
pub use source::{DiskSource, Entry, MemorySource, OverlaySource, Source, SourceError, SourceErrorKind};
pub use span::{LineCol, LineIndex, Span};
