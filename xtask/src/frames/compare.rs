//! Whether two pictures show the same, apart from what differs each time.
//!
//! Compared are the window, the looks in use, and the screen's text pane by pane, so that lines may break elsewhere.
//! Masked are durations (`7.2 ms`), times of day, dates, digests (seven hexadecimal digits and more) and curves of
//! braille dots. What stands at the end of a line with one of these may be cut off elsewhere: its last three words may
//! differ. Not compared: where on its line a text stands, and the lines of boxes.

use std::collections::BTreeMap;

/// In place of a time, and of a digest.
const TIME: &str = "(time)";
const DIGEST: &str = "(digest)";
/// So many words at the end of a line that holds something masked may be cut off in one picture and not in the other.
const MAY_BE_CUT: usize = 3;
/// Units of durations.
const UNITS: [&str; 9] = ["ns", "µs", "us", "ms", "s", "min", "m", "h", "d"];

/// A word of a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    /// It may be missing in the other picture.
    may_differ: bool,
}

/// The first difference between an old picture and a new one, in words; none where they show the same.
pub(crate) fn difference(old: &str, new: &str) -> Option<String> {
    let parts = |svg: &str| -> Option<(String, String)> {
        let (head, rest) = svg.split_once("<g transform=")?;
        let (_, text) = rest.split_once("<metadata>\n")?;
        Some((head.to_owned(), text.split_once("</metadata>")?.0.to_owned()))
    };
    let (Some((old_head, old)), Some((new_head, new))) = (parts(old), parts(new)) else {
        return Some("it is none of this tool's pictures".into());
    };
    let heads = old_head.lines().zip(new_head.lines()).find(|(old, new)| old != new);
    if let Some((old, new)) = heads {
        return Some(format!("the window or the looks: `{old}` became `{new}`"));
    }
    if old_head.lines().count() != new_head.lines().count() {
        return Some("the looks in use".into());
    }
    let (old, new) = (panes(&old), panes(&new));
    old.keys().chain(new.keys()).find_map(|pane| {
        let none = Vec::new();
        let (gone, came) = unmatched(old.get(pane).unwrap_or(&none), new.get(pane).unwrap_or(&none));
        let strict = |words: Vec<Word>| words.into_iter().find(|word| !word.may_differ);
        match (strict(gone), strict(came)) {
            (None, None) => None,
            (Some(gone), None) => Some(format!("`{}` is not there any more", gone.text)),
            (None, Some(came)) => Some(format!("`{}` is new", came.text)),
            (Some(gone), Some(came)) => Some(format!("`{}` is gone, `{}` is new", gone.text, came.text)),
        }
    })
}

/// The words of each pane, by the column in which it begins, top to bottom.
fn panes(screen: &str) -> BTreeMap<usize, Vec<Word>> {
    let corners = screen.lines().flat_map(|line| line.chars().enumerate());
    let mut starts: Vec<usize> = corners.filter(|(_, c)| matches!(c, '┌' | '╭' | '┏')).map(|(at, _)| at).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut panes: BTreeMap<usize, Vec<Word>> = BTreeMap::new();
    for line in screen.lines() {
        let chars: Vec<char> = line.chars().collect();
        let mut at = 0;
        for part in chars.split(|c| is_box(*c)) {
            let pane = starts.iter().rev().find(|start| **start < at).map_or(0, |start| start + 1);
            let words = masked(&part.iter().collect::<String>());
            let volatile = words.iter().any(|word| word.contains(TIME) || word.contains(DIGEST));
            let sure = if volatile { words.len().saturating_sub(MAY_BE_CUT) } else { words.len() };
            let words = words.into_iter().enumerate().map(|(at, text)| Word { text, may_differ: at >= sure });
            panes.entry(pane).or_default().extend(words);
            at += part.len() + 1;
        }
    }
    panes
}

fn is_box(c: char) -> bool {
    ('\u{2500}'..='\u{257f}').contains(&c)
}

/// The words of a line, with what differs each time replaced.
fn masked(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        if word.chars().all(|c| ('\u{2800}'..='\u{28ff}').contains(&c)) {
            continue;
        }
        let (before, core, after) = bare(word);
        // A unit after a blank: its number was the word before.
        if UNITS.contains(&core)
            && before.is_empty()
            && let Some(number) = words.last_mut()
            && let (sign, digits, "") = bare(number)
            && is_number(digits)
        {
            *number = format!("{sign}{TIME}{after}");
            continue;
        }
        let mask = if is_time(core) {
            TIME
        } else if is_digest(core) {
            DIGEST
        } else {
            core
        };
        words.push(format!("{before}{mask}{after}"));
    }
    words
}

/// A word without the signs before and behind it.
fn bare(word: &str) -> (&str, &str, &str) {
    let start = word.find(char::is_alphanumeric).unwrap_or(word.len());
    let (before, rest) = word.split_at(start);
    let end =
        rest.rfind(char::is_alphanumeric).map_or(0, |at| at + rest[at..].chars().next().map_or(0, char::len_utf8));
    let (core, after) = rest.split_at(end);
    (before, core, after)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// `187ms`, `15:08`, `15:08:40`, `2025-06-01`, `2025-06-01T12:00:00Z`.
fn is_time(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let clock = |text: &str, between: char, parts: std::ops::RangeInclusive<usize>| {
        parts.contains(&text.split(between).count()) && text.split(between).all(is_number)
    };
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    digits > 0
        && (UNITS.contains(&unit) && is_number(&text[..text.len() - unit.len()])
            || clock(text, ':', 2..=3) && text.len() >= 4
            || clock(day, '-', 3..=3) && day.len() == 10 && time.chars().all(|c| !c.is_alphabetic() || c == 'Z'))
}

fn is_digest(text: &str) -> bool {
    let hexadecimal = text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    text.len() >= 7 && hexadecimal && text.contains(|c: char| c.is_ascii_digit())
}

/// The words that only the one and only the other has, after as many as possible were matched in order.
fn unmatched(old: &[Word], new: &[Word]) -> (Vec<Word>, Vec<Word>) {
    // longest[i][j]: how many words of old[i..] and new[j..] match.
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i].text == new[j].text {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut gone, mut came) = (Vec::new(), Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i].text == new[j].text {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && longest[i + 1][j] >= longest[i][j + 1] {
            gone.push(old[i].clone());
            i += 1;
        } else {
            came.push(new[j].clone());
            j += 1;
        }
    }
    (gone, came)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(screen: &str) -> String {
        format!("<svg>\n<style>a</style>\n<g transform=\"x\">…</g>\n<metadata>\n{screen}\n</metadata>\n</svg>\n")
    }

    #[track_caller]
    fn same(old: &str, new: &str) {
        assert_eq!(difference(&svg(old), &svg(new)), None);
    }

    #[track_caller]
    fn other(old: &str, new: &str, why: &str) {
        let found = difference(&svg(old), &svg(new)).unwrap_or_default();
        assert!(found.contains(why), "{found}");
    }

    #[test]
    fn what_differs_each_time_does_not_count() {
        same("19 passed · 187 ms", "19 passed · 1.2 s");
        same("v2  15:08:40  ✓ 2  d4735e3a265", "v2  03:00:01  ✓ 2  6b86b273ff3");
        same("(12ms) now", "(980µs) now");
        same("⡇ ⢸⢠⠃", "⢰⠁ ⠸ ⠃⢱⡎");
        assert_eq!(masked("at 2025-06-01T12:00:00Z, 3 s."), ["at", "(time),", "(time)."]);
        assert_eq!(masked("decade 12 of 2:1 1.5"), ["decade", "12", "of", "2:1", "1.5"]);
    }

    #[test]
    fn what_is_shown_does() {
        other("19 passed · 187 ms · and then some more words", "18 passed · 187 ms · and then some more words", "`19`");
        other("back at v1", "back at v2", "`v1` is gone, `v2` is new");
        other("one", "one more", "`more` is new");
        let head = svg("x").replace("<style>a", "<style>b");
        assert!(difference(&svg("x"), &head).unwrap().contains("looks"));
        assert!(difference("<svg>", &svg("x")).unwrap().contains("none of this tool's"));
    }

    #[test]
    fn lines_may_break_elsewhere_and_be_cut_behind_a_time() {
        let old = "┌ 1 ─────┐┌ 2 ─────────┐\n│a       ││in 4.2 ms it│\n│b       ││is back     │";
        let new = "┌ 1 ─────┐┌ 2 ─────────┐\n│a       ││in 12.3 ms  │\n│b       ││it is back  │";
        same(old, new);
        same("│fine 4.2 ms has chang│", "│fine 12 ms has change│");
        other("│fine 4.2 ms b c d e│", "│great 4.2 ms b c d e│", "`fine`");
    }
}
