//! The colours of a line of a spec: keys, texts, comments. A glance, not a parser: findings come from the analysis.

use crate::tui::theme::Theme;
use ratatui::style::Style;
use std::ops::Range;

/// The parts of a line that look different, in bytes.
pub fn parts(line: &str, theme: &Theme) -> Vec<(Range<usize>, Style)> {
    let mut parts = Vec::new();
    let start = line.len() - line.trim_start_matches([' ', '-', '\t']).len();
    let comment = comment_at(line);
    let body = &line[..comment];
    if let Some(colon) = key_end(body, start) {
        parts.push((start..colon, theme.yaml_key));
        let value = colon + 1;
        let text = body[value..].trim_start();
        let from = body.len() - text.len();
        if text.starts_with(['"', '\'']) {
            parts.push((from..body.len(), theme.yaml_string));
        }
    } else if body[start..].starts_with(['"', '\'']) {
        parts.push((start..body.len(), theme.yaml_string));
    }
    if comment < line.len() {
        parts.push((comment..line.len(), theme.yaml_comment));
    }
    parts
}

/// Where a comment begins: a `#` at the start or after a blank, outside of quotes; else the end.
fn comment_at(line: &str) -> usize {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') if before.is_whitespace() || matches!(before, '[' | '{' | ',' | ':') => quote = Some(c),
            (None, '#') if before.is_whitespace() => return at,
            _ => {}
        }
        before = c;
    }
    line.len()
}

/// The colon that ends a key which begins here.
fn key_end(body: &str, start: usize) -> Option<usize> {
    let rest = body.get(start..)?;
    let at = rest.find(':').filter(|at| rest[at + 1..].is_empty() || rest[at + 1..].starts_with(' '))?;
    let key = &rest[..at];
    let plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '"' | '\''));
    (plain && !key.is_empty()).then_some(start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_texts_and_comments_are_told_apart() {
        let theme = crate::tui::theme::read("dark", &crate::tui::theme::Files::new()).theme;
        let look = |line: &str| -> Vec<(String, Style)> {
            parts(line, &theme).into_iter().map(|(range, style)| (line[range].to_owned(), style)).collect()
        };
        let all = look("  - name: \"a # b\"  # why");
        assert_eq!(all[0], ("name".into(), theme.yaml_key));
        assert_eq!(all[1], ("\"a # b\"  ".into(), theme.yaml_string));
        assert_eq!(all[2], ("# why".into(), theme.yaml_comment));
        assert!(look("just: http://x.y").len() == 1 && look("http://x.y").is_empty() && look("").is_empty());
    }
}
