//! Where a value comes from, and what it comes to: told under what hover says of it.

use super::host::Doc;
use super::hover::Hovered;
use super::place::Spot;
use super::resolve;
use super::symbols::{SymbolKind, UsageRole};
use super::world::World;
use crate::tree::{Node, Style};
use aic_base::{LineIndex, RelPath};
use aic_guard::Builtin;
use std::sync::Arc;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 80;

/// What there is to say, in Markdown; empty where there is nothing.
pub(super) fn of(world: World<'_>, at: &Hovered<'_>) -> String {
    let mut lines = Vec::new();
    lines.extend(declared(world, at));
    lines.extend(overridden(world, at));
    lines.extend(resolve::of(world, at));
    lines.extend(long_form(at));
    lines.extend(in_effect(at));
    lines.extend(test_defaults(at));
    lines.extend(test(at));
    lines.iter().map(|line| format!("\n\n{line}")).collect()
}

/// Where the name that is used here is declared.
fn declared(world: World<'_>, at: &Hovered<'_>) -> Option<String> {
    let here = at.doc.occurrences().iter().rev().find(|one| one.span.touches(at.offset))?;
    if here.role == UsageRole::Declares {
        return None;
    }
    let found = world.host.definition(world.source, &at.doc.path, &at.doc.text, at.offset);
    let first = found.first()?;
    let doc = if first.path == at.doc.path { at.doc.clone() } else { world.host.file(world.source, &first.path)? };
    let what = if first.role == UsageRole::Declares { "Declared" } else { "Given" };
    Some(format!("{what} in {}.", place(&doc, first.span.start as usize, &at.doc.path)))
}

fn place(doc: &Doc, offset: usize, from: &RelPath) -> String {
    let line = LineIndex::new(&doc.text).line_of(offset) + 1;
    if doc.path == *from { format!("line {line}") } else { format!("`{}`, line {line}", doc.path) }
}

/// The value of a base that this one takes the place of.
fn overridden(world: World<'_>, at: &Hovered<'_>) -> Option<String> {
    let mut keys: Vec<&str> = at.place.trail.iter().filter_map(|step| step.key).collect();
    if let Spot::Key { entry, .. } = at.place.spot {
        keys.push(entry.key.text()?);
    }
    // Lists of named items merge by name, others replace: of a way through a list, only the part in such an item is
    // compared.
    if let Some(list) = at.place.trail.iter().position(|step| step.key.is_none()) {
        let item = at.place.trail.get(list + 1).map(|step| step.holder).or(match at.place.spot {
            Spot::Key { map, .. } => Some(map),
            Spot::Value(_) => None,
        })?;
        let name = item.get("name")?.text()?;
        let inside = keys.split_off(list.min(keys.len()));
        if at.place.trail.iter().skip(list + 1).any(|step| step.key.is_none()) || inside.as_slice() == ["name"] {
            return None;
        }
        let of = match keys.as_slice() {
            ["guardrails", ..] | ["prompts", "user", "validation"] => "guardrails",
            ["tools", "allowed"] => "tools",
            _ => return None,
        };
        let bases = world.bases(&at.doc.path, at.root);
        let found = bases.iter().find_map(|doc| Some((doc, named(doc.root()?, of, name)?.at(&inside)?)));
        let (doc, node) = found?;
        let place = place(doc, node.span.start as usize, &at.doc.path);
        return Some(match node.text() {
            Some(text) => format!("Takes the place of `{}` of {place}.", shown(text)),
            None => format!("Takes the place of what {place} says."),
        });
    }
    if matches!(keys.as_slice(), [] | ["inherits" | "version" | "name" | "description", ..]) {
        return None;
    }
    let bases: Vec<Arc<Doc>> = world.bases(&at.doc.path, at.root);
    let (doc, node) = bases.iter().find_map(|doc| Some((doc, doc.root()?.at(&keys)?)))?;
    let place = place(doc, node.span.start as usize, &at.doc.path);
    Some(match (node.items().is_empty() && node.entries().is_empty(), node.text()) {
        // What is called so may be one: it is not repeated elsewhere.
        (true, Some(_)) if is_delicate(keys.last().copied().unwrap_or("")) => {
            format!("Takes the place of what {place} says.")
        }
        (true, Some(text)) => format!("Takes the place of `{}` of {place}.", shown(text)),
        _ => format!("Laid over what {place} says."),
    })
}

/// The guardrail or tool of this name.
fn named<'n>(root: &'n Node, of: &str, name: &str) -> Option<&'n Node> {
    let lists: Vec<&Node> = match of {
        "tools" => root.at(&["tools", "allowed"]).into_iter().collect(),
        _ => {
            let own = root.get("guardrails");
            let stages = own.map(Node::entries).unwrap_or_default().iter().map(|stage| &stage.value);
            stages.chain(own).chain(root.at(&["prompts", "user", "validation"])).collect()
        }
    };
    lists.into_iter().flat_map(Node::items).find(|item| item.get("name").and_then(Node::text) == Some(name))
}

pub(super) fn is_delicate(key: &str) -> bool {
    let key = key.to_lowercase();
    ["key", "token", "secret", "password", "auth"].iter().any(|word| key.contains(word))
}

/// What the short form of a model stands for.
fn long_form(at: &Hovered<'_>) -> Option<String> {
    let model = at.root.get("model")?;
    let [step] = at.place.trail.as_slice() else {
        let is_key = at.place.trail.is_empty();
        return match at.place.spot {
            Spot::Key { entry, .. } if is_key && entry.key.text() == Some("model") => Some(resolved(model)?),
            _ => None,
        };
    };
    (step.key == Some("model")).then(|| resolved(model)).flatten()
}

fn resolved(model: &Node) -> Option<String> {
    let of = |key: &str| model.get(key).and_then(Node::text);
    let name = model.text().or_else(|| of("name")).or_else(|| of("model"))?;
    let name = match of("version") {
        Some(version) => format!("{name}-{version}"),
        None => name.to_owned(),
    };
    let (provider, whence) = match (of("provider"), aic_catalog::provider_of(&name)) {
        (Some(provider), _) => (provider, ""),
        (None, Some(provider)) => (provider, " (by the catalog)"),
        (None, None) => return Some(format!("Stands for `models.primary`: `{name}`; no catalog says who serves it.")),
    };
    Some(format!("Stands for `models.primary`: `{name}` of `{provider}`{whence}."))
}

/// The action and parameters of a built-in guardrail, as written or by default.
fn in_effect(at: &Hovered<'_>) -> Option<String> {
    let here = at.doc.occurrences().iter().find(|one| {
        one.span.touches(at.offset) && one.symbol.kind == SymbolKind::Guardrail && one.role == UsageRole::Declares
    })?;
    let (map, short) = match at.place.spot {
        Spot::Key { entry, .. } => (Some(&entry.value), Some(&entry.value)),
        Spot::Value(_) => {
            let holder = at.place.trail.last().filter(|step| step.key == Some("name")).map(|step| step.holder);
            (holder, None)
        }
    };
    let of = map.and_then(|map| map.get("use")).and_then(Node::text).unwrap_or(&here.symbol.name);
    let builtin = Builtin::from_name(of)?;
    let written = |key: &str| map.and_then(|map| map.get(key)).map(|node| shown(&value_of(node)));
    let say = |key: &str, default: &str| match written(key) {
        Some(value) => format!("{key} `{value}`"),
        None => format!("{key} `{default}` (default)"),
    };
    let mut parts = vec![say("action", builtin.default_action().as_str())];
    for (index, param) in builtin.params().iter().enumerate() {
        // `max_length: 1000` gives the first parameter by itself.
        match short.filter(|node| index == 0 && node.entries().is_empty()).and_then(Node::text) {
            Some(value) => parts.push(format!("{} `{}`", param.name, shown(value))),
            None => parts.push(say(param.name, param.default)),
        }
    }
    Some(format!("In effect: {}.", parts.join(", ")))
}

/// What a test says and expects, at its name.
fn test(at: &Hovered<'_>) -> Option<String> {
    let here = at.doc.occurrences().iter().find(|one| one.span.touches(at.offset))?;
    let test = at.place.trail.last().map(|step| step.holder).filter(|_| here.symbol.kind == SymbolKind::Test)?;
    let says = match (test.get("input"), test.get("cases"), test.get("turns")) {
        (Some(input), ..) => format!("Says `{}`", shown(&value_of(input))),
        (_, Some(cases), _) if !cases.items().is_empty() => format!("{} cases", cases.items().len()),
        (_, Some(cases), _) => format!("The cases of `{}`", shown(&value_of(cases))),
        (_, _, Some(turns)) => format!("{} turns", turns.items().len()),
        _ => return None,
    };
    let kind = |one: &Node| one.entries().first().map(|entry| &entry.key).unwrap_or(one).text().map(str::to_owned);
    let listed = test.get("expect").map(crate::lower::read::list).unwrap_or_default();
    let kinds: Vec<String> = listed.into_iter().filter_map(kind).map(|kind| format!("`{}`", shown(&kind))).collect();
    let expects = if kinds.is_empty() { String::new() } else { format!("; expects {}", kinds.join(", ")) };
    Some(format!("{says}{expects}."))
}

/// What a test has from `test_defaults`.
fn test_defaults(at: &Hovered<'_>) -> Option<String> {
    let here = at.doc.occurrences().iter().find(|one| one.span.touches(at.offset))?;
    if here.symbol.kind != SymbolKind::Test {
        return None;
    }
    let test = at.place.trail.last().map(|step| step.holder)?;
    let defaults = at.root.get("test_defaults")?;
    let keys = defaults.entries().iter().filter(|entry| entry.key.text().is_some_and(|key| test.get(key).is_none()));
    let shown: Vec<String> =
        keys.filter_map(|entry| Some(format!("{} `{}`", entry.key.text()?, shown(&value_of(&entry.value))))).collect();
    (!shown.is_empty()).then(|| format!("From `test_defaults`: {}.", shown.join(", ")))
}

fn value_of(node: &Node) -> String {
    match node.text() {
        Some(text) => text.to_owned(),
        None if node.style == Style::Alias => "an alias".to_owned(),
        None => node.to_json().to_string(),
    }
}

fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").replace('`', "'");
    let short: String = line.chars().take(MAX_SHOWN).collect();
    if short.len() < text.trim_end().len() { format!("{short}…") } else { short }
}
