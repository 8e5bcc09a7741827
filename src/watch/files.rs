//! The folders of the files that matter, and the system's word when something in them changes.

use crate::session::Session;
use aic_base::RelPath;
use aic_spec::{Loaded, file_kind, is_ignore_file};
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// Changes that wait to be looked at; one more says nothing new, as a look sees everything.
const QUEUE: usize = 64;

/// The watched folders. Folders rather than files, because editors save by renaming a new file over the old one.
pub(crate) struct Files {
    root: PathBuf,
    watcher: RecommendedWatcher,
    /// The folders of the files that matter.
    content: BTreeSet<PathBuf>,
    /// The folders in which specs are looked for.
    search: BTreeSet<PathBuf>,
    shared: Arc<Mutex<Shared>>,
    changes: mpsc::Receiver<Instant>,
}

/// What the system's reports are judged by, and what they leave behind.
#[derive(Default)]
struct Shared {
    content: BTreeSet<PathBuf>,
    watched: BTreeSet<PathBuf>,
    /// Watched folders that went, and may be back under the same name: these have to be watched anew.
    gone: BTreeSet<PathBuf>,
    /// Whether there may be other specs than before.
    names: bool,
}

impl Files {
    pub fn new(root: &Path) -> Result<Self, notify::Error> {
        let (sender, changes) = mpsc::channel(QUEUE);
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let judged = shared.clone();
        let watcher = notify::recommended_watcher(move |event: Result<Event, notify::Error>| {
            let mut shared = judged.lock().unwrap_or_else(PoisonError::into_inner);
            let matters = match &event {
                Ok(event) => shared.take(event),
                // An overflow of the system's own queue: look, to be sure.
                Err(_) => {
                    shared.names = true;
                    true
                }
            };
            if matters {
                let _ = sender.try_send(Instant::now());
            }
        })?;
        let (content, search) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { root: root.to_owned(), watcher, content, search, shared, changes })
    }

    /// The moment of the next change; none when the watcher is gone.
    pub async fn changed(&mut self) -> Option<Instant> {
        self.changes.recv().await
    }

    /// Whether there may be other specs than when this was asked last: files of the language, folders or what is ignored
    /// came, went or moved.
    pub fn take_names(&self) -> bool {
        std::mem::take(&mut self.shared().names)
    }

    /// Watches the folders of everything the spec names, and no others. Says whether there are new ones among them, whose
    /// content may have changed before they were watched.
    pub fn follow(&mut self, loaded: &Loaded) -> bool {
        self.follow_paths(Session::watched(loaded))
    }

    /// Watches the folders of these files, beside those in which specs are looked for, and no others. Says whether there
    /// are new ones among them, as [`follow`](Self::follow) does.
    pub fn follow_paths<'a>(&mut self, paths: impl Iterator<Item = &'a RelPath>) -> bool {
        self.content = paths.flat_map(|path| [self.folder_of(path), self.real_folder_of(path)]).flatten().collect();
        // What matters and cannot be watched is seen by no one else either: the first word on it was said already.
        self.watch().unwrap_or(false)
    }

    /// Watches the folders in which specs are looked for, too. Says whether there are new ones among them, whose content
    /// may have changed before they were watched.
    ///
    /// # Errors
    /// If one of them cannot be watched: the first reason. The others are.
    pub fn search<'a>(&mut self, folders: impl Iterator<Item = &'a RelPath>) -> Result<bool, notify::Error> {
        self.search = folders.map(|folder| folder.under(&self.root)).collect();
        self.watch()
    }

    fn watch(&mut self) -> Result<bool, notify::Error> {
        let wanted: BTreeSet<PathBuf> = self.content.union(&self.search).cloned().collect();
        let (mut watched, gone) = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.content.clone_from(&self.content);
            (shared.watched.clone(), std::mem::take(&mut shared.gone))
        };
        let watcher = &mut self.watcher;
        watched.retain(|folder| {
            let keep = wanted.contains(folder) && !gone.contains(folder) && folder.is_dir();
            if !keep {
                // It may be gone, and then the system has stopped by itself.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        let (mut grown, mut failed) = (false, None);
        for folder in wanted {
            if watched.contains(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => grown |= watched.insert(folder),
                // A folder that appears and goes is no reason to stop: its parent is watched, too, and says when it is
                // back.
                Err(_) if !folder.is_dir() => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.shared().watched = watched;
        failed.map_or(Ok(grown), Err)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Shared {
    /// Takes note of what the system reports. Says whether anything has to be looked at.
    fn take(&mut self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let moves = matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any
        );
        let mut matters = false;
        for path in event.paths.iter().filter(|path| !is_side_file(path)) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let was_folder = moves && self.watched.contains(path);
            if was_folder {
                self.gone.insert(path.clone());
            }
            let is_folder = moves && !name.starts_with('.') && path.is_dir();
            let names = was_folder || is_folder || is_ignore_file(name) || (moves && file_kind(name).is_some());
            self.names |= names;
            matters |= names || path.parent().is_some_and(|folder| self.content.contains(folder));
        }
        matters
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
    use notify::event::{CreateKind, DataChange};

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

    #[test]
    fn a_folder_that_was_not_watched_before_is_to_be_looked_at_again() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("prompts")).unwrap();
        let mut files = Files::new(root.path()).unwrap();
        let [spec, prompt, later] =
            ["spec.ai.yml", "prompts/system.md", "later/a.md"].map(|p| RelPath::new(p).unwrap());
        assert!(files.follow_paths([&spec].into_iter()));
        assert!(!files.follow_paths([&spec].into_iter()));
        assert!(files.follow_paths([&spec, &prompt].into_iter()));
        assert!(!files.follow_paths([&spec, &prompt, &later].into_iter()), "what is not there is its parent's");
        std::fs::create_dir(root.path().join("later")).unwrap();
        assert!(files.follow_paths([&spec, &prompt, &later].into_iter()));
    }

    #[test]
    fn where_specs_are_only_looked_for_a_change_of_another_file_wakes_nobody() {
        let mut shared = Shared { content: BTreeSet::from([PathBuf::from("/w/spec")]), ..Shared::default() };
        let (made, written) = (EventKind::Create(CreateKind::File), ModifyKind::Data(DataChange::Any));
        let mut take = |kind: EventKind, path: &str| {
            let matters = shared.take(&Event::new(kind).add_path(path.into()));
            (matters, std::mem::take(&mut shared.names))
        };
        assert_eq!(take(made, "/w/src/main.rs"), (false, false));
        assert_eq!(take(EventKind::Modify(written), "/w/src/a.ai.yml"), (false, false), "nobody's content");
        assert_eq!(take(made, "/w/src/a.ai.yml"), (true, true));
        assert_eq!(take(EventKind::Modify(written), "/w/.gitignore"), (true, true));
        assert_eq!(take(EventKind::Modify(written), "/w/spec/prompt.md"), (true, false));
    }
}
