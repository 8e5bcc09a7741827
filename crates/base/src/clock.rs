//! Time as an input: whoever needs it is given a [`Clock`], so that tests can freeze it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// A moment: milliseconds since 1970-01-01T00:00:00Z. Shown and read as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a moment: write it like 2025-06-01T12:00:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// From milliseconds since the epoch; what no calendar can show (beyond the year 9999) is clamped.
    pub fn from_millis(millis: i64) -> Self {
        const LAST: i64 = 253_402_300_799_999;
        const FIRST: i64 = -62_135_596_800_000;
        Self(millis.clamp(FIRST, LAST))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The day, `2025-06-01`, in UTC.
    pub fn date(self) -> String {
        self.calendar().format("%Y-%m-%d").to_string()
    }

    /// The time of day, `12:00:00`, in UTC.
    pub fn time(self) -> String {
        self.calendar().format("%H:%M:%S").to_string()
    }

    /// The moment `by` later.
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `by` earlier.
    pub fn minus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    fn calendar(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0 % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        f.write_str(&self.calendar().to_rfc3339_opts(format, true))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| Self::from_millis(moment.timestamp_millis()))
            .map_err(|_| TimestampError(text.chars().take(80).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What to do about a delay that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// The clock is virtual and has moved on: do not wait.
    Passed,
    /// Time is real: wait this long.
    Wait(Duration),
}

/// The time of day, and how time passes.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The moment it is.
    fn now(&self) -> Timestamp;

    /// How much time has passed since the clock was made; never goes back. Virtual delays count.
    fn elapsed(&self) -> Duration;

    /// Lets this much time pass, or says that the caller has to wait for it.
    fn delay(&self, duration: Duration) -> Delay;
}

/// A delay in real time. A timer may end a millisecond late, so nobody waits for nothing.
const fn waited(duration: Duration) -> Delay {
    if duration.is_zero() { Delay::Passed } else { Delay::Wait(duration) }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock whose elapsed time starts now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn delay(&self, duration: Duration) -> Delay {
        waited(duration)
    }
}

/// A clock that stands still: `now` is always the same moment. Delays are virtual (they count as elapsed but nobody
/// waits); what really takes time counts as elapsed too, so that latencies are honest.
#[derive(Debug)]
pub struct FrozenClock {
    now: Timestamp,
    started: Instant,
    skipped: Mutex<Duration>,
    realtime: bool,
}

impl FrozenClock {
    /// A clock that shows this moment, with virtual delays.
    pub fn at(now: Timestamp) -> Self {
        Self { now, started: Instant::now(), skipped: Mutex::default(), realtime: false }
    }

    /// A clock that shows this moment, with delays that are waited for.
    pub fn realtime(now: Timestamp) -> Self {
        Self { realtime: true, ..Self::at(now) }
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn elapsed(&self) -> Duration {
        let skipped = *self.skipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.started.elapsed() + skipped
    }

    fn delay(&self, duration: Duration) -> Delay {
        if self.realtime {
            return waited(duration);
        }
        let mut skipped = self.skipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *skipped = skipped.saturating_add(duration);
        Delay::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_nothing() {
        let clocks: [Box<dyn Clock>; 2] =
            [Box::new(SystemClock::new()), Box::new(FrozenClock::realtime(Timestamp::default()))];
        for clock in clocks {
            assert_eq!(clock.delay(Duration::ZERO), Delay::Passed);
            assert_eq!(clock.delay(Duration::from_millis(1)), Delay::Wait(Duration::from_millis(1)));
        }
    }

    #[test]
    fn a_frozen_clock_stands_still_while_virtual_time_passes() {
        let noon: Timestamp = "2025-06-01T12:00:00Z".parse().unwrap();
        let clock = FrozenClock::at(noon);
        assert_eq!(clock.delay(Duration::from_secs(300)), Delay::Passed);
        assert_eq!(clock.now(), noon);
        assert!(clock.elapsed() >= Duration::from_secs(300));
    }

    #[test]
    fn moments_are_shown_as_they_are_read() {
        let moment: Timestamp = "2025-06-01T14:00:00+02:00".parse().unwrap();
        assert_eq!((moment.date(), moment.time()), ("2025-06-01".into(), "12:00:00".into()));
        assert_eq!(moment.to_string(), "2025-06-01T12:00:00Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn absurd_moments_are_clamped_not_lost() {
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.to_string().parse(), Ok(last));
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
