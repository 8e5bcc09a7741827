//! Conversations that outlive the program, one row each. What was said is opaque bytes here, sealed or not; who may read
//! it, and when it is over, is decided by those who go on with it.

use crate::error::{Fault, StoreError};
use crate::store::Store;
use aic_base::{RelPath, Timestamp};
use rusqlite::{OptionalExtension as _, Row, params};

/// What a sealed session is bound to.
pub fn session_place(spec: &RelPath, name: &str) -> String {
    format!("session\0{spec}\0{name}")
}

/// A conversation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The spec.
    pub spec: RelPath,
    /// Its name, unique for the spec.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// When its last turn was.
    pub last: Timestamp,
    /// How many turns it has had.
    pub turns: u32,
    /// How many messages are kept.
    pub messages: u32,
    /// From when on it is erased; none: not by itself.
    pub keep_until: Option<Timestamp>,
    /// Whether the body is sealed.
    pub sealed: bool,
    /// What was said.
    pub body: Vec<u8>,
}

impl Store {
    /// One session.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn session(&self, spec: &RelPath, name: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.read(|conn| {
            conn.prepare_cached(&format!("{SELECT} WHERE spec = ?1 AND name = ?2"))?
                .query_row(params![spec.as_str(), name], |row| Ok(record(row)))
                .optional()?
                .transpose()
        })
    }

    /// All sessions of a spec, or of the workspace; the one that was used last first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn sessions(&self, spec: Option<&RelPath>) -> Result<Vec<SessionRecord>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached(&format!("{SELECT} WHERE ?1 IS NULL OR spec = ?1 ORDER BY last DESC, spec, name"))?;
            let mut rows = select.query([spec.map(RelPath::as_str)])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(record(row)?);
            }
            Ok(all)
        })
    }

    /// Keeps a session in place of the one that was read. `over` is how many turns that one had; none where there was
    /// none. If somebody else went on with it in the meantime, nothing is written.
    ///
    /// # Errors
    /// [`StoreError::SessionMoved`], or another if the store cannot be written.
    pub fn put_session(&self, session: SessionRecord, over: Option<&SessionRecord>) -> Result<(), StoreError> {
        let over = over.map(|over| over.body.clone());
        self.write(move |conn| {
            let found: Option<Vec<u8>> = conn
                .prepare_cached("SELECT body FROM session WHERE spec = ?1 AND name = ?2")?
                .query_row(params![session.spec.as_str(), session.name], |row| row.get(0))
                .optional()?;
            if found != over {
                return Err(StoreError::SessionMoved { name: session.name.clone() }.into());
            }
            conn.prepare_cached(
                "INSERT OR REPLACE INTO session (spec, name, began, last, turns, messages, keep_until, enc, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                session.spec.as_str(),
                session.name,
                session.began.millis(),
                session.last.millis(),
                session.turns,
                session.messages,
                session.keep_until.map(Timestamp::millis),
                session.sealed,
                session.body
            ])?;
            Ok(())
        })
    }

    /// Erases a session, overwriting it; says whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn remove_session(&self, spec: &RelPath, name: &str) -> Result<bool, StoreError> {
        let (spec, name) = (spec.clone(), name.to_owned());
        let removed = self.write(move |conn| {
            Ok(conn.execute("DELETE FROM session WHERE spec = ?1 AND name = ?2", params![spec.as_str(), name])? > 0)
        })?;
        self.checkpoint()?;
        Ok(removed)
    }

    /// Erases the sessions and memories whose time is over; returns how many went.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn expire_sessions(&self, now: Timestamp) -> Result<usize, StoreError> {
        let over = self.read(|conn| {
            let mut over = conn.prepare_cached(
                "SELECT (SELECT count(*) FROM session WHERE keep_until <= ?1)
                      + (SELECT count(*) FROM memory WHERE keep_until <= ?1)",
            )?;
            Ok(over.query_row([now.millis()], |row| row.get::<_, i64>(0))?)
        })?;
        // Writing waits for the disk; mostly there is nothing to do.
        if over == 0 {
            return Ok(0);
        }
        let expired = self.write(move |conn| {
            let sessions = conn.execute("DELETE FROM session WHERE keep_until <= ?1", [now.millis()])?;
            Ok(sessions + conn.execute("DELETE FROM memory WHERE keep_until <= ?1", [now.millis()])?)
        })?;
        self.checkpoint()?;
        Ok(expired)
    }
}

const SELECT: &str = "SELECT spec, name, began, last, turns, messages, keep_until, enc, body FROM session";

fn record(row: &Row<'_>) -> Result<SessionRecord, Fault> {
    Ok(SessionRecord {
        spec: RelPath::new(&row.get::<_, String>(0)?)?,
        name: row.get(1)?,
        began: Timestamp::from_millis(row.get(2)?),
        last: Timestamp::from_millis(row.get(3)?),
        turns: row.get(4)?,
        messages: row.get(5)?,
        keep_until: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        sealed: row.get(7)?,
        body: row.get(8)?,
    })
}
