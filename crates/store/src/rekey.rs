//! Another key for everything that is sealed: opened with the old one, sealed with the new one, all or none.

use crate::error::{Fault, StoreError};
use crate::memories::memory_place;
use crate::runs::event_place;
use crate::seal::{SealError, SealKey};
use crate::sessions::session_place;
use crate::store::Store;
use aic_base::{RelPath, RunId};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// What a change of keys came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyChange {
    /// Texts that were sealed anew.
    pub changed: usize,
    /// Texts of other keys, which were left as they are.
    pub others: usize,
}

/// What lay there unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// Sessions.
    pub sessions: usize,
    /// Memories.
    pub memories: usize,
}

/// Something sealed: the row, what it is bound to, and what lies there.
struct Sealed {
    table: Table,
    row: i64,
    place: String,
    named: String,
    body: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Table {
    Session,
    Memory,
    Event,
}

impl Store {
    /// Seals the sessions of a spec and the memories of an index that are not sealed; without a key it erases them.
    ///
    /// # Errors
    /// [`StoreError`] if something cannot be sealed or the store not be written: then nothing is changed.
    pub fn seal_open(&self, spec: &RelPath, index: &str, key: Option<Arc<SealKey>>) -> Result<Opened, StoreError> {
        let (spec, index) = (spec.clone(), index.to_owned());
        let opened = self.write(move |conn| {
            let of_session = |name: &str| (session_place(&spec, name), format!("session `{name}` of {spec}"));
            let of_memory = |who: &str| (memory_place(&index, who), format!("a memory of index `{index}`"));
            let sessions = "FROM session WHERE enc = 0 AND spec = ?1";
            let memories = "FROM memory WHERE enc = 0 AND place = ?1";
            Ok(Opened {
                sessions: seal_rows(conn, key.as_deref(), ("session", "name", sessions), spec.as_str(), of_session)?,
                memories: seal_rows(conn, key.as_deref(), ("memory", "who", memories), &index, of_memory)?,
            })
        })?;
        // What was not sealed is not to lie about in the log.
        self.checkpoint()?;
        Ok(opened)
    }

    /// Seals with a new key what the old one opens: sessions, memories, and what was said in runs. What the new key
    /// opens already is left as it is, so a change that was interrupted can be done again; so is what other specs keep
    /// under keys of their own.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if something is damaged: then nothing is changed.
    pub fn change_key(&self, old: Arc<SealKey>, new: Arc<SealKey>) -> Result<KeyChange, StoreError> {
        let changed = self.write(move |conn| {
            let mut sum = KeyChange::default();
            for Sealed { table, row, place, named, body } in all(conn)? {
                if new.open(&place, &body).is_ok() {
                    continue;
                }
                let sealed = |why| StoreError::Sealed { what: named.clone(), why };
                let text = match old.open(&place, &body) {
                    Err(SealError::OtherKey { .. }) => {
                        sum.others += 1;
                        continue;
                    }
                    opened => opened.map_err(sealed)?,
                };
                let body = new.seal(&place, &text).map_err(sealed)?;
                let update = match table {
                    Table::Session => "UPDATE session SET body = ?1 WHERE rowid = ?2",
                    Table::Memory => "UPDATE memory SET body = ?1 WHERE rowid = ?2",
                    Table::Event => "UPDATE event_payload SET json = ?1 WHERE rowid = ?2",
                };
                sum.changed += conn.prepare_cached(update)?.execute(params![body, row])?;
            }
            Ok(sum)
        })?;
        // What the old key opens is not to lie about in the log.
        self.checkpoint()?;
        Ok(changed)
    }
}

/// Seals or erases rows; `of` says what one is bound to and how an error names it.
fn seal_rows(
    conn: &Connection,
    key: Option<&SealKey>,
    (table, name, rows): (&str, &str, &str),
    of_whom: &str,
    of: impl Fn(&str) -> (String, String),
) -> Result<usize, Fault> {
    let Some(key) = key else { return Ok(conn.execute(&format!("DELETE {rows}"), [of_whom])?) };
    let mut select = conn.prepare(&format!("SELECT rowid, {name}, body {rows}"))?;
    let found = select.query_map([of_whom], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let found: Vec<(i64, String, Vec<u8>)> = found.collect::<Result<_, _>>()?;
    for (row, name, body) in &found {
        let (place, named) = of(name);
        let sealed = key.seal(&place, body).map_err(|why| StoreError::Sealed { what: named, why })?;
        conn.execute(&format!("UPDATE {table} SET enc = 1, body = ?1 WHERE rowid = ?2"), params![sealed, row])?;
    }
    Ok(found.len())
}

fn all(conn: &Connection) -> Result<Vec<Sealed>, Fault> {
    let mut all = Vec::new();
    let mut select = conn.prepare("SELECT rowid, spec, name, body FROM session WHERE enc = 1")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (spec, name) = (RelPath::new(&row.get::<_, String>(1)?)?, row.get::<_, String>(2)?);
        let (place, named) = (session_place(&spec, &name), format!("session `{name}` of {spec}"));
        all.push(Sealed { table: Table::Session, row: row.get(0)?, place, named, body: row.get(3)? });
    }
    let mut select = conn.prepare("SELECT rowid, place, who, body FROM memory WHERE enc = 1")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (index, who) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        let (place, named) = (memory_place(&index, &who), format!("a memory of index `{index}`"));
        all.push(Sealed { table: Table::Memory, row: row.get(0)?, place, named, body: row.get(3)? });
    }
    let mut select = conn.prepare(
        "SELECT p.rowid, r.run, p.seq, p.json FROM event_payload p JOIN run r ON r.id = p.run WHERE p.enc = 1",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (run, seq) = (RunId(row.get(1)?), row.get(2)?);
        let (place, named) = (event_place(&run, seq), format!("run {run}"));
        all.push(Sealed { table: Table::Event, row: row.get(0)?, place, named, body: row.get(3)? });
    }
    Ok(all)
}
