//! Tools on a database: judged as a parsed statement first, then carried out behind a second wall of the database's own.

#[cfg(feature = "postgres")]
pub(super) mod postgres;
pub(super) mod sqlite;

use super::fill::Values;
use aic_guard::{Dialect, Judged, SqlPolicy, judge_statement};
use aic_spec::{Database, SqlRun, ToolSpec};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The most rows a call returns; the result says when there were more.
pub(super) const MAX_ROWS: usize = 1000;
/// The most bytes of text a call returns.
const MAX_BYTES: usize = 1_000_000;

/// What a call did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SqlOutcome {
    pub result: Value,
    pub changed: Option<u64>,
}

/// Why a statement was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SqlError {
    /// The spec does not allow it.
    Denied(String),
    /// It was tried, and failed.
    Failed(String),
    /// There is no database to try it on: the set-up is wrong, and no answer of a model can mend it.
    NoData(String),
}

/// A statement that passed the first wall.
#[derive(Debug, Clone)]
pub(crate) struct SqlJob {
    pub(super) database: Database,
    /// As it is sent.
    sql: String,
    pub judged: Judged,
    policy: Arc<SqlPolicy>,
    /// What is bound: by name, and for PostgreSQL in the order of its numbers.
    arguments: Vec<(String, Value)>,
}

impl SqlJob {
    /// Whether a test can have a copy of the database to itself.
    pub(super) const fn is_local(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }
}

/// What a tool's statements may do, and its own one where it has one.
#[derive(Debug)]
pub(super) struct Statements {
    policy: Arc<SqlPolicy>,
    /// The statement that the spec has written, judged by the first call.
    fixed: OnceLock<Result<Read, SqlError>>,
}

/// A statement that was read and judged.
#[derive(Debug, Clone)]
struct Read {
    judged: Judged,
    /// As it is sent.
    sql: String,
    /// Its parameters in the order of their numbers, where it is sent with numbers.
    in_order: Option<Vec<String>>,
}

impl Statements {
    pub fn of(tool: &ToolSpec) -> Self {
        let (verbs, tables, functions) = (tool.permissions.clone(), tool.tables.clone(), tool.functions.clone());
        Self { policy: Arc::new(SqlPolicy { verbs, tables, functions }), fixed: OnceLock::new() }
    }
}

/// Judges the statement of a call.
pub(super) fn judge(statements: &Statements, run: &SqlRun, args: &Value) -> Result<SqlJob, SqlError> {
    let policy = &statements.policy;
    let read = match (&run.statement, args.get("query").and_then(Value::as_str)) {
        (Some(own), _) => statements.fixed.get_or_init(|| read(policy, &run.database, own)).clone()?,
        (None, Some(sql)) => read(policy, &run.database, sql)?,
        (None, None) => {
            return Err(SqlError::Denied("the argument `query` with the statement is missing".into()));
        }
    };
    let given = args.as_object().filter(|_| run.statement.is_some());
    let arguments = match read.in_order {
        None => given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Some(names) => {
            if let (None, Some(name)) = (&run.statement, names.first()) {
                let why = format!("the statement has a parameter `:{name}`, and nothing fills it: write the value");
                return Err(SqlError::Denied(why));
            }
            let value = |name: &String| given.and_then(|args| args.get(name)).cloned().unwrap_or_default();
            names.iter().map(|name| (name.clone(), value(name))).collect()
        }
    };
    let (judged, sql) = (read.judged, read.sql);
    Ok(SqlJob { database: run.database.clone(), sql, judged, policy: policy.clone(), arguments })
}

fn read(policy: &SqlPolicy, database: &Database, sql: &str) -> Result<Read, SqlError> {
    let denied = |denied: aic_guard::Denied| SqlError::Denied(denied.reason);
    match database {
        Database::Sqlite(_) => {
            let judged = judge_statement(sql, policy, Dialect::Sqlite).map_err(denied)?;
            if judged.verb == "TRUNCATE" {
                let why =
                    "SQLite has no TRUNCATE: where DELETE is permitted, `DELETE FROM` without WHERE does the same";
                return Err(SqlError::Denied(why.into()));
            }
            Ok(Read { judged, sql: sql.to_owned(), in_order: None })
        }
        Database::Postgres { .. } => {
            let judged = judge_statement(sql, policy, Dialect::Postgres).map_err(denied)?;
            let plain = aic_guard::sql::plain(sql).map_err(SqlError::Denied)?;
            Ok(Read { judged, sql: plain.text, in_order: Some(plain.parameters) })
        }
    }
}

/// Carries a judged statement out on a database server.
#[cfg(feature = "postgres")]
pub(super) async fn ask_server(job: &SqlJob, values: &Values<'_>, timeout: Duration) -> Result<SqlOutcome, SqlError> {
    use super::fill::Place;
    let Database::Postgres { url, password } = &job.database else {
        return Err(SqlError::NoData("the database is no server".into()));
    };
    let mut scrub = aic_model::Scrub::default();
    let server = values.fill(url, Place::Word, &mut scrub).and_then(|url| {
        let password = password.as_ref().map(|text| values.fill(text, Place::Secret, &mut scrub)).transpose()?;
        postgres::Server::parse(&url, password.as_deref())
    });
    let came = match server {
        Ok(server) => postgres::carry_out(job, &server, timeout).await,
        Err(why) => Err(SqlError::NoData(why)),
    };
    came.map_err(|error| match error {
        SqlError::Denied(why) => SqlError::Denied(scrub.clean(&why)),
        SqlError::Failed(why) => SqlError::Failed(scrub.clean(&why)),
        SqlError::NoData(why) => SqlError::NoData(scrub.clean(&why)),
    })
}

/// The same where the program was built without.
#[cfg(not(feature = "postgres"))]
pub(super) async fn ask_server(_: &SqlJob, _: &Values<'_>, _: Duration) -> Result<SqlOutcome, SqlError> {
    let why = "this program was built without PostgreSQL: build it with `--features postgres`";
    Err(SqlError::NoData(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::RelPath;
    use serde_json::json;

    #[test]
    fn a_statement_of_the_spec_is_judged_by_the_first_call_and_filled_by_each() {
        let policy = Arc::new(SqlPolicy { verbs: vec!["SELECT".into()], tables: None, functions: None });
        let database = Database::Sqlite(RelPath::new("a.db").unwrap());
        let of = |statement: Option<&str>| {
            let statements = Statements { policy: policy.clone(), fixed: OnceLock::new() };
            (statements, SqlRun { database: database.clone(), statement: statement.map(str::to_owned) })
        };
        let (statements, run) = of(Some("SELECT name FROM users WHERE id = :id"));
        for id in [1, 2] {
            // What a call calls `query` is an argument like any other.
            let job = judge(&statements, &run, &json!({"id": id, "query": "DROP TABLE users"})).unwrap();
            assert_eq!(job.sql, "SELECT name FROM users WHERE id = :id");
            assert_eq!(job.arguments[0], ("id".into(), id.into()));
        }
        let (statements, run) = of(Some("DELETE FROM users"));
        assert!((0..2).all(|_| matches!(judge(&statements, &run, &json!({})), Err(SqlError::Denied(_)))));
        let (statements, run) = of(None);
        assert!(judge(&statements, &run, &json!({"query": "SELECT name FROM users"})).is_ok());
        assert!(judge(&statements, &run, &json!({"query": "DELETE FROM users"})).is_err());
        assert!(judge(&statements, &run, &json!({})).is_err());
    }
}
