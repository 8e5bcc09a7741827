//! The folders of the files that matter, and the system's word when something in them changes.

use crate::session::Session;
use aic_base::RelPath;
use aic_spec::Loaded;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::mpsc;

/// Changes that wait to be looked at; one more says nothing new, as a look sees everything.
const QUEUE: usize = 64;

/// The watched folders. Folders rather than files, because editors save by renaming a new file over the old one.
pub(crate) struct Files {
    root: PathBuf,
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    changes: mpsc::Receiver<Instant>,
}

impl Files {
    pub fn new(root: &Path) -> Result<Self, notify::Error> {
        let (sender, changes) = mpsc::channel(QUEUE);
        let watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            let matters = match &event {
                Ok(event) => {
                    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| !is_side_file(path))
                }
                // An overflow of the system's own queue: look, to be sure.
                Err(_) => true,
            };
            if matters {
                let _ = sender.try_send(Instant::now());
            }
        })?;
        Ok(Self { root: root.to_owned(), watcher, folders: BTreeSet::new(), changes })
    }

    /// The moment of the next change; none when the watcher is gone.
    pub async fn changed(&mut self) -> Option<Instant> {
        self.changes.recv().await
    }

    /// Watches the folders of everything the spec names, and no others.
    pub fn follow(&mut self, loaded: &Loaded) {
        self.follow_paths(Session::watched(loaded));
    }

    /// Watches the folders of these files, and no others.
    pub fn follow_paths<'a>(&mut self, paths: impl Iterator<Item = &'a RelPath>) {
        let wanted: BTreeSet<PathBuf> =
            paths.flat_map(|path| [self.folder_of(path), self.real_folder_of(path)]).flatten().collect();
        let (watcher, folders) = (&mut self.watcher, &mut self.folders);
        folders.retain(|folder| {
            let keep = wanted.contains(folder) && folder.is_dir();
            if !keep {
                // It may be gone, and then the system has stopped by itself.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        for folder in wanted {
            // A folder that appears and goes is no reason to stop: its parent is watched, too, and says when it is back.
            if !folders.contains(&folder) && watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                folders.insert(folder);
            }
        }
    }

    /// Where the file really lies: a link does not change when what it leads to does.
    fn real_folder_of(&self, path: &RelPath) -> Option<PathBuf> {
        let real = path.under(&self.root).canonicalize().ok()?;
        real.parent().filter(|folder| folder.starts_with(&self.root)).map(Path::to_owned)
    }

    /// The nearest folder that exists: what is missing today may be made tomorrow.
    fn folder_of(&self, path: &RelPath) -> Option<PathBuf> {
        let full = path.parent().under(&self.root);
        full.ancestors().find(|folder| folder.is_dir() && folder.starts_with(&self.root)).map(Path::to_owned)
    }
}

/// Files that change because something else was read or written: databases' marks and journals, the store, editors'
/// swap files. A database's `-wal` is none of them: what is written to the database may stand there only.
fn is_side_file(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let store = path.components().any(|part| part.as_os_str() == ".aic");
    let database = ["-shm", "-journal"].iter().any(|ending| name.ends_with(ending));
    let editor = name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".swx") || name == "4913";
    store || database || editor || RelPath::new(name).is_ok_and(|name| aic_store::is_store_file(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_files_are_no_saves() {
        for path in
            ["/w/.aic/store.db", "/w/data/users.db-shm", "/w/data/users.db-journal", "/w/.spec.yml.swp", "/w/spec.yml~"]
        {
            assert!(is_side_file(Path::new(path)), "{path}");
        }
        for path in ["/w/.aicontainer.yml", "/w/data/users.db", "/w/data/users.db-wal", "/w/prompts/system.md"] {
            assert!(!is_side_file(Path::new(path)), "{path}");
        }
    }
}
