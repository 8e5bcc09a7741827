//! Counts over a sliding window: runs for `rate_limit`, dollars for `cost_control`.
//!
//! Tests start with empty ones in each case; a workspace keeps its own across processes.

use aic_base::{Timestamp, Usd};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An amount that is held until the real one is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Whose counter.
    pub key: String,
    /// Which entry of it.
    pub id: u64,
}

/// What a counter says to an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// There was room.
    Held(Reservation),
    /// There was not: so much is in the window already.
    Refused {
        /// The sum.
        sum: u64,
    },
}

/// Sums over sliding windows. Amounts are whole numbers: runs, or picodollars.
pub trait Counters: Send + Sync {
    /// Adds an amount if the window's sum stays within `most`: both in one step, so that no two callers both take the
    /// last place.
    ///
    /// # Errors
    /// A message, where the counter is kept somewhere that fails. Whoever guards by it stops then.
    fn reserve(&self, key: &str, window: Duration, most: u64, amount: u64, now: Timestamp) -> Result<Reserved, String>;

    /// Puts the real amount in the place of the held one.
    ///
    /// # Errors
    /// As [`Counters::reserve`].
    fn settle(&self, reservation: &Reservation, amount: u64) -> Result<(), String>;

    /// The window's sum.
    ///
    /// # Errors
    /// As [`Counters::reserve`].
    fn sum(&self, key: &str, window: Duration, now: Timestamp) -> Result<u64, String>;
}

/// Entries of one counter: their number, when, how much.
type Entries = Vec<(u64, Timestamp, u64)>;

/// Counters that live as long as the case.
#[derive(Debug, Default)]
pub struct MemoryCounters(Mutex<HashMap<String, Entries>>);

impl Counters for MemoryCounters {
    fn reserve(&self, key: &str, window: Duration, most: u64, amount: u64, now: Timestamp) -> Result<Reserved, String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = all.entry(key.to_owned()).or_default();
        let since = now.minus(window);
        let sum = sum_of(entries, since);
        if sum.saturating_add(amount) > most {
            return Ok(Reserved::Refused { sum });
        }
        let id = entries.last().map_or(0, |(id, ..)| id + 1);
        entries.push((id, now, amount));
        Ok(Reserved::Held(Reservation { key: key.to_owned(), id }))
    }

    fn settle(&self, reservation: &Reservation, amount: u64) -> Result<(), String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = all.entry(reservation.key.clone()).or_default();
        if let Some(entry) = entries.iter_mut().find(|(id, ..)| *id == reservation.id) {
            entry.2 = amount;
        }
        Ok(())
    }

    fn sum(&self, key: &str, window: Duration, now: Timestamp) -> Result<u64, String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(key).map_or(0, |entries| sum_of(entries, now.minus(window))))
    }
}

fn sum_of(entries: &[(u64, Timestamp, u64)], since: Timestamp) -> u64 {
    entries.iter().filter(|(_, at, _)| *at > since).fold(0, |sum: u64, (_, _, amount)| sum.saturating_add(*amount))
}

/// The key of the hour's cost of a spec.
pub(crate) fn cost_key(spec: &str) -> String {
    format!("cost/{spec}")
}

/// Dollars as the whole number that counters count.
pub(crate) const fn amount_of(cost: Usd) -> u64 {
    cost.pico()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let counters = MemoryCounters::default();
        let minute = Duration::from_secs(60);
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let held = |now| matches!(counters.reserve("k", minute, 2, 1, now).unwrap(), Reserved::Held(_));
        assert!(held(at(0)) && held(at(30)));
        assert!(!held(at(59)));
        assert!(held(at(60)));
        assert_eq!(counters.sum("k", minute, at(60)).unwrap(), 2);
    }

    #[test]
    fn what_is_settled_counts_as_what_it_was() {
        let counters = MemoryCounters::default();
        let hour = Duration::from_secs(3600);
        let now = Timestamp::from_millis(0);
        let Reserved::Held(reservation) = counters.reserve("k", hour, 100, 90, now).unwrap() else { panic!() };
        assert_eq!(counters.reserve("k", hour, 100, 20, now).unwrap(), Reserved::Refused { sum: 90 });
        counters.settle(&reservation, 5).unwrap();
        assert!(matches!(counters.reserve("k", hour, 100, 20, now).unwrap(), Reserved::Held(_)));
    }
}
