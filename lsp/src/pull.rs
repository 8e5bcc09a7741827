//! Findings for clients that ask for them: of one document, or of all specs in the open folders.

use crate::home::Home;
use crate::shared::{Merged, Shared, Snapshot};
use aic_spec::{file_kind, find_specs};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tower_lsp_server::ls_types::*;

/// The most specs of all open folders that are looked into.
const MAX_SPECS: usize = 2_000;

/// What is wrong with one document, read to its last change.
pub(crate) async fn document(shared: &Arc<Shared>, params: DocumentDiagnosticParams) -> DocumentDiagnosticReport {
    let key = shared.snapshot(&params.text_document.uri).map(|Snapshot { document, .. }| document.home.key());
    shared.settled().await;
    let merged = key.and_then(|key| shared.state().merged(&key).cloned()).unwrap_or_default();
    match report(&merged, params.previous_result_id.as_deref()) {
        Report::Unchanged(report) => DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: report,
        }),
        Report::Full(report) => DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
            related_documents: None,
            full_document_diagnostic_report: report,
        }),
    }
}

/// What is wrong in all open folders, whether a file is open or not.
pub(crate) async fn workspace(shared: &Arc<Shared>, params: WorkspaceDiagnosticParams) -> WorkspaceDiagnosticReport {
    list(shared).await;
    shared.settled().await;
    let mut before: HashMap<Uri, String> =
        params.previous_result_ids.into_iter().map(|previous| (previous.uri, previous.value)).collect();
    let state = shared.state();
    let mut items: Vec<WorkspaceDocumentDiagnosticReport> = Vec::new();
    for (uri, version, merged) in state.all_merged() {
        let version = version.map(i64::from);
        let previous = before.remove(&uri);
        items.push(match report(merged, previous.as_deref()) {
            Report::Unchanged(report) => WorkspaceUnchangedDocumentDiagnosticReport {
                uri,
                version,
                unchanged_document_diagnostic_report: report,
            }
            .into(),
            Report::Full(report) => {
                WorkspaceFullDocumentDiagnosticReport { uri, version, full_document_diagnostic_report: report }.into()
            }
        });
    }
    drop(state);
    // What the client knows and we do not is gone, and so is what was wrong with it.
    items.extend(before.into_keys().map(|uri| {
        WorkspaceFullDocumentDiagnosticReport { uri, version: None, full_document_diagnostic_report: full(&[], None) }
            .into()
    }));
    items.sort_by(|a, b| address(a).cmp(address(b)));
    WorkspaceDiagnosticReport { items }
}

fn address(report: &WorkspaceDocumentDiagnosticReport) -> &str {
    match report {
        WorkspaceDocumentDiagnosticReport::Full(report) => report.uri.as_str(),
        WorkspaceDocumentDiagnosticReport::Unchanged(report) => report.uri.as_str(),
    }
}

/// Finds the specs of the open folders, unless they are known. Without a client that watches, they never are.
pub(crate) async fn list(shared: &Arc<Shared>) {
    let folders = {
        let state = shared.state();
        if state.listed.is_some() && state.can.watch {
            return;
        }
        state.folders.clone()
    };
    let listed = tokio::task::spawn_blocking(move || folders.iter().flat_map(|folder| specs_of(folder)).collect());
    let Ok(listed): Result<Vec<Home>, _> = listed.await else { return };
    shared.changed(|state| {
        if !state.can.watch {
            // Nobody tells of changes on disk, so what is not open is read again.
            let open: Vec<_> = state.documents.iter().map(|(_, document)| document.home.key()).collect();
            state.changed.extend(listed.iter().map(Home::key).filter(|key| !open.contains(key)));
        }
        state.listed = Some(Arc::new(listed));
    });
}

/// The specs of a folder, but for what is ignored there or above it, in its workspace.
fn specs_of(folder: &Path) -> Vec<Home> {
    // A name that need not be there: where the folder lies is asked.
    let Some(inside) = Home::of_file(&folder.join("-")) else { return Vec::new() };
    let below = inside.path.parent();
    let specs = find_specs(&*inside.disk, &below).specs;
    // A folder further down may be a workspace of its own.
    let homes = specs.iter().take(MAX_SPECS).filter_map(|spec| Home::of_file(&spec.under(&inside.root)));
    homes.filter(|home| file_kind(home.path.file_name()).is_some()).collect()
}

enum Report {
    Full(FullDocumentDiagnosticReport),
    Unchanged(UnchangedDocumentDiagnosticReport),
}

fn report(merged: &Merged, previous: Option<&str>) -> Report {
    let id = merged.id.to_string();
    match previous == Some(&id) {
        true => Report::Unchanged(UnchangedDocumentDiagnosticReport { result_id: id }),
        false => Report::Full(full(&merged.diagnostics(), Some(id))),
    }
}

fn full(items: &[Diagnostic], result_id: Option<String>) -> FullDocumentDiagnosticReport {
    FullDocumentDiagnosticReport { result_id, items: items.to_vec() }
}
