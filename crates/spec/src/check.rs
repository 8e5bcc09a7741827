//! The tree against the table: unknown keys, wrong types, missing keys, words, numbers, units, matchers, and files that
//! are named. What this version does not enforce is said here, once for each key.

mod expect;
mod matcher;
mod scalar;

use crate::codes::{
    BAD_EXPECTATION, MISSING_KEY, NOT_ENFORCED, NOT_SAFE, UNKNOWN_KEY, UNKNOWN_PROVIDER, UNKNOWN_WORD, WRONG_TYPE,
};
use crate::cx::{Cx, Doc};
use crate::schema::{CONTAINER, Enforced, RUN_TITLE, Record, Shape, Word};
use crate::tree::{Entry, Kind, Node, Style};
use crate::words::{did_you_mean, elsewhere, nearest, shown};
use crate::{Code, Fix};
use aic_base::Span;

/// Checks a document whose top is this record.
pub(crate) fn check(cx: &mut Cx<'_>, doc: &Doc, root: &Node, record: &'static Record) {
    let deletes = root.get("inherits").is_some_and(|base| !base.is_null());
    let mut checker = Checker { cx, doc, unknown: 0, deletes };
    checker.value(root, &Shape::Record(record), At { key: record.title, top: true, ..At::default() });
}

/// Where the walk is.
#[derive(Debug, Clone, Copy, Default)]
struct At<'a> {
    /// The key whose value is looked at.
    key: &'a str,
    /// Whether this is the whole document.
    top: bool,
    /// Inside something that is not enforced: its parts are not said to be so again, and its files need not be there.
    muted: bool,
    /// Inside an expectation, where what has the wrong shape has a code of its own.
    expectation: bool,
    /// The module of a tool: somebody builds it, so that it may be missing for now.
    built: bool,
}

struct Checker<'c, 's> {
    cx: &'c mut Cx<'s>,
    doc: &'c Doc,
    /// How many unknown keys there were.
    unknown: usize,
    /// Whether nothing in the place of a value deletes what is below: in a spec that inherits, and in an overlay.
    deletes: bool,
}

/// For how many unknown keys of a document it is guessed what was meant.
const GUESSED: usize = 500;

impl Checker<'_, '_> {
    fn value(&mut self, node: &Node, shape: &Shape, at: At<'_>) {
        match shape {
            Shape::Any => {}
            // What is in it is judged where it is read.
            Shape::JsonSchema if matches!(node.kind, Kind::Map(_)) => {}
            Shape::JsonSchema => self.wrong_type(node, shape, at),
            Shape::Record(record) => self.record(node, record, at),
            Shape::Named(inner) => match &node.kind {
                Kind::Map(entries) => {
                    let deletes = self.deletes;
                    for entry in entries.iter().filter(|entry| !(deletes && entry.value.is_null())) {
                        let key = entry.key.key_text();
                        self.deletes |= at.key == "environments";
                        self.value(&entry.value, inner, At { key: &key, top: false, ..at });
                        self.deletes = deletes;
                    }
                }
                _ => self.wrong_type(node, shape, at),
            },
            Shape::List(inner) => match &node.kind {
                Kind::Seq(items) => items.iter().for_each(|item| self.item(item, inner, at)),
                _ => self.not_a_list(node, shape, at),
            },
            Shape::OneOrMore(inner) => match &node.kind {
                Kind::Seq(items) => items.iter().for_each(|item| self.item(item, inner, at)),
                _ => self.value(node, inner, at),
            },
            Shape::Either(shapes) => match shapes.iter().find(|shape| self.fits(node, shape)) {
                Some(shape) => self.value(node, shape, at),
                None => match shapes.iter().rev().find(|shape| same_form(node, shape)) {
                    Some(shape) => self.value(node, shape, at),
                    None => self.wrong_type(node, shape, at),
                },
            },
            Shape::Words(words) => self.word(node, words, at),
            Shape::Expectation => self.expectation(node, at),
            Shape::Matcher => self.matcher(node),
            Shape::Path => self.path(node, shape, at),
            _ => self.scalar(node, shape, at),
        }
    }

    fn item(&mut self, item: &Node, shape: &Shape, at: At<'_>) {
        if item.is_null() {
            return self.wrong_type(item, shape, at);
        }
        self.value(item, shape, At { top: false, ..at });
    }

    fn record(&mut self, node: &Node, record: &'static Record, at: At<'_>) {
        let Kind::Map(entries) = &node.kind else {
            return self.wrong_type(node, &Shape::Record(record), at);
        };
        for entry in entries {
            self.entry(entry, node, record, At { top: false, ..at });
        }
        for key in record.keys().filter(|key| key.required) {
            if node.get(key.name).is_none_or(Node::is_null) {
                let message = format!("`{}` is missing in {}: {}", key.name, record.title, lower_first(key.doc));
                let span = head(node, &self.doc.text);
                let code = if at.expectation { BAD_EXPECTATION } else { MISSING_KEY };
                self.cx.missing(self.doc, node, &[key.name], self.doc.find(code, span, message));
            }
        }
    }

    fn entry(&mut self, entry: &Entry, map: &Node, record: &'static Record, at: At<'_>) {
        let name = entry.key.key_text();
        let Some(key) = record.key(&name) else {
            match record.open {
                Some(shape) if !entry.value.is_null() => self.value(&entry.value, shape, At { key: &name, ..at }),
                Some(_) => {}
                None => self.unknown_key(entry, map, record, &name),
            }
            return;
        };
        let mut inside = At { key: &name, ..at };
        if let Enforced::NotYet { safety } = key.enforced
            && !at.muted
            && says_something(&entry.value)
        {
            inside.muted = true;
            self.not_enforced(entry.key.span, &format!("`{name}`"), safety);
        }
        if record.title == RUN_TITLE {
            inside.built = name == "wasm";
            let guest = ["script", "wasm"].into_iter().find(|kind| map.get(kind).is_some());
            if let (Some(kind), "network", false) = (guest, &*name, entry.value.items().is_empty()) {
                let message = format!(
                    "a list of hosts is understood, but what runs by `{kind}` has no network in this version: it reaches none of them"
                );
                self.cx.report(self.doc.find(NOT_ENFORCED, entry.key.span, message));
            }
        }
        // Nothing after the colon is a key that is not there; in an inheriting spec it deletes the base's.
        if !entry.value.is_null() {
            self.value(&entry.value, &key.shape, inside);
        }
    }

    fn not_enforced(&mut self, span: Span, what: &str, safety: bool) {
        let finding = if safety {
            let message = format!(
                "{what} is understood but not enforced by this version, and safety depends on it: checking goes on, running refuses"
            );
            self.doc.find(NOT_SAFE, span, message).blocking()
        } else {
            self.doc.find(NOT_ENFORCED, span, format!("{what} is understood, but this version does nothing about it"))
        };
        self.cx.report(finding);
    }

    fn unknown_key(&mut self, entry: &Entry, map: &Node, record: &Record, name: &str) {
        let siblings = map.entries();
        // Where everything is unknown, more guesses help nobody.
        self.unknown += 1;
        if self.unknown > GUESSED {
            let message = format!("`{}` is no key of {}", shown(name), record.title);
            return self.cx.report(self.doc.find(UNKNOWN_KEY, entry.key.span, message));
        }
        // Nobody writes maps so long by hand, and looking through them for each of their keys takes its time.
        // What a merge brings is not written here: a slip of it is still one.
        let own = |entry: &&Entry| map.span.start <= entry.key.span.start && entry.key.span.end <= map.span.end;
        let there = |key: &str| siblings.iter().filter(own).any(|entry| entry.key.text() == Some(key));
        let absent = |key: &&str| siblings.len() > 200 || !there(key);
        let meant = nearest(name, record.keys().map(|key| key.name).filter(absent))
            .or_else(|| elsewhere(name, record.keys().map(|key| key.name).filter(absent)));
        let message = format!("`{}` is no key of {}{}", shown(name), record.title, did_you_mean(meant));
        let mut finding = self.doc.find(UNKNOWN_KEY, entry.key.span, message);
        match meant {
            Some(meant) => {
                self.cx.note_misspelt(self.doc, map, meant);
                finding = finding.fix(Some(self.doc.replacing(&entry.key, meant)));
            }
            None if record.title == CONTAINER.title && matches!(name, "services" | "workflow") => {
                finding = finding.help("a workflow is a file of its own, called NAME.compose.ai.yml or compose.ai.yml");
            }
            None => {
                let known: Vec<_> = record.keys().map(|key| key.name).collect();
                finding = finding.help(format!("keys of {}: {}", record.title, known.join(", ")));
            }
        }
        self.cx.report(finding);
    }

    fn word(&mut self, node: &Node, words: &'static [Word], at: At<'_>) {
        let Some(text) = node.text() else {
            return self.wrong_type(node, &Shape::Words(words), at);
        };
        if let Some(word) = words.iter().find(|word| word.word == text) {
            if let Enforced::NotYet { safety } = word.enforced
                && !at.muted
            {
                self.not_enforced(node.span, &format!("`{}: {text}`", at.key), safety);
            }
            return;
        }
        let meant = nearest(text, words.iter().map(|word| word.word));
        let known: Vec<_> = words.iter().map(|word| word.word).collect();
        let code = match at.key {
            "provider" if known.contains(&"openai") => UNKNOWN_PROVIDER,
            _ if at.expectation => BAD_EXPECTATION,
            _ => UNKNOWN_WORD,
        };
        let message = format!("`{}` takes {}, not `{}`{}", at.key, any_of(&known), shown(text), did_you_mean(meant));
        self.report(code, node.span, message, meant.map(|meant| self.doc.replacing(node, meant)));
    }

    fn path(&mut self, node: &Node, shape: &Shape, at: At<'_>) {
        match node.as_str() {
            Some(text) => {
                // A recording is made by the first run; a module is somebody's to build.
                let there = self.cx.behaviour_file(self.doc, node, text, !at.muted && !at.built);
                if at.built && there.is_none() {
                    self.cx.warn_missing(self.doc, node, text);
                }
            }
            None => self.wrong_type(node, shape, at),
        }
    }

    fn not_a_list(&mut self, node: &Node, shape: &Shape, at: At<'_>) {
        let fix = (node.style != Style::Block && !node.is_null()).then(|| Fix {
            title: "Make it a list".into(),
            edits: vec![
                (Span::at(node.span.start as usize), "[".into()),
                (Span::at(node.span.end as usize), "]".into()),
            ],
            safe: false,
        });
        let fix = fix.filter(|_| !matches!(node.style, Style::Literal | Style::Folded | Style::Alias));
        self.wrong_type_with(node, shape, at, fix);
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, at: At<'_>) {
        self.wrong_type_with(node, shape, at, None);
    }

    fn wrong_type_with(&mut self, node: &Node, shape: &Shape, at: At<'_>, fix: Option<Fix>) {
        let what = if at.top { at.key.to_owned() } else { format!("`{}`", shown(at.key)) };
        let verb = if at.top { "is" } else { "takes" };
        let message = format!("{what} {verb} {}, not {}", shape.describe(), node.describe());
        let code = if at.expectation { BAD_EXPECTATION } else { WRONG_TYPE };
        self.report(code, head(node, &self.doc.text), message, fix);
    }

    fn report(&mut self, code: Code, span: Span, message: String, fix: Option<Fix>) {
        self.cx.report(self.doc.find(code, span, message).fix(fix));
    }

    /// Whether a value can be taken by this one of several shapes; looks no deeper than it must.
    fn fits(&self, node: &Node, shape: &Shape) -> bool {
        match shape {
            Shape::Words(words) => node.text().is_some_and(|text| words.iter().any(|word| word.word == text)),
            Shape::Duration | Shape::Share | Shape::Size | Shape::Money | Shape::Integer(..) | Shape::Number(..) => {
                scalar::read(node, shape).is_ok()
            }
            _ => same_form(node, shape),
        }
    }
}

/// Whether a value has the outer form of a shape: a map, a list, a scalar.
pub(crate) fn same_form(node: &Node, shape: &Shape) -> bool {
    match (&node.kind, shape) {
        (_, Shape::Any | Shape::Matcher | Shape::Expectation) => true,
        (_, Shape::Either(shapes)) => shapes.iter().any(|shape| same_form(node, shape)),
        (Kind::Map(_), Shape::Record(_) | Shape::Named(_) | Shape::JsonSchema)
        | (Kind::Seq(_), Shape::List(_) | Shape::OneOrMore(_)) => true,
        (_, Shape::OneOrMore(inner)) => same_form(node, inner),
        (Kind::Map(_) | Kind::Seq(_) | Kind::Null, _) => false,
        (_, Shape::Record(_) | Shape::Named(_) | Shape::JsonSchema | Shape::List(_)) => false,
        (Kind::Bool(_), shape) => matches!(shape, Shape::Bool | Shape::Text),
        (_, Shape::Bool) => false,
        _ => true,
    }
}

/// Whether a value says more than the default: an empty map, `none` or `false` needs no enforcing.
fn says_something(node: &Node) -> bool {
    match &node.kind {
        Kind::Null | Kind::Bool(false) | Kind::Int(0) => false,
        Kind::Map(entries) => !entries.is_empty(),
        Kind::Seq(items) => !items.is_empty(),
        _ => true,
    }
}

/// The first line of a node: what is missing in a map is not shown on all its lines.
pub(crate) fn head(node: &Node, text: &str) -> Span {
    let whole = node.span.of(text);
    let line = whole.lines().next().unwrap_or("");
    Span::new(node.span.start as usize, node.span.start as usize + line.trim_end().len())
}

fn any_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}
