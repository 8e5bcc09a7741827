//! From a saved file to a verdict: load, record the version, plan, run, write down. `test`, `watch` and `rollback` all
//! walk this one road.

use crate::host::cache_dir;
use crate::models::{ModelUse, Reach, cassette_of};
use crate::recording::{Held, StoreRecorder};
use crate::workspace::{Workspace, now};
use aic_base::{Digest, DigestBuilder, RelPath, Source};
use aic_behavior::{Case, CaseReport, Plan, PlannedTest, RecorderOf, RunSettings, Tally, TestReport};
use aic_engine::{Container, Lock, NoRecorder, Recorder, Snapshots};
use aic_sandbox::{Machine, ScriptHost};
use aic_spec::{Diagnostic, Loaded, TestDef};
use aic_store::{CaseResult, NewVersion, Recorded, Store, StoreError, VerdictSummary, VersionReason};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use tokio_util::sync::CancellationToken;

/// Why a spec was not tested.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It has errors; the diagnostics say which.
    #[error("the spec has errors, so nothing was run")]
    Errors,
    /// It says something that this version does not enforce and safety depends on.
    #[error("this version cannot enforce what the spec asks for, so nothing was run")]
    NotEnforced,
    /// It cannot be made ready.
    #[error("{0}")]
    Container(#[from] aic_engine::ContainerError),
    /// No place for private copies of the data.
    #[error("no temporary folder for private copies of the data: {0}")]
    Scratch(std::io::Error),
    /// `aic.lock` says nothing that can be read.
    #[error("{0}")]
    Lock(#[from] aic_engine::LockError),
    /// `aic.lock` cannot be read.
    #[error("aic.lock: {0}")]
    LockFile(std::io::Error),
    /// The recording cannot be read or written.
    #[error("{0}")]
    Cassette(#[from] aic_model::cassette::CassetteError),
}

/// What a test session is asked to do.
#[derive(Clone)]
pub struct TestOptions {
    /// `${ENV}`, and the environment of the spec.
    pub environment: Option<String>,
    /// Variables of the caller.
    pub vars: Map<String, Value>,
    /// Only cases whose id contains this.
    pub filter: Option<String>,
    /// Only the cases of the test that is called exactly this.
    pub test: Option<String>,
    /// Only the cases of exactly these ids.
    pub cases: Option<BTreeSet<String>>,
    /// Only tests with this tag.
    pub tag: Option<String>,
    /// Whether delays are waited for.
    pub realtime: bool,
    /// Whether results whose digest still holds are kept rather than run again.
    pub keep: bool,
    /// Ends the session.
    pub cancel: CancellationToken,
    /// Why the version is recorded.
    pub reason: VersionReason,
}

impl TestOptions {
    /// Everything, anew.
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            environment: None,
            vars: Map::new(),
            filter: None,
            test: None,
            cases: None,
            tag: None,
            realtime: false,
            keep: false,
            cancel,
            reason: VersionReason::Saved,
        }
    }

    const fn is_whole(&self) -> bool {
        self.filter.is_none() && self.test.is_none() && self.cases.is_none() && self.tag.is_none()
    }
}

/// A session with one spec.
pub struct Session {
    /// The workspace.
    pub workspace: Workspace,
    /// The spec.
    pub spec: RelPath,
    /// Where results are kept; none where `.aic/` cannot be written, which was said.
    pub store: Option<Store>,
    host: Arc<ScriptHost>,
    models: ModelUse,
}

/// What testing gave.
#[derive(Debug)]
pub struct Tested {
    /// The spec as it was loaded.
    pub loaded: Loaded,
    /// The version that was recorded.
    pub version: Option<Recorded>,
    /// The cases, or why there are none.
    pub result: Result<TestReport, Refusal>,
    /// What could not be written down.
    pub unkept: Option<StoreError>,
    /// Whether all of the spec's tests were asked for: only then is the result one of the version.
    pub whole: bool,
}

impl Tested {
    /// The exit code: that of the cases; 2 where nothing ran.
    pub fn exit_code(&self) -> u8 {
        self.result.as_ref().map_or(2, |report| report.tally().exit_code())
    }

    /// Whether this made the version a stable one.
    pub fn is_stable(&self) -> bool {
        let passed =
            self.result.as_ref().is_ok_and(|report| report.tally().exit_code() == 0 && report.tally().pass > 0);
        self.whole && self.version.is_some() && self.unkept.is_none() && passed
    }
}

impl Session {
    /// A session; its scripts run in the host's sandbox.
    pub const fn new(workspace: Workspace, spec: RelPath, store: Option<Store>, host: Arc<ScriptHost>) -> Self {
        let models = ModelUse { reach: Reach::Unasked, cassette: None, realtime: false, purse: None };
        Self { workspace, spec, store, host, models }
    }

    /// The same session with real models in reach, or recordings of them.
    #[must_use]
    pub fn with_models(mut self, models: ModelUse) -> Self {
        self.models = models;
        self
    }

    /// Loads the spec as it is now.
    pub fn load(&self, environment: Option<&str>) -> Loaded {
        self.workspace.load(&self.spec, environment)
    }

    /// Makes a loaded spec ready to run.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn container(&self, loaded: &Loaded) -> Result<Arc<Container>, Refusal> {
        let spec = loaded.spec.clone().ok_or(Refusal::Errors)?;
        if loaded.blockers().next().is_some() {
            return Err(Refusal::NotEnforced);
        }
        let mut backing = self.models.backing(&self.workspace, &self.spec, &spec.name)?;
        if spec.tools.starts_programs() || spec.tests.iter().any(TestDef::starts_programs) {
            backing.machine = Some(Arc::new(Machine::new(self.host.clone(), cache_dir())));
        }
        if !spec.tools.servers.is_empty() {
            backing.lock = Arc::new(self.lock()?);
        }
        let container = Arc::new(Container::with(spec, self.host.clone(), backing)?);
        container.warm_up();
        Ok(container)
    }

    /// `aic.lock`, empty where there is none.
    fn lock(&self) -> Result<Lock, Refusal> {
        match std::fs::read_to_string(self.workspace.root.join("aic.lock")) {
            Ok(text) => Ok(Lock::parse(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
            Err(error) => Err(Refusal::LockFile(error)),
        }
    }

    /// Records what was loaded as a version.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record(&self, loaded: &Loaded, reason: VersionReason) -> Result<Option<Recorded>, StoreError> {
        let Some(store) = &self.store else { return Ok(None) };
        // A spec that cannot be read yet is no version: it would be one for every keystroke.
        let Some(spec) = &loaded.spec else { return Ok(None) };
        let version =
            NewVersion { spec: self.spec.clone(), name: spec.name.clone(), files: loaded.files.clone(), reason };
        store.record_version(version).map(Some)
    }

    /// Loads, records and tests.
    pub async fn test(&self, options: &TestOptions, ended: &mut (dyn FnMut(&CaseReport) + Send)) -> Tested {
        let loaded = self.load(options.environment.as_deref());
        self.test_loaded(loaded, options, ended).await
    }

    /// Records and tests what was loaded.
    pub async fn test_loaded(
        &self,
        loaded: Loaded,
        options: &TestOptions,
        ended: &mut (dyn FnMut(&CaseReport) + Send),
    ) -> Tested {
        let mut tested =
            Tested { loaded, version: None, result: Err(Refusal::Errors), unkept: None, whole: options.is_whole() };
        let container = match self.container(&tested.loaded) {
            Ok(container) => container,
            Err(refusal) => {
                tested.result = Err(refusal);
                return tested;
            }
        };
        match self.record(&tested.loaded, options.reason) {
            Ok(version) => tested.version = version,
            Err(error) => tested.unkept = Some(error),
        }
        let version = tested.version.map(|version| version.digest);
        match self.run(&container, &tested.loaded, version, options, ended).await {
            Ok((report, unkept)) => {
                tested.unkept = tested.unkept.or(unkept);
                tested.result = Ok(report);
            }
            Err(refusal) => tested.result = Err(refusal),
        }
        if let Err(error) = keep_recording(&container) {
            tested.result = Err(error.into());
        }
        tested
    }

    async fn run(
        &self,
        container: &Arc<Container>,
        loaded: &Loaded,
        version: Option<Digest>,
        options: &TestOptions,
        ended: &mut (dyn FnMut(&CaseReport) + Send),
    ) -> Result<(TestReport, Option<StoreError>), Refusal> {
        let spec = container.spec();
        let plan =
            Plan::of(spec, self.world(loaded, spec.behaviour, options)).only(|test, case| wanted(options, test, case));
        let snapshots = Arc::new(Snapshots::new(&self.workspace.root).map_err(Refusal::Scratch)?);
        let held = Held::default();
        let settings = RunSettings {
            snapshots,
            now: now(),
            realtime: options.realtime,
            environment: options.environment.clone().unwrap_or_default(),
            vars: options.vars.clone(),
            parallel: std::thread::available_parallelism().map_or(2, usize::from),
            cancel: options.cancel.clone(),
            recorder: self.recorders(version, &held),
            run_prefix: run_prefix(),
        };
        let kept = |digest: Digest| if options.keep { self.kept(digest) } else { None };
        let report = aic_behavior::run(container, &plan, &settings, &kept, ended).await;
        let unkept =
            if options.cancel.is_cancelled() { None } else { self.write_down(&report, version, options, &held).err() };
        Ok((report, unkept))
    }

    /// Runs the tests in a container, and keeps nothing of it.
    ///
    /// # Errors
    /// [`Refusal::Scratch`].
    pub async fn replay(
        &self,
        container: &Arc<Container>,
        loaded: &Loaded,
        options: &TestOptions,
    ) -> Result<TestReport, Refusal> {
        // A session without a store writes nothing down.
        let unkept = Self::new(self.workspace.clone(), self.spec.clone(), None, self.host.clone());
        unkept.run(container, loaded, None, options, &mut |_| {}).await.map(|(report, _)| report)
    }

    /// The digest of everything outside the tests that could change a result.
    fn world(&self, loaded: &Loaded, behaviour: Digest, options: &TestOptions) -> Digest {
        let mut builder = DigestBuilder::new("world");
        builder.part("program", env!("CARGO_PKG_VERSION")).part("behaviour", behaviour.as_bytes());
        builder.part("environment", options.environment.as_deref().unwrap_or(""));
        builder.part("vars", Value::Object(options.vars.clone()).to_string());
        if let Some(spec) = &loaded.spec {
            let (cassette, _) = cassette_of(&self.workspace, &self.spec, &spec.name);
            builder.part("cassette", std::fs::read(cassette).unwrap_or_default());
        }
        for path in &loaded.data {
            let digest = self.workspace.data_digest(path);
            builder.part(path.as_str(), digest.as_ref().map_or(&b"missing"[..], |digest| digest.as_bytes()));
        }
        builder.finish()
    }

    fn recorders(&self, version: Option<Digest>, held: &Held) -> RecorderOf {
        let (store, spec, held) = (self.store.clone(), self.spec.clone(), held.clone());
        Arc::new(move |case: &str| -> Arc<dyn Recorder> {
            match &store {
                Some(store) => Arc::new(StoreRecorder::for_case(store, &spec, version, case, held.clone())),
                None => Arc::new(NoRecorder),
            }
        })
    }

    /// The results that the store knows and that still hold: what somebody follows who does not run the tests.
    pub(crate) fn known(&self, loaded: &Loaded, options: &TestOptions) -> Vec<CaseReport> {
        let Some(spec) = &loaded.spec else { return Vec::new() };
        let plan = Plan::of(spec, self.world(loaded, spec.behaviour, options));
        aic_behavior::still_holding(&plan, &|digest| self.kept(digest)).cases
    }

    fn kept(&self, digest: Digest) -> Option<CaseReport> {
        // A store that cannot be read keeps nothing: the case simply runs.
        let stored = self.store.as_ref()?.case_result(&self.spec, digest).ok()??;
        serde_json::from_value(stored.payload).ok()
    }

    fn write_down(
        &self,
        report: &TestReport,
        version: Option<Digest>,
        options: &TestOptions,
        held: &Held,
    ) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let recorder = store.recorder();
        for run in held.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            recorder.append(run)?;
        }
        let results = report.cases.iter().filter(|case| !case.kept).map(|case| CaseResult {
            spec: self.spec.clone(),
            digest: case.digest,
            verdict: case.verdict.as_str().to_owned(),
            payload: serde_json::to_value(case).unwrap_or(Value::Null),
        });
        store.put_case_results(results.collect())?;
        if let Some(version) = version.filter(|_| options.is_whole()) {
            store.record_verdict(&self.spec, version, summary(&report.tally()))?;
        }
        recorder.flush()
    }

    /// The files that a rollback is about to replace: what the spec names now, and whatever stands where the target's
    /// files will, so that nothing is overwritten that was not recorded first.
    pub fn working_files(
        &self,
        loaded: &Loaded,
        target: &BTreeMap<RelPath, Arc<[u8]>>,
    ) -> BTreeMap<RelPath, Arc<[u8]>> {
        let mut files = loaded.files.clone();
        for path in target.keys().filter(|path| !loaded.files.contains_key(*path)) {
            if let Ok(bytes) = self.workspace.source().read(path) {
                files.insert(path.clone(), bytes);
            }
        }
        files
    }

    /// Everything whose change calls for another run.
    pub fn watched(loaded: &Loaded) -> impl Iterator<Item = &RelPath> {
        let Loaded { path, files, data, missing, beside, .. } = loaded;
        files.keys().chain(data).chain(missing).chain(beside).chain(std::iter::once(path))
    }

    /// The workspace's folder.
    pub const fn root(&self) -> &PathBuf {
        &self.workspace.root
    }
}

/// Writes down what was recorded, if anything was.
///
/// # Errors
/// [`CassetteError`](aic_model::cassette::CassetteError): what was paid for would be lost.
pub fn keep_recording(container: &Container) -> Result<(), aic_model::cassette::CassetteError> {
    match container.tape() {
        Some((tape, mode)) if mode != aic_model::cassette::Mode::Replay => tape.save(),
        _ => Ok(()),
    }
}

fn wanted(options: &TestOptions, test: &PlannedTest, case: &Case) -> bool {
    options.filter.as_ref().is_none_or(|filter| case.id.contains(filter.as_str()))
        && options.test.as_ref().is_none_or(|name| test.def.name == *name)
        && options.cases.as_ref().is_none_or(|cases| cases.contains(&case.id))
        && options.tag.as_ref().is_none_or(|tag| test.def.tags.contains(tag))
}

fn summary(tally: &Tally) -> VerdictSummary {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    VerdictSummary {
        passed: count(tally.pass),
        failed: count(tally.fail),
        skipped: count(tally.skipped),
        other: count(tally.error + tally.open),
        at: now(),
    }
}

/// The beginning of run names: unique in a workspace, as no process of the same number starts twice in a millisecond.
pub fn run_prefix() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SESSIONS: AtomicU32 = AtomicU32::new(0);
    let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{session:x}", now().millis(), std::process::id())
}

/// The findings that keep a spec from running.
pub fn blocking(loaded: &Loaded) -> Vec<&Diagnostic> {
    loaded.blockers().collect()
}
