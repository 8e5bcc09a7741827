//! What the tests share: a workspace on the disk, and short ways to say what they do to it.

use aic_base::{Digest, FrozenClock, RelPath, Timestamp};
use aic_store::{NewVersion, Recorded, RollbackRequest, Store, UndoRequest, VerdictSummary, VersionReason};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Files as text.
pub type Texts<'a> = &'a [(&'a str, &'a str)];

/// The files of a spec.
pub type Files = BTreeMap<RelPath, Arc<[u8]>>;

/// Noon of a day.
pub const NOON: i64 = 1_748_779_200_000;

pub fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

pub fn spec() -> RelPath {
    path(".aicontainer.yml")
}

pub fn files(texts: Texts) -> Files {
    texts.iter().map(|(name, text)| (path(name), Arc::from(text.as_bytes()))).collect()
}

pub fn noon() -> Timestamp {
    Timestamp::from_millis(NOON)
}

pub fn open(workspace: &Path) -> Store {
    Store::open(workspace, Arc::new(FrozenClock::at(noon()))).unwrap()
}

pub fn verdict(passed: u32, failed: u32, skipped: u32, other: u32) -> VerdictSummary {
    VerdictSummary { passed, failed, skipped, other, at: noon() }
}

pub fn new_version(files: Files) -> NewVersion {
    NewVersion { spec: spec(), name: "shop".into(), files, reason: VersionReason::Saved }
}

pub fn rollback_to(target: Digest, current: Files) -> RollbackRequest {
    RollbackRequest {
        spec: spec(),
        name: "shop".into(),
        target,
        current,
        quarantine_current: false,
        remove_added: true,
        reason: "worse answers".into(),
    }
}

/// A workspace with its store.
pub struct Workspace {
    pub folder: TempDir,
    pub store: Store,
}

impl Workspace {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        Self { folder, store }
    }

    /// Makes the disk hold exactly these of the named files, and records them.
    pub fn save(&self, texts: Texts) -> Recorded {
        self.put(texts);
        self.store.record_version(new_version(files(texts))).unwrap()
    }

    /// Writes files.
    pub fn put(&self, texts: Texts) {
        for (name, text) in texts {
            let file = self.folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(name)).ok()
    }

    pub fn undo(&self, current: Texts) -> Result<aic_store::RollbackReport, aic_store::StoreError> {
        let request = UndoRequest { spec: spec(), name: "shop".into(), current: files(current), operation: None };
        self.store.undo(request)
    }

    /// Every file of the workspace but the store's, by its path.
    pub fn disk(&self) -> BTreeMap<String, String> {
        disk(self.folder.path())
    }
}

/// Every file below a folder but the store's, by its path.
pub fn disk(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = RelPath::below(root, &file).unwrap();
            if file.is_dir() {
                if name.as_str() != ".aic" {
                    folders.push(file);
                }
            } else {
                found.insert(name.to_string(), std::fs::read_to_string(file).unwrap());
            }
        }
    }
    found
}

pub fn texts(texts: Texts) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}
