//! The part of a long document that decides what may stand at a place: its ancestors, the lines beside them, and the item
//! it stands in. The rest is left out before the document is parsed with a mark in it, so that completing a word costs
//! about the same in a long document as in a short one.
//!
//! This looks at lines and their indentation only. Where that does not tell the structure (brackets over several lines,
//! anchors), nothing is left out.

use std::ops::Range;

/// Shorter documents are parsed as a whole.
const MIN_BYTES: usize = 2048;

/// Parts with fewer lines are kept as a whole.
const MIN_LINES: usize = 24;

struct Line {
    bytes: Range<usize>,
    indent: usize,
    /// Not blank, and no comment.
    content: bool,
}

/// The bytes that can be left out for a cursor at `offset`, in order.
pub(super) fn dispensable(text: &str, offset: usize) -> Vec<Range<usize>> {
    if text.len() < MIN_BYTES || text.contains("<<") || text.contains(" &") || text.contains('\t') {
        return Vec::new();
    }
    let lines = lines(text);
    let Some(cursor) = lines.iter().position(|line| offset < line.bytes.end).or(lines.len().checked_sub(1)) else {
        return Vec::new();
    };
    let mut dropped: Vec<Range<usize>> = Vec::new();
    let mut part = 0..lines.len();
    while part.len() >= MIN_LINES {
        let Some(children) = children(text, &lines, &part) else { break };
        let Some(at) = children.starts.iter().rposition(|start| *start <= cursor) else { break };
        let mut inside = None;
        for (index, start) in children.starts.iter().enumerate() {
            let end = children.starts.get(index + 1).copied().unwrap_or(part.end);
            if index == at {
                inside = Some(start + 1..end);
            } else if children.is_list {
                dropped.push(*start..end);
            } else if start + 1 < end {
                dropped.push(start + 1..end);
            }
        }
        match inside {
            // On the line of the key itself what is in it matters as a whole; so does an item.
            Some(inside) if !children.is_list && children.starts.get(at) != Some(&cursor) => part = inside,
            _ => break,
        }
    }
    dropped.sort_by_key(|lines| lines.start);
    let bytes = dropped.into_iter().filter_map(|range| {
        let (first, last) = (lines.get(range.start)?, lines.get(range.end.checked_sub(1)?)?);
        Some(first.bytes.start..last.bytes.end)
    });
    bytes.filter(|range| !(range.start..=range.end).contains(&offset)).collect()
}

fn lines(text: &str) -> Vec<Line> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let start = at;
        at += line.len();
        let content = line.trim_end();
        let indent = content.len() - content.trim_start_matches(' ').len();
        let rest = content.get(indent..).unwrap_or("");
        Line { bytes: start..at, indent, content: !rest.is_empty() && !rest.starts_with('#') }
    });
    lines.collect()
}

struct Children {
    /// The lines that they begin on.
    starts: Vec<usize>,
    /// Whether they are items rather than keys.
    is_list: bool,
}

/// What a part consists of; none where that cannot be told by the lines.
fn children(text: &str, lines: &[Line], part: &Range<usize>) -> Option<Children> {
    let of = |at: usize| lines.get(at).filter(|line| line.content);
    let indent = part.clone().filter_map(of).map(|line| line.indent).min()?;
    let all: Vec<usize> = part.clone().filter(|at| of(*at).is_some_and(|line| line.indent == indent)).collect();
    let written = |at: &usize| lines.get(*at).and_then(|line| text.get(line.bytes.clone())).map_or("", str::trim);
    let is_item = |at: &usize| matches!(written(at), "-") || written(at).starts_with("- ");
    let is_list = all.iter().all(is_item);
    // Items may stand as far left as the key above them.
    let starts: Vec<usize> = if is_list { all } else { all.into_iter().filter(|at| !is_item(at)).collect() };
    let plain = |at: &usize| is_list || (is_key(written(at)) && is_closed(written(at)));
    (starts.len() > 1 && starts.iter().all(plain)).then_some(Children { starts, is_list })
}

/// Whether a line begins with a key, or may become one.
fn is_key(line: &str) -> bool {
    line.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '$'))
}

/// Whether every bracket and quote that a line opens is closed on it.
fn is_closed(line: &str) -> bool {
    let (mut open, mut quote, mut before) = (0i32, None, ' ');
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q && before != '\\' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '{' | '[') => open += 1,
            (None, '}' | ']') => open -= 1,
            (None, '#') if before == ' ' => break,
            _ => {}
        }
        before = c;
    }
    open == 0 && quote.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, cursor: &str) -> String {
        let offset = text.find(cursor).expect("a cursor");
        let mut kept = text.to_owned();
        for range in dispensable(text, offset).into_iter().rev() {
            kept.replace_range(range, "");
        }
        kept
    }

    fn long() -> String {
        let tests: String = (0..100).map(|at| format!("  - name: t{at}\n    input: x\n    expect: [a]\n")).collect();
        let tools = "tools:\n  allowed:\n    - name: a\n      effect: read\n    - b\n  blocked: [c]\n";
        format!("name: x\nprompts:\n  system: |\n    # Title\n    text\n{tools}tests:\n{tests}budget: {{steps: 1}}\n")
    }

    #[test]
    fn of_a_long_list_only_the_item_at_the_cursor_stays() {
        assert_eq!(
            kept(&long(), "input: x\n    expect: [a]\n  - name: t51"),
            "name: x\nprompts:\ntools:\ntests:\n  - name: t50\n    input: x\n    expect: [a]\nbudget: {steps: 1}\n"
        );
    }

    #[test]
    fn a_short_part_stays_as_it_is() {
        let kept = kept(&long(), "effect");
        assert!(kept.contains("    - b\n  blocked: [c]\n") && !kept.contains("t50"), "{kept}");
    }

    #[test]
    fn what_lines_do_not_tell_is_left_alone() {
        let filler = "# filler\n".repeat(300);
        for text in [
            format!("{filler}a: {{b: [\nc, d\n]}}\ne:\n  f: 1\n"),
            format!("{filler}a: &x {{b: 1}}\ne: *x\n"),
            format!("{filler}a: \"one\ntwo: three\"\ne: 1\n"),
            "a: 1\nb: 2\ne: 3\n".to_owned(),
        ] {
            assert_eq!(kept(&text, "a: ").len(), text.len(), "{text}");
            assert!(text.find("e: ").is_none_or(|_| kept(&text, "e: ") == text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_out_is_whole_lines_away_from_the_cursor(
            lines in proptest::collection::vec(proptest::sample::select(vec!["a:", "  b: 1", "- c", "  - d: [", "", "# e", "    f", "\"g"]), 40..400),
            at in 0usize..2000
        ) {
            let text = lines.join("\n");
            let offset = at.min(text.len());
            let mut end = 0;
            for range in dispensable(&text, offset) {
                proptest::prop_assert!(range.start >= end && range.end <= text.len() && range.start < range.end);
                proptest::prop_assert!(!(range.start..=range.end).contains(&offset));
                proptest::prop_assert!(range.start == 0 || text[..range.start].ends_with('\n'));
                end = range.end;
            }
        }
    }
}
