//! The sandbox's workers, started from this very program, and where their compiled guest is kept.

use aic_sandbox::{ScriptHost, WorkerCommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// The name under which `aic` starts itself as a worker.
pub(crate) const WORKER: &str = "__worker";

/// Workers that are this program.
pub(crate) fn script_host() -> Arc<ScriptHost> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("aic"));
    let command = WorkerCommand { program, args: vec![OsString::from(WORKER)] };
    Arc::new(ScriptHost::new(command, cache_dir()))
}

/// The interpreters that the user has added; none where the machine has no folder for a user's data.
pub(crate) fn guests() -> Option<aic_sandbox::guests::Guests> {
    let dirs = directories::ProjectDirs::from("", "", "aic")?;
    Some(aic_sandbox::guests::Guests::at(dirs.data_local_dir().join("guests")))
}

/// The user's cache folder for `aic`; none where the machine has none, and then each process compiles for itself.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "aic").map(|dirs| dirs.cache_dir().to_owned())
}
