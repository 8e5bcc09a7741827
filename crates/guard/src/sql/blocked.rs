//! Patterns of `tools.blocked`: `DROP *` on the tokens of SQL statements, `delete_*` on the names of tools.

use super::VERBS;
use super::tokens::{Reading, Token, TokenKind, statements};
use crate::defs::{Problem, ProblemAt};
use crate::distance::nearest;
use aic_base::Span;

/// A pattern on the tokens of SQL statements: `*` stands for any run of tokens, none included, and the pattern need only
/// match a statement's beginning. Case, comments, spacing and quotes do not matter; `users` matches `main.users` too. The
/// verb behind `WITH …`, `EXPLAIN` and `PREPARE … AS`, and one inside a `WITH`, count as beginnings, so that those are no
/// way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    One(TokenKind),
}

impl BlockedPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty, does not begin with a word that begins SQL statements, holds a semicolon, or is absurdly long.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |message: &str| Err(Problem::new(ProblemAt::Param("pattern".into()), message));
        if text.len() > 1000 {
            return wrong("the pattern is too long: 1,000 bytes are enough for any statement's beginning");
        }
        let mut all = statements(text, Reading::default());
        if all.len() > 1 {
            return wrong("a pattern describes one statement: write one pattern each, without semicolons");
        }
        let tokens = all.pop().unwrap_or_default();
        if !tokens.first().is_some_and(|token| matches!(token.kind, TokenKind::Name(_))) {
            return wrong("a pattern begins with an SQL word, such as `DROP *`; for a tool's name write `tool: …`");
        }
        if let Some(word) = tokens.first().and_then(Token::word)
            && !begins_statements(word)
        {
            let shown: String = word.chars().take(60).collect();
            let message = format!(
                "no SQL statement begins with `{shown}`, so this would block nothing: for commands write `deny` in the \
                 tool's `run: {{shell: …}}`, for a tool's name `tool: …`"
            );
            let meant = nearest(word, VERBS);
            return Err(Problem::new(ProblemAt::Param("pattern".into()), message).with_suggestion(meant));
        }
        let mut parts: Vec<Part> = Vec::new();
        for token in tokens {
            let part = if token.kind == TokenKind::Sign('*') { Part::Any } else { Part::One(token.kind) };
            if !(part == Part::Any && parts.last() == Some(&Part::Any)) {
                parts.push(part);
            }
        }
        Ok(Self { text: text.trim().to_owned(), parts })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first statement that the pattern stops, in each way a database may read the text.
    pub fn matches(&self, sql: &str) -> Option<Span> {
        Reading::of(sql).into_iter().find_map(|reading| {
            statements(sql, reading).into_iter().find_map(|tokens| {
                let stopped =
                    beginnings(&tokens).into_iter().any(|from| self.begins(tokens.get(from..).unwrap_or(&[])));
                let (first, last) = (tokens.first()?, tokens.last()?);
                stopped.then(|| first.span.to(last.span))
            })
        })
    }

    /// Whether the tokens begin with the pattern; linear but for the last `*`, quadratic at worst.
    fn begins(&self, tokens: &[Token]) -> bool {
        let (mut part, mut token) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(wanted) = self.parts.get(part) {
            match wanted {
                Part::Any => {
                    retry = Some((part, token));
                    part += 1;
                }
                Part::One(kind) if tokens.get(token).is_some_and(|token| same(kind, &token.kind)) => {
                    part += 1;
                    token += 1;
                }
                Part::One(_) => match retry {
                    Some((star, from)) if from < tokens.len() => {
                        retry = Some((star, from + 1));
                        part = star + 1;
                        token = from + 1;
                    }
                    _ => return false,
                },
            }
        }
        true
    }
}

/// Whether statements of some database begin with a word, in lower case.
fn begins_statements(word: &str) -> bool {
    const MORE: [&str; 44] = [
        "abort",
        "analyze",
        "backup",
        "begin",
        "bulk",
        "checkpoint",
        "close",
        "cluster",
        "comment",
        "commit",
        "dbcc",
        "deallocate",
        "declare",
        "desc",
        "describe",
        "discard",
        "do",
        "end",
        "exec",
        "fetch",
        "flush",
        "handler",
        "import",
        "listen",
        "load",
        "lock",
        "move",
        "notify",
        "optimize",
        "reassign",
        "refresh",
        "release",
        "reset",
        "restore",
        "rollback",
        "savepoint",
        "set",
        "show",
        "start",
        "table",
        "unlisten",
        "unlock",
        "use",
        "values",
    ];
    VERBS.contains(&word) || MORE.contains(&word)
}

/// Whether a token is what the pattern wants; of a qualified name the last parts count.
fn same(wanted: &TokenKind, found: &TokenKind) -> bool {
    match (wanted, found) {
        (TokenKind::Name(wanted), TokenKind::Name(found)) => found.ends_with(wanted),
        _ => wanted == found,
    }
}

/// Where in a statement its verbs stand: at its start, behind `EXPLAIN`, `WITH …` and `PREPARE … AS`, and inside `WITH`.
fn beginnings(tokens: &[Token]) -> Vec<usize> {
    const VERBS: [&str; 9] = ["select", "insert", "update", "delete", "merge", "replace", "drop", "alter", "truncate"];
    let mut all = vec![0];
    let first = tokens.iter().position(|token| token.kind != TokenKind::Sign('(')).unwrap_or(0);
    if first > 0 {
        all.push(first);
    }
    let word = tokens.get(first).and_then(Token::word);
    if word.is_some_and(|word| matches!(word, "with" | "explain" | "prepare" | "begin" | "declare" | "create")) {
        let verb = |token: &Token| token.word().is_some_and(|word| VERBS.contains(&word));
        let verbs = tokens.iter().enumerate().skip(first + 1).filter(|(_, token)| verb(token)).map(|(at, _)| at);
        // More than a handful in one statement is an attack on time, and the first ones decide.
        all.extend(verbs.take(32));
    }
    all
}

/// A glob on the names of tools: `*` any run of characters, `?` any one. Letter case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameGlob {
    pattern: Vec<char>,
}

/// Reads a glob on tool names.
///
/// # Errors
/// It is empty, holds spaces (then an SQL pattern was probably meant), or is longer than 200 characters.
pub fn tool_glob(pattern: &str) -> Result<NameGlob, Problem> {
    let wrong = |message: &str| Err(Problem::new(ProblemAt::Param("tool".into()), message));
    if pattern.trim().is_empty() {
        return wrong("the name of a tool, or a glob such as `delete_*`, is missing");
    }
    if pattern.chars().any(char::is_whitespace) {
        return wrong("tools have no spaces in their names: for SQL write `pattern: \"…\"`");
    }
    if pattern.chars().count() > 200 {
        return wrong("the glob is too long: 200 characters are enough");
    }
    Ok(NameGlob { pattern: pattern.to_lowercase().chars().collect() })
}

impl NameGlob {
    /// Whether a tool's name matches.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        let (mut p, mut n) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.pattern.get(p), name.get(n)) {
                (None, None) => return true,
                (Some('*'), _) => {
                    retry = Some((p, n));
                    p += 1;
                }
                (Some(wanted), Some(found)) if *wanted == '?' || wanted == found => {
                    p += 1;
                    n += 1;
                }
                _ => match retry {
                    Some((star, from)) if from < name.len() => {
                        retry = Some((star, from + 1));
                        p = star + 1;
                        n = from + 1;
                    }
                    _ => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stops(pattern: &str, sql: &str) -> bool {
        BlockedPattern::parse(pattern).unwrap().matches(sql).is_some()
    }

    #[test]
    fn a_star_is_any_run_of_tokens_and_a_beginning_is_enough() {
        assert!(stops("DROP *", "drop table users"));
        assert!(stops("DROP *", "DROP"));
        assert!(stops("DELETE * FROM users", "delete/**/from users where 1=1"));
        assert!(stops("DELETE * FROM users", "DELETE LOW_PRIORITY FROM users"));
        assert!(!stops("DELETE * FROM users", "delete from orders"));
        assert!(!stops("DELETE * FROM users", "delete from users_archive"));
        assert!(!stops("DROP *", "select 'drop table users'"));
        assert!(!stops("DROP *", "select dropped from t"));
    }

    #[test]
    fn writing_a_name_in_another_way_is_no_way_round() {
        for name in
            ["\"users\"", "`USERS`", "[users]", "main.users", "\"main\" . \"users\"", "ONLY users", "only main.users"]
        {
            assert!(stops("DELETE * FROM users", &format!("DELETE FROM {name}")), "{name}");
        }
        assert!(stops("DELETE FROM audit.log", "delete from main.audit.log"));
        assert!(!stops("DELETE FROM audit.log", "delete from other.log"));
    }

    #[test]
    fn every_statement_of_a_text_is_looked_at() {
        assert!(stops("DROP *", "select 1; ;; /* ; */ drop table users"));
        assert!(stops("DROP *", "select ';'; drop table users"));
        assert!(!stops("DROP *", "select '; drop table users'"));
    }

    #[test]
    fn comments_and_strings_hide_nothing_in_any_database() {
        for sql in [
            "/*!50000 DROP */ TABLE users",
            "# x\nDROP TABLE users",
            r"select '\'; DROP TABLE users -- '",
            "/* /* */ DROP TABLE users /* */ */",
            "select \"\\\"; drop table users",
        ] {
            assert!(stops("DROP *", sql), "{sql}");
        }
    }

    #[test]
    fn with_explain_and_prepare_are_no_way_round() {
        for sql in [
            "WITH a AS (SELECT 1) DELETE FROM users",
            "WITH a AS (DELETE FROM users RETURNING *) SELECT * FROM a",
            "EXPLAIN ANALYZE DELETE FROM users",
            "PREPARE p AS DELETE FROM users",
            "(DELETE FROM users)",
        ] {
            assert!(stops("DELETE * FROM users", sql), "{sql}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for text in ["", "* FROM users", "DROP TABLE a; DROP TABLE b", "-- x"] {
            assert!(BlockedPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_begins_no_statement_is_refused_for_it_would_block_nothing() {
        for text in ["rm -rf *", "git push *", "delete_user", "sudo *"] {
            let problem = BlockedPattern::parse(text).expect_err(text);
            assert!(problem.message.contains("would block nothing") && problem.message.contains("deny"), "{problem:?}");
        }
        assert_eq!(BlockedPattern::parse("DELTE * FROM users").unwrap_err().suggestion.as_deref(), Some("delete"));
        for text in ["PRAGMA *", "attach *", "EXEC xp_cmdshell *", "Grant * TO public", "WITH *", "lock TABLE *"] {
            assert!(BlockedPattern::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn tool_names_match_as_globs() {
        let matches = |glob: &str, name: &str| tool_glob(glob).unwrap().matches(name);
        assert!(matches("delete_*", "delete_user") && matches("delete_*", "DELETE_") && matches("*", ""));
        assert!(matches("*_u?er*", "delete_user_2") && !matches("delete_*", "undelete_user"));
        assert!(!matches("execute_sql", "execute_sql2"));
        assert!(tool_glob("DROP *").is_err() && tool_glob("").is_err());
    }

    proptest! {
        #[test]
        fn a_match_survives_case_comments_and_spacing(
            flips in proptest::collection::vec(any::<bool>(), 64),
            gaps in proptest::collection::vec(prop_oneof![Just(" "), Just("\n\t"), Just("/* x */"), Just("--y\n"), Just("/**/ ")], 8),
        ) {
            let mut flip = flips.iter().cycle();
            let mut sql = String::new();
            for (word, gap) in ["delete", "from", "users", "where", "id", "=", "1"].iter().zip(gaps.iter().cycle()) {
                for c in word.chars() {
                    sql.push(if *flip.next().unwrap() { c.to_ascii_uppercase() } else { c });
                }
                sql.push_str(gap);
            }
            prop_assert!(stops("DELETE * FROM users", &sql), "{}", sql);
        }

        #[test]
        fn no_text_makes_a_pattern_or_a_match_panic(pattern in "\\PC{0,40}", sql in "\\PC{0,200}") {
            if let Ok(pattern) = BlockedPattern::parse(&pattern) {
                pattern.matches(&sql);
            }
            let _ = tool_glob(&sql).map(|glob| glob.matches(&pattern));
        }
    }
}
