//! The audit: a chain of entries in which each one's digest covers all that came before it.
//!
//! What is in it stays: personal data must be hashed by the caller, and payloads lie elsewhere, so that erasing them
//! never breaks the chain. Cutting entries off the end cannot be seen from the chain alone, but
//! from SQLite's count of them, unless that is set back too: keep [`ChainReport::head`] somewhere else and compare with
//! [`Store::audit_digest`].

use crate::error::{Fault, StoreError};
use crate::store::Store;
use aic_base::{Digest, DigestBuilder, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value};

/// Something to be written down for good.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// What kind of thing happened, `rollback`, `run`.
    pub kind: String,
    /// The facts. Personal data only hashed.
    pub fields: Map<String, Value>,
}

/// Where an entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its place, from 1 and without gaps.
    pub seq: u64,
    /// Its digest, which covers all before it.
    pub digest: Digest,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its place, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: String,
    /// The facts.
    pub fields: Map<String, Value>,
    /// Its digest.
    pub digest: Digest,
}

/// A chain that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainReport {
    /// How many entries there are.
    pub entries: u64,
    /// The digest of the last one; of nothing where there is none.
    pub head: Digest,
}

/// A chain that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("audit entry {seq}: {why}: the audit was changed outside of this program; compare with a backup")]
pub struct ChainBroken {
    /// The first entry that is wrong.
    pub seq: u64,
    /// What is wrong.
    pub why: String,
}

impl Store {
    /// Writes an entry at the end of the chain and waits until it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written: then the entry is not there.
    pub fn audit_append(&self, entry: AuditEntry) -> Result<Receipt, StoreError> {
        let at = self.now();
        self.write(move |conn| append(conn, at, &entry))
    }

    /// Goes through the whole chain.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read. A chain that is broken is no error but the inner answer.
    pub fn audit_verify(&self) -> Result<Result<ChainReport, ChainBroken>, StoreError> {
        self.read(verify)
    }

    /// The digest of one entry, to compare with one that was kept elsewhere.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn audit_digest(&self, seq: u64) -> Result<Option<Digest>, StoreError> {
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        self.read(|conn| {
            let bytes: Option<[u8; 32]> =
                conn.query_row("SELECT digest FROM audit WHERE seq = ?1", [seq], |row| row.get(0)).optional()?;
            Ok(bytes.map(Digest::from_bytes))
        })
    }

    /// The last entries, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached("SELECT seq, at, kind, fields, digest FROM audit ORDER BY seq DESC LIMIT ?1")?;
            let mut rows = select.query([limit])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(AuditRow {
                    seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                    at: Timestamp::from_millis(row.get(1)?),
                    kind: row.get(2)?,
                    fields: serde_json::from_str(&row.get::<_, String>(3)?)?,
                    digest: Digest::from_bytes(row.get(4)?),
                });
            }
            Ok(entries)
        })
    }
}

/// What the first entry is chained to.
fn origin() -> Digest {
    DigestBuilder::new("audit").finish()
}

fn entry_digest(seq: i64, at: i64, kind: &str, fields: &str, prev: Digest) -> Digest {
    DigestBuilder::new("audit-entry")
        .part("seq", seq.to_le_bytes())
        .part("at", at.to_le_bytes())
        .part("kind", kind)
        .part("fields", fields)
        .part("prev", prev.as_bytes())
        .finish()
}

/// Appends inside the caller's transaction, which must be an immediate one: the head it reads must stay the head.
pub(crate) fn append(conn: &Connection, at: Timestamp, entry: &AuditEntry) -> Result<Receipt, Fault> {
    let head: Option<(i64, [u8; 32])> = conn
        .prepare_cached("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last, prev) = head.map_or((0, origin()), |(seq, digest)| (seq, Digest::from_bytes(digest)));
    let seq = last.saturating_add(1);
    let fields = serde_json::to_string(&entry.fields)?;
    let digest = entry_digest(seq, at.millis(), &entry.kind, &fields, prev);
    conn.prepare_cached("INSERT INTO audit (seq, at, kind, fields, prev, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![seq, at.millis(), entry.kind, fields, prev.as_bytes(), digest.as_bytes()])?;
    Ok(Receipt { seq: u64::try_from(seq).unwrap_or(0), digest })
}

fn verify(conn: &Connection) -> Result<Result<ChainReport, ChainBroken>, Fault> {
    let broken = |seq: u64, why: &str| Ok(Err(ChainBroken { seq, why: why.to_owned() }));
    let exists = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'audit'";
    if conn.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
        return broken(1, "the table of the audit is missing");
    }
    let mut select = conn.prepare_cached("SELECT seq, at, kind, fields, prev, digest FROM audit ORDER BY seq")?;
    let mut rows = select.query([])?;
    let (mut entries, mut head) = (0_u64, origin());
    while let Some(row) = rows.next()? {
        entries += 1;
        let seq: i64 = row.get(0)?;
        if u64::try_from(seq) != Ok(entries) {
            return broken(entries, "it is missing");
        }
        // What no entry of this program can hold is a change like any other.
        let Ok((at, kind, fields, prev, digest)) = parts(row) else {
            return broken(entries, "what it says is not what was written");
        };
        if prev != head {
            return broken(entries, "it does not follow the entry before it");
        }
        if entry_digest(seq, at, &kind, &fields, prev) != digest {
            return broken(entries, "what it says is not what was written");
        }
        head = digest;
    }
    // SQLite remembers the last number that it gave, until somebody who cuts thinks of that too.
    let last: Option<i64> =
        conn.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'audit'", [], |row| row.get(0)).optional()?;
    if last.is_some_and(|last| u64::try_from(last).is_ok_and(|last| last > entries)) {
        return broken(entries + 1, "it was written, and cut off the end");
    }
    Ok(Ok(ChainReport { entries, head }))
}

fn parts(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, String, String, Digest, Digest)> {
    let (prev, digest) = (Digest::from_bytes(row.get(4)?), Digest::from_bytes(row.get(5)?));
    Ok((row.get(1)?, row.get(2)?, row.get(3)?, prev, digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::migrate;
    use std::path::Path;

    fn chain(entries: i64) -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("x")).unwrap();
        for n in 0..entries {
            let fields = Map::from_iter([("n".to_owned(), Value::from(n))]);
            append(&conn, Timestamp::from_millis(n), &AuditEntry { kind: "test".into(), fields }).unwrap();
        }
        conn.execute_batch("DROP TRIGGER audit_is_kept; DROP TRIGGER audit_stays").unwrap();
        conn
    }

    #[test]
    fn an_empty_chain_and_an_untouched_one_hold() {
        assert_eq!(verify(&chain(0)).unwrap().unwrap().entries, 0);
        assert_eq!(verify(&chain(5)).unwrap().unwrap().entries, 5);
    }

    #[test]
    fn any_change_is_found_at_its_place() {
        for (change, seq) in [
            ("UPDATE audit SET fields = '{}' WHERE seq = 3", 3),
            ("UPDATE audit SET kind = 'x' WHERE seq = 2", 2),
            ("UPDATE audit SET at = 99 WHERE seq = 5", 5),
            ("DELETE FROM audit WHERE seq = 4", 4),
            ("DELETE FROM audit WHERE seq = 1", 1),
            ("UPDATE audit SET digest = zeroblob(32) WHERE seq = 1", 1),
            ("UPDATE audit SET prev = x'' WHERE seq = 3", 3),
            ("UPDATE audit SET digest = x'01' WHERE seq = 2", 2),
            ("DELETE FROM audit WHERE seq = 5", 5),
            ("DELETE FROM audit", 1),
            ("DROP TABLE audit", 1),
        ] {
            let conn = chain(5);
            conn.execute_batch(change).unwrap();
            assert_eq!(verify(&conn).unwrap().unwrap_err().seq, seq, "{change}");
        }
    }
}
