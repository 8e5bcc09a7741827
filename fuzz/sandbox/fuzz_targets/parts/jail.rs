//! As much of the sandbox's `jail` as its way to the network uses.

#[path = "../../../../crates/sandbox/agent/protocol.rs"]
pub mod protocol;
