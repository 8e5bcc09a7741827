//! Where files are read from: the disk, unsaved buffers over it, a stored version. Readers cannot tell which.

use crate::RelPath;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file that is read, in bytes; larger ones are an error, not a wait. Specs have a lower bound of their own.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The files of a workspace.
pub trait Source: Send + Sync {
    /// The bytes of a file of at most `max` bytes.
    ///
    /// # Errors
    /// [`SourceError`], which names the file and what is wrong.
    fn read_at_most(&self, path: &RelPath, max: u64) -> Result<Arc<[u8]>, SourceError>;

    /// The names in a folder, sorted. A folder that is not there is empty.
    ///
    /// # Errors
    /// [`SourceError`] if the folder cannot be read.
    fn list(&self, folder: &RelPath) -> Result<Vec<Entry>, SourceError>;

    /// Whether there is a file (not a folder) of this name.
    fn has_file(&self, path: &RelPath) -> bool;

    /// The bytes of a file of at most 64 MiB.
    ///
    /// # Errors
    /// As [`Source::read_at_most`].
    fn read(&self, path: &RelPath) -> Result<Arc<[u8]>, SourceError> {
        self.read_at_most(path, MAX_FILE)
    }

    /// A file of at most 64 MiB as text.
    ///
    /// # Errors
    /// As [`Source::read_at_most`], and [`SourceErrorKind::NotUtf8`].
    fn read_text(&self, path: &RelPath) -> Result<String, SourceError> {
        let bytes = self.read(path)?;
        std::str::from_utf8(&bytes)
            .map(str::to_owned)
            .map_err(|error| SourceError::new(path, SourceErrorKind::NotUtf8 { offset: error.valid_up_to() }))
    }
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The file or folder.
    pub path: RelPath,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct SourceError {
    /// The file.
    pub path: RelPath,
    /// What is wrong with it.
    pub kind: SourceErrorKind,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceErrorKind {
    /// It is not there.
    #[error("no such file")]
    NotFound,
    /// It is larger than allowed.
    #[error("larger than {max} bytes")]
    TooLarge {
        /// The most that is read, in bytes.
        max: u64,
    },
    /// It is not UTF-8.
    #[error("not UTF-8 at byte {offset}: save it as UTF-8")]
    NotUtf8 {
        /// The first byte that is wrong.
        offset: usize,
    },
    /// A symbolic link leads out of the workspace.
    #[error("leads out of the workspace")]
    Outside,
    /// It is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The system says no.
    #[error("{0}")]
    Io(String),
}

impl SourceError {
    /// An error about this file.
    pub fn new(path: &RelPath, kind: SourceErrorKind) -> Self {
        Self { path: path.clone(), kind }
    }

    fn io(path: &RelPath, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceErrorKind::NotFound,
            _ => SourceErrorKind::Io(error.to_string()),
        };
        Self::new(path, kind)
    }
}

/// The files on disk below a root. Symbolic links are followed only while they stay below it.
#[derive(Debug, Clone)]
pub struct DiskSource {
    root: PathBuf,
}

impl DiskSource {
    /// The files below `root`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()? })
    }

    /// The folder they lie below, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn resolve(&self, path: &RelPath) -> Result<PathBuf, SourceError> {
        let real = path.under(&self.root).canonicalize().map_err(|error| SourceError::io(path, &error))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(SourceError::new(path, SourceErrorKind::Outside)) }
    }
}

impl Source for DiskSource {
    fn read_at_most(&self, path: &RelPath, max: u64) -> Result<Arc<[u8]>, SourceError> {
        let real = self.resolve(path)?;
        // Asked before opening: opening a FIFO waits for a writer.
        let meta = real.metadata().map_err(|error| SourceError::io(path, &error))?;
        if !meta.is_file() {
            return Err(SourceError::new(path, SourceErrorKind::NotAFile));
        }
        let file = std::fs::File::open(real).map_err(|error| SourceError::io(path, &error))?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(max)).unwrap_or(0));
        file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| SourceError::io(path, &error))?;
        if bytes.len() as u64 > max {
            return Err(SourceError::new(path, SourceErrorKind::TooLarge { max }));
        }
        Ok(bytes.into())
    }

    fn list(&self, folder: &RelPath) -> Result<Vec<Entry>, SourceError> {
        let names = match self.resolve(folder).map(std::fs::read_dir) {
            Ok(Ok(names)) => names,
            Ok(Err(error)) => match SourceError::io(folder, &error) {
                SourceError { kind: SourceErrorKind::NotFound, .. } => return Ok(Vec::new()),
                error => return Err(error),
            },
            Err(SourceError { kind: SourceErrorKind::NotFound, .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for name in names {
            let name = name.map_err(|error| SourceError::io(folder, &error))?;
            // A name that is not Unicode cannot be written in a spec either.
            let Some(path) = name.file_name().to_str().and_then(|name| folder.join(name).ok()) else { continue };
            // A link to a folder is none: a walk along links may never end.
            let is_folder = name.file_type().is_ok_and(|kind| kind.is_dir());
            entries.push(Entry { path, is_folder });
        }
        entries.sort();
        Ok(entries)
    }

    fn has_file(&self, path: &RelPath) -> bool {
        self.resolve(path).is_ok_and(|real| real.is_file())
    }
}

/// Files that exist only in memory: a stored version, a test's fixture.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    files: BTreeMap<RelPath, Arc<[u8]>>,
}

impl MemorySource {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: RelPath, bytes: impl Into<Arc<[u8]>>) -> &mut Self {
        self.files.insert(path, bytes.into());
        self
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &RelPath) -> &mut Self {
        self.files.remove(path);
        self
    }

    /// All files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&RelPath, &Arc<[u8]>)> {
        self.files.iter()
    }
}

impl Source for MemorySource {
    fn read_at_most(&self, path: &RelPath, max: u64) -> Result<Arc<[u8]>, SourceError> {
        let bytes = self.files.get(path).ok_or_else(|| SourceError::new(path, SourceErrorKind::NotFound))?;
        if bytes.len() as u64 > max {
            return Err(SourceError::new(path, SourceErrorKind::TooLarge { max }));
        }
        Ok(bytes.clone())
    }

    fn list(&self, folder: &RelPath) -> Result<Vec<Entry>, SourceError> {
        let depth = folder.names().count();
        let mut entries: Vec<Entry> = self
            .files
            .keys()
            .filter(|path| folder.is_root() || path.as_str().starts_with(&format!("{}/", folder.as_str())))
            .filter_map(|path| {
                let names: Vec<&str> = path.names().collect();
                let path = RelPath::new(&names.get(..=depth)?.join("/")).ok()?;
                Some(Entry { path, is_folder: names.len() > depth + 1 })
            })
            .collect();
        entries.dedup();
        Ok(entries)
    }

    fn has_file(&self, path: &RelPath) -> bool {
        self.files.contains_key(path)
    }
}

/// Some files in memory (unsaved buffers) over another source.
#[derive(Clone)]
pub struct OverlaySource {
    above: MemorySource,
    below: Arc<dyn Source>,
}

impl OverlaySource {
    /// `above` hides what `below` has under the same names.
    pub fn new(above: MemorySource, below: Arc<dyn Source>) -> Self {
        Self { above, below }
    }
}

impl fmt::Debug for OverlaySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlaySource").field("above", &self.above).finish_non_exhaustive()
    }
}

impl Source for OverlaySource {
    fn read_at_most(&self, path: &RelPath, max: u64) -> Result<Arc<[u8]>, SourceError> {
        if self.above.has_file(path) { self.above.read_at_most(path, max) } else { self.below.read_at_most(path, max) }
    }

    fn list(&self, folder: &RelPath) -> Result<Vec<Entry>, SourceError> {
        let mut entries = self.above.list(folder)?;
        entries.extend(self.below.list(folder)?);
        entries.sort();
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }

    fn has_file(&self, path: &RelPath) -> bool {
        self.above.has_file(path) || self.below.has_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn an_unsaved_buffer_hides_the_file_below_it() {
        let mut disk = MemorySource::new();
        disk.insert(path("a/x.md"), *b"old").insert(path("a/y.md"), *b"y");
        let mut buffers = MemorySource::new();
        buffers.insert(path("a/x.md"), *b"new");
        let source = OverlaySource::new(buffers, Arc::new(disk));
        assert_eq!(source.read_text(&path("a/x.md")).unwrap(), "new");
        assert_eq!(source.read_text(&path("a/y.md")).unwrap(), "y");
        let names: Vec<_> = source.list(&path("a")).unwrap().into_iter().map(|e| e.path.to_string()).collect();
        assert_eq!(names, ["a/x.md", "a/y.md"]);
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let mut source = MemorySource::new();
        source.insert(path("bin"), vec![0x41, 0xFF]);
        assert_eq!(
            source.read_text(&path("bin")).unwrap_err().to_string(),
            "bin: not UTF-8 at byte 1: save it as UTF-8"
        );
        assert_eq!(source.read_text(&path("none")).unwrap_err().to_string(), "none: no such file");
        assert_eq!(source.read_at_most(&path("bin"), 1).unwrap_err().to_string(), "bin: larger than 1 bytes");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_out_is_not_followed_and_a_fifo_is_not_opened() {
        let base = std::env::temp_dir().join(format!("aic-base-source-{}", std::process::id()));
        let root = base.join("ws");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(base.join("secret"), "s").unwrap();
        std::fs::write(root.join("sub/in"), "inside").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("out")).unwrap();
        std::os::unix::fs::symlink("sub/in", root.join("link")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(root.join("fifo")).status().unwrap();
        assert!(fifo.success());
        let source = DiskSource::new(&root).unwrap();
        let kind = |name: &str| source.read(&path(name)).map(|_| ()).map_err(|e| e.kind);
        assert_eq!(kind("link"), Ok(()));
        assert_eq!(kind("out"), Err(SourceErrorKind::Outside));
        assert_eq!(kind("fifo"), Err(SourceErrorKind::NotAFile));
        assert_eq!(kind("sub"), Err(SourceErrorKind::NotAFile));
        assert_eq!(kind("none/x"), Err(SourceErrorKind::NotFound));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_listed_as_none_so_that_a_walk_ends() {
        let root = std::env::temp_dir().join(format!("aic-base-links-{}", std::process::id()));
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::os::unix::fs::symlink(".", root.join("loop")).unwrap();
        let source = DiskSource::new(&root).unwrap();
        let folders = source.list(&path("")).unwrap().into_iter().filter(|entry| entry.is_folder);
        assert_eq!(folders.map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["sub"]);
        std::fs::remove_dir_all(root).unwrap();
    }
}
