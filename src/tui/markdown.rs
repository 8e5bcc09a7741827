//! The little Markdown that documentation of keys and values is written in, as styled lines of a width: paragraphs, bold,
//! emphasis, code, links, lists, headings, fenced code. What is none of it is shown as it stands.

use crate::output::harmless;
use crate::tui::theme::Theme;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The longest text that is shown, in bytes: a popup holds a few lines of it.
const MOST: usize = 8192;

/// A run of text in one look.
type Part = (String, Style);

/// The text at most so many columns wide.
pub fn lines(text: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let width = width.max(1);
    let text = &text[..text.floor_char_boundary(MOST)];
    let mut all = Vec::new();
    let mut open = Block::default();
    let mut in_code = false;
    for line in harmless(text).replace('\t', "    ").lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            open.close(&mut all, width, theme);
            in_code = !in_code;
        } else if in_code {
            wrap(&[(line.to_owned(), theme.yaml_string)], "  ", "  ", width, &mut all);
        } else if trimmed.is_empty() {
            open.close(&mut all, width, theme);
            if all.last().is_some_and(|line| line.width() > 0) {
                all.push(Line::default());
            }
        } else if let Some(title) = heading(trimmed) {
            open.close(&mut all, width, theme);
            wrap(&inline(title, theme.popup.patch(theme.title), theme), "", "", width, &mut all);
        } else if let Some((mark, rest)) = item(trimmed) {
            open.close(&mut all, width, theme);
            let indent = " ".repeat((line.len() - trimmed.len()).min(width / 3));
            open = Block { first: format!("{indent}{mark} "), text: rest.to_owned() };
        } else {
            open.add(trimmed);
        }
    }
    open.close(&mut all, width, theme);
    while all.last().is_some_and(|line| line.width() == 0) {
        all.pop();
    }
    all
}

/// A paragraph or an item of a list, its lines joined.
#[derive(Default)]
struct Block {
    first: String,
    text: String,
}

impl Block {
    fn add(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(line.trim_end());
    }

    fn close(&mut self, all: &mut Vec<Line<'static>>, width: usize, theme: &Theme) {
        let Self { first, text } = std::mem::take(self);
        if !text.is_empty() {
            let rest = " ".repeat(first.width());
            wrap(&inline(&text, theme.popup, theme), &first, &rest, width, all);
        }
    }
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    (rest.len() < line.len() && line.len() - rest.len() <= 6).then(|| rest.strip_prefix(' ')).flatten()
}

/// The mark of a list's item, as it is shown, and the rest of the line.
fn item(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(("•", rest));
    }
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = line.get(digits..)?.strip_prefix(". ")?;
    ((1..=3).contains(&digits)).then(|| (&line[..=digits], rest))
}

/// The looks inside of a paragraph.
fn inline(text: &str, base: Style, theme: &Theme) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut plain, mut rest) = (String::new(), text);
    let (mut bold, mut emphasis) = (false, false);
    while let Some(c) = rest.chars().next() {
        let look = looks(base, bold, emphasis, theme);
        if let Some((code, after)) = code(rest) {
            parts.push((std::mem::take(&mut plain), look));
            parts.push((code.to_owned(), look.patch(theme.accent)));
            rest = after;
        } else if let Some((words, target, after)) = link(rest) {
            parts.push((std::mem::take(&mut plain), look));
            parts.push((words.to_owned(), look.add_modifier(Modifier::UNDERLINED)));
            if words != target {
                parts.push((format!(" ({target})"), look.patch(theme.dim)));
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix("**").filter(|after| bold || after.contains("**")) {
            parts.push((std::mem::take(&mut plain), look));
            (bold, rest) = (!bold, after);
        } else if let Some(after) = rest.strip_prefix('*').filter(|after| opens_or_closes(emphasis, &plain, after)) {
            parts.push((std::mem::take(&mut plain), look));
            (emphasis, rest) = (!emphasis, after);
        } else if let Some(escaped) =
            rest.strip_prefix('\\').and_then(|rest| rest.chars().next()).filter(char::is_ascii_punctuation)
        {
            plain.push(escaped);
            rest = &rest[2..];
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    parts.push((plain, looks(base, bold, emphasis, theme)));
    parts.retain(|(text, _)| !text.is_empty());
    parts
}

fn looks(base: Style, bold: bool, emphasis: bool, theme: &Theme) -> Style {
    let mut look = if bold { base.patch(theme.title).add_modifier(Modifier::BOLD) } else { base };
    if emphasis {
        look = look.add_modifier(Modifier::ITALIC);
    }
    look
}

/// Whether a star marks emphasis: one that opens stands before a word and has a partner; others are stars.
fn opens_or_closes(open: bool, before: &str, after: &str) -> bool {
    if open { !before.ends_with(' ') } else { !after.starts_with([' ', '*']) && after.contains('*') }
}

/// What stands between backticks, as many as open it, and what follows.
fn code(text: &str) -> Option<(&str, &str)> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let inside = text.get(ticks..).filter(|_| (1..=3).contains(&ticks))?;
    let (code, after) = inside.split_once(&text[..ticks])?;
    // Blanks beside the ticks are there so that the code may hold ticks itself.
    let own = code.strip_prefix(' ').and_then(|code| code.strip_suffix(' ')).filter(|own| own.contains('`'));
    Some((own.unwrap_or(code), after))
}

/// The words of a link, where it leads, and what follows.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    if let Some((target, after)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        return target.starts_with("http").then_some((target, target, after));
    }
    let (words, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    (!words.contains('[')).then_some((words, target, after))
}

/// Breaks styled text into lines between words, the first and the others indented.
fn wrap(parts: &[Part], first: &str, rest: &str, width: usize, all: &mut Vec<Line<'static>>) {
    let mut line: Vec<Span<'static>> = vec![Span::raw(first.to_owned())];
    let (mut used, least) = (first.width(), rest.width().max(first.width()));
    let mut break_line = |line: &mut Vec<Span<'static>>, used: &mut usize| {
        all.push(Line::from(std::mem::replace(line, vec![Span::raw(rest.to_owned())])));
        *used = rest.width();
    };
    for word in words(parts) {
        let wide: usize = word.iter().map(|(text, _)| text.trim_end().width()).sum();
        if used + wide > width && used > least {
            break_line(&mut line, &mut used);
        }
        for (text, look) in word {
            let mut piece = String::new();
            for grapheme in text.graphemes(true) {
                let blank = grapheme == " ";
                if used + grapheme.width() > width && used > least && !blank {
                    line.push(Span::styled(std::mem::take(&mut piece), look));
                    break_line(&mut line, &mut used);
                }
                // A blank at the end of a full line is the break itself.
                if !(blank && used >= width) {
                    piece.push_str(grapheme);
                    used += grapheme.width();
                }
            }
            line.push(Span::styled(piece, look));
        }
    }
    all.push(Line::from(line));
}

/// What must not be torn: runs up to the next blank, which may have several looks.
fn words(parts: &[Part]) -> Vec<Vec<Part>> {
    let mut all: Vec<Vec<Part>> = vec![Vec::new()];
    for (text, look) in parts {
        for piece in text.split_inclusive(' ') {
            if let Some(last) = all.last_mut() {
                last.push((piece.to_owned(), *look));
            }
            if piece.ends_with(' ') {
                all.push(Vec::new());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme;
    use proptest::prelude::*;

    fn shown(text: &str, width: usize) -> Vec<String> {
        let theme = theme::read("dark", &theme::Files::new()).theme;
        lines(text, width, &theme).iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn marks_become_looks_and_are_not_shown() {
        assert_eq!(shown("**`max`** · *number*\nin one", 40), ["max · number in one"]);
        assert_eq!(
            shown("see [the page](https://x.y) or <https://z>", 80),
            ["see the page (https://x.y) or https://z"]
        );
        assert_eq!(
            shown("## Title\n\n\n- one\n- two\n  more\n1. three", 40),
            ["Title", "", "• one", "• two more", "1. three"]
        );
        assert_eq!(shown("```yaml\na:  1\n```\nafter", 40), ["  a:  1", "after"]);
        assert_eq!(shown(r"2 * 3 * 4, a_b_c, \*, `*`, **open", 60), ["2 * 3 * 4, a_b_c, *, *, **open"]);
    }

    #[test]
    fn a_look_covers_its_words_only() {
        let theme = theme::read("dark", &theme::Files::new()).theme;
        let all = lines("a **b** `c`", 40, &theme);
        let look = |text: &str| all[0].spans.iter().find(|span| span.content.trim() == text).unwrap().style;
        assert!(look("b").add_modifier.contains(Modifier::BOLD) && !look("a").add_modifier.contains(Modifier::BOLD));
        assert_eq!(look("c").fg, theme.accent.fg);
    }

    #[test]
    fn lines_are_broken_between_words_and_items_hang() {
        assert_eq!(shown("- one two three", 9), ["• one two", "  three"]);
        assert_eq!(shown("**bold**, then", 6), ["bold,", "then"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_breaks_it_and_no_line_is_too_wide(text in "[-*`\\[\\]()#<>\\\\ a日\n1.]{0,60}", width in 8..30_usize) {
            prop_assert!(shown(&text, width).iter().all(|line| line.width() <= width + 1));
        }
    }
}
