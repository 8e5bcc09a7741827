//! A tolerant SQL tokenizer: never fails, linear, for texts that may be no SQL at all. The judgement of a statement is
//! made on the parsed statement (`judge`); this is for patterns, and for what does not parse.

use aic_base::Span;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name in lower case, without its quotes; a qualified name has all its parts.
    Name(Vec<String>),
    /// A number or a parameter.
    Number(String),
    /// A string literal.
    Text(String),
    /// Any other character.
    Sign(char),
}

impl Token {
    /// Whether it is this unqualified word.
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.kind, TokenKind::Name(parts) if matches!(parts.as_slice(), [only] if only == word))
    }

    /// The unqualified word it is.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::Name(parts) => match parts.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        }
    }
}

/// How databases differ in what they take for a comment or a string. A text is read in each way that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// `\'` does not end a string (MySQL).
    pub backslash: bool,
    /// `/* /* */ */` is one comment (PostgreSQL).
    pub nested_comments: bool,
    /// `#` starts a comment (MySQL).
    pub hash_comments: bool,
    /// `/*!50000 DROP */` is code (MySQL).
    pub comment_code: bool,
}

impl Reading {
    /// The readings that can differ for this text; the standard one comes first.
    pub fn of(text: &str) -> Vec<Self> {
        let mut all = vec![Self::default()];
        let mut double = |relevant: bool, change: fn(&mut Self)| {
            if relevant {
                let more: Vec<Self> = all
                    .iter()
                    .map(|reading| {
                        let mut reading = *reading;
                        change(&mut reading);
                        reading
                    })
                    .collect();
                all.extend(more);
            }
        };
        double(text.contains('\\'), |reading| reading.backslash = true);
        double(text.matches("/*").nth(1).is_some(), |reading| reading.nested_comments = true);
        double(text.contains('#'), |reading| reading.hash_comments = true);
        double(text.contains("/*!"), |reading| reading.comment_code = true);
        all
    }
}

/// The statements of a text: its tokens, parted at semicolons, comments left out. Empty statements are dropped.
pub fn statements(text: &str, reading: Reading) -> Vec<Vec<Token>> {
    let mut all = Vec::new();
    let mut current = Vec::new();
    for token in (Scanner { text, at: 0, reading, code_comment: false }) {
        if token.kind == TokenKind::Sign(';') {
            if !current.is_empty() {
                all.push(std::mem::take(&mut current));
            }
        } else {
            join(&mut current, token);
        }
    }
    if !current.is_empty() {
        all.push(current);
    }
    all
}

/// Adds a token; `main . users` becomes one qualified name, and PostgreSQL's `ONLY` before a table vanishes.
fn join(tokens: &mut Vec<Token>, token: Token) {
    if let TokenKind::Name(parts) = &token.kind
        && let [.., Token { kind: TokenKind::Name(_), .. }, Token { kind: TokenKind::Sign('.'), .. }] =
            tokens.as_slice()
    {
        tokens.pop();
        if let Some(Token { kind: TokenKind::Name(all), span }) = tokens.last_mut() {
            all.extend(parts.iter().cloned());
            *span = span.to(token.span);
        }
        return;
    }
    let follows_only = tokens.len() >= 2
        && tokens.last().is_some_and(|last| last.is("only"))
        && tokens[tokens.len() - 2].word().is_some_and(|word| matches!(word, "from" | "update" | "table" | "join"))
        && matches!(token.kind, TokenKind::Name(_));
    if follows_only {
        tokens.pop();
    }
    tokens.push(token);
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    reading: Reading,
    code_comment: bool,
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let start = self.at;
            let rest = self.text.get(start..)?;
            let c = rest.chars().next()?;
            if self.skip_comment(rest) {
                continue;
            }
            self.at += c.len_utf8();
            let kind = match c {
                _ if c.is_whitespace() || c == '\0' || c == '\u{feff}' => continue,
                '\'' => TokenKind::Text(self.quoted('\'')),
                '"' | '`' => TokenKind::Name(vec![self.quoted(c).to_lowercase()]),
                '[' => match self.bracketed() {
                    Some(name) => TokenKind::Name(vec![name.to_lowercase()]),
                    None => TokenKind::Sign('['),
                },
                '$' => match self.dollar_quoted(start) {
                    Some(text) => TokenKind::Text(text),
                    None => TokenKind::Sign('$'),
                },
                _ if c.is_ascii_digit() => TokenKind::Number(self.run(start, |c| c.is_alphanumeric() || c == '.')),
                _ if c.is_alphabetic() || c == '_' => TokenKind::Name(vec![
                    self.run(start, |c| c.is_alphanumeric() || matches!(c, '_' | '$')).to_lowercase(),
                ]),
                _ => TokenKind::Sign(c),
            };
            return Some(Token { kind, span: Span::new(start, self.at) });
        }
    }
}

impl Scanner<'_> {
    /// Steps over a comment that starts here.
    fn skip_comment(&mut self, rest: &str) -> bool {
        if self.code_comment && rest.starts_with("*/") {
            self.code_comment = false;
            self.at += 2;
            return true;
        }
        if rest.starts_with("--") || (self.reading.hash_comments && rest.starts_with('#')) {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return true;
        }
        if !rest.starts_with("/*") {
            return false;
        }
        if self.reading.comment_code && rest.starts_with("/*!") {
            let digits = rest.bytes().skip(3).take_while(u8::is_ascii_digit).count();
            self.at += 3 + digits;
            self.code_comment = true;
            return true;
        }
        let mut depth = 0_usize;
        let bytes = rest.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes.get(i..i + 2) {
                Some(b"/*") if depth == 0 || self.reading.nested_comments => {
                    depth += 1;
                    i += 2;
                }
                Some(b"*/") => {
                    depth -= 1;
                    i += 2;
                    if depth == 0 {
                        break;
                    }
                }
                _ => i += 1,
            }
        }
        self.at += i.min(bytes.len());
        true
    }

    /// Reads up to the closing quote, which stands doubled where it is meant; `self.at` is behind the opening one.
    fn quoted(&mut self, quote: char) -> String {
        let mut value = String::new();
        let rest = self.text.get(self.at..).unwrap_or("");
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && self.reading.backslash && quote != '`' {
                value.extend(chars.next().map(|(_, escaped)| escaped));
            } else if c != quote {
                value.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
                value.push(quote);
            } else {
                self.at += at + quote.len_utf8();
                return value;
            }
        }
        self.at = self.text.len();
        value
    }

    /// Reads `[name]`, an identifier of SQLite and SQL Server; anything else stays a bracket.
    fn bracketed(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let end = rest.char_indices().take(130).find(|(_, c)| *c == ']').map(|(at, _)| at)?;
        let name = rest.get(..end)?;
        let first = name.chars().next()?;
        if !(first.is_alphabetic() || first == '_') {
            return None;
        }
        self.at += end + 1;
        Some(name.to_owned())
    }

    /// Reads `$$text$$` or `$tag$text$tag$`.
    fn dollar_quoted(&mut self, start: usize) -> Option<String> {
        let rest = self.text.get(start..)?;
        let tag_end = rest.char_indices().skip(1).take(66).find(|(_, c)| !(c.is_alphanumeric() || *c == '_'))?;
        if tag_end.1 != '$' {
            return None;
        }
        let tag = rest.get(..=tag_end.0)?;
        let body = rest.get(tag.len()..)?;
        let end = body.find(tag)?;
        self.at = start + tag.len() + end + tag.len();
        body.get(..end).map(str::to_owned)
    }

    fn run(&mut self, start: usize, part: impl Fn(char) -> bool) -> String {
        let rest = self.text.get(start..).unwrap_or("");
        let end = rest.find(|c: char| !part(c)).unwrap_or(rest.len());
        self.at = start + end.max(1);
        rest.get(..end).unwrap_or("").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, reading: Reading) -> Vec<Vec<String>> {
        let word = |token: &Token| match &token.kind {
            TokenKind::Name(parts) => parts.join("."),
            TokenKind::Number(text) => text.clone(),
            TokenKind::Text(text) => format!("'{text}'"),
            TokenKind::Sign(c) => c.to_string(),
        };
        statements(text, reading).iter().map(|tokens| tokens.iter().map(word).collect()).collect()
    }

    #[test]
    fn comments_spacing_case_and_quotes_fold_away() {
        let plain = words("delete from main.users", Reading::default());
        for text in ["DELETE/**/FROM main . \"users\"", "Delete--x\nfrom [main].`users`", "delete from only main.USERS"]
        {
            assert_eq!(words(text, Reading::default()), plain, "{text}");
        }
    }

    #[test]
    fn a_semicolon_in_a_string_parts_nothing() {
        assert_eq!(words("select ';'; drop table a", Reading::default()).len(), 2);
        assert_eq!(words("select $x$;$x$", Reading::default()).len(), 1);
    }

    #[test]
    fn a_text_is_read_the_way_each_database_reads_it() {
        let text = r"select '\'; drop table a; -- '";
        let all: Vec<usize> = Reading::of(text).into_iter().map(|reading| words(text, reading).len()).collect();
        assert_eq!(all, [2, 1]);
        let hidden = "/*!50000 drop */ table a";
        assert!(Reading::of(hidden).into_iter().any(|reading| words(hidden, reading)[0][0] == "drop"));
    }
}
