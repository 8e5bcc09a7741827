//! The language server of the AI Behavior Specification language, over any pair of byte streams.
//!
//! A thin shell: what is found, completed and shown is plain data of [`aic_spec`], with byte spans. This crate keeps the
//! open documents, turns spans into positions, and speaks the protocol. A handler takes its snapshot, or changes the
//! document, before its first `await`; what costs time runs on the blocking pool, and a document that changes while it
//! is being read is read once more, not once for every change.

mod actions;
mod analysis;
mod client;
mod commands;
mod convert;
mod documents;
mod features;
mod formatting;
mod frames;
mod hints;
mod home;
mod lane;
mod position;
mod pull;
mod runner;
mod server;
mod settings;
mod shared;
mod stdio;
mod tokens;

pub use runner::{CaseEnded, History, Ran, Runner, TestResult, Wanted};
pub use server::{Config, Ended, serve};
pub use stdio::serve_stdio;
