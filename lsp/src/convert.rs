//! Plain data of the language to types of the protocol.

use crate::analysis::Mend;
use crate::client::Can;
use crate::position::Lines;
use aic_spec::codes::{RETIRED_MODEL, SHADOWED, UNREACHABLE_RULE, UNUSED_VARIABLE};
use aic_spec::ide::{Completion, CompletionKind, Hover, SymbolKind, TokenKind};
use aic_spec::{Diagnostic, Fix, Severity};
use tower_lsp_server::ls_types as lsp;

/// A finding, in the lines of its own file. `locate` gives the place of another one that matters to it.
pub(crate) fn diagnostic(
    found: &Diagnostic,
    lines: &Lines<'_>,
    (related, tagged): (bool, bool),
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
    let tag = match found.code {
        UNUSED_VARIABLE | SHADOWED | UNREACHABLE_RULE => Some(lsp::DiagnosticTag::UNNECESSARY),
        RETIRED_MODEL => Some(lsp::DiagnosticTag::DEPRECATED),
        _ => None,
    };
    lsp::Diagnostic {
        tags: tag.filter(|_| tagged).map(|tag| vec![tag]),
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

/// The type of a word inside of a prompt or condition.
pub(crate) const fn token_type(kind: TokenKind) -> lsp::SemanticTokenType {
    match kind {
        TokenKind::Variable => lsp::SemanticTokenType::VARIABLE,
        TokenKind::Property => lsp::SemanticTokenType::PROPERTY,
        TokenKind::Function => lsp::SemanticTokenType::FUNCTION,
        TokenKind::Method => lsp::SemanticTokenType::METHOD,
        TokenKind::Text => lsp::SemanticTokenType::STRING,
        TokenKind::Number => lsp::SemanticTokenType::NUMBER,
        TokenKind::Operator => lsp::SemanticTokenType::OPERATOR,
        TokenKind::Keyword => lsp::SemanticTokenType::KEYWORD,
    }
}

/// The kind of something that has a name.
pub(crate) const fn symbol_kind(kind: Option<SymbolKind>, has_parts: bool) -> lsp::SymbolKind {
    match kind {
        Some(SymbolKind::Tool) => lsp::SymbolKind::FUNCTION,
        Some(SymbolKind::Model) => lsp::SymbolKind::CLASS,
        Some(SymbolKind::Guardrail) => lsp::SymbolKind::INTERFACE,
        Some(SymbolKind::Variant) => lsp::SymbolKind::ENUM_MEMBER,
        Some(SymbolKind::Variable | SymbolKind::Parameter) => lsp::SymbolKind::VARIABLE,
        Some(SymbolKind::Document) => lsp::SymbolKind::FILE,
        Some(SymbolKind::Server | SymbolKind::Service) => lsp::SymbolKind::MODULE,
        Some(SymbolKind::Test) => lsp::SymbolKind::METHOD,
        None if has_parts => lsp::SymbolKind::NAMESPACE,
        None => lsp::SymbolKind::PROPERTY,
    }
}

/// An offer, as an edit of the document.
pub(crate) fn completion(offer: Completion, lines: &Lines<'_>, can: Can) -> lsp::CompletionItem {
    let markdown = can.markdown_in_completion;
    let snippet = offer.snippet.filter(|_| can.snippets);
    let is_snippet = snippet.is_some();
    lsp::CompletionItem {
        insert_text_format: is_snippet.then_some(lsp::InsertTextFormat::SNIPPET),
        insert_text_mode: (is_snippet && can.adjusts_indentation).then_some(lsp::InsertTextMode::ADJUST_INDENTATION),
        tags: (offer.deprecated && can.deprecated).then(|| vec![lsp::CompletionItemTag::DEPRECATED]),
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
        documentation: (!offer.doc.is_empty()).then(|| match can.markup_in_completion {
            true => lsp::Documentation::MarkupContent(markup(offer.doc, markdown)),
            false => lsp::Documentation::String(plain(&offer.doc)),
        }),
        text_edit: Some(lsp::TextEdit::new(lines.range(offer.replace), snippet.unwrap_or(offer.insert)).into()),
        filter_text: Some(offer.label.clone()),
        label: offer.label,
        ..lsp::CompletionItem::default()
    }
}

/// What is known of a place.
pub(crate) fn hover(found: Hover, lines: &Lines<'_>, can: Can) -> lsp::Hover {
    let contents = match can.markup_in_hover {
        true => lsp::HoverContents::Markup(markup(found.markdown, can.markdown_in_hover)),
        false => lsp::HoverContents::Scalar(lsp::MarkedString::String(plain(&found.markdown))),
    };
    lsp::Hover { contents, range: Some(lines.range(found.span)) }
}

/// Markdown, or the same words without its signs for a client that does not draw it.
pub(crate) fn markup(text: String, markdown: bool) -> lsp::MarkupContent {
    if markdown {
        return lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value: text };
    }
    lsp::MarkupContent { kind: lsp::MarkupKind::PlainText, value: plain(&text) }
}

/// Markdown without its signs.
fn plain(text: &str) -> String {
    text.replace("**", "").replace('`', "").replace("\n*", "\n").replace(".*", ".")
}
