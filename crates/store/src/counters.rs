//! Counters over sliding windows that hold across processes: rates (runs a minute) and money (reserve, then settle).
//!
//! An amount is a count or picodollars, at most 2⁶³ − 1 (9.2 million dollars). A reservation whose process died stays
//! counted until it leaves the window: its use is unknown, and a cap must hold.

use crate::error::{Fault, StoreError};
use crate::store::Store;
use aic_base::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::time::Duration;

/// How long entries that have left their window are kept, in case the window grows: 31 days.
const KEPT: Duration = Duration::from_secs(31 * 86_400);

/// An amount that is held until it is settled or released.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "settle it with what was used, or release it"]
pub struct Reservation {
    id: i64,
}

/// How a try to reserve went.
#[derive(Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The amount is held.
    Granted(Reservation),
    /// It would go over the cap.
    Refused {
        /// What the window holds already.
        sum: u64,
    },
}

impl Store {
    /// Counts an amount under a key.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn count(&self, key: &str, at: Timestamp, amount: u64) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |conn| insert(conn, &key, at, amount, true).map(|_| ()))
    }

    /// What is counted and held under a key at and after `since`; all of it without. Saturates at 2⁶³ − 1.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn counted(&self, key: &str, since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.read(|conn| sum(conn, key, since.map_or(i64::MIN, Timestamp::millis)))
    }

    /// Holds an amount if the window (ending at `at`; no window is all time) then holds no more than `max`. Asking and
    /// holding are one step, also between processes.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written: then nothing is held, and the caller must not go on.
    pub fn try_reserve(
        &self,
        key: &str,
        window: Option<Duration>,
        max: u64,
        amount: u64,
        at: Timestamp,
    ) -> Result<Reserved, StoreError> {
        let key = key.to_owned();
        self.write(move |conn| {
            // Half open: what happened exactly one window ago has left it.
            let since = window.map_or(i64::MIN, |window| at.minus(window).millis().saturating_add(1));
            let sum = sum(conn, &key, since)?;
            if sum.checked_add(amount).is_none_or(|total| total > max) {
                return Ok(Reserved::Refused { sum });
            }
            if let Some(window) = window {
                // Whoever counts also clears away, so that no table grows for ever.
                conn.prepare_cached("DELETE FROM counter WHERE key = ?1 AND at < ?2")?
                    .execute(params![key, at.minus(window.max(KEPT)).millis()])?;
            }
            Ok(Reserved::Granted(Reservation { id: insert(conn, &key, at, amount, false)? }))
        })
    }

    /// Counts what was really used in place of what was held, also if it is more.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written: the reservation then stays.
    pub fn settle(&self, reservation: Reservation, amount: u64) -> Result<(), StoreError> {
        let amount = clamp(amount);
        self.write(move |conn| {
            conn.prepare_cached("UPDATE counter SET amount = ?2, settled = 1 WHERE id = ?1")?
                .execute(params![reservation.id, amount])?;
            Ok(())
        })
    }

    /// Gives back what was held: nothing was used.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written: the reservation then stays.
    pub fn release(&self, reservation: Reservation) -> Result<(), StoreError> {
        self.write(move |conn| {
            conn.execute("DELETE FROM counter WHERE id = ?1 AND settled = 0", [reservation.id])?;
            Ok(())
        })
    }

    /// Forgets what was counted before a moment that no window reaches back to; returns how many entries went.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn prune_counters(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(move |conn| Ok(conn.execute("DELETE FROM counter WHERE at < ?1", [before.millis()])?))
    }
}

fn clamp(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn insert(conn: &Connection, key: &str, at: Timestamp, amount: u64, settled: bool) -> Result<i64, Fault> {
    conn.prepare_cached("INSERT INTO counter (key, at, amount, settled) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        key,
        at.millis(),
        clamp(amount),
        settled
    ])?;
    Ok(conn.last_insert_rowid())
}

/// Sums in two halves, because SQLite gives up where one sum would overflow.
fn sum(conn: &Connection, key: &str, since: i64) -> Result<u64, Fault> {
    let halves: Option<(Option<i64>, Option<i64>)> = conn
        .prepare_cached(
            "SELECT sum(amount / 1000000000), sum(amount % 1000000000) FROM counter WHERE key = ?1 AND at >= ?2",
        )?
        .query_row(params![key, since], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (high, low) = halves.unwrap_or_default();
    let total = high.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(low.unwrap_or(0));
    Ok(u64::try_from(total).unwrap_or(0))
}
