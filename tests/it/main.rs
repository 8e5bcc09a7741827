//! The whole program, as a person or a machine uses it: real files, a real database, real sandbox workers.
//!
//! One test binary, so that it links once. Each test has a workspace of its own.

mod bad_input;
mod check;
mod doctor;
mod guard_cmd;
mod hostile_guards;
mod init;
mod interrupted;
mod language;
mod models_cmd;
#[cfg(target_os = "linux")]
mod networks;
#[cfg(target_os = "linux")]
mod own_modules;
mod run_cmd;
mod samples;
#[cfg(target_os = "linux")]
mod sandbox;
mod sessions_cmd;
mod support;
mod test_cmd;
mod tools_cmd;
mod tui;
mod versions_rollback;
mod watch;
#[cfg(target_os = "linux")]
mod workspaces;
