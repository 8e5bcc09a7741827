//! Tools on a PostgreSQL server.
//!
//! Each call has a connection and a transaction of its own, so that nothing is left over for the next. What only reads
//! runs in a read-only transaction, and without a superuser's rights. Time, rows, bytes and the search path are set by us,
//! and the statement goes alone through the extended protocol, its values beside it.

mod connect;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
mod values;

pub(in crate::tools) use connect::Server;

use super::{MAX_BYTES, MAX_ROWS, SqlError, SqlJob, SqlOutcome};
use connect::{ANSWER, Session};
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement, Transaction};
use values::{Bound, Raw};

/// How many rows are asked for at once.
const CHUNK: i32 = 100;
/// How long a statement may wait for somebody else's lock, in milliseconds; its whole time counts too.
const LOCK_MS: u128 = 5_000;
/// The first version with a role that may read everything and nothing else.
const READ_ALL: u32 = 14;

/// Carries a judged statement out. Dropping it stops the statement on the server too.
pub(in crate::tools) async fn carry_out(
    job: &SqlJob,
    server: &Server,
    timeout: Duration,
) -> Result<SqlOutcome, SqlError> {
    let by = Instant::now() + timeout;
    let ms = timeout.as_millis();
    let session = timeout_at(by, server.session()).await;
    let mut session =
        session.unwrap_or_else(|_| Err(format!("{server} did not answer within {ms} ms"))).map_err(SqlError::NoData)?;
    let came = timeout_at(by, transact(&mut session, job, timeout)).await;
    let outcome = came.map_err(|_| SqlError::Failed(format!("stopped after {ms} ms")))?.map_err(|why| match why {
        Why::Ours(error) => error,
        Why::Theirs(_) if session.flooded() => {
            SqlError::Failed(format!("the answer is larger than {} MB: ask for less", ANSWER >> 20))
        }
        Why::Theirs(error) => told(&error, timeout),
    })?;
    session.end().await;
    Ok(outcome)
}

/// Why a statement came to nothing.
enum Why {
    Ours(SqlError),
    Theirs(Error),
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        Self::Theirs(error)
    }
}

async fn transact(session: &mut Session, job: &SqlJob, timeout: Duration) -> Result<SqlOutcome, Why> {
    let reads = job.judged.reads_only;
    let lowered = reads && session.superuser && session.version >= READ_ALL;
    let transaction = session.client.build_transaction().read_only(reads).start().await?;
    transaction.batch_execute(&settings(timeout, lowered)).await?;
    let statement = transaction.prepare(&job.sql).await?;
    let (wanted, filled) = (statement.params().len(), job.arguments.len());
    if wanted != filled {
        let why = format!("the statement has {wanted} parameters, and {filled} are filled");
        return Err(Why::Ours(SqlError::Denied(why)));
    }
    let outcome = query(&transaction, &statement, job).await?;
    // What only read has nothing to keep.
    if reads {
        transaction.rollback().await?
    } else {
        transaction.commit().await?
    }
    Ok(outcome)
}

/// What holds for this transaction, whatever the role or the database has set.
fn settings(timeout: Duration, lowered: bool) -> String {
    let ms = timeout.as_millis().clamp(1, 86_400_000);
    let mut all = format!(
        "SET LOCAL statement_timeout = {ms}; SET LOCAL lock_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL search_path = pg_catalog, public, pg_temp; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
         SET LOCAL IntervalStyle = 'iso_8601'",
        ms.min(LOCK_MS),
        ms + 5_000,
    );
    if lowered {
        // A superuser's read would reach files and programs, transaction or not.
        all.push_str("; SET LOCAL ROLE pg_read_all_data");
    }
    all
}

async fn query(transaction: &Transaction<'_>, statement: &Statement, job: &SqlJob) -> Result<SqlOutcome, Why> {
    let bound: Vec<Bound<'_>> = job.arguments.iter().map(|(_, value)| Bound(value)).collect();
    let params: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    if statement.columns().is_empty() {
        let changed = transaction.execute(statement, &params).await?;
        return Ok(SqlOutcome { result: json!({ "changed": changed }), changed: Some(changed) });
    }
    let reads = job.judged.reads_only;
    let portal = transaction.bind(statement, &params).await?;
    let (mut found, mut size, mut truncated, mut all) = (Vec::new(), 0, false, 0_u64);
    let mut more = true;
    while more {
        let rows = transaction.query_portal(&portal, CHUNK).await?;
        more = rows.len() == CHUNK as usize;
        for row in &rows {
            all += 1;
            truncated |= found.len() == MAX_ROWS || size > MAX_BYTES;
            if !truncated {
                let (row, bytes) = shown(row).map_err(|why| Why::Ours(SqlError::Failed(why)))?;
                size += bytes;
                found.push(row);
            }
        }
        // What was changed is counted to the end.
        more &= !(truncated && reads);
    }
    let mut result = json!({ "row_count": found.len(), "rows": found });
    if truncated {
        result["truncated"] = Value::Bool(true);
    }
    // Rows of a statement that changes some are those that it changed (`RETURNING`).
    Ok(SqlOutcome { result, changed: (job.judged.verb != "SELECT").then_some(all) })
}

/// A row, and how many bytes of text it has.
fn shown(row: &Row) -> Result<(Value, usize), String> {
    let mut map = Map::new();
    let mut size = 0;
    for (i, column) in row.columns().iter().enumerate() {
        let raw: Raw<'_> = row.try_get(i).map_err(|error| error.to_string())?;
        let value = raw.shown(column.type_()).map_err(|what| {
            format!("the column `{}` has the type {what}, which is not shown: write `{0}::text`", column.name())
        })?;
        size += raw.len().max(8);
        map.insert(column.name().to_owned(), value);
    }
    Ok((Value::Object(map), size))
}

/// What an error of the server is to whoever asked.
fn told(error: &Error, timeout: Duration) -> SqlError {
    let Some(db) = error.as_db_error() else {
        return SqlError::Failed(format!("the database did not carry it out: {}", connect::cause(error)));
    };
    match *db.code() {
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => {
            SqlError::Denied(format!("the database refused it: {}", said(db)))
        }
        SqlState::QUERY_CANCELED => SqlError::Failed(format!("stopped after {} ms", timeout.as_millis())),
        _ => SqlError::Failed(said(db)),
    }
}

fn said(error: &DbError) -> String {
    match error.hint() {
        Some(hint) => format!("{} ({hint})", error.message()),
        None => error.message().to_owned(),
    }
}
