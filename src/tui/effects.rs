//! Carries effects out: files, tests, rollbacks and analyses on tasks of their own; what comes of them returns as
//! messages. The screen never waits for any of it.

mod follow;
pub(crate) mod save;
mod work;

use crate::session::{Session, TestOptions};
use crate::tui::Settings;
use crate::tui::memory;
use crate::tui::message::{Effect, Msg, Outcome};
use crate::tui::state::{Job, Runner, State};
use crate::workspace::Workspace;
use aic_base::{Digest, RelPath};
use aic_sandbox::ScriptHost;
use aic_spec::Loaded;
use aic_store::{Lease, Store};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// What the tasks share once the workspace is open.
struct Open {
    workspace: Workspace,
    settings: Settings,
    /// The folder below which specs are looked for.
    folder: RelPath,
    /// Opened with the first spec: where there is none, no folder is made either. None inside where it cannot be.
    store: OnceLock<Option<Store>>,
    host: Arc<ScriptHost>,
    /// The specs that there are.
    specs: Mutex<BTreeMap<RelPath, Known>>,
    /// Held by the process that runs the tests.
    lease: Mutex<Option<Lease>>,
    /// Asks for a look at the files.
    look: Notify,
    /// Counts the analyses and the completions that were asked for: only the newest of each is worth its time.
    asked: [AtomicU64; 2],
}

/// What is known of a spec.
#[derive(Clone, Default)]
struct Known {
    /// As it was loaded last.
    loaded: Option<Arc<Loaded>>,
    /// What its files were then.
    seen: Arc<BTreeMap<RelPath, Digest>>,
}

impl Open {
    fn session(&self, spec: &RelPath) -> Session {
        Session::new(self.workspace.clone(), spec.clone(), self.store().cloned(), self.host.clone())
    }

    fn store(&self) -> Option<&Store> {
        self.store.get()?.as_ref()
    }

    fn loaded(&self, spec: &RelPath) -> Option<Arc<Loaded>> {
        lock(&self.specs).get(spec)?.loaded.clone()
    }

    fn load(&self, spec: &RelPath) -> Loaded {
        self.workspace.load(spec, self.settings.environment.as_deref())
    }

    fn options(&self, cancel: CancellationToken) -> TestOptions {
        let Settings { environment, vars, .. } = self.settings.clone();
        TestOptions { environment, vars, ..TestOptions::new(cancel) }
    }

    /// Opens the store, the first time this is called: who runs the tests, and what does not work.
    fn open_store(&self) -> Option<(Runner, Vec<String>)> {
        if self.store.get().is_some() {
            return None;
        }
        let (mut runner, mut troubles) = (Runner::Mine, Vec::new());
        let store = match self.workspace.store() {
            Ok(store) => {
                match store.try_lease() {
                    Ok(Some(taken)) => *lock(&self.lease) = Some(taken),
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
        let _ = self.store.set(store);
        Some((runner, troubles))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries effects out.
pub struct Effects {
    settings: Settings,
    messages: mpsc::Sender<Msg>,
    open: Arc<OnceLock<Arc<Open>>>,
    /// Ends everything.
    cancel: CancellationToken,
    /// Ends the run that is going on.
    run: Mutex<CancellationToken>,
}

impl Effects {
    /// Effects on the specs below a folder.
    pub fn new(settings: Settings, messages: mpsc::Sender<Msg>, cancel: CancellationToken) -> Self {
        let run = Mutex::new(cancel.child_token());
        Self { settings, messages, open: Arc::default(), cancel, run }
    }

    /// Writes down what was selected, for the next session.
    ///
    /// # Errors
    /// If the system says no.
    pub fn remember(&self, state: &State) -> std::io::Result<()> {
        let Some(open) = self.open.get() else { return Ok(()) };
        let root = &open.workspace.root;
        match memory::file(root) {
            Some(file) if !state.specs.is_empty() => memory::write(&file, &state.to_remember(root)),
            _ => Ok(()),
        }
    }

    /// Starts an effect and returns at once. Suspending is the terminal's business, not ours.
    pub fn start(&self, effect: Effect) {
        let messages = self.messages.clone();
        if effect == Effect::Open {
            tokio::spawn(follow::config(messages.clone()));
            tokio::spawn(follow::open(self.settings.clone(), self.open.clone(), messages, self.cancel.clone()));
            return;
        }
        if effect == Effect::ReadConfig {
            tokio::task::spawn_blocking(move || follow::read_config(&messages));
            return;
        }
        let Some(open) = self.open.get().cloned() else { return };
        match effect {
            Effect::Open | Effect::Suspend | Effect::Clipboard(_) | Effect::ReadConfig => {}
            Effect::Look => open.look.notify_one(),
            Effect::Stop => lock(&self.run).cancel(),
            Effect::Test { generation, job } => {
                let cancel = self.cancel.child_token();
                *lock(&self.run) = cancel.clone();
                tokio::spawn(test(open, generation, job, cancel, messages));
            }
            other => work::start(open, other, messages),
        }
    }
}

/// Runs tests and tells of each case as it ends.
async fn test(open: Arc<Open>, generation: u64, job: Job, cancel: CancellationToken, messages: mpsc::Sender<Msg>) {
    let started = Instant::now();
    let Job { spec, cases, keep } = job;
    let session = open.session(&spec);
    let options = TestOptions { cases, keep, ..open.options(cancel.clone()) };
    let (sender, stopped, of) = (messages.clone(), cancel.clone(), spec.clone());
    let mut ended = move |case: &aic_behavior::CaseReport| {
        if !stopped.is_cancelled() {
            // A screen that lags misses steps, never the result: the whole of it comes at the end.
            let _ = sender.try_send(Msg::CaseEnded { generation, spec: of.clone(), case: Arc::new(case.clone()) });
        }
    };
    let loaded = open.loaded(&spec).map_or_else(|| open.load(&spec), |loaded| Loaded::clone(&loaded));
    let tested = session.test_loaded(loaded, &options, &mut ended).await;
    let outcome = (!cancel.is_cancelled()).then(|| {
        Box::new(Outcome {
            result: tested.result.map(|report| report.cases).map_err(|refusal| refusal.to_string()),
            unkept: tested.unkept.map(|error| format!("the results are not kept: {error}")),
            took: started.elapsed(),
        })
    });
    let _ = messages.send(Msg::Tested { generation, spec, outcome }).await;
}
