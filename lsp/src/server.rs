//! The handlers of the protocol. Each takes its snapshot, or changes the document, before its first `await`.

use crate::client::{Can, announced};
use crate::documents::Document;
use crate::features::{self, answer};
use crate::home::Home;
use crate::runner::Runner;
use crate::settings::{SECTION, Settings};
use crate::shared::{Shared, Snapshot};
use crate::{actions, commands, convert, formatting, frames, hints, pull, tokens};
use aic_base::{Clock, SystemClock};
use aic_spec::is_ignore_file;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_lsp_server::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{LanguageServer, LspService};

/// How many requests are under way at once. Each is short: what takes time is on the blocking pool.
const CONCURRENCY: usize = 32;

/// How many bytes wait between the stream and the server.
const BUFFER: usize = 64 * 1024;

/// The files whose changes on disk matter to a spec.
const WATCHED: &str = "**/*.{yml,yaml,toml,md,txt,js,csv,json,jsonl,wasm,db}";

/// The files that say what is none of the workspace's own.
const IGNORING: &str = "**/{.gitignore,.aicignore}";

/// What a server is given.
#[derive(Debug, Clone)]
pub struct Config {
    /// Says which day it is: the retirement of models is judged against it.
    pub clock: Arc<dyn Clock>,
    /// Runs behaviour tests; without, there are no lenses.
    pub runner: Option<Arc<dyn Runner>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::new()), runner: None }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client asked for it with `shutdown`.
    Orderly,
    /// The stream ended, or `exit` came first.
    Abrupt,
    /// The stream could not be followed any more, and why.
    Unreadable(&'static str),
}

/// Serves one client until it says `exit` or closes the stream. Needs a Tokio runtime, for the worker and the blocking
/// pool.
pub async fn serve<I, O>(input: I, output: O, config: Config) -> Ended
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let (service, socket) = LspService::build(|client| Server(Arc::new(Shared::new(client, config))))
        .custom_method("window/workDoneProgress/cancel", Server::cancel_progress)
        .custom_method(frames::UNREADABLE, Server::unreadable)
        .finish();
    let shared = service.inner().0.clone();
    let (mut feed, messages) = tokio::io::duplex(BUFFER);
    let sifting = async {
        let why = frames::sift(input, &mut feed).await.err();
        if let Some(why) = why {
            shared.client.log_message(MessageType::ERROR, format!("the session ends: {why}")).await;
        }
        // Only now: with the end of its messages the server says nothing more.
        drop(feed);
        why
    };
    let serving = tower_lsp_server::Server::new(messages, output, socket).concurrency_level(CONCURRENCY).serve(service);
    tokio::pin!(serving);
    let why = tokio::select! {
        // After `exit` nobody waits for the client to close its side.
        () = &mut serving => None,
        why = sifting => {
            serving.await;
            why
        }
    };
    match (shared.shut_down.load(Ordering::Acquire), why) {
        (true, _) => Ended::Orderly,
        (false, None) => Ended::Abrupt,
        (false, Some(why)) => Ended::Unreadable(why),
    }
}

struct Server(Arc<Shared>);

impl Server {
    async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        commands::cancel(&self.0, &params.token);
    }

    /// What is said of a message that could not be read: an error without the number of a request, and a line of the log.
    async fn unreadable(&self, params: Value) -> Result<()> {
        let why = params.get("why").and_then(Value::as_str).unwrap_or("").to_owned();
        let message = format!("a message of the client is left out: {why}");
        self.0.client.log_message(MessageType::WARNING, &message).await;
        let code = ErrorCode::from(params.get("code").and_then(Value::as_i64).unwrap_or(-32600));
        Err(Error { code, message: message.into(), data: None })
    }

    /// The edits that lay a document out, or a part of it. Where it cannot be read, the log says why: most editors format
    /// on saving, and an error each time would be in the way.
    async fn formatted(&self, uri: Uri, within: Option<Range>) -> Result<Option<Vec<TextEdit>>> {
        let found = answer(&self.0, &uri, move |snapshot, lines| formatting::of(snapshot, lines, within)).await?;
        Ok(match found {
            Some(Err(why)) => {
                self.0.client.log_message(MessageType::INFO, format!("{}: {why}", uri.as_str())).await;
                None
            }
            found => found.and_then(std::result::Result::ok),
        })
    }

    /// The tokens of a document, and the name under which they are kept for the next question.
    async fn tokens(&self, uri: Uri) -> Result<Option<(u64, Vec<SemanticToken>)>> {
        let found = answer(&self.0, &uri, |snapshot, lines| Some(tokens::of(snapshot, lines, None))).await?;
        let Some(found) = found else { return Ok(None) };
        let id = self.0.next_result();
        self.0.state().tokens.insert(uri, (id, found.clone()));
        Ok(Some((id, found)))
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let can = Can::of(&params.capabilities);
        let mut state = self.0.state();
        state.can = can;
        if let Some(options) = &params.initialization_options {
            let (settings, wrong) = Settings::read(options);
            state.settings = settings;
            // Told once the client is ready to hear it.
            state.wrong_settings = (wrong, false);
        }
        state.folders = folders(&params);
        drop(state);
        Ok(InitializeResult {
            capabilities: announced(can, self.0.config.runner.is_some()),
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
            let options = json!({"watchers": [{"globPattern": WATCHED}, {"globPattern": IGNORING}]});
            register("files", "workspace/didChangeWatchedFiles", Some(options));
        }
        if can.register_configuration {
            register("settings", "workspace/didChangeConfiguration", Some(json!({"section": SECTION})));
        }
        let shared = self.0.clone();
        tell_wrong_settings(&shared).await;
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
        // Nothing outlives its owner.
        self.0.runs().clear();
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, language_id, version, text } = params.text_document;
        let home = Home::of(&uri, &language_id);
        self.0.changed(|state| {
            state.changed.insert(home.key());
            state.files_changed();
            state.documents.open(uri.clone(), Document { home, text: text.into(), version });
            state.works_on(&uri);
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
                state.works_on(&uri);
            }
        });
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.0.changed(|state| {
            state.forget_history();
            state.files_changed();
            if let Some(key) = state.documents.get(&params.text_document.uri).map(|document| document.home.key()) {
                state.changed.insert(key);
            }
        });
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.0.changed(|state| {
            // From now on the text on disk counts again.
            state.tokens.remove(&params.text_document.uri);
            state.files_changed();
            if let Some(document) = state.documents.close(&params.text_document.uri) {
                state.changed.insert(document.home.key());
            }
        });
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let homes: Vec<Home> = params.changes.iter().map(|change| Home::of(&change.uri, "")).collect();
        // Other specs may be meant now: files came or went, or it is said otherwise what is ignored.
        let others = |(home, change): (&Home, &FileEvent)| {
            change.typ != FileChangeType::CHANGED || is_ignore_file(home.path.file_name())
        };
        let others = homes.iter().zip(&params.changes).any(others);
        self.0.changed(|state| {
            state.changed.extend(homes.iter().map(Home::key));
            state.forget_history();
            state.files_changed();
            if others {
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
            choose(&self.0, &params.settings).await;
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
        let items = answer(&self.0, &at.text_document.uri, move |snapshot, lines| {
            let Snapshot { document, source, host, can, .. } = snapshot;
            let offers = host.complete(&**source, &document.home.path, &document.text, lines.offset(at.position));
            Some(offers.into_iter().map(|offer| convert::completion(offer, lines, *can)).collect())
        });
        let Some(mut items): Option<Vec<CompletionItem>> = items.await? else { return Ok(None) };
        if self.0.state().can.resolves_documentation {
            self.0.leave_out_documentation(&mut items);
        }
        Ok(Some(CompletionResponse::List(CompletionList { is_incomplete: false, items })))
    }

    async fn completion_resolve(&self, item: CompletionItem) -> Result<CompletionItem> {
        Ok(self.0.with_documentation(item))
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        let found = answer(&self.0, &at.text_document.uri, move |snapshot, lines| {
            let Snapshot { document, source, host, can, .. } = snapshot;
            let found = host.hover(&**source, &document.home.path, &document.text, lines.offset(at.position))?;
            Some(convert::hover(found, lines, *can))
        });
        found.await
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let at = params.text_document_position_params;
        let position = at.position;
        answer(&self.0, &at.text_document.uri, move |snapshot, lines| features::definition(snapshot, lines, position))
            .await
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let uri = params.text_document_position.text_document.uri.clone();
        answer(&self.0, &uri, move |snapshot, lines| features::references(snapshot, lines, &params)).await
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let at = params.text_document_position_params;
        let position = at.position;
        answer(&self.0, &at.text_document.uri, move |snapshot, lines| features::highlights(snapshot, lines, position))
            .await
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        features::prepare_rename(&self.0, params).await
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        features::rename(&self.0, params).await
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let uri = params.text_document.uri;
        answer(&self.0, &uri.clone(), move |snapshot, lines| features::symbols(snapshot, lines, &uri)).await
    }

    async fn symbol(&self, params: WorkspaceSymbolParams) -> Result<Option<WorkspaceSymbolResponse>> {
        Ok(Some(features::workspace_symbols(&self.0, params.query).await.into()))
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        answer(&self.0, &params.text_document.uri, features::folds).await
    }

    async fn selection_range(&self, params: SelectionRangeParams) -> Result<Option<Vec<SelectionRange>>> {
        let at = params.positions;
        answer(&self.0, &params.text_document.uri, move |snapshot, lines| features::selections(snapshot, lines, &at))
            .await
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        answer(&self.0, &params.text_document.uri, features::links).await
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        self.formatted(params.text_document.uri, None).await
    }

    async fn range_formatting(&self, params: DocumentRangeFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        self.formatted(params.text_document.uri, Some(params.range)).await
    }

    async fn semantic_tokens_full(&self, params: SemanticTokensParams) -> Result<Option<SemanticTokensResult>> {
        let found = self.tokens(params.text_document.uri).await?;
        Ok(found.map(|(id, data)| SemanticTokens { result_id: Some(id.to_string()), data }.into()))
    }

    async fn semantic_tokens_full_delta(
        &self,
        params: SemanticTokensDeltaParams,
    ) -> Result<Option<SemanticTokensFullDeltaResult>> {
        let uri = params.text_document.uri;
        let old = self.0.state().tokens.get(&uri).cloned();
        let Some((id, data)) = self.tokens(uri).await? else { return Ok(None) };
        let result_id = Some(id.to_string());
        Ok(Some(match old.filter(|(id, _)| id.to_string() == params.previous_result_id) {
            Some((_, old)) => {
                let edits = tokens::edit(&old, &data).into_iter().collect();
                SemanticTokensFullDeltaResult::TokensDelta(SemanticTokensDelta { result_id, edits })
            }
            None => SemanticTokensFullDeltaResult::Tokens(SemanticTokens { result_id, data }),
        }))
    }

    async fn semantic_tokens_range(
        &self,
        params: SemanticTokensRangeParams,
    ) -> Result<Option<SemanticTokensRangeResult>> {
        let within = Some(params.range);
        let found = answer(&self.0, &params.text_document.uri, move |snapshot, lines| {
            Some(tokens::of(snapshot, lines, within))
        });
        Ok(found.await?.map(|data| SemanticTokens { result_id: None, data }.into()))
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        Ok(actions::of(&self.0, params).await)
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        if !self.0.state().settings.inlay_hints {
            return Ok(None);
        }
        Ok(hints::inlay(&self.0, params).await)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        if !self.0.state().settings.code_lenses || self.0.config.runner.is_none() {
            return Ok(None);
        }
        Ok(hints::lenses(&self.0, params.text_document.uri).await)
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        commands::execute(&self.0, params).await.map(|()| None)
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
        choose(&shared, answer).await;
    }
}

async fn choose(shared: &Arc<Shared>, answer: &Value) {
    let (settings, wrong) = Settings::read(answer);
    let changed = {
        let mut state = shared.state();
        if state.wrong_settings.0 != wrong {
            state.wrong_settings = (wrong, false);
        }
        state.settings != settings
    };
    if changed {
        shared.changed(|state| {
            state.all_changed = true;
            state.settings = settings;
        });
        shared.refresh_lenses();
    }
    tell_wrong_settings(shared).await;
}

/// Says what is wrong with the client's settings, once.
async fn tell_wrong_settings(shared: &Shared) {
    let wrong = {
        let mut state = shared.state();
        let (wrong, told) = &mut state.wrong_settings;
        if std::mem::replace(told, true) { Vec::new() } else { wrong.clone() }
    };
    if !wrong.is_empty() {
        shared.client.show_message(MessageType::WARNING, wrong.join("; ")).await;
    }
}
