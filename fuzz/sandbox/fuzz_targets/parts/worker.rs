//! As much of the sandbox's `worker` as a guest can call.

#[path = "../../../../crates/sandbox/src/worker/link.rs"]
pub mod link;
#[path = "../../../../crates/sandbox/src/worker/random.rs"]
pub mod random;
#[path = "../../../../crates/sandbox/src/worker/wasi/mod.rs"]
pub mod wasi;
