//! SQL: the judgement of a statement never panics, and what may only read never holds a verb that writes.
#![no_main]

use aic_guard::{BlockedPattern, Dialect, SqlPolicy, judge_statement, sql};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let policy = SqlPolicy { verbs: vec!["SELECT".into()], tables: Some(vec!["users".into()]), functions: None };
    let holds = |text: &str, dialect| {
        if let Ok(judged) = judge_statement(text, &policy, dialect) {
            assert!(judged.reads_only, "{text}");
            let listed = |table: &String| table.eq_ignore_ascii_case("users");
            assert!(judged.tables.iter().all(listed), "{text}: {:?}", judged.tables);
        }
    };
    holds(text, Dialect::Sqlite);
    // What is sent to PostgreSQL is the plain spelling; written plainly again it is the same.
    if let Ok(plain) = sql::plain(text) {
        holds(&plain.text, Dialect::Postgres);
        if plain.parameters.is_empty() {
            let again = sql::plain(&plain.text).map(|again| again.text);
            assert_eq!(again.as_deref(), Ok(plain.text.as_str()), "{text}");
        }
    }
    let _ = sql::is_sql(text);
    let _ = sql::verbs(text);
    if let Ok(pattern) = BlockedPattern::parse("DELETE * FROM users") {
        let _ = pattern.matches(text);
    }
});
