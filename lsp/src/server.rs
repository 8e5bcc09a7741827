//! The handlers of the protocol. Each takes its snapshot, or changes the document, before its first `await`.

use crate::client::{Can, announced};
use crate::convert;
use crate::documents::Document;
use crate::home::Home;
use crate::position::Lines;
use crate::pull;
use crate::settings::{SECTION, Settings};
use crate::shared::{Shared, Snapshot};
use aic_base::{Clock, SystemClock};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp_server::jsonrpc::Result;
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{LanguageServer, LspService};

/// How many requests are under way at once. Each is short: what takes time is on the blocking pool.
const CONCURRENCY: usize = 32;

/// The files whose changes on disk matter to a spec.
const WATCHED: &str = "**/*.{yml,yaml,toml,md,txt,js,csv,json,jsonl,wasm,db}";

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

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let can = Can::of(&params.capabilities);
        let mut state = self.0.state();
        state.can = can;
        state.settings = params.initialization_options.as_ref().map(Settings::read).unwrap_or_default();
        state.folders = folders(&params);
        drop(state);
        Ok(InitializeResult {
            capabilities: announced(can),
            server_info: Some(ServerInfo { name: "aic".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let can = self.0.state().can;
        let mut registrations = Vec::new();
        let mut register = |id: &str, method: &str, options: Option<Value>| {
            registrations.push(Registration { id: id.into(), method: method.into(), register_options: options });
        };
        if can.watch {
            let options = json!({"watchers": [{"globPattern": WATCHED}]});
            register("files", "workspace/didChangeWatchedFiles", Some(options));
        }
        if can.register_configuration {
            register("settings", "workspace/didChangeConfiguration", Some(json!({"section": SECTION})));
        }
        let shared = self.0.clone();
        // Not waited for: a client that never answers must not hold up the rest.
        tokio::spawn(async move {
            if !registrations.is_empty() {
                // A client that refuses is one that does not watch: saving a document still has its specs read again.
                let _ = shared.client.register_capability(registrations).await;
            }
            if can.configuration {
                ask_settings(shared).await;
            }
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
        let appeared = params.changes.iter().any(|change| change.typ != FileChangeType::CHANGED);
        self.0.changed(|state| {
            state.changed.extend(homes.iter().map(Home::key));
            if appeared {
                state.listed = None;
            }
        });
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let paths = |folders: &[WorkspaceFolder]| folders.iter().filter_map(|folder| path_of(&folder.uri)).collect();
        let (added, removed): (Vec<PathBuf>, Vec<PathBuf>) = (paths(&params.event.added), paths(&params.event.removed));
        self.0.changed(|state| {
            state.folders.retain(|folder| !removed.contains(folder));
            let new: Vec<_> = added.into_iter().filter(|folder| !state.folders.contains(folder)).collect();
            state.folders.extend(new);
            state.listed = None;
        });
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        if self.0.state().can.configuration {
            tokio::spawn(ask_settings(self.0.clone()));
        } else {
            choose(&self.0, Settings::read(&params.settings));
        }
    }

    async fn diagnostic(&self, params: DocumentDiagnosticParams) -> Result<DocumentDiagnosticReportResult> {
        Ok(pull::document(&self.0, params).await.into())
    }

    async fn workspace_diagnostic(&self, params: WorkspaceDiagnosticParams) -> Result<WorkspaceDiagnosticReportResult> {
        Ok(pull::workspace(&self.0, params).await.into())
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let at = params.text_document_position;
        let Some(snapshot) = self.0.snapshot(&at.text_document.uri) else { return Ok(None) };
        let answer = tokio::task::spawn_blocking(move || {
            let Snapshot { document, source, host, can } = snapshot;
            let lines = Lines::new(&document.text, can.encoding);
            let offset = lines.offset(at.position);
            let offers = host.complete(&*source, &document.home.path, &document.text, offset);
            let items = offers.into_iter().map(|offer| convert::completion(offer, &lines, can.markdown_in_completion));
            CompletionResponse::List(CompletionList { is_incomplete: false, items: items.collect() })
        });
        Ok(answer.await.ok())
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        let Some(snapshot) = self.0.snapshot(&at.text_document.uri) else { return Ok(None) };
        let answer = tokio::task::spawn_blocking(move || {
            let Snapshot { document, source, host, can } = snapshot;
            let lines = Lines::new(&document.text, can.encoding);
            let found = host.hover(&*source, &document.home.path, &document.text, lines.offset(at.position))?;
            Some(convert::hover(found, &lines, can.markdown_in_hover))
        });
        Ok(answer.await.ok().flatten())
    }
}

/// The folders that a client has open when it starts.
fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    if let Some(folders) = params.workspace_folders.as_ref().filter(|folders| !folders.is_empty()) {
        return folders.iter().filter_map(|folder| path_of(&folder.uri)).collect();
    }
    #[expect(deprecated, reason = "older clients know nothing else")]
    let root = params.root_uri.as_ref().and_then(path_of);
    root.into_iter().collect()
}

fn path_of(uri: &Uri) -> Option<PathBuf> {
    (uri.scheme().as_str() == "file").then(|| uri.to_file_path()).flatten().map(|path| path.into_owned())
}

/// Asks the client for its settings and follows them.
async fn ask_settings(shared: Arc<Shared>) {
    let item = ConfigurationItem { scope_uri: None, section: Some(SECTION.into()) };
    // A client that does not answer leaves things as they are.
    if let Ok(answers) = shared.client.configuration(vec![item]).await
        && let Some(answer) = answers.first().filter(|answer| !answer.is_null())
    {
        choose(&shared, Settings::read(answer));
    }
}

fn choose(shared: &Arc<Shared>, settings: Settings) {
    if shared.state().settings != settings {
        shared.changed(|state| {
            state.all_changed = true;
            state.settings = settings;
        });
    }
}
