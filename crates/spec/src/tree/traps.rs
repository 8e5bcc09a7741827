//! YAML that is well-formed but says something else than what was meant. It is said, and the tree is mended to what was
//! probably meant, so that nothing else is found wrong because of it.

use super::{Entry, Kind, Node, Style, SyntaxError, SyntaxKind, resolve};
use crate::Fix;
use aic_base::Span;

/// Reports the traps of a tree and takes them out of it.
pub(super) fn mend(root: &mut Node, text: &str) -> Vec<SyntaxError> {
    let mut found = Vec::new();
    // As deep as the tree, which is bounded.
    walk(root, text, &mut found);
    found
}

fn walk(node: &mut Node, text: &str, found: &mut Vec<SyntaxError>) {
    if node.style == Style::Alias {
        return;
    }
    if let Some((mended, error)) = double_braces(node, text) {
        found.push(error);
        *node = mended;
        return;
    }
    let flow = node.style == Style::Flow;
    match &mut node.kind {
        Kind::Seq(items) => items.iter_mut().for_each(|item| walk(item, text, found)),
        Kind::Map(entries) => {
            if flow {
                commas(entries, text, found);
            }
            for entry in entries {
                if matches!(entry.key.kind, Kind::Map(_) | Kind::Seq(_)) && entry.key.style != Style::Alias {
                    let message = "brackets without quotes make a map or a list here, as a key: put the text in quotes";
                    found.push(trap(entry.key.span, message.into(), None));
                }
                walk(&mut entry.value, text, found);
            }
        }
        _ => {}
    }
}

fn trap(span: Span, message: String, fix: Option<Fix>) -> SyntaxError {
    SyntaxError { kind: SyntaxKind::Trap, span, message, fix, related: None }
}

/// The place, read as the text it looks like.
fn as_text(span: Span, text: &str) -> Node {
    Node::new(Kind::Str(span.of(text).to_owned()), span, Style::Plain)
}

/// `{{ INPUT }}` is a map whose key is a map; elsewhere it is how variables are written.
fn double_braces(node: &Node, text: &str) -> Option<(Node, SyntaxError)> {
    let [outer] = node.entries() else { return None };
    let [inner] = outer.key.entries() else { return None };
    let alone = node.style == Style::Flow && outer.key.style == Style::Flow && outer.value.is_null();
    let written = text.get(node.span.range())?;
    if !alone || !inner.value.is_null() || written.contains('\n') {
        return None;
    }
    let name = inner.key.text().filter(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')));
    let fix = name.map(|name| Fix {
        title: format!("Change to `${{{name}}}`"),
        edits: vec![(node.span, format!("\"${{{name}}}\""))],
        safe: false,
    });
    let message =
        "two braces make a map in a map here: a variable is written `\"${NAME}\"`, and a text with braces in quotes";
    Some((as_text(node.span, text), trap(node.span, message.into(), fix)))
}

/// In brackets a comma ends a value, also inside of parentheses and of `$1,000`: what follows became a key of its own.
fn commas(entries: &mut Vec<Entry>, text: &str, found: &mut Vec<SyntaxError>) {
    let mut at = 0;
    let mut dropped = Vec::new();
    while at + 1 < entries.len() {
        let value = &entries[at].value;
        let plain = |node: &Node| node.style == Style::Plain && node.text().is_some();
        let mut last = at;
        if plain(value) && is_open(value.span.of(text)) {
            // As many pieces as it takes to close the parenthesis.
            let pieces = entries.iter().enumerate().skip(at + 1).take(20);
            let mut pieces = pieces.take_while(|(_, piece)| plain(&piece.key) && piece.value.is_null());
            let joined = |to: &Entry| text.get(value.span.start as usize..to.key.span.end as usize);
            last = pieces.find(|(_, piece)| joined(piece).is_some_and(|text| !is_open(text))).map_or(at, |(i, _)| i);
        } else if plain(value) && begins_thousands(value.span.of(text)) {
            let piece = &entries[at + 1];
            let digits = piece.key.text().is_some_and(|key| key.len() == 3 && key.bytes().all(|b| b.is_ascii_digit()));
            let next_to = text.get(value.span.end as usize..piece.key.span.start as usize) == Some(",");
            if plain(&piece.key) && piece.value.is_null() && digits && next_to {
                last = at + 1;
            }
        }
        if last > at {
            let span = value.span.to(entries[last].key.span);
            let mended = if is_open(value.span.of(text)) {
                let message = "in brackets, a comma ends the value: put the whole in quotes";
                found.push(trap(span, message.into(), Some(Fix::quote(span, span.of(text)))));
                as_text(span, text)
            } else {
                let number = span.of(text).replace(',', "");
                let message = format!("a comma ends the value here: write the number without it, `{number}`");
                found.push(trap(span, message, Some(Fix::replace(span, &number))));
                let kind = resolve(&number, true, None);
                let raw = (!matches!(kind, Kind::Str(_))).then(|| number.into());
                Node { raw, ..Node::new(kind, span, Style::Plain) }
            };
            entries[at].value = mended;
            dropped.push(at + 1..=last);
            at = last;
        }
        at += 1;
    }
    let mut dropped = dropped.into_iter().peekable();
    let mut index = 0;
    entries.retain(|_| {
        let here = index;
        index += 1;
        while dropped.next_if(|range| *range.end() < here).is_some() {}
        dropped.peek().is_none_or(|range| !range.contains(&here))
    });
}

/// Whether a parenthesis is open at the end.
fn is_open(text: &str) -> bool {
    let count = |wanted: char| text.chars().filter(|c| *c == wanted).count();
    count('(') > count(')')
}

/// `1` or `$12` of `$12,000`.
fn begins_thousands(text: &str) -> bool {
    let digits = text.strip_prefix('$').unwrap_or(text);
    (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Fix {
    /// Puts a plain text in double quotes.
    pub(crate) fn quote(span: Span, text: &str) -> Self {
        let quoted = serde_json::Value::from(text).to_string();
        Self { title: "Put it in quotes".into(), edits: vec![(span, quoted)], safe: true }
    }
}
