//! The AIContainer workbench: the program `aic`.
//!
//! `cli/` has one file a subcommand; [`workspace`] finds the folder, the specs and the store; [`session`] is the road from
//! a saved file to a verdict that `test`, `watch` and `rollback` share; [`report`] turns what came of it into text or
//! JSON; [`watch`] follows saves.

pub mod cli;
mod confirmations;
mod host;
mod keeping;
pub mod models;
pub mod output;
pub mod recording;
pub mod report;
mod rollback;
pub mod session;
mod tui;
pub mod watch;
pub mod workspace;
