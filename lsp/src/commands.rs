//! Commands: running behaviour tests. A command is answered at once; what comes of it is told by progress, a message and
//! new lenses, and nothing else waits for it.

use crate::features::answer;
use crate::hints::{brief, dollars, spec_of};
use crate::runner::{CaseEnded, Ran, Wanted};
use crate::shared::Shared;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tower_lsp_server::jsonrpc::{Error, Result};
use tower_lsp_server::ls_types::*;

/// Runs one test: the address of a document, the test's name.
pub(crate) const RUN_TEST: &str = "aic.runTest";
/// Runs all tests: the address of a document; without, of the one that was last opened or changed, as some editors offer
/// commands by their names alone.
pub(crate) const RUN_ALL: &str = "aic.runAll";

/// How long a client may take to answer that it shows progress.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many problems of a run are written to the log.
const MAX_PROBLEMS: usize = 20;

/// Starts a command.
///
/// # Errors
/// If there is no such command, or its arguments are others.
pub(crate) async fn execute(shared: &Arc<Shared>, params: ExecuteCommandParams) -> Result<()> {
    let one = match params.command.as_str() {
        RUN_TEST => true,
        RUN_ALL => false,
        other => return Err(Error::invalid_params(format!("there is no command `{other}`"))),
    };
    let mut arguments = params.arguments.into_iter();
    let first = match arguments.next() {
        None if !one => shared.state().latest.as_ref().map_or(Value::Null, |uri| Value::from(uri.as_str())),
        first => first.unwrap_or(Value::Null),
    };
    // An object with the two by name, for who binds a key to the command by hand.
    let (uri, test) = match first {
        Value::Object(map) => (map.get("uri").cloned().unwrap_or(Value::Null), map.get("test").cloned()),
        uri => (uri, arguments.next()),
    };
    let wrong = || Error::invalid_params(format!("`{}` takes the address of an open document", params.command));
    let uri: Uri = serde_json::from_value(uri).map_err(|_| wrong())?;
    let test = match (one, test) {
        (true, Some(Value::String(test))) => Some(test),
        (true, _) => return Err(Error::invalid_params(format!("`{RUN_TEST}` takes the name of a test as well"))),
        (false, _) => None,
    };
    // Not waited for: that is the point.
    tokio::spawn(run(shared.clone(), uri, test));
    Ok(())
}

/// Ends the run whose progress a person cancelled.
pub(crate) fn cancel(shared: &Shared, token: &ProgressToken) {
    drop(shared.runs().remove(token));
}

async fn run(shared: Arc<Shared>, uri: Uri, test: Option<String>) {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let client = &shared.client;
    let say = |kind, text: String| client.show_message(kind, text);
    let Some(runner) = shared.config.runner.clone() else {
        return say(MessageType::ERROR, "this server runs no tests: start `aic lsp`".into()).await;
    };
    let Some(snapshot) = shared.snapshot(&uri) else {
        return say(MessageType::ERROR, "the document is not open, so its tests are not known".into()).await;
    };
    let Some(spec) = spec_of(&snapshot).await else {
        return say(MessageType::ERROR, "no spec includes these tests: name the file under `tests: - files:`".into())
            .await;
    };
    let token = ProgressToken::String(format!("aic-run-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
    let (cancel, cancelled) = oneshot::channel::<()>();
    shared.runs().insert(token.clone(), cancel);
    let what = test.clone().unwrap_or_else(|| spec.to_string());
    let progress = Progress::begin(&shared, token.clone(), format!("Testing {what}")).await;
    let unsaved = answer(&shared, &uri, |snapshot, _| {
        let document = &snapshot.document;
        let saved = document.home.disk.read_text(&document.home.path);
        Some(saved.ok().as_deref() != Some(&*document.text))
    });
    let unsaved = unsaved.await.ok().flatten().unwrap_or(false);
    let wanted = Wanted { root: snapshot.document.home.root.clone(), spec: spec.clone(), test };
    let (root, name) = (wanted.root.clone(), wanted.test.clone());
    let running = runner.run(wanted, progress.listener());
    let result = tokio::select! {
        result = running => Some(result),
        // Dropped at the end of the session, or because a person cancelled.
        _ = cancelled => None,
    };
    shared.runs().remove(&token);
    let note = if unsaved { " (what is saved was tested; the text here is not)" } else { "" };
    let (kind, text) = match result {
        None => (MessageType::INFO, format!("{what}: cancelled")),
        Some(Err(problem)) => (MessageType::ERROR, format!("{what}: {problem}")),
        Some(Ok(ran)) => {
            let told = told(&what, name.as_deref(), &ran);
            log(&shared, &ran).await;
            shared.keep_results(&root, &spec, ran, name.is_none());
            told
        }
    };
    progress.end(&text).await;
    shared.forget_history();
    shared.refresh_lenses();
    client.show_message(kind, format!("{text}{note}")).await;
}

/// The result of a run in a line.
fn told(what: &str, test: Option<&str>, ran: &Ran) -> (MessageType, String) {
    let tests = || ran.tests.iter().filter(|(name, _)| test.is_none_or(|test| *name == test)).map(|(_, result)| result);
    let (mut passed, mut cases, mut cost) = (0, 0, aic_base::Usd::ZERO);
    for result in tests() {
        (passed, cases, cost) = (passed + result.passed, cases + result.cases, cost + result.cost);
    }
    if cases == 0 {
        let known = tests().next().is_some();
        return match (test, known) {
            (Some(_), false) => (MessageType::WARNING, format!("{what}: what is saved has no test of this name")),
            (_, true) => (MessageType::INFO, format!("{what}: skipped")),
            (None, false) => (MessageType::WARNING, format!("{what}: what is saved has no test")),
        };
    }
    let problem = tests().find_map(|result| result.problem.as_deref());
    match problem {
        None if passed == cases => (MessageType::INFO, format!("{what}: {passed}/{cases} passed · {}", dollars(cost))),
        problem => {
            let why = problem.map(|problem| format!(": {problem}")).unwrap_or_default();
            (MessageType::WARNING, format!("{what}: {passed}/{cases} passed · {}{why}", dollars(cost)))
        }
    }
}

async fn log(shared: &Shared, ran: &Ran) {
    let failed = ran.tests.iter().filter_map(|(name, result)| Some((name, result, result.problem.as_deref()?)));
    for (name, result, problem) in failed.take(MAX_PROBLEMS) {
        shared.client.log_message(MessageType::WARNING, format!("{name} ({}): {problem}", brief(result))).await;
    }
}

/// Progress as the client shows it; nothing where it shows none.
struct Progress {
    shared: Arc<Shared>,
    token: Option<ProgressToken>,
}

impl Progress {
    async fn begin(shared: &Arc<Shared>, token: ProgressToken, title: String) -> Self {
        let nothing = Self { shared: shared.clone(), token: None };
        if !shared.state().can.progress {
            return nothing;
        }
        // A client that does not answer is one that shows none: the run does not wait for it.
        let asked = tokio::time::timeout(PATIENCE, shared.client.create_work_done_progress(token.clone())).await;
        if !matches!(asked, Ok(Ok(()))) {
            return nothing;
        }
        let begin = WorkDoneProgressBegin { title, cancellable: Some(true), message: None, percentage: None };
        let progress = Self { token: Some(token), ..nothing };
        progress.tell(WorkDoneProgress::Begin(begin)).await;
        progress
    }

    async fn tell(&self, what: WorkDoneProgress) {
        if let Some(token) = &self.token {
            let value = ProgressParamsValue::WorkDone(what);
            let params = ProgressParams { token: token.clone(), value };
            self.shared.client.send_notification::<notification::Progress>(params).await;
        }
    }

    /// Tells of cases as they end: the last one that has when it is told, not each.
    fn listener(&self) -> Arc<dyn Fn(CaseEnded) + Send + Sync> {
        let (shared, token) = (self.shared.clone(), self.token.clone());
        let (passed, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (tell, mut heard) = tokio::sync::watch::channel(String::new());
        tokio::spawn(async move {
            let progress = Self { shared, token };
            while heard.changed().await.is_ok() {
                let message = heard.borrow_and_update().clone();
                let report =
                    WorkDoneProgressReport { cancellable: Some(true), message: Some(message), percentage: None };
                progress.tell(WorkDoneProgress::Report(report)).await;
            }
        });
        Arc::new(move |case: CaseEnded| {
            let passed = passed.fetch_add(usize::from(case.passed), Ordering::Relaxed) + usize::from(case.passed);
            let ended = ended.fetch_add(1, Ordering::Relaxed) + 1;
            let _ = tell.send(format!("{passed}/{ended} passed · {}", case.id));
        })
    }

    async fn end(&self, message: &str) {
        self.tell(WorkDoneProgress::End(WorkDoneProgressEnd { message: Some(message.to_owned()) })).await;
    }
}
