//! The server as clients see it: one in memory, and Neovim.

mod client;
mod features;
mod neovim;
mod places;
mod protocol;
mod runs;
mod session;
mod specs;
mod typing;
