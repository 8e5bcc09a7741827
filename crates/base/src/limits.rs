//! Limits on what runs in a sandbox.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a sandboxed program may use. The defaults are those of the language's `sandbox.limits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory: u64,
    /// Processors, as a share of one.
    pub cpu: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Open files.
    pub files: u32,
    /// The largest file it may write, in bytes.
    pub file_size: u64,
    /// Wall-clock time.
    pub timeout: Duration,
    /// What it may print, in bytes.
    pub output: u64,
    /// What it may write in all, in bytes.
    pub disk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MB: u64 = 1_000_000;
        Self {
            memory: 256 * MB,
            cpu: 1.0,
            pids: 100,
            files: 256,
            file_size: 50 * MB,
            timeout: Duration::from_secs(30),
            output: MB,
            disk: 100 * MB,
        }
    }
}
