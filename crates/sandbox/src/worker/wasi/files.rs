//! What is said of files between WASI's functions and the folder that a guest sees, whatever the system is.

use super::folder::Folder;
use std::fs::File;

/// How to open a path.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is ever opened"))]
pub(crate) struct How {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) append: bool,
    pub(crate) folder: bool,
    pub(crate) follow: bool,
}

/// What was opened.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is ever opened"))]
pub(crate) enum Opened {
    Folder(Folder),
    File(File),
}

/// What is known of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) kind: u8,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

/// One entry of a folder.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) inode: u64,
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
}
