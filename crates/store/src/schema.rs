//! The tables of `.aic/store.db`, their migrations, and how a connection is set up. Only this crate knows them.
//!
//! History is append-only and triggers hold this program to it; what may be erased (what people wrote, what models
//! answered) lies in tables of its own, while its digests stay where the history is.

use crate::error::{Fault, StoreError, not_a_store};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for other processes before it gives up. Who waits is not served in order: where several
/// write without pause on a slow disk, one may wait for all that the others write.
const BUSY: Duration = Duration::from_secs(30);

/// Marks the file as a store of this program ("aics").
const APPLICATION: i64 = 0x6169_6373;

/// One script a schema version; the position is the version it leads to, less one. Never change one that is released.
const MIGRATIONS: &[&str] = &[FIRST, SESSIONS];

const SESSIONS: &str = r"
CREATE TABLE session (
    spec TEXT NOT NULL, name TEXT NOT NULL, began INTEGER NOT NULL, last INTEGER NOT NULL, turns INTEGER NOT NULL,
    messages INTEGER NOT NULL, keep_until INTEGER, enc INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (spec, name)
) STRICT;
CREATE TABLE memory (
    id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL,
    keep_until INTEGER, enc INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX memory_place ON memory (place, who, id);
";

const FIRST: &str = r"
CREATE TABLE blob (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, enc INTEGER NOT NULL DEFAULT 0,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE version (
    digest BLOB PRIMARY KEY, spec TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL,
    recorded_at INTEGER NOT NULL, UNIQUE (spec, number)
) STRICT;
CREATE TABLE version_file (
    version BLOB NOT NULL REFERENCES version (digest), path TEXT NOT NULL, blob BLOB NOT NULL REFERENCES blob (digest),
    PRIMARY KEY (version, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY AUTOINCREMENT, version BLOB NOT NULL REFERENCES version (digest), at INTEGER NOT NULL,
    passed INTEGER NOT NULL, failed INTEGER NOT NULL, skipped INTEGER NOT NULL, other INTEGER NOT NULL
) STRICT;
CREATE INDEX verdict_version ON verdict (version, id);

CREATE TABLE pointer (spec TEXT PRIMARY KEY, current BLOB NOT NULL) STRICT;
CREATE TABLE tag (
    spec TEXT NOT NULL, name TEXT NOT NULL, version BLOB NOT NULL REFERENCES version (digest), PRIMARY KEY (spec, name)
) STRICT;
CREATE TABLE quarantine (
    version BLOB PRIMARY KEY REFERENCES version (digest), reason TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE TABLE operation (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec TEXT NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
    description TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, undoes INTEGER REFERENCES operation (id)
) STRICT;
CREATE INDEX operation_spec ON operation (spec, id);
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, spec TEXT NOT NULL, plan TEXT NOT NULL, at INTEGER NOT NULL,
    operation INTEGER REFERENCES operation (id), closed_at INTEGER, ending TEXT
) STRICT;
CREATE INDEX journal_open ON journal (id) WHERE closed_at IS NULL;

CREATE TABLE run (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, version BLOB, test TEXT,
    started INTEGER NOT NULL, outcome TEXT NOT NULL, cost INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL, latency INTEGER NOT NULL, guardrails INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE INDEX run_spec ON run (spec, started, id);
CREATE TABLE event (
    run INTEGER NOT NULL REFERENCES run (id), seq INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE event_payload (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, enc INTEGER NOT NULL DEFAULT 0, json BLOB NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;

CREATE TABLE case_result (
    spec TEXT NOT NULL, digest BLOB NOT NULL, verdict TEXT NOT NULL, at INTEGER NOT NULL,
    enc INTEGER NOT NULL DEFAULT 0, json TEXT NOT NULL, PRIMARY KEY (spec, digest)
) STRICT;
CREATE TABLE counter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at INTEGER NOT NULL, amount INTEGER NOT NULL,
    settled INTEGER NOT NULL
) STRICT;
CREATE INDEX counter_key ON counter (key, at);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, fields TEXT NOT NULL,
    prev BLOB NOT NULL, digest BLOB NOT NULL
) STRICT;

CREATE TRIGGER blob_is_kept BEFORE DELETE ON blob BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER blob_stays BEFORE UPDATE ON blob BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER version_is_kept BEFORE DELETE ON version BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER version_stays BEFORE UPDATE ON version BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER file_is_kept BEFORE DELETE ON version_file BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER file_stays BEFORE UPDATE ON version_file BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER operation_is_kept BEFORE DELETE ON operation BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER operation_stays BEFORE UPDATE ON operation BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER verdict_is_kept BEFORE DELETE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;
CREATE TRIGGER verdict_stays BEFORE UPDATE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts are append-only'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The writer's.
    Write,
    /// A reader's, in a store that this process may write: WAL readers write their marks into the shared memory file.
    Read,
    /// A reader's in a tree that cannot be written.
    ReadOnly,
}

/// Opens and sets up a connection.
pub(crate) fn connect(db: &Path, access: Access) -> Result<Connection, Fault> {
    let mode = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let conn = Connection::open_with_flags(db, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    // The file may come with a workspace from anywhere: its schema is not to run anything of its own choosing.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A checkpoint is work for the next writer, not for somebody who quits.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    match access {
        Access::Write => {
            conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            conn.pragma_update(None, "synchronous", "full")?;
            // What is erased is overwritten, not only forgotten.
            conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        }
        Access::Read | Access::ReadOnly => conn.pragma_update(None, "query_only", true)?,
    }
    Ok(conn)
}

/// Whether the file is a store that this program can read.
pub(crate) fn check(conn: &Connection, db: &Path) -> Result<(), Fault> {
    let found = schema(conn)?;
    if found > MIGRATIONS.len() as i64 {
        return Err(StoreError::NewerSchema { path: db.into(), found, known: MIGRATIONS.len() as i64 }.into());
    }
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application != 0 || tables != 0 || found != 0) {
        return Err(not_a_store(db).into());
    }
    Ok(())
}

/// Brings the schema up to date, in one transaction; a store that is up to date is opened without waiting for anybody.
pub(crate) fn migrate(conn: &mut Connection, db: &Path) -> Result<(), Fault> {
    check(conn, db)?;
    if schema(conn)? == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    check(&tx, db)?;
    let from = usize::try_from(schema(&tx)?).unwrap_or(0);
    for script in MIGRATIONS.iter().skip(from) {
        tx.execute_batch(script)?;
    }
    if from < MIGRATIONS.len() {
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    }
    tx.commit()?;
    Ok(())
}

fn schema(conn: &Connection) -> Result<i64, Fault> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_cannot_be_rewritten_by_this_program() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        conn.execute("INSERT INTO audit VALUES (1, 2, 'k', '{}', x'00', x'01')", []).unwrap();
        assert!(conn.execute("UPDATE audit SET kind = 'other'", []).is_err());
        assert!(conn.execute("DELETE FROM audit", []).is_err());
    }

    #[test]
    fn a_second_migration_changes_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        assert_eq!(schema(&conn).unwrap(), MIGRATIONS.len() as i64);
    }

    #[test]
    fn a_newer_schema_is_told_and_left_alone() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        let told = migrate(&mut conn, Path::new("x")).unwrap_err().at(Path::new("x")).to_string();
        assert!(told.contains("newer") && told.contains("update `aic`"), "{told}");
    }
}
