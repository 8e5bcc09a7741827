//! The shape of a document: its outline, what can be folded, what surrounds a place, and the files it links to.

use super::host::{Doc, Host};
use super::symbols::{SymbolKind, UsageRole};
use super::world::{World, paths_of};
use crate::files::file_kind;
use crate::tree::{Entry, Kind, Node, Style};
use aic_base::{RelPath, Source, Span};
use std::collections::HashMap;

/// How deep an outline goes, and how many lines of a value it shows.
const MAX_LEVELS: usize = 6;
const MAX_DETAIL: usize = 60;

/// One line of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineItem {
    /// Its name.
    pub name: String,
    /// A few words beside it: a value, how many parts it has.
    pub detail: Option<String>,
    /// What it declares, if anything.
    pub declares: Option<SymbolKind>,
    /// All of it.
    pub span: Span,
    /// Its name; inside of `span`.
    pub name_span: Span,
    /// What is in it.
    pub children: Vec<OutlineItem>,
}

/// Something that can be folded: the lines from the first to the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// The bytes.
    pub span: Span,
    /// Whether it is comments.
    pub comment: bool,
}

impl Host {
    /// The outline of a document.
    pub fn outline(&self, path: &RelPath, text: &str) -> Vec<OutlineItem> {
        let doc = self.any(path, text);
        let declared = doc.occurrences().iter().filter(|one| one.role == UsageRole::Declares);
        let declared = declared.map(|one| (one.span.start, one.symbol.kind)).collect();
        doc.root().map(|root| children(root, &declared, 0)).unwrap_or_default()
    }

    /// What can be folded in a document, by place.
    pub fn folds(&self, path: &RelPath, text: &str) -> Vec<Fold> {
        let doc = self.any(path, text);
        let mut found = Vec::new();
        let mut texts = Vec::new();
        if let Some(root) = doc.root() {
            folds(root, &doc, &mut found, &mut texts);
        }
        if file_kind(path.file_name()).is_some() {
            comments(text, &mut texts, &mut found);
        }
        found.sort_by_key(|fold| (fold.span.start, fold.span.end));
        found
    }

    /// What surrounds a byte of a document, the smallest first; each holds the one before it.
    pub fn surroundings(&self, path: &RelPath, text: &str, offset: usize) -> Vec<Span> {
        let doc = self.any(path, text);
        let mut found = Vec::new();
        if let Some(root) = doc.root() {
            surround(root, offset, &mut found);
        }
        found.push(Span::new(0, text.len()));
        if text.is_char_boundary(offset) {
            found.push(super::probe::word_at(text, offset));
        }
        found.retain(|span| !span.is_empty() && span.touches(offset) && text.get(span.range()).is_some());
        found.sort_by_key(|span| span.len());
        let mut chain: Vec<Span> = Vec::new();
        for span in found {
            let holds = |last: &Span| span.start <= last.start && last.end <= span.end && span != *last;
            if chain.last().is_none_or(holds) {
                chain.push(span);
            }
        }
        chain
    }

    /// The files that a document names and that are there, with the bytes that name them.
    pub fn links(&self, source: &dyn Source, path: &RelPath, text: &str) -> Vec<(Span, RelPath)> {
        let doc = self.any(path, text);
        let named = paths_of(&doc).into_iter().filter(|named| !named.is_glob && source.has_file(&named.path));
        named.map(|named| (named.span, named.path)).collect()
    }

    /// What the specs and tests of a workspace declare and whose name holds these letters, in any case.
    pub fn workspace_symbols(
        &self,
        source: &dyn Source,
        files: &[RelPath],
        query: &str,
        most: usize,
    ) -> Vec<(super::Symbol, RelPath, Span)> {
        let query = query.to_lowercase();
        let world = World::new(self, source);
        let mut found = Vec::new();
        for doc in files.iter().filter_map(|path| world.host.file(source, path)) {
            let declared = doc.occurrences().iter().filter(|one| one.role == UsageRole::Declares);
            for one in declared.filter(|one| one.symbol.name.to_lowercase().contains(&query)) {
                if found.len() >= most {
                    return found;
                }
                found.push((one.symbol.clone(), doc.path.clone(), one.span));
            }
        }
        found
    }
}

fn children(node: &Node, declared: &HashMap<u32, SymbolKind>, level: usize) -> Vec<OutlineItem> {
    if level >= MAX_LEVELS || node.style == Style::Alias {
        return Vec::new();
    }
    match &node.kind {
        Kind::Map(entries) => entries.iter().filter_map(|entry| of_entry(entry, declared, level)).collect(),
        Kind::Seq(items) => items.iter().filter_map(|item| of_item(item, declared, level)).collect(),
        _ => Vec::new(),
    }
}

fn of_entry(Entry { key, value }: &Entry, declared: &HashMap<u32, SymbolKind>, level: usize) -> Option<OutlineItem> {
    let name = key.text().filter(|name| !name.trim().is_empty())?.to_owned();
    Some(OutlineItem {
        name,
        detail: detail(value),
        declares: kind_at(key, declared),
        span: whole(key, value),
        name_span: key.span,
        children: children(value, declared, level + 1),
    })
}

/// An item of a list that has a name of some kind.
fn of_item(item: &Node, declared: &HashMap<u32, SymbolKind>, level: usize) -> Option<OutlineItem> {
    let name = match item.entries() {
        [] => item,
        [only] => &only.key,
        entries => {
            entries.iter().find(|entry| matches!(entry.key.text(), Some("name" | "step"))).map(|entry| &entry.value)?
        }
    };
    // Of a map with one key that is its name, the name is the value.
    let name = item.get("name").filter(|name| name.text().is_some()).unwrap_or(name);
    let text = name.text().filter(|text| !text.trim().is_empty())?;
    let declares = kind_at(name, declared);
    if item.entries().is_empty() && declares.is_none() {
        return None;
    }
    let inside = item.entries().iter().filter(|entry| entry.key.text() != Some("name"));
    Some(OutlineItem {
        name: text.lines().next().unwrap_or(text).to_owned(),
        detail: None,
        declares,
        span: item.span.to(name.span),
        name_span: name.span,
        children: match declares {
            Some(_) => inside.filter_map(|entry| of_entry(entry, declared, level + 1)).collect(),
            None => Vec::new(),
        },
    })
}

fn kind_at(node: &Node, declared: &HashMap<u32, SymbolKind>) -> Option<SymbolKind> {
    // A name in quotes begins one byte later than its node.
    declared.get(&node.span.start).or_else(|| declared.get(&(node.span.start + 1))).copied()
}

fn detail(value: &Node) -> Option<String> {
    let text = value.text()?;
    let line = text.lines().next().unwrap_or("");
    let short: String = line.chars().take(MAX_DETAIL).collect();
    Some(if short.len() < text.trim_end().len() { format!("{short}…") } else { short })
}

/// A key and its value. A value that is an alias stands elsewhere.
fn whole(key: &Node, value: &Node) -> Span {
    if value.span.start >= key.span.start { key.span.to(value.span) } else { key.span }
}

fn folds(node: &Node, doc: &Doc, found: &mut Vec<Fold>, texts: &mut Vec<Span>) {
    let lines = |span: Span| span.of(&doc.text).trim_end().contains(['\n', '\r']);
    let fold = |span: Span| {
        let len = span.of(&doc.text).trim_end().len();
        let span = Span::new(span.start as usize, span.start as usize + len);
        lines(span).then_some(Fold { span, comment: false })
    };
    match &node.kind {
        _ if node.style == Style::Alias => {}
        Kind::Map(entries) => {
            for entry in entries {
                found.extend(fold(whole(&entry.key, &entry.value)));
                folds(&entry.value, doc, found, texts);
            }
        }
        Kind::Seq(items) => {
            for item in items {
                if matches!(item.kind, Kind::Map(_)) && item.style != Style::Alias {
                    found.extend(fold(item.span));
                }
            }
            items.iter().for_each(|item| folds(item, doc, found, texts));
        }
        Kind::Str(_) if lines(node.span) => texts.push(node.span),
        _ => {}
    }
}

/// Lines of comments that follow one another, outside of texts.
fn comments(text: &str, texts: &mut [Span], found: &mut Vec<Fold>) {
    texts.sort_by_key(|span| span.start);
    let mut texts = texts.iter().peekable();
    let mut open: Option<(usize, usize, usize)> = None;
    let mut at = 0;
    let mut close = |open: &mut Option<(usize, usize, usize)>| {
        if let Some((start, end, _)) = open.take().filter(|(.., lines)| *lines > 1) {
            found.push(Fold { span: Span::new(start, end), comment: true });
        }
    };
    for line in text.split_inclusive('\n') {
        while texts.peek().is_some_and(|span| (span.end as usize) <= at) {
            texts.next();
        }
        let content = line.trim_end();
        let blank = content.len() - content.trim_start().len();
        let in_text = texts.peek().is_some_and(|span| (span.start as usize) < at + blank);
        if content.trim_start().starts_with('#') && !in_text {
            let (start, lines) = open.map_or((at + blank, 0), |(start, _, lines)| (start, lines));
            open = Some((start, at + content.len(), lines + 1));
        } else {
            close(&mut open);
        }
        at += line.len();
    }
    close(&mut open);
}

fn surround(node: &Node, offset: usize, found: &mut Vec<Span>) {
    if node.style == Style::Alias || !node.span.touches(offset) {
        return;
    }
    found.push(node.span);
    let quote = match node.style {
        Style::SingleQuoted | Style::DoubleQuoted => 1,
        Style::TripleQuoted | Style::TripleLiteral => 3,
        _ => 0,
    };
    if quote > 0 && node.span.len() > 2 * quote {
        found.push(Span::new(node.span.start as usize + quote, node.span.end as usize - quote));
    }
    node.items().iter().for_each(|item| surround(item, offset, found));
    for entry in node.entries() {
        let whole = whole(&entry.key, &entry.value);
        if whole.touches(offset) {
            found.push(whole);
            surround(&entry.key, offset, found);
            surround(&entry.value, offset, found);
        }
    }
}
