//! How limits are kept, and saying so.

use super::RuntimeError;
use aic_base::Limits;
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

/// Whether a sandbox can be held to these limits.
///
/// # Errors
/// Names the first that is too small for any program, too large for any machine, or no number.
pub fn check(limits: &Limits) -> Result<(), RuntimeError> {
    let within = |limit: Limit, fits: bool, why: &str| {
        if fits { Ok(()) } else { Err(RuntimeError::BadLimit { limit, why: why.into() }) }
    };
    // The least that a module of WebAssembly can have is a page.
    let memory = (64 << 10..=1 << 50).contains(&limits.memory);
    within(Limit::Memory, memory, "must be between 64 KiB and 1 PiB, such as 256MB")?;
    // Not a number is in no range.
    let cpu = (0.01..=10_000.0).contains(&limits.cpu);
    within(Limit::Cpu, cpu, "must be between 0.01 and 10000 processors, such as 0.5")?;
    // Linux has no more numbers for processes.
    let pids = (1..=4_194_304).contains(&limits.pids);
    within(Limit::Pids, pids, "must be between 1 and 4194304 processes")?;
    within(Limit::Files, limits.files >= 8, "must be at least 8, which is what starting a program takes")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_nothing_could_run_under_or_hold_are_refused_by_name() {
        check(&Limits::default()).unwrap();
        let usual = Limits::default;
        let bad = [
            (Limit::Memory, Limits { memory: 0, ..usual() }),
            (Limit::Memory, Limits { memory: 1000, ..usual() }),
            (Limit::Memory, Limits { memory: u64::MAX, ..usual() }),
            (Limit::Cpu, Limits { cpu: f64::NAN, ..usual() }),
            (Limit::Cpu, Limits { cpu: -1.0, ..usual() }),
            (Limit::Cpu, Limits { cpu: 0.0, ..usual() }),
            (Limit::Cpu, Limits { cpu: f64::INFINITY, ..usual() }),
            (Limit::Pids, Limits { pids: 0, ..usual() }),
            (Limit::Pids, Limits { pids: 4_000_000_000, ..usual() }),
            (Limit::Files, Limits { files: 0, ..usual() }),
        ];
        for (limit, limits) in bad {
            let error = check(&limits).unwrap_err().to_string();
            assert!(error.starts_with(&format!("limits.{limit}: must be")), "{error}");
        }
    }
}
