//! Cassettes: exchanges with a model, written down once and answered from ever after.
//!
//! An exchange is found by the digest of what was asked (`asked`); the nth time that the same is asked in one
//! conversation takes the nth recording. The file ([`format`]) is made to be read in a diff. Nothing secret is written
//! (`redact`). [`TapeModel`] stands in a model's place and records, replays, or both.

mod asked;
mod format;
mod nearest;
mod redact;
mod tape;

pub use asked::{Asked, Key};
pub use format::{Exchange, Happened, ToolRecord};
pub use redact::{Detect, Redaction};
pub use tape::{Deck, Mode, Tape, TapeModel};

/// A cassette cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CassetteError {
    /// The file cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// A line is not what a cassette holds.
    #[error("{path}:{line}: {why}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        why: String,
    },
}

#[cfg(test)]
mod tests;
