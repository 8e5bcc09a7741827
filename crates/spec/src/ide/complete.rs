//! Completion: what may stand where the cursor is.

use super::docs;
use super::host::Host;
use super::inside::{self, Opened};
use super::names::{Own, Roots};
use super::place::{Place, Spot, Wanted, alternatives, find};
use super::probe::{As, MARK, Probe, word_at};
use super::refs::{self, Names};
use super::snippet;
use super::world::World;
use super::{Completion, CompletionKind};
use crate::files::file_kind;
use crate::schema::{EXPECTATIONS, Enforced, GUARDRAIL, Key, NOT_IN_OVERLAYS, Record, Shape};
use crate::tree::{Node, Style};
use aic_base::{RelPath, Source, Span, matcher::OPERATORS};
use aic_guard::{Builtin, ParamKind};

/// As [`Host::complete`], for who asks once.
pub fn complete(source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Vec<Completion> {
    Host::new().complete(source, path, text, offset)
}

impl Host {
    /// What may stand at a byte of a document. `path` is where the document lies: its name says what kind of file it is, and
    /// the paths in it are seen from there; a file that is none of the language's is taken for a prompt. `text` is the
    /// document as it is being typed; other files are read from `source`.
    ///
    /// All that fits the place is offered, whatever letters are typed: whoever shows it compares them with the labels.
    /// Never fails: where nothing fits, the list is empty.
    pub fn complete(&self, source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Vec<Completion> {
        let world = World::new(self, source);
        if file_kind(path.file_name()).is_none() {
            return in_prompt(world, path, text, offset);
        }
        for taken in [As::Key, As::Written] {
            let Some(probe) = Probe::new(path, text, offset, taken) else { continue };
            let Some(place) = find(path, &probe.root, Wanted::Mark) else { continue };
            let own = if probe.trimmed { Own::Text(text) } else { Own::Tree(&probe.root) };
            let roots = Roots::of(world, path, own);
            let replace = probe.word;
            let mut offers = Offers {
                source,
                path,
                text,
                offset,
                probe: &probe,
                roots,
                place: &place,
                replace,
                lead: "",
                found: Vec::new(),
            };
            offers.fill();
            let mut found = offers.found;
            found.sort_by(|a, b| (a.sort, &a.label).cmp(&(b.sort, &b.label)));
            found.dedup_by(|a, b| a.label == b.label);
            return found;
        }
        Vec::new()
    }
}

/// The variables of a prompt that has a file of its own.
fn in_prompt(world: World<'_>, path: &RelPath, text: &str, offset: usize) -> Vec<Completion> {
    let (Some(before), Some(after)) = (text.get(..offset), text.get(offset..)) else { return Vec::new() };
    let line = before.rsplit(['\n', '\r']).next().unwrap_or(before);
    let word = word_at(text, offset);
    let lead = line.get(..line.len() - (offset - word.start as usize)).unwrap_or("");
    let Some(opened) = inside::opened(lead) else { return Vec::new() };
    let after = after.get(word.end as usize - offset..).unwrap_or("");
    let span = variable_span(opened, word, after);
    let found = inside::variables_of(&Roots::of(world, path, Own::Prompt)).into_iter();
    let offer = |(name, doc): (String, String)| {
        let (label, insert) = variable_texts(opened, &name, after);
        let kind = CompletionKind::Variable;
        Completion { label, insert, snippet: None, kind, doc, detail: None, replace: span, sort: 1, deprecated: false }
    };
    let mut found: Vec<Completion> = found.map(offer).collect();
    found.sort_by(|a, b| a.label.cmp(&b.label));
    found
}

/// How a variable is offered, and what is inserted: the braces that are missing come with it.
pub(super) fn variable_texts(opened: Opened<'_>, name: &str, after: &str) -> (String, String) {
    let close = if name_after(after).1 { "" } else { "}" };
    match opened {
        Opened::Dollar => (format!("${{{name}}}"), format!("${{{name}}}")),
        Opened::Brace(_) => (name.to_owned(), format!("{name}{close}")),
    }
}

/// The bytes that a variable replaces: what is typed of it, dots and colons included.
pub(super) fn variable_span(opened: Opened<'_>, word: Span, after: &str) -> Span {
    let start = match opened {
        Opened::Dollar => (word.start as usize).saturating_sub(1),
        Opened::Brace(typed) => (word.start as usize).saturating_sub(typed.len()),
    };
    let (rest, closed) = name_after(after);
    Span::new(start, word.end as usize + if closed { rest } else { 0 })
}

/// How much of the name stands after the cursor's word, and whether the brace is closed there.
pub(super) fn name_after(after: &str) -> (usize, bool) {
    let rest = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | ':'))).unwrap_or(after.len());
    (rest, after.get(rest..).is_some_and(|after| after.starts_with('}')))
}

pub(super) struct Offers<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) path: &'a RelPath,
    pub(super) text: &'a str,
    offset: usize,
    pub(super) probe: &'a Probe,
    pub(super) roots: Roots<'a>,
    pub(super) place: &'a Place<'a>,
    /// What is replaced by the offers that are being made.
    pub(super) replace: Span,
    /// What comes before each: the dash of an item that is not written yet.
    lead: &'static str,
    pub(super) found: Vec<Completion>,
}

impl Offers<'_> {
    fn fill(&mut self) {
        let place = self.place;
        match place.spot {
            Spot::Key { map, entry } => {
                self.replace_node(&entry.key);
                self.keys(map, entry.value.is_null() || entry.value.span.is_empty());
                let alone = matches!(map.entries(), [_]) && map.style != Style::Flow;
                // A word alone in a list may as well be the item itself: a name.
                let item = self.place.trail.last().is_some_and(|step| step.key.is_none());
                if alone && item {
                    self.values(&self.place.shapes, "", "");
                }
                // Below a key that takes a list, it is an item whose dash is missing.
                if alone && let Some(shapes) = items_of(&self.place.shapes) {
                    self.items(map, &shapes);
                }
            }
            Spot::Value(node) => {
                let Some((before, after)) = inside::around(node, MARK) else { return };
                match inside::opened(before) {
                    Some(opened) => self.variables(opened, after),
                    None => {
                        self.replace_node(node);
                        match items_of(&self.place.shapes).filter(|_| before.is_empty()) {
                            Some(shapes) => self.bracketed(&shapes),
                            None => self.values(&self.place.shapes, before, after),
                        }
                        if node.style == Style::Plain && before.is_empty() {
                            self.keys_of_items();
                        }
                    }
                }
            }
        }
    }

    /// From now on a whole scalar is replaced, unless it stands on several lines; quotes stay.
    fn replace_node(&mut self, node: &Node) {
        let span = self.probe.original(node.span);
        let span = match node.style {
            Style::SingleQuoted | Style::DoubleQuoted => {
                let written = span.of(self.text);
                let closed = written.len() > 1 && written.ends_with(['"', '\'']);
                Span::new(span.start as usize + 1, span.end as usize - usize::from(closed))
            }
            Style::Plain => span,
            _ => return,
        };
        let fits = span.touches(self.offset) && !span.of(self.text).contains(['\n', '\r']);
        if fits && self.text.get(span.range()).is_some() {
            self.replace = span;
        }
    }

    pub(super) fn offer(
        &mut self,
        label: impl Into<String>,
        kind: CompletionKind,
        doc: impl Into<String>,
    ) -> &mut Completion {
        let label = label.into();
        let lead = self.lead();
        let insert = if self.probe.quote { format!("\"{label}\"") } else { format!("{lead}{label}") };
        let (doc, replace) = (doc.into(), self.replace);
        let found =
            Completion { label, insert, snippet: None, kind, doc, detail: None, replace, sort: 5, deprecated: false };
        self.found.push(found);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// A key with what has to follow it, unless it is there.
    pub(super) fn offer_key(&mut self, name: &str, doc: String, opens: bool) -> &mut Completion {
        let after = self.text.get(self.replace.end as usize..).unwrap_or("").trim_start_matches([' ', '"', '\'']);
        let ends = match (self.probe.toml, after.chars().next()) {
            (false, Some(':')) | (true, Some('=' | ']' | '.')) => "",
            (true, _) => " = ",
            (false, _) if opens => ":",
            (false, _) => ": ",
        };
        let lead = self.lead();
        let offered = self.offer(name, CompletionKind::Key, doc);
        offered.insert = format!("{lead}{name}{ends}");
        offered
    }

    /// What comes before an offer: a blank that is missing there, or a dash.
    const fn lead(&self) -> &'static str {
        if self.probe.blank { " " } else { self.lead }
    }

    /// Items of a list whose dash is not written yet.
    fn items(&mut self, map: &Node, shapes: &[Shape]) {
        self.lead = "- ";
        self.keys_of(shapes, map, false);
        self.values(shapes, "", "");
        self.lead = "";
    }

    /// Items of a list of which nothing is written yet, behind its key: they come in brackets.
    fn bracketed(&mut self, shapes: &[Shape]) {
        let blank = if self.probe.blank { " " } else { "" };
        let first = self.found.len();
        self.values(shapes, "", "");
        for offer in self.found.iter_mut().skip(first) {
            let item = offer.insert.trim_start().to_owned();
            offer.insert = format!("{blank}[{item}]");
            // The next item is typed where the cursor stays.
            offer.snippet = Some(format!("{blank}[{}$0]", snippet::plain(&item)));
        }
    }

    /// Keys of the map at the place, those that are there left out.
    pub(super) fn keys(&mut self, map: &Node, empty: bool) {
        self.keys_of(&self.place.shapes, map, empty);
        let there = |name: &str| map.entries().iter().any(|entry| entry.key.text() == Some(name));
        for names in refs::of_key(self.place) {
            self.own_keys(names, there);
        }
    }

    fn keys_of(&mut self, shapes: &[Shape], map: &Node, empty: bool) {
        let there = |name: &str| map.entries().iter().any(|entry| entry.key.text() == Some(name));
        let block = map.style != Style::Flow && empty;
        for shape in shapes {
            match shape {
                Shape::Record(record) => {
                    self.record(record, block, there);
                    if std::ptr::eq(*record, &GUARDRAIL) {
                        self.params(map, there);
                    }
                }
                Shape::Expectation => self.expectations(map, block),
                Shape::Matcher => {
                    for operator in OPERATORS.into_iter().filter(|operator| !there(operator)) {
                        self.offer_key(operator, "An operator of matchers".into(), false).sort = 6;
                    }
                }
                _ => {}
            }
        }
    }

    fn record(&mut self, record: &'static Record, block: bool, there: impl Fn(&str) -> bool) {
        let first = self.hardly_without(record, &there);
        // An overlay of an environment is no spec of its own.
        let overlay = record.title == "a container spec" && !self.place.trail.is_empty();
        let left_out = |name: &str| there(name) || (overlay && NOT_IN_OVERLAYS.contains(&name));
        for key in record.keys().filter(|key| !left_out(key.name)) {
            self.key(key, block);
            if first.contains(&key.name)
                && let Some(offered) = self.found.last_mut()
            {
                offered.sort = 0;
            }
        }
    }

    /// The keys of which one must be there, while none of them is: the table can only say it of a key by itself.
    fn hardly_without(&self, record: &Record, there: &impl Fn(&str) -> bool) -> &'static [&'static str] {
        const ONE_OF: [(&str, &[&str], &[&str]); 5] = [
            ("a container spec", &["model", "models"], &["inherits"]),
            ("a model", &["provider", "model"], &["name", "as", "cassette"]),
            ("a test", &["name", "input", "cases", "turns", "files"], &[]),
            ("a test", &["input", "cases", "turns"], &["files"]),
            ("a service", &["model", "spec"], &["models"]),
        ];
        let known = ONE_OF.iter().filter(|(title, ..)| *title == record.title);
        // An overlay of an environment is no spec of its own.
        let whole = record.title != "a container spec" || self.place.trail.is_empty();
        let missing = |(_, keys, others): &&(_, &[&str], &[&str])| !keys.iter().chain(*others).any(|key| there(key));
        known.filter(|_| whole).find(missing).map_or(&[], |(_, keys, _)| keys)
    }

    pub(super) fn key(&mut self, key: &'static Key, block: bool) {
        let opens = block && opens_a_block(&key.shape);
        let sort = match key {
            Key { required: true, .. } => 0,
            Key { enforced: Enforced::NotYet { .. }, .. } => 4,
            Key { short_for: Some(_), .. } => 3,
            _ => 1,
        };
        let pad = self.pad();
        let offered = self.offer_key(key.name, docs::without_heading(docs::key(key)), opens);
        offered.detail = Some(docs::brief(&key.shape));
        offered.sort = sort;
        // With a colon that is there already, something may stand behind it too.
        if offered.insert.ends_with([':', ' ']) && !offered.insert.ends_with("= ") {
            offered.snippet = snippet::value(&key.shape, opens, &pad).map(|value| {
                format!("{}{value}", offered.insert.trim_end_matches([' ', ':'])) // the value brings its own colon
            });
        }
    }

    /// How much further than its line's indentation the completed word stands: editors indent what follows like the line.
    fn pad(&self) -> String {
        let before = self.text.get(..self.replace.start as usize).unwrap_or("");
        let lead = before.rsplit(['\n', '\r']).next().unwrap_or("");
        " ".repeat(lead.chars().count() - lead.chars().take_while(|c| *c == ' ').count() + self.lead.len())
    }

    /// An expectation is a map of one key: another one is offered only where there is none yet.
    fn expectations(&mut self, map: &Node, block: bool) {
        if map.entries().len() < 2 {
            for key in EXPECTATIONS.keys() {
                self.key(key, block);
            }
        }
    }

    /// The parameters of the guardrail that a map is about.
    fn params(&mut self, map: &Node, there: impl Fn(&str) -> bool) {
        let Some(builtin) = builtin_of(map, self.place) else { return };
        for param in builtin.params().iter().filter(|param| !there(param.name)) {
            let offered = self.offer_key(param.name, docs::without_heading(docs::param(builtin, param)), false);
            offered.detail = Some(format!("{}, default {}", docs::param_kind(param.kind), param.default));
            offered.sort = 0;
        }
    }

    /// Keys of the author's own that are names of something.
    fn own_keys(&mut self, names: Names, there: impl Fn(&str) -> bool) {
        let found: Vec<(String, String)> = match names {
            Names::Declared(what) => self.roots.declared(what).into_iter().collect(),
            Names::Parameter => {
                let about = self.place.keys().next().map(|step| step.holder);
                let tool = about.and_then(|map| map.get("name").or_else(|| map.get("tool"))).and_then(Node::text);
                tool.map(|tool| self.roots.parameters(tool).into_iter().collect()).unwrap_or_default()
            }
            Names::Dimension => vec![
                ("models".into(), "Named models, one run with each".into()),
                ("prompts".into(), "Variants of the prompts, one run with each".into()),
            ],
            _ => Vec::new(),
        };
        for (name, doc) in found {
            if !there(&name) {
                self.offer_key(&name, doc, false).sort = 0;
            }
        }
    }
}

/// What the items of a list may be, where nothing but lists may stand.
fn items_of(shapes: &[Shape]) -> Option<Vec<Shape>> {
    let mut items = Vec::new();
    for shape in shapes {
        match shape {
            Shape::List(item) => alternatives(**item, &mut items),
            _ => return None,
        }
    }
    (!items.is_empty()).then_some(items)
}

/// Whether a value of this shape goes on the lines below its key.
fn opens_a_block(shape: &Shape) -> bool {
    match shape {
        Shape::List(_) | Shape::Record(_) | Shape::Named(_) => true,
        Shape::OneOrMore(item) => opens_a_block(item),
        Shape::Either(shapes) => shapes.iter().all(opens_a_block),
        _ => false,
    }
}

/// The built-in that a map of a guardrail is about: by `use`, by `name`, or by the key it stands under.
pub(super) fn builtin_of(map: &Node, place: &Place<'_>) -> Option<Builtin> {
    let of = |key: &str| map.get(key).and_then(Node::text).and_then(Builtin::from_name);
    let above = place.keys().next().filter(|step| step.record.is_some_and(|record| std::ptr::eq(record, &GUARDRAIL)));
    of("use").or_else(|| of("name")).or_else(|| above.and_then(|step| step.key).and_then(Builtin::from_name))
}

/// The parameter of a built-in whose value stands at a place.
pub(super) fn param_at(place: &Place<'_>) -> Option<(Builtin, ParamKind)> {
    let step = place.keys().next()?;
    let key = step.key?;
    if !step.record.is_some_and(|record| std::ptr::eq(record, &GUARDRAIL)) || GUARDRAIL.key(key).is_some() {
        return None;
    }
    let above = place.keys().nth(1).and_then(|step| step.key).and_then(Builtin::from_name);
    let of = |key: &str| step.holder.get(key).and_then(Node::text).and_then(Builtin::from_name);
    let builtin = of("use").or_else(|| of("name")).or(above)?;
    let param = builtin.params().iter().find(|param| param.name == key)?;
    Some((builtin, param.kind))
}
