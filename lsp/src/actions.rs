//! Code actions: the change that mends a finding, and all safe ones of a file at once.

use crate::analysis::{Found, Mend};
use crate::features::workspace_edit;
use crate::position::Lines;
use crate::shared::{Merged, Shared, Snapshot};
use std::sync::Arc;
use tower_lsp_server::ls_types::*;

/// All safe changes of a file.
pub(crate) const FIX_ALL: CodeActionKind = CodeActionKind::new("source.fixAll.aic");

/// What can be done about the findings in a range, of the text as it was last changed.
pub(crate) async fn of(shared: &Arc<Shared>, params: CodeActionParams) -> Option<CodeActionResponse> {
    let snapshot = shared.snapshot(&params.text_document.uri)?;
    shared.settled().await;
    let merged = shared.state().merged(&snapshot.document.home.key()).cloned()?;
    // What changed while this waited has other findings: the client asks again.
    let version = shared.snapshot(&params.text_document.uri)?.document.version;
    (version == snapshot.document.version).then(|| actions(&snapshot, &merged, &params))
}

fn actions(snapshot: &Snapshot, merged: &Merged, params: &CodeActionParams) -> CodeActionResponse {
    let uri = &params.text_document.uri;
    let wants = |kind: &CodeActionKind| {
        params.context.only.as_ref().is_none_or(|only| only.iter().any(|one| covers(one, kind)))
    };
    let action =
        |title: String, kind, diagnostics: Vec<Diagnostic>, edits: Vec<TextEdit>, preferred: bool| CodeAction {
            title,
            kind: Some(kind),
            diagnostics: Some(diagnostics),
            edit: Some(workspace_edit(snapshot, vec![(uri.clone(), edits)])),
            is_preferred: preferred.then_some(true),
            ..CodeAction::default()
        };
    let document = &snapshot.document;
    let lines = Lines::new(&document.text, snapshot.can.encoding);
    // A change that breaks the file is none that mends it.
    let sound = |edits: &[TextEdit]| {
        let after = changed(&document.text, edits, &lines);
        aic_spec::keeps_form(&document.home.path, &document.text, &after)
    };
    let mended = || merged.found.iter().filter_map(|found| Some((found, found.mend.as_ref()?)));
    let mut actions = Vec::new();
    if wants(&CodeActionKind::QUICKFIX) {
        for (Found { diagnostic, .. }, mend) in
            mended().filter(|(found, _)| meets(found.diagnostic.range, params.range))
        {
            let Mend { title, edits, safe } = mend;
            if !sound(edits) {
                continue;
            }
            let diagnostics = vec![diagnostic.clone()];
            actions.push(action(title.clone(), CodeActionKind::QUICKFIX, diagnostics, edits.clone(), *safe));
        }
    }
    // Many editors run this one unseen on saving: only what changes nothing that was meant.
    if wants(&FIX_ALL) {
        let mut edits: Vec<TextEdit> = Vec::new();
        let mut diagnostics = Vec::new();
        for (found, mend) in mended().filter(|(_, mend)| mend.safe) {
            let free = |edit: &TextEdit| edits.iter().all(|other| apart(edit.range, other.range));
            if mend.edits.iter().all(free) {
                edits.extend(mend.edits.iter().cloned());
                diagnostics.push(found.diagnostic.clone());
            }
        }
        if !edits.is_empty() && sound(&edits) {
            let title = format!("Mend all that is safe to mend ({})", diagnostics.len());
            actions.push(action(title, FIX_ALL, diagnostics, edits, false));
        }
    }
    actions.into_iter().map(CodeActionOrCommand::CodeAction).collect()
}

/// The text with edits applied that do not overlap.
fn changed(text: &str, edits: &[TextEdit], lines: &Lines<'_>) -> String {
    let mut edits: Vec<_> = edits.iter().map(|edit| (lines.bytes(edit.range), edit.new_text.as_str())).collect();
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, with) in edits {
        if text.get(range.clone()).is_some() {
            text.replace_range(range, with);
        }
    }
    text
}

/// Whether a kind that is asked for covers another: `source` covers `source.fixAll`.
fn covers(asked: &CodeActionKind, kind: &CodeActionKind) -> bool {
    let rest = kind.as_str().strip_prefix(asked.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || asked.as_str().is_empty())
}

fn meets(a: Range, b: Range) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn apart(a: Range, b: Range) -> bool {
    (a.end <= b.start || b.end <= a.start) && a.start != b.start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_covers_those_below_it() {
        let covered = |asked: &'static str| covers(&CodeActionKind::new(asked), &FIX_ALL);
        assert!(covered("source") && covered("source.fixAll") && covered("source.fixAll.aic") && covered(""));
        assert!(!covered("source.fix") && !covered("quickfix") && !covered("source.fixAll.aic.more"));
    }
}
