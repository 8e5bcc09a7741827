//! Ends the current run when its deadline passes: one thread that sleeps exactly until then, and for ever when idle.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::Engine;

#[derive(Debug)]
pub(super) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    times: Mutex<Times>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Times {
    /// When the current run is to end.
    deadline: Option<Instant>,
    /// Until when the thread sleeps; for ever without one. It is left asleep when a run ends before its deadline, so
    /// that short runs one after the other wake it once for all, not once for each.
    asleep_until: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let other = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("deadline".into())
            .stack_size(128 << 10)
            .spawn(move || tick(&other, &engine))?;
        Ok(Self(shared))
    }

    /// Raises the epoch once, `after` from now, unless [`Ticker::disarm`] comes first.
    pub(super) fn arm(&self, after: Duration) {
        let mut times = self.0.lock();
        // A deadline no clock can show is none.
        times.deadline = Instant::now().checked_add(after);
        let sleeps_too_long = match (times.deadline, times.asleep_until) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(deadline), Some(until)) => deadline < until,
        };
        drop(times);
        if sleeps_too_long {
            self.0.changed.notify_one();
        }
    }

    /// After this returns the epoch stands still, so that no late tick hits the next run.
    pub(super) fn disarm(&self) {
        self.0.lock().deadline = None;
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut times = shared.lock();
    loop {
        let now = Instant::now();
        if times.deadline.is_some_and(|deadline| deadline <= now) {
            engine.increment_epoch();
            times.deadline = None;
        }
        times.asleep_until = times.deadline;
        times = match times.deadline {
            None => shared.changed.wait(times).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let step = deadline.saturating_duration_since(now).min(Duration::from_secs(86_400));
                shared.changed.wait_timeout(times, step).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the thread sleeps so, and fails if it never does.
    fn sleeps(ticker: &Ticker, until: impl Fn(Option<Instant>) -> bool) {
        let began = Instant::now();
        while !until(ticker.0.lock().asleep_until) {
            assert!(began.elapsed() < Duration::from_secs(60), "{:?}", ticker.0.lock());
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_run_that_ends_in_time_leaves_the_thread_asleep_and_a_sooner_deadline_wakes_it() {
        let ticker = Ticker::start(Engine::default()).unwrap();
        ticker.arm(Duration::from_secs(3600));
        sleeps(&ticker, |until| until.is_some());
        let first = ticker.0.lock().asleep_until;
        for _ in 0..100 {
            ticker.disarm();
            ticker.arm(Duration::from_secs(3600));
        }
        assert_eq!(ticker.0.lock().asleep_until, first);
        ticker.arm(Duration::from_secs(60));
        sleeps(&ticker, |until| until < first);
        // Now it passes: the thread takes it away and sleeps for ever.
        ticker.arm(Duration::ZERO);
        sleeps(&ticker, |until| until.is_none());
        assert_eq!(ticker.0.lock().deadline, None);
    }
}
