//! What the client can do, read once from what it announced; and what is announced to it.

use crate::position::Encoding;
use crate::{actions, commands, convert};
use aic_spec::ide::TokenKind;
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
    /// It greys out what nothing uses and strikes out what comes to an end.
    pub(crate) tags: bool,
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
    /// It fills in the places of a snippet.
    pub(crate) snippets: bool,
    /// It indents what is inserted like the line.
    pub(crate) adjusts_indentation: bool,
    /// It asks for the documentation of a completion when it shows it.
    pub(crate) resolves_documentation: bool,
    /// It strikes out what there are better ones of.
    pub(crate) deprecated: bool,
    /// It takes outlines with levels.
    pub(crate) nested_symbols: bool,
    /// It takes changes as code actions.
    pub(crate) code_actions: bool,
    /// It folds whole lines only.
    pub(crate) folds_lines: bool,
    /// It takes changes that say of which version they are.
    pub(crate) versioned_edits: bool,
    /// It shows progress that the server begins.
    pub(crate) progress: bool,
    /// It asks for lenses again when told so.
    pub(crate) refresh_lenses: bool,
    /// It asks for hints again when told so.
    pub(crate) refresh_hints: bool,
    /// It takes documentation of completions that says of which form it is; others take text.
    pub(crate) markup_in_completion: bool,
    /// It takes hovers that say of which form they are.
    pub(crate) markup_in_hover: bool,
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
        let some = |path: &str| all.pointer(path).and_then(Value::as_array).is_some_and(|words| !words.is_empty());
        let lists = |path: &str, word: &str| {
            all.pointer(path).and_then(Value::as_array).is_some_and(|words| words.iter().any(|one| one == word))
        };
        Self {
            encoding: Encoding::choose(client.general.as_ref().and_then(|can| can.position_encodings.as_deref())),
            related: is("/textDocument/publishDiagnostics/relatedInformation"),
            tags: some("/textDocument/publishDiagnostics/tagSupport/valueSet")
                || some("/textDocument/diagnostic/tagSupport/valueSet"),
            pull: has("/textDocument/diagnostic"),
            refresh_findings: is("/workspace/diagnostics/refreshSupport") || is("/workspace/diagnostic/refreshSupport"),
            watch: is("/workspace/didChangeWatchedFiles/dynamicRegistration"),
            configuration: is("/workspace/configuration"),
            register_configuration: is("/workspace/didChangeConfiguration/dynamicRegistration"),
            snippets: is("/textDocument/completion/completionItem/snippetSupport"),
            adjusts_indentation: all
                .pointer("/textDocument/completion/completionItem/insertTextModeSupport/valueSet")
                .and_then(Value::as_array)
                .is_some_and(|modes| modes.iter().any(|mode| *mode == 2)),
            resolves_documentation: lists(
                "/textDocument/completion/completionItem/resolveSupport/properties",
                "documentation",
            ),
            deprecated: all
                .pointer("/textDocument/completion/completionItem/tagSupport/valueSet")
                .and_then(Value::as_array)
                .is_some_and(|tags| tags.iter().any(|tag| *tag == 1)),
            nested_symbols: is("/textDocument/documentSymbol/hierarchicalDocumentSymbolSupport"),
            code_actions: has("/textDocument/codeAction/codeActionLiteralSupport"),
            folds_lines: is("/textDocument/foldingRange/lineFoldingOnly"),
            versioned_edits: is("/workspace/workspaceEdit/documentChanges"),
            progress: is("/window/workDoneProgress"),
            refresh_lenses: is("/workspace/codeLens/refreshSupport"),
            refresh_hints: is("/workspace/inlayHint/refreshSupport"),
            markup_in_completion: some("/textDocument/completion/completionItem/documentationFormat"),
            markup_in_hover: some("/textDocument/hover/contentFormat"),
            markdown_in_completion: lists("/textDocument/completion/completionItem/documentationFormat", "markdown"),
            markdown_in_hover: lists("/textDocument/hover/contentFormat", "markdown"),
        }
    }
}

/// What is announced to a client that can do this; lenses only where there is somebody who runs tests.
pub(crate) fn announced(can: Can, runs: bool) -> ServerCapabilities {
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
            resolve_provider: Some(can.resolves_documentation),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_range_formatting_provider: Some(OneOf::Left(true)),
        semantic_tokens_provider: Some(SemanticTokensServerCapabilities::SemanticTokensOptions(
            SemanticTokensOptions {
                legend: SemanticTokensLegend {
                    token_types: TokenKind::ALL.map(convert::token_type).to_vec(),
                    token_modifiers: Vec::new(),
                },
                range: Some(true),
                full: Some(SemanticTokensFullOptions::Delta { delta: Some(true) }),
                ..SemanticTokensOptions::default()
            },
        )),
        code_action_provider: can.code_actions.then(|| {
            CodeActionProviderCapability::Options(CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, actions::FIX_ALL]),
                ..CodeActionOptions::default()
            })
        }),
        inlay_hint_provider: Some(OneOf::Left(true)),
        code_lens_provider: runs.then_some(CodeLensOptions { resolve_provider: Some(false) }),
        execute_command_provider: runs.then(|| ExecuteCommandOptions {
            commands: vec![commands::RUN_TEST.into(), commands::RUN_ALL.into()],
            ..ExecuteCommandOptions::default()
        }),
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
