//! TOML to the same tree as YAML, with the same spans.

use crate::tree::{Entry, Kind, MAX_DEPTH, MAX_TEXT, Node, Parsed, Style, SyntaxError, SyntaxKind};
use aic_base::Span;
use std::borrow::Cow;
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
    let told = |problem: &toml::de::Error, from: usize| {
        let message = problem.message();
        let kind = if message.contains("duplicate key") { SyntaxKind::DuplicateKey } else { SyntaxKind::Syntax };
        let range = problem.span().map_or(from..from, |range| from + range.start..from + range.end);
        error(kind, whole(text, range), format!("this is not TOML: {message}"))
    };
    let mut errors = Vec::new();
    let mut mended = Cow::Borrowed(text);
    if !DeTable::parse_recoverable(text).1.is_empty() {
        // What is open in one statement would swallow those below: each is looked at by itself, and blanks stand in the
        // place of those that are broken, so that the others are where they were.
        for statement in broken(text) {
            let alone = text.get(statement.clone()).unwrap_or("");
            errors.extend(DeTable::parse_recoverable(alone).1.first().map(|first| told(first, statement.start)));
            let blank: String =
                alone.chars().map(|c| if c == '\n' { "\n".into() } else { " ".repeat(c.len_utf8()) }).collect();
            mended.to_mut().replace_range(statement, &blank);
        }
    }
    let (table, problems) = DeTable::parse_recoverable(&mended);
    errors.extend(problems.iter().map(|problem| told(problem, 0)));
    let mut too_deep = None;
    let root = table_node(&mended, table.get_ref(), 0..text.len(), 0, &mut too_deep);
    if let Some(span) = too_deep {
        let message = format!("nested more than {MAX_DEPTH} levels deep: what lies deeper is not read");
        errors.push(error(SyntaxKind::TooDeep, span, message));
    }
    errors.sort_by_key(|error| error.span);
    Parsed { root: Some(Arc::new(root)), errors }
}

/// How many lines further the end of a statement is looked for.
const MOST_LINES: usize = 200;

/// The statements of a text that cannot be read by themselves. One begins at each `[table]` and `key =` at the beginning of
/// a line, and goes on until what is open in it is closed.
fn broken(text: &str) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        lines.push(at..at + line.len());
        at += line.len();
    }
    let starts = |line: &Range<usize>| begins(text.get(line.clone()).unwrap_or(""));
    let reads = |range: Range<usize>| DeTable::parse_recoverable(text.get(range).unwrap_or("")).1.is_empty();
    let mut found = Vec::new();
    let mut tried = 0;
    let mut first = 0;
    while let Some(line) = lines.get(first) {
        let next = |from: usize| (from..lines.len()).find(|line| lines.get(*line).is_some_and(starts));
        let mut end = next(first + 1).unwrap_or(lines.len());
        let chunk = |end: usize| line.start..lines.get(end).map_or(text.len(), |line| line.start);
        let short = end;
        // A text or list of several lines may hold lines that look like others.
        while !reads(chunk(end))
            && end < lines.len()
            && end - first < MOST_LINES
            && tried < MAX_TRIED
            && chunk(end).len() < LONGEST
        {
            tried += 1;
            end = next(end + 1).unwrap_or(lines.len());
        }
        if !reads(chunk(end)) {
            end = short;
            found.push(chunk(end));
        }
        first = end.max(first + 1);
    }
    found
}

/// How often in a text the end of a statement is looked for further down: each time all of it is read again.
const MAX_TRIED: usize = 500;

/// The longest statement that is looked for so, in bytes.
const LONGEST: usize = 64 * 1024;

/// Whether a line begins a statement: `[table]`, `[[list]]`, `key =`, `"key" =`, `a.b =`.
fn begins(line: &str) -> bool {
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | ' ' | '\t');
    match line.split_once('=') {
        _ if line.starts_with('[') => true,
        Some((key, _)) => !key.trim().is_empty() && !line.starts_with([' ', '\t']) && key.chars().all(of_key),
        None => false,
    }
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
            let style = match written.as_bytes() {
                [b'"', b'"', b'"', ..] => Style::TripleQuoted,
                [b'\'', b'\'', b'\'', ..] => Style::TripleLiteral,
                [b'"', ..] => Style::DoubleQuoted,
                _ => Style::SingleQuoted,
            };
            Node::new(Kind::Str(content.clone().into_owned()), span, style)
        }
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            let kind = read.map_or_else(|_| float(number.as_str()), Kind::Int);
            Node::new(kind, span, Style::Plain)
        }
        DeValue::Float(number) => Node::new(float(number.as_str()), span, Style::Plain),
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

/// A number; what is none was reported as such, and counts as not written.
fn float(text: &str) -> Kind {
    text.parse().map_or(Kind::Null, Kind::Float)
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
    fn what_is_broken_in_one_statement_hides_nothing_below_and_is_said_once() {
        let text = "a = [1\n[model]\nprovider = \"opnai\"\nname = 'x\n[budget]\nsteps = 3\nlong = \"\"\"\nb = 1\n[c]\n\"\"\"\nlist = [\n  1,\n  2,\n]\n";
        let parsed = parse(text);
        let root = parsed.root.unwrap();
        assert_eq!(parsed.errors.len(), 2, "{:#?}", parsed.errors);
        let provider = root.at(&["model", "provider"]).unwrap();
        assert_eq!((provider.as_str(), provider.span.of(text)), (Some("opnai"), "\"opnai\""));
        assert_eq!(root.at(&["budget", "steps"]).and_then(Node::as_i64), Some(3));
        assert_eq!(root.at(&["budget", "long"]).and_then(Node::as_str), Some("b = 1\n[c]\n"));
        assert_eq!(root.at(&["budget", "list"]).map(|list| list.items().len()), Some(2));
        assert_eq!(root.get("c"), None);
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
