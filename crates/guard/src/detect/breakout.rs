//! SQL fragments judged by their grammar: a text that closes the string it is put into, goes on as an expression, and ends
//! so that the rest of the statement fits (in an open string or a comment). No list of payloads could name them all, and
//! prose hardly ever parses.

use std::ops::Range;

/// At most so many quotes of a text are tried as the one that closes the string, and so many tokens read behind each.
const MOST_QUOTES: usize = 24;
const MOST_TOKENS: usize = 160;
const DEEPEST: usize = 12;
/// An open string of more bytes is the rest of a sentence rather than the rest of a payload.
const SHORT: usize = 8;

/// Words that stand before an operand and change nothing of its shape.
const PREFIXES: [&str; 5] = ["not", "binary", "all", "any", "distinct"];
/// What a second statement begins with.
const STATEMENTS: [&str; 21] = [
    "alter", "begin", "call", "create", "declare", "delete", "drop", "exec", "execute", "grant", "if", "insert",
    "kill", "merge", "select", "set", "shutdown", "truncate", "update", "waitfor", "while",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    /// A closed string.
    Text,
    /// A string that is open at the end, with this many bytes in it.
    Open(usize),
    Sign(u8),
    Comment,
}

/// Where a comment of one line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comments {
    /// With the text: what the application sends has no more lines.
    End,
    /// With its line, as databases have it.
    Line,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

/// What was read behind the place where a string was closed.
#[derive(Debug, Default)]
struct Read {
    /// AND, OR, XOR, ||, &&.
    logical: usize,
    /// =, <, LIKE, IN and others that compare.
    compared: usize,
    /// +, -, *, | and others.
    arithmetic: usize,
    /// Calls of functions.
    calls: usize,
    /// UNION, ORDER BY 3 and other clauses.
    clauses: usize,
    /// Names of columns: what is compared without any is the same for every row.
    names: usize,
    /// UNION SELECT, which nobody writes behind a single value.
    unions: bool,
    comment: bool,
    open: Option<usize>,
}

impl Read {
    fn operators(&self) -> usize {
        self.logical + self.compared + self.arithmetic + self.clauses
    }
}

/// The place of a fragment that breaks out, in a folded text.
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let quotes = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\'' | b'"' | b'`'));
    for (at, quote) in quotes.take(MOST_QUOTES) {
        if closes(bytes, at)
            && readings(text, at).any(|comments| {
                read(text, at + 1, Some(*quote), comments).is_some_and(|read| {
                    breaks_out(&read, text.get(..at).unwrap_or(""), text.get(at + 1..).unwrap_or(""))
                })
            })
        {
            return Some(at..text.len());
        }
    }
    if let Some(at) = text.get(..text.len().min(64)).and_then(|head| head.find("*/"))
        && read(text, at + 2, None, Comments::End).is_some_and(|read| read.comment && read.operators() > 0)
    {
        return Some(at..text.len());
    }
    whole(text).then_some(0..text.len())
}

/// Whether a quote can be the end of a string: what follows is no letter, unless it is a word that joins conditions.
fn closes(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at + 1..).unwrap_or(&[]);
    if !rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()) {
        return true;
    }
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let joins: [&[u8]; 12] =
        [b"or", b"and", b"xor", b"having", b"union", b"like", b"rlike", b"regexp", b"div", b"is", b"in", b"between"];
    rest.get(..length).is_some_and(|word| joins.contains(&word))
}

/// Whether what was read is an injection rather than a quoted word between operators.
fn breaks_out(read: &Read, before: &str, after: &str) -> bool {
    let alone = before.len() <= 24 && !before.trim().contains(char::is_whitespace);
    let strong = read.logical > 0 && (read.compared + read.calls + read.arithmetic > 0 || read.clauses > 0);
    match read.open {
        // `' or 'a'='a`: the string that is open at the end is closed by the statement.
        Some(length) => {
            let spaced = after.get(after.len() - length.min(after.len())..).is_some_and(|rest| rest.starts_with(' '));
            (strong && (length <= 32 || alone)) || (read.operators() > 0 && length <= SHORT && alone && !spaced)
        }
        // `admin'--`: nothing but the end.
        None if read.operators() == 0 => {
            read.comment && alone && !before.is_empty() && !after.trim_start().starts_with('#')
        }
        None => read.comment && read.operators() > 0 && (strong || alone || read.logical + read.clauses > 0),
    }
}

/// Whether the text as a whole goes on where a number stood: `1 and cos(3)=sin(4)`, `or x=y--`.
fn whole(text: &str) -> bool {
    readings(text, 0).any(|comments| read_whole(text, comments).is_some_and(|read| stands_alone(&read)))
}

/// The ways a database may read the comments of a text.
fn readings(text: &str, from: usize) -> impl Iterator<Item = Comments> {
    let lines = text.get(from..).is_some_and(|rest| rest.contains('\n') && (rest.contains('#') || rest.contains("--")));
    [Comments::End, Comments::Line].into_iter().take(if lines { 2 } else { 1 })
}

fn stands_alone(read: &Read) -> bool {
    let same_for_all = read.compared > 0 && read.names == 0;
    let tells = read.calls > 0 && read.names == 0;
    read.unions
        || (read.comment && read.calls > 0 && read.arithmetic + read.logical + read.compared + read.names == 0)
        || (read.comment && read.logical + read.clauses > 0 && (read.compared + read.calls > 0 || read.names == 0))
        || (read.logical > 0 && (same_for_all || tells))
        || (read.clauses > 0 && read.logical > 0 && read.names == 0)
}

fn read(text: &str, from: usize, quote: Option<u8>, comments: Comments) -> Option<Read> {
    let mut parser = Parser { text, tokens: tokens(text, from, comments)?, at: 0, read: Read::default(), depth: 0 };
    if let (Some(quote), Some(Token { kind: Kind::Text, range })) = (quote, parser.tokens.first())
        && text.as_bytes().get(range.start) == Some(&quote)
        && range.start == from
    {
        return None; // a doubled quote closes nothing
    }
    parser.goes_on().then_some(parser.read)
}

fn read_whole(text: &str, comments: Comments) -> Option<Read> {
    let start = text.len() - text.trim_start().len();
    let tokens = tokens(text, start, comments)?;
    let mut parser = Parser { text, tokens, at: 0, read: Read::default(), depth: 0 };
    // What stands first is the value; it may be missing.
    let joined = parser.word().is_some_and(|word| matches!(word, "and" | "or" | "xor" | "having"));
    if !joined && parser.tokens.first().is_some_and(|token| !matches!(token.kind, Kind::Sign(b'|' | b'&'))) {
        let parenthesis = parser.kind() == Some(Kind::Sign(b'('));
        parser.operand()?;
        // A value that is a call or a subquery in parentheses is part of what goes on.
        if !parenthesis {
            parser.read = Read::default();
        }
    }
    parser.goes_on().then_some(parser.read)
}

/// The tokens from a place on; nothing if there are too many, or signs that are not SQL.
fn tokens(text: &str, from: usize, comments: Comments) -> Option<Vec<Token>> {
    let bytes = text.as_bytes();
    let (mut all, mut at) = (Vec::with_capacity(16), from);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let (kind, end) = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                at += 1;
                continue;
            }
            b'-' | b'#' if byte == b'#' || next == b'-' => {
                let line = text.get(at..).and_then(|rest| rest.find('\n'));
                match line {
                    Some(length) if comments == Comments::Line => {
                        at += length;
                        continue;
                    }
                    _ => (Kind::Comment, bytes.len()),
                }
            }
            // Drivers written in C end a statement at a zero byte.
            0 => (Kind::Comment, bytes.len()),
            b'/' if next == b'*' => {
                if bytes.get(at + 2) == Some(&b'!') {
                    at += 3;
                    at +=
                        bytes.get(at..).unwrap_or(&[]).iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                    continue;
                }
                match text.get(at + 2..).and_then(|rest| rest.find("*/")) {
                    Some(length) => {
                        at += length + 4;
                        continue;
                    }
                    None => (Kind::Comment, bytes.len()),
                }
            }
            b'*' if next == b'/' => {
                at += 2;
                continue;
            }
            b'\'' | b'"' | b'`' => string(bytes, at),
            b'0'..=b'9' => (Kind::Number, number(bytes, at)),
            b'.' if next.is_ascii_digit() => (Kind::Number, number(bytes, at + 1)),
            b'\\' if next == b'n' => (Kind::Number, at + 2),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@' | b'$' | 0x80.. => {
                let part =
                    |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || !byte.is_ascii();
                (Kind::Word, at + bytes.get(at..).unwrap_or(&[]).iter().take_while(|byte| part(byte)).count())
            }
            b'!' | b'=' | b'<' | b'>' | b'(' | b')' | b',' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^'
            | b'~' | b'.' | b'{' | b'}' | b';' => (Kind::Sign(byte), at + 1),
            _ => return None,
        };
        if all.len() >= MOST_TOKENS {
            return None;
        }
        all.push(Token { kind, range: at..end });
        at = end;
    }
    Some(all)
}

fn string(bytes: &[u8], at: usize) -> (Kind, usize) {
    let quote = bytes.get(at).copied().unwrap_or(b'\'');
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'\\' => end += 2,
            _ if byte == quote && bytes.get(end + 1) == Some(&quote) && bytes.get(end + 2).is_some() => end += 2,
            _ if byte == quote => return (Kind::Text, end + 1),
            _ => end += 1,
        }
    }
    (Kind::Open(bytes.len() - at - 1), bytes.len())
}

/// The end of a number; `1e0union` is a number and a word.
fn number(bytes: &[u8], at: usize) -> usize {
    let run =
        |from: usize, part: fn(&u8) -> bool| bytes.get(from..).unwrap_or(&[]).iter().take_while(|b| part(b)).count();
    if bytes.get(at) == Some(&b'0') && bytes.get(at + 1) == Some(&b'x') {
        return at + 2 + run(at + 2, u8::is_ascii_hexdigit);
    }
    let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let mut end = at + run(at, digits);
    if bytes.get(end) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = run(end + 1 + sign, u8::is_ascii_digit);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    // `1dunion`: a type's letter behind the number.
    let rest = bytes.get(end..).unwrap_or(&[]);
    end + usize::from(matches!(rest, [b'd' | b'f' | b'l', b'u', b'n', b'i', b'o', b'n', ..]))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    read: Read,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn word(&self) -> Option<&'t str> {
        self.tokens
            .get(self.at)
            .filter(|token| token.kind == Kind::Word)
            .and_then(|token| self.text.get(token.range.clone()))
    }

    fn sign(&mut self, sign: u8) -> bool {
        let is = self.kind() == Some(Kind::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn is_word(&mut self, words: &[&str]) -> bool {
        let is = self.word().is_some_and(|word| words.contains(&word));
        self.at += usize::from(is);
        is
    }

    /// Whether the value that was closed is followed by operators and operands up to an end.
    fn goes_on(&mut self) -> bool {
        while self.sign(b')') {}
        loop {
            match self.kind() {
                None => return true,
                Some(Kind::Comment) => {
                    self.read.comment = true;
                    return true;
                }
                _ => {}
            }
            if self.clause() {
                return true;
            }
            match self.operator() {
                Some(true) if self.operand().is_none() => return false,
                Some(_) => {}
                None => return false,
            }
            if self.read.open.is_some() {
                return true;
            }
            while self.sign(b')') {}
        }
    }

    /// Clauses that nothing else looks like; what follows them is not read.
    fn clause(&mut self) -> bool {
        let before = self.at;
        let found = if self.sign(b';') {
            let ends = matches!(self.tokens.last(), Some(Token { kind: Kind::Comment | Kind::Open(_), .. }));
            ends && self.is_word(&STATEMENTS)
                || matches!(self.kind(), None | Some(Kind::Comment)) && self.read.operators() > 0
        } else if self.is_word(&["union"]) {
            self.is_word(&["all", "distinct"]);
            while self.sign(b'(') {}
            self.read.unions = self.is_word(&["select", "values", "table"]);
            self.read.unions
        } else if self.is_word(&["order", "group"]) {
            self.is_word(&["by"]) && self.kind() == Some(Kind::Number)
        } else if self.is_word(&["procedure"]) {
            self.is_word(&["analyse"])
        } else if self.is_word(&["into"]) {
            self.is_word(&["outfile", "dumpfile"])
        } else {
            false
        };
        if found {
            self.read.clauses += 1;
            self.read.comment = true;
        } else {
            self.at = before;
        }
        found
    }

    /// An operator; whether an operand has to follow.
    fn operator(&mut self) -> Option<bool> {
        if let Some(word) = self.word() {
            self.at += 1;
            match word {
                "or" | "and" | "xor" => self.read.logical += 1,
                "div" | "mod" => self.read.arithmetic += 1,
                "having" | "where" | "limit" | "offset" => self.read.clauses += 1,
                "like" | "rlike" | "regexp" | "ilike" | "glob" | "match" => self.read.compared += 1,
                "sounds" => {
                    self.read.compared += 1;
                    return self.is_word(&["like"]).then_some(true);
                }
                "between" => self.read.compared += 1,
                "in" => {
                    self.read.compared += 1;
                    return (self.kind() == Some(Kind::Sign(b'('))).then_some(true);
                }
                "is" => {
                    self.read.compared += 1;
                    self.is_word(&["not"]);
                    return self.is_word(&["null", "true", "false", "unknown"]).then_some(false).or(Some(true));
                }
                "not" => return self.operator(),
                "collate" => {
                    self.at += usize::from(self.word().is_some());
                    return Some(false);
                }
                "isnull" | "notnull" => {
                    self.read.compared += 1;
                    return Some(false);
                }
                _ => return None,
            }
            return Some(true);
        }
        let Some(Kind::Sign(first)) = self.kind() else { return None };
        self.at += 1;
        match first {
            b'=' | b'<' | b'>' | b'!' => {
                let mut signs = 1;
                while signs < 3 && (self.sign(b'=') || self.sign(b'>') || self.sign(first)) {
                    signs += 1;
                }
                if first == b'!' && signs == 1 {
                    return None;
                }
                self.read.compared += 1;
            }
            b'|' if self.sign(b'|') => self.read.logical += 1,
            b'&' if self.sign(b'&') => self.read.logical += 1,
            b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' => self.read.arithmetic += 1,
            b',' => {}
            _ => return None,
        }
        Some(true)
    }

    fn operand(&mut self) -> Option<()> {
        if self.depth >= DEEPEST {
            return None;
        }
        while matches!(self.kind(), Some(Kind::Sign(b'+' | b'-' | b'!' | b'~' | b'@'))) || self.is_word(&PREFIXES) {
            self.at += usize::from(matches!(self.kind(), Some(Kind::Sign(b'+' | b'-' | b'!' | b'~' | b'@'))));
        }
        let kind = self.kind()?;
        self.at += 1;
        match kind {
            Kind::Number | Kind::Text => Some(()),
            Kind::Open(length) => {
                self.read.open = Some(length);
                Some(())
            }
            Kind::Sign(b'*') => Some(()),
            Kind::Sign(b'(') => self.inside(),
            Kind::Sign(b'{') => {
                self.word()?;
                self.at += 1;
                self.operand()?;
                self.sign(b'}').then_some(())
            }
            Kind::Word => {
                let word = self.text.get(self.tokens.get(self.at - 1)?.range.clone())?;
                if matches!(word, "or" | "and" | "xor" | "like" | "in" | "is" | "union" | "having") {
                    return None;
                }
                while self.sign(b'.') {
                    matches!(self.kind()?, Kind::Word | Kind::Text | Kind::Sign(b'*')).then_some(())?;
                    self.at += 1;
                }
                if self.sign(b'(') {
                    self.read.calls += 1;
                    return self.inside();
                }
                if matches!(word, "match" | "case" | "select" | "exists" | "interval") {
                    // Their grammar is long; what matters is how they end.
                    self.read.calls += 1;
                    self.skip();
                    return Some(());
                }
                let constant = matches!(word, "null" | "true" | "false" | "default") || word.starts_with("@@");
                self.read.names += usize::from(!constant);
                Some(())
            }
            _ => None,
        }
    }

    /// Up to the end, a comment or an open string.
    fn skip(&mut self) {
        while let Some(kind) = self.kind() {
            if kind == Kind::Comment {
                return;
            }
            self.at += 1;
            if let Kind::Open(length) = kind {
                self.read.open = Some(length);
            }
        }
    }

    /// What stands in parentheses; they may be left open at the end.
    fn inside(&mut self) -> Option<()> {
        if self.sign(b')') {
            return Some(());
        }
        if matches!(self.word(), Some("select" | "values")) {
            self.read.calls += 1;
            let mut open = 1;
            while let Some(kind) = self.kind() {
                match kind {
                    Kind::Comment => return Some(()),
                    Kind::Open(length) => self.read.open = Some(length),
                    Kind::Sign(b'(') => open += 1,
                    Kind::Sign(b')') => open -= 1,
                    _ => {}
                }
                self.at += 1;
                if open == 0 {
                    break;
                }
            }
            return Some(());
        }
        self.depth += 1;
        let mut fine = self.operand();
        while fine.is_some() && self.read.open.is_none() {
            match self.kind() {
                None | Some(Kind::Comment) => break,
                Some(Kind::Sign(b')')) => {
                    self.at += 1;
                    break;
                }
                _ => fine = self.operator().and_then(|operand| if operand { self.operand() } else { Some(()) }),
            }
        }
        self.depth -= 1;
        fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_that_close_a_string_and_go_on_are_found_without_a_list() {
        for text in [
            "zz' or quux(3) is null or 'b",
            "7'*height is null - '",
            "k' between 1 and 2 or 'z",
            "find me x\" and lower(y) = \"x",
            "9 and tan(2)<cot(5)",
            "or p=q#",
            "1' xor '1'='2",
            "'^'1",
            "a') or ('b')=('b",
            "q' || (select 1) || '",
            "5e1union select 9",
            "3#\nand#x\n7=7",
            "root'/*",
            "x'; kill 7 -- y",
        ] {
            assert!(find(text).is_some(), "{text}");
        }
    }

    #[test]
    fn prose_and_code_with_quotes_do_not_parse() {
        for text in [
            "the students' and teachers' rooms",
            "i like the '60s and '70s",
            "the 60s' and '70s'",
            "rock 'n' roll or 'pop",
            "if x == 'a' or y == 'b': go",
            "the '-' sign, and the '=' sign",
            "\"white\" + \"plate\" + \"pottery\"",
            "choose 'red' or 'blue'",
            "print(\"a\" or \"b\")",
            "5' - 6' tall",
            "médaille d'or and l'or",
            "a = 1 and b = 2",
            "select a from b where c = 'x' and d = 'y'",
            "is it 1 or 2",
            "cats and dogs",
        ] {
            assert!(find(text).is_none(), "{text}");
        }
    }
}
