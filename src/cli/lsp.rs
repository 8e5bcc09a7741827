//! `aic lsp`: the language server, over standard input and output. Its lenses run tests as `aic test` does.

use super::{Context, FINDINGS, FINE};
use crate::host::script_host;
use crate::session::{Refusal, Session, TestOptions, Tested};
use crate::workspace::Workspace;
use aic_base::{EventKind, RelPath};
use aic_behavior::{CaseReport, Verdict};
use aic_lsp::{CaseEnded, Config, Ended, History, Ran, Runner, TestResult, Wanted, serve_stdio};
use aic_sandbox::ScriptHost;
use aic_spec::Severity;
use aic_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How many of a spec's last runs are looked at for guardrails that decide nothing.
const LAST_RUNS: u32 = 50;

#[derive(clap::Args)]
pub struct Args {
    /// Speak over standard input and output: what it does anyway, and what editors like to say
    #[arg(long)]
    stdio: bool,
}

/// Serves one editor. As the protocol has it, an end that the editor did not ask for is a failure.
pub async fn run(_: &Args, context: &mut Context) -> u8 {
    let config = Config { runner: Some(Arc::new(Sessions::default())), ..Config::default() };
    let ended = tokio::select! {
        ended = serve_stdio(config) => ended,
        () = context.cancel.cancelled() => Ended::Abrupt,
    };
    match ended {
        Ended::Orderly => FINE,
        Ended::Abrupt => FINDINGS,
        Ended::Unreadable(why) => {
            context.warn(format_args!("the session ends: {why}"));
            FINDINGS
        }
    }
}

/// Runs tests in sessions like those of `aic test`, and reads what the store remembers.
#[derive(Default)]
struct Sessions {
    /// Made when it is first needed: most sessions of an editor run nothing.
    host: OnceLock<Arc<ScriptHost>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    fn session(&self, root: &Path, spec: &RelPath, store: Option<Store>) -> Result<Session, String> {
        let workspace = Workspace::of(root).map_err(|error| error.to_string())?;
        let host = self.host.get_or_init(script_host).clone();
        Ok(Session::new(workspace, spec.clone(), store, host))
    }
}

impl Runner for Sessions {
    fn run(
        self: Arc<Self>,
        wanted: Wanted,
        ended: Arc<dyn Fn(CaseEnded) + Send + Sync>,
    ) -> Pin<Box<dyn Future<Output = Result<Ran, String>> + Send>> {
        Box::pin(async move {
            let Wanted { root, spec, test } = wanted;
            let cancel = CancellationToken::new();
            // Whoever drops this future ends the run.
            let _guard = cancel.clone().drop_guard();
            let runtime = Handle::current();
            // On a thread of its own: opening the store and reading the spec wait for the disk.
            let running = tokio::task::spawn_blocking(move || {
                let store = Workspace::of(&root).ok().and_then(|workspace| workspace.store().ok());
                let session = self.session(&root, &spec, store)?;
                let options = TestOptions { test, ..TestOptions::new(cancel) };
                // As in the result at the end: what is skipped is no case that ran.
                let mut told = |case: &CaseReport| {
                    if case.verdict != Verdict::Skipped {
                        ended(CaseEnded { id: case.id.clone(), passed: case.verdict == Verdict::Pass });
                    }
                };
                let tested = runtime.block_on(session.test(&options, &mut told));
                match &tested.result {
                    Ok(report) => Ok(Ran { tests: by_test(&report.cases) }),
                    Err(refusal) => Err(why(&tested, refusal)),
                }
            });
            running.await.unwrap_or_else(|error| Err(format!("the run broke off: {error}")))
        })
    }

    fn history(&self, root: &Path, spec: &RelPath) -> Option<History> {
        // Read only: looking at a spec must not make a store.
        let store = Store::open_read_only(root).ok()?;
        let runs = store.runs(spec, LAST_RUNS).ok()?;
        let mut fired = BTreeSet::new();
        for event in runs.iter().flat_map(|run| store.events(&run.run).unwrap_or_default()) {
            if let Some(EventKind::Guardrail(decision)) = event.event.map(|event| event.kind) {
                fired.insert(decision.guardrail);
            }
        }
        let session = self.session(root, spec, Some(store)).ok()?;
        let loaded = session.load(None);
        let known = session.known(&loaded, &TestOptions::new(CancellationToken::new()));
        let count = u32::try_from(runs.len()).unwrap_or(u32::MAX);
        Some(History { tests: by_test(&known), runs: count, fired })
    }
}

/// The results of cases, by test.
fn by_test(cases: &[CaseReport]) -> BTreeMap<String, TestResult> {
    let mut tests: BTreeMap<String, TestResult> = BTreeMap::new();
    for case in cases {
        let nothing = TestResult { passed: 0, cases: 0, cost: aic_base::Usd::ZERO, problem: None };
        let result = tests.entry(case.test.clone()).or_insert(nothing);
        result.cost += case.cost;
        if case.verdict == Verdict::Skipped {
            continue;
        }
        result.cases += 1;
        result.passed += u32::from(case.verdict == Verdict::Pass);
        if !case.verdict.is_fine() && result.problem.is_none() {
            let message = case.failures.first().map_or(case.verdict.as_str(), |failure| failure.message.as_str());
            result.problem = Some(message.lines().next().unwrap_or("").to_owned());
        }
    }
    tests
}

/// Why nothing ran, with the first finding that is the reason.
fn why(tested: &Tested, refusal: &Refusal) -> String {
    let first = match refusal {
        Refusal::Errors => tested.loaded.diagnostics.iter().find(|found| found.severity == Severity::Error),
        Refusal::NotEnforced => tested.loaded.blockers().next(),
        Refusal::Container(_)
        | Refusal::Scratch(_)
        | Refusal::Cassette(_)
        | Refusal::Lock(_)
        | Refusal::LockFile(_) => None,
    };
    match first {
        Some(found) => format!("{refusal}: {} {}", found.code, found.message),
        None => refusal.to_string(),
    }
}
