//! Formatting: the layout of `aic fmt`, as edits of the lines that change, so that cursors and folds elsewhere stay.

use crate::position::Lines;
use crate::shared::Snapshot;
use aic_base::Span;
use aic_spec::file_kind;
use similar::{Algorithm, DiffTag, capture_diff_slices};
use tower_lsp_server::ls_types::{Range, TextEdit};

/// Where more lines than this differ, they are replaced as a whole: finding out which do takes their product in the worst
/// case.
const MAX_LINES: usize = 2_000;

/// What formatting changes, or why it changes nothing.
pub(crate) type Formatted = Result<Vec<TextEdit>, String>;

/// The edits that lay a document out, or only those that meet a range of it; none for what has no layout: prompts and
/// TOML.
pub(crate) fn of(snapshot: &Snapshot, lines: &Lines<'_>, within: Option<Range>) -> Option<Formatted> {
    let document = &snapshot.document;
    let name = document.home.path.file_name();
    if file_kind(name).is_none() || name.ends_with(".toml") {
        return None;
    }
    let text = &*document.text;
    Some(match aic_spec::format(text) {
        Ok(formatted) => {
            let within = within.map(|range| lines.bytes(range));
            let wanted = |span: Span| {
                let meets = |within: &std::ops::Range<usize>| {
                    (span.start as usize) < within.end.max(within.start + 1) && (span.end as usize) > within.start
                };
                within.as_ref().is_none_or(meets)
            };
            let edits = edits(text, &formatted).into_iter().filter(|(span, _)| wanted(*span));
            Ok(edits.map(|(span, with)| TextEdit::new(lines.range(span), with.to_owned())).collect())
        }
        Err(error) => Err(error.to_string()),
    })
}

/// What makes the new text of the old one: whole lines, in order.
fn edits<'t>(old: &str, new: &'t str) -> Vec<(Span, &'t str)> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = before.iter().zip(&after).take_while(same).count();
    let rest = before.len().min(after.len()) - head;
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(same).count().min(rest);
    let (mid_before, mid_after) =
        (before.get(head..before.len() - tail).unwrap_or(&[]), after.get(head..after.len() - tail).unwrap_or(&[]));
    let start = bytes(before.get(..head).unwrap_or(&[]));
    if mid_before.is_empty() && mid_after.is_empty() {
        return Vec::new();
    }
    if mid_before.len().max(mid_after.len()) > MAX_LINES {
        let span = Span::new(start, start + bytes(mid_before));
        return vec![(span, new.get(start..start + bytes(mid_after)).unwrap_or(""))];
    }
    let mut found = Vec::new();
    for change in capture_diff_slices(Algorithm::Myers, mid_before, mid_after) {
        if change.tag() == DiffTag::Equal {
            continue;
        }
        let place = |lines: &[&str], range: std::ops::Range<usize>| {
            let from = start + bytes(lines.get(..range.start).unwrap_or(&[]));
            from..from + bytes(lines.get(range).unwrap_or(&[]))
        };
        let span = Span::from(place(mid_before, change.old_range()));
        found.push((span, new.get(place(mid_after, change.new_range())).unwrap_or("")));
    }
    found
}

fn bytes(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_lines_that_change_are_replaced() {
        let found = edits("a: 1\nb:  2\nc: 3\n\n\n\nd: 4", "a: 1\nb: 2\nc: 3\n\nd: 4\n");
        assert_eq!(found[0], (Span::new(5, 11), "b: 2\n"));
        assert!(found.len() > 1 && found[1].0.start > 15, "{found:?}");
        assert!(edits("a\n", "a\n").is_empty());
    }

    proptest! {
        #[test]
        fn the_edits_make_the_new_text_of_the_old_one(old in "([ab]{0,2}\r?\n){0,12}[ab]?", new in "([ab]{0,2}\n){0,12}[ab]?") {
            let mut text = old.clone();
            for (span, with) in edits(&old, &new).into_iter().rev() {
                text.replace_range(span.range(), with);
            }
            prop_assert_eq!(text, new);
        }

        #[test]
        fn so_they_do_where_too_many_lines_differ(count in MAX_LINES..MAX_LINES + 3) {
            let (old, new) = ("a\n".repeat(count) + "c\n", "b\n".repeat(count) + "c\n");
            let mut text = old.clone();
            for (span, with) in edits(&old, &new).into_iter().rev() {
                text.replace_range(span.range(), with);
            }
            prop_assert_eq!(text, new);
        }
    }
}
