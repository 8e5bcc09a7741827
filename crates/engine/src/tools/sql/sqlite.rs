//! Tools on a SQLite database, behind a second wall: SQLite's own authorizer, which sees what the statement really does, so
//! that a misunderstanding of the parser cannot open more than the spec allows.

mod wall;

use super::{MAX_BYTES, MAX_ROWS, SqlError, SqlJob, SqlOutcome};
use crate::data::Data;
use crate::tools::clock_functions;
use aic_base::{RelPath, Timestamp};
use rusqlite::hooks::AuthContext;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wall::Wall;

/// The longest text or blob, and the longest row, in bytes: a statement can ask for a longer one with a few words. Stored
/// pictures and documents are to fit; what an answer shows is less.
const LONGEST: i32 = 4_000_000;
/// The most columns of an answer: each may be that long.
const MOST_COLUMNS: usize = 256;
/// How many steps of SQLite's machine run between two looks at the deadline.
const STEPS_BETWEEN_LOOKS: i32 = 2000;

/// Carries a judged statement out. Blocks; call it where blocking is allowed.
pub(in crate::tools) fn carry_out(
    job: &SqlJob,
    path: &RelPath,
    data: &Data,
    now: Timestamp,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<SqlOutcome, SqlError> {
    let failed = |error: rusqlite::Error| told(&error, path, timeout);
    let writes = !job.judged.reads_only;
    let file = data.file(path, writes).map_err(|error| SqlError::NoData(error.to_string()))?;
    let mode = if writes { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let mut connection = Connection::open_with_flags(file, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    if data.is_private() && writes {
        // A throw-away copy needs no durability.
        connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF").map_err(failed)?;
    }
    clock_functions::freeze(&connection, now).map_err(failed)?;
    let (deadline, cancelled) = (Instant::now() + timeout, cancel.clone());
    let stop = move || cancelled.is_cancelled() || Instant::now() > deadline;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(stop)).map_err(failed)?;
    let wall = Wall::around(&connection, job).map_err(failed)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST).map_err(failed)?;
    let refused = wall.refused.clone();
    connection.authorizer(Some(move |context: AuthContext<'_>| wall.judge(&context))).map_err(failed)?;
    let came = query(&connection, job).map_err(failed).and_then(|came| came);
    let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
    came.map_err(|error| match (error, refused) {
        // SQLite does not always say what it refused.
        (SqlError::Denied(why), Some(what)) => SqlError::Denied(format!("{why} ({what})")),
        (SqlError::Failed(why), Some(what)) => SqlError::Failed(format!("{why} ({what})")),
        (error, _) => error,
    })
}

/// What an error of SQLite is to whoever asked.
fn told(error: &rusqlite::Error, path: &RelPath, timeout: Duration) -> SqlError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            SqlError::Denied(format!("the database refused it: {}", plain(error)))
        }
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            SqlError::NoData(format!("{path}: not a readable SQLite database: {}", plain(error)))
        }
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            SqlError::Failed(format!("stopped after {} ms", timeout.as_millis()))
        }
        _ => SqlError::Failed(plain(error)),
    }
}

fn query(connection: &Connection, job: &SqlJob) -> rusqlite::Result<Result<SqlOutcome, SqlError>> {
    let mut statement = connection.prepare(&job.sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if names.len() > MOST_COLUMNS {
        let why = format!(
            "the answer would have {} columns, and {MOST_COLUMNS} is the most: name those you need",
            names.len()
        );
        return Ok(Err(SqlError::Denied(why)));
    }
    for (name, value) in &job.arguments {
        if let Some(index) = statement.parameter_index(&format!(":{name}"))? {
            statement.raw_bind_parameter(index, bound(value))?;
        }
    }
    let before = connection.total_changes();
    let (mut found, mut size, mut truncated) = (Vec::new(), 0, false);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if found.len() == MAX_ROWS || size > MAX_BYTES {
            truncated = true;
            break;
        }
        let mut map = Map::new();
        for (i, name) in names.iter().enumerate() {
            let value = json_of(row.get_ref(i)?);
            size += value.as_str().map_or(8, str::len);
            map.insert(name.clone(), value);
        }
        found.push(Value::Object(map));
    }
    drop(rows);
    if names.is_empty() {
        let changed = connection.total_changes() - before;
        return Ok(Ok(SqlOutcome { result: json!({ "changed": changed }), changed: Some(changed) }));
    }
    let mut result = json!({ "row_count": found.len(), "rows": found });
    if truncated {
        result["truncated"] = Value::Bool(true);
    }
    let changed = connection.total_changes() - before;
    Ok(Ok(SqlOutcome { result, changed: (!job.judged.reads_only).then_some(changed) }))
}

/// An argument as SQLite stores it.
fn bound(value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        Value::Null => Sql::Null,
        Value::Bool(is) => Sql::Integer(i64::from(*is)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Sql::Integer(whole),
            None => Sql::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Sql::Text(text.clone()),
        other => Sql::Text(other.to_string()),
    }
}

fn json_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => format!("<{} bytes>", bytes.len()).into(),
    }
}

/// SQLite's message without the statement it repeats.
fn plain(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Snapshots;
    use aic_guard::{Judged, SqlPolicy};
    use aic_spec::Database;
    use std::sync::Arc;

    /// What the second wall says where the first was fooled into calling this a read of `users`.
    fn behind_the_first_wall(sql: &str) -> Result<SqlOutcome, SqlError> {
        let root = tempfile::tempdir().unwrap();
        let setup = "CREATE TABLE users (id); INSERT INTO users VALUES (1); CREATE TABLE payroll (salary)";
        Connection::open(root.path().join("a.db")).unwrap().execute_batch(setup).unwrap();
        let policy = SqlPolicy { verbs: vec!["SELECT".into()], tables: Some(vec!["users".into()]), functions: None };
        let path = RelPath::new("a.db").unwrap();
        let judged = Judged { verb: "SELECT".into(), tables: vec!["users".into()], reads_only: true };
        let database = Database::Sqlite(path.clone());
        let job = SqlJob { database, sql: sql.into(), judged, policy: Arc::new(policy), arguments: Vec::new() };
        let data = Arc::new(Snapshots::new(root.path()).unwrap()).case();
        carry_out(&job, &path, &data, Timestamp::default(), Duration::from_secs(5), &CancellationToken::new())
    }

    #[test]
    fn a_few_words_never_fill_the_memory() {
        for (sql, why) in [
            ("SELECT printf('%.*c', 900000000, 'x') FROM users", "too big"),
            (&*format!("SELECT {} FROM users", vec!["printf('%.*c', 3000000, 'x')"; 1000].join(", ")), "1000 columns"),
        ] {
            let came = behind_the_first_wall(sql);
            let said = match &came {
                Err(SqlError::Denied(why) | SqlError::Failed(why)) => why.as_str(),
                _ => "",
            };
            assert!(said.contains(why), "{came:?}");
        }
        let honest = behind_the_first_wall("SELECT length(printf('%.*c', 3000000, 'x')) AS n FROM users");
        assert_eq!(honest.unwrap().result["rows"][0]["n"], 3_000_000);
    }

    #[test]
    fn the_second_wall_holds_where_the_first_was_fooled() {
        assert!(behind_the_first_wall("SELECT id FROM users").is_ok());
        for sql in [
            "SELECT * FROM payroll",
            "SELECT * FROM sqlite_schema",
            "SELECT * FROM pragma_table_info('payroll')",
            "DELETE FROM users",
            "UPDATE users SET id = 2",
            "ATTACH ':memory:' AS x",
            "PRAGMA writable_schema = 1",
            "CREATE TEMP TABLE t (x)",
            "SELECT load_extension('x')",
        ] {
            let came = behind_the_first_wall(sql).map_err(|error| match error {
                SqlError::Denied(why) | SqlError::Failed(why) | SqlError::NoData(why) => why,
            });
            assert!(
                came.as_ref().is_err_and(|why| why.contains("authorized") || why.contains("prohibited")),
                "{sql}: {came:?}"
            );
        }
    }
}
