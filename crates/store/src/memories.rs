//! What was said before, each with the vector that stands for its meaning: bytes here, sealed or not. Whoever searches
//! compares them all, which for the thousands of one workspace takes milliseconds.

use crate::error::StoreError;
use crate::store::Store;
use aic_base::Timestamp;
use rusqlite::params;

/// What a sealed memory is bound to.
pub fn memory_place(place: &str, who: &str) -> String {
    format!("memory\0{place}\0{who}")
}

/// Something remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRecord {
    /// Its number; not read when it is added.
    pub id: i64,
    /// The index: what is searched together.
    pub place: String,
    /// Whose it is.
    pub who: String,
    /// When it was said.
    pub at: Timestamp,
    /// From when on it is erased; none: not by itself.
    pub keep_until: Option<Timestamp>,
    /// Whether the body is sealed.
    pub sealed: bool,
    /// Text and vector.
    pub body: Vec<u8>,
}

impl Store {
    /// Remembers something.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn add_memory(&self, memory: MemoryRecord) -> Result<(), StoreError> {
        self.write(move |conn| {
            conn.prepare_cached(
                "INSERT INTO memory (place, who, at, keep_until, enc, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                memory.place,
                memory.who,
                memory.at.millis(),
                memory.keep_until.map(Timestamp::millis),
                memory.sealed,
                memory.body
            ])?;
            Ok(())
        })
    }

    /// What somebody's memory holds, the newest first, at most so many.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn memories(&self, place: &str, who: &str, limit: u32) -> Result<Vec<MemoryRecord>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT id, place, who, at, keep_until, enc, body FROM memory
                 WHERE place = ?1 AND who = ?2 ORDER BY id DESC LIMIT ?3",
            )?;
            let mut rows = select.query(params![place, who, limit])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(MemoryRecord {
                    id: row.get(0)?,
                    place: row.get(1)?,
                    who: row.get(2)?,
                    at: Timestamp::from_millis(row.get(3)?),
                    keep_until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
                    sealed: row.get(5)?,
                    body: row.get(6)?,
                });
            }
            Ok(all)
        })
    }

    /// Erases what somebody's memory holds in a place; returns how much that was.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn forget(&self, place: &str, who: &str) -> Result<usize, StoreError> {
        let (place, who) = (place.to_owned(), who.to_owned());
        let gone = self.write(move |conn| {
            Ok(conn.execute("DELETE FROM memory WHERE place = ?1 AND who = ?2", params![place, who])?)
        })?;
        self.checkpoint()?;
        Ok(gone)
    }
}
