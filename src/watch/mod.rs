//! Following saves: an event of the file system, a short quiet, one road to a verdict, and back to sleep.
//!
//! While nothing happens nothing runs: the loop sleeps until the system reports a change. The timer that waits for a
//! burst of events to end is armed only while one is going on.

mod files;
mod show;

pub(crate) use files::Files;

use crate::output::Out;
use crate::session::{Session, TestOptions};
use crate::workspace::Workspace;
use aic_base::{Digest, RelPath, Source as _};
use aic_spec::Loaded;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long it must be quiet before a save counts as done. Editors write, rename and touch within a millisecond or two.
pub(crate) const QUIET: Duration = Duration::from_millis(8);
/// How long a burst is waited for at most: somebody who writes without pause gets verdicts too.
pub(crate) const LONGEST_BURST: Duration = Duration::from_millis(60);
/// How often a workspace with a rollback in progress is looked at again.
pub(crate) const ROLLBACK_POLL: Duration = Duration::from_millis(5);
/// How often is looked again because there were folders that had not been watched before.
pub(crate) const MOST_ROUNDS: usize = 4;

/// Why watching cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system does not report changes.
    #[error("changes of files cannot be watched: {0}. On Linux, fs.inotify.max_user_watches may be too low")]
    Notify(#[from] notify::Error),
}

/// The watch over one spec.
pub struct Watch {
    session: Session,
    options: TestOptions,
    json: bool,
    /// What the files were when they were last tested.
    seen: BTreeMap<RelPath, Digest>,
}

impl Watch {
    /// A watch over a session's spec; with `json`, one document a save.
    pub const fn new(session: Session, options: TestOptions, json: bool) -> Self {
        Self { session, options, json, seen: BTreeMap::new() }
    }

    /// Tests now and after every save, until it is cancelled.
    ///
    /// # Errors
    /// [`WatchError`], if the system does not report changes.
    pub async fn run(mut self, out: &mut Out) -> Result<(), WatchError> {
        let mut files = Files::new(self.session.root())?;
        let loaded = self.load(&mut files);
        self.seen = self.state(&loaded);
        // The first save is to be as fast as the others.
        if let Ok(container) = self.session.container(&loaded) {
            let _ = tokio::task::spawn_blocking(move || container.warm()).await;
        }
        show::hello(out, &self.session.workspace, &loaded, self.json);
        self.verdict(out, loaded, Instant::now(), &[]).await;
        let cancel = self.options.cancel.clone();
        loop {
            let first = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                first = files.changed() => first,
            };
            let Some(saved) = first else { return Ok(()) };
            self.settle(&mut files).await;
            let loaded = self.load(&mut files);
            let now = self.state(&loaded);
            let changed: Vec<RelPath> = difference(&self.seen, &now);
            if changed.is_empty() {
                continue;
            }
            self.seen = now;
            self.verdict(out, loaded, saved, &changed).await;
        }
    }

    /// The spec as it is, with the folders of its files watched: read again where one was not watched before, as what is
    /// in it may have changed in between.
    fn load(&self, files: &mut Files) -> Loaded {
        let read = || self.session.load(self.options.environment.as_deref());
        let mut loaded = read();
        for _ in 0..MOST_ROUNDS {
            if !files.follow(&loaded) {
                break;
            }
            loaded = read();
        }
        loaded
    }

    /// Waits until a burst of events is over, and until no rollback is replacing files.
    async fn settle(&self, files: &mut Files) {
        let until = Instant::now() + LONGEST_BURST;
        while Instant::now() < until {
            if tokio::time::timeout(QUIET, files.changed()).await.is_err() {
                break;
            }
        }
        let Some(store) = &self.session.store else { return };
        while store.pending_operation().is_ok_and(|pending| pending.is_some()) && !self.options.cancel.is_cancelled() {
            tokio::time::sleep(ROLLBACK_POLL).await;
        }
    }

    async fn verdict(&self, out: &mut Out, loaded: Loaded, saved: Instant, changed: &[RelPath]) {
        let tested = self.session.test_loaded(loaded, &self.options, &mut |_| {}).await;
        if self.options.cancel.is_cancelled() {
            return;
        }
        show::verdict(out, &self.session.workspace, &tested, changed, saved.elapsed(), self.json);
    }

    fn state(&self, loaded: &Loaded) -> BTreeMap<RelPath, Digest> {
        state(&self.session.workspace, loaded)
    }
}

/// The digest of everything whose change calls for another run; what is missing has none.
pub(crate) fn state(workspace: &Workspace, loaded: &Loaded) -> BTreeMap<RelPath, Digest> {
    let source = workspace.source();
    let of = |path: &RelPath| match loaded.files.get(path) {
        Some(bytes) => Some(Digest::of(bytes)),
        None if loaded.data.contains(path) => workspace.data_digest(path),
        None => source.read(path).ok().map(Digest::of),
    };
    Session::watched(loaded).filter_map(|path| Some((path.clone(), of(path)?))).collect()
}

/// The same as [`state`], with every file read again: what somebody who loaded the spec now would see of the files that it
/// named then.
pub(crate) fn on_disk(workspace: &Workspace, loaded: &Loaded) -> BTreeMap<RelPath, Digest> {
    let of = |path: &RelPath| match loaded.data.contains(path) {
        true => workspace.data_digest(path),
        false => workspace.source().read(path).ok().map(Digest::of),
    };
    Session::watched(loaded).filter_map(|path| Some((path.clone(), of(path)?))).collect()
}

/// The paths whose digest differs, is new or is gone.
pub(crate) fn difference(before: &BTreeMap<RelPath, Digest>, after: &BTreeMap<RelPath, Digest>) -> Vec<RelPath> {
    let all: std::collections::BTreeSet<&RelPath> = before.keys().chain(after.keys()).collect();
    all.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_gone_or_other_has_changed() {
        let state = |all: &[(&str, &str)]| -> BTreeMap<RelPath, Digest> {
            all.iter().map(|(path, text)| (RelPath::new(path).unwrap(), Digest::of(text))).collect()
        };
        let changed =
            difference(&state(&[("a", "1"), ("b", "1"), ("c", "1")]), &state(&[("a", "1"), ("b", "2"), ("d", "1")]));
        let names: Vec<_> = changed.iter().map(RelPath::as_str).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
