//! Merging two specs in their long form: maps key by key, the child wins, `null` deletes, named items by name, some lists
//! append, the others are replaced. What is final is judged on the way.

use super::tighten;
use crate::long::{self, entry, seq};
use crate::schema::RUN_KINDS;
use crate::tree::{Entry, Kind, Node};
use aic_base::Span;
use aic_guard::Builtin;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Lists to which a child only adds.
const APPENDED: [&[&str]; 6] = [
    &["tools", "blocked"],
    &["compliance"],
    &["prompts", "constraints"],
    &["audit", "personal_data"],
    &["final"],
    &["test_defaults", "expect"],
];

/// The lists of guardrails: a name is unique over all of them.
const HEADINGS: [&[&str]; 4] = [
    &["prompts", "user", "validation"],
    &["guardrails", "pre_execution"],
    &["guardrails", "runtime"],
    &["guardrails", "post_execution"],
];

/// What of a model holds whoever serves it; the rest goes when the provider changes.
const OF_ANY_PROVIDER: [&str; 10] = [
    "model",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "stop",
    "timeout",
    "retries",
    "tool_choice",
    "parallel_tool_calls",
];

/// A path that may only be tightened.
#[derive(Debug, Clone)]
pub(super) struct Final {
    pub(super) steps: Vec<String>,
    /// Where it is said.
    pub(super) span: Span,
}

/// Something final that was loosened.
pub(super) struct Weakened {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) related: Vec<(Span, String)>,
}

pub(super) struct Merger {
    finals: Vec<Final>,
    pub(super) weakened: Vec<Weakened>,
}

impl Merger {
    pub(super) const fn new(finals: Vec<Final>) -> Self {
        Self { finals, weakened: Vec::new() }
    }

    /// A child over its base, both in their long form.
    pub(super) fn merge_specs(&mut self, base: &Node, child: &Node) -> Node {
        let mut base = base.clone();
        // A name is that of one spec.
        if child.get("name").is_none() {
            long::take(&mut base, "name");
        }
        let mut child = child.clone();
        self.move_guardrails(&mut base, &mut child);
        self.merge(&base, &child, &mut Vec::new())
    }

    /// A guardrail that the child writes under another heading than the base moves there.
    fn move_guardrails(&mut self, base: &mut Node, child: &mut Node) {
        for heading in HEADINGS {
            let names: BTreeSet<String> = names(child.at(heading));
            for other in HEADINGS.into_iter().filter(|other| *other != heading) {
                let Some(list) = at_mut(base, other) else { continue };
                let Kind::Seq(items) = &mut list.kind else { continue };
                let (moved, stay): (Vec<_>, Vec<_>) = std::mem::take(items)
                    .into_iter()
                    .partition(|item| item.get("name").and_then(Node::text).is_some_and(|name| names.contains(name)));
                *items = stay;
                for item in moved {
                    let name = item.get("name").and_then(Node::text).unwrap_or("").to_owned();
                    let mut path: Vec<String> = other.iter().map(|step| (*step).to_owned()).collect();
                    path.push(name.clone());
                    let at = child.at(heading).into_iter().flat_map(Node::items);
                    let span = at
                        .filter(|item| item.get("name").and_then(Node::text) == Some(&name))
                        .map(|item| item.span)
                        .next();
                    self.judge(&path, span.unwrap_or_default(), Some(item.span), "it may not move to another stage");
                    push_at(base, heading, item);
                }
            }
        }
    }

    fn merge(&mut self, base: &Node, child: &Node, path: &mut Vec<String>) -> Node {
        match (&base.kind, &child.kind) {
            (Kind::Map(_), Kind::Map(_)) => self.maps(base, child, path),
            (Kind::Seq(_), Kind::Seq(_)) if is(path, &APPENDED) => append(base, child),
            (Kind::Seq(_), Kind::Seq(_)) if is(path, &HEADINGS) || is(path, &[&["tools", "allowed"]]) => {
                self.named(base, child, path)
            }
            _ => {
                self.changed(base, child, path);
                child.clone()
            }
        }
    }

    fn maps(&mut self, base: &Node, child: &Node, path: &mut Vec<String>) -> Node {
        let mut base = without_what_the_child_replaces(base, child, path);
        if matches!(path.as_slice(), [top] if top == "prompts") {
            self.conversation_replaces_prompts(&mut base, child, path);
        }
        let mut merged: Vec<Entry> = Vec::new();
        let of_child: HashMap<_, _> = child.entries().iter().map(|entry| (entry.key.key_text(), entry)).collect();
        let of_base: HashSet<_> = base.entries().iter().map(|entry| entry.key.key_text()).collect();
        for entry in base.entries() {
            let key = entry.key.key_text();
            path.push(key.clone().into_owned());
            match of_child.get(&key).copied() {
                None => merged.push(entry.clone()),
                Some(deleted) if deleted.value.is_null() => {
                    if !entry.value.is_null() {
                        self.removed(&entry.value, deleted.key.span, path);
                    }
                }
                Some(over) if entry.value.is_null() => {
                    self.added(&over.value, path, &base);
                    merged.push(over.clone());
                }
                Some(over) => {
                    let value = self.merge(&entry.value, &over.value, path);
                    merged.push(Entry { key: over.key.clone(), value });
                }
            }
            path.pop();
        }
        for entry in child.entries() {
            let key = entry.key.key_text();
            if of_base.contains(&key) || entry.value.is_null() {
                continue;
            }
            path.push(key.into_owned());
            self.added(&entry.value, path, &base);
            path.pop();
            merged.push(entry.clone());
        }
        Node { kind: Kind::Map(merged), ..child.clone() }
    }

    /// A whole conversation stands in place of the base's system and user prompts; what the input must pass stays.
    fn conversation_replaces_prompts(&mut self, base: &mut Node, child: &Node, path: &mut Vec<String>) {
        let Some(messages) = child.entry("messages").filter(|entry| !entry.value.items().is_empty()) else { return };
        for key in ["system", "user"] {
            let Some(mut replaced) = long::take(base, key).filter(|replaced| !replaced.value.is_null()) else {
                continue;
            };
            path.push(key.to_owned());
            self.removed(&replaced.value, messages.key.span, path);
            path.pop();
            keep(&mut replaced.value, &["validation"]);
            if let (Kind::Map(entries), true) = (&mut base.kind, !replaced.value.entries().is_empty()) {
                entries.push(replaced);
            }
        }
    }

    fn named(&mut self, base: &Node, child: &Node, path: &mut Vec<String>) -> Node {
        let name = |item: &Node| item.get("name").and_then(Node::text).map(str::to_owned);
        let mut items: Vec<Node> = Vec::new();
        let mut merged: BTreeSet<String> = BTreeSet::new();
        let mut of_child: HashMap<String, &Node> = HashMap::new();
        for item in child.items() {
            if let Some(name) = name(item) {
                of_child.entry(name).or_insert(item);
            }
        }
        for item in base.items() {
            let over = name(item).and_then(|of| Some((*of_child.get(&of)?, of)));
            match over {
                Some((over, of)) => {
                    path.push(of.clone());
                    items.push(self.merge(item, over, path));
                    path.pop();
                    merged.insert(of);
                }
                None => items.push(item.clone()),
            }
        }
        for item in child.items() {
            // A name that stands twice in the child is its own mistake: the second one stays to be found.
            if name(item).is_some_and(|name| merged.remove(&name)) {
                continue;
            }
            path.push(name(item).unwrap_or_default());
            self.added(item, path, base);
            path.pop();
            items.push(item.clone());
        }
        seq(items, child.span)
    }

    /// The final path that holds here, if one does; also one below, of something that the base has.
    fn final_at(&self, path: &[String], base: Option<&Node>) -> Option<&Final> {
        let fits = |step: &String, at: &String| step == "*" || step == at;
        self.finals.iter().find(|known| {
            known.steps.iter().zip(path).all(|(step, at)| fits(step, at))
                && (known.steps.len() <= path.len()
                    || base.is_some_and(|base| has(base, known.steps.get(path.len()..).unwrap_or_default())))
        })
    }

    fn changed(&mut self, base: &Node, child: &Node, path: &[String]) {
        if base.to_json() == child.to_json() || self.final_at(path, Some(base)).is_none() {
            return;
        }
        if let Err(allowed) = tighten::judge(path, Some(base), child) {
            self.judge(path, child.span, Some(base.span), &allowed);
        }
    }

    fn removed(&mut self, base: &Node, span: Span, path: &[String]) {
        if self.final_at(path, Some(base)).is_some() {
            self.judge_below(path, base, span);
        }
    }

    fn judge_below(&mut self, path: &[String], base: &Node, span: Span) {
        let Some(known) = self.final_at(path, Some(base)) else { return };
        let message = format!("`{}` is final in a base: it may not be removed", known.steps.join("."));
        let related =
            vec![(known.span, "it is said to be final here".to_owned()), (base.span, "the base says this".to_owned())];
        self.weakened.push(Weakened { span, message, related });
    }

    /// Something that the base does not say: in what is final, only what tightens.
    fn added(&mut self, child: &Node, path: &[String], beside: &Node) {
        let is_final = self.final_at(path, None).is_some();
        if (!is_final && !self.final_below(path)) || is(path, &APPENDED) {
            return;
        }
        // A person is asked who was not asked before.
        if let [tools, allowed, _, confirm] = path
            && (tools.as_str(), allowed.as_str(), confirm.as_str()) == ("tools", "allowed", "confirm")
        {
            return;
        }
        let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
        // A new guardrail stops more, unless it brings code or a condition of its own.
        let harmless = |key: &str| is(parent, &HEADINGS) && !matches!(key, "condition" | "script" | "wasm");
        let below = |key: String| path.iter().cloned().chain([key]).collect::<Vec<_>>();
        match &child.kind {
            Kind::Map(entries) if tighten::row(path).is_none() => {
                if is_final && is(parent, &[&["tools", "allowed"]]) {
                    return self.judge(path, child.span, None, "nothing may be added here");
                }
                for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
                    let key = entry.key.key_text();
                    if !harmless(&key) {
                        self.added(&entry.value, &below(key.into_owned()), child);
                    }
                }
            }
            Kind::Seq(items) if is(path, &HEADINGS) || is(path, &[&["tools", "allowed"]]) => {
                for item in items {
                    let name = item.get("name").and_then(Node::text).unwrap_or_default().to_owned();
                    self.added(item, &below(name), child);
                }
            }
            _ if is_final => {
                let default = default_of(path, beside);
                if let Err(allowed) = tighten::judge(path, default.as_ref(), child) {
                    self.judge(path, child.span, None, &allowed);
                }
            }
            _ => {}
        }
    }

    /// Whether something below this path is final.
    fn final_below(&self, path: &[String]) -> bool {
        let fits = |(step, at): (&String, &String)| step == "*" || step == at;
        self.finals.iter().any(|known| known.steps.len() > path.len() && known.steps.iter().zip(path).all(fits))
    }

    /// Notes what was loosened, if it is final.
    fn judge(&mut self, path: &[String], span: Span, base: Option<Span>, allowed: &str) {
        let Some(known) = self.final_at(path, None) else { return };
        let message = format!("`{}` is final in a base (`{}`): {allowed}", path.join("."), known.steps.join("."));
        let mut related = vec![(known.span, "it is said to be final here".to_owned())];
        related.extend(base.map(|span| (span, "the base says this".to_owned())));
        self.weakened.push(Weakened { span, message, related });
    }
}

/// What holds where the base says nothing, if that depends on what stands beside: the action of a built-in guardrail.
fn default_of(path: &[String], beside: &Node) -> Option<Node> {
    if path.first().map(String::as_str) != Some("guardrails") || path.last().map(String::as_str) != Some("action") {
        return None;
    }
    let name = beside.get("use").or_else(|| beside.get("name")).and_then(Node::text)?;
    let action = Builtin::from_name(name).map_or(aic_base::Action::Block, Builtin::default_action);
    Some(long::text_node(action.as_str(), beside.span))
}

fn is(path: &[String], among: &[&[&str]]) -> bool {
    among.iter().any(|known| known.len() == path.len() && known.iter().zip(path).all(|(a, b)| a == b))
}

/// Whether there is something at the end of these steps.
fn has(node: &Node, steps: &[String]) -> bool {
    let Some((first, rest)) = steps.split_first() else { return !node.is_null() };
    let named = |item: &&Node| first == "*" || item.get("name").and_then(Node::text) == Some(first);
    node.entries().iter().any(|entry| (first == "*" || entry.key.text() == Some(first)) && has(&entry.value, rest))
        || node.items().iter().filter(named).any(|item| has(item, rest))
}

fn names(list: Option<&Node>) -> BTreeSet<String> {
    let items = list.map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.get("name").and_then(Node::text)).map(str::to_owned).collect()
}

fn at_mut<'n>(node: &'n mut Node, path: &[&str]) -> Option<&'n mut Node> {
    path.iter().try_fold(node, |node, step| match &mut node.kind {
        Kind::Map(entries) => {
            entries.iter_mut().find(|entry| entry.key.text() == Some(step)).map(|entry| &mut entry.value)
        }
        _ => None,
    })
}

fn push_at(node: &mut Node, path: &[&str], item: Node) {
    let Some((step, rest)) = path.split_first() else {
        if let Kind::Seq(items) = &mut node.kind {
            items.push(item);
        }
        return;
    };
    let span = item.span;
    if let Kind::Map(entries) = &mut node.kind {
        if !entries.iter().any(|entry| entry.key.text() == Some(step)) {
            entries
                .push(entry(step, if rest.is_empty() { seq(Vec::new(), span) } else { long::map(Vec::new(), span) }));
        }
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key.text() == Some(step)) {
            push_at(&mut entry.value, rest, item);
        }
    }
}

/// Items of both, each once.
fn append(base: &Node, child: &Node) -> Node {
    let mut items = base.items().to_vec();
    let known: HashSet<String> = base.items().iter().map(|item| item.to_json().to_string()).collect();
    items.extend(child.items().iter().filter(|item| !known.contains(&item.to_json().to_string())).cloned());
    seq(items, child.span)
}

/// The base without what the child says in another way: a prompt of a file in place of a text, another way of running,
/// another provider, another address.
fn without_what_the_child_replaces(base: &Node, child: &Node, path: &[String]) -> Node {
    let mut base = base.clone();
    let says = |key: &str| child.get(key).is_some_and(|node| !node.is_null());
    let differs =
        |base: &Node, key: &str| says(key) && base.get(key).map(Node::to_json) != child.get(key).map(Node::to_json);
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    match steps.as_slice() {
        ["prompts", ..] => {
            for (one, other) in [("template", "file"), ("file", "template")] {
                if says(one) {
                    long::take(&mut base, other);
                }
            }
        }
        ["models", _] => {
            let served = |node: &Node| {
                let named = node.get("provider").and_then(Node::text).map(str::to_owned);
                named.or_else(|| aic_catalog::provider_of(node.get("model")?.text()?).map(str::to_owned))
            };
            let (before, after) = (served(&base), served(child));
            // Another address is somebody else: what one trusts the first with does not go to the second.
            if after.is_some() && before != after {
                keep(&mut base, &OF_ANY_PROVIDER);
            } else if differs(&base, "base_url") {
                for key in ["api_key_env", "extra"] {
                    long::take(&mut base, key);
                }
            }
        }
        ["tools", "allowed", _, "run"] => {
            let kind =
                |node: &Node| RUN_KINDS.into_iter().find(|kind| node.get(kind).is_some_and(|node| !node.is_null()));
            if kind(child).is_some() && kind(child) != kind(&base) {
                keep(&mut base, &[]);
            } else if differs(&base, "http") || differs(&base, "sql") {
                for key in ["headers", "env"] {
                    long::take(&mut base, key);
                }
            }
        }
        ["tools", "servers", _] if differs(&base, "url") || differs(&base, "command") => {
            for key in ["url", "command", "headers", "env"] {
                long::take(&mut base, key);
            }
        }
        _ => {}
    }
    base
}

fn keep(node: &mut Node, keys: &[&str]) {
    if let Kind::Map(entries) = &mut node.kind {
        entries.retain(|entry| entry.key.text().is_some_and(|key| keys.contains(&key)));
    }
}
