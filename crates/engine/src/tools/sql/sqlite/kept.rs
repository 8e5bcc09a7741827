//! Connections to SQLite databases, and those that are kept from one call to the next: opening a database and reading what
//! is in it takes longer than most questions to it.
//!
//! Only a connection that cannot write is kept, by the tool it was opened for. Before it is used again, the path is
//! resolved and judged anew, and the file there must be the one that was opened, not written to since. Between calls it
//! holds no lock, no statement and no transaction; for that, a database with a write-ahead log is opened for each call.

use super::wall::{Known, Wall};
use crate::tools::clock_functions::{self, Moment};
use aic_base::Timestamp;
use aic_guard::SqlPolicy;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most connections that are kept; the one that was used longest ago goes first.
const MOST: usize = 8;
/// A file that was changed less than this ago may be changed again without another time of change.
const SETTLED: Duration = Duration::from_millis(100);
/// The longest text or blob, and the longest row, in bytes: a statement can ask for a longer one with a few words. Stored
/// pictures and documents are to fit; what an answer shows is less.
const LONGEST: i32 = 4_000_000;

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A file of the workspace, for reading.
    Read,
    /// A private copy, for reading.
    ReadCopy,
    /// A file of the workspace.
    Write,
    /// A private copy.
    WriteCopy,
}

/// A connection behind its wall.
pub(super) struct Database {
    pub connection: Connection,
    writes: bool,
    moment: Moment,
    /// What the statement that runs may do; none: the statement is ours.
    wall: Arc<Mutex<Option<Wall>>>,
    known: Option<(i64, Arc<Known>)>,
}

impl Database {
    pub fn open(file: &Path, access: Access, now: Timestamp) -> rusqlite::Result<Self> {
        let writes = matches!(access, Access::Write | Access::WriteCopy);
        let mut flags = if writes { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        // The path was resolved, and what it led to was judged: a link that has come since leads elsewhere.
        flags.set(OpenFlags::SQLITE_OPEN_NOFOLLOW, matches!(access, Access::Read | Access::Write));
        let mut connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        if access == Access::WriteCopy {
            // A throw-away copy needs no durability.
            connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")?;
        }
        let moment = clock_functions::freeze(&connection, now, writes)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
        let wall = Arc::new(Mutex::new(None::<Wall>));
        let walls = wall.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let mut wall = walls.lock().unwrap_or_else(PoisonError::into_inner);
            wall.as_mut().map_or(Authorization::Allow, |wall| wall.judge(&context))
        }))?;
        Ok(Self { connection, writes, moment, wall, known: None })
    }

    /// What is in the database. To be asked in the transaction of the statement that it is for.
    pub fn known(&mut self) -> rusqlite::Result<Arc<Known>> {
        let version = "PRAGMA schema_version";
        let version = self.connection.prepare_cached(version)?.query_row([], |row| row.get(0))?;
        if let Some((_, known)) = self.known.as_ref().filter(|(of, _)| *of == version) {
            return Ok(known.clone());
        }
        let known = Arc::new(Known::of(&self.connection, self.writes)?);
        self.known = Some((version, known.clone()));
        Ok(known)
    }

    /// Lets the statement of a call do its work behind a wall. Returns what the wall refused first too.
    pub fn behind<T>(&self, wall: Wall, work: impl FnOnce(&Connection) -> T) -> (T, Option<String>) {
        let put = |wall| std::mem::replace(&mut *self.wall.lock().unwrap_or_else(PoisonError::into_inner), wall);
        put(Some(wall));
        let came = work(&self.connection);
        let refused = put(None).and_then(|wall| wall.refused);
        (came, refused)
    }

    /// Whether the database has no write-ahead log: with one, a connection has a lock as long as it is open.
    fn has_no_log(&self) -> bool {
        let mode = self.connection.prepare_cached("PRAGMA journal_mode");
        let mode = mode.and_then(|mut mode| mode.query_row([], |row| row.get::<_, String>(0)));
        mode.is_ok_and(|mode| mode != "wal")
    }
}

/// Which file it is, and as of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Identity {
    /// What stands at this path now; nothing where the system has no such numbers.
    #[cfg(unix)]
    pub fn of(file: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let there = file.symlink_metadata().ok()?;
        Some(Self {
            file: (there.dev(), there.ino()),
            size: there.size(),
            changed: (there.ctime(), there.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    pub fn of(_: &Path) -> Option<Self> {
        None
    }

    /// Whether the next change will have another time.
    fn is_settled(&self, after: Duration) -> bool {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else {
            return false;
        };
        now.checked_sub(Duration::new(seconds, nanos)).is_some_and(|age| age >= after)
    }
}

/// One that is kept.
struct Idle {
    file: PathBuf,
    identity: Identity,
    /// Whose it is.
    policy: Arc<SqlPolicy>,
    database: Database,
}

/// The connections that a spec's tools keep. They go with it.
pub(crate) struct Kept {
    idle: Mutex<Vec<Idle>>,
    settled: Duration,
    /// How many databases were opened.
    #[cfg(test)]
    pub opened: std::sync::atomic::AtomicUsize,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            idle: Mutex::default(),
            settled: SETTLED,
            #[cfg(test)]
            opened: Default::default(),
        }
    }
}

impl Kept {
    /// One that takes a file for settled after so long.
    #[cfg(test)]
    pub fn with_settled(settled: Duration) -> Self {
        Self { settled, ..Self::default() }
    }

    /// A connection that this tool has kept to the file that stands there now. What is kept to another is dropped.
    pub(super) fn take(&self, file: &Path, policy: &Arc<SqlPolicy>, now: Timestamp) -> Option<(Database, Identity)> {
        let identity = Identity::of(file);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| one.file != file || Some(one.identity) == identity);
        let at = idle.iter().position(|one| one.file == file && Arc::ptr_eq(&one.policy, policy))?;
        let one = idle.remove(at);
        drop(idle);
        one.database.moment.set(now);
        Some((one.database, one.identity))
    }

    /// Opens a file; with the identity of what was opened where it may be kept.
    pub(super) fn open(
        &self,
        file: &Path,
        access: Access,
        now: Timestamp,
    ) -> rusqlite::Result<(Database, Option<Identity>)> {
        #[cfg(test)]
        self.opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let before = Identity::of(file).filter(|before| access == Access::Read && before.is_settled(self.settled));
        let database = Database::open(file, access, now)?;
        let identity = before.filter(|before| Identity::of(file).is_some_and(|after| after == *before));
        Ok((database, identity))
    }

    /// Keeps a connection after a call that went well.
    pub(super) fn keep(&self, file: PathBuf, policy: &Arc<SqlPolicy>, mut database: Database, identity: Identity) {
        // What the call was told of its time goes with it.
        let is_reset = database.connection.progress_handler(0, None::<fn() -> bool>).is_ok();
        let is_free = database.connection.is_autocommit() && !database.connection.is_busy();
        if !is_reset || !is_free || Identity::of(&file) != Some(identity) || !database.has_no_log() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = (idle.len() >= MOST).then(|| idle.remove(0));
        idle.push(Idle { file, identity, policy: policy.clone(), database });
        drop(idle);
        drop(dropped);
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
