//! What the client can do, read once from what it announced; and what is announced to it.

use crate::position::Encoding;
use serde_json::Value;
use tower_lsp_server::ls_types::*;

/// After which letters a client asks for completion by itself.
const TRIGGERS: [&str; 9] = [":", " ", "-", "$", "{", "[", ".", "/", "\""];

/// What the client can do, as far as it matters here. A client that announces nothing can do nothing of it and is served
/// all the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Can {
    /// How columns are counted.
    pub(crate) encoding: Encoding,
    /// It shows other places that matter to a finding.
    pub(crate) related: bool,
    /// It asks for findings, so that none are pushed.
    pub(crate) pull: bool,
    /// It asks for findings again when told so.
    pub(crate) refresh_findings: bool,
    /// It watches files for us.
    pub(crate) watch: bool,
    /// It answers questions about its settings.
    pub(crate) configuration: bool,
    /// It takes a registration for changes of its settings.
    pub(crate) register_configuration: bool,
    /// It draws Markdown beside completions.
    pub(crate) markdown_in_completion: bool,
    /// It draws Markdown in hovers.
    pub(crate) markdown_in_hover: bool,
}

impl Can {
    /// What was announced.
    pub(crate) fn of(client: &ClientCapabilities) -> Self {
        // As JSON: the way to one of fifty flags is one line rather than a chain of options.
        let all = serde_json::to_value(client).unwrap_or(Value::Null);
        let is = |path: &str| all.pointer(path).and_then(Value::as_bool).unwrap_or(false);
        let has = |path: &str| all.pointer(path).is_some();
        let lists = |path: &str, word: &str| {
            all.pointer(path).and_then(Value::as_array).is_some_and(|words| words.iter().any(|one| one == word))
        };
        Self {
            encoding: Encoding::choose(client.general.as_ref().and_then(|can| can.position_encodings.as_deref())),
            related: is("/textDocument/publishDiagnostics/relatedInformation"),
            pull: has("/textDocument/diagnostic"),
            refresh_findings: is("/workspace/diagnostics/refreshSupport") || is("/workspace/diagnostic/refreshSupport"),
            watch: is("/workspace/didChangeWatchedFiles/dynamicRegistration"),
            configuration: is("/workspace/configuration"),
            register_configuration: is("/workspace/didChangeConfiguration/dynamicRegistration"),
            markdown_in_completion: lists("/textDocument/completion/completionItem/documentationFormat", "markdown"),
            markdown_in_hover: lists("/textDocument/hover/contentFormat", "markdown"),
        }
    }
}

/// What is announced to a client that can do this.
pub(crate) fn announced(can: Can) -> ServerCapabilities {
    let folders =
        WorkspaceFoldersServerCapabilities { supported: Some(true), change_notifications: Some(OneOf::Left(true)) };
    ServerCapabilities {
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
        diagnostic_provider: Some(DiagnosticServerCapabilities::Options(DiagnosticOptions {
            identifier: Some("aic".into()),
            inter_file_dependencies: true,
            workspace_diagnostics: true,
            ..DiagnosticOptions::default()
        })),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(folders),
            ..WorkspaceServerCapabilities::default()
        }),
        ..ServerCapabilities::default()
    }
}
