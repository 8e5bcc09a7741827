//! The databases a conversation sees: the real files, or a private copy of them.
//!
//! A test never harms what it tests. Every database is first snapshot, once per test session; a case reads the snapshot
//! and gets a copy of its own the first time it writes.

use aic_base::RelPath;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It is not there.
    #[error("{path}: no such database. Create it, or correct `run.sql`")]
    Missing {
        /// The file.
        path: RelPath,
    },
    /// A symbolic link leads out of the workspace.
    #[error("{path}: leads out of the workspace. Put the database itself there")]
    Outside {
        /// The file.
        path: RelPath,
    },
    /// SQLite cannot read it.
    #[error("{path}: not a readable SQLite database: {source}")]
    Unreadable {
        /// The file.
        path: RelPath,
        /// Why.
        source: rusqlite::Error,
    },
    /// Another program does not let go of it.
    #[error("{path}: another program holds the database locked: let it finish, or close it")]
    Locked {
        /// The file.
        path: RelPath,
    },
    /// The system says no.
    #[error("{path}: no private copy could be made: {source}")]
    Copy {
        /// The file.
        path: RelPath,
        /// Why.
        source: std::io::Error,
    },
}

/// Snapshots of databases, made on first use and shared by all cases of a test session.
#[derive(Debug)]
pub struct Snapshots {
    root: PathBuf,
    folder: tempfile::TempDir,
    /// What became of each: a database that is locked or damaged is waited for once, not once a case.
    made: Mutex<HashMap<RelPath, Result<PathBuf, Arc<DataError>>>>,
}

impl Snapshots {
    /// Snapshots of the databases below this workspace.
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn new(root: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("aic-data-").tempdir()?;
        Ok(Self { root: root.to_owned(), folder, made: Mutex::default() })
    }

    /// A case's own view.
    pub fn case(self: &Arc<Self>) -> Data {
        Data::Private { snapshots: self.clone(), copies: Arc::default() }
    }

    fn snapshot(&self, path: &RelPath) -> Result<PathBuf, Arc<DataError>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(path) {
            return known.clone();
        }
        let file = self.folder.path().join(format!("{}.db", made.len()));
        let snapshot = self.make(path, &file).map(|()| file).map_err(Arc::new);
        made.insert(path.clone(), snapshot.clone());
        snapshot
    }

    fn make(&self, path: &RelPath, file: &Path) -> Result<(), DataError> {
        let original = real_file(&self.root, path)?;
        let unreadable = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DataError::Locked { path: path.clone() },
            _ => DataError::Unreadable { path: path.clone(), source },
        };
        // `VACUUM INTO` sees one consistent state, whatever other processes write meanwhile.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(original, flags).map_err(unreadable)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(unreadable)?;
        // A snapshot goes with the session: it needs no durability.
        connection.execute_batch("PRAGMA synchronous = OFF").map_err(unreadable)?;
        connection.execute("VACUUM INTO ?1", [file.to_string_lossy()]).map_err(unreadable)?;
        Ok(())
    }
}

/// The file itself, without symbolic links; it must lie in the workspace.
fn real_file(root: &Path, path: &RelPath) -> Result<PathBuf, DataError> {
    let file = path.under(root).canonicalize().ok().filter(|file| file.is_file());
    let file = file.ok_or_else(|| DataError::Missing { path: path.clone() })?;
    let inside = root.canonicalize().is_ok_and(|root| file.starts_with(root));
    if inside { Ok(file) } else { Err(DataError::Outside { path: path.clone() }) }
}

/// Which databases a conversation sees.
#[derive(Debug, Clone)]
pub enum Data {
    /// The workspace's own files, below this root.
    Real(PathBuf),
    /// A private copy.
    Private {
        /// What is copied.
        snapshots: Arc<Snapshots>,
        /// The copies that were written to.
        copies: Arc<Mutex<Copies>>,
    },
}

/// The private copies of one conversation; they go when it does.
#[derive(Debug, Default)]
pub struct Copies {
    folder: Option<tempfile::TempDir>,
    files: HashMap<RelPath, PathBuf>,
}

impl Data {
    /// The file to open for this database.
    ///
    /// # Errors
    /// [`DataError`] if it is missing, unreadable or cannot be copied.
    pub fn file(&self, path: &RelPath, for_writing: bool) -> Result<PathBuf, Arc<DataError>> {
        match self {
            Self::Real(root) => Ok(real_file(root, path)?),
            Self::Private { snapshots, copies } => {
                let mut copies = copies.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(file) = copies.files.get(path) {
                    return Ok(file.clone());
                }
                let snapshot = snapshots.snapshot(path)?;
                if !for_writing {
                    return Ok(snapshot);
                }
                let failed = |source| Arc::new(DataError::Copy { path: path.clone(), source });
                let folder = match copies.folder.take() {
                    Some(folder) => folder,
                    None => tempfile::Builder::new().prefix("aic-case-").tempdir().map_err(failed)?,
                };
                let file = folder.path().join(format!("{}.db", copies.files.len()));
                copies.folder = Some(folder);
                std::fs::copy(snapshot, &file).map_err(failed)?;
                copies.files.insert(path.clone(), file.clone());
                Ok(file)
            }
        }
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        match self {
            Self::Real(root) => root,
            Self::Private { snapshots, .. } => &snapshots.root,
        }
    }

    /// Whether this is a private copy, on which writing harms nobody.
    pub const fn is_private(&self) -> bool {
        matches!(self, Self::Private { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(file: &Path) -> i64 {
        Connection::open(file).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_case_reads_the_snapshot_and_writes_to_a_copy_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("a.db");
        Connection::open(&real).unwrap().execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)").unwrap();
        let path = RelPath::new("a.db").unwrap();
        let snapshots = Arc::new(Snapshots::new(root.path()).unwrap());
        let (one, other) = (snapshots.case(), snapshots.case());
        let written = one.file(&path, true).unwrap();
        Connection::open(&written).unwrap().execute("DELETE FROM t", []).unwrap();
        assert_eq!(count(&one.file(&path, false).unwrap()), 0);
        assert_eq!(count(&other.file(&path, false).unwrap()), 2);
        assert_eq!(count(&real), 2);
        drop(one);
        assert!(!written.exists());
    }

    #[test]
    fn what_is_no_database_is_said_to_be_none() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("x.db"), "hello, I am no database at all, not even close").unwrap();
        let data = Arc::new(Snapshots::new(root.path()).unwrap()).case();
        let error = data.file(&RelPath::new("x.db").unwrap(), false).unwrap_err().to_string();
        assert!(error.starts_with("x.db: not a readable SQLite database"), "{error}");
        let error = data.file(&RelPath::new("y.db").unwrap(), false).unwrap_err().to_string();
        assert_eq!(error, "y.db: no such database. Create it, or correct `run.sql`");
    }
}
