//! Ends the current run when its deadline passes: one thread that sleeps exactly until then, and for ever when idle.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::Engine;

#[derive(Debug)]
pub(super) struct Ticker(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    deadline: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
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
        // A deadline no clock can show is none.
        *self.0.lock() = Instant::now().checked_add(after);
        self.0.changed.notify_one();
    }

    /// After this returns the epoch stands still, so that no late tick hits the next run.
    pub(super) fn disarm(&self) {
        *self.0.lock() = None;
    }
}

fn tick(shared: &Shared, engine: &Engine) {
    let mut deadline = shared.lock();
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        deadline = match left {
            None => shared.changed.wait(deadline).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => {
                engine.increment_epoch();
                *deadline = None;
                deadline
            }
            Some(left) => {
                let step = left.min(Duration::from_secs(86_400));
                shared.changed.wait_timeout(deadline, step).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
