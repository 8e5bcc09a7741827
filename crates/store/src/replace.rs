//! Replacing working files by those of a version: staged beside their places, then renamed over them one by one.
//! Every step can be repeated, so that whoever finds a half-done replacement finishes it. It knows nothing of the
//! database; what a person has edited meanwhile is handed to the caller before it is touched.
//!
//! Between looking at a file and renaming over it lie microseconds in which an edit would still be lost.

use crate::error::{ASIDE, StoreError};
use crate::rollback::Step;
use crate::store::FOLDER;
use aic_base::{DiskSource, RelPath, Source as _, SourceErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the names of staged files end.
const STAGED: &str = ".aic-restore";

/// Files by path.
pub(crate) type Files = BTreeMap<RelPath, Arc<[u8]>>;

/// Whether a path is the store's own, so that watchers look away: what lies in `.aic/`, and files staged beside the
/// ones they are about to replace.
pub fn is_store_file(path: &RelPath) -> bool {
    let name = path.file_name();
    let first = path.names().next().unwrap_or_default();
    first == FOLDER || first.starts_with(ASIDE) || (name.starts_with('.') && name.ends_with(STAGED))
}

/// Whether a version may not hold this path: a store that came with a workspace from anywhere must not be a way into
/// git's configuration, which runs programs.
pub(crate) fn is_off_limits(path: &RelPath) -> bool {
    let mut names = path.names().enumerate();
    names.any(|(at, name)| name.eq_ignore_ascii_case(".git") || (at == 0 && name.eq_ignore_ascii_case(FOLDER)))
}

/// What became of a working file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChangeKind {
    /// Its content was put back.
    Restored,
    /// It was not there and is again.
    Created,
    /// The target does not have it, and it was recorded: it is gone.
    Removed,
    /// It was the target's already.
    Unchanged,
    /// The target does not have it, but it was edited since, another spec needs it, or it is not what it was: it
    /// stays.
    Kept,
}

/// A working file and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file.
    pub path: RelPath,
    /// What became of it.
    pub kind: FileChangeKind,
}

/// Records files that hold what no version has, before they are replaced.
pub(crate) type Rescue<'a> = &'a mut dyn FnMut(Files) -> Result<(), StoreError>;

/// One replacement.
pub(crate) struct Replacement<'a> {
    pub disk: &'a DiskSource,
    /// Makes the names of staged files this replacement's own, and the same after a crash.
    pub journal: i64,
    pub from: &'a Files,
    pub to: &'a Files,
    /// What `from` has and `to` lacks goes, too.
    pub remove: bool,
    /// Files that other specs need.
    pub shared: &'a BTreeSet<RelPath>,
}

/// Where a file is to go.
enum Place {
    /// Here.
    Ready { dest: PathBuf, meta: Option<Metadata> },
    /// A file or folder that is about to be removed is still in the way.
    Later,
}

/// Files written beside their places, by path.
pub(crate) type Staged = BTreeMap<RelPath, (PathBuf, PathBuf)>;

impl Replacement<'_> {
    /// Writes the new contents beside their places. Nothing that a person sees has changed if this fails.
    pub(crate) fn stage(&self) -> Result<Staged, StoreError> {
        let mut staged = Staged::new();
        for (index, (path, bytes)) in self.to.iter().enumerate() {
            let result = self.content(path).and_then(|content| match content {
                Some(content) if content == *bytes => Ok(None),
                _ => self.stage_one(index, path, bytes),
            });
            match result {
                Ok(Some(place)) => drop(staged.insert(path.clone(), place)),
                Ok(None) => {}
                Err(error) => {
                    self.clean();
                    return Err(error);
                }
            }
        }
        Ok(staged)
    }

    /// Puts the staged files in their places. Files that hold neither what they should nor what they did are given to
    /// `rescue` first.
    pub(crate) fn apply(
        &self,
        mut staged: Staged,
        rescue: Rescue<'_>,
        step: &dyn Fn(Step),
    ) -> Result<Vec<FileChange>, StoreError> {
        let mut rescued = Files::new();
        self.rescue(self.to.keys(), &mut rescued, rescue)?;
        let mut folders = BTreeSet::new();
        let mut changes = Vec::new();
        for path in self.removals() {
            let kind = self.remove(path, &mut folders, step)?;
            changes.push(FileChange { path: path.clone(), kind });
        }
        for (index, (path, bytes)) in self.to.iter().enumerate() {
            let before = self.content(path)?;
            let kind = if before.as_ref() == Some(bytes) {
                FileChangeKind::Unchanged
            } else {
                self.rescue([path].into_iter(), &mut rescued, rescue)?;
                let place = match staged.remove(path) {
                    Some(place) => Some(place),
                    None => self.stage_one(index, path, bytes)?,
                };
                let (temp, dest) = place.ok_or_else(|| {
                    file_error(path, "something that stays is in its place", "move it away and try again")
                })?;
                step(Step::BeforeFile(path.clone()));
                fs::rename(&temp, &dest).map_err(|error| io_error(path, &error))?;
                folders.extend(dest.parent().map(Path::to_path_buf));
                step(Step::AfterFile(path.clone()));
                if before.is_some() { FileChangeKind::Restored } else { FileChangeKind::Created }
            };
            changes.push(FileChange { path: path.clone(), kind });
        }
        self.clean();
        for folder in folders {
            sync_folder(&folder).map_err(|error| StoreError::Io { path: folder.clone(), why: error.to_string() })?;
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// Takes away what is staged and was not used, from this try or one that was cut short.
    pub(crate) fn clean(&self) {
        for (index, path) in self.to.keys().enumerate() {
            let named = path.under(self.disk.root());
            // Where the place was a link, the file was staged where that led; the named folder holds even if
            // something is in the file's place now.
            let real = match self.place(path) {
                Ok(Place::Ready { dest, .. }) => Some(dest),
                _ => None,
            };
            for dest in [Some(named), real].into_iter().flatten() {
                let Some(temp) = self.temp(index, &dest) else { continue };
                let inside = temp.parent().and_then(|folder| folder.canonicalize().ok());
                if inside.is_some_and(|folder| folder.starts_with(self.disk.root())) {
                    let _ = fs::remove_file(temp);
                }
            }
        }
    }

    fn removals(&self) -> impl Iterator<Item = &RelPath> {
        self.from.keys().filter(|path| self.remove && !self.to.contains_key(*path))
    }

    fn rescue<'p>(
        &self,
        paths: impl Iterator<Item = &'p RelPath>,
        rescued: &mut Files,
        rescue: Rescue<'_>,
    ) -> Result<(), StoreError> {
        let mut found = false;
        for path in paths {
            let Some(content) = self.content(path)? else { continue };
            let known = [self.from.get(path), self.to.get(path), rescued.get(path)];
            if !known.contains(&Some(&content)) {
                rescued.insert(path.clone(), content);
                found = true;
            }
        }
        if found { rescue(rescued.clone()) } else { Ok(()) }
    }

    /// What is on the disk; nothing if there is no file.
    fn content(&self, path: &RelPath) -> Result<Option<Arc<[u8]>>, StoreError> {
        let error = match self.disk.read(path) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => error,
        };
        match error.kind {
            SourceErrorKind::NotFound => Ok(None),
            SourceErrorKind::NotAFile if self.gives_way(path) => Ok(None),
            kind => Err(file_error(path, &kind.to_string(), "move it away and try again")),
        }
    }

    /// Whether there is a folder of this name only for files that are about to be removed.
    fn gives_way(&self, path: &RelPath) -> bool {
        let folder = path.under(self.disk.root()).symlink_metadata().is_ok_and(|meta| meta.is_dir());
        folder && self.removals().any(|removed| is_below(removed, path))
    }

    fn place(&self, path: &RelPath) -> Result<Place, StoreError> {
        if is_off_limits(path) {
            return Err(StoreError::OffLimits { path: path.clone() });
        }
        let root = self.disk.root();
        let mut folder = root.to_path_buf();
        let mut at = RelPath::default();
        for name in path.parent().names() {
            folder.push(name);
            at = at.join(name).map_err(|error| file_error(path, &error.to_string(), "choose another version"))?;
            match folder.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(path, &error)),
                Ok(meta) if meta.is_dir() => {}
                Ok(meta) if meta.is_symlink() => {
                    folder = folder.canonicalize().map_err(|error| io_error(path, &error))?;
                    if !folder.starts_with(root) {
                        return Err(outside(path));
                    }
                }
                Ok(_) if self.removals().any(|removed| *removed == at) => return Ok(Place::Later),
                Ok(_) => return Err(file_error(path, "a file is where its folder belongs", "move that file away")),
            }
        }
        let dest = folder.join(path.file_name());
        match dest.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::Ready { dest, meta: None }),
            Err(error) => Err(io_error(path, &error)),
            Ok(meta) if meta.is_file() => Ok(Place::Ready { dest, meta: Some(meta) }),
            Ok(meta) if meta.is_symlink() => {
                let real = dest.canonicalize().map_err(|_| {
                    file_error(path, "it is a symbolic link to nothing", "remove the link and try again")
                })?;
                if !real.starts_with(root) {
                    return Err(outside(path));
                }
                let meta = real.metadata().map_err(|error| io_error(path, &error))?;
                if !meta.is_file() {
                    return Err(file_error(path, "it is a link to a folder or a device", "remove the link"));
                }
                Ok(Place::Ready { dest: real, meta: Some(meta) })
            }
            Ok(_) if self.gives_way(path) => Ok(Place::Later),
            Ok(_) => Err(file_error(path, "a folder or a device is in its place", "move it away and try again")),
        }
    }

    fn temp(&self, index: usize, dest: &Path) -> Option<PathBuf> {
        Some(dest.parent()?.join(format!(".{}-{index}{STAGED}", self.journal)))
    }

    /// Writes one file beside its place, with the mode bits of the one it will replace; nothing if something that is
    /// about to be removed is still in the way.
    fn stage_one(&self, index: usize, path: &RelPath, bytes: &[u8]) -> Result<Option<(PathBuf, PathBuf)>, StoreError> {
        let Place::Ready { dest, meta } = self.place(path)? else { return Ok(None) };
        let Some(temp) = self.temp(index, &dest) else { return Ok(None) };
        let write = || -> io::Result<()> {
            if let Some(folder) = dest.parent() {
                fs::create_dir_all(folder)?;
            }
            match fs::remove_file(&temp) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Made anew: a link of this name, put there by somebody, is not followed.
            let mut file = File::create_new(&temp)?;
            file.write_all(bytes)?;
            if let Some(meta) = &meta {
                file.set_permissions(meta.permissions())?;
            }
            file.sync_all()
        };
        write().map_err(|error| io_error(path, &error))?;
        Ok(Some((temp, dest)))
    }

    fn remove(
        &self,
        path: &RelPath,
        folders: &mut BTreeSet<PathBuf>,
        step: &dyn Fn(Step),
    ) -> Result<FileChangeKind, StoreError> {
        if self.shared.contains(path) || is_off_limits(path) {
            return Ok(FileChangeKind::Kept);
        }
        match self.content(path) {
            Ok(None) => {}
            Ok(Some(content)) if self.from.get(path) == Some(&content) => {
                // The folder's real place: `content` has seen that the file lies inside the workspace.
                let named = path.under(self.disk.root());
                let folder = named.parent().unwrap_or(&named).canonicalize().map_err(|error| io_error(path, &error))?;
                if !folder.starts_with(self.disk.root()) {
                    return Ok(FileChangeKind::Kept);
                }
                step(Step::BeforeFile(path.clone()));
                fs::remove_file(folder.join(path.file_name())).map_err(|error| io_error(path, &error))?;
                folders.insert(folder);
                step(Step::AfterFile(path.clone()));
            }
            Ok(Some(_)) | Err(_) => return Ok(FileChangeKind::Kept),
        }
        // Where the target has a file in place of a folder, the folder goes once it is empty.
        let mut folder = path.parent();
        while !folder.is_root() && self.to.keys().any(|file| *file == folder || is_below(&folder, file)) {
            let real = folder.under(self.disk.root());
            if fs::remove_dir(&real).is_ok() {
                folders.remove(&real);
            }
            folder = folder.parent();
        }
        Ok(FileChangeKind::Removed)
    }
}

fn is_below(path: &RelPath, folder: &RelPath) -> bool {
    path.as_str().strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// Makes what was made or renamed in a folder last.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // Taken away again by this very replacement.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn file_error(path: &RelPath, why: &str, next: &'static str) -> StoreError {
    StoreError::File { path: path.clone(), why: why.into(), next }
}

fn outside(path: &RelPath) -> StoreError {
    file_error(path, "a symbolic link leads out of the workspace", "remove the link and try again")
}

fn io_error(path: &RelPath, error: &io::Error) -> StoreError {
    let next = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space and try again",
        _ => "make the file and its folder writable and try again",
    };
    file_error(path, &error.to_string(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_are_told_which_files_are_the_stores() {
        let is = |text: &str| is_store_file(&RelPath::new(text).unwrap());
        assert!(is(".aic/store.db-wal") && is("prompts/.12-0.aic-restore"));
        assert!(!is("prompts/x.md") && !is("x.aic/y") && !is(".aicontainer.yml"));
    }
}
