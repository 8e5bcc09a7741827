//! The store from outside: on a real disk, across processes, and when it is killed.
//!
//! One binary, so that SQLite is linked once.

mod child;
mod concurrent;
mod kill;
mod laws;
mod measure;
mod money;
mod opening;
mod recording;
mod rollback;
mod sessions;
mod support;
mod undo;
mod versions;
