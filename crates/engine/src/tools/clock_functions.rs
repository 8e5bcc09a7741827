//! SQLite's date functions under a clock of ours, so that `date('now')` is the moment the run sees.
//!
//! Each function is replaced by one that puts the frozen moment in the place of `now` and asks a second, untouched
//! connection for the answer.

use aic_base::Timestamp;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::sync::{Arc, Mutex, PoisonError};

/// Functions whose time values may be `now`, and how many arguments come before the first of those.
const WITH_TIME: [(&str, usize); 7] =
    [("date", 0), ("time", 0), ("datetime", 0), ("julianday", 0), ("unixepoch", 0), ("strftime", 1), ("timediff", 0)];

/// The functions behind `CURRENT_DATE` and its kin, and what each stands for.
const KEYWORDS: [(&str, &str); 3] =
    [("current_date", "date"), ("current_time", "time"), ("current_timestamp", "datetime")];

/// Gives a connection this moment as its `now`.
pub(super) fn freeze(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let original = Arc::new(Mutex::new(Connection::open_in_memory()?));
    // What SQLite reads as a moment: no zone, milliseconds.
    let moment = format!("{} {}.{:03}", now.date(), now.time(), now.millis().rem_euclid(1000));
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, before) in WITH_TIME {
        let (original, moment) = (original.clone(), moment.clone());
        connection.create_scalar_function(name, -1, flags, move |context| {
            let args = arguments(context, before, &moment)?;
            ask(&original, name, args)
        })?;
    }
    for (keyword, function) in KEYWORDS {
        let (original, moment) = (original.clone(), moment.clone());
        connection.create_scalar_function(keyword, 0, flags, move |_| {
            ask(&original, function, vec![Value::Text(moment.clone())])
        })?;
    }
    Ok(())
}

fn arguments(context: &Context<'_>, before: usize, moment: &str) -> rusqlite::Result<Vec<Value>> {
    let mut args: Vec<Value> = (0..context.len()).map(|i| context.get(i)).collect::<Result<_, _>>()?;
    if args.len() <= before {
        args.push(Value::Text(moment.to_owned()));
    }
    for arg in &mut args[before..] {
        if matches!(arg, Value::Text(text) if text.trim().eq_ignore_ascii_case("now")) {
            *arg = Value::Text(moment.to_owned());
        }
    }
    Ok(args)
}

fn ask(original: &Mutex<Connection>, function: &str, args: Vec<Value>) -> rusqlite::Result<Value> {
    let holes = vec!["?"; args.len()].join(", ");
    let original = original.lock().unwrap_or_else(PoisonError::into_inner);
    let mut statement = original.prepare_cached(&format!("SELECT {function}({holes})"))?;
    statement.query_row(params_from_iter(args), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(sql: &str) -> Value {
        let connection = Connection::open_in_memory().unwrap();
        freeze(&connection, "2025-06-01T12:00:00Z".parse().unwrap()).unwrap();
        connection.query_row(&format!("SELECT {sql}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn now_is_the_frozen_moment_in_every_function() {
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(frozen("date('now')"), text("2025-06-01"));
        assert_eq!(frozen("date('NOW', '-30 days')"), text("2025-05-02"));
        assert_eq!(frozen("datetime()"), text("2025-06-01 12:00:00"));
        assert_eq!(frozen("strftime('%Y', 'now')"), text("2025"));
        assert_eq!(frozen("unixepoch('now')"), Value::Integer(1_748_779_200));
        assert_eq!(frozen("CURRENT_DATE"), text("2025-06-01"));
        assert_eq!(frozen("CURRENT_TIMESTAMP"), text("2025-06-01 12:00:00"));
        assert_eq!(frozen("julianday('2025-06-01') - julianday('2025-05-31')"), Value::Real(1.0));
    }
}
