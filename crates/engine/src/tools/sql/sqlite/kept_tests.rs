//! What is kept from one call of a tool to the next, and when it is not.

use super::*;
use aic_guard::{Dialect, Judged, SqlPolicy, judge_statement};
use aic_spec::Database as Place;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A workspace with a database `a.db`, whose table `users` has so many rows, and a tool on it.
struct World {
    folder: tempfile::TempDir,
    kept: Kept,
    policy: Arc<SqlPolicy>,
    cancel: CancellationToken,
}

fn policy(tables: &[&str]) -> Arc<SqlPolicy> {
    let verbs = ["SELECT", "INSERT"].map(str::to_owned).into();
    let tables = tables.iter().map(|table| (*table).to_owned()).collect();
    Arc::new(SqlPolicy { verbs, tables: Some(tables), functions: None })
}

fn filled(file: &Path, rows: usize) {
    let values = vec!["('x')"; rows].join(", ");
    let setup = format!("CREATE TABLE users (name); INSERT INTO users VALUES {values}; CREATE TABLE payroll (salary)");
    Connection::open(file).unwrap().execute_batch(&setup).unwrap();
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        filled(&folder.path().join("a.db"), 2);
        let (policy, cancel) = (policy(&["users"]), CancellationToken::new());
        Self { folder, kept: Kept::with_settled(Duration::ZERO), policy, cancel }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn call_of(&self, policy: &Arc<SqlPolicy>, sql: &str, now: &str) -> Result<SqlOutcome, SqlError> {
        self.with(policy, sql, now, carry_out)
    }

    fn with<T>(
        &self,
        policy: &Arc<SqlPolicy>,
        sql: &str,
        now: &str,
        carry_out: fn(&SqlJob, &RelPath, &Around<'_>) -> T,
    ) -> T {
        self.judged(policy, sql, judge_statement(sql, policy, Dialect::Sqlite).unwrap(), now, carry_out)
    }

    fn judged<T>(
        &self,
        policy: &Arc<SqlPolicy>,
        sql: &str,
        judged: Judged,
        now: &str,
        carry_out: fn(&SqlJob, &RelPath, &Around<'_>) -> T,
    ) -> T {
        let path = RelPath::new("a.db").unwrap();
        let database = Place::Sqlite(path.clone());
        let job = SqlJob { database, sql: sql.into(), judged, policy: policy.clone(), arguments: Vec::new() };
        let data = Data::Real(self.folder.path().to_owned());
        let (now, timeout) = (now.parse().unwrap(), Duration::from_secs(60));
        carry_out(&job, &path, &Around { data: &data, kept: &self.kept, now, timeout, cancel: &self.cancel })
    }

    fn call(&self, sql: &str) -> Result<SqlOutcome, SqlError> {
        self.call_of(&self.policy, sql, "2025-06-01T12:00:00Z")
    }

    fn count(&self) -> Value {
        self.call("SELECT count(*) AS n FROM users").unwrap().result["rows"][0]["n"].clone()
    }

    fn opened(&self) -> usize {
        self.kept.opened.load(Ordering::Relaxed)
    }
}

#[test]
#[cfg(unix)]
fn a_database_is_opened_once_for_many_reads_of_a_tool() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(world.count(), 2);
    }
    assert_eq!(world.opened(), 1);
}

#[test]
fn each_tool_has_its_own_and_no_other_tool_s_wall() {
    let world = World::new();
    world.count();
    let other = policy(&["payroll"]);
    let moment = "2025-06-01T12:00:00Z";
    assert!(world.call_of(&other, "SELECT salary FROM payroll", moment).is_ok());
    // Past the first wall, which was fooled; the second stands in the connection.
    let fooled = Judged { verb: "SELECT".into(), tables: Vec::new(), reads_only: true };
    for (policy, sql) in [(&other, "SELECT name FROM users"), (&world.policy, "SELECT salary FROM payroll")] {
        assert!(matches!(world.judged(policy, sql, fooled.clone(), moment, carry_out), Err(SqlError::Denied(_))));
    }
    assert_eq!(world.count(), 2);
}

#[test]
fn a_file_that_was_put_in_its_place_is_what_is_read() {
    let world = World::new();
    assert_eq!(world.count(), 2);
    let next = world.folder.path().join("next.db");
    filled(&next, 7);
    fs::rename(&next, world.file()).unwrap();
    assert_eq!(world.count(), 7);
    assert_eq!(world.opened(), 2);
}

#[test]
fn a_file_that_was_written_over_in_place_is_opened_anew() {
    let world = World::new();
    assert_eq!(world.count(), 2);
    let next = world.folder.path().join("next.db");
    filled(&next, 9);
    // The same file to the system, and for SQLite as many changes as before. Longer, as its time of change may be as coarse
    // as the test is quick.
    let mut bytes = fs::read(&next).unwrap();
    bytes.resize(bytes.len() + 4096, 0);
    fs::write(world.file(), bytes).unwrap();
    assert_eq!(world.count(), 9);
    assert_eq!(world.opened(), 2);
}

#[test]
fn a_database_that_is_gone_is_missed() {
    let world = World::new();
    assert_eq!(world.count(), 2);
    fs::remove_file(world.file()).unwrap();
    assert!(matches!(world.call("SELECT name FROM users"), Err(SqlError::NoData(_))));
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_out_of_the_workspace_is_refused_however_often_its_place_was_read() {
    let (world, outside) = (World::new(), World::new());
    assert_eq!(world.count(), 2);
    fs::remove_file(world.file()).unwrap();
    std::os::unix::fs::symlink(outside.file(), world.file()).unwrap();
    assert!(matches!(world.call("SELECT name FROM users"), Err(SqlError::NoData(why)) if why.contains("leads out")));
}

#[test]
fn what_others_write_is_read_by_the_next_call() {
    let world = World::new();
    assert_eq!(world.count(), 2);
    let other = Connection::open(world.file()).unwrap();
    other.execute_batch("INSERT INTO users VALUES ('z'); CREATE TABLE later (x)").unwrap();
    assert_eq!(world.count(), 3);
    world.call("INSERT INTO users VALUES ('w')").unwrap();
    assert_eq!(world.count(), 4);
}

#[test]
fn between_calls_nobody_is_kept_from_writing() {
    let world = World::new();
    for log in ["delete", "wal", "delete"] {
        world.count();
        let other = Connection::open(world.file()).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        // Leaving the write-ahead log needs the file alone: nobody else may hold any lock.
        let mode: String = other.query_row(&format!("PRAGMA journal_mode = {log}"), [], |row| row.get(0)).unwrap();
        assert_eq!(mode, log);
        other.execute_batch("BEGIN EXCLUSIVE; INSERT INTO users VALUES ('y'); COMMIT").unwrap();
    }
    assert_eq!(world.count(), 5);
}

#[test]
fn a_call_that_failed_keeps_nothing() {
    let world = World::new();
    for before in 0..3 {
        assert!(world.call("SELECT absent FROM users").is_err());
        assert_eq!(world.opened(), before + 1);
    }
}

#[test]
fn each_call_has_its_own_moment_and_its_own_time() {
    let world = World::new();
    for day in ["2025-06-01", "2025-06-02"] {
        let came = world.call_of(&world.policy, "SELECT date('now') AS d FROM users", &format!("{day}T12:00:00Z"));
        assert_eq!(came.unwrap().result["rows"][0]["d"], day);
    }
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n";
    world.cancel.cancel();
    assert!(matches!(world.call(endless), Err(SqlError::Failed(_))));
}

#[test]
fn many_callers_at_once_have_one_each() {
    let world = World::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(world.count(), 2)));
        }
    });
}

#[test]
fn a_file_that_has_just_changed_is_not_kept_open() {
    let world = World { kept: Kept::with_settled(Duration::from_secs(3600)), ..World::new() };
    assert_eq!((world.count(), world.count()), (2.into(), 2.into()));
    assert_eq!(world.opened(), 2);
}

#[test]
#[cfg(unix)]
fn what_is_open_is_asked_at_once_and_what_takes_longer_is_carried_out_elsewhere() {
    let world = World::new();
    let at_once = |sql: &str| world.with(&world.policy, sql, "2025-06-01T12:00:00Z", carry_out_at_once);
    let (quick, endless) = (
        "SELECT name FROM users",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n",
    );
    assert_eq!(at_once(quick), None, "nothing is open yet");
    world.count();
    assert!(at_once(quick).is_some_and(|came| came.is_ok()));
    assert_eq!(at_once("INSERT INTO users VALUES ('q')"), None);
    assert_eq!(at_once(endless), None);
    world.count();
    let other = Connection::open(world.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(at_once(quick), None, "another program writes");
}
