//! Indentation and blanks, told from the tree: each block two columns right of what holds it.

use super::lines::{Inside, inside, line_of, starts, tidy};
use crate::tree::{Kind, Node, Style};
use std::collections::BTreeMap;
use std::ops::Range;

const STEP: usize = 2;

/// What the tree says of the lines.
struct Layout<'t> {
    text: &'t str,
    starts: Vec<usize>,
    inside: Vec<Inside>,
    /// The columns at which lines begin that begin something of a block.
    columns: BTreeMap<usize, usize>,
    /// How far the other lines of what spans several move; for texts without brackets, where they begin.
    moves: BTreeMap<usize, Move>,
    /// How far the content of the literal that holds a line is indented; in one of nothing but blanks, these say nothing.
    content: Vec<usize>,
    /// Blanks between tokens: a range of the text and what stands there.
    gaps: BTreeMap<usize, (usize, &'static str)>,
}

#[derive(Debug, Clone, Copy)]
enum Move {
    By(isize),
    To(usize),
}

pub(super) fn layout(text: &str, root: &Node) -> String {
    let starts = starts(text);
    let inside = inside(&starts, root);
    let content = vec![usize::MAX; starts.len()];
    let mut layout = Layout {
        text,
        starts,
        inside,
        columns: BTreeMap::new(),
        moves: BTreeMap::new(),
        content,
        gaps: BTreeMap::new(),
    };
    layout.node(root, 0, None);
    layout.write()
}

impl<'t> Layout<'t> {
    fn line(&self, at: usize) -> usize {
        line_of(&self.starts, at)
    }

    fn line_text(&self, line: usize) -> &'t str {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        self.text.get(start..end).unwrap_or("")
    }

    fn indent(&self, line: usize) -> usize {
        let line = self.line_text(line);
        line.len() - line.trim_start_matches(' ').len()
    }

    /// Whether nothing but blanks stands before this on its line.
    fn begins_line(&self, at: usize) -> bool {
        let start = self.starts.get(self.line(at)).copied().unwrap_or(0);
        self.text.get(start..at).is_some_and(|before| before.bytes().all(|byte| byte == b' '))
    }

    /// A node that stands in a block at this column; `header` is the line of the key or dash that holds it.
    fn node(&mut self, node: &Node, column: usize, header: Option<usize>) {
        if node.style == Style::Alias || node.span.is_empty() {
            return;
        }
        let first = self.line(node.span.start as usize);
        match (&node.kind, node.style) {
            (Kind::Map(_), Style::Block) => self.map(node, column),
            (Kind::Seq(_), Style::Block) => self.seq(node, column),
            (Kind::Map(_) | Kind::Seq(_), _) => {
                self.flow(node);
                self.begin(node, column, header);
                let by = self.columns.get(&first).map_or(0, |new| *new as isize - self.indent(first) as isize);
                self.rest(node, first + 1, Move::By(by));
            }
            (_, Style::Literal | Style::Folded) => self.literal(node, column, header),
            _ => {
                self.begin(node, column, header);
                self.rest(node, first + 1, Move::To(column));
            }
        }
    }

    /// What begins on a line of its own below its key.
    fn begin(&mut self, node: &Node, column: usize, header: Option<usize>) {
        let at = node.span.start as usize;
        let first = self.line(at);
        if header.is_some_and(|header| header < first) && self.begins_line(at) {
            self.columns.entry(first).or_insert(column);
        }
    }

    fn rest(&mut self, node: &Node, from: usize, by: Move) {
        let last = self.line((node.span.end as usize).saturating_sub(1).max(node.span.start as usize));
        for line in from..=last {
            self.moves.entry(line).or_insert(by);
        }
    }

    /// The lines of a literal move together; where its header says how far they are indented, with what holds it.
    fn literal(&mut self, node: &Node, column: usize, header: Option<usize>) {
        let first = self.line(node.span.start as usize);
        let last = self.line((node.span.end as usize).saturating_sub(1).max(node.span.start as usize));
        let Some(header) = header else { return };
        let explicit =
            self.line_text(header).trim_end().ends_with(|c: char| c.is_ascii_digit())
                || self.line_text(header).contains(['|', '>'].as_slice())
                    && self.line_text(header).rsplit(['|', '>']).next().is_some_and(|rest| {
                        rest.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit())
                    });
        let old = (first.max(header + 1)..=last)
            .map(|line| (line, self.line_text(line)))
            .find(|(_, text)| !text.trim().is_empty());
        let Some((line, _)) = old else { return };
        let by = if explicit {
            self.columns.get(&header).map_or(0, |new| *new as isize - self.indent(header) as isize)
        } else {
            column as isize - self.indent(line) as isize
        };
        let indent = self.indent(line);
        for line in header + 1..=last {
            self.moves.entry(line).or_insert(Move::By(by));
            if let Some(content) = self.content.get_mut(line) {
                *content = indent;
            }
            if let Some(inside) = self.inside.get_mut(line) {
                *inside = Inside::Literal;
            }
        }
    }

    fn map(&mut self, node: &Node, column: usize) {
        for entry in node.entries() {
            let (key, value) = (&entry.key, &entry.value);
            // What a merge brings stands elsewhere.
            if key.span.start < node.span.start || key.span.end > node.span.end || key.span.is_empty() {
                continue;
            }
            let at = key.span.start as usize;
            let line = self.line(at);
            if self.begins_line(at) {
                self.columns.entry(line).or_insert(column);
            }
            self.colon(key, value);
            self.node(value, column + STEP, Some(self.line(key.span.end as usize)));
        }
    }

    fn seq(&mut self, node: &Node, column: usize) {
        for item in node.items() {
            let start = item.span.start as usize;
            if item.span.is_empty() || start < node.span.start as usize {
                continue;
            }
            let Some(dash) = self.text.get(..start).and_then(|before| before.rfind('-')) else { continue };
            let line = self.line(dash);
            if self.begins_line(dash) {
                self.columns.entry(line).or_insert(column);
            }
            self.after(dash + 1, item);
            self.node(item, column + STEP, Some(line));
        }
    }

    fn colon(&mut self, key: &Node, value: &Node) {
        let from = key.span.end as usize;
        let Some(rest) = self.text.get(from..) else { return };
        let before = rest.len() - rest.trim_start_matches(' ').len();
        if !rest.get(before..).is_some_and(|rest| rest.starts_with(": ")) {
            return;
        }
        let mark = from + before;
        self.after(mark + 1, value);
        if before > 0 && !value.span.is_empty() {
            self.gap(from..mark, "");
        }
    }

    /// One blank behind a colon or a dash, and behind each anchor, tag and header of a text that stands before the value.
    fn after(&mut self, from: usize, value: &Node) {
        let start = value.span.start as usize;
        let line = self.text.get(from..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |end| from + end);
        let end = line.min(start.max(from));
        let mut at = from;
        while let Some(rest) = self.text.get(at..end) {
            let next = at + rest.len() - rest.trim_start_matches(' ').len();
            let token = self.text.get(next..end).unwrap_or("");
            let value_here = next == start && !value.span.is_empty();
            if next == at || !(value_here || token.starts_with(['&', '!', '|', '>'])) {
                return;
            }
            self.gap(at..next, " ");
            if value_here {
                return;
            }
            at = next + token.find(' ').unwrap_or(token.len());
        }
    }

    fn gap(&mut self, range: Range<usize>, with: &'static str) {
        if self.text.get(range.clone()).is_some_and(|stands| stands != with) {
            self.gaps.entry(range.start).or_insert((range.end, with));
        }
    }

    /// Blanks in brackets: none at them, one after a comma and a colon.
    fn flow(&mut self, node: &Node) {
        let (start, end) = (node.span.start as usize, node.span.end as usize);
        let open = self.text.get(start..).is_some_and(|text| text.starts_with(['{', '[']));
        let inner = |child: &&Node| child.span.start >= node.span.start && child.span.end <= node.span.end;
        let mut children: Vec<(&Node, &Node)> = Vec::new();
        for entry in node.entries() {
            if inner(&&entry.key) && !entry.key.span.is_empty() {
                self.colon(&entry.key, &entry.value);
                let last = if entry.value.span.is_empty() { &entry.key } else { &entry.value };
                children.push((&entry.key, last));
            }
        }
        children
            .extend(node.items().iter().filter(inner).filter(|item| !item.span.is_empty()).map(|item| (item, item)));
        let blank = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b' ');
        if let (true, Some((first, _))) = (open, children.first()) {
            let range = start + 1..first.span.start as usize;
            if self.text.get(range.clone()).is_some_and(blank) {
                self.gap(range, "");
            }
        }
        for pair in children.windows(2) {
            if let [(_, before), (after, _)] = pair {
                let range = before.span.end as usize..after.span.start as usize;
                if self.text.get(range.clone()).is_some_and(|text| text.trim_matches(' ') == ",") {
                    self.gap(range, ", ");
                }
            }
        }
        if let (true, Some((_, last))) = (open, children.last()) {
            let range = last.span.end as usize..end.saturating_sub(1);
            if self.text.get(range.clone()).is_some_and(blank) {
                self.gap(range, "");
            }
        }
        for child in node.entries().iter().map(|entry| &entry.value).chain(node.items()) {
            if child.style != Style::Alias && matches!(child.kind, Kind::Map(_) | Kind::Seq(_)) && inner(&child) {
                self.flow(child);
            }
        }
    }

    fn write(&self) -> String {
        let new_indents = self.indents();
        let lines = (0..self.starts.len()).map(|line| {
            let text = self.line_text(line);
            let kind = self.inside.get(line).copied().unwrap_or_default();
            let indent = new_indents.get(line).copied().unwrap_or(0);
            if kind == Inside::Literal && text.trim_matches(' ').is_empty() {
                // Blanks beyond the indentation are content.
                let beyond = text.len().saturating_sub(self.content.get(line).copied().unwrap_or(usize::MAX));
                let kept = if beyond > 0 && !text.is_empty() { " ".repeat(indent + beyond) } else { String::new() };
                return (kept, kind);
            }
            (format!("{}{}", " ".repeat(indent), self.without_gaps(line)), kind)
        });
        tidy(lines)
    }

    /// The line without its indentation, its gaps filled.
    fn without_gaps(&self, line: usize) -> String {
        let text = self.line_text(line);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let mut at = start + self.indent(line);
        let end = start + text.len();
        let mut out = String::with_capacity(text.len());
        for (from, (to, with)) in self.gaps.range(at..end) {
            if *from < at || *to > end {
                continue;
            }
            out.push_str(self.text.get(at..*from).unwrap_or(""));
            out.push_str(with);
            at = *to;
        }
        out.push_str(self.text.get(at..end).unwrap_or(""));
        out
    }

    fn indents(&self) -> Vec<usize> {
        let below = self.structure_below();
        let mut new: Vec<usize> = Vec::with_capacity(self.starts.len());
        // The lines above that hold the current one or stand beside it: old column and new, ascending.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for line in 0..self.starts.len() {
            let old = self.indent(line);
            let kind = self.inside.get(line).copied().unwrap_or_default();
            let alike =
                open.binary_search_by_key(&old, |(old, _)| *old).ok().and_then(|at| open.get(at)).map(|at| at.1);
            let next = below.get(line).copied().flatten();
            let column = |line: usize| self.columns.get(&line).copied().unwrap_or_else(|| self.indent(line));
            let indent = match (self.columns.get(&line), self.moves.get(&line)) {
                // A comment stands like the line that it is above of, else like what it follows.
                _ if self.is_comment(line) && kind == Inside::Nothing => match next {
                    // At the edge, with nothing below: about the document, whatever stood there last.
                    None if old == 0 => 0,
                    Some(next) if self.indent(next) == old => column(next),
                    _ => alike.or_else(|| next.map(column)).unwrap_or(0),
                },
                (Some(column), _) => *column,
                (None, Some(Move::To(column))) => *column,
                (None, Some(Move::By(by))) => old.saturating_add_signed(*by),
                // Merges, dashes without an item, marks of documents: as the lines around that begin where it does.
                (None, None) => {
                    let beside = next.filter(|next| self.indent(*next) == old);
                    alike.or_else(|| beside.map(column)).unwrap_or(old)
                }
            };
            if self.is_structure(line) {
                open.truncate(open.partition_point(|(known, _)| *known < old));
                open.push((old, indent));
            }
            new.push(indent);
        }
        new
    }

    /// For each line the next one below that begins something.
    fn structure_below(&self) -> Vec<Option<usize>> {
        let mut below = vec![None; self.starts.len()];
        let mut next = None;
        for line in (0..self.starts.len()).rev() {
            if let Some(known) = below.get_mut(line) {
                *known = next;
            }
            if self.is_structure(line) {
                next = Some(line);
            }
        }
        below
    }

    fn is_comment(&self, line: usize) -> bool {
        self.line_text(line).trim_start_matches(' ').starts_with('#')
    }

    fn is_structure(&self, line: usize) -> bool {
        let kind = self.inside.get(line).copied().unwrap_or_default();
        kind == Inside::Nothing && !self.is_comment(line) && !self.line_text(line).trim().is_empty()
    }
}
