//! SQL: the judgement of a parsed statement, patterns on tokens, and what conditions ask of a text.

mod blocked;
mod functions;
mod judge;
mod postgres;
pub(crate) mod tokens;

pub use blocked::{BlockedPattern, NameGlob, tool_glob};
pub use functions::default_functions;
pub use judge::{Denied, Judged, SqlPolicy, judge_statement};
pub use postgres::{Plain, plain};

use sqlparser::ast::{ObjectName, Statement, Visit as _, Visitor};
use sqlparser::dialect::{Dialect as SqlDialect, GenericDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use std::ops::ControlFlow;
use tokens::{Reading, Token, TokenKind};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// Any other, or not known.
    #[default]
    Generic,
}

impl Dialect {
    fn grammar(self) -> &'static dyn SqlDialect {
        match self {
            Self::Sqlite => &SQLiteDialect {},
            Self::Postgres => &PostgreSqlDialect {},
            Self::Generic => &GenericDialect {},
        }
    }
}

/// The longest text that is parsed, in bytes.
const MAX_TEXT: usize = 100_000;
/// The most operators in one text: the parser builds a tree as deep as a chain of them is long, and walks it recursively.
const MAX_OPERATORS: usize = 250;
/// The deepest brackets: the parser's time may double with each level.
const MAX_BRACKETS: usize = 12;

/// Parses a text, or says why it is not parsed.
fn parse(sql: &str, dialect: Dialect) -> Result<Vec<Statement>, String> {
    is_bounded(sql)?;
    parse_bounded(sql, dialect)
}

/// Whether a text can be parsed in bounded time and memory, or why not.
fn is_bounded(sql: &str) -> Result<(), String> {
    if sql.len() > MAX_TEXT {
        return Err(format!("the text is longer than {MAX_TEXT} bytes"));
    }
    let (mut operators, mut brackets, mut deepest) = (0_usize, 0_usize, 0_usize);
    for token in tokens::statements(sql, Reading::default()).iter().flatten() {
        match &token.kind {
            TokenKind::Sign('(' | '[' | '{') => {
                brackets += 1;
                deepest = deepest.max(brackets);
            }
            TokenKind::Sign(')' | ']' | '}') => brackets = brackets.saturating_sub(1),
            TokenKind::Sign(',') => {}
            TokenKind::Sign(_) => operators += 1,
            TokenKind::Name(parts) => {
                const CHAINS: [&str; 14] = [
                    "and",
                    "or",
                    "not",
                    "is",
                    "in",
                    "like",
                    "between",
                    "union",
                    "intersect",
                    "except",
                    "case",
                    "join",
                    "collate",
                    "interval",
                ];
                operators += parts.len() - 1 + usize::from(token.word().is_some_and(|word| CHAINS.contains(&word)));
            }
            _ => {}
        }
    }
    if operators > MAX_OPERATORS {
        return Err(format!("the statement has more than {MAX_OPERATORS} operators"));
    }
    if deepest > MAX_BRACKETS {
        return Err(format!("the statement's brackets are more than {MAX_BRACKETS} deep"));
    }
    Ok(())
}

fn parse_bounded(sql: &str, dialect: Dialect) -> Result<Vec<Statement>, String> {
    let parser = Parser::new(dialect.grammar()).with_recursion_limit(40);
    parser
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|_| "it does not parse as SQL".to_owned())
}

/// The verbs of the statements in a text, in upper case and in order, nested ones included. Where the text does not
/// parse, the words with which its statements begin, if they are verbs of SQL.
pub fn verbs(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    match parse(text, Dialect::Generic) {
        Ok(parsed) => parsed.iter().flat_map(judge::verbs_of).for_each(|verb| all.push(verb.to_owned())),
        Err(_) => {
            for tokens in Reading::of(text).into_iter().flat_map(|reading| tokens::statements(text, reading)) {
                let verb = tokens.first().and_then(Token::word).filter(|word| VERBS.contains(word));
                all.extend(verb.map(str::to_uppercase));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|verb| seen.insert(verb.clone()));
    all
}

/// The verbs of the statements in a text, if it is SQL at all: each statement that parses by its tree, each other one that
/// looks like SQL by its words, so that what does not parse is not let through. Prose gives none.
pub(crate) fn mutating_verbs(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for reading in Reading::of(text) {
        for tokens in tokens::statements(text, reading) {
            let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { continue };
            if !looks_like_statement(&tokens) && !suspicious(&tokens) {
                continue;
            }
            let statement = first.span.to(last.span).of(text);
            if only_reads(&tokens, statement) {
                all.push("SELECT".to_owned());
                continue;
            }
            let parsed = parse(statement, Dialect::Generic).ok();
            match parsed {
                Some(parsed) if !reading.comment_code => {
                    all.extend(parsed.iter().flat_map(judge::effects_of).map(str::to_owned));
                }
                // The words decide: each verb that changes something, wherever in the statement it stands.
                _ => all.extend(
                    tokens.iter().filter_map(Token::word).filter(|word| CHANGING.contains(word)).map(str::to_uppercase),
                ),
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|verb| seen.insert(verb.clone()));
    all
}

/// Whether a statement is a SELECT that can do nothing else, whether it parses or not: one statement in every reading, and
/// none of the words that change something. What a parser would say of it need not be asked.
fn only_reads(tokens: &[Token], statement: &str) -> bool {
    let changes = |part: &String| part == "into" || CHANGING.contains(&part.as_str());
    tokens.first().is_some_and(|token| token.is("select"))
        && is_plain(statement)
        && !statement.contains(';')
        && !tokens.iter().any(|token| matches!(&token.kind, TokenKind::Name(parts) if parts.iter().any(changes)))
}

/// Whether databases agree on what is a string and what a comment in a text.
fn is_plain(text: &str) -> bool {
    text.is_ascii()
        && !text.contains(['\\', '$', '#', '`', '['])
        && !["--", "/*"].iter().any(|sign| text.contains(sign))
}

/// Whether a text that begins with SELECT or WITH surely is more than one statement.
pub(crate) fn is_several(text: &str) -> bool {
    count_plain(text)
        .unwrap_or_else(|| if is_plain(text) { tokens::statements(text, Reading::default()).len() } else { 0 })
        > 1
}

/// How many statements a text is, where no semicolon stands in a string and databases agree on what is one.
pub(crate) fn count_plain(text: &str) -> Option<usize> {
    if !is_plain(text) {
        return None;
    }
    let (mut count, mut begun, mut quote) = (0, false, None);
    for byte in text.bytes() {
        match (byte, quote) {
            (b';', Some(_)) => return None,
            (b';', None) => begun = false,
            (b'\0' | b'\t'..=b'\r' | b' ', None) => {}
            _ => {
                count += usize::from(!begun);
                begun = true;
                // A quote that stands doubled opens its string again.
                match quote {
                    Some(open) if open == byte => quote = None,
                    None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
                    _ => {}
                }
            }
        }
    }
    Some(count)
}

/// Whether a text is exactly one statement that parses.
pub(crate) fn parses_as_one(text: &str) -> bool {
    is_bounded(text).is_ok()
        && [Dialect::Generic, Dialect::Sqlite, Dialect::Postgres]
            .into_iter()
            .any(|dialect| parse_bounded(text, dialect).is_ok_and(|all| all.len() == 1))
}

/// Verbs that change data or structure.
const CHANGING: [&str; 18] = [
    "insert", "update", "delete", "replace", "merge", "create", "alter", "drop", "truncate", "grant", "revoke",
    "attach", "detach", "vacuum", "copy", "rename", "pragma", "reindex",
];

/// A statement that begins with a verb that changes data and has the words of SQL, but not in their order.
fn suspicious(tokens: &[Token]) -> bool {
    const HINTS: [&str; 8] = ["table", "database", "into", "values", "where", "schema", "cascade", "exists"];
    let first = tokens.iter().find_map(Token::word).unwrap_or("");
    let signs = tokens
        .iter()
        .filter(|token| matches!(token.kind, TokenKind::Sign('=' | '(' | ')' | '*') | TokenKind::Text(_)))
        .count();
    (CHANGING.contains(&first) || first == "with")
        && signs > 0
        && tokens.iter().filter_map(Token::word).any(|word| HINTS.contains(&word) || word == "set" || word == "from")
}

/// The tables that the statements in a text name, in lower case, without their schema, each once. Empty where the text
/// does not parse: a condition that must fail closed asks for the verbs too.
pub fn tables(text: &str) -> Vec<String> {
    struct Tables(Vec<String>);
    impl Visitor for Tables {
        type Break = ();
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            let name = relation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
            self.0.extend(name.filter(|name| !self.0.contains(name)));
            ControlFlow::Continue(())
        }
    }
    let mut found = Tables(Vec::new());
    for statement in parse(text, Dialect::Generic).unwrap_or_default() {
        let _ = statement.visit(&mut found);
    }
    found.0
}

/// Whether a text is SQL rather than prose: it begins with a verb of SQL, and parses, or has the words that such a
/// statement must have.
pub fn is_sql(text: &str) -> bool {
    let all = tokens::statements(text, Reading::default());
    let Some(first) = all.first() else { return false };
    looks_like_statement(first)
        && (parse(text, Dialect::Generic).is_ok() || all.iter().all(|tokens| looks_like_statement(tokens)))
}

/// Verbs with which a statement begins.
pub(crate) const VERBS: [&str; 24] = [
    "select", "insert", "update", "delete", "replace", "merge", "create", "alter", "drop", "truncate", "grant",
    "revoke", "with", "explain", "pragma", "attach", "detach", "vacuum", "copy", "rename", "prepare", "execute",
    "call", "reindex",
];

/// Whether tokens have what the statement of their first word needs: prose begins with `select` and `update` too.
pub(crate) fn looks_like_statement(tokens: &[Token]) -> bool {
    let has = |word: &str| tokens.iter().any(|token| token.is(word));
    let second = tokens.get(1).and_then(Token::word).unwrap_or("");
    const OBJECTS: [&str; 22] = [
        "table",
        "database",
        "schema",
        "index",
        "view",
        "trigger",
        "user",
        "role",
        "function",
        "procedure",
        "sequence",
        "temp",
        "temporary",
        "unique",
        "virtual",
        "column",
        "type",
        "extension",
        "materialized",
        "or",
        "login",
        "tablespace",
    ];
    let article = |word: &str| {
        matches!(word, "the" | "an" | "my" | "your" | "our" | "this" | "that" | "some" | "me" | "all" | "every")
    };
    match tokens.first().and_then(Token::word) {
        Some("select") => {
            let plain = tokens.get(1).is_some_and(|token| !matches!(token.kind, TokenKind::Name(_)));
            // `a` is an article too, but a common name of a column or table as well.
            let a_noun = second == "a"
                && tokens.get(2).and_then(Token::word).is_some_and(|third| !matches!(third, "from" | "as" | "into"));
            (has("from") && !article(second) && !a_noun) || plain
        }
        Some("insert" | "replace") => has("into") && (has("values") || has("select") || has("set") || has("default")),
        Some("update") => has("set") && tokens.iter().any(|token| token.kind == TokenKind::Sign('=')),
        Some("delete") => {
            let from = tokens.iter().position(|token| token.is("from"));
            let target = from.and_then(|at| tokens.get(at + 1)).and_then(Token::word).unwrap_or("");
            from.is_some_and(|at| at <= 2)
                && !matches!(target, "the" | "my" | "your" | "our" | "this" | "that")
                && !article(second)
                && from.is_some_and(|at| {
                    tokens.get(at + 2).is_none_or(|next| {
                        !matches!(next.kind, TokenKind::Name(_))
                            || next.word().is_some_and(|word| {
                                matches!(
                                    word,
                                    "where" | "using" | "returning" | "limit" | "order" | "as" | "join" | "partition"
                                )
                            })
                    })
                })
        }
        Some("create" | "alter" | "drop") => OBJECTS.contains(&second) && tokens.get(2).is_some(),
        Some("truncate") => second == "table" || tokens.len() == 2,
        Some("grant" | "revoke") => has("on") && (has("to") || has("from")),
        Some("merge") => second == "into" || has("using"),
        Some("with") => has("as") && has("select"),
        Some("explain") => {
            tokens.iter().skip(1).any(|token| matches!(token.word(), Some("select" | "update" | "delete" | "insert")))
        }
        Some("pragma" | "attach" | "detach" | "vacuum" | "copy" | "reindex" | "execute" | "prepare") => {
            tokens.len() <= 12 && !article(second) && parse_tokens_are_code(tokens)
        }
        _ => false,
    }
}

/// Whether a short statement has signs or strings in it, as code has and an order in prose has not.
fn parse_tokens_are_code(tokens: &[Token]) -> bool {
    tokens.len() <= 2
        || tokens.iter().any(|token| matches!(token.kind, TokenKind::Text(_) | TokenKind::Sign('=' | '(')))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn statements_are_counted_as_their_tokens_part_them(text in "(select|a|1|'|''|'x;'|\"|;|,|\\(|only|from|\\.| |\n|\u{0}|--|/\\*|\u{e9}){0,16}") {
            let count = count_plain(&text);
            let parted = tokens::statements(&text, Reading::default()).len();
            proptest::prop_assert!(count.is_none_or(|count| count == parted), "{:?} {:?} {}", text, count, parted);
        }

        #[test]
        fn what_need_not_be_parsed_parses_as_nothing_else(
            text in "select (a|b|1|, |\\*|from|union|'x'|''|'|\"q\"|\\(|\\)|into|insert|delete|;|--|/\\*|\\*/|E'|\\\\|#|with|values|explain|set|end|begin| ){0,14}",
        ) {
            for tokens in tokens::statements(&text, Reading::default()) {
                let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { continue };
                let statement = first.span.to(last.span).of(&text);
                if only_reads(&tokens, statement) {
                    let effects: Vec<&str> = parse(statement, Dialect::Generic).iter().flatten().flat_map(judge::effects_of).collect();
                    proptest::prop_assert!(effects.iter().all(|effect| *effect == "SELECT"), "{} {:?}", statement, effects);
                }
            }
            proptest::prop_assert!(!(is_several(&text) && parses_as_one(&text)), "{}", text);
        }
    }

    #[test]
    fn verbs_and_tables_are_those_of_the_statements() {
        assert_eq!(verbs("select 1; DELETE from a"), ["SELECT", "DELETE"]);
        assert_eq!(verbs("with d as (delete from a returning *) select * from d"), ["DELETE", "SELECT"]);
        assert_eq!(verbs("drop table if exists ; nonsense"), ["DROP"]);
        assert_eq!(tables("select * from main.Users u join orders o on 1=1"), ["users", "orders"]);
        assert!(verbs("hello world").is_empty() && tables("hello world").is_empty());
    }

    #[test]
    fn prose_is_not_sql() {
        for text in [
            "Select the best option from the list",
            "Update the docs",
            "Drop me a line",
            "Delete all users",
            "",
            "Create a table of contents",
            "Insert a coin into the slot",
            "With great power comes great responsibility",
        ] {
            assert!(!is_sql(text), "{text}");
        }
        for text in [
            "select * from users",
            "SELECT 1",
            "update a set b=1",
            "drop table users",
            "delete from a where b",
            "insert into a values (1)",
            "create index i on t(a)",
            "with a as (select 1) select * from a",
        ] {
            assert!(is_sql(text), "{text}");
        }
    }

    #[test]
    fn deep_and_long_texts_are_refused_before_they_are_parsed() {
        for text in [
            format!("select {}1", "1+".repeat(20_000)),
            format!("select {}1{}", "(".repeat(5000), ")".repeat(5000)),
            format!("select {}1", "not ".repeat(5000)),
            format!("select {}1", "-".repeat(5001)),
            "select 1 union ".repeat(5000),
            format!("select {}", "case when 1 then ".repeat(3000)),
            format!("select a{}", "::int".repeat(3000)),
            "(".repeat(90_000),
        ] {
            assert!(parse(&text, Dialect::Generic).is_err());
            verbs(&text);
            is_sql(&text);
        }
    }

    #[test]
    fn what_is_just_small_enough_is_parsed_without_harm() {
        let nest = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(12), close.repeat(12));
        for text in [
            format!("select {}", nest("(", "1", ")")),
            format!("select * from {}", nest("(", "t", ")")),
            format!("select * from {}", nest("(select * from ", "t", ")")),
            format!("select {}", nest("f(", "1", ")")),
            format!("select * from {}", nest("(t join ", "t", " on 1)")),
            format!("select * from t where {}", nest("(a in ", "(1)", ")")),
            format!("select {}1", "1 + ".repeat(240)),
            format!("select {}1", "not ".repeat(240)),
            format!("select 1 {}", " union select 1".repeat(240)),
            format!("select * from t {}", " join t".repeat(240)),
            format!("select {}1{}", "case when 1 then ".repeat(40), " end".repeat(40)),
            nest("(", "", ")"),
            format!("insert into t values {}", nest("(", "1", ")")),
            format!("select a{}", "[1]".repeat(240)),
        ] {
            for dialect in [Dialect::Generic, Dialect::Sqlite, Dialect::Postgres] {
                let _ = judge_statement(&text, &SqlPolicy::default(), dialect);
            }
            verbs(&text);
            tables(&text);
        }
    }
}
