//! Events of the parser to a tree: anchors, aliases, merge keys, duplicate keys, and bounds on depth and size.
//!
//! Iterative: hostile nesting costs no stack. Where the parser stops, what was read so far is closed and kept.

use super::offsets::Offsets;
use super::{Entry, Kind, MAX_DEPTH, Node, Style, SyntaxError, SyntaxKind, resolve};
use aic_base::Span;
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, StructureStyle, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How many nodes all aliases of a document may add together.
const MAX_ALIASED: usize = 100_000;

/// How many bytes of text they may add together.
const MAX_ALIASED_BYTES: usize = 8 * 1024 * 1024;

/// How far before its value a tag is looked for, in bytes.
const LONGEST_TAG: usize = 4096;

/// What one pass over a text gives.
pub(super) struct Built {
    pub(super) root: Option<Node>,
    /// What is wrong and does not stop the parser; in offsets of the original.
    pub(super) findings: Vec<SyntaxError>,
    /// Where and why the parser stopped.
    pub(super) stopped: Option<Stop>,
}

/// Where the parser stopped, in offsets of the original.
pub(super) struct Stop {
    pub(super) at: usize,
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    /// The end of the last thing that was read well.
    pub(super) last_good: usize,
    /// The open brackets, outermost first.
    pub(super) open_flow: Vec<usize>,
}

enum Frame {
    Map { entries: Vec<Entry>, key: Option<Node>, open: Open },
    Seq { items: Vec<Node>, open: Open },
}

struct Open {
    start: usize,
    flow: bool,
    anchor: usize,
}

struct Anchored {
    node: Node,
    size: Size,
}

/// How large a tree is.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    height: usize,
    bytes: usize,
}

struct Builder<'a> {
    /// The text that is read, repairs included.
    text: &'a str,
    offsets: &'a Offsets,
    stack: Vec<Frame>,
    /// Collections that are open below the depth that is kept.
    too_deep: usize,
    anchors: HashMap<usize, Anchored>,
    aliased: usize,
    aliased_bytes: usize,
    root: Option<Node>,
    findings: Vec<SyntaxError>,
    alias_bomb: bool,
}

/// Reads `text`; spans are those of the original that `offsets` leads back to.
pub(super) fn build<'t>(text: &'t str, offsets: &'t Offsets) -> Built {
    let options = granit_parser::options! { emit_comments: false, emit_unresolved_aliases: true };
    let mut builder = Builder {
        text,
        offsets,
        stack: Vec::new(),
        too_deep: 0,
        anchors: HashMap::new(),
        aliased: 0,
        aliased_bytes: 0,
        root: None,
        findings: Vec::new(),
        alias_bomb: false,
    };
    let mut last = 0;
    let mut stopped = None;
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(last..last);
                if matches!(event, Event::DocumentStart(..)) {
                    documents += 1;
                    if documents > 1 {
                        builder.more_documents(&range);
                        break;
                    }
                }
                if event.is_node() || matches!(event, Event::MappingEnd | Event::SequenceEnd) {
                    last = last.max(range.end);
                }
                builder.take(event, &range);
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(last).min(text.len());
                stopped = Some(Stop {
                    at: offsets.original(at),
                    kind: error.kind().clone(),
                    message: error.info(),
                    last_good: offsets.original(last),
                    open_flow: builder.open_flow(),
                });
                break;
            }
        }
    }
    builder.close_all(last);
    Built { root: builder.root, findings: builder.findings, stopped }
}

/// The comments of a text, as far as it can be read.
pub(super) fn comments(text: &str) -> Vec<String> {
    let options = granit_parser::options! { emit_comments: true, emit_unresolved_aliases: true };
    let events = Parser::new_from_str_with_options(text, options).map_while(Result::ok);
    let comments = events.filter_map(|(event, _)| match event {
        Event::Comment(text, _) => Some(text.trim().to_owned()),
        _ => None,
    });
    comments.collect()
}

impl Builder<'_> {
    fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.offsets.original(range.start), self.offsets.original(range.end))
    }

    fn open_flow(&self) -> Vec<usize> {
        let open = self.stack.iter().map(|frame| match frame {
            Frame::Map { open, .. } | Frame::Seq { open, .. } => open,
        });
        open.filter(|open| open.flow).map(|open| self.offsets.original(open.start)).collect()
    }

    fn take(&mut self, event: Event<'_>, range: &Range<usize>) {
        if self.too_deep > 0 {
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => self.too_deep += 1,
                Event::MappingEnd | Event::SequenceEnd => self.too_deep -= 1,
                _ => {}
            }
            return;
        }
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let node = match self.bare_tag(style, tag.as_deref(), range) {
                    Some(node) => node,
                    None => self.scalar(&value, style, tag, range),
                };
                self.push(node, anchor);
            }
            Event::Alias(id) => self.alias(id, range),
            Event::UnresolvedAlias(name) => self.unresolved(&name, range),
            Event::MappingStart(style, anchor, _) => {
                self.open(range, |open| Frame::Map { entries: Vec::new(), key: None, open }, style, anchor);
            }
            Event::SequenceStart(style, anchor, _) => {
                self.open(range, |open| Frame::Seq { items: Vec::new(), open }, style, anchor);
            }
            Event::MappingEnd | Event::SequenceEnd => self.close(range.end),
            _ => {}
        }
    }

    /// `condition: !has_pii(input)`: what was meant as text is read as a tag, which means nothing here.
    fn bare_tag(&mut self, style: ScalarStyle, tag: Option<&Tag>, range: &Range<usize>) -> Option<Node> {
        let tag = tag.filter(|tag| style == ScalarStyle::Plain && tag.core_suffix().is_none())?.original();
        let end = range.start.min(self.text.len());
        let near = self.text.floor_char_boundary(end.saturating_sub(LONGEST_TAG));
        // An empty value is said to stand behind the blanks, or on the next line.
        let start = near + self.text.get(near..end)?.rfind(&tag)?;
        let written = start + tag.len();
        let end = if range.is_empty() { written } else { range.end };
        let line = self.text.get(start..end).filter(|text| !text.contains('\n'))?;
        let (line, span) = (line.to_owned(), self.span(&(start..end)));
        let message = format!("`{tag}` without quotes is a YAML tag, which means nothing here: put the text in quotes");
        let fix = Some(crate::Fix::quote(span, &line));
        self.findings.push(SyntaxError { kind: SyntaxKind::Trap, span, message, fix, related: None });
        Some(Node::new(Kind::Str(line), span, Style::Plain))
    }

    fn scalar(&self, value: &str, style: ScalarStyle, tag: Option<Cow<'_, Tag>>, range: &Range<usize>) -> Node {
        let core = tag.as_deref().and_then(Tag::core_suffix).map(str::to_owned);
        let plain = style == ScalarStyle::Plain;
        let kind = resolve(value, plain && tag.is_none() || core.is_some(), core.as_deref());
        let raw = (!matches!(kind, Kind::Str(_) | Kind::Null)).then(|| value.into());
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        Node { kind, span: self.span(range), style, raw }
    }

    fn open(&mut self, range: &Range<usize>, frame: impl FnOnce(Open) -> Frame, style: StructureStyle, anchor: usize) {
        if self.stack.len() >= MAX_DEPTH {
            self.too_deep = 1;
            let span = self.span(range);
            self.find(
                SyntaxKind::TooDeep,
                span,
                format!("nested more than {MAX_DEPTH} levels deep: what lies deeper is not read"),
            );
            return;
        }
        let flow = style == StructureStyle::Flow;
        self.stack.push(frame(Open { start: range.start, flow, anchor }));
    }

    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else { return };
        let (kind, open, last) = match frame {
            Frame::Map { mut entries, key, open } => {
                if let Some(key) = key {
                    let value = Node::new(Kind::Null, Span::at(key.span.end as usize), Style::Plain);
                    entries.push(Entry { key, value });
                }
                // Before merges are resolved: what they bring stands elsewhere.
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end));
                let entries = self.settle(entries);
                (Kind::Map(entries), open, last)
            }
            Frame::Seq { items, open } => {
                let last = items.last().map(|item| item.span.end);
                (Kind::Seq(items), open, last)
            }
        };
        let start = self.offsets.original(open.start);
        // A block collection's end event stands at the next token; its own end is that of its last value.
        let end = if open.flow { self.offsets.original(end) } else { last.map_or(start, |last| last as usize) };
        let style = if open.flow { Style::Flow } else { Style::Block };
        let node = Node { kind, span: Span::new(start, end), style, raw: None };
        self.push(node, open.anchor);
    }

    fn close_all(&mut self, end: usize) {
        self.too_deep = 0;
        while !self.stack.is_empty() {
            self.close(end);
        }
    }

    fn push(&mut self, mut node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { size: measure(&node), node: node.clone() });
        }
        match self.stack.last_mut() {
            None => {
                self.root.get_or_insert(node);
            }
            Some(Frame::Seq { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    if node.is_null() && node.span.is_empty() {
                        node.span = Span::at(key.span.end as usize);
                    }
                    entries.push(Entry { key, value: node });
                }
            },
        }
    }

    fn alias(&mut self, id: usize, range: &Range<usize>) {
        let span = self.span(range);
        let depth = self.stack.len();
        let copy = match self.anchors.get(&id) {
            // The anchor of a collection that is still open: it would contain itself.
            None => {
                self.find(
                    SyntaxKind::Alias,
                    span,
                    "this alias stands inside what it names: write the value out".into(),
                );
                None
            }
            Some(anchored) if depth + anchored.size.height > MAX_DEPTH => {
                self.find(
                    SyntaxKind::TooDeep,
                    span,
                    format!("with this alias the document is nested more than {MAX_DEPTH} levels deep"),
                );
                None
            }
            Some(anchored)
                if self.aliased + anchored.size.nodes > MAX_ALIASED
                    || self.aliased_bytes + anchored.size.bytes > MAX_ALIASED_BYTES =>
            {
                if !self.alias_bomb {
                    self.alias_bomb = true;
                    self.find(
                        SyntaxKind::Alias,
                        span,
                        format!(
                            "the aliases of this document stand for more than {MAX_ALIASED} values or {} MiB: write fewer of them",
                            MAX_ALIASED_BYTES >> 20
                        ),
                    );
                }
                None
            }
            Some(anchored) => {
                self.aliased += anchored.size.nodes;
                self.aliased_bytes += anchored.size.bytes;
                Some(anchored.node.clone())
            }
        };
        let mut node = copy.unwrap_or_else(|| Node::new(Kind::Null, span, Style::Plain));
        node.span = span;
        node.style = Style::Alias;
        self.push(node, 0);
    }

    fn unresolved(&mut self, name: &str, range: &Range<usize>) {
        let span = self.span(range);
        let message = format!(
            "`*{name}` without quotes is a YAML alias, and nothing here has the anchor `&{name}`: put it in quotes"
        );
        let fix = crate::Fix::quote(span, &format!("*{name}"));
        self.findings.push(SyntaxError { kind: SyntaxKind::Trap, span, message, fix: Some(fix), related: None });
        self.push(Node::new(Kind::Str(format!("*{name}")), span, Style::Plain), 0);
    }

    /// Merge keys resolved, duplicate keys reported and dropped (the first one stays).
    fn settle(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut seen: HashMap<String, Span> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        let mut merged = Vec::new();
        for entry in entries {
            if entry.key.as_str() == Some("<<") && entry.key.style == Style::Plain {
                merged.push(entry);
                continue;
            }
            let key = entry.key.key_text().into_owned();
            if let Some(first) = seen.get(&key).copied().filter(|_| entry.key.text().is_some()) {
                let shown: String = key.chars().take(60).collect();
                self.findings.push(SyntaxError {
                    kind: SyntaxKind::DuplicateKey,
                    span: entry.key.span,
                    message: format!("the key `{shown}` stands here twice: remove or rename one of the two"),
                    fix: None,
                    related: Some((first, "it stands here first".into())),
                });
                continue;
            }
            seen.insert(key, entry.key.span);
            kept.push(entry);
        }
        if !merged.is_empty() {
            let mut names: HashSet<String> = seen.into_keys().collect();
            for entry in merged {
                self.merge(entry, &mut names, &mut kept);
            }
        }
        kept
    }

    fn merge(&mut self, entry: Entry, names: &mut HashSet<String>, kept: &mut Vec<Entry>) {
        let maps = match entry.value.kind {
            Kind::Seq(items) => items,
            _ => vec![entry.value],
        };
        for map in maps {
            let Kind::Map(entries) = map.kind else {
                self.find(SyntaxKind::Alias, map.span, "`<<` takes a map or a list of maps".into());
                continue;
            };
            kept.extend(entries.into_iter().filter(|entry| names.insert(entry.key.key_text().into_owned())));
        }
    }

    fn more_documents(&mut self, range: &Range<usize>) {
        let span = self.span(range);
        self.find(
            SyntaxKind::MoreDocuments,
            span,
            "a second YAML document begins here and is not read: write one document a file".into(),
        );
    }

    fn find(&mut self, kind: SyntaxKind, span: Span, message: String) {
        self.findings.push(SyntaxError { kind, span, message, fix: None, related: None });
    }
}

fn measure(node: &Node) -> Size {
    let (mut nodes, mut height, mut bytes) = (0, 0, 0);
    let mut stack = vec![(node, 1)];
    while let Some((node, level)) = stack.pop() {
        nodes += 1;
        height = height.max(level);
        bytes += node.text().map_or(0, str::len);
        stack.extend(node.items().iter().map(|item| (item, level + 1)));
        stack.extend(node.entries().iter().flat_map(|entry| [(&entry.key, level + 1), (&entry.value, level + 1)]));
    }
    Size { nodes, height, bytes }
}
