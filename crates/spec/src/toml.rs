//! TOML to the same tree as YAML, with the same spans.

use crate::tree::{Entry, Kind, MAX_DEPTH, MAX_TEXT, Node, Parsed, Style, SyntaxError, SyntaxKind};
use aic_base::Span;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Reads TOML. Never fails: broken text gives the tree of what can be read, and the errors.
pub(crate) fn parse(text: &str) -> Parsed {
    let error = |kind, span, message| SyntaxError { kind, span, message, fix: None, related: None };
    if text.len() > MAX_TEXT {
        let message = format!("larger than {} MiB: a spec of this size is not read", MAX_TEXT >> 20);
        return Parsed { root: None, errors: vec![error(SyntaxKind::TooLarge, Span::at(0), message)] };
    }
    let (table, problems) = DeTable::parse_recoverable(text);
    let mut errors: Vec<SyntaxError> = problems
        .iter()
        .map(|problem| {
            let message = problem.message();
            let kind = if message.contains("duplicate key") { SyntaxKind::DuplicateKey } else { SyntaxKind::Syntax };
            error(
                kind,
                problem.span().map_or(Span::at(0), |range| whole(text, range)),
                format!("this is not TOML: {message}"),
            )
        })
        .collect();
    let mut too_deep = None;
    let root = table_node(text, table.get_ref(), 0..text.len(), 0, &mut too_deep);
    if let Some(span) = too_deep {
        let message = format!("nested more than {MAX_DEPTH} levels deep: what lies deeper is not read");
        errors.push(error(SyntaxKind::TooDeep, span, message));
    }
    errors.sort_by_key(|error| error.span);
    Parsed { root: Some(Arc::new(root)), errors }
}

/// A range moved outwards to whole characters of the text.
fn whole(text: &str, range: Range<usize>) -> Span {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    Span::new(start, text.ceil_char_boundary(range.end.min(text.len())).max(start))
}

fn table_node(text: &str, table: &DeTable<'_>, range: Range<usize>, depth: usize, too_deep: &mut Option<Span>) -> Node {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry { key: key_node(text, key), value: value_node(text, value, depth + 1, too_deep) })
        .collect();
    entries.sort_by_key(|entry| entry.key.span);
    Node::new(Kind::Map(entries), whole(text, range), Style::Block)
}

fn key_node(text: &str, key: &Spanned<DeString<'_>>) -> Node {
    let span = whole(text, key.span());
    let style = match span.of(text).as_bytes().first() {
        Some(b'"') => Style::DoubleQuoted,
        Some(b'\'') => Style::SingleQuoted,
        _ => Style::Plain,
    };
    Node::new(Kind::Str(key.get_ref().clone().into_owned()), span, style)
}

fn value_node(text: &str, value: &Spanned<DeValue<'_>>, depth: usize, too_deep: &mut Option<Span>) -> Node {
    let span = whole(text, value.span());
    if depth > MAX_DEPTH {
        too_deep.get_or_insert(span);
        return Node::new(Kind::Null, span, Style::Plain);
    }
    let written = span.of(text);
    let mut node = match value.get_ref() {
        DeValue::String(content) => {
            // The tree has no style for TOML's triple quotes; places inside such texts are those of the whole.
            let style = match written.as_bytes() {
                [b'"', b'"', b'"', ..] | [b'\'', b'\'', b'\'', ..] => Style::Alias,
                [b'"', ..] => Style::DoubleQuoted,
                _ => Style::SingleQuoted,
            };
            Node::new(Kind::Str(content.clone().into_owned()), span, style)
        }
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            let kind = read.map_or_else(|_| Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)), Kind::Int);
            Node::new(kind, span, Style::Plain)
        }
        DeValue::Float(number) => {
            Node::new(Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)), span, Style::Plain)
        }
        DeValue::Boolean(is) => Node::new(Kind::Bool(*is), span, Style::Plain),
        DeValue::Datetime(moment) => Node::new(Kind::Str(moment.to_string()), span, Style::Plain),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| value_node(text, item, depth + 1, too_deep)).collect();
            Node::new(Kind::Seq(items), span, Style::Flow)
        }
        DeValue::Table(table) => table_node(text, table, value.span(), depth, too_deep),
    };
    if !matches!(node.kind, Kind::Str(_) | Kind::Map(_) | Kind::Seq(_) | Kind::Null) {
        node.raw = Some(written.into());
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_gives_the_same_values_as_yaml() {
        let text = "name = \"a\"\n[budget]\ncost = 0.2\nsteps = 5\n[[tests]]\nname = 't'\ntags = [\"x\"]\n";
        let root = parse(text).root.unwrap();
        let yaml =
            crate::parse("name: a\nbudget: {cost: 0.2, steps: 5}\ntests: [{name: t, tags: [x]}]\n").root.unwrap();
        assert_eq!(root.to_json(), yaml.to_json());
        assert_eq!(root.at(&["budget", "cost"]).unwrap().span.of(text), "0.2");
    }

    #[test]
    fn broken_or_deep_toml_is_said_and_the_rest_is_kept() {
        let parsed = parse("name = \nmodel = \"gpt-4\"\n");
        assert_eq!(parsed.root.unwrap().get("model").and_then(Node::as_str), Some("gpt-4"));
        assert!(!parsed.errors.is_empty());
        let deep = format!("{}a = 1", "a.".repeat(100_000));
        assert!(!parse(&deep).errors.is_empty());
        assert!(!parse(&format!("a = {}", "[".repeat(100_000))).errors.is_empty());
    }
}
