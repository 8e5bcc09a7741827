//! The patrol: while a program runs, looks at the limits that nothing enforces. Its look at a large folder takes
//! seconds, so it is a thread of its own, and nobody's deadline waits for it.

use super::session::Session;
use super::{Jail, lock, proc, workspace};
use crate::cancel::Cancel;
use crate::runtime::{Access, Hold, Limit};
use aic_base::Limits;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often limits are looked at that nothing enforces.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until it is dropped, or a limit is exceeded.
pub(super) struct Patrol {
    stop: Cancel,
    found: Arc<Mutex<Option<Limit>>>,
    thread: Option<JoinHandle<()>>,
}

impl Patrol {
    /// Begins, where there is anything to look at. `act` is called once, when a limit is exceeded.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(
        jail: &Arc<Jail>,
        session: &Arc<Session>,
        limits: &Limits,
        act: impl FnOnce() + Send + 'static,
    ) -> Result<Self, String> {
        let (stop, found) = (Cancel::new(), Arc::new(Mutex::new(None)));
        let round = Round::new(jail, session, limits);
        let mut patrol = Self { stop: stop.clone(), found: Arc::clone(&found), thread: None };
        if round.is_idle() {
            return Ok(patrol);
        }
        let walk = move || {
            let mut pause = LOOK;
            while !stop.wait_timeout(pause) {
                let began = Instant::now();
                let over = round.over(&stop);
                if over.is_some() && !stop.is_cancelled() {
                    *lock(&found) = over;
                    act();
                    if over == Some(Limit::Memory) {
                        round.wait_until_freed();
                    }
                    return;
                }
                // A look that takes long is made less often, so that it costs a tenth of the time at most.
                pause = LOOK.max(began.elapsed() * 10);
            }
        };
        let thread = std::thread::Builder::new().name("patrol".into()).spawn(walk);
        patrol.thread = Some(thread.map_err(|error| format!("no thread watches its limits: {error}"))?);
        Ok(patrol)
    }

    /// The limit that was exceeded, if one was.
    pub(super) fn over(&self) -> Option<Limit> {
        *lock(&self.found)
    }
}

impl Drop for Patrol {
    fn drop(&mut self) {
        self.stop.cancel();
        // It looks at this at every file.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What is looked at.
struct Round {
    jail: Arc<Jail>,
    session: Arc<Session>,
    /// The most that all processes together may have, the wall's own among them.
    all: Option<u64>,
    /// The most that the guest may have, where that can be told from the wall.
    guest: Option<u64>,
    disk: Option<u64>,
}

impl Round {
    fn new(jail: &Arc<Jail>, session: &Arc<Session>, limits: &Limits) -> Self {
        let watched = |limit: Limit| jail.kept.iter().any(|kept| kept.limit == limit && kept.hold == Hold::Watched);
        let memory = watched(Limit::Memory);
        let written = matches!(jail.workspace.access, Access::Copy | Access::ReadWrite);
        Self {
            all: (memory && !jail.grouped).then(|| limits.memory.saturating_add(jail.overhead)),
            guest: (memory && jail.guest_apart).then_some(limits.memory),
            // What was there before is not the guest's.
            disk: (written && watched(Limit::Disk)).then(|| limits.disk.saturating_add(jail.before().bytes)),
            jail: Arc::clone(jail),
            session: Arc::clone(session),
        }
    }

    fn is_idle(&self) -> bool {
        self.all.is_none() && self.guest.is_none() && self.disk.is_none()
    }

    /// What was killed takes a moment to give its memory back; the next program must not be stopped for it.
    fn wait_until_freed(&self) {
        for _ in 0..500 {
            let below = self.below();
            if !self.is_too_much(&below, proc::held(&below, None).memory) {
                return;
            }
            std::thread::sleep(LOOK / 5);
        }
    }

    fn below(&self) -> Vec<i32> {
        self.session.process().map(|keeper| proc::descendants(keeper.pid)).unwrap_or_default()
    }

    /// Whether these processes have more memory than they may; `guest` is what of it is the guest's.
    fn is_too_much(&self, below: &[i32], guest: u64) -> bool {
        self.all.is_some_and(|most| proc::memory(below) > most) || self.guest.is_some_and(|most| guest > most)
    }

    fn over(&self, stop: &Cancel) -> Option<Limit> {
        let below = self.below();
        let folder = &self.jail.workspace.path;
        let device = self.disk.and_then(|_| Some(folder.metadata().ok()?.dev()));
        let held = proc::held(&below, device);
        if self.is_too_much(&below, held.memory) {
            return Some(Limit::Memory);
        }
        // What the folder may take is what is left by files that have no name any more.
        let over = |most: u64| match most.checked_sub(held.nameless) {
            Some(most) => workspace::is_over(folder, &self.jail.before(), most, &|| !stop.is_cancelled()),
            None => true,
        };
        self.disk.is_some_and(over).then_some(Limit::Disk)
    }
}
