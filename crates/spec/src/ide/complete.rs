//! Completion: what may stand where the cursor is.

use super::docs;
use super::host::Host;
use super::inside::{self, Follows, Opened};
use super::names::{Own, Roots};
use super::paths;
use super::place::{Place, Spot, Wanted, find};
use super::probe::{As, MARK, Probe, word_at};
use super::refs::{self, Names};
use super::snippet;
use super::world::World;
use super::{Completion, CompletionKind};
use crate::LANGUAGE_VERSIONS;
use crate::files::file_kind;
use crate::schema::{BARE_EXPECTATIONS, CONTAINER, EXPECTATIONS, Enforced, GUARDRAIL, Key, Record, Shape};
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
            let mut offers =
                Offers { source, path, text, offset, probe: &probe, roots, place: &place, replace, found: Vec::new() };
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
fn variable_texts(opened: Opened<'_>, name: &str, after: &str) -> (String, String) {
    let close = if name_after(after).1 { "" } else { "}" };
    match opened {
        Opened::Dollar => (format!("${{{name}}}"), format!("${{{name}}}")),
        Opened::Brace(_) => (name.to_owned(), format!("{name}{close}")),
    }
}

/// The bytes that a variable replaces: what is typed of it, dots and colons included.
fn variable_span(opened: Opened<'_>, word: Span, after: &str) -> Span {
    let start = match opened {
        Opened::Dollar => (word.start as usize).saturating_sub(1),
        Opened::Brace(typed) => (word.start as usize).saturating_sub(typed.len()),
    };
    let (rest, closed) = name_after(after);
    Span::new(start, word.end as usize + if closed { rest } else { 0 })
}

/// How much of the name stands after the cursor's word, and whether the brace is closed there.
fn name_after(after: &str) -> (usize, bool) {
    let rest = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | ':'))).unwrap_or(after.len());
    (rest, after.get(rest..).is_some_and(|after| after.starts_with('}')))
}

struct Offers<'a> {
    source: &'a dyn Source,
    path: &'a RelPath,
    text: &'a str,
    offset: usize,
    probe: &'a Probe,
    roots: Roots<'a>,
    place: &'a Place<'a>,
    /// What is replaced by the offers that are being made.
    replace: Span,
    found: Vec<Completion>,
}

impl Offers<'_> {
    fn fill(&mut self) {
        let place = self.place;
        match place.spot {
            Spot::Key { map, entry } => {
                self.replace_node(&entry.key);
                self.keys(map, entry.value.is_null() || entry.value.span.is_empty());
                // A word alone in a list may as well be the item itself: a name.
                let item = self.place.trail.last().is_some_and(|step| step.key.is_none());
                if item && matches!(map.entries(), [_]) && map.style != Style::Flow {
                    self.values("", "");
                }
            }
            Spot::Value(node) => {
                let Some((before, after)) = inside::around(node, MARK) else { return };
                match inside::opened(before) {
                    Some(opened) => self.variables(opened, after),
                    None => {
                        self.replace_node(node);
                        self.values(before, after);
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

    fn offer(&mut self, label: impl Into<String>, kind: CompletionKind, doc: impl Into<String>) -> &mut Completion {
        let label = label.into();
        let blank = if self.probe.blank { " " } else { "" };
        let insert = if self.probe.quote { format!("\"{label}\"") } else { format!("{blank}{label}") };
        let (doc, replace) = (doc.into(), self.replace);
        let found =
            Completion { label, insert, snippet: None, kind, doc, detail: None, replace, sort: 5, deprecated: false };
        self.found.push(found);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// A key with what has to follow it, unless it is there.
    fn offer_key(&mut self, name: &str, doc: String, opens: bool) -> &mut Completion {
        let after = self.text.get(self.replace.end as usize..).unwrap_or("").trim_start_matches([' ', '"', '\'']);
        let ends = match (self.probe.toml, after.chars().next()) {
            (false, Some(':')) | (true, Some('=' | ']' | '.')) => "",
            (true, _) => " = ",
            (false, _) if opens => ":",
            (false, _) => ": ",
        };
        let blank = if self.probe.blank { " " } else { "" };
        let offered = self.offer(name, CompletionKind::Key, doc);
        offered.insert = format!("{blank}{name}{ends}");
        offered
    }

    /// Keys of the map at the place, those that are there left out.
    fn keys(&mut self, map: &Node, empty: bool) {
        let there = |name: &str| map.entries().iter().any(|entry| entry.key.text() == Some(name));
        let block = map.style != Style::Flow && empty;
        for shape in &self.place.shapes {
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
        for names in refs::of_key(self.place) {
            self.own_keys(names, there);
        }
    }

    fn record(&mut self, record: &'static Record, block: bool, there: impl Fn(&str) -> bool) {
        for key in record.keys().filter(|key| !there(key.name)) {
            self.key(key, block);
        }
    }

    fn key(&mut self, key: &'static Key, block: bool) {
        let opens = block && opens_a_block(&key.shape);
        let sort = match key {
            Key { required: true, .. } => 0,
            Key { enforced: Enforced::NotYet { .. }, .. } => 4,
            Key { short_for: Some(_), .. } => 3,
            _ => 1,
        };
        let pad = self.pad();
        let offered = self.offer_key(key.name, docs::key(key), opens);
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
        " ".repeat(lead.chars().count() - lead.chars().take_while(|c| *c == ' ').count())
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
            let offered = self.offer_key(param.name, docs::param(builtin, param), false);
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

    /// In a list in brackets, `[contains: x]` is a map of one key.
    fn keys_of_items(&mut self) {
        let item = self.place.trail.last().is_some_and(|step| step.key.is_none() && step.holder.style == Style::Flow);
        if item && self.place.shapes.iter().any(|shape| matches!(shape, Shape::Expectation)) {
            EXPECTATIONS.keys().for_each(|key| self.key(key, false));
        }
    }

    /// Values of scalars.
    fn values(&mut self, before: &str, after: &str) {
        if let Some(at) = inside::condition(self.place) {
            self.condition(at, before, after);
            return;
        }
        let key = self.place.keys().next().and_then(|step| step.key).unwrap_or("");
        for shape in &self.place.shapes {
            match shape {
                Shape::Bool => {
                    for (word, doc) in [("true", "Yes"), ("false", "No")] {
                        let offered = self.offer(word, CompletionKind::Word, doc);
                        offered.insert = offered.insert.replace('"', "");
                    }
                }
                Shape::Words(words) => {
                    for word in *words {
                        let sort = if word.enforced == Enforced::Yes { 0 } else { 4 };
                        self.offer(word.word, CompletionKind::Word, docs::word(word)).sort = sort;
                    }
                }
                Shape::Expectation => {
                    for word in BARE_EXPECTATIONS {
                        let doc = EXPECTATIONS.key(word).map(docs::key).unwrap_or_default();
                        self.offer(word, CompletionKind::Word, doc).sort = 1;
                    }
                }
                Shape::Path | Shape::Glob => self.files(before, key, ""),
                _ => {}
            }
        }
        if let Some((builtin, kind)) = param_at(self.place) {
            if let ParamKind::ListOf(words) | ParamKind::OneOf(words) = kind {
                for word in words {
                    self.offer(*word, CompletionKind::Word, docs::builtin(builtin)).sort = 0;
                }
            }
            return;
        }
        for names in refs::of_value(self.place) {
            self.names(names, before, key);
        }
    }

    fn names(&mut self, names: Names, before: &str, key: &str) {
        match names {
            Names::Declared(what) => {
                for (name, doc) in self.roots.declared(what) {
                    self.offer(name, CompletionKind::Name, doc).sort = 0;
                }
            }
            Names::Builtin => {
                for builtin in Builtin::ALL {
                    self.offer(builtin.name(), CompletionKind::Guardrail, docs::builtin(builtin)).sort = 0;
                }
            }
            Names::Model | Names::ProviderModel => self.models(names == Names::ProviderModel),
            Names::Words(words) => {
                for (word, doc) in words {
                    self.offer(*word, CompletionKind::Word, *doc).sort = 0;
                }
            }
            Names::TopKey => {
                for key in CONTAINER.keys() {
                    self.offer(key.name, CompletionKind::Name, docs::key(key));
                }
            }
            Names::Version => {
                let quoted = self.quoted();
                for version in LANGUAGE_VERSIONS {
                    let offered = self.offer(version, CompletionKind::Word, "The version of the language");
                    if !quoted {
                        offered.insert = offered.insert.replace(version, &format!("\"{version}\""));
                    }
                }
            }
            Names::Database => match before.strip_prefix("sqlite:") {
                Some(typed) => self.files(typed, key, "sqlite:"),
                None => {
                    self.offer(
                        "sqlite:",
                        CompletionKind::Word,
                        "An SQLite file, as seen from this one: `sqlite:data/x.db`",
                    );
                    self.files("", key, "sqlite:");
                }
            },
            Names::Base => {
                let typed = before.strip_prefix("./").unwrap_or(before);
                self.files(typed, key, "./");
            }
            Names::Parameter | Names::Dimension => {}
        }
    }

    /// Whether what is replaced stands in quotes already, or is put into some.
    fn quoted(&self) -> bool {
        let before = self.text.get(..self.replace.start as usize).unwrap_or("");
        self.probe.quote || before.ends_with(['"', '\''])
    }

    fn models(&mut self, with_provider: bool) {
        let provider = match self.place.trail.last() {
            Some(step) if step.key.is_some() => step.holder.get("provider").and_then(Node::text),
            _ => None,
        };
        if !with_provider && matches!(provider, Some("scripted" | "replay")) {
            return;
        }
        let known = aic_catalog::models().iter().any(|facts| Some(facts.provider.as_str()) == provider);
        for facts in aic_catalog::models() {
            if !with_provider && known && Some(facts.provider.as_str()) != provider {
                continue;
            }
            let label = if with_provider { format!("{}/{}", facts.provider, facts.model) } else { facts.model.clone() };
            let offered = self.offer(label, CompletionKind::Model, docs::model(facts));
            offered.detail = Some(docs::model_brief(facts));
            offered.deprecated = facts.retires.is_some();
            offered.sort = match (&facts.retires, facts.is_pinned()) {
                (Some(_), _) => 3,
                (None, true) => 1,
                (None, false) => 2,
            };
        }
    }

    fn files(&mut self, typed: &str, key: &str, prefix: &str) {
        for found in paths::list(self.source, self.path, typed, paths::endings(key)) {
            let kind = if found.is_folder { CompletionKind::Folder } else { CompletionKind::File };
            let sort = match (found.fits, found.is_folder) {
                (_, true) => 2,
                (true, _) => 1,
                (false, _) => 3,
            };
            self.offer(format!("{prefix}{}", found.written), kind, "").sort = sort;
        }
    }

    fn variables(&mut self, opened: Opened<'_>, after: &str) {
        let word = self.probe.word;
        let span = variable_span(opened, word, "");
        if self.text.get(span.start as usize..).is_none() {
            return;
        }
        self.replace = span;
        // The rest of the name is replaced where it stands in the text as it does in the value.
        let (rest, closed) = name_after(after);
        if closed && self.text.get(word.end as usize..).is_some_and(|text| text.starts_with(&after[..rest])) {
            self.replace = variable_span(opened, word, after);
        }
        let typed = if let Opened::Brace(typed) = opened { typed } else { "" };
        let mut found = inside::variables(self.place, &self.roots);
        let secret = self.place.keys().nth(1).and_then(|step| step.key);
        if typed.starts_with("secret") || matches!(secret, Some("headers" | "env")) {
            found.insert("secret:NAME".into(), "A secret, by the name it has in the environment or the keyring".into());
        }
        for (name, doc) in found {
            let (label, insert) = variable_texts(opened, &name, after);
            let offered = self.offer(label, CompletionKind::Variable, doc);
            offered.insert = insert;
            offered.sort = if name.contains('.') { 0 } else { 1 };
        }
    }

    fn condition(&mut self, at: aic_guard::Place, before: &str, after: &str) {
        self.replace = self.probe.word;
        // Where the word is the whole condition, a blank may be missing before it, and quotes around it.
        let alone = before.is_empty();
        let (lead, end) = match (alone && self.probe.blank, alone && self.probe.quote) {
            (true, _) => (" ", ""),
            (_, true) => ("\"", "\""),
            _ => ("", ""),
        };
        for follows in inside::follows(at, before, &self.roots) {
            let (label, insert, kind, doc, detail, sort) = match follows {
                Follows::Name(name, rest) => {
                    (rest.clone(), rest, CompletionKind::Variable, docs::name(name), name.kind.noun().to_owned(), 0)
                }
                Follows::Step(name, doc) => (name.clone(), name, CompletionKind::Variable, doc, "a step".to_owned(), 0),
                Follows::Function(of) => {
                    let call = match of.arguments {
                        _ if after.starts_with('(') => "",
                        (_, 0) => "()",
                        _ => "(",
                    };
                    let insert = format!("{}{call}", of.name);
                    (
                        of.name.to_owned(),
                        insert,
                        CompletionKind::Function,
                        docs::function(of),
                        of.signature.to_owned(),
                        1,
                    )
                }
            };
            let offered = self.offer(label, kind, doc);
            offered.insert = format!("{lead}{insert}{end}");
            offered.detail = Some(detail);
            offered.sort = sort;
        }
    }
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
