//! The workbench on a terminal of its own.

mod restore;
mod screen;
mod work;
