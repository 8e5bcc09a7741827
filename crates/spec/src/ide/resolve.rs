//! What a part of a spec comes to once its bases are under it, and which file each piece is from.

use super::hover::Hovered;
use super::origin::is_delicate;
use super::place::Spot;
use super::world::World;
use crate::LoadOptions;
use crate::cx::{Cx, Doc};
use crate::inherit;
use crate::tree::{Entry, Node};
use aic_base::{LineIndex, RelPath, Span, Timestamp};
use std::collections::BTreeSet;

/// How many keys are shown, and the longest value, in characters.
const MAX_KEYS: usize = 12;
const MAX_SHOWN: usize = 60;

/// A map as it is with what its bases say, a line a key; none where the bases say nothing about it.
pub(super) fn of(world: World<'_>, at: &Hovered<'_>) -> Option<String> {
    let wanted = match at.place.spot {
        Spot::Key { entry, .. } => entry.key.span,
        Spot::Value(node) => node.span,
    };
    // Nothing that depends on the day is asked here.
    let options = LoadOptions { environment: None, today: Timestamp::from_millis(0) };
    let mut cx = Cx::new(world.source, &options);
    let whole = inherit::whole(&mut cx, &Doc::new(at.doc.path.clone(), at.doc.text.clone()), at.root)?;
    let map = match named_item(&whole.root, at) {
        Some(item) => item,
        None => &entry_at(&whole.root, wanted)?.value,
    };
    let from = |node: &Node| whole.doc.file_of(node.span);
    let foreign = |entry: &Entry| files(&entry.value, &whole.doc).iter().any(|file| **file != at.doc.path);
    if !map.entries().iter().any(foreign) {
        return None;
    }
    let mut lines = vec!["With what it inherits:\n".to_owned()];
    for entry in map.entries().iter().take(MAX_KEYS) {
        let Some(key) = entry.key.text() else { continue };
        let files = files(&entry.value, &whole.doc);
        let whence = match files.len() {
            0 | 1 => place(world, at, from(&entry.value), whole.doc.local(entry.value.span)),
            _ => files.iter().map(|file| named(file, &at.doc.path)).collect::<Vec<_>>().join(" and "),
        };
        lines.push(format!("- `{key}`{} ({whence})", value(key, &entry.value)));
    }
    let more = map.entries().len().saturating_sub(MAX_KEYS);
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    Some(lines.join("\n"))
}

/// The item of a list that is merged name by name, if its name is what is hovered over: it stands for all of it.
fn named_item<'t>(merged: &'t Node, at: &Hovered<'_>) -> Option<&'t Node> {
    let name = match at.place.spot {
        Spot::Value(node) if at.place.trail.last()?.key == Some("name") => node.text()?,
        _ => return None,
    };
    let keys: Vec<&str> = at.place.trail.iter().filter_map(|step| step.key).filter(|key| *key != "name").collect();
    merged.at(&keys)?.items().iter().find(|item| item.get("name").and_then(Node::text) == Some(name))
}

/// The entry whose key these bytes are. Trees are at most 64 levels deep.
fn entry_at(node: &Node, span: Span) -> Option<&Entry> {
    if let Some(entry) = node.entries().iter().find(|entry| entry.key.span == span) {
        return Some(entry);
    }
    let below = node.entries().iter().map(|entry| &entry.value).chain(node.items());
    below.filter(|node| !node.entries().is_empty() || !node.items().is_empty()).find_map(|node| entry_at(node, span))
}

/// The files that a value is from.
fn files<'d>(node: &Node, doc: &'d Doc) -> BTreeSet<&'d RelPath> {
    let mut found = BTreeSet::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        open.extend(node.items());
        open.extend(node.entries().iter().map(|entry| &entry.value));
        if node.items().is_empty() && node.entries().is_empty() {
            found.insert(doc.file_of(node.span));
        }
    }
    found
}

/// A value in a few characters: of what has parts, their names. What is called like a secret is not repeated.
fn value(key: &str, node: &Node) -> String {
    let names = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (node.text(), node.items(), node.entries()) {
        (Some(_), ..) if is_delicate(key) => String::new(),
        (Some(text), ..) => {
            let line = text.lines().next().unwrap_or("").replace('`', "'");
            let short: String = line.chars().take(MAX_SHOWN).collect();
            let dots = if short.len() < text.trim_end().len() { "…" } else { "" };
            format!(": `{short}{dots}`")
        }
        (None, [], []) => String::new(),
        (None, [], entries) => format!(": {}", names(entries.iter().filter_map(|entry| entry.key.text()).collect())),
        (None, items, _) => {
            let named: Vec<&str> =
                items.iter().filter_map(|item| item.get("name").and_then(Node::text).or_else(|| item.text())).collect();
            if named.len() == items.len() && named.iter().all(|name| name.chars().count() <= MAX_SHOWN) {
                format!(": {}", names(named.into_iter().take(MAX_KEYS).collect()))
            } else {
                format!(": {} items", items.len())
            }
        }
    }
}

fn place(world: World<'_>, at: &Hovered<'_>, file: &RelPath, span: Span) -> String {
    let own = *file == at.doc.path;
    let doc = if own { Some(at.doc.clone()) } else { world.host.file(world.source, file) };
    let Some(doc) = doc else { return named(file, &at.doc.path) };
    let line = LineIndex::new(&doc.text).line_of(span.start as usize) + 1;
    if own { format!("line {line}") } else { format!("`{file}`, line {line}") }
}

fn named(file: &RelPath, own: &RelPath) -> String {
    if file == own { "here".to_owned() } else { format!("`{file}`") }
}
