//! What one line of YAML looks like, told without a parser: for lines that the parser cannot read.

use std::ops::Range;

/// The blanks a line begins with, in bytes.
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// Whether it holds nothing but blanks or a comment.
pub(super) fn is_blank(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

/// The bracket that closes this one.
pub(super) fn closing(open: u8) -> Option<char> {
    match open {
        b'{' => Some('}'),
        b'[' => Some(']'),
        _ => None,
    }
}

/// A position in a line, told from quotes and brackets.
struct Scan {
    quote: Option<(usize, char)>,
    comment: Option<usize>,
}

/// Walks a line as if it began outside of quotes. `visit` sees each byte outside of quotes with the depth of brackets.
fn scan(line: &str, mut visit: impl FnMut(usize, char, usize)) -> Scan {
    let mut quote: Option<(usize, char)> = None;
    let mut depth = 0_usize;
    // A quote opens only where a token begins; elsewhere it is a letter (`don't`).
    let mut token_begins = true;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some((_, open)) = quote {
            match c {
                '\\' if open == '"' => {
                    chars.next();
                }
                '\'' if open == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                    chars.next();
                }
                _ if c == open => quote = None,
                _ => {}
            }
            token_begins = false;
            continue;
        }
        match c {
            '"' | '\'' if token_begins => {
                quote = Some((at, c));
                continue;
            }
            '#' if at == 0 || line[..at].ends_with([' ', '\t']) => {
                return Scan { quote: None, comment: Some(at) };
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        visit(at, c, depth);
        token_begins = match c {
            ' ' | '\t' => token_begins || line[..at].ends_with([':', '-', ',', '?']),
            '[' | '{' | ',' => true,
            ':' => depth > 0,
            _ => false,
        };
    }
    Scan { quote, comment: None }
}

/// Where a quote opens that the line does not close.
pub(super) fn open_quote(line: &str) -> Option<(usize, char)> {
    scan(line, |_, _, _| {}).quote
}

/// What would close everything that a line opens and leaves open: a quote, then brackets from the innermost.
pub(super) fn closers(line: &str) -> String {
    let mut brackets: Vec<char> = Vec::new();
    let end = scan(line, |_, c, _| match c {
        '[' | '{' => brackets.push(c),
        ']' | '}' => {
            brackets.pop();
        }
        _ => {}
    });
    let quote = end.quote.map(|(_, quote)| quote);
    quote
        .into_iter()
        .chain(brackets.iter().rev().filter_map(|open| u8::try_from(*open).ok().and_then(closing)))
        .collect()
}

/// Where the outermost bracket begins that the line leaves open.
pub(super) fn last_open(line: &str) -> usize {
    let mut open: Vec<usize> = Vec::new();
    scan(line, |at, c, _| match c {
        '[' | '{' => open.push(at),
        ']' | '}' => {
            open.pop();
        }
        _ => {}
    });
    open.first().copied().unwrap_or(0)
}

/// The line up to its comment.
pub(super) fn without_comment(line: &str) -> &str {
    scan(line, |_, _, _| {}).comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// Whether it begins like an item or a key of a block.
pub(super) fn begins_block(line: &str) -> bool {
    let text = line.trim_start();
    text == "-" || text.starts_with("- ") || key_end(text).is_some()
}

/// The offset after `key:` at the start of a text.
fn key_end(text: &str) -> Option<usize> {
    let mut end = None;
    scan(text, |at, c, depth| {
        let next = text.get(at + 1..).unwrap_or("");
        if c == ':' && depth == 0 && end.is_none() && (next.is_empty() || next.starts_with([' ', '\t', '\r'])) {
            end = Some(at + 1);
        }
    });
    end.filter(|end| !text[..*end].starts_with(['[', '{', '-', '#', '&', '*', '!', '|', '>', '@', '`', '%']))
}

/// The bytes before the content of an item: indentation and `- `.
fn item_start(line: &str) -> usize {
    let mut at = indent(line);
    while let Some(rest) = line.get(at..).filter(|rest| rest.starts_with("- ")) {
        at += rest.len() - rest[1..].trim_start_matches([' ', '\t']).len();
    }
    at
}

/// The value of `key: value` or `- value`, comment and blanks left out.
pub(super) fn value_of(line: &str) -> Option<Range<usize>> {
    let start = item_start(line);
    let rest = &line[start..];
    let (after, is_item) = match key_end(rest) {
        Some(end) => (start + end, false),
        None => (start, start > indent(line)),
    };
    if after == start && !is_item {
        return None;
    }
    let value = without_comment(line).get(after..)?;
    let from = after + (value.len() - value.trim_start().len());
    let to = after + value.trim_end().len();
    (from < to).then_some(from..to)
}

/// Brackets behind a complete list or map that close nothing.
pub(super) fn stray_brackets(line: &str) -> Option<Range<usize>> {
    let range = value_of(line)?;
    let value = line.get(range.clone())?;
    let end = closed_at(value)?;
    let rest = value.get(end..)?;
    let only = !rest.is_empty() && rest.chars().all(|c| matches!(c, ']' | '}' | ' '));
    only.then_some(range.start + end..range.end)
}

/// Where the list or map that a value begins with ends.
fn closed_at(value: &str) -> Option<usize> {
    let mut closed = None;
    scan(value, |at, c, depth| {
        if depth == 0 && matches!(c, ']' | '}') && closed.is_none() {
            closed = Some(at + 1);
        }
    });
    closed.filter(|_| value.starts_with(['[', '{']))
}

/// The bracket that closes another than the one that is open, in the text from an opening bracket on.
pub(super) fn mismatch(text: &str, open: usize) -> Option<usize> {
    const FARTHEST: usize = 64 * 1024;
    let near = text.get(open..text.floor_char_boundary(open.saturating_add(FARTHEST).min(text.len())))?;
    let mut brackets: Vec<char> = Vec::new();
    let mut start = open;
    for line in near.split_inclusive('\n') {
        let mut found = None;
        scan(line, |at, c, _| match c {
            '[' | '{' => brackets.push(c),
            ']' | '}' if found.is_none() => {
                let wanted = brackets.pop().and_then(|open| u8::try_from(open).ok()).and_then(closing);
                if wanted != Some(c) {
                    found = Some(start + at);
                }
            }
            _ => {}
        });
        if found.is_some() || brackets.is_empty() {
            return found;
        }
        start += line.len();
    }
    None
}

/// A value without quotes that no plain scalar can be.
pub(super) fn value_that_needs_quotes(line: &str) -> Option<Range<usize>> {
    let range = value_of(line)?;
    let value = line.get(range.clone())?;
    let reserved = value.starts_with(['@', '`', '%', '*', '&', '!', '?']);
    let colon = !value.starts_with(['"', '\'', '[', '{', '|', '>']) && (value.contains(": ") || value.ends_with(':'));
    // A list or map with something behind it: `[a, b] -> c`.
    let trailing = closed_at(value).is_some_and(|end| !value[end..].trim().is_empty());
    // A text in quotes with something behind it: `"x" in input`.
    let quoted = behind_quote(value).is_some_and(|rest| !rest.is_empty() && !rest.starts_with([':', ',', ']', '}']));
    // `> 5` is no header of a folded text.
    let header = value.strip_prefix(['>', '|']).is_some_and(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        !rest.trim().is_empty()
    });
    (reserved || colon || trailing || quoted || header).then_some(range)
}

/// What stands behind the text in quotes that a value begins with.
fn behind_quote(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut chars = value.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            _ if c == quote => return value.get(at + 1..).map(str::trim),
            _ => {}
        }
    }
    None
}

/// Values without quotes inside of brackets that have brackets, commas or quoted punctuation of their own, as conditions
/// do: `{condition: contains(['x']), action: block}`.
pub(super) fn bare_flow_values(line: &str) -> Vec<Range<usize>> {
    let bytes = line.as_bytes();
    let (mut at, mut depth, mut found) = (0, 0_usize, Vec::new());
    let blank = |at: usize| bytes.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'#' if at > 0 && blank(at - 1) => return found,
            b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' if blank(at + 1) => {}
            b'"' | b'\'' if depth > 0 => match quoted_end(bytes, at) {
                Some(end) => at = end,
                None => return found,
            },
            _ if depth == 0 => {}
            _ => {
                let Some((end, needs)) = flow_token(bytes, at) else { return found };
                if needs {
                    let text = line.get(at..end).unwrap_or("");
                    found.push(at..at + text.trim_end().len());
                }
                at = end;
                continue;
            }
        }
        at += 1;
    }
    found
}

/// Where the quote that opens here closes.
fn quoted_end(bytes: &[u8], open: usize) -> Option<usize> {
    let quote = *bytes.get(open)?;
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            byte if *byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the value that begins here was meant to end, and whether that takes quotes; none where it cannot be told.
fn flow_token(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut open: Vec<u8> = Vec::new();
    let mut needs = false;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let blank_next = bytes.get(at + 1).is_none_or(|next| matches!(next, b' ' | b'\t' | b'\r' | b'\n'));
        match byte {
            b',' | b']' | b'}' if open.is_empty() => return Some((at, needs)),
            b':' if open.is_empty() && blank_next => return Some((at, false)),
            b'$' if bytes.get(at + 1) == Some(&b'{') => return None,
            b'#' if bytes.get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_whitespace) => return None,
            b'\r' | b'\n' => return None,
            b'"' | b'\'' if bytes.get(at.wrapping_sub(1)).is_none_or(|before| !before.is_ascii_alphanumeric()) => {
                let end = quoted_end(bytes, at)?;
                let inside = bytes.get(at + 1..end)?;
                needs |= inside.iter().any(|byte| matches!(byte, b',' | b'[' | b']' | b'{' | b'}' | b':' | b'#'));
                at = end;
            }
            b'(' => open.push(b')'),
            b'[' => {
                open.push(b']');
                needs = true;
            }
            b'{' => {
                open.push(b'}');
                needs = true;
            }
            b')' if open.last() == Some(&b')') => {
                open.pop();
            }
            b')' => return None,
            b']' | b'}' => {
                open.pop().filter(|opened| *opened == byte)?;
            }
            b',' => needs = true,
            _ => {}
        }
        at += 1;
    }
    None
}

/// A word where a key and a colon are expected.
pub(super) fn is_bare_word(line: &str) -> bool {
    let text = without_comment(line).get(item_start(line)..).unwrap_or("").trim();
    !text.is_empty()
        && key_end(text).is_none()
        && !text.starts_with(['"', '\'', '[', '{', '-', '|', '>', '#', ']', '}', '&', '*', '!', '@', '`', '%'])
}

/// `${…}` without quotes inside of brackets, with the text it is part of.
pub(super) fn bare_interpolations(line: &str) -> Vec<Range<usize>> {
    let mut starts = Vec::new();
    let mut token = 0;
    let mut previous = '\0';
    scan(line, |at, c, depth| {
        // The `{` of `${` counts as a bracket of its own.
        if c == '{' && previous == '$' && depth > 1 {
            starts.push((token, at));
        }
        let begins = matches!(c, '[' | '{' | ',') && previous != '$' || c == ' ' && previous == ':';
        if begins {
            token = at + 1;
        }
        previous = c;
    });
    let mut found: Vec<Range<usize>> = Vec::new();
    for (token, open) in starts {
        if found.last().is_some_and(|last| last.end > open) {
            continue;
        }
        let start = token + (line[token..].len() - line[token..].trim_start().len());
        let mut end = open;
        // Up to the end of the token: each `${…}` in it is stepped over.
        loop {
            let Some(close) = line[end..].find('}') else { return found };
            end += close + 1;
            let rest = &line[end..];
            let stop = rest.find([',', ']', '}']).unwrap_or(rest.len());
            match rest.find("${") {
                Some(next) if next < stop => end += next + 2,
                _ => {
                    end += rest[..stop].trim_end().len();
                    break;
                }
            }
        }
        found.push(start..end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_opens_only_where_a_token_begins() {
        assert_eq!(open_quote("a: \"b"), Some((3, '"')));
        assert_eq!(open_quote("- 'b"), Some((2, '\'')));
        assert_eq!(open_quote("a: don't"), None);
        assert_eq!(open_quote("a: \"b\\\" c\""), None);
        assert_eq!(open_quote("a: 'b''c'"), None);
        assert_eq!(open_quote("a: x # \"comment"), None);
    }

    #[test]
    fn values_that_need_quotes_are_found() {
        let value = |line: &'static str| value_that_needs_quotes(line).map(|range| &line[range]);
        assert_eq!(value("  title: one: two # c"), Some("one: two"));
        assert_eq!(value("  - [a, b] -> c"), Some("[a, b] -> c"));
        assert_eq!(value("- @here"), Some("@here"));
        assert_eq!(value("a: [b]"), None);
        assert_eq!(value("a: plain"), None);
    }

    #[test]
    fn texts_behind_quotes_and_comparisons_need_quotes() {
        let value = |line: &'static str| value_that_needs_quotes(line).map(|range| &line[range]);
        assert_eq!(value("condition: \"x\" in input # c"), Some("\"x\" in input"));
        assert_eq!(value("count: > 3"), Some("> 3"));
        for fine in ["a: \"x\"", "a: \"x\" # c", "a: 'it''s'", "a: >-", "a: |2"] {
            assert_eq!(value(fine), None, "{fine}");
        }
    }

    #[test]
    fn conditions_in_brackets_are_found_whole() {
        let found =
            |line: &'static str| bare_flow_values(line).into_iter().map(|range| &line[range]).collect::<Vec<_>>();
        assert_eq!(found("- {name: a, condition: contains(['x', \"y\"]), action: block}"), ["contains(['x', \"y\"])"]);
        assert_eq!(found("- {condition: input == \"x: y\" , b: c}"), ["input == \"x: y\""]);
        assert_eq!(found("- {a: tool.args['x'] == 1}"), ["tool.args['x'] == 1"]);
        for fine in
            ["- {a: b, c: [d, e]}", "a: f(['x'])", "- {a: \"f(['x'])\"}", "- {a: ${X}}", "- {a: f(x), b: don't}"]
        {
            assert_eq!(found(fine), Vec::<&str>::new(), "{fine}");
        }
    }

    #[test]
    fn interpolations_in_brackets_are_found_with_their_text() {
        let found =
            |line: &'static str| bare_interpolations(line).into_iter().map(|range| &line[range]).collect::<Vec<_>>();
        assert_eq!(found("user: {template: ${INPUT}}"), ["${INPUT}"]);
        assert_eq!(found("a: {url: http://x/${id}/${n}, b: c}"), ["http://x/${id}/${n}"]);
        assert_eq!(found("a: [${A}, \"${B}\", ${C}]"), ["${A}", "${C}"]);
        assert_eq!(found("template: ${INPUT}"), Vec::<&str>::new());
    }
}
