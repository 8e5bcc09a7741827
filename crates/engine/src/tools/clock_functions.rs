//! SQLite's date functions under a clock of ours, so that `date('now')` is the moment the run sees.
//!
//! Each function is replaced by one that puts the frozen moment in the place of `now` and asks a second, untouched
//! connection for the answer.

use aic_base::Timestamp;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Functions whose time values may be `now`, and how many arguments come before the first of those.
const WITH_TIME: [(&str, usize); 7] =
    [("date", 0), ("time", 0), ("datetime", 0), ("julianday", 0), ("unixepoch", 0), ("strftime", 1), ("timediff", 0)];

/// The functions behind `CURRENT_DATE` and its kin, and what each stands for.
const KEYWORDS: [(&str, &str); 3] =
    [("current_date", "date"), ("current_time", "time"), ("current_timestamp", "datetime")];

/// The moment that is a connection's `now`.
#[derive(Clone)]
pub(super) struct Moment(Arc<Mutex<Frozen>>);

struct Frozen {
    /// As SQLite reads a moment: no zone, milliseconds.
    now: String,
    /// Who is asked; opened by the first question.
    original: Option<Connection>,
}

/// Gives a connection a `now` that stands still until it is set. No statement may outlive a moment.
///
/// While a moment lasts the functions are deterministic, so SQLite asks them once where their arguments stand still, and
/// reads tables whose columns, checks or indexes use them. A connection that writes is not told so: it would put `now`
/// into an index, which SQLite itself refuses.
pub(super) fn freeze(connection: &Connection, now: Timestamp, writes: bool) -> rusqlite::Result<Moment> {
    let moment = Moment(Arc::new(Mutex::new(Frozen { now: String::new(), original: None })));
    moment.set(now);
    let mut flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    flags.set(FunctionFlags::SQLITE_DETERMINISTIC, !writes);
    for (name, before) in WITH_TIME {
        let moment = moment.clone();
        connection.create_scalar_function(name, -1, flags, move |context| {
            let mut frozen = moment.lock();
            let args = arguments(context, before, &frozen.now)?;
            frozen.ask(name, args)
        })?;
    }
    for (keyword, function) in KEYWORDS {
        let moment = moment.clone();
        connection.create_scalar_function(keyword, 0, flags, move |_| {
            let mut frozen = moment.lock();
            let now = frozen.now.clone();
            frozen.ask(function, vec![Value::Text(now)])
        })?;
    }
    Ok(moment)
}

impl Moment {
    /// From here on this is `now`.
    pub fn set(&self, now: Timestamp) {
        self.lock().now = format!("{} {}.{:03}", now.date(), now.time(), now.millis().rem_euclid(1000));
    }

    fn lock(&self) -> MutexGuard<'_, Frozen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frozen {
    fn ask(&mut self, function: &str, args: Vec<Value>) -> rusqlite::Result<Value> {
        let original = match &mut self.original {
            Some(original) => original,
            none => none.insert(Connection::open_in_memory()?),
        };
        let holes = vec!["?"; args.len()].join(", ");
        let mut statement = original.prepare_cached(&format!("SELECT {function}({holes})"))?;
        statement.query_row(params_from_iter(args), |row| row.get(0))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(sql: &str) -> Value {
        let connection = Connection::open_in_memory().unwrap();
        freeze(&connection, "2025-06-01T12:00:00Z".parse().unwrap(), false).unwrap();
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

    #[test]
    fn a_moment_that_is_set_anew_is_the_next_statements_now() {
        let connection = Connection::open_in_memory().unwrap();
        let moment = freeze(&connection, Timestamp::default(), false).unwrap();
        let today = || -> String { connection.query_row("SELECT date('now')", [], |row| row.get(0)).unwrap() };
        assert_eq!(today(), "1970-01-01");
        moment.set("2025-06-01T12:00:00Z".parse().unwrap());
        assert_eq!(today(), "2025-06-01");
    }

    #[test]
    fn tables_whose_indexes_and_columns_use_dates_are_read_and_no_moment_is_put_into_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let setup = "CREATE TABLE t (at, day AS (date(at)) STORED); CREATE INDEX i ON t (date(at));
                     INSERT INTO t VALUES ('2025-01-02 03:04:05')";
        Connection::open(&file).unwrap().execute_batch(setup).unwrap();
        let reader = Connection::open(&file).unwrap();
        let _moment = freeze(&reader, Timestamp::default(), false).unwrap();
        let count = "SELECT count(*) FROM t WHERE date(at) = '2025-01-02' AND day = date(at)";
        assert_eq!(reader.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        let writer = Connection::open_in_memory().unwrap();
        let _moment = freeze(&writer, Timestamp::default(), true).unwrap();
        writer.execute_batch("CREATE TABLE t (at)").unwrap();
        assert!(writer.execute_batch("CREATE INDEX i ON t (date('now'))").is_err());
    }
}
