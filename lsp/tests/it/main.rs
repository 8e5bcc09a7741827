//! The server as clients see it: one in memory, and Neovim.

mod client;
mod neovim;
mod places;
mod protocol;
mod session;
mod specs;
