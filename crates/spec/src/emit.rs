//! A tree as YAML: block style, each scalar quoted only where it would be read as something else.

use crate::tree::{Kind, Node, parse, resolve};
use std::fmt::Write as _;

/// The YAML of a tree; parsing it gives the same values.
pub(crate) fn yaml(root: &Node) -> String {
    let mut out = String::new();
    match &root.kind {
        Kind::Map(entries) if !entries.is_empty() => block(&mut out, root, 0),
        Kind::Seq(items) if !items.is_empty() => block(&mut out, root, 0),
        _ => {
            inline(&mut out, root, 0);
            out.push('\n');
        }
    }
    out
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn block(out: &mut String, node: &Node, indent: usize) {
    for (at, entry) in node.entries().iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        let key = entry.key.key_text();
        // `on` is text in YAML 1.2, and a key of the language.
        out.push_str(&if key == "on" { key.into_owned() } else { text(&key) });
        out.push(':');
        value(out, &entry.value, indent);
    }
    for (at, item) in node.items().iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        out.push_str("- ");
        match &item.kind {
            Kind::Map(entries) if !entries.is_empty() => block(out, item, indent + 2),
            Kind::Seq(items) if !items.is_empty() => block(out, item, indent + 2),
            _ => {
                inline(out, item, indent);
                out.push('\n');
            }
        }
    }
}

/// What stands behind `key:`.
fn value(out: &mut String, node: &Node, indent: usize) {
    match &node.kind {
        Kind::Null => out.push_str(" ~\n"),
        Kind::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            block(out, node, indent + 2);
        }
        Kind::Seq(items) if !items.is_empty() => {
            out.push('\n');
            block(out, node, indent + 2);
        }
        _ => {
            out.push(' ');
            inline(out, node, indent);
            out.push('\n');
        }
    }
}

fn inline(out: &mut String, node: &Node, indent: usize) {
    match &node.kind {
        Kind::Null => out.push('~'),
        Kind::Map(_) => out.push_str("{}"),
        Kind::Seq(_) => out.push_str("[]"),
        Kind::Str(said) if fits_literal(said) => literal(out, said, indent + 2),
        Kind::Str(said) => out.push_str(&text(said)),
        _ => out.push_str(node.text().unwrap_or("~")),
    }
}

/// Lines that a literal block holds as they are.
fn fits_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.trim_end_matches('\n').is_empty()
        && text
            .chars()
            .all(|c| c == '\n' || (!c.is_control() && !matches!(c, '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}')))
        && text.lines().all(|line| !line.trim().is_empty() || line.is_empty())
}

fn literal(out: &mut String, text: &str, indent: usize) {
    let ends = text.len() - text.trim_end_matches('\n').len();
    out.push_str(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
}

/// A text on one line, in double quotes unless it is read as itself without.
fn text(said: &str) -> String {
    if is_plain(said) {
        return said.to_owned();
    }
    let mut quoted = String::with_capacity(said.len() + 2);
    quoted.push('"');
    for c in said.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a text is read as itself without quotes; errs towards quotes.
fn is_plain(said: &str) -> bool {
    let mut chars = said.chars();
    let first = chars.next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '$' | '(' | '<'));
    let rest = said.chars().all(|c| c.is_alphanumeric() || " _-./()+'<>=$;?&*~^!@%".contains(c));
    first
        && rest
        && !said.ends_with(' ')
        && matches!(resolve(said, true, None), Kind::Str(_))
        && !matches!(said.to_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n")
}

/// Whether two trees say the same, places and styles aside.
pub(crate) fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Map(a), Kind::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key.key_text() == b.key.key_text() && same(&a.value, &b.value))
        }
        (Kind::Seq(a), Kind::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Float(a), Kind::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => a.kind == b.kind,
    }
}

/// The YAML of a tree, if reading it gives the tree again.
pub(crate) fn checked(root: &Node) -> Option<String> {
    let text = yaml(root);
    let parsed = parse(&text);
    (parsed.errors.is_empty() && parsed.root.as_ref().is_some_and(|read| same(read, root))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::long::{entry, map, seq, text_node};
    use aic_base::Span;
    use proptest::prelude::*;

    fn tree() -> impl Strategy<Value = Node> {
        let at = Span::at(0);
        let scalar = prop_oneof![
            "[ -~é\n\t]{0,12}".prop_map(move |text| text_node(&text, at)),
            prop::sample::select(vec![
                "yes", "1", "~", "- a", "a: b", "#x", "${A}", "a\n", "\na", "a\n\n", " a", "a #b", "'"
            ])
            .prop_map(move |text| text_node(text, at)),
            any::<i64>().prop_map(move |number| Node {
                raw: Some(number.to_string().into()),
                ..Node::new(Kind::Int(number), at, crate::tree::Style::Plain)
            }),
            Just(Node::new(Kind::Null, at, crate::tree::Style::Plain)),
        ];
        scalar.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(move |items| seq(items, at)),
                prop::collection::btree_map("[ -~é]{1,6}", inner, 0..4).prop_map(move |entries| {
                    // `<<` merges, so it is no key like the others.
                    let entries = entries.into_iter().filter(|(key, _)| key != "<<");
                    map(entries.map(|(key, value)| entry(&key, value)).collect(), at)
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_as_the_same(tree in tree()) {
            let text = yaml(&tree);
            let read = parse(&text);
            prop_assert!(read.errors.is_empty(), "{:?}\n{text}", read.errors);
            let read = read.root.unwrap_or_else(|| Node::new(Kind::Null, Span::at(0), crate::tree::Style::Plain).into());
            prop_assert!(same(&read, &tree), "{text}");
        }
    }
}
