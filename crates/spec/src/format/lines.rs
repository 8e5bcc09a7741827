//! Line by line: line ends, blanks at the end, empty lines. Lines of texts that span several are theirs and stay.

use crate::tree::{Kind, Node, Style};

/// Without a byte order mark, with `\n` at the end of each line.
pub(super) fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

/// Which lines belong to a text that spans several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Inside {
    /// None.
    #[default]
    Nothing,
    /// A text whose lines are content, blanks included.
    Literal,
    /// A quoted text, or one without quotes: blanks at its line breaks do not count.
    Flowing,
    /// A list or map in brackets.
    Brackets,
}

/// Where each line begins, and one more past the end.
pub(super) fn starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    starts
}

pub(super) fn line_of(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|start| *start <= at).saturating_sub(1)
}

/// For each line whether it goes on with something that began above it.
pub(super) fn inside(starts: &[usize], root: &Node) -> Vec<Inside> {
    let mut lines = vec![Inside::Nothing; starts.len()];
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if node.style == Style::Alias {
            continue;
        }
        let kind = match (&node.kind, node.style) {
            (_, Style::Literal | Style::Folded) => Inside::Literal,
            (Kind::Map(_) | Kind::Seq(_), Style::Flow) => Inside::Brackets,
            (Kind::Map(_) | Kind::Seq(_), _) => Inside::Nothing,
            _ => Inside::Flowing,
        };
        if kind != Inside::Nothing && !node.span.is_empty() {
            let first = line_of(starts, node.span.start as usize);
            let last = line_of(starts, (node.span.end as usize).saturating_sub(1).max(node.span.start as usize));
            let from = if kind == Inside::Literal { first } else { first + 1 };
            for line in lines.iter_mut().take(last + 1).skip(from) {
                *line = kind;
            }
        }
        if kind == Inside::Nothing || kind == Inside::Brackets {
            stack.extend(node.items());
            stack.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
        }
    }
    lines
}

/// Only what is at the end of lines, and how many lines are empty.
pub(super) fn trimmed(text: &str, root: Option<&Node>) -> String {
    let starts = starts(text);
    let inside = root.map_or_else(|| vec![Inside::Nothing; starts.len()], |root| inside(&starts, root));
    tidy(text.split('\n').zip(inside).map(|(line, inside)| (line.to_owned(), inside)))
}

/// Puts lines together: no blanks at their end, one empty line at most, none at the beginning and the end.
pub(super) fn tidy(lines: impl Iterator<Item = (String, Inside)>) -> String {
    let mut out = String::new();
    let mut empty = 0;
    for (line, inside) in lines {
        if inside == Inside::Literal {
            out.extend(std::iter::repeat_n('\n', std::mem::take(&mut empty)));
            out.push_str(&line);
            out.push('\n');
            continue;
        }
        let line = line.trim_end_matches([' ', '\t']);
        if line.is_empty() {
            // Empty lines in a text without brackets are line breaks of it.
            empty = if inside == Inside::Flowing { empty + 1 } else { (empty + 1).min(1) };
            continue;
        }
        if !out.is_empty() {
            out.extend(std::iter::repeat_n('\n', empty));
        }
        empty = 0;
        out.push_str(line);
        out.push('\n');
    }
    out
}
