//! Plain data of the language to types of the protocol.

use crate::analysis::Mend;
use crate::position::Lines;
use aic_spec::ide::{Completion, CompletionKind, Hover};
use aic_spec::{Diagnostic, Fix, Severity};
use tower_lsp_server::ls_types as lsp;

/// A finding, in the lines of its own file. `locate` gives the place of another one that matters to it.
pub(crate) fn diagnostic(
    found: &Diagnostic,
    lines: &Lines<'_>,
    related: bool,
    mut locate: impl FnMut(&aic_base::RelPath, aic_base::Span) -> Option<lsp::Location>,
) -> lsp::Diagnostic {
    let mut message = found.message.clone();
    if let Some(help) = &found.help {
        message.push('\n');
        message.push_str(help);
    }
    let mut information = Vec::new();
    if related {
        for other in &found.related {
            let location = locate(&other.file, other.span);
            information.extend(
                location.map(|location| lsp::DiagnosticRelatedInformation { location, message: other.message.clone() }),
            );
        }
    }
    lsp::Diagnostic {
        range: lines.range(found.span),
        severity: Some(match found.severity {
            Severity::Error => lsp::DiagnosticSeverity::ERROR,
            Severity::Warning => lsp::DiagnosticSeverity::WARNING,
            Severity::Hint => lsp::DiagnosticSeverity::HINT,
        }),
        code: Some(lsp::NumberOrString::String(found.code.to_string())),
        source: Some("aic".into()),
        message,
        related_information: (!information.is_empty()).then_some(information),
        ..lsp::Diagnostic::default()
    }
}

/// The change that mends a finding, in the lines of its file.
pub(crate) fn mend(fix: &Fix, lines: &Lines<'_>) -> Mend {
    let edits = fix.edits.iter().map(|(span, with)| lsp::TextEdit::new(lines.range(*span), with.clone()));
    Mend { title: fix.title.clone(), edits: edits.collect(), safe: fix.safe }
}

/// An offer, as an edit of the document.
pub(crate) fn completion(offer: Completion, lines: &Lines<'_>, markdown: bool) -> lsp::CompletionItem {
    lsp::CompletionItem {
        sort_text: Some(format!("{:02}{}", offer.sort, offer.label)),
        kind: Some(match offer.kind {
            CompletionKind::Key => lsp::CompletionItemKind::PROPERTY,
            CompletionKind::Word => lsp::CompletionItemKind::ENUM_MEMBER,
            CompletionKind::Model => lsp::CompletionItemKind::CLASS,
            CompletionKind::Guardrail => lsp::CompletionItemKind::MODULE,
            CompletionKind::Name => lsp::CompletionItemKind::REFERENCE,
            CompletionKind::Variable => lsp::CompletionItemKind::VARIABLE,
            CompletionKind::Function => lsp::CompletionItemKind::FUNCTION,
            CompletionKind::File => lsp::CompletionItemKind::FILE,
            CompletionKind::Folder => lsp::CompletionItemKind::FOLDER,
        }),
        detail: offer.detail,
        documentation: (!offer.doc.is_empty()).then(|| lsp::Documentation::MarkupContent(markup(offer.doc, markdown))),
        text_edit: Some(lsp::TextEdit::new(lines.range(offer.replace), offer.insert).into()),
        filter_text: Some(offer.label.clone()),
        label: offer.label,
        ..lsp::CompletionItem::default()
    }
}

/// What is known of a place.
pub(crate) fn hover(found: Hover, lines: &Lines<'_>, markdown: bool) -> lsp::Hover {
    lsp::Hover {
        contents: lsp::HoverContents::Markup(markup(found.markdown, markdown)),
        range: Some(lines.range(found.span)),
    }
}

/// Markdown, or the same words without its signs for a client that does not draw it.
fn markup(text: String, markdown: bool) -> lsp::MarkupContent {
    if markdown {
        return lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value: text };
    }
    let value = text.replace("**", "").replace('`', "").replace("\n*", "\n").replace(".*", ".");
    lsp::MarkupContent { kind: lsp::MarkupKind::PlainText, value }
}
