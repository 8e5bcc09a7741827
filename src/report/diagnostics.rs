//! Findings with their source lines and carets.

use crate::output::{Out, Style, harmless};
use crate::workspace::Workspace;
use aic_base::RelPath;
use aic_spec::codes::SECRET;
use aic_spec::{Diagnostic, Loaded, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use std::borrow::Cow;

/// The most findings of one spec that are written out; the rest are counted.
const MOST: usize = 100;
/// The longest source line that is quoted, in bytes; a finding on a longer one is shown without it.
const LONGEST_LINE: usize = 2000;

/// Writes the findings of a spec.
pub fn write(out: &mut Out, workspace: &Workspace, loaded: &Loaded) {
    write_some(out, workspace, loaded, loaded.diagnostics.iter());
}

/// Writes some findings of a spec.
pub fn write_some<'a>(
    out: &mut Out,
    workspace: &Workspace,
    loaded: &'a Loaded,
    diagnostics: impl Iterator<Item = &'a Diagnostic>,
) {
    let renderer = if out.colour() { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Unicode);
    let mut rest = 0;
    for (i, diagnostic) in diagnostics.enumerate() {
        if i < MOST {
            out.line(one(&renderer, workspace, loaded, diagnostic));
            out.line("");
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        out.line(out.styled(Style::Dim, format!("… and {rest} more")));
    }
}

fn one(renderer: &Renderer, workspace: &Workspace, loaded: &Loaded, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Hint => Level::HELP.with_name("hint"),
    };
    let message = harmless(&diagnostic.message);
    let code = diagnostic.code.to_string();
    let path = workspace.shown(&diagnostic.file);
    let title = level.primary_title(message).id(code);
    let shown = |file| loaded.text(file).map(|text| without_secrets(loaded, file, text));
    let text = shown(&diagnostic.file);
    let text = text.as_deref().filter(|text| quotable(text, diagnostic.span.range()));
    let related: Vec<_> =
        diagnostic.related.iter().filter_map(|related| Some((related, shown(&related.file)?))).collect();
    let mut group = match text {
        Some(text) => {
            let span = clamp(text, diagnostic.span.range());
            title.element(Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(span)))
        }
        None => title.element(annotate_snippets::Origin::path(path)),
    };
    for (related, text) in &related {
        if quotable(text, related.span.range()) {
            let span = clamp(text, related.span.range());
            let label = harmless(&related.message);
            let kind = AnnotationKind::Context.span(span).label(label);
            let snippet = Snippet::source(text.as_ref()).path(workspace.shown(&related.file));
            group = group.element(snippet.annotation(kind));
        }
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(harmless(help)));
    }
    let mut groups: Vec<Group<'_>> = vec![group];
    if let (Some(fix), Some(text)) = (&diagnostic.fix, text) {
        let mut snippet = Snippet::source(text);
        for (span, replacement) in &fix.edits {
            snippet = snippet.patch(Patch::new(clamp(text, span.range()), replacement.clone()));
        }
        groups.push(Level::HELP.secondary_title(harmless(&fix.title)).element(snippet));
    }
    renderer.render(&groups)
}

/// The text with each byte of what looks like a secret replaced, so that quoting a line does not spread it.
fn without_secrets<'a>(loaded: &Loaded, file: &RelPath, text: &'a str) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for found in loaded.diagnostics.iter().filter(|found| found.code == SECRET && found.file == *file) {
        let span = clamp(text, found.span.range());
        let hidden: String = text[span.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        shown.to_mut().replace_range(span, &hidden);
    }
    shown
}

/// Whether the lines of a span are short enough to be shown.
fn quotable(text: &str, span: std::ops::Range<usize>) -> bool {
    let span = clamp(text, span);
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    text[start..end].lines().all(|line| line.len() <= LONGEST_LINE)
        && !text[start..end].chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// A span inside the text, between characters.
fn clamp(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// One line that counts findings: `2 errors, 1 warning`.
pub fn tally(loaded: &[&Loaded]) -> String {
    let count = |severity: Severity| {
        loaded
            .iter()
            .flat_map(|loaded| &loaded.diagnostics)
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    };
    let parts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Hint, "hint")]
        .into_iter()
        .map(|(severity, word)| (count(severity), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| super::count(number, word))
        .collect();
    if parts.is_empty() { "no findings".into() } else { parts.join(", ") }
}
