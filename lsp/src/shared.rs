//! What the handlers share: the open documents, the findings, and the one worker that keeps these true.

use crate::analysis::{self, Findings, Found, Job, Outcome};
use crate::client::Can;
use crate::documents::{Document, Documents};
use crate::home::{Home, Key, uri_of};
use crate::lane::Lane;
use crate::runner::{History, Ran, TestResult};
use crate::server::Config;
use crate::settings::Settings;
use aic_base::{RelPath, Source};
use aic_spec::ide::Host;
use aic_spec::{LoadOptions, file_kind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};
use tower_lsp_server::Client;
use tower_lsp_server::ls_types::*;

/// How many findings of one file a client is told.
const MAX_FINDINGS: usize = 1000;

/// Of how many lists of completions the documentation is kept.
const MAX_LISTS: usize = 4;

/// How many passes in a row may go untold because something newer was typed meanwhile.
const MAX_DROPPED: u32 = 8;

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) config: Config,
    state: Mutex<State>,
    /// The last change whose findings are known, by its number.
    settled: watch::Sender<u64>,
    /// Where passes over what changed are made.
    passes: Lane,
    /// Runs of tests that are under way; dropping one ends it.
    runs: Mutex<HashMap<ProgressToken, oneshot::Sender<()>>>,
    pub(crate) shut_down: AtomicBool,
}

/// What changes while a session lasts.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) can: Can,
    pub(crate) settings: Settings,
    /// What is wrong with the client's settings, and whether it was told.
    pub(crate) wrong_settings: (Vec<String>, bool),
    /// The folders that the client has open.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) documents: Documents,
    /// The spec or file of tests that was last opened or changed.
    pub(crate) latest: Option<Uri>,
    /// Files that changed since the worker last looked.
    pub(crate) changed: HashSet<Key>,
    /// Whether everything is to be read again: a setting changed.
    pub(crate) all_changed: bool,
    /// The specs of the open folders, once somebody asked about all of them; none while they are not known.
    pub(crate) listed: Option<Arc<Vec<Home>>>,
    /// Counts the changes.
    generation: u64,
    /// The change that the worker has come to.
    taken: u64,
    /// Whether the worker is under way.
    working: bool,
    dropped: u32,
    found: HashMap<Key, Findings>,
    /// Files that were read since the client was told, and whether their findings are others than before.
    untold: BTreeMap<Key, bool>,
    /// Whether a client that asks has reason to ask again.
    ask_again: bool,
    /// What is wrong with each file, of whatever entry.
    merged: HashMap<Key, Arc<Merged>>,
    /// Counts the results, so that each has a name of its own.
    results: u64,
    /// What was parsed, by workspace.
    hosts: HashMap<PathBuf, Arc<Host>>,
    /// What is known of earlier runs, by spec.
    history: HashMap<Key, Option<Arc<History>>>,
    /// Counts how often that was forgotten.
    epoch: u64,
    /// What this session's runs gave, by spec and test.
    results_of: HashMap<Key, BTreeMap<String, TestResult>>,
    /// The tokens that were last sent of each document, and their name.
    pub(crate) tokens: HashMap<Uri, (u64, Vec<SemanticToken>)>,
    /// What was left out of the last lists of completions, by their number.
    pub(crate) documentation: VecDeque<(u64, Vec<Option<Documentation>>)>,
}

/// What is wrong with a file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Merged {
    /// The name of this result.
    pub(crate) id: u64,
    pub(crate) found: Vec<Found>,
}

impl Merged {
    /// As the client is told.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        self.found.iter().map(|found| found.diagnostic.clone()).collect()
    }
}

/// Findings on their way to the client.
struct Publish {
    uri: Uri,
    diagnostics: Vec<Diagnostic>,
    version: Option<i32>,
}

/// What a request about a document is answered from.
pub(crate) struct Snapshot {
    pub(crate) document: Document,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) documents: Documents,
    pub(crate) host: Arc<Host>,
    pub(crate) can: Can,
}

impl Shared {
    pub(crate) fn new(client: Client, config: Config) -> Self {
        let settled = watch::Sender::new(0);
        let (state, runs) = Default::default();
        let passes = Lane::start("findings");
        Self { client, config, state, settled, passes, runs, shut_down: AtomicBool::new(false) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what changed, and starts the worker unless it is under way.
    pub(crate) fn changed(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.generation += 1;
        if !std::mem::replace(&mut state.working, true) {
            tokio::spawn(self.clone().work());
        }
    }

    /// Waits until the findings of everything that has changed so far are known. What counts as so far is decided when
    /// this is called, not when it is first polled.
    pub(crate) fn settled(&self) -> impl Future<Output = ()> + use<> {
        let wanted = self.state().generation;
        let mut settled = self.settled.subscribe();
        async move {
            // The sender lives as long as the server.
            let _ = settled.wait_for(|at| *at >= wanted).await;
        }
    }

    /// Reads what changed and tells what was found, until nothing changed meanwhile. However fast somebody types, at most
    /// one pass is under way and at most one waits; what is out of date before it is told is not told.
    async fn work(self: Arc<Self>) {
        while let Some(job) = self.next_job() {
            let (snapshot, generation) = (job.documents.clone(), job.generation);
            let outcome = self.passes.run(move || analysis::run(&job)).await;
            let (publish, refresh) = match outcome {
                Some(outcome) => self.state().settle(outcome, &snapshot),
                None => (Vec::new(), false),
            };
            self.settled.send_replace(generation);
            for Publish { uri, diagnostics, version } in publish {
                self.client.publish_diagnostics(uri, diagnostics, version).await;
            }
            if refresh {
                let client = self.client.clone();
                // Not waited for: the answer says nothing.
                tokio::spawn(async move { client.workspace_diagnostic_refresh().await });
            }
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        if state.taken == state.generation {
            state.working = false;
            return None;
        }
        state.taken = state.generation;
        let all = std::mem::take(&mut state.all_changed);
        let made_of = |found: &HashMap<Key, Findings>| {
            found.iter().map(|(key, found)| (key.clone(), found.made_of.clone())).collect()
        };
        let roots: Vec<PathBuf> = state.documents.iter().map(|(_, document)| document.home.root.clone()).collect();
        Some(Job {
            hosts: roots.into_iter().map(|root| (root.clone(), state.host(&root))).collect(),
            documents: state.documents.clone(),
            listed: state.listed.clone(),
            made_of: if all { HashMap::new() } else { made_of(&state.found) },
            changed: std::mem::take(&mut state.changed),
            generation: state.generation,
            encoding: state.can.encoding,
            related: state.can.related,
            tags: state.can.tags,
            environment: state.settings.environment.clone(),
            today: self.config.clock.now(),
        })
    }

    /// As what specs are read.
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions { environment: self.state().settings.environment.clone(), today: self.config.clock.now() }
    }

    /// The document of a request and the files around it; none if it is not open.
    pub(crate) fn snapshot(&self, uri: &Uri) -> Option<Snapshot> {
        let mut state = self.state();
        let document = state.documents.get(uri)?.clone();
        let source = state.documents.source(&document.home);
        let host = state.host(&document.home.root);
        Some(Snapshot { document, source, documents: state.documents.clone(), host, can: state.can })
    }

    /// Each workspace that has a document open or lies in an open folder, and its files of the language.
    pub(crate) fn workspaces(&self) -> Vec<(Snapshot, Vec<RelPath>)> {
        let mut state = self.state();
        let mut homes: BTreeMap<PathBuf, BTreeMap<RelPath, Home>> = BTreeMap::new();
        let open = state.documents.iter().map(|(_, document)| &document.home);
        for home in open.chain(state.listed.iter().flat_map(|listed| listed.iter())) {
            if file_kind(home.path.file_name()).is_some() {
                homes.entry(home.root.clone()).or_default().insert(home.path.clone(), home.clone());
            }
        }
        let mut all = Vec::new();
        for (root, homes) in homes {
            let Some(home) = homes.values().next().cloned() else { continue };
            let (source, host) = (state.documents.source(&home), state.host(&root));
            let document = Document { home, text: "".into(), version: 0 };
            let snapshot = Snapshot { document, source, documents: state.documents.clone(), host, can: state.can };
            all.push((snapshot, homes.into_keys().collect()));
        }
        all
    }

    /// A name that no other result has.
    pub(crate) fn next_result(&self) -> u64 {
        let mut state = self.state();
        state.results += 1;
        state.results
    }

    /// Keeps the documentation of completions back: the client asks for that of the one it shows.
    pub(crate) fn leave_out_documentation(&self, items: &mut [CompletionItem]) {
        let list = self.next_result();
        let mut kept = Vec::with_capacity(items.len());
        for (at, item) in items.iter_mut().enumerate() {
            item.data = Some(serde_json::json!([list, at]));
            kept.push(item.documentation.take());
        }
        let mut state = self.state();
        state.documentation.push_back((list, kept));
        if state.documentation.len() > MAX_LISTS {
            state.documentation.pop_front();
        }
    }

    /// A completion with its documentation, if that is still known.
    pub(crate) fn with_documentation(&self, mut item: CompletionItem) -> CompletionItem {
        let number = |at: usize| item.data.as_ref().and_then(|data| data.get(at)).and_then(serde_json::Value::as_u64);
        if let (Some(list), Some(at)) = (number(0), number(1)) {
            let state = self.state();
            let kept = state.documentation.iter().find(|(id, _)| *id == list);
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            if let Some(documentation) = kept.and_then(|(_, kept)| kept.get(at)) {
                item.documentation.clone_from(documentation);
            }
        }
        item
    }

    /// Runs of tests that are under way.
    pub(crate) fn runs(&self) -> MutexGuard<'_, HashMap<ProgressToken, oneshot::Sender<()>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of earlier runs, if that was read; and the number under which it may be kept if not.
    pub(crate) fn known_history(&self, key: &Key) -> (Option<Option<Arc<History>>>, u64) {
        let state = self.state();
        (state.history.get(key).cloned(), state.epoch)
    }

    /// Keeps what was read of earlier runs, unless it was forgotten meanwhile.
    pub(crate) fn keep_history(&self, key: Key, history: Option<Arc<History>>, epoch: u64) {
        let mut state = self.state();
        if state.epoch == epoch {
            state.history.insert(key, history);
        }
    }

    /// Has earlier runs read again: one ended, or something on disk changed.
    pub(crate) fn forget_history(&self) {
        self.state().forget_history();
    }

    /// What this session's runs of a spec gave, by test.
    pub(crate) fn results(&self, root: &Path, spec: &RelPath) -> BTreeMap<String, TestResult> {
        self.state().results_of.get(&(root.to_owned(), spec.clone())).cloned().unwrap_or_default()
    }

    /// Keeps what a run gave; one of all tests forgets those that are no more.
    pub(crate) fn keep_results(&self, root: &Path, spec: &RelPath, ran: Ran, all: bool) {
        let mut state = self.state();
        let results = state.results_of.entry((root.to_owned(), spec.clone())).or_default();
        if all {
            results.clear();
        }
        results.extend(ran.tests);
    }

    /// Tells a client that can to ask for lenses and hints again.
    pub(crate) fn refresh_lenses(&self) {
        let (can, client) = (self.state().can, self.client.clone());
        // Not waited for: the answers say nothing.
        tokio::spawn(async move {
            if can.refresh_lenses {
                let _ = client.code_lens_refresh().await;
            }
            if can.refresh_hints {
                let _ = client.inlay_hint_refresh().await;
            }
        });
    }
}

impl State {
    /// Has earlier runs read again.
    pub(crate) fn forget_history(&mut self) {
        self.history.clear();
        self.epoch += 1;
    }

    /// Has it looked up again which specs inherit from which: files came, went or were saved.
    pub(crate) fn files_changed(&self) {
        self.hosts.values().for_each(|host| host.files_changed());
    }

    /// Notes which document somebody works on.
    pub(crate) fn works_on(&mut self, uri: &Uri) {
        let document = self.documents.get(uri);
        if document.is_some_and(|document| file_kind(document.home.path.file_name()).is_some()) {
            self.latest = Some(uri.clone());
        }
    }

    /// What was parsed of a workspace.
    pub(crate) fn host(&mut self, root: &PathBuf) -> Arc<Host> {
        match self.hosts.get(root) {
            Some(host) => host.clone(),
            None => self.hosts.entry(root.clone()).or_default().clone(),
        }
    }

    /// What is wrong with a file.
    pub(crate) fn merged(&self, key: &Key) -> Option<&Arc<Merged>> {
        self.merged.get(key)
    }

    /// What is wrong with all files, for the address of each.
    pub(crate) fn all_merged(&self) -> impl Iterator<Item = (Uri, Option<i32>, &Arc<Merged>)> {
        self.merged.iter().filter_map(|(key, merged)| {
            let open = self.documents.of_file(key);
            let uri = open.map(|(uri, _)| uri.clone()).or_else(|| uri_of(&key.0, &key.1))?;
            Some((uri, open.map(|(_, document)| document.version), merged))
        })
    }

    /// Takes in what a pass found. What is to be told to the client comes out, and whether it should ask again.
    fn settle(&mut self, outcome: Outcome, documents: &Documents) -> (Vec<Publish>, bool) {
        let files = |key: &Key, found: &Findings| {
            found.by_file.keys().map(|file| (key.0.clone(), file.clone())).collect::<Vec<_>>()
        };
        let mut touched: BTreeSet<Key> = BTreeSet::new();
        self.found.retain(|key, found| {
            let stays = outcome.entries.contains(key);
            if !stays {
                touched.extend(files(key, found));
            }
            stays
        });
        for (key, found) in outcome.read {
            touched.extend(files(&key, &found));
            if let Some(old) = self.found.insert(key.clone(), found) {
                touched.extend(files(&key, &old));
            }
        }
        for key in touched {
            let changed = self.merge(&key);
            self.ask_again |= changed && !outcome.changed.contains(&key);
            *self.untold.entry(key).or_default() |= changed;
        }
        // Who asks gets what there is; who is told is not told what is out of date already.
        let newer = self.generation > outcome.generation;
        if newer && self.dropped < MAX_DROPPED {
            self.dropped += 1;
            return (Vec::new(), false);
        }
        self.dropped = 0;
        let untold = std::mem::take(&mut self.untold);
        let publish = untold.into_iter().filter_map(|(key, changed)| self.publish(&key, changed, documents)).collect();
        let ask_again = std::mem::take(&mut self.ask_again);
        (publish, ask_again && self.can.pull && self.can.refresh_findings)
    }

    /// Brings together the findings of a file, of whatever entry; whether they are others than before.
    fn merge(&mut self, key: &Key) -> bool {
        let of_entries = self.found.iter().filter(|((root, _), _)| *root == key.0);
        let mut found: Vec<Found> = Vec::new();
        let mut seen = HashSet::new();
        for one in of_entries.filter_map(|(_, found)| found.by_file.get(&key.1)).flatten() {
            // A file of tests that two specs include has most of its findings twice.
            let Diagnostic { range, message, .. } = &one.diagnostic;
            if seen.insert((range.start, range.end, message)) {
                found.push(one.clone());
            }
        }
        limit(&mut found);
        let known = self.found.contains_key(key) || !found.is_empty();
        match self.merged.get(key) {
            Some(old) if old.found == found && known => return false,
            None if !known => return false,
            _ => {}
        }
        if !known {
            return self.merged.remove(key).is_some_and(|old| !old.found.is_empty());
        }
        self.results += 1;
        let id = self.results;
        let old = self.merged.insert(key.clone(), Arc::new(Merged { id, found }));
        old.is_some() || self.merged.get(key).is_some_and(|new| !new.found.is_empty())
    }

    /// What a client that does not ask is told of a file; none if it shows that already.
    fn publish(&self, key: &Key, changed: bool, documents: &Documents) -> Option<Publish> {
        let open = documents.of_file(key);
        // An open document is told each time: its version says which text was read.
        if self.can.pull || (open.is_none() && !changed) {
            return None;
        }
        let uri = open.map(|(uri, _)| uri.clone()).or_else(|| uri_of(&key.0, &key.1))?;
        let diagnostics = self.merged.get(key).map(|merged| merged.diagnostics()).unwrap_or_default();
        Some(Publish { uri, diagnostics, version: open.map(|(_, document)| document.version) })
    }
}

/// Nobody reads thousands of findings, and an editor takes its time to draw them.
fn limit(found: &mut Vec<Found>) {
    let more = found.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        found.truncate(MAX_FINDINGS);
        let diagnostic = Diagnostic {
            severity: Some(DiagnosticSeverity::INFORMATION),
            source: Some("aic".into()),
            message: format!("{more} more findings of this file are not shown"),
            ..Diagnostic::default()
        };
        found.push(Found { diagnostic, mend: None });
    }
}
