//! In place of a folder where this version can resolve no path safely: guests see no files there.

use super::errno::Errno;
use super::files::{About, Entry, How, Opened};
use std::fs::File;

#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) writable: bool,
}

pub(crate) fn about_file(_: &File) -> Result<About, Errno> {
    Err(Errno::NOTSUP)
}

pub(crate) fn set_times(_: &File, _: Option<u64>, _: Option<u64>) -> Result<(), Errno> {
    Err(Errno::NOTSUP)
}

impl Folder {
    pub(crate) fn open(_: &std::path::Path, _: bool) -> std::io::Result<Self> {
        Err(std::io::Error::other("this version shares folders with WebAssembly on Linux only"))
    }

    pub(crate) fn same(&self) -> Result<Self, Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn open_at(&self, _: &str, _: How) -> Result<Opened, Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn make_folder(&self, _: &str) -> Result<(), Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn unlink(&self, _: &str, _: bool) -> Result<(), Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn rename(&self, _: &str, _: &Self, _: &str) -> Result<(), Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn about(&self, _: &str, _: bool) -> Result<About, Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn about_itself(&self) -> Result<About, Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn set_times(&self, _: &str, _: bool, _: Option<u64>, _: Option<u64>) -> Result<(), Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn link(&self, _: &str) -> Result<Vec<u8>, Errno> {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn list(&self) -> Result<Vec<Entry>, Errno> {
        Err(Errno::NOTSUP)
    }
}
