//! Hover: what is known of the key, word, name or variable under the cursor.

use super::alias;
use super::complete::builtin_of;
use super::host::{Doc, Host};
use super::names::{Declared, Own, Roots, variable_at};
use super::place::{Place, Spot, Wanted, find};
use super::refs::{self, Names};
use super::world::{self, World};
use super::{Hover, docs, inside, origin};
use crate::files::{glob, is_glob};
use crate::schema::{EXPECTATIONS, GUARDRAIL, Shape};
use crate::tree::{Node, place_in_scalar};
use aic_base::{LineIndex, RelPath, Source, Span};
use aic_guard::Builtin;
use std::sync::Arc;

/// How many files of a pattern are shown.
const MAX_FILES: usize = 12;

/// As [`Host::hover`], for who asks once.
pub fn hover(source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Option<Hover> {
    Host::new().hover(source, path, text, offset)
}

impl Host {
    /// What is known of what stands at a byte of a document; none where nothing is. Parameters as of [`Host::complete`].
    pub fn hover(&self, source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Option<Hover> {
        let doc = self.any(path, text);
        let world = World::new(self, source);
        let Some(root) = doc.root() else { return in_prompt(world, path, text, offset) };
        if let Some(found) = alias::at(&doc, offset) {
            let line = LineIndex::new(text).line_of(found.anchor.start as usize) + 1;
            let value = alias::value_line(text, found.anchor);
            let markdown =
                format!("**`*{}`** · alias\n\nStands for what `&{0}` names in line {line}: `{value}`", found.name);
            return Some(Hover { markdown, span: found.here });
        }
        let place = find(path, root, Wanted::At(offset))?;
        let roots = Roots::of(world, path, Own::Tree(root));
        let about = About { source, path, text, offset, roots, place: &place };
        let mut found = match place.spot {
            Spot::Key { map, entry } => about.key(map, &entry.key, &entry.value),
            Spot::Value(node) => about.value(node),
        };
        let more = origin::of(world, &Hovered { doc: &doc, root, place: &place, offset });
        match &mut found {
            Some(found) => found.markdown.push_str(&more),
            None if !more.is_empty() => {
                let one = doc.occurrences().iter().rev().find(|one| one.span.touches(offset))?;
                let markdown = format!("**`{}`** · {}{more}", one.symbol.name, one.symbol.kind.as_str());
                found = Some(Hover { markdown, span: one.span });
            }
            None => {}
        }
        found
    }
}

/// What hover is asked about.
pub(super) struct Hovered<'a> {
    pub(super) doc: &'a Arc<Doc>,
    pub(super) root: &'a Node,
    pub(super) place: &'a Place<'a>,
    pub(super) offset: usize,
}

/// A variable of a prompt that has a file of its own.
fn in_prompt(world: World<'_>, path: &RelPath, text: &str, offset: usize) -> Option<Hover> {
    let variable = variable_at(text, offset)?;
    let doc = inside::variables_of(&Roots::of(world, path, Own::Prompt)).swap_remove(&variable.name)?;
    Some(Hover { markdown: format!("**`${{{}}}`** · variable\n\n{doc}", variable.name), span: variable.span })
}

struct About<'a> {
    source: &'a dyn Source,
    path: &'a RelPath,
    text: &'a str,
    offset: usize,
    roots: Roots<'a>,
    place: &'a Place<'a>,
}

impl About<'_> {
    fn key(&self, map: &Node, key: &Node, value: &Node) -> Option<Hover> {
        let name = key.text()?;
        let found = |markdown| Some(Hover { markdown, span: key.span });
        for shape in &self.place.shapes {
            let known = match shape {
                Shape::Record(record) => record.key(name),
                Shape::Expectation => EXPECTATIONS.key(name),
                _ => None,
            };
            if let Some(known) = known {
                let mut markdown = docs::key(known);
                if let Shape::Record(record) = known.shape
                    && record.keys().any(|key| key.required)
                {
                    markdown.push_str(&format!("\n\nTakes {}.", docs::record(record)));
                }
                return found(markdown);
            }
            if let Shape::Record(record) = shape
                && std::ptr::eq(*record, &GUARDRAIL)
            {
                let param = builtin_of(map, self.place)
                    .and_then(|builtin| Some((builtin, builtin.params().iter().find(|param| param.name == name)?)));
                match (param, Builtin::from_name(name)) {
                    (Some((builtin, param)), _) => return found(docs::param(builtin, param)),
                    (None, Some(builtin)) => return found(docs::builtin(builtin)),
                    _ => {}
                }
            }
        }
        let named = refs::of_key(self.place).into_iter().find_map(|names| self.declared(names, name));
        named.or_else(|| self.declares(name, value)).and_then(found)
    }

    /// A key of the author's own where something is declared.
    fn declares(&self, name: &str, value: &Node) -> Option<String> {
        let step = self.place.keys().next()?;
        match (step.record?.title, step.key?) {
            ("the prompts", "variables") => {
                let doc = self.roots.declared(Declared::Variable).swap_remove(name)?;
                Some(format!("**`${{{name}}}`** · variable\n\n{doc}"))
            }
            ("a container spec" | "a service", "models") => {
                let model = value.text().or_else(|| value.get("model").and_then(Node::text))?;
                let facts = aic_catalog::find(value.get("provider").and_then(Node::text), model)?;
                Some(docs::model(facts))
            }
            _ => None,
        }
    }

    fn value(&self, node: &Node) -> Option<Hover> {
        let text = node.text()?;
        let inside = self.offset_inside(node, text);
        if let Some(variable) = inside.and_then(|at| variable_at(text, at)) {
            let doc = inside::variables(self.place, &self.roots).swap_remove(&variable.name);
            let span = place_in_scalar(self.text, node, variable.span);
            let markdown = match doc {
                Some(doc) => format!("**`${{{}}}`** · variable\n\n{doc}", variable.name),
                None if variable.name.starts_with("secret:") => {
                    format!("**`${{{}}}`**\n\nA secret from the environment or the keyring", variable.name)
                }
                None => return None,
            };
            return Some(Hover { markdown, span });
        }
        if let Some(at) = inside::condition(self.place) {
            return self.condition(node, at, text, inside?);
        }
        let found = |markdown| Some(Hover { markdown, span: node.span });
        for shape in &self.place.shapes {
            match shape {
                Shape::Words(words) => {
                    if let Some(word) = words.iter().find(|word| word.word == text) {
                        return found(format!("**`{text}`**\n\n{}", docs::word(word)));
                    }
                }
                Shape::Expectation => {
                    if let Some(key) = EXPECTATIONS.key(text) {
                        return found(docs::key(key));
                    }
                }
                Shape::Path | Shape::Glob => return found(self.files(text)?),
                _ => {}
            }
        }
        let named = refs::of_value(self.place).into_iter().find_map(|names| self.declared(names, text));
        named.or_else(|| self.read_as(text)).and_then(found)
    }

    /// A value that is no name: what its key is for, and what it is read as where a unit says so.
    fn read_as(&self, text: &str) -> Option<String> {
        let step = self.place.keys().next()?;
        let name = step.key?;
        let mut markdown = match step.record {
            Some(record) if std::ptr::eq(record, &EXPECTATIONS) => docs::key(EXPECTATIONS.key(name)?),
            Some(record) => match record.key(name) {
                Some(key) => docs::key(key),
                None if std::ptr::eq(record, &GUARDRAIL) => {
                    let of = builtin_of(step.holder, self.place);
                    let param = of.and_then(|of| Some((of, of.params().iter().find(|param| param.name == name)?)));
                    match param {
                        Some((of, param)) => docs::param(of, param),
                        None => docs::builtin(Builtin::from_name(name)?),
                    }
                }
                None => return None,
            },
            None => return None,
        };
        if let Some(read) = self.place.shapes.iter().find_map(|shape| docs::read_as(shape, text)) {
            markdown.push_str(&format!("\n\n`{}` is {read}.", text.trim()));
        }
        Some(markdown)
    }

    /// The byte of a scalar's value that the cursor touches, led back through quotes and folds by halving.
    fn offset_inside(&self, node: &Node, value: &str) -> Option<usize> {
        let at = |inside: usize| place_in_scalar(self.text, node, Span::at(inside)).start as usize;
        let (mut low, mut high) = (0, value.len());
        while low < high {
            let middle = value.floor_char_boundary(low + (high - low) / 2);
            let next = middle + value.get(middle..)?.chars().next()?.len_utf8();
            if at(next) <= self.offset { low = next } else { high = middle }
        }
        Some(low)
    }

    fn condition(&self, node: &Node, at: aic_guard::Place, text: &str, inside: usize) -> Option<Hover> {
        let (markdown, range) = match inside::function_at(text, inside) {
            Some((function, range)) => (docs::function(function), range),
            None => {
                let (name, range) = inside::name_at(at, text, inside)?;
                (docs::name(name), range)
            }
        };
        Some(Hover { markdown, span: place_in_scalar(self.text, node, range.into()) })
    }

    /// What a name leads to.
    fn declared(&self, names: Names, name: &str) -> Option<String> {
        match names {
            Names::Declared(Declared::Tool) | Names::Inherited(Declared::Tool) => {
                Some(format!("**`{name}`** · tool\n\n{}", self.roots.tool(name)?))
            }
            Names::Declared(what) | Names::Inherited(what) => {
                let doc = self.roots.declared(what).swap_remove(name)?;
                Some(format!("**`{name}`**\n\n{doc}"))
            }
            Names::Builtin => Builtin::from_name(name).map(docs::builtin),
            Names::Model => {
                let provider = self.place.trail.last().and_then(|step| step.holder.get("provider"));
                aic_catalog::find(provider.and_then(Node::text), name).map(docs::model)
            }
            Names::ProviderModel => {
                let (provider, model) = name.split_once('/')?;
                aic_catalog::find(Some(provider), model).map(docs::model)
            }
            Names::Words(words) => {
                words.iter().find(|(word, _)| *word == name).map(|(word, doc)| format!("**`{word}`**\n\n{doc}"))
            }
            Names::Database => self.files(name.strip_prefix("sqlite:")?),
            Names::Parameter => {
                let about = self.place.keys().next()?.holder;
                let tool = about.get("name").or_else(|| about.get("tool"))?.text()?;
                let doc = self.roots.parameters(tool).swap_remove(name)?;
                Some(format!("**`{name}`** · argument of `{tool}`\n\n{doc}"))
            }
            Names::Base => self.base(name),
            Names::TopKey | Names::Version | Names::Dimension | Names::Test => None,
        }
    }

    /// A base with its own bases, and what it brings.
    fn base(&self, written: &str) -> Option<String> {
        if !world::is_path(written) {
            return None;
        }
        let path = self.path.parent().join(written).ok()?;
        let world = self.roots.world();
        let Some(doc) = world.host.file(self.source, &path) else { return self.files(written) };
        let root = doc.root()?;
        let keys: Vec<String> =
            root.entries().iter().filter_map(|entry| Some(format!("`{}`", entry.key.text()?))).collect();
        let mut markdown = format!("**`{path}`** · base");
        if let Some(text) = root.get("description").and_then(Node::text) {
            markdown.push_str(&format!("\n\n{text}"));
        }
        if !keys.is_empty() {
            markdown.push_str(&format!("\n\nSays {}.", keys.join(", ")));
        }
        let above: Vec<String> = world.bases(&path, root).iter().map(|doc| format!("`{}`", doc.path)).collect();
        if !above.is_empty() {
            markdown.push_str(&format!("\n\nInherits from {}.", above.join(", then ")));
        }
        Some(markdown)
    }

    /// A file, or those that a pattern fits, as seen from the workspace.
    fn files(&self, written: &str) -> Option<String> {
        let path = self.path.parent().join(written).ok()?;
        if !is_glob(path.as_str()) {
            let there = if self.source.has_file(&path) { "" } else { "\n\nThere is no such file." };
            return Some(format!("**`{path}`**{there}"));
        }
        let found = glob(self.source, &path);
        let shown: String = found.iter().take(MAX_FILES).map(|path| format!("\n- `{path}`")).collect();
        let more = found.len().saturating_sub(MAX_FILES);
        let rest = if more > 0 { format!("\n- and {more} more") } else { String::new() };
        match found.len() {
            0 => Some(format!("**`{path}`**\n\nThere is no such file.")),
            _ => Some(format!("**`{path}`**\n{shown}{rest}")),
        }
    }
}
