//! A thread for work that is done one piece after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// A thread of its own, which ends with this. The blocking pool would do each piece on another thread, and the allocator
/// keeps what was freed for the thread that had it: of a document of 5,000 lines each thread would hold several megabytes.
#[derive(Debug)]
pub(crate) struct Lane {
    work: mpsc::Sender<Piece>,
}

type Piece = Box<dyn FnOnce() + Send>;

impl Lane {
    /// Starts the thread. Where none can be had, nothing is done, and every piece says so.
    pub(crate) fn start(name: &str) -> Self {
        let (work, pieces) = mpsc::channel::<Piece>();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let _ = thread.spawn(move || {
            for piece in pieces {
                // The next piece is none the worse for it; whoever waits for this one is told that nothing came.
                let _ = catch_unwind(AssertUnwindSafe(piece));
            }
        });
        Self { work }
    }

    /// Does a piece of work when those before it are done; nothing if it panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (told, outcome) = oneshot::channel();
        // Whoever no longer waits does not want to know.
        self.work.send(Box::new(move || drop(told.send(work())))).ok()?;
        outcome.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_are_done_in_turn_on_one_thread_that_outlives_a_panic() {
        let lane = Lane::start("test");
        let first = lane.run(|| std::thread::current().id()).await.unwrap();
        assert_eq!(lane.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(lane.run(|| std::thread::current().id()).await, Some(first));
    }
}
