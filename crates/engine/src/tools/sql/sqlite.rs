//! Tools on a SQLite database, behind a second wall: SQLite's own authorizer, which sees what the statement really does, so
//! that a misunderstanding of the parser cannot open more than the spec allows.

mod kept;
mod wall;

pub(crate) use kept::Kept;

use super::{MAX_BYTES, MAX_ROWS, SqlError, SqlJob, SqlOutcome};
use crate::data::Data;
use aic_base::{RelPath, Timestamp};
use kept::{Access, Database, Identity};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wall::Wall;

/// The most columns of an answer: each may be that long.
const MOST_COLUMNS: usize = 256;
/// How long another program is waited for that has the database locked.
const BUSY: Duration = Duration::from_secs(5);
/// How long a statement may take where nothing may block.
const MOMENT: Duration = Duration::from_millis(1);
/// How many steps of SQLite's machine run between two looks at the deadline.
const STEPS_BETWEEN_LOOKS: i32 = 2000;

/// Where and when a statement is carried out.
pub(in crate::tools) struct Around<'a> {
    pub data: &'a Data,
    /// What the spec's tools have open.
    pub kept: &'a Kept,
    pub now: Timestamp,
    pub timeout: Duration,
    pub cancel: &'a CancellationToken,
}

/// Carries a judged statement out. Blocks; call it where blocking is allowed.
pub(in crate::tools) fn carry_out(job: &SqlJob, path: &RelPath, around: &Around<'_>) -> Result<SqlOutcome, SqlError> {
    let failed = |error: rusqlite::Error| told(&error, path, around.timeout);
    let writes = !job.judged.reads_only;
    let access = match (around.data.is_private(), writes) {
        (false, false) => Access::Read,
        (false, true) => Access::Write,
        (true, false) => Access::ReadCopy,
        (true, true) => Access::WriteCopy,
    };
    let file = around.data.file(path, writes).map_err(|error| SqlError::NoData(error.to_string()))?;
    let kept = (access == Access::Read).then(|| around.kept.take(&file, &job.policy, around.now)).flatten();
    let (database, identity) = match kept {
        Some((database, identity)) => (database, Some(identity)),
        None => around.kept.open(&file, access, around.now).map_err(failed)?,
    };
    let (came, refused) = ask(job, (file, database, identity), around, (BUSY, around.timeout)).map_err(failed)?;
    came.map_err(failed).and_then(|came| came).map_err(|error| with(error, refused))
}

/// The same where nothing may block: what a tool has open already is asked, if it answers within a moment. Nothing is
/// told of a statement that has to be carried out elsewhere; none that writes is tried.
pub(in crate::tools) fn carry_out_at_once(
    job: &SqlJob,
    path: &RelPath,
    around: &Around<'_>,
) -> Option<Result<SqlOutcome, SqlError>> {
    if !job.judged.reads_only || around.data.is_private() {
        return None;
    }
    let file = around.data.file(path, false).ok()?;
    let (database, identity) = around.kept.take(&file, &job.policy, around.now)?;
    let patience = (Duration::ZERO, around.timeout.min(MOMENT));
    let (came, refused) = ask(job, (file, database, Some(identity)), around, patience).ok()?;
    // What went wrong goes wrong again, with all the time that it has.
    came.ok().map(|came| came.map_err(|error| with(error, refused)))
}

/// SQLite does not always say what it refused.
fn with(error: SqlError, refused: Option<String>) -> SqlError {
    match (error, refused) {
        (SqlError::Denied(why), Some(what)) => SqlError::Denied(format!("{why} ({what})")),
        (SqlError::Failed(why), Some(what)) => SqlError::Failed(format!("{why} ({what})")),
        (error, _) => error,
    }
}

/// What a database says to a statement.
type Answer = rusqlite::Result<Result<SqlOutcome, SqlError>>;

/// Lets a statement do its work behind its wall; and what that refused first. Waits so long for others that write, and so
/// long altogether. Where all went well, the connection is kept.
fn ask(
    job: &SqlJob,
    (file, mut database, identity): (PathBuf, Database, Option<Identity>),
    around: &Around<'_>,
    (busy, time): (Duration, Duration),
) -> rusqlite::Result<(Answer, Option<String>)> {
    database.connection.busy_timeout(busy)?;
    let (deadline, cancelled) = (Instant::now() + time, around.cancel.clone());
    let stop = move || cancelled.is_cancelled() || Instant::now() > deadline;
    database.connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(stop))?;
    // What the wall knows of the database is what the statement finds. A statement that writes is a transaction of its own.
    if job.judged.reads_only {
        database.connection.prepare_cached("BEGIN")?.execute([])?;
    }
    let known = database.known()?;
    let (came, refused) = database.behind(Wall::around(known, job), |connection| query(connection, job));
    if let Ok(Ok(_)) = came {
        if job.judged.reads_only {
            database.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        if let Some(identity) = identity {
            around.kept.keep(file, &job.policy, database, identity);
        }
    }
    Ok((came, refused))
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
#[path = "sqlite/kept_tests.rs"]
mod kept_tests;

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
        let (kept, cancel) = (Kept::default(), CancellationToken::new());
        let around = Around {
            data: &data,
            kept: &kept,
            now: Timestamp::default(),
            timeout: Duration::from_secs(60),
            cancel: &cancel,
        };
        carry_out(&job, &path, &around)
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
