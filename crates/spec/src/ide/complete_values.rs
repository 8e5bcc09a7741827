//! Completion of values: words, names, models, files, variables, and what may stand inside of conditions.

use super::CompletionKind;
use super::complete::{Offers, name_after, param_at, variable_span, variable_texts};
use super::docs;
use super::inside::{self, Follows, Opened};
use super::names;
use super::paths;
use super::refs::{self, Names};
use crate::LANGUAGE_VERSIONS;
use crate::files::file_kind;
use crate::schema::{BARE_EXPECTATIONS, CONTAINER, EXPECTATIONS, Enforced, SQL_VERBS, Shape};
use crate::tree::{Node, Style};
use crate::typed::Provider;
use aic_guard::{Builtin, ParamKind};

impl Offers<'_> {
    /// In a list in brackets, `[contains: x]` is a map of one key.
    pub(super) fn keys_of_items(&mut self) {
        let item = self.place.trail.last().is_some_and(|step| step.key.is_none() && step.holder.style == Style::Flow);
        if item && self.place.shapes.iter().any(|shape| matches!(shape, Shape::Expectation)) {
            EXPECTATIONS.keys().for_each(|key| self.key(key, false));
        }
    }

    /// Values of scalars of these shapes.
    pub(super) fn values(&mut self, shapes: &[Shape], before: &str, after: &str) {
        if let Some(at) = inside::condition(self.place) {
            self.condition(at, before, after);
            return;
        }
        let key = self.place.keys().next().and_then(|step| step.key).unwrap_or("");
        for shape in shapes {
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
                        let doc = EXPECTATIONS.key(word).map(docs::key).map(docs::without_heading).unwrap_or_default();
                        self.offer(word, CompletionKind::Word, doc).sort = 1;
                    }
                }
                Shape::SqlVerb => {
                    for verb in SQL_VERBS {
                        self.offer(verb.word, CompletionKind::Word, verb.doc).sort = 0;
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
            Names::Inherited(what) => {
                for (name, doc) in self.roots.inherited(what) {
                    self.offer(name, CompletionKind::Name, format!("{doc}\n\nLaid over what the base says")).sort = 0;
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
                    self.offer(key.name, CompletionKind::Name, docs::without_heading(docs::key(key)));
                    let Shape::Record(part) = key.shape else { continue };
                    // What is below is offered once its dot is typed: the list is long enough.
                    for below in part.keys().filter(|_| before.starts_with(key.name)) {
                        let doc = docs::without_heading(docs::key(below));
                        self.offer(format!("{}.{}", key.name, below.name), CompletionKind::Name, doc);
                    }
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
                    self.offer(
                        "postgres://",
                        CompletionKind::Word,
                        "A PostgreSQL server: `postgres://USER@HOST:PORT/NAME`, its password under `env` as `PGPASSWORD`",
                    );
                    self.files("", key, "sqlite:");
                }
            },
            Names::Base => {
                let typed = before.strip_prefix("./").unwrap_or(before);
                self.files(typed, key, "./");
            }
            Names::Test => self.test_names(),
            Names::Parameter | Names::Dimension => {}
        }
    }

    /// Names for a test that has none yet, by what it says and expects. Nothing refers to a test by its name, but it has
    /// to have one that no other has.
    fn test_names(&mut self) {
        let Some(test) = self.place.trail.last().map(|step| step.holder) else { return };
        let taken = self.roots.test_names();
        for name in names::names_for(test).into_iter().filter(|name| !taken.contains(name)) {
            self.offer(name, CompletionKind::Name, "A name by what the test says or expects").sort = 0;
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
        // Of a server of one's own, the catalog knows nothing.
        if !with_provider && !known && provider.and_then(Provider::from_word).is_some() {
            return;
        }
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
            // No spec is a database.
            if prefix == "sqlite:" && !found.is_folder && file_kind(&found.written).is_some() {
                continue;
            }
            let kind = if found.is_folder { CompletionKind::Folder } else { CompletionKind::File };
            let sort = match (found.fits, found.is_folder) {
                (_, true) => 2,
                (true, _) => 1,
                (false, _) => 3,
            };
            self.offer(format!("{prefix}{}", found.written), kind, "").sort = sort;
        }
    }

    pub(super) fn variables(&mut self, opened: Opened<'_>, after: &str) {
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
        if before.ends_with("tool.args.") {
            for (name, doc) in inside::arguments(self.place, &self.roots) {
                self.offer(name, CompletionKind::Variable, doc).detail = Some("an argument".to_owned());
            }
        }
        for follows in inside::follows(at, before, &self.roots) {
            let (label, insert, kind, doc, detail, sort) = match follows {
                Follows::Name(name, rest) => {
                    let doc = docs::without_heading(docs::name(name));
                    (rest.clone(), rest, CompletionKind::Variable, doc, name.kind.noun().to_owned(), 0)
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
                        docs::without_heading(docs::function(of)),
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
