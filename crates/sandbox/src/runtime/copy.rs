//! The copy of a workspace that belongs to a sandbox: looked into from outside, with care, as guests write there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most changes that are listed.
pub const MOST_CHANGES: usize = 1000;

/// The copy of a workspace, on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceCopy {
    pub(crate) original: PathBuf,
    pub(crate) path: PathBuf,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path below the workspace, with `/`.
    pub path: String,
    /// What stood there.
    pub old: Side,
    /// What stands there now.
    pub new: Side,
}

/// What stands under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder,
    /// A file, with its bytes where there are not too many.
    File(Option<Vec<u8>>),
    /// A symbolic link.
    Link(String),
}

impl WorkspaceCopy {
    /// A folder that is no copy but the original: it is read with the same care, and nothing in it was changed.
    pub fn none_of(original: &Path) -> Self {
        Self { original: original.to_owned(), path: original.to_owned() }
    }

    /// Where it is. Another sandbox may share it; it goes with the one that made it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was changed in it since `since`, in the order of paths: [`MOST_CHANGES`] at most, with the contents of
    /// files of up to 64 KiB, 1 MiB together. `ignored` are names at the top.
    ///
    /// # Errors
    /// When a folder of it cannot be read.
    pub fn changes(&self, since: SystemTime, ignored: &[&str]) -> io::Result<Vec<Change>> {
        #[cfg(target_os = "linux")]
        return crate::jail::changes(&self.original, &self.path, since, ignored);
        #[cfg(not(target_os = "linux"))]
        return nowhere((since, ignored));
    }

    /// The bytes of a file in it, `most` at most and one more; nothing where there is none. No link is followed.
    ///
    /// # Errors
    /// When it is no plain file, or cannot be read.
    pub fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        #[cfg(target_os = "linux")]
        return crate::jail::read(&self.path, path, most);
        #[cfg(not(target_os = "linux"))]
        return nowhere((path, most));
    }
}

#[cfg(not(target_os = "linux"))]
fn nowhere<T>(_: impl Sized) -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
