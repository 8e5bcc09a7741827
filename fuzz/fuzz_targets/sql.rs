//! SQL: the judgement of a statement never panics, and what may only read never holds a verb that writes.
#![no_main]

use aic_guard::{BlockedPattern, Dialect, SqlPolicy, judge_statement, sql};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let policy = SqlPolicy { verbs: vec!["SELECT".into()], tables: Some(vec!["users".into()]), functions: None };
    if let Ok(judged) = judge_statement(text, &policy, Dialect::Sqlite) {
        assert!(judged.reads_only, "{text}");
        assert!(judged.tables.iter().all(|table| table.eq_ignore_ascii_case("users")), "{text}: {:?}", judged.tables);
    }
    let _ = sql::is_sql(text);
    let _ = sql::verbs(text);
    if let Ok(pattern) = BlockedPattern::parse("DELETE * FROM users") {
        let _ = pattern.matches(text);
    }
});
