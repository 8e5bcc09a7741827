//! Opening `.aic/` and the handle on it.

use crate::error::{Fault, StoreError, unwritable};
use crate::readers::Readers;
use crate::recorder::Backlog;
use crate::replace::sync_folder;
use crate::rollback::Recovered;
use crate::schema::{Access, check, connect, migrate};
use crate::writer::Writer;
use aic_base::{Clock, DiskSource, SystemClock, Timestamp};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The name of the store's folder in a workspace.
pub(crate) const FOLDER: &str = ".aic";

/// The store of one workspace. Cheap to clone; `Send` and `Sync`. What is queued is written before the last clone goes.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) workspace: DiskSource,
    pub(crate) folder: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    db: PathBuf,
    writer: Option<Writer>,
    readers: Readers,
    pub(crate) backlog: Arc<Backlog>,
    recovered: OnceLock<Recovered>,
    // A copy that is read in place of a store whose folder cannot be written; goes with the handle.
    _copy: Option<tempfile::TempDir>,
}

impl Store {
    /// Opens the store of the workspace, the folder that holds or is to hold `.aic/`, and makes it if it is not there.
    /// A rollback that a crash cut short is finished first; [`Store::recovered`] tells.
    ///
    /// # Errors
    /// If the folder cannot be written, or what lies there is damaged, is no store, or is a newer one.
    pub fn open(workspace: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let workspace = root(workspace)?;
        let folder = workspace.root().join(FOLDER);
        let db = folder.join("store.db");
        make_folder(&folder)?;
        refuse_link(&db)?;
        // Two processes that make the store at the same time take turns; the system frees the lock if one dies.
        let turn = lock_file(&folder.join("open.lock"))?;
        turn.lock().map_err(|error| unwritable(&folder.join("open.lock"), &error))?;
        let conn = open_database(&db).map_err(|fault| fault.at(&db))?;
        drop(turn);
        let writer = Writer::start(conn, db.clone()).map_err(|error| unwritable(&db, &error))?;
        let readers = Readers::new(db.clone(), Access::Read);
        let backlog = Arc::default();
        let recovered = OnceLock::new();
        let inner =
            Inner { workspace, folder, clock, db, writer: Some(writer), readers, backlog, recovered, _copy: None };
        let store = Self { inner: Arc::new(inner) };
        if let Some(recovered) = store.finish_pending()? {
            let _ = store.inner.recovered.set(recovered);
        }
        Ok(store)
    }

    /// Opens the store for reading, also in a tree that cannot be written. An unfinished rollback is left as it is.
    ///
    /// # Errors
    /// If there is no store, or it cannot be read.
    pub fn open_read_only(workspace: &Path) -> Result<Self, StoreError> {
        let workspace = root(workspace)?;
        let folder = workspace.root().join(FOLDER);
        let mut db = folder.join("store.db");
        refuse_link(&db)?;
        if !db.is_file() {
            return Err(StoreError::Missing { path: db });
        }
        let mut copy = None;
        match try_read(&db) {
            Ok(()) => {}
            // Reading needs a file of marks beside the database. Where that can be neither written nor made, what
            // was committed lies in the database and its log together: both are copied, and the copy is read.
            Err(StoreError::Unwritable { .. } | StoreError::Io { .. }) => {
                let (kept, copied) = copy_database(&db)?;
                try_read(&copied)?;
                (copy, db) = (Some(kept), copied);
            }
            Err(error) => return Err(error),
        }
        let readers = Readers::new(db.clone(), if copy.is_some() { Access::Read } else { Access::ReadOnly });
        let inner = Inner {
            workspace,
            folder,
            clock: Arc::new(SystemClock::new()),
            db,
            writer: None,
            readers,
            backlog: Arc::default(),
            recovered: OnceLock::new(),
            _copy: copy,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The workspace, without symbolic links.
    pub fn workspace(&self) -> &Path {
        self.inner.workspace.root()
    }

    /// Whether it was opened for reading only.
    pub fn is_read_only(&self) -> bool {
        self.inner.writer.is_none()
    }

    /// The unfinished rollback that opening has found, and how finishing it went.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.inner.recovered.get()
    }

    /// Folds the log into the database and empties it, as far as no reader still needs it. Returns whether it is
    /// empty: then nothing that was erased is left in it.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn checkpoint(&self) -> Result<bool, StoreError> {
        self.writer()?;
        // A connection of its own, because the writer's is always inside a transaction when it works.
        let folded = connect(&self.inner.db, Access::Write)
            .and_then(|conn| Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?));
        folded.map(|busy| !busy).map_err(|fault| fault.at(&self.inner.db))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.inner.readers.read(read)
    }

    pub(crate) fn writer(&self) -> Result<&Writer, StoreError> {
        self.inner.writer.as_ref().ok_or_else(|| StoreError::ReadOnly { path: self.inner.db.clone() })
    }

    /// Writes and waits until it is on the disk.
    pub(crate) fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.writer()?.call(work)
    }
}

fn root(workspace: &Path) -> Result<DiskSource, StoreError> {
    let wrong = |why: String| StoreError::NoWorkspace { path: workspace.into(), why };
    let source = DiskSource::new(workspace).map_err(|error| wrong(error.to_string()))?;
    if source.root().is_dir() { Ok(source) } else { Err(wrong("not a folder".into())) }
}

fn open_database(db: &Path) -> Result<Connection, Fault> {
    // What is no store is recognised before anything is written to it.
    if db.exists() {
        check(&connect(db, Access::Read)?, db)?;
    }
    let mut conn = connect(db, Access::Write)?;
    migrate(&mut conn, db)?;
    Ok(conn)
}

fn try_read(db: &Path) -> Result<(), StoreError> {
    connect(db, Access::ReadOnly).and_then(|conn| check(&conn, db)).map_err(|fault| fault.at(db))
}

fn copy_database(db: &Path) -> Result<(tempfile::TempDir, PathBuf), StoreError> {
    let folder = tempfile::tempdir().map_err(|error| unwritable(&std::env::temp_dir(), &error))?;
    let copied = folder.path().join("store.db");
    for ending in ["", "-wal"] {
        let from = PathBuf::from(format!("{}{ending}", db.display()));
        match fs::copy(&from, format!("{}{ending}", copied.display())) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => {}
            Err(error) => return Err(StoreError::Io { path: from, why: error.to_string() }),
        }
    }
    Ok((folder, copied))
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    refuse_link(folder)?;
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has mode bits"))]
    let mut builder = fs::DirBuilder::new();
    // What people wrote to a model lies in here: it is nobody else's.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // The database looks after itself once its folder is sure to be there after a power cut.
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder).map_err(|error| unwritable(folder, &error))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let why = "a file lies where the store's folder belongs".into();
            return Err(StoreError::Unwritable { path: folder.into(), why });
        }
        Err(error) => return Err(unwritable(folder, &error)),
    }
    let ignore = folder.join(".gitignore");
    match File::create_new(&ignore) {
        Ok(mut file) => file.write_all(b"*\n").map_err(|error| unwritable(&ignore, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unwritable(&ignore, &error)),
    }
}

/// A workspace may come from anywhere: its store must not be a way to write somewhere else.
fn refuse_link(path: &Path) -> Result<(), StoreError> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => {
            let why = "it is a symbolic link, and the store must lie in its workspace".into();
            Err(StoreError::Unwritable { path: path.into(), why })
        }
        _ => Ok(()),
    }
}

/// Opens a file that is only ever locked.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    refuse_link(path)?;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| unwritable(path, &error))
}
