//! Requests about one document, answered on the blocking pool from a snapshot: plain data of the language, in lines and
//! columns.

use crate::convert;
use crate::home::uri_of;
use crate::position::Lines;
use crate::shared::{Shared, Snapshot};
use aic_base::{RelPath, Span};
use aic_spec::ide::{OutlineItem, Refusal, Usage, UsageRole};
use std::sync::Arc;
use tower_lsp_server::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp_server::ls_types::*;

/// The most symbols of a workspace that are listed.
const MAX_SYMBOLS: usize = 500;

/// Answers from a snapshot of a document; nothing where it is not open.
pub(crate) async fn answer<T: Send + 'static>(
    shared: &Shared,
    uri: &Uri,
    work: impl FnOnce(&Snapshot, &Lines<'_>) -> Option<T> + Send + 'static,
) -> Result<Option<T>> {
    let Some(snapshot) = shared.snapshot(uri) else { return Ok(None) };
    let answer = tokio::task::spawn_blocking(move || {
        let text = snapshot.document.text.clone();
        work(&snapshot, &Lines::new(&text, snapshot.can.encoding))
    });
    Ok(answer.await.ok().flatten())
}

/// The address of a file as the client knows it.
fn address(snapshot: &Snapshot, path: &RelPath) -> Option<Uri> {
    let root = &snapshot.document.home.root;
    let open = snapshot.documents.of_file(&(root.clone(), path.clone()));
    open.map(|(uri, _)| uri.clone()).or_else(|| uri_of(root, path))
}

/// Works with the lines of another file.
fn in_file<T>(snapshot: &Snapshot, path: &RelPath, work: impl FnOnce(&Lines<'_>) -> T) -> Option<(Uri, T)> {
    let uri = address(snapshot, path)?;
    let text = snapshot.source.read_text(path).ok()?;
    Some((uri, work(&Lines::new(&text, snapshot.can.encoding))))
}

/// The places of a name, in the lines of their files; those of one file follow one another.
fn locations(snapshot: &Snapshot, usages: &[Usage]) -> Vec<Location> {
    let mut found = Vec::with_capacity(usages.len());
    for group in usages.chunk_by(|a, b| a.path == b.path) {
        let Some(first) = group.first() else { continue };
        // A file as a whole may be anything, not only text.
        if *group == [Usage { span: Span::at(0), ..first.clone() }] {
            found.extend(address(snapshot, &first.path).map(|uri| Location { uri, range: Range::default() }));
            continue;
        }
        let ranges = in_file(snapshot, &first.path, |lines| {
            group.iter().map(|usage| lines.range(usage.span)).collect::<Vec<_>>()
        });
        if let Some((uri, ranges)) = ranges {
            found.extend(ranges.into_iter().map(|range| Location { uri: uri.clone(), range }));
        }
    }
    found
}

pub(crate) fn definition(snapshot: &Snapshot, lines: &Lines<'_>, at: Position) -> Option<GotoDefinitionResponse> {
    let Snapshot { document, source, host, .. } = snapshot;
    let found = host.definition(&**source, &document.home.path, &document.text, lines.offset(at));
    let locations = locations(snapshot, &found);
    (!locations.is_empty()).then_some(GotoDefinitionResponse::Array(locations))
}

pub(crate) fn references(snapshot: &Snapshot, lines: &Lines<'_>, params: &ReferenceParams) -> Option<Vec<Location>> {
    let Snapshot { document, source, host, .. } = snapshot;
    let offset = lines.offset(params.text_document_position.position);
    let mut found = host.references(&**source, &document.home.path, &document.text, offset);
    found.retain(|usage| params.context.include_declaration || usage.role != UsageRole::Declares);
    Some(locations(snapshot, &found))
}

pub(crate) fn highlights(snapshot: &Snapshot, lines: &Lines<'_>, at: Position) -> Option<Vec<DocumentHighlight>> {
    let Snapshot { document, host, .. } = snapshot;
    let found = host.highlights(&document.home.path, &document.text, lines.offset(at));
    let kind = |role| match role {
        UsageRole::Uses => DocumentHighlightKind::READ,
        UsageRole::Declares | UsageRole::Gives => DocumentHighlightKind::WRITE,
    };
    let shown =
        found.iter().map(|usage| DocumentHighlight { range: lines.range(usage.span), kind: Some(kind(usage.role)) });
    Some(shown.collect())
}

/// Asks the two questions of renaming: may it be, and what changes.
pub(crate) async fn prepare_rename(
    shared: &Shared,
    params: TextDocumentPositionParams,
) -> Result<Option<PrepareRenameResponse>> {
    let found = answer(shared, &params.text_document.uri, move |snapshot, lines| {
        let Snapshot { document, source, host, .. } = snapshot;
        let offset = lines.offset(params.position);
        let found = host.renamable(&**source, &document.home.path, &document.text, offset);
        found.transpose().map(|found| found.map(|(span, placeholder)| (lines.range(span), placeholder)))
    });
    let found = found.await?.transpose().map_err(refused)?;
    Ok(found.map(|(range, placeholder)| PrepareRenameResponse::RangeWithPlaceholder { range, placeholder }))
}

pub(crate) async fn rename(shared: &Shared, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
    let at = params.text_document_position;
    let found = answer(shared, &at.text_document.uri, move |snapshot, lines| {
        let Snapshot { document, source, host, .. } = snapshot;
        let (path, offset) = (&document.home.path, lines.offset(at.position));
        let edits = match host.rename(&**source, path, &document.text, offset, &params.new_name) {
            Ok(edits) => edits,
            Err(refusal) => return Some(Err(refusal)),
        };
        let changes = edits.into_iter().filter_map(|(path, edits)| {
            in_file(snapshot, &path, |lines| {
                edits.into_iter().map(|(span, with)| TextEdit::new(lines.range(span), with)).collect()
            })
        });
        let changes = changes.collect();
        Some(Ok(workspace_edit(snapshot, changes)))
    });
    found.await?.transpose().map_err(refused)
}

/// Changes of files, with the versions of those that are open where the client wants to know.
pub(crate) fn workspace_edit(snapshot: &Snapshot, changes: Vec<(Uri, Vec<TextEdit>)>) -> WorkspaceEdit {
    if !snapshot.can.versioned_edits {
        return WorkspaceEdit { changes: Some(changes.into_iter().collect()), ..WorkspaceEdit::default() };
    }
    let edits = changes.into_iter().map(|(uri, edits)| {
        let version = snapshot.documents.get(&uri).map(|document| document.version);
        TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier { uri, version },
            edits: edits.into_iter().map(OneOf::Left).collect(),
        }
    });
    WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(edits.collect())), ..WorkspaceEdit::default() }
}

fn refused(Refusal(message): Refusal) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: message.into(), data: None }
}

pub(crate) fn symbols(snapshot: &Snapshot, lines: &Lines<'_>, uri: &Uri) -> Option<DocumentSymbolResponse> {
    let Snapshot { document, host, can, .. } = snapshot;
    let items = host.outline(&document.home.path, &document.text);
    if can.nested_symbols {
        return Some(DocumentSymbolResponse::Nested(items.into_iter().map(|item| symbol(item, lines)).collect()));
    }
    let mut flat = Vec::new();
    items.iter().for_each(|item| flatten(item, None, lines, uri, &mut flat));
    Some(DocumentSymbolResponse::Flat(flat))
}

fn symbol(item: OutlineItem, lines: &Lines<'_>) -> DocumentSymbol {
    let kind = convert::symbol_kind(item.declares, !item.children.is_empty());
    let children: Vec<_> = item.children.into_iter().map(|item| symbol(item, lines)).collect();
    #[expect(deprecated, reason = "the type has the field")]
    DocumentSymbol {
        name: item.name,
        detail: item.detail,
        kind,
        tags: None,
        deprecated: None,
        range: lines.range(item.span),
        selection_range: lines.range(item.name_span),
        children: (!children.is_empty()).then_some(children),
    }
}

fn flatten(item: &OutlineItem, above: Option<&str>, lines: &Lines<'_>, uri: &Uri, into: &mut Vec<SymbolInformation>) {
    #[expect(deprecated, reason = "the type has the field")]
    into.push(SymbolInformation {
        name: item.name.clone(),
        kind: convert::symbol_kind(item.declares, !item.children.is_empty()),
        tags: None,
        deprecated: None,
        location: Location { uri: uri.clone(), range: lines.range(item.span) },
        container_name: above.map(str::to_owned),
    });
    item.children.iter().for_each(|child| flatten(child, Some(&item.name), lines, uri, into));
}

/// What the open documents and the specs of the open folders declare.
pub(crate) async fn workspace_symbols(shared: &Arc<Shared>, query: String) -> Vec<SymbolInformation> {
    crate::pull::list(shared).await;
    let workspaces = shared.workspaces();
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        for (snapshot, files) in workspaces {
            let symbols = snapshot.host.workspace_symbols(&*snapshot.source, &files, &query, MAX_SYMBOLS);
            for group in symbols.chunk_by(|a, b| a.1 == b.1) {
                let Some((_, path, _)) = group.first() else { continue };
                let of_file = in_file(&snapshot, path, |lines| {
                    group.iter().map(|(symbol, _, span)| (symbol.clone(), lines.range(*span))).collect::<Vec<_>>()
                });
                let Some((uri, symbols)) = of_file else { continue };
                for (symbol, range) in symbols {
                    #[expect(deprecated, reason = "the type has the field")]
                    found.push(SymbolInformation {
                        name: symbol.name,
                        kind: convert::symbol_kind(Some(symbol.kind), true),
                        tags: None,
                        deprecated: None,
                        location: Location { uri: uri.clone(), range },
                        container_name: Some(symbol.of.unwrap_or_else(|| path.to_string())),
                    });
                }
            }
        }
        found.truncate(MAX_SYMBOLS);
        found
    });
    found.await.unwrap_or_default()
}

pub(crate) fn folds(snapshot: &Snapshot, lines: &Lines<'_>) -> Option<Vec<FoldingRange>> {
    let Snapshot { document, host, can, .. } = snapshot;
    let mut found: Vec<FoldingRange> = Vec::new();
    for fold in host.folds(&document.home.path, &document.text) {
        let Range { start, end } = lines.range(fold.span);
        if start.line == end.line || (found.last().is_some_and(|last| can.folds_lines && last.start_line == start.line))
        {
            continue;
        }
        found.push(FoldingRange {
            start_line: start.line,
            // Folding begins behind the key, so that it stays to be seen.
            start_character: None,
            end_line: end.line,
            end_character: (!can.folds_lines).then_some(end.character),
            kind: fold.comment.then_some(FoldingRangeKind::Comment),
            collapsed_text: None,
        });
    }
    Some(found)
}

pub(crate) fn selections(snapshot: &Snapshot, lines: &Lines<'_>, at: &[Position]) -> Option<Vec<SelectionRange>> {
    let Snapshot { document, host, .. } = snapshot;
    let chain = |position: &Position| {
        let offset = lines.offset(*position);
        let spans = host.surroundings(&document.home.path, &document.text, offset);
        let mut chain: Option<SelectionRange> = None;
        for span in spans.into_iter().rev() {
            chain = Some(SelectionRange { range: lines.range(span), parent: chain.map(Box::new) });
        }
        chain.unwrap_or_else(|| SelectionRange { range: Range::new(*position, *position), parent: None })
    };
    Some(at.iter().map(chain).collect())
}

pub(crate) fn links(snapshot: &Snapshot, lines: &Lines<'_>) -> Option<Vec<DocumentLink>> {
    let Snapshot { document, source, host, .. } = snapshot;
    let found = host.links(&**source, &document.home.path, &document.text);
    let link = |(span, path): (Span, RelPath)| {
        let target = address(snapshot, &path)?;
        Some(DocumentLink { range: lines.range(span), target: Some(target), tooltip: None, data: None })
    };
    Some(found.into_iter().filter_map(link).collect())
}
