//! The short form made long: every sugar of the language page written out. What is not understood stays as it is.
//!
//! Inheritance merges trees in this form, so that `model: x` of one file meets `models.primary` of another, and
//! `aic check --resolved` prints it. New nodes stand where what they were made of stands.

use crate::lower::guards;
use crate::tree::{Entry, Kind, Node, Style};
use aic_base::Span;
use aic_guard::{Builtin, Group, Guard, direct_key};

/// The headings of `guardrails`, and what a guardrail of the short form goes under which of them for.
const HEADINGS: [(&str, Group); 3] =
    [("pre_execution", Group::PreExecution), ("runtime", Group::Runtime), ("post_execution", Group::PostExecution)];

/// Whether `guardrails` has a heading of this name.
pub(crate) fn is_heading(name: &str) -> bool {
    HEADINGS.iter().any(|(heading, _)| *heading == name)
}

pub(crate) fn text_node(text: &str, span: Span) -> Node {
    Node::new(Kind::Str(text.to_owned()), span, Style::Plain)
}

pub(crate) fn entry(key: &str, value: Node) -> Entry {
    Entry { key: text_node(key, value.span), value }
}

pub(crate) fn map(entries: Vec<Entry>, span: Span) -> Node {
    Node::new(Kind::Map(entries), span, Style::Block)
}

pub(crate) fn seq(items: Vec<Node>, span: Span) -> Node {
    Node::new(Kind::Seq(items), span, Style::Block)
}

/// Puts a value under a key, in the place of what stands there.
pub(crate) fn set(node: &mut Node, key: &str, value: Node) {
    let Kind::Map(entries) = &mut node.kind else { return };
    match entries.iter_mut().find(|entry| entry.key.text() == Some(key)) {
        Some(entry) => entry.value = value,
        None => entries.push(self::entry(key, value)),
    }
}

/// Takes a key out of a map.
pub(crate) fn take(node: &mut Node, key: &str) -> Option<Entry> {
    let Kind::Map(entries) = &mut node.kind else { return None };
    let at = entries.iter().position(|entry| entry.key.text() == Some(key))?;
    Some(entries.remove(at))
}

/// Changes the value of a key, where there is one that says something.
fn change(node: &mut Node, key: &str, with: impl FnOnce(Node) -> Node) {
    let Kind::Map(entries) = &mut node.kind else { return };
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key.text() == Some(key) && !entry.value.is_null()) {
        let value = std::mem::replace(&mut entry.value, Node::new(Kind::Null, entry.key.span, Style::Plain));
        entry.value = with(value);
    }
}

fn each_value(mut node: Node, mut with: impl FnMut(&str, Node) -> Node) -> Node {
    if let Kind::Map(entries) = &mut node.kind {
        for entry in entries.iter_mut().filter(|entry| !entry.value.is_null()) {
            let value = std::mem::replace(&mut entry.value, Node::new(Kind::Null, entry.key.span, Style::Plain));
            entry.value = with(&entry.key.key_text(), value);
        }
    }
    node
}

fn each_item(mut node: Node, with: impl FnMut(Node) -> Node) -> Node {
    if let Kind::Seq(items) = &mut node.kind {
        *items = std::mem::take(items).into_iter().map(with).collect();
    }
    node
}

/// A scalar under a key of its own: `text` to `{template: text}`.
fn under(key: &str, node: Node) -> Node {
    match node.kind {
        Kind::Map(_) | Kind::Seq(_) => node,
        _ => {
            let span = node.span;
            map(vec![entry(key, node)], span)
        }
    }
}

fn listed(node: Node) -> Node {
    match node.kind {
        Kind::Seq(_) => node,
        _ => {
            let span = node.span;
            seq(vec![node], span)
        }
    }
}

/// The long form of a container spec.
pub(crate) fn container(root: &Node) -> Node {
    let mut root = root.clone();
    if !matches!(root.kind, Kind::Map(_)) {
        return root;
    }
    if let Some(short) = take(&mut root, "model").filter(|entry| !entry.value.is_null()) {
        let primary = model(short.value);
        let mut models = match root.get("models") {
            Some(models) if matches!(models.kind, Kind::Map(_)) => models.clone(),
            _ => map(Vec::new(), primary.span),
        };
        if models.get("primary").is_none_or(Node::is_null) {
            take(&mut models, "primary");
            if let Kind::Map(entries) = &mut models.kind {
                entries.insert(0, Entry { key: text_node("primary", short.key.span), value: primary });
            }
        }
        set(&mut root, "models", models);
    }
    change(&mut root, "models", |models| {
        each_value(models, |name, node| match (name, &node.kind) {
            ("fallback", Kind::Seq(_)) => each_item(node, model),
            _ => model(node),
        })
    });
    change(&mut root, "prompts", prompts);
    change(&mut root, "guardrails", guardrails);
    change(&mut root, "tools", |mut tools| {
        change(&mut tools, "allowed", |list| each_item(list, |item| tool(under("name", item))));
        change(&mut tools, "blocked", |list| each_item(list, |item| under("tool", item)));
        tools
    });
    change(&mut root, "context", context);
    for key in ["test_defaults", "tests"] {
        change(&mut root, key, |node| match node.kind {
            Kind::Seq(_) => each_item(node, test),
            _ => test(node),
        });
    }
    change(&mut root, "environments", |all| each_value(all, |_, overlay| container(&overlay)));
    root
}

/// A model: its name alone, or with a `version` that pins it.
fn model(node: Node) -> Node {
    let mut node = under("model", node);
    if let Some(name) = take(&mut node, "name") {
        let pinned = take(&mut node, "version");
        if node.get("model").is_none() {
            let whole = match (name.value.text(), pinned.as_ref().and_then(|entry| entry.value.text())) {
                (Some(name), Some(version)) => crate::lower::models::pinned_by(name, version),
                (name, _) => name.unwrap_or("").to_owned(),
            };
            let value = text_node(&whole, name.value.span);
            if let Kind::Map(entries) = &mut node.kind {
                entries.insert(0, Entry { key: text_node("model", name.key.span), value });
            }
        }
    }
    change(&mut node, "timeout", |timeout| under("total", timeout));
    change(&mut node, "stop", listed);
    node
}

fn prompt(node: Node) -> Node {
    under("template", node)
}

fn prompts(mut node: Node) -> Node {
    change(&mut node, "system", prompt);
    change(&mut node, "user", |user| {
        let mut user = prompt(user);
        change(&mut user, "validation", |list| each_item(list, guardrail));
        user
    });
    change(&mut node, "messages", |list| each_item(list, |message| each_value(message, |_, text| prompt(text))));
    change(&mut node, "variants", |all| {
        each_value(all, |_, variant| {
            let mut variant = under("system", variant);
            change(&mut variant, "system", prompt);
            change(&mut variant, "user", prompt);
            variant
        })
    });
    change(&mut node, "variables", |all| each_value(all, |_, variable| under("default", variable)));
    node
}

fn tool(mut node: Node) -> Node {
    change(&mut node, "confirm", |confirm| match confirm.kind {
        Kind::Bool(true) => {
            let span = confirm.span;
            map(vec![entry("by", text_node("user", span))], span)
        }
        _ => confirm,
    });
    node
}

fn context(mut node: Node) -> Node {
    for (short, section, key) in [
        ("max_tokens", "window", "max_tokens"),
        ("memory_type", "memory", "type"),
        ("retention", "session", "retention"),
    ] {
        let Some(said) = take(&mut node, short).filter(|entry| !entry.value.is_null()) else { continue };
        let mut inside = match node.get(section) {
            Some(inside) if matches!(inside.kind, Kind::Map(_)) => inside.clone(),
            _ => map(Vec::new(), said.value.span),
        };
        if inside.get(key).is_none() {
            set(&mut inside, key, said.value);
        }
        set(&mut node, section, inside);
    }
    node
}

pub(crate) fn test(mut node: Node) -> Node {
    change(&mut node, "expect", listed);
    change(&mut node, "tags", listed);
    change(&mut node, "real", listed);
    change(&mut node, "min_pass_rate", |rate| under("cases", rate));
    change(&mut node, "turns", |turns| {
        each_item(turns, |mut turn| {
            change(&mut turn, "expect", listed);
            turn
        })
    });
    node
}

/// A guardrail as a map with a `name`.
fn guardrail(node: Node) -> Node {
    let node = under("name", node);
    let one = match node.entries() {
        [one] if !guards::is_common_key(&one.key.key_text()) => one.clone(),
        _ => return node,
    };
    let Some(name) = one.key.text() else { return node };
    let mut entries = vec![Entry { key: text_node("name", one.key.span), value: one.key.clone() }];
    match one.value.kind {
        Kind::Map(inner) => entries.extend(inner),
        Kind::Null | Kind::Bool(true) => {}
        Kind::Bool(false) => return node,
        _ => {
            let param = Builtin::from_name(name).and_then(direct_key).unwrap_or(name);
            entries.push(entry(param, one.value.clone()));
        }
    }
    map(entries, node.span)
}

/// The guardrails of the short form go each under the heading that means the same; where none does, `on` says it.
fn guardrails(node: Node) -> Node {
    let items = match node.kind {
        Kind::Map(_) => return each_value(node, |_, list| each_item(list, guardrail)),
        Kind::Seq(items) => items,
        _ => return node,
    };
    let mut staged: Vec<(&str, Vec<Node>)> = HEADINGS.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for item in items {
        let mut item = guardrail(item);
        let compiled = |group| Guard::compile(&guards::definition(&item, group)).ok();
        let own = compiled(Group::Own);
        let same = HEADINGS.iter().position(|(_, group)| match (&own, compiled(*group)) {
            (Some(own), Some(here)) => {
                own.stages == here.stages && own.untrusted_results_only == here.untrusted_results_only
            }
            _ => false,
        });
        // What does not compile was reported; where it stands says nothing more.
        let heading = same.unwrap_or(1);
        if let (None, Some(own)) = (same, &own) {
            let span = item.span;
            let on = own.stages.iter().map(|stage| text_node(stage.as_str(), span)).collect();
            set(&mut item, "on", seq(on, span));
        }
        if let Some((_, list)) = staged.get_mut(heading) {
            list.push(item);
        }
    }
    let entries = staged.into_iter().filter(|(_, items)| !items.is_empty());
    map(entries.map(|(name, items)| entry(name, seq(items, node.span))).collect(), node.span)
}
