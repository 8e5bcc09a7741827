//! When to draw: a change after a quiet moment is drawn at once, a burst at most 60 times a second, and where nothing
//! changes nothing is drawn. Pure: the moments are given, so that tests need no clock.

use std::time::{Duration, Instant};

/// The least time between two frames: 60 a second.
pub const INTERVAL: Duration = Duration::from_micros(16_667);

/// Decides when the next frame is due.
#[derive(Debug, Default)]
pub struct Limiter {
    wanted: bool,
    last: Option<Instant>,
}

impl Limiter {
    /// Something changed that can be seen.
    pub const fn want(&mut self) {
        self.wanted = true;
    }

    /// The moment from which a frame may be drawn; none where none is wanted.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        Some(self.last.map_or(now, |last| last + INTERVAL))
    }

    /// Whether a frame is to be drawn now. If so, it counts as drawn.
    pub fn take(&mut self, now: Instant) -> bool {
        let go = self.due(now).is_some_and(|due| due <= now);
        if go {
            self.wanted = false;
            self.last = Some(now);
        }
        go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_change_is_drawn_at_once() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        limiter.want();
        assert!(limiter.take(start));
        limiter.want();
        assert!(limiter.take(start + Duration::from_secs(1)));
    }

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        assert_eq!(limiter.due(start), None);
        assert!(!limiter.take(start));
        limiter.want();
        assert!(limiter.take(start));
        assert!(!limiter.take(start + Duration::from_secs(9)));
    }

    #[test]
    fn two_hundred_keys_in_a_fifth_of_a_second_are_at_most_fifteen_frames() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let frames = (0..200).filter(|key| {
            limiter.want();
            limiter.take(start + Duration::from_millis(*key))
        });
        let frames = frames.count();
        assert!((10..=13).contains(&frames), "{frames}");
        // What came after the last frame is not lost.
        assert!(limiter.due(start).is_some());
    }
}
