//! How limits are kept, and saying so.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A key of `sandbox.limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory.
    Memory,
    /// Share of processors.
    Cpu,
    /// Processes and threads.
    Pids,
    /// Open files.
    Files,
    /// The largest file.
    FileSize,
    /// Wall-clock time.
    Timeout,
    /// What it prints.
    Output,
    /// What it writes in all.
    Disk,
}

impl Limit {
    /// Every limit, in the order of the language page.
    pub const ALL: [Self; 8] =
        [Self::Memory, Self::Cpu, Self::Pids, Self::Files, Self::FileSize, Self::Timeout, Self::Output, Self::Disk];

    /// Its key in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Files => "files",
            Self::FileSize => "file_size",
            Self::Timeout => "timeout",
            Self::Output => "output",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How strongly a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Nothing holds it.
    Advisory,
    /// It is looked at again and again, and whoever is over it is ended; in between it may be exceeded.
    Watched,
    /// It cannot be exceeded.
    Enforced,
}

/// One limit and what holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which.
    pub limit: Limit,
    /// How strongly.
    pub hold: Hold,
    /// By what.
    pub by: String,
}

impl Kept {
    pub(crate) fn enforced(limit: Limit, by: impl Into<String>) -> Self {
        Self { limit, hold: Hold::Enforced, by: by.into() }
    }

    pub(crate) fn watched(limit: Limit, by: impl Into<String>) -> Self {
        Self { limit, hold: Hold::Watched, by: by.into() }
    }

    pub(crate) fn advisory(limit: Limit, why: impl Into<String>) -> Self {
        Self { limit, hold: Hold::Advisory, by: why.into() }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hold = match self.hold {
            Hold::Advisory => "advisory",
            Hold::Watched => "watched",
            Hold::Enforced => "enforced",
        };
        write!(f, "{} {hold} ({})", self.limit, self.by)
    }
}
