//! A statement for PostgreSQL in one plain spelling, which is what is judged and what is sent.
//!
//! Two readers of one text can disagree on where a string or a comment ends, and what one takes for a string the other
//! runs. So the statement is read once, by PostgreSQL's lexical rules, and written anew without anything that could be
//! read in two ways: no comments, no dollar quotes, no escapes, no letters beyond ASCII outside of quotes.

/// A statement in plain spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// What to send, with `$1`, `$2`… in place of `:names`.
    pub text: String,
    /// The names of the parameters, the first being `$1`.
    pub parameters: Vec<String>,
}

/// The longest name that PostgreSQL takes, in bytes; it cuts what is longer, and the cut name is another one.
const LONGEST_NAME: usize = 63;

/// Words that PostgreSQL never takes for a table's name without quotes. Another reader might, and then reads
/// `FROM ONLY payroll` as a table `only` that is called `payroll` here.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "rows",
    "select",
    "session_user",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
];

/// Whether a word cannot be a table's name without quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word.to_ascii_lowercase().as_str())
}

/// Writes a statement plainly.
///
/// # Errors
/// Why it cannot be, in a sentence: it is unfinished, or spelled in a way that has a plain form.
pub fn plain(sql: &str) -> Result<Plain, String> {
    let mut reader = Reader {
        rest: sql,
        out: Plain { text: String::with_capacity(sql.len()), parameters: Vec::new() },
        brackets: 0,
    };
    while let Some(c) = reader.rest.chars().next() {
        reader.step(c)?;
    }
    let end = reader.out.text.trim_end().len();
    reader.out.text.truncate(end);
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: Plain,
    /// Open `[`: inside of them `:` parts the bounds of a slice.
    brackets: usize,
}

impl<'a> Reader<'a> {
    fn step(&mut self, c: char) -> Result<(), String> {
        match c {
            ' ' | '\t' | '\n' | '\r' | '\u{c}' => {
                self.take(1);
                self.space();
            }
            '-' if self.rest.starts_with("--") => {
                let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                self.take(end);
                self.space();
            }
            '/' if self.rest.starts_with("/*") => {
                self.comment()?;
                self.space();
            }
            '\'' => {
                self.take(1);
                let value = self.quoted('\'')?;
                self.string(&value);
            }
            '"' => {
                self.take(1);
                let name = self.quoted('"')?;
                if name.is_empty() || name.len() > LONGEST_NAME {
                    return Err(format!("a quoted name is 1 to {LONGEST_NAME} bytes long"));
                }
                self.out.text.push('"');
                self.out.text.push_str(&name.replace('"', "\"\""));
                self.out.text.push('"');
            }
            '$' => self.dollar()?,
            'a'..='z' | 'A'..='Z' | '_' => self.word()?,
            '0'..='9' => {
                let end = self
                    .rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_')))
                    .unwrap_or(self.rest.len());
                let number = self.take(end);
                self.out.text.push_str(number);
            }
            ':' => self.colon(),
            '\\' | '`' | '{' | '}' => return Err(format!("`{c}` stands outside of a string")),
            '!'..='~' => {
                self.brackets = match c {
                    '[' => self.brackets + 1,
                    ']' => self.brackets.saturating_sub(1),
                    _ => self.brackets,
                };
                self.take(1);
                self.out.text.push(c);
            }
            _ => return Err("letters beyond ASCII stand outside of quotes: write the name in double quotes".into()),
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Whatever parts two words, once.
    fn space(&mut self) {
        if !self.out.text.is_empty() && !self.out.text.ends_with(' ') {
            self.out.text.push(' ');
        }
    }

    /// `/* … */`, which nests.
    fn comment(&mut self) -> Result<(), String> {
        let (bytes, mut depth, mut at) = (self.rest.as_bytes(), 0_usize, 0_usize);
        loop {
            match bytes.get(at..at + 2) {
                Some(b"/*") => {
                    depth += 1;
                    at += 2;
                }
                Some(b"*/") => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        self.take(at);
                        return Ok(());
                    }
                }
                Some(_) => at += 1,
                None => return Err("a comment does not end".into()),
            }
        }
    }

    /// Up to the closing quote; a doubled one is meant.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut value = String::new();
        loop {
            let end = self.rest.find(quote).ok_or("a quote does not end")?;
            value.push_str(self.take(end));
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(value);
            }
            value.push(quote);
            self.take(1);
        }
    }

    /// A string as the standard writes it. A backslash in it is a backslash: the connection says so too.
    fn string(&mut self, value: &str) {
        if self.out.text.ends_with('\'') {
            self.out.text.push(' ');
        }
        self.out.text.push('\'');
        self.out.text.push_str(&value.replace('\'', "''"));
        self.out.text.push('\'');
    }

    /// `$$text$$`, `$tag$text$tag$`.
    fn dollar(&mut self) -> Result<(), String> {
        const LONE: &str = "a `$` stands alone: values are written into the statement, and names with it are quoted";
        let body = self.rest.get(1..).unwrap_or("");
        let tag_end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).ok_or(LONE)?;
        let is_tag = !body.starts_with(|c: char| c.is_ascii_digit())
            && body.get(tag_end..).is_some_and(|rest| rest.starts_with('$'));
        if !is_tag {
            return Err(LONE.into());
        }
        let tag = self.take(tag_end + 2);
        let end = self.rest.find(tag).ok_or("a dollar quote does not end")?;
        let value = self.take(end);
        self.take(tag.len());
        self.string(value);
        Ok(())
    }

    /// A keyword or a name, or what stands before a string and changes its reading.
    fn word(&mut self) -> Result<(), String> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(self.rest.len());
        let word = self.take(end);
        if word.len() > LONGEST_NAME {
            return Err(format!("a name is at most {LONGEST_NAME} bytes long"));
        }
        let is = |letter: &str| word.eq_ignore_ascii_case(letter);
        if is("u") && (self.rest.starts_with("&'") || self.rest.starts_with("&\"")) {
            return Err("`U&` writes text in numbers: write the letters".into());
        }
        if self.rest.starts_with('\'') {
            if is("e") {
                self.take(1);
                let value = self.escaped()?;
                self.string(&value);
                return Ok(());
            }
            if is("b") || is("x") || is("n") {
                return Err(format!("`{word}'…'` is not judged: write a number or a plain string"));
            }
            // `date '2025-06-01'`, which needs no space.
            self.out.text.push_str(word);
            self.out.text.push(' ');
            return Ok(());
        }
        self.out.text.push_str(word);
        Ok(())
    }

    /// What stands in `E'…'`, up to and with its end.
    fn escaped(&mut self) -> Result<String, String> {
        let mut value = String::new();
        loop {
            let end = self.rest.find(['\'', '\\']).ok_or("a string does not end")?;
            value.push_str(self.take(end));
            if self.take(1) == "'" {
                if !self.rest.starts_with('\'') {
                    return Ok(value);
                }
                value.push('\'');
                self.take(1);
                continue;
            }
            let escape = self.rest.chars().next().ok_or("a string does not end")?;
            self.take(escape.len_utf8());
            value.push(match escape {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' | '\'' | '"' | '/' | '%' | '_' | '.' => escape,
                'u' => {
                    let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    self.take(4);
                    number.and_then(char::from_u32).filter(|c| *c != '\0').ok_or("a `\\u` names no letter")?
                }
                _ => return Err(format!("the escape `\\{}` is not judged", escape.escape_default())),
            });
        }
    }

    /// A parameter, a cast, or the colon of a slice.
    fn colon(&mut self) {
        self.take(1);
        if self.rest.starts_with(':') {
            self.take(1);
            self.out.text.push_str("::");
            return;
        }
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let is_name = self.brackets == 0 && self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !is_name {
            self.out.text.push(':');
            return;
        }
        let name = self.take(end);
        let known = self.out.parameters.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.out.parameters.push(name.to_owned());
            self.out.parameters.len() - 1
        });
        self.out.text.push_str(&format!("${}", index + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str) -> String {
        plain(sql).unwrap_or_else(|why| panic!("{sql}: {why}")).text
    }

    #[test]
    fn comments_and_quotes_of_every_kind_become_plain() {
        for (sql, wanted) in [
            ("select/* a /* b */ c */1", "select 1"),
            ("select 1 -- x\rfrom t", "select 1 from t"),
            ("select 1 -- x\nfrom t -- y", "select 1 from t"),
            ("select $$it's$$, $a$ $$ $b$ $a$", "select 'it''s', ' $$ $b$ '"),
            (r"select E'a\'b\\\n\u0041', 'a\'", "select 'a''b\\\nA', 'a\\'"),
            ("select \"a\"\"b\" , date'2025-06-01'", "select \"a\"\"b\" , date '2025-06-01'"),
            ("  select\t1 ; ", "select 1 ;"),
            ("select a$b, 1.5e3 <> 2, x->>'y' from \"größe\"", "select a$b, 1.5e3 <> 2, x->>'y' from \"größe\""),
        ] {
            assert_eq!(text(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn names_behind_a_colon_are_parameters_but_for_casts_slices_and_strings() {
        let plain = plain("select :id, a[1:n], b::text, ':no', :id + :n -- :not\n").unwrap();
        assert_eq!(plain.text, "select $1, a[1:n], b::text, ':no', $1 + $2");
        assert_eq!(plain.parameters, ["id", "n"]);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for sql in [
            "select $’$,'$’$, password from payroll --'",
            "select $1",
            "select $1$ , a from b $1$",
            "select U&'d\\0061t'",
            "select u&\"d\\0061t\" from t",
            "select e'\\x27'",
            "select e'\\047'",
            "select x'41'",
            "select 'a",
            "select \"a",
            "select /* a",
            "select /* /* */",
            "select $a$ $b$",
            "select a\u{a0}from b",
            "select größe from t",
            "select `a`",
            "select \\gexec",
            "select \"\"",
        ] {
            assert!(plain(sql).is_err(), "{sql}");
        }
        assert!(plain(&format!("select * from {}", "a".repeat(64))).is_err());
        assert!(plain(&format!("select * from \"{}\"", "é".repeat(32))).is_err());
    }

    proptest::proptest! {
        /// Writing plainly what is plain changes nothing, so nothing in it waits to be read differently.
        #[test]
        fn what_is_plain_stays(words in proptest::collection::vec(proptest::sample::select(vec![
            "'", "''", "\"", "$", "$$", "$a$", "/*", "*/", "--", "\n", "\r", "e'", "E'", "\\", "\\'", "select ", ":a", "::", "[", "]", "1", "x", " ", ";", "é", "-", "/", "*",
        ]), 0..20)) {
            if let Ok(once) = plain(&words.concat())
                && once.parameters.is_empty()
            {
                proptest::prop_assert_eq!(plain(&once.text), Ok(once));
            }
        }
    }
}
