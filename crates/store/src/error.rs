//! What can go wrong with the store. Every message names the file or the version, and the next step.

use aic_base::{Digest, RelPath};
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// How the folder of a store that was moved aside is called, before its number.
pub(crate) const ASIDE: &str = ".aic.damaged-";

/// Something the store could not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The folder is not there, or is no folder.
    #[error("{}: {why}: name an existing folder as the workspace", path.display())]
    NoWorkspace {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// There is no store to read.
    #[error("{}: there is no store yet: it is made when the first version is recorded", path.display())]
    Missing {
        /// Where it would lie.
        path: PathBuf,
    },
    /// The store's folder or file cannot be written.
    #[error("{}: cannot be written ({why}): make the folder writable for you; what is stored can still be read", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The store was opened for reading only.
    #[error("{}: opened for reading only: open the workspace where it can be written", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Somebody else held the database for longer than the timeout.
    #[error("{}: another process held the store for too long (an `aic` that hangs, a backup, a database browser): close it and try again", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The database, or something in it, is damaged. It is never deleted: a person may move it aside.
    #[error("{}: the store is damaged ({why}): restore a backup, or move its folder aside to {} and start a new history", path.display(), aside.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// A name its folder may be moved to.
        aside: PathBuf,
    },
    /// The file is no store: another program's database, or no database at all.
    #[error("{}: is not a store of `aic`: move its folder aside to {}", path.display(), aside.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// A name its folder may be moved to.
        aside: PathBuf,
    },
    /// The disk is full.
    #[error("{}: the disk is full: free some space and try again; nothing that was stored is lost", path.display())]
    DiskFull {
        /// The database or the file.
        path: PathBuf,
    },
    /// A newer version of this program has written the store.
    #[error("{}: written by a newer `aic` (schema {found}, this one knows {known}): update `aic`", path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The system says no while reading or writing.
    #[error("{}: {why}: check the disk and the folder's permissions, then try again", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The database refuses; a bug of this program if nothing else is said.
    #[error("{}: {why}: try again, and report it if it stays", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What it says.
        why: String,
    },
    /// Something sealed cannot be opened.
    #[error("{what}: {why}")]
    Sealed {
        /// What.
        what: String,
        /// Why not, and what to do.
        why: crate::seal::SealError,
    },
    /// Somebody else went on with a session in the meantime.
    #[error("session `{name}`: somebody else went on with it in the meantime, and theirs stays: try again")]
    SessionMoved {
        /// The session.
        name: String,
    },
    /// The writer has stopped, because the store was closed or the writer failed.
    #[error("the store is closed: open it again")]
    Closed,
    /// No version of the spec has this name.
    #[error("{spec}: no version `{wanted}`{}", known(among))]
    NoVersion {
        /// The spec.
        spec: RelPath,
        /// What was asked for.
        wanted: String,
        /// Some names that exist.
        among: Vec<String>,
    },
    /// No version has this digest.
    #[error("no version {} is stored here: `aic versions` lists those that are", digest.short())]
    UnknownDigest {
        /// The digest.
        digest: Digest,
    },
    /// Several versions have this name.
    #[error("{spec}: `{wanted}` may be {}: write more digits", among.join(" or "))]
    Ambiguous {
        /// The spec.
        spec: RelPath,
        /// What was asked for.
        wanted: String,
        /// The versions it may be.
        among: Vec<String>,
    },
    /// The version was set aside.
    #[error("{spec}: {version} is quarantined ({reason}): choose another version, or lift the quarantine first")]
    Quarantined {
        /// The spec.
        spec: RelPath,
        /// The version, `v3 (2cf24dba5fb0)`.
        version: String,
        /// Why it was set aside.
        reason: String,
    },
    /// The working files are the target already.
    #[error("{spec}: the working files already are {version}: choose another version")]
    AlreadyThere {
        /// The spec.
        spec: RelPath,
        /// The version.
        version: String,
    },
    /// Another rollback is at work in the workspace.
    #[error("{}: another rollback is at work in this workspace: wait for it and try again", path.display())]
    RollbackAtWork {
        /// Its lock.
        path: PathBuf,
    },
    /// A working file cannot be replaced.
    #[error("{path}: {why}: {next}")]
    File {
        /// The file.
        path: RelPath,
        /// What is wrong.
        why: String,
        /// What to do.
        next: &'static str,
    },
    /// A name cannot be a tag.
    #[error("`{name}` cannot be a tag: {why}")]
    BadTag {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A path may be neither recorded nor written: it lies in `.aic` or `.git`.
    #[error("{path}: belongs to the store or to git: a version cannot hold it; name another file")]
    OffLimits {
        /// The path.
        path: RelPath,
    },
    /// A different run of the same name is stored already.
    #[error("run {run}: a different run of this name is stored already: give each run a name of its own")]
    DuplicateRun {
        /// The name.
        run: String,
    },
    /// There is no operation to undo.
    #[error("{spec}: nothing to undo{}: `aic versions` shows the history", operation.map(|id| format!(" (operation {id})")).unwrap_or_default())]
    NothingToUndo {
        /// The spec.
        spec: RelPath,
        /// The operation that was named.
        operation: Option<i64>,
    },
    /// A cap, an amount or a text cannot be stored.
    #[error("{what} is too large to be stored: {next}")]
    TooLarge {
        /// What.
        what: String,
        /// What to do.
        next: &'static str,
    },
}

fn known(among: &[String]) -> String {
    if among.is_empty() { ": no version is recorded yet".into() } else { format!(": there are {}", among.join(", ")) }
}

/// What goes wrong inside a transaction, before it is known which file to name.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database.
    Sql(rusqlite::Error),
    /// Already told in words.
    Store(StoreError),
    /// What is read from the database cannot be.
    Damaged(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<aic_base::PathError> for Fault {
    fn from(error: aic_base::PathError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Fault {
    /// Tells the fault of this database in words.
    pub(crate) fn at(self, db: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Damaged(why) => corrupt(db, why),
            Self::Sql(error) => sql(db, &error),
        }
    }
}

/// A damaged store, with a name it may be moved to.
pub(crate) fn corrupt(db: &Path, why: String) -> StoreError {
    StoreError::Corrupt { path: db.into(), why, aside: aside(db) }
}

/// A name for the store's folder that is not taken. The whole folder, because a log that is left behind would be played
/// into the next database.
fn aside(db: &Path) -> PathBuf {
    let folder = db.parent().unwrap_or(db);
    (1..1000)
        .map(|n| folder.with_file_name(format!("{ASIDE}{n}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.with_file_name(ASIDE))
}

/// Another program's file.
pub(crate) fn not_a_store(db: &Path) -> StoreError {
    StoreError::NotAStore { path: db.into(), aside: aside(db) }
}

fn sql(db: &Path, error: &rusqlite::Error) -> StoreError {
    let (path, why) = (db.to_path_buf(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Locked { path }
        }
        Some(ErrorCode::DatabaseCorrupt) => corrupt(db, why),
        Some(ErrorCode::NotADatabase) => not_a_store(db),
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::Unwritable { path, why }
        }
        Some(ErrorCode::SystemIoFailure) => StoreError::Io { path, why },
        Some(ErrorCode::TooBig) => {
            StoreError::TooLarge { what: "what was given".into(), next: "a value may have 1,000,000,000 bytes" }
        }
        Some(_) => StoreError::Database { path, why },
        // No error of SQLite: a column holds what this program never writes.
        None => match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows
            | rusqlite::Error::Utf8Error(..) => corrupt(db, why),
            _ => StoreError::Database { path, why },
        },
    }
}

/// The system's refusal to write a file of the store.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> StoreError {
    let path = path.to_path_buf();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Unwritable { path, why: error.to_string() }
        }
        _ => StoreError::Io { path, why: error.to_string() },
    }
}

/// A version as a person reads it: `v3 (2cf24dba5fb0)`.
pub(crate) fn shown(number: u32, digest: &Digest) -> String {
    format!("v{number} ({})", digest.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_offered_a_name_to_be_moved_to() {
        let text = corrupt(Path::new("/nowhere/.aic/store.db"), "page 3".into()).to_string();
        assert!(text.contains("page 3") && text.contains("/nowhere/.aic.damaged-1 "), "{text}");
    }

    #[test]
    fn an_unknown_version_lists_what_there_is() {
        let spec = RelPath::new(".aicontainer.yml").unwrap();
        let among = vec!["v2".to_owned(), "v1".to_owned()];
        let error = StoreError::NoVersion { spec: spec.clone(), wanted: "v9".into(), among };
        assert_eq!(error.to_string(), ".aicontainer.yml: no version `v9`: there are v2, v1");
        let none = StoreError::NoVersion { spec, wanted: "v9".into(), among: vec![] };
        assert!(none.to_string().ends_with("no version is recorded yet"));
    }
}
