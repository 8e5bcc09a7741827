//! From a name to where it is declared and used, across the files that belong together; and renaming.

use super::alias;
use super::host::{Doc, Host};
use super::names::BUILT_IN_VARIABLES;
use super::symbols::{Occurrence, Refusal, Symbol, SymbolKind, Usage, UsageRole, occurrences};
use super::world::{World, paths_of};
use crate::cx::read;
use crate::files::{file_kind, glob};
use crate::lower::tools::is_tool_name;
use aic_base::{RelPath, Source, Span};
use aic_guard::Builtin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What changes in each file: bytes, and what stands there afterwards.
pub type Edits = BTreeMap<RelPath, Vec<(Span, String)>>;

impl Host {
    /// The document, whether it is of the language or a prompt.
    pub(super) fn any(&self, path: &RelPath, text: &str) -> Arc<Doc> {
        if file_kind(path.file_name()).is_some() { self.doc(path, text) } else { self.plain(path, text) }
    }

    /// Where the name or path at a byte of a document leads to. `text` is the document as it is being typed; other files
    /// are read from `source`.
    pub fn definition(&self, source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Vec<Usage> {
        let doc = self.any(path, text);
        if let Some(found) = alias::at(&doc, offset) {
            return vec![Usage { path: path.clone(), span: found.anchor, role: UsageRole::Declares }];
        }
        let world = World::new(self, source);
        let Some(at) = at(&doc, offset) else { return files(source, &doc, offset) };
        let symbols: Vec<&Symbol> = same_place(&doc, at).map(|one| &one.symbol).collect();
        // The nearest declarations count: those here, else those of the specs it belongs to, else those of their bases.
        let mut circles = vec![vec![doc.clone()]];
        let specs = world.specs_of(&doc);
        let bases =
            specs.iter().flat_map(|spec| spec.root().into_iter().flat_map(|root| world.bases(&spec.path, root)));
        let bases = bases.collect::<Vec<_>>();
        circles.push(specs);
        circles.push(bases);
        for role in [UsageRole::Declares, UsageRole::Gives] {
            for circle in &circles {
                let found = usages(circle, &symbols, |one| one.role == role);
                if !found.is_empty() {
                    return found;
                }
            }
        }
        Vec::new()
    }

    /// Every place where the name at a byte of a document stands, by file and place; none where there is no name.
    pub fn references(&self, source: &dyn Source, path: &RelPath, text: &str, offset: usize) -> Vec<Usage> {
        let doc = self.any(path, text);
        let Some(at) = at(&doc, offset) else { return Vec::new() };
        let symbols: Vec<&Symbol> = same_place(&doc, at).map(|one| &one.symbol).collect();
        usages(&World::new(self, source).unit(&doc), &symbols, |_| true)
    }

    /// The places of the document itself where the name at a byte stands.
    pub fn highlights(&self, path: &RelPath, text: &str, offset: usize) -> Vec<Usage> {
        let doc = self.any(path, text);
        let Some(at) = at(&doc, offset) else { return Vec::new() };
        let symbols: Vec<&Symbol> = same_place(&doc, at).map(|one| &one.symbol).collect();
        usages(std::slice::from_ref(&doc), &symbols, |_| true)
    }

    /// The bytes of the name at a byte of a document, and the name, if it can be renamed; nothing where there is none.
    ///
    /// # Errors
    /// [`Refusal`], which says why this one cannot be.
    pub fn renamable(
        &self,
        source: &dyn Source,
        path: &RelPath,
        text: &str,
        offset: usize,
    ) -> Result<Option<(Span, String)>, Refusal> {
        let doc = self.any(path, text);
        let Some(at) = at(&doc, offset) else { return Ok(None) };
        let unit = World::new(self, source).unit(&doc);
        let symbol = meant(&doc, at, &unit);
        may_be_renamed(symbol, &unit)?;
        Ok(Some((at.span, symbol.name.clone())))
    }

    /// What has to change so that the name at a byte of a document becomes another one everywhere.
    ///
    /// # Errors
    /// [`Refusal`], which says why it cannot: nothing declares it, it is a built-in's, the new name is taken or needs
    /// quotes where the old one has none.
    pub fn rename(
        &self,
        source: &dyn Source,
        path: &RelPath,
        text: &str,
        offset: usize,
        new: &str,
    ) -> Result<Edits, Refusal> {
        let doc = self.any(path, text);
        let at = at(&doc, offset).ok_or_else(|| Refusal("there is no name here".into()))?;
        let unit = World::new(self, source).unit(&doc);
        let symbol = meant(&doc, at, &unit);
        may_be_renamed(symbol, &unit)?;
        fits(symbol, new)?;
        let wanted = Symbol { name: new.to_owned(), ..symbol.clone() };
        let taken = unit
            .iter()
            .flat_map(|doc| doc.occurrences())
            .any(|one| one.symbol == wanted && one.role == UsageRole::Declares);
        if taken && new != symbol.name {
            return Err(Refusal(format!("there is a {} `{new}` already", symbol.kind.as_str())));
        }
        is_free(symbol, new)?;
        let mut edits = Edits::new();
        for doc in &unit {
            let spans: Vec<Span> =
                doc.occurrences().iter().filter(|one| one.symbol == *symbol).map(|one| one.span).collect();
            if !spans.is_empty() {
                about_one(doc, symbol, &spans)?;
                still_read(doc, &spans, &wanted)?;
                edits.insert(doc.path.clone(), spans.into_iter().map(|span| (span, new.to_owned())).collect());
            }
        }
        Ok(edits)
    }
}

/// The name that a byte touches; of two that meet there, the one that begins.
fn at(doc: &Doc, offset: usize) -> Option<&Occurrence> {
    doc.occurrences().iter().rev().find(|one| one.span.touches(offset))
}

/// Everything that the same bytes may name: a confirmation is of a tool or of a guardrail.
fn same_place<'d>(doc: &'d Doc, at: &'d Occurrence) -> impl Iterator<Item = &'d Occurrence> {
    doc.occurrences().iter().filter(move |one| one.span == at.span)
}

/// Of what the same bytes may name, the one that is declared.
fn meant<'d>(doc: &'d Doc, at: &'d Occurrence, unit: &[Arc<Doc>]) -> &'d Symbol {
    let declared = |symbol: &Symbol| {
        unit.iter().flat_map(|doc| doc.occurrences()).any(|one| one.role != UsageRole::Uses && one.symbol == *symbol)
    };
    same_place(doc, at).map(|one| &one.symbol).find(|symbol| declared(symbol)).unwrap_or(&at.symbol)
}

fn usages(docs: &[Arc<Doc>], symbols: &[&Symbol], wanted: impl Fn(&Occurrence) -> bool) -> Vec<Usage> {
    let mut found = Vec::new();
    for doc in docs {
        for one in doc.occurrences().iter().filter(|one| symbols.contains(&&one.symbol) && wanted(one)) {
            found.push(Usage { path: doc.path.clone(), span: one.span, role: one.role });
        }
    }
    found.dedup_by(|a, b| a.path == b.path && a.span == b.span);
    found
}

/// The files that a path at a byte of a document leads to.
fn files(source: &dyn Source, doc: &Doc, offset: usize) -> Vec<Usage> {
    let named = paths_of(doc).into_iter().find(|named| named.span.touches(offset));
    let paths = named.map(|named| glob(source, &named.path)).unwrap_or_default();
    let there = paths.into_iter().filter(|path| source.has_file(path));
    there.map(|path| Usage { path, span: Span::at(0), role: UsageRole::Declares }).collect()
}

/// Why the language keeps a name of this kind for itself; nothing where it does not.
fn kept(kind: SymbolKind, name: &str) -> Option<String> {
    match kind {
        SymbolKind::Guardrail if Builtin::from_name(name).is_some() => {
            Some(format!("`{name}` is the name of a built-in"))
        }
        SymbolKind::Variable if BUILT_IN_VARIABLES.iter().any(|(built_in, _)| *built_in == name) => {
            Some(format!("`{name}` is a built-in variable"))
        }
        SymbolKind::Model if name == "primary" => {
            Some("`primary` is the model that answers: the name is the language's".into())
        }
        SymbolKind::Model if name == "fallback" => {
            Some("`fallback` is what answers when `primary` does not: the name is the language's".into())
        }
        SymbolKind::Variant if name == "default" => {
            Some("`default` is the prompts as they are: the name is the language's".into())
        }
        _ => None,
    }
}

/// Whether a name may be given to something that has another one so far.
fn is_free(symbol: &Symbol, new: &str) -> Result<(), Refusal> {
    match kept(symbol.kind, new).filter(|_| new != symbol.name) {
        Some(why) => Err(Refusal(why)),
        None => Ok(()),
    }
}

/// A condition may be about the arguments of several tools: with one of them renamed, it would mean only the others.
fn about_one(doc: &Doc, symbol: &Symbol, spans: &[Span]) -> Result<(), Refusal> {
    let other = |one: &&Occurrence| {
        one.symbol.kind == SymbolKind::Parameter && one.symbol.of != symbol.of && spans.contains(&one.span)
    };
    match doc.occurrences().iter().find(other) {
        Some(Occurrence { symbol: Symbol { of: Some(tool), .. }, .. }) if symbol.kind == SymbolKind::Parameter => {
            let message = format!(
                "a condition in `{}` is about `{}` of `{tool}` too: name the tool in it, or write it there by hand",
                doc.path, symbol.name
            );
            Err(Refusal(message))
        }
        _ => Ok(()),
    }
}

fn may_be_renamed(symbol: &Symbol, unit: &[Arc<Doc>]) -> Result<(), Refusal> {
    let Symbol { kind, name, .. } = symbol;
    let what = kind.as_str();
    if let Some(why) = kept(*kind, name) {
        let more = match kind {
            SymbolKind::Guardrail => format!(": write `name:` with a name of your own, and `use: {name}`"),
            _ => String::new(),
        };
        return Err(Refusal(format!("{why}{more}")));
    }
    let declared = |one: &Occurrence| one.role != UsageRole::Uses && one.symbol == *symbol;
    if !unit.iter().flat_map(|doc| doc.occurrences()).any(declared) {
        return Err(Refusal(format!("no file in reach declares the {what} `{name}`")));
    }
    Ok(())
}

fn fits(symbol: &Symbol, new: &str) -> Result<(), Refusal> {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    let good = match symbol.kind {
        SymbolKind::Test => !new.trim().is_empty() && !new.contains(['\n', '\r']),
        SymbolKind::Tool => is_tool_name(new),
        SymbolKind::Variable | SymbolKind::Parameter => {
            new.starts_with(|c: char| c.is_alphabetic() || c == '_') && new.chars().all(of_name)
        }
        _ => {
            new.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                && new.chars().all(|c| of_name(c) || matches!(c, '-' | '.'))
        }
    };
    if good { Ok(()) } else { Err(Refusal(format!("`{new}` is no name for a {}", symbol.kind.as_str()))) }
}

/// Whether the document, changed, says the new name everywhere where it said the old one.
fn still_read(doc: &Doc, spans: &[Span], wanted: &Symbol) -> Result<(), Refusal> {
    let mut text = doc.text.to_string();
    for span in spans.iter().rev() {
        if text.get(span.range()).is_some() {
            text.replace_range(span.range(), &wanted.name);
        }
    }
    let changed = Host::new().any(&doc.path, &text);
    let count = occurrences(&changed).iter().filter(|one| one.symbol == *wanted).count();
    let errors = |text: &str| match file_kind(doc.path.file_name()) {
        None => 0,
        Some(_) => read(&doc.path, text).errors.len(),
    };
    if count >= spans.len() && errors(&text) <= errors(&doc.text) {
        return Ok(());
    }
    Err(Refusal(format!("`{}` needs quotes in `{}`: write it there by hand", wanted.name, doc.path)))
}
