//! Carries effects out: files, tests, rollbacks and analyses on tasks of their own; what comes of them returns as
//! messages. The screen never waits for any of it.

pub(crate) mod save;
mod work;

use crate::host::script_host;
use crate::session::{Session, TestOptions};
use crate::tui::message::{Effect, LoadedSpec, Msg, Opened, Outcome};
use crate::tui::state::{Job, Runner};
use crate::watch::{self, Files, LONGEST_BURST, QUIET, ROLLBACK_POLL};
use crate::workspace::{Target, Workspace};
use aic_base::{Digest, RelPath};
use aic_sandbox::ScriptHost;
use aic_spec::Loaded;
use aic_store::{Lease, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// What the tasks share once the workspace is open.
struct Open {
    workspace: Workspace,
    specs: Vec<RelPath>,
    store: Option<Store>,
    host: Arc<ScriptHost>,
    /// What the files of each spec were when it was looked at last.
    seen: Mutex<Vec<Option<BTreeMap<RelPath, Digest>>>>,
    /// Each spec as it was loaded last.
    loaded: Mutex<Vec<Option<Arc<Loaded>>>>,
    /// Held by the process that runs the tests.
    lease: Mutex<Option<Lease>>,
    /// Asks for a look at the files.
    look: Notify,
    /// Counts the analyses and the completions that were asked for: only the newest of each is worth its time.
    asked: [AtomicU64; 2],
}

impl Open {
    fn session(&self, spec: usize) -> Option<Session> {
        let path = self.specs.get(spec)?.clone();
        Some(Session::new(self.workspace.clone(), path, self.store.clone(), self.host.clone()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries effects out.
pub struct Effects {
    path: PathBuf,
    messages: mpsc::Sender<Msg>,
    open: Arc<tokio::sync::OnceCell<Arc<Open>>>,
    /// Ends everything.
    cancel: CancellationToken,
    /// Ends the run that is going on.
    run: Mutex<CancellationToken>,
}

impl Effects {
    /// Effects on the specs below a path.
    pub fn new(path: PathBuf, messages: mpsc::Sender<Msg>, cancel: CancellationToken) -> Self {
        let run = Mutex::new(cancel.child_token());
        Self { path, messages, open: Arc::default(), cancel, run }
    }

    /// Starts an effect and returns at once. Suspending is the terminal's business, not ours.
    pub fn start(&self, effect: Effect) {
        let messages = self.messages.clone();
        if effect == Effect::Open {
            let (path, cell, cancel) = (self.path.clone(), self.open.clone(), self.cancel.clone());
            tokio::spawn(open(path, cell, messages, cancel));
            return;
        }
        let Some(open) = self.open.get().cloned() else { return };
        match effect {
            Effect::Open | Effect::Suspend => {}
            Effect::Look => open.look.notify_one(),
            Effect::Stop => lock(&self.run).cancel(),
            Effect::Test { generation, job } => {
                let cancel = self.cancel.child_token();
                *lock(&self.run) = cancel.clone();
                // A thread of its own drives the session; the cases run on tasks all the same.
                let runtime = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || runtime.block_on(test(open, generation, job, cancel, messages)));
            }
            other => work::start(open, other, messages),
        }
    }
}

/// Finds the workspace and its specs, then follows its files until the end.
async fn open(
    path: PathBuf,
    cell: Arc<tokio::sync::OnceCell<Arc<Open>>>,
    messages: mpsc::Sender<Msg>,
    cancel: CancellationToken,
) {
    let found = tokio::task::spawn_blocking(move || find(&path)).await;
    let (open, opened) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => return drop(messages.send(Msg::Opened(Err(why))).await),
        Err(error) => return drop(messages.send(Msg::Opened(Err(error.to_string()))).await),
    };
    let open = Arc::new(open);
    let _ = cell.set(open.clone());
    let _ = messages.send(Msg::Opened(Ok(opened))).await;
    tokio::select! {
        () = cancel.cancelled() => {}
        () = follow(open, messages) => {}
    }
}

fn find(path: &std::path::Path) -> Result<(Open, Opened), String> {
    let Target { workspace, specs, .. } = Target::read(path).map_err(|error| error.to_string())?;
    let (mut runner, mut troubles, mut lease) = (Runner::Mine, Vec::new(), None);
    let store = match workspace.store() {
        Ok(store) => {
            match store.try_lease() {
                Ok(Some(taken)) => lease = Some(taken),
                Ok(None) => runner = Runner::Other(store.lease_holder()),
                Err(error) => troubles.push(error.to_string()),
            }
            Some(store)
        }
        Err(error) => {
            runner = Runner::NoStore;
            troubles.push(format!("{error}: the tests run all the same, but nothing of them is kept"));
            None
        }
    };
    if let Some(recovered) = store.as_ref().and_then(Store::recovered) {
        let (spec, to) = (&recovered.pending.spec, recovered.pending.to.short());
        troubles.push(match &recovered.outcome {
            Ok(_) => format!("a rollback of {spec} to {to} was cut off earlier; it is finished now"),
            Err(error) => format!("a rollback of {spec} to {to} was cut off earlier, and still is: {error}"),
        });
    }
    let shown = specs.iter().map(|spec| (spec.clone(), workspace.shown(spec))).collect();
    let count = specs.len();
    let open = Open {
        workspace,
        specs,
        store,
        host: script_host(),
        seen: Mutex::new(vec![None; count]),
        loaded: Mutex::new(vec![None; count]),
        lease: Mutex::new(lease),
        look: Notify::new(),
        asked: Default::default(),
    };
    Ok((open, Opened { specs: shown, runner, troubles }))
}

/// Looks at the files whenever the system or somebody says that they changed. While nothing happens nothing wakes.
async fn follow(open: Arc<Open>, messages: mpsc::Sender<Msg>) {
    let mut files = match Files::new(&open.workspace.root) {
        Ok(files) => Some(files),
        Err(error) => {
            let text = format!("changes of files are not seen by themselves: {error}");
            let _ = messages.send(Msg::Trouble(text)).await;
            None
        }
    };
    let _store = work::watch_store(&open, &messages);
    loop {
        let changed = async {
            match &mut files {
                Some(files) => files.changed().await.is_some(),
                None => std::future::pending().await,
            }
        };
        let alive = tokio::select! {
            () = open.look.notified() => true,
            alive = changed => alive,
        };
        if !alive {
            files = None;
        }
        if let Some(files) = &mut files {
            settle(&open, files).await;
        }
        let (again, sender) = (open.clone(), messages.clone());
        let looked = tokio::task::spawn_blocking(move || look(&again, &sender)).await;
        if looked.is_err() {
            let _ = messages.send(Msg::Trouble("looking at the files failed: please report it".into())).await;
        }
        if let Some(files) = &mut files {
            let all: Vec<Arc<Loaded>> = lock(&open.loaded).iter().flatten().cloned().collect();
            files.follow_paths(all.iter().flat_map(|loaded| Session::watched(loaded)));
        }
    }
}

/// Waits until a burst of events is over, and until no rollback is replacing files.
async fn settle(open: &Open, files: &mut Files) {
    let until = Instant::now() + LONGEST_BURST;
    while Instant::now() < until && tokio::time::timeout(QUIET, files.changed()).await.is_ok_and(|at| at.is_some()) {}
    let Some(store) = &open.store else { return };
    while store.pending_operation().is_ok_and(|pending| pending.is_some()) {
        tokio::time::sleep(ROLLBACK_POLL).await;
    }
}

/// Loads every spec, and tells of those that are not what they were.
fn look(open: &Open, messages: &mpsc::Sender<Msg>) {
    take_lease(open, messages);
    let follows = open.store.is_some() && lock(&open.lease).is_none();
    for at in 0..open.specs.len() {
        let Some(session) = open.session(at) else { continue };
        let loaded = Arc::new(session.load(None));
        let now = watch::state(&open.workspace, &loaded);
        let before = lock(&open.seen).get_mut(at).and_then(|seen| seen.replace(now.clone()));
        let same = before.as_ref().is_some_and(|before| watch::difference(before, &now).is_empty());
        if same && !follows {
            continue;
        }
        if let Some(place) = lock(&open.loaded).get_mut(at) {
            *place = Some(loaded.clone());
        }
        let known =
            if follows { session.known(&loaded, &TestOptions::new(CancellationToken::new())) } else { Vec::new() };
        let tests = work::tests(&loaded);
        let new = LoadedSpec { spec: at, loaded, tests, known };
        if messages.blocking_send(Msg::Loaded(Box::new(new))).is_err() {
            return;
        }
    }
}

/// Whoever follows takes over when the process that ran the tests is gone.
fn take_lease(open: &Open, messages: &mpsc::Sender<Msg>) {
    let Some(store) = &open.store else { return };
    let mut lease = lock(&open.lease);
    if lease.is_some() {
        return;
    }
    if let Ok(Some(taken)) = store.try_lease() {
        *lease = Some(taken);
        let _ = messages.blocking_send(Msg::Runner(Runner::Mine));
    }
}

/// Runs tests and tells of each case as it ends.
async fn test(open: Arc<Open>, generation: u64, job: Job, cancel: CancellationToken, messages: mpsc::Sender<Msg>) {
    let started = Instant::now();
    let at = job.spec;
    let (Some(session), loaded) = (open.session(at), lock(&open.loaded).get(at).cloned().flatten()) else { return };
    let options = TestOptions { filter: job.case, keep: job.keep, ..TestOptions::new(cancel.clone()) };
    let (sender, stopped) = (messages.clone(), cancel.clone());
    let mut ended = move |case: &aic_behavior::CaseReport| {
        if !stopped.is_cancelled() {
            // A screen that lags misses steps, never the result: the whole of it comes at the end.
            let _ = sender.try_send(Msg::CaseEnded { generation, spec: at, case: Arc::new(case.clone()) });
        }
    };
    let loaded = match loaded {
        Some(loaded) => Loaded::clone(&loaded),
        None => session.load(None),
    };
    let tested = session.test_loaded(loaded, &options, &mut ended).await;
    let outcome = (!cancel.is_cancelled()).then(|| {
        Box::new(Outcome {
            result: tested.result.map(|report| report.cases).map_err(|refusal| refusal.to_string()),
            unkept: tested.unkept.map(|error| format!("the results are not kept: {error}")),
            took: started.elapsed(),
        })
    });
    let _ = messages.send(Msg::Tested { generation, spec: at, outcome }).await;
}
