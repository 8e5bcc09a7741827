//! A flag that says "stop", which can be waited for and which calls back whoever has to act on it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A cloneable flag: all clones are cancelled together, once and for ever.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

type Callback = dyn Fn() + Send + Sync;

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    watchers: Mutex<Vec<Weak<Callback>>>,
    changed: Condvar,
}

/// Keeps a callback of [`Cancel::watch`] registered for as long as it lives.
#[must_use = "the callback is forgotten when this is dropped"]
pub struct Watch {
    _callback: Arc<Callback>,
}

impl Cancel {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag: wakes every waiter and calls every callback, on this thread. Later calls do nothing.
    pub fn cancel(&self) {
        let watchers = {
            let mut watchers = self.watchers();
            if self.0.cancelled.swap(true, Ordering::SeqCst) {
                return;
            }
            std::mem::take(&mut *watchers)
        };
        self.0.changed.notify_all();
        for callback in watchers.iter().filter_map(Weak::upgrade) {
            callback();
        }
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until the flag is raised, for this long at most. Returns whether it is.
    pub fn wait_timeout(&self, most: Duration) -> bool {
        let end = Instant::now().checked_add(most);
        let mut watchers = self.watchers();
        while !self.is_cancelled() {
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            // A day at a time: some systems refuse longer waits.
            let step = left.min(Duration::from_secs(86_400));
            watchers = self.0.changed.wait_timeout(watchers, step).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Calls `callback` when the flag is raised; at once if it is raised already. The callback must be quick and must
    /// not cancel or watch this flag.
    pub fn watch(&self, callback: impl Fn() + Send + Sync + 'static) -> Watch {
        let callback: Arc<Callback> = Arc::new(callback);
        let mut watchers = self.watchers();
        if self.is_cancelled() {
            drop(watchers);
            callback();
        } else {
            watchers.retain(|old| old.strong_count() > 0);
            watchers.push(Arc::downgrade(&callback));
        }
        Watch { _callback: callback }
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Weak<Callback>>> {
        self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_waiter_wakes_when_another_thread_cancels() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.wait_timeout(Duration::MAX));
        cancel.cancel();
        assert!(waiter.join().unwrap());
    }

    #[test]
    fn a_wait_without_a_cancel_ends() {
        assert!(!Cancel::new().wait_timeout(Duration::ZERO));
    }

    #[test]
    fn each_callback_is_called_once_and_a_dropped_one_never() {
        let (cancel, count) = (Cancel::new(), Arc::new(AtomicUsize::new(0)));
        let counter = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = cancel.watch(counter(&count));
        drop(cancel.watch(counter(&count)));
        cancel.cancel();
        cancel.cancel();
        let late = cancel.watch(counter(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        drop((kept, late));
    }
}
