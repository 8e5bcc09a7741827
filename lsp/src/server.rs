//! The handlers of the protocol, and the one worker that keeps the findings true.

use crate::analysis::{self, Findings, Job, Outcome};
use crate::convert;
use crate::documents::{Document, Documents};
use crate::home::{Home, Key, uri_of};
use crate::position::{Encoding, Lines};
use aic_base::{Clock, Source, SystemClock};
use aic_spec::{file_kind, ide};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp_server::jsonrpc::Result;
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{Client, LanguageServer, LspService};

/// How many requests are under way at once. Each is short: what takes time is on the blocking pool.
const CONCURRENCY: usize = 32;

/// How many findings of one file a client is told.
const MAX_FINDINGS: usize = 1000;

/// The files whose changes on disk matter to a spec.
const WATCHED: &str = "**/*.{yml,yaml,toml,md,txt,js,csv,json,jsonl,wasm,db}";

/// After which letters a client asks for completion by itself.
const TRIGGERS: [&str; 9] = [":", " ", "-", "$", "{", "[", ".", "/", "\""];

/// What a server is given.
#[derive(Debug, Clone)]
pub struct Config {
    /// Says which day it is: the retirement of models is judged against it.
    pub clock: Arc<dyn Clock>,
}

impl Default for Config {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::new()) }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client asked for it with `shutdown`.
    Orderly,
    /// The stream ended, or `exit` came first.
    Abrupt,
}

/// Serves one client until it says `exit` or closes the stream. Needs a Tokio runtime, for the worker and the blocking
/// pool.
pub async fn serve<I, O>(input: I, output: O, config: Config) -> Ended
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let (service, socket) = LspService::new(|client| Server(Arc::new(Shared::new(client, config))));
    let shared = service.inner().0.clone();
    tower_lsp_server::Server::new(input, output, socket).concurrency_level(CONCURRENCY).serve(service).await;
    if shared.shut_down.load(Ordering::Acquire) { Ended::Orderly } else { Ended::Abrupt }
}

struct Server(Arc<Shared>);

struct Shared {
    client: Client,
    config: Config,
    state: Mutex<State>,
    shut_down: AtomicBool,
}

/// What the client can do, as far as it matters here.
#[derive(Default, Clone, Copy)]
struct Can {
    encoding: Encoding,
    related: bool,
    watch: bool,
    markdown_in_completion: bool,
    markdown_in_hover: bool,
}

#[derive(Default)]
struct State {
    can: Can,
    documents: Documents,
    /// Files that changed since the worker last looked.
    changed: HashSet<Key>,
    /// Whether there is something to look at, although perhaps no file changed: a document was closed.
    pending: bool,
    /// Whether the worker is under way.
    working: bool,
    found: HashMap<Key, Findings>,
    /// What the client shows for each file that has findings.
    shown: HashMap<Key, Vec<Diagnostic>>,
}

/// Findings on their way to the client.
struct Publish {
    uri: Uri,
    diagnostics: Vec<Diagnostic>,
    version: Option<i32>,
}

/// What a request about a place is answered from.
struct Snapshot {
    document: Document,
    source: Arc<dyn Source>,
    can: Can,
}

impl Shared {
    fn new(client: Client, config: Config) -> Self {
        Self { client, config, state: Mutex::default(), shut_down: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what changed, and starts the worker unless it is under way.
    fn changed(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.pending = true;
        if !std::mem::replace(&mut state.working, true) {
            tokio::spawn(self.clone().work());
        }
    }

    /// Reads what changed and publishes what was found, until nothing changed meanwhile. However fast somebody types,
    /// at most one pass is under way and at most one waits.
    async fn work(self: Arc<Self>) {
        while let Some(job) = self.next_job() {
            let snapshot = job.documents.clone();
            let outcome = tokio::task::spawn_blocking(move || analysis::run(&job)).await;
            let Ok(outcome) = outcome else { continue };
            let publish = self.state().settle(outcome, &snapshot);
            for Publish { uri, diagnostics, version } in publish {
                self.client.publish_diagnostics(uri, diagnostics, version).await;
            }
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        if !std::mem::take(&mut state.pending) {
            state.working = false;
            return None;
        }
        Some(Job {
            documents: state.documents.clone(),
            made_of: state.found.iter().map(|(key, found)| (key.clone(), found.made_of.clone())).collect(),
            changed: std::mem::take(&mut state.changed),
            encoding: state.can.encoding,
            related: state.can.related,
            today: self.config.clock.now(),
        })
    }

    /// The document of a request and the files around it; none if the document is not of the language.
    fn snapshot(&self, uri: &Uri) -> Option<Snapshot> {
        let state = self.state();
        let document = state.documents.get(uri)?.clone();
        file_kind(document.home.path.file_name())?;
        let source = state.documents.source(&document.home);
        Some(Snapshot { document, source, can: state.can })
    }
}

impl State {
    /// Takes in what a pass found; what is to be told to the client comes out.
    fn settle(&mut self, outcome: Outcome, documents: &Documents) -> Vec<Publish> {
        let mut touched: BTreeSet<Key> = BTreeSet::new();
        let files = |key: &Key, found: &Findings| {
            found.by_file.keys().map(|file| (key.0.clone(), file.clone())).collect::<Vec<_>>()
        };
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
        touched.into_iter().filter_map(|key| self.publish(key, documents)).collect()
    }

    /// All findings of a file, of whatever entry; none if the client shows them already.
    fn publish(&mut self, key: Key, documents: &Documents) -> Option<Publish> {
        let of_entries = self.found.iter().filter(|((root, _), _)| *root == key.0);
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        let mut seen = HashSet::new();
        for diagnostic in of_entries.filter_map(|(_, found)| found.by_file.get(&key.1)).flatten() {
            // A file of tests that two specs include has most of its findings twice.
            if seen.insert((diagnostic.range.start, diagnostic.range.end, &diagnostic.message)) {
                diagnostics.push(diagnostic.clone());
            }
        }
        limit(&mut diagnostics);
        let open = documents.of_file(&key);
        let old = match diagnostics.is_empty() {
            true => self.shown.remove(&key),
            false => self.shown.insert(key.clone(), diagnostics.clone()),
        };
        // An open document is told each time: its version says which text was read.
        if open.is_none() && old.unwrap_or_default() == diagnostics {
            return None;
        }
        let uri = open.map(|(uri, _)| uri.clone()).or_else(|| uri_of(&key.0, &key.1))?;
        Some(Publish { uri, diagnostics, version: open.map(|(_, document)| document.version) })
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let can = can(&params.capabilities);
        self.0.state().can = can;
        let folders =
            WorkspaceFoldersServerCapabilities { supported: Some(true), change_notifications: Some(OneOf::Left(true)) };
        Ok(InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(can.encoding.kind()),
                text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                    ..TextDocumentSyncOptions::default()
                })),
                completion_provider: Some(CompletionOptions {
                    trigger_characters: Some(TRIGGERS.map(str::to_owned).to_vec()),
                    ..CompletionOptions::default()
                }),
                hover_provider: Some(HoverProviderCapability::Simple(true)),
                workspace: Some(WorkspaceServerCapabilities {
                    workspace_folders: Some(folders),
                    ..WorkspaceServerCapabilities::default()
                }),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo { name: "aic".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        if !self.0.state().can.watch {
            return;
        }
        let client = self.0.client.clone();
        // Not waited for: a client that never answers must not hold up the rest.
        tokio::spawn(async move {
            let glob =
                LSPAny::Object([("globPattern".to_owned(), LSPAny::String(WATCHED.into()))].into_iter().collect());
            let options = [("watchers".to_owned(), LSPAny::Array(vec![glob]))];
            let registration = Registration {
                id: "files".into(),
                method: "workspace/didChangeWatchedFiles".into(),
                register_options: Some(LSPAny::Object(options.into_iter().collect())),
            };
            // A client that refuses is one that does not watch: saving a document still has its specs read again.
            let _ = client.register_capability(vec![registration]).await;
        });
    }

    async fn shutdown(&self) -> Result<()> {
        self.0.shut_down.store(true, Ordering::Release);
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, language_id, version, text } = params.text_document;
        let home = Home::of(&uri, language_id == "aicontainer");
        self.0.changed(|state| {
            state.changed.insert(home.key());
            state.documents.open(uri, Document { home, text: text.into(), version });
        });
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        self.0.changed(|state| {
            let encoding = state.can.encoding;
            if let Some(document) = state.documents.get_mut(&uri) {
                document.change(params.content_changes, version, encoding);
                let key = document.home.key();
                state.changed.insert(key);
            }
        });
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.0.changed(|state| {
            if let Some(key) = state.documents.get(&params.text_document.uri).map(|document| document.home.key()) {
                state.changed.insert(key);
            }
        });
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.0.changed(|state| {
            // From now on the text on disk counts again.
            if let Some(document) = state.documents.close(&params.text_document.uri) {
                state.changed.insert(document.home.key());
            }
        });
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let homes: Vec<Home> = params.changes.iter().map(|change| Home::of(&change.uri, false)).collect();
        self.0.changed(|state| state.changed.extend(homes.iter().map(Home::key)));
    }

    async fn did_change_workspace_folders(&self, _: DidChangeWorkspaceFoldersParams) {
        // Each document finds its workspace by itself, so several roots need no list of them.
    }

    async fn did_change_configuration(&self, _: DidChangeConfigurationParams) {}

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let at = params.text_document_position;
        let Some(snapshot) = self.0.snapshot(&at.text_document.uri) else { return Ok(None) };
        let answer = tokio::task::spawn_blocking(move || {
            let Snapshot { document, source, can } = snapshot;
            let lines = Lines::new(&document.text, can.encoding);
            let offset = lines.offset(at.position);
            let offers = ide::complete(&*source, &document.home.path, &document.text, offset);
            let items = offers.into_iter().map(|offer| convert::completion(offer, &lines, can.markdown_in_completion));
            CompletionResponse::List(CompletionList { is_incomplete: false, items: items.collect() })
        });
        Ok(answer.await.ok())
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        let Some(snapshot) = self.0.snapshot(&at.text_document.uri) else { return Ok(None) };
        let answer = tokio::task::spawn_blocking(move || {
            let Snapshot { document, source, can } = snapshot;
            let lines = Lines::new(&document.text, can.encoding);
            let found = ide::hover(&*source, &document.home.path, &document.text, lines.offset(at.position))?;
            Some(convert::hover(found, &lines, can.markdown_in_hover))
        });
        Ok(answer.await.ok().flatten())
    }
}

/// Nobody reads thousands of findings, and an editor takes its time to draw them.
fn limit(diagnostics: &mut Vec<Diagnostic>) {
    let more = diagnostics.len().saturating_sub(MAX_FINDINGS);
    if more > 0 {
        diagnostics.truncate(MAX_FINDINGS);
        diagnostics.push(Diagnostic {
            severity: Some(DiagnosticSeverity::INFORMATION),
            source: Some("aic".into()),
            message: format!("{more} more findings of this file are not shown"),
            ..Diagnostic::default()
        });
    }
}

fn can(client: &ClientCapabilities) -> Can {
    let document = client.text_document.as_ref();
    let markdown = |formats: Option<&Vec<MarkupKind>>| formats.is_some_and(|all| all.contains(&MarkupKind::Markdown));
    let item = document.and_then(|can| can.completion.as_ref()).and_then(|can| can.completion_item.as_ref());
    Can {
        encoding: Encoding::choose(client.general.as_ref().and_then(|can| can.position_encodings.as_deref())),
        related: document
            .and_then(|can| can.publish_diagnostics.as_ref())
            .and_then(|can| can.related_information)
            .unwrap_or(false),
        watch: client
            .workspace
            .as_ref()
            .and_then(|can| can.did_change_watched_files.as_ref())
            .and_then(|can| can.dynamic_registration)
            .unwrap_or(false),
        markdown_in_completion: markdown(item.and_then(|can| can.documentation_format.as_ref())),
        markdown_in_hover: markdown(
            document.and_then(|can| can.hover.as_ref()).and_then(|can| can.content_format.as_ref()),
        ),
    }
}
