//! WebAssembly that the user brings: single modules, and interpreters that run scripts of a language.
//!
//! A module is WASI preview 1: a program (`_start`), or functions `alloc` and `run` that take the standard input and
//! return JSON. A component is WASI preview 2 of any version 0.2: a program (`wasi:cli/run`), or a function `run` from a
//! text to a text of JSON. Each run has a worker process and an instance of its own, no network, a clock and random
//! numbers that the caller decides, and of files at most one folder.

mod registry;
mod run;

pub use registry::{Guest, GuestError, Guests};
pub(crate) use run::run;
pub use run::{ModuleError, ModuleFile};
