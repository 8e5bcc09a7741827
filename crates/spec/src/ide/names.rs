//! What a spec declares: tools, models, guardrails, variables and the like, each with a line about it.

use super::host::Doc;
use super::probe::MARK;
use super::world::World;
use crate::Template;
use crate::files::{FileKind, file_kind};
use crate::schema::{EXPECTATIONS, RUN_KINDS};
use crate::tree::{Kind, Node};
use crate::words::shown;
use aic_base::RelPath;
use aic_guard::Builtin;
use indexmap::IndexMap;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;

/// The kinds of things that a spec declares and refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    /// `tools.allowed`.
    Tool,
    /// `models`.
    Model,
    /// `guardrails` and `prompts.user.validation`.
    Guardrail,
    /// `prompts.variants`, and `default`.
    Variant,
    /// `prompts.variables`.
    Variable,
    /// `documents`.
    Document,
    /// `tools.servers`.
    Server,
    /// `services` of a workflow.
    Service,
}

/// Variables that every prompt has, and what they hold.
pub(super) const BUILT_IN_VARIABLES: [(&str, &str); 5] = [
    ("INPUT", "What the user said"),
    ("DATE", "The day of the run, `2025-06-01`; tests freeze it with `now`"),
    ("TIME", "The time of the run; tests freeze it with `now`"),
    ("CONTEXT", "What was found in the documents"),
    ("ENV", "The name of the environment; a spec may declare its default"),
];

/// The trees that a document's names come from: its own, those of the specs that include it (tests kept apart, prompts),
/// and those of the bases that these inherit from.
///
/// They are read when the first name is asked for: most completions are of keys, which the table knows.
pub(super) struct Roots<'t> {
    world: World<'t>,
    path: &'t RelPath,
    own: Own<'t>,
    others: OnceCell<Vec<Arc<Doc>>>,
}

/// The tree of a document itself.
pub(super) enum Own<'t> {
    /// This one.
    Tree(&'t Node),
    /// That of this text, as the host has it.
    Text(&'t str),
    /// A prompt has none.
    Prompt,
}

impl<'t> Roots<'t> {
    /// The trees of a document.
    pub(super) fn of(world: World<'t>, path: &'t RelPath, own: Own<'t>) -> Self {
        Self { world, path, own, others: OnceCell::new() }
    }

    /// Where the trees are from.
    pub(super) const fn world(&self) -> World<'t> {
        self.world
    }

    /// The trees of others; of the document itself too where only its text was given.
    fn others(&self) -> &[Arc<Doc>] {
        self.others.get_or_init(|| {
            let mut others = Vec::new();
            if let Own::Text(text) = self.own {
                others.push(self.world.host.doc(self.path, text));
            }
            let bases_of =
                |path: &RelPath, root: Option<&Node>| root.map(|root| self.world.bases(path, root)).unwrap_or_default();
            match file_kind(self.path.file_name()) {
                Some(FileKind::Container | FileKind::Compose) => {
                    let own = match self.own {
                        Own::Tree(root) => Some(root),
                        _ => others.first().and_then(|doc| doc.root()),
                    };
                    let bases = bases_of(self.path, own);
                    others.extend(bases);
                }
                _ => {
                    for spec in self.world.specs_naming(self.path) {
                        let bases = bases_of(&spec.path, spec.root());
                        others.push(spec);
                        others.extend(bases);
                    }
                }
            }
            others
        })
    }

    fn all(&self) -> impl Iterator<Item = &Node> {
        let own = if let Own::Tree(root) = self.own { Some(root) } else { None };
        own.into_iter().chain(self.others().iter().filter_map(|doc| doc.root()))
    }

    /// The first value at the end of these keys.
    fn each(&self, path: &'static [&'static str]) -> impl Iterator<Item = &Node> {
        self.all().filter_map(move |root| root.at(path))
    }

    /// What is declared, with a line about each, in the order of the spec; never the word at the cursor.
    pub(super) fn declared(&self, what: Declared) -> IndexMap<String, String> {
        let mut names = IndexMap::new();
        match what {
            Declared::Tool => {
                for tool in self.each(&["tools", "allowed"]).flat_map(Node::items) {
                    let doc = tool.get("description").and_then(Node::text).unwrap_or("A tool of this spec");
                    add(&mut names, tool.get("name").unwrap_or(tool), doc);
                }
            }
            Declared::Model => {
                if self.all().any(|root| root.get("model").is_some()) {
                    names.insert("primary".into(), "The model that answers".into());
                }
                for entry in self.each(&["models"]).flat_map(Node::entries) {
                    if entry.key.text() != Some("fallback") {
                        add(&mut names, &entry.key, &model_line(&entry.value));
                    }
                }
            }
            Declared::Guardrail => {
                for list in self.all().flat_map(guardrail_lists) {
                    list.items().iter().for_each(|item| guardrail(&mut names, item));
                }
            }
            Declared::Variant => {
                names.insert("default".into(), "The prompts as they are".into());
                for entry in self.each(&["prompts", "variants"]).flat_map(Node::entries) {
                    add(&mut names, &entry.key, "A variant of the prompts");
                }
            }
            Declared::Variable => {
                for entry in self.each(&["prompts", "variables"]).flat_map(Node::entries) {
                    add(&mut names, &entry.key, &variable_line(&entry.value));
                }
            }
            Declared::Document => self.keys(&mut names, &["documents"], "Documents of this spec"),
            Declared::Server => self.keys(&mut names, &["tools", "servers"], "An MCP server of this spec"),
            Declared::Service => {
                for entry in self.each(&["services"]).flat_map(Node::entries) {
                    let doc = entry.value.get("role").and_then(Node::text).unwrap_or("A service of this workflow");
                    add(&mut names, &entry.key, doc);
                }
            }
        }
        names
    }

    /// What only others declare: the bases, and the specs that include this document.
    pub(super) fn inherited(&self, what: Declared) -> IndexMap<String, String> {
        let own = match self.own {
            Own::Tree(root) => Some(root),
            Own::Text(_) => self.others().first().and_then(|doc| doc.root()),
            Own::Prompt => None,
        };
        let mut names = self.declared(what);
        if let Some(root) = own {
            let others = OnceCell::from(Vec::new());
            let alone = Roots { world: self.world, path: self.path, own: Own::Tree(root), others };
            alone.declared(what).keys().for_each(|name| drop(names.shift_remove(name)));
        }
        names
    }

    fn keys(&self, names: &mut IndexMap<String, String>, path: &'static [&'static str], doc: &str) {
        self.each(path).flat_map(Node::entries).for_each(|entry| add(names, &entry.key, doc));
    }

    /// The parameters of a tool, with what its JSON Schema says of each.
    pub(super) fn parameters(&self, tool: &str) -> IndexMap<String, String> {
        let tools = self.each(&["tools", "allowed"]).flat_map(Node::items);
        let mut names = IndexMap::new();
        for tool in tools.filter(|item| item.get("name").and_then(Node::text) == Some(tool)) {
            parameters_of(tool, &mut names);
        }
        names
    }

    /// What is to know of a tool: what it is for, how it runs, what it does, its arguments. One that a base declares has
    /// more to say where it is declared: the nearest that says a thing counts.
    pub(super) fn tool(&self, name: &str) -> Option<String> {
        let named = |item: &&Node| item.get("name").unwrap_or(item).text() == Some(name);
        let all: Vec<&Node> = self.each(&["tools", "allowed"]).flat_map(Node::items).filter(named).collect();
        all.first()?;
        let says = |key: &str| all.iter().find_map(|tool| tool.get(key)).filter(|value| !value.is_null());
        let mut lines = Vec::new();
        lines.extend(says("description").and_then(Node::text).map(str::to_owned));
        match says("run").map(|run| (run, RUN_KINDS.into_iter().find(|kind| run.get(kind).is_some()))) {
            Some((run, Some(kind))) => {
                let what = run.get(kind).and_then(Node::text).map(|text| format!(": `{}`", shown(text)));
                lines.push(format!("Runs by `{kind}`{}.", what.unwrap_or_default()));
            }
            Some(_) => {}
            None => lines.push("Carried out by the caller: it has no `run`.".to_owned()),
        }
        if let Some(effect) = says("effect").and_then(Node::text) {
            lines.push(format!("Effect: `{}`.", shown(effect)));
        }
        match says("confirm") {
            Some(node) if node.as_bool() == Some(true) => lines.push("A person must agree to each call.".to_owned()),
            Some(node) => {
                let when = node.get("when").and_then(Node::text).map(|when| format!(" where `{}`", shown(when)));
                lines.push(format!("A person must agree{}.", when.unwrap_or_default()));
            }
            None => {}
        }
        let needed: Vec<&str> = says("parameters")
            .and_then(|node| node.get("required"))
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .collect();
        let mut list = String::new();
        for (name, doc) in self.parameters(name) {
            let must = if needed.contains(&name.as_str()) { ", required" } else { "" };
            list.push_str(&format!("\n- `{name}`{must}: {doc}"));
        }
        if !list.is_empty() {
            lines.push(format!("Arguments:\n{list}"));
        }
        Some(lines.join("\n\n"))
    }

    /// The names that tests have.
    pub(super) fn test_names(&self) -> HashSet<String> {
        let tests = self.each(&["tests"]).flat_map(Node::items);
        tests.filter_map(|test| Some(test.get("name")?.text()?.to_owned())).collect()
    }

    /// Variables that tests give values to.
    pub(super) fn test_variables(&self) -> IndexMap<String, String> {
        let mut names = IndexMap::new();
        for root in self.all() {
            let tests = root.get("tests").map(Node::items).unwrap_or_default();
            for vars in tests.iter().chain(root.get("test_defaults")).filter_map(|test| test.get("vars")) {
                vars.entries().iter().for_each(|entry| add(&mut names, &entry.key, "Given by tests"));
            }
        }
        names
    }
}

/// The longest name that is made up for a test, in words.
const MAX_WORDS: usize = 8;

/// Names that fit a test, by what it says and what it expects.
pub(super) fn names_for(test: &Node) -> Vec<String> {
    let mut names = Vec::new();
    let said = test.get("input").or_else(|| test.at(&["cases"])?.items().first());
    let said = said.or_else(|| test.get("turns")?.items().first()?.get("input")).and_then(Node::text);
    names.extend(said.and_then(short));
    let expected = test.get("expect").map(|expect| match expect.items() {
        [] => std::slice::from_ref(expect),
        items => items,
    });
    for one in expected.unwrap_or_default() {
        let (kind, about) = match one.entries() {
            [only] => (
                only.key.text(),
                ["by", "name", "tool"].iter().find_map(|key| only.value.get(key)).unwrap_or(&only.value).text(),
            ),
            _ => (one.text(), None),
        };
        let Some(kind) = kind.filter(|kind| EXPECTATIONS.key(kind).is_some()) else { continue };
        names.extend(short(&format!("{} {}", kind.replace('_', " "), about.unwrap_or(""))));
    }
    names
}

/// A text as a name that needs no quotes; none where nothing is left of it.
fn short(text: &str) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let words = text.lines().next()?.split(|c: char| !plain(c)).filter(|word| word.contains(char::is_alphanumeric));
    let name = words.take(MAX_WORDS).collect::<Vec<_>>().join(" ").to_lowercase();
    // A number, `null` or a dash at the start would be read as something else.
    name.starts_with(char::is_alphabetic).then_some(name).filter(|name| name.contains(' '))
}

/// The parameters in a tool's own map.
pub(super) fn parameters_of(tool: &Node, names: &mut IndexMap<String, String>) {
    for entry in tool.at(&["parameters", "properties"]).map(Node::entries).unwrap_or_default() {
        let kind = entry.value.get("type").and_then(Node::text).unwrap_or("any type");
        let doc = entry.value.get("description").and_then(Node::text).unwrap_or("An argument of this tool");
        add(names, &entry.key, &format!("{doc} ({kind})"));
    }
}

fn add(names: &mut IndexMap<String, String>, node: &Node, doc: &str) {
    if let Some(name) = node.text().filter(|name| !name.is_empty() && !name.contains(MARK)) {
        names.entry(name.to_owned()).or_insert_with(|| doc.to_owned());
    }
}

fn model_line(node: &Node) -> String {
    let of = |key| node.get(key).and_then(Node::text);
    match (node.text(), of("provider"), of("model").or_else(|| of("name"))) {
        (Some(model), ..) | (None, None, Some(model)) => model.to_owned(),
        (None, Some(provider), Some(model)) => format!("{provider}/{model}"),
        (None, Some(provider), None) => provider.to_owned(),
        _ => "A model of this spec".to_owned(),
    }
}

fn variable_line(node: &Node) -> String {
    if let Some(value) = node.text() {
        return format!("Default: `{value}`");
    }
    let of = |key| node.get(key).and_then(Node::text);
    let from = match (of("env"), of("from")) {
        (Some(name), _) => format!("From the environment variable `{name}`"),
        (None, Some("caller")) => "Given by whoever starts the run".to_owned(),
        _ => "A variable of this spec".to_owned(),
    };
    match of("default") {
        Some(value) => format!("{from}; default: `{value}`"),
        None => from,
    }
}

/// The lists of guardrails of a spec.
fn guardrail_lists(root: &Node) -> Vec<&Node> {
    let mut lists: Vec<&Node> = root.at(&["prompts", "user", "validation"]).into_iter().collect();
    if let Some(node) = root.get("guardrails") {
        match &node.kind {
            Kind::Map(entries) => lists.extend(entries.iter().map(|entry| &entry.value)),
            _ => lists.push(node),
        }
    }
    lists
}

fn guardrail(names: &mut IndexMap<String, String>, item: &Node) {
    let (name, of) = match item.get("name") {
        Some(name) => (name, item.get("use").unwrap_or(name)),
        None => match item.entries() {
            [only] => (&only.key, only.value.get("use").unwrap_or(&only.key)),
            _ => (item, item),
        },
    };
    let builtin = of.text().and_then(Builtin::from_name);
    add(names, name, builtin.map_or("A guardrail of this spec", Builtin::doc));
}

/// The variables that stand in the texts of a map of rules: captures of `(?<name>…)`.
pub(super) fn captures(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        stack.extend(node.items());
        stack.extend(node.entries().iter().map(|entry| &entry.value));
        let mut rest = node.as_str().unwrap_or("");
        while let Some((_, after)) = rest.split_once("(?<").or_else(|| rest.split_once("(?P<")) {
            if let Some((name, _)) = after.split_once('>')
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
                && !name.is_empty()
            {
                found.push(name.to_owned());
            }
            rest = after;
        }
    }
    found.dedup();
    found
}

/// The variable of a template that a byte of it touches.
pub(super) fn variable_at(text: &str, at: usize) -> Option<crate::TemplateVariable> {
    Template::parse(text).variables().find(|variable| variable.span.touches(at)).cloned()
}
