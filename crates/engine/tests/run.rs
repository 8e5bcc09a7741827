//! The path of a run, with real databases: what is stopped, what is told to the model, what is counted.

use aic_base::{
    DiskSource, Event, FrozenClock, MemorySource, Outcome, OverlaySource, RelPath, RunId, Timestamp, ToolOutcome,
};
use aic_engine::{
    Answer, Answers, Container, Conversation, Counters, Data, Effects, MemoryCounters, Recorder, Reservation, Reserved,
    RunOptions, Snapshots, TurnReport,
};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{LoadOptions, load};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
    container: Arc<Container>,
}

/// A workspace with `users` (3 rows) and `payroll`, and this spec.
fn world(spec: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let database = Connection::open(folder.path().join("app.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE users (id INTEGER, name TEXT); INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cy');
             CREATE TABLE payroll (user_id INTEGER, salary INTEGER); INSERT INTO payroll VALUES (1, 100);",
        )
        .unwrap();
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let mut files = MemorySource::new();
    files.insert(path.clone(), spec.as_bytes().to_vec());
    let source = OverlaySource::new(files, Arc::new(DiskSource::new(folder.path()).unwrap()));
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
    // No script here: the worker is never started.
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    World { folder, container: Arc::new(Container::new(spec, Arc::new(host)).unwrap()) }
}

impl World {
    fn options(&self) -> RunOptions {
        RunOptions {
            clock: Arc::new(FrozenClock::at(Timestamp::default())),
            data: Arc::new(Snapshots::new(self.folder.path()).unwrap()).case(),
            effects: Effects::Test { real: Vec::new() },
            ..RunOptions::live(self.folder.path().to_owned())
        }
    }

    fn talk(&self) -> Conversation {
        self.container.conversation(self.options()).unwrap()
    }

    async fn say(&self, input: &str) -> TurnReport {
        self.talk().turn(input, &Map::new(), &Answers::new()).await
    }
}

/// A spec whose model sends this statement to the tool `db`, and then says what it was told.
fn sql_spec(permissions: &str, more: &str) -> String {
    format!(
        r#"
name: sql
models:
  primary:
    provider: scripted
    rules:
      - match: {{user: {{matches: "(?s)^(?<sql>.*)$"}}}}
        reply: {{tool_calls: [{{name: db, args: {{query: "${{match.sql}}"}}}}]}}
      - match: {{tool: db, error: {{exists: true}}}}
        reply: {{text: "error"}}
      - match: {{tool: db}}
        reply: {{text: "ok ${{result}}"}}
tools:
  allowed:
    - name: db
      parameters: {{type: object, properties: {{query: {{type: string}}}}, required: [query]}}
      permissions: {permissions}
      tables: [users]
      run: {{sql: "sqlite:app.db"}}
{more}
"#
    )
}

#[tokio::test]
async fn a_permitted_statement_runs_and_names_real_rows() {
    let world = world(&sql_spec("[SELECT]", ""));
    let report = world.say("SELECT name FROM users WHERE id = 2").await;
    assert_eq!(report.output, r#"ok {"row_count":1,"rows":[{"name":"Bob"}]}"#);
    assert_eq!((report.calls[0].outcome, report.outcome), (ToolOutcome::Ran, Outcome::Completed));
    for own in [
        "WITH a AS (SELECT id FROM users) SELECT count(*) AS n FROM a",
        "SELECT count(*) AS n FROM (SELECT u.id FROM users AS u JOIN users AS v ON u.id = v.id) AS joined",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT count(*) AS n FROM n",
    ] {
        let report = world.say(own).await;
        assert_eq!(report.calls[0].result["rows"][0]["n"], 3, "{own}: {}", report.calls[0].result);
    }
}

#[tokio::test]
async fn no_trick_of_sql_gets_past_a_read_permission() {
    let world = world(&sql_spec("[SELECT]", ""));
    for trick in [
        "DELETE FROM users",
        "delete/**/from users",
        "SELECT 1; DROP TABLE users",
        "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d",
        "EXPLAIN ANALYZE DELETE FROM users",
        "PREPARE p AS DELETE FROM users",
        "/*!50000 DELETE FROM users */",
        "SELECT * INTO copy FROM users",
        "COPY users TO PROGRAM 'sh'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT load_extension('/tmp/x.so')",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO '/tmp/x.db'",
        "SELECT * FROM payroll",
        "SELECT (SELECT max(salary) FROM payroll) FROM users",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM \"payroll\"",
        "WITH users AS (SELECT * FROM payroll) SELECT * FROM users",
        "SELECT name FROM users UNION SELECT salary FROM payroll",
        "SELECT * FROM pragma_table_info('payroll')",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM dbstat",
        "UPDATE users SET name = 'x'",
        "REPLACE INTO users VALUES (1, 'x')",
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM users; END",
        "not sql at all",
        "",
    ] {
        let report = world.say(trick).await;
        let call = &report.calls[0];
        assert_eq!(call.outcome, ToolOutcome::Denied, "{trick}: {}", call.result);
        assert!(call.result.as_str().unwrap().starts_with("denied: "), "{trick}: {}", call.result);
        assert_eq!(report.output, "error", "{trick}");
    }
}

#[tokio::test]
async fn every_permission_permits_and_the_database_does_what_is_its_own() {
    let all = "[SELECT, INSERT, UPDATE, DELETE, REPLACE, CREATE, ALTER, DROP, TRUNCATE]";
    let tables = "tables: [users, log, t1, active, docs, by_name, by_what]";
    let world = world(&sql_spec(all, "").replace("tables: [users]", tables));
    let more = "CREATE UNIQUE INDEX one ON users (id);
        CREATE TABLE log (what TEXT, extra TEXT); CREATE INDEX by_what ON log (what); CREATE TABLE trail (x);
        CREATE TRIGGER follow AFTER INSERT ON users BEGIN INSERT INTO trail VALUES (new.id); UPDATE trail SET x = 7; END;
        CREATE TABLE orders (user_id INTEGER REFERENCES users (id) ON DELETE CASCADE); INSERT INTO orders VALUES (1);
        CREATE VIEW active AS SELECT salary FROM payroll;
        CREATE VIRTUAL TABLE docs USING fts5 (body); INSERT INTO docs VALUES ('the owl'), ('the cat');";
    Connection::open(world.folder.path().join("app.db")).unwrap().execute_batch(more).unwrap();
    for sql in [
        "REPLACE INTO users VALUES (1, 'x')",
        "INSERT OR REPLACE INTO users VALUES (1, 'x')",
        "CREATE TABLE t1 (x INTEGER PRIMARY KEY AUTOINCREMENT, y TEXT UNIQUE)",
        "CREATE TABLE t1 AS SELECT id FROM users",
        "CREATE INDEX by_name ON users (name)",
        "CREATE VIEW t1 AS SELECT id FROM users",
        "ALTER TABLE log ADD COLUMN more TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE log RENAME COLUMN what TO that",
        "ALTER TABLE log DROP COLUMN extra",
        "ALTER TABLE log RENAME TO t1",
        "DROP TABLE log",
        "DROP TABLE users",
        "DROP INDEX by_what",
        "DROP VIEW active",
        "INSERT INTO users VALUES (9, 'trigger')",
        "DELETE FROM users WHERE id = 1",
        "UPDATE users SET name = 'x' WHERE id = 1",
        "SELECT salary FROM active",
        "SELECT body FROM docs WHERE docs MATCH 'owl'",
        "INSERT INTO docs VALUES ('new')",
        "DELETE FROM docs WHERE body = 'the owl'",
    ] {
        let call = world.say(sql).await.calls.remove(0);
        assert_eq!(call.outcome, ToolOutcome::Ran, "{sql}: {}", call.result);
    }
    for (sql, why) in [
        ("SELECT * FROM payroll", "payroll"),
        ("WITH active AS (SELECT * FROM payroll) SELECT * FROM active", "payroll"),
        ("SELECT * FROM trail", "trail"),
        ("DELETE FROM orders", "orders"),
        ("CREATE TABLE other (x)", "other"),
        ("DROP TABLE trail", "trail"),
        ("CREATE TEMP TABLE t1 (x)", "temporary"),
        ("SELECT * FROM docs_content", "docs_content"),
        ("TRUNCATE TABLE users", "SQLite has no TRUNCATE"),
    ] {
        let call = world.say(sql).await.calls.remove(0);
        assert_eq!(call.outcome, ToolOutcome::Denied, "{sql}: {}", call.result);
        assert!(call.result.to_string().contains(why), "{sql}: {}", call.result);
    }
}

#[tokio::test]
async fn a_test_writes_to_a_copy_and_a_run_to_the_file() {
    let world = world(&sql_spec("[SELECT, UPDATE]", ""));
    let count = |path: &Path| -> i64 {
        let sql = "SELECT count(*) FROM users WHERE name = 'x'";
        Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let file = world.folder.path().join("app.db");
    let mut talk = world.talk();
    let report = talk.turn("UPDATE users SET name = 'x' WHERE id < 3", &Map::new(), &Answers::new()).await;
    assert_eq!((report.calls[0].changed, count(&file)), (Some(2), 0));
    let report = talk.turn("SELECT count(*) AS n FROM users WHERE name = 'x'", &Map::new(), &Answers::new()).await;
    assert_eq!(report.calls[0].result["rows"][0]["n"], 2, "the case sees what it wrote");
    let live =
        RunOptions { data: Data::Real(world.folder.path().to_owned()), effects: Effects::Live, ..world.options() };
    let mut talk = world.container.conversation(live).unwrap();
    talk.turn("UPDATE users SET name = 'x' WHERE id < 3", &Map::new(), &Answers::new()).await;
    assert_eq!(count(&file), 2);
}

#[tokio::test]
async fn a_blocked_pattern_stops_even_what_is_permitted() {
    let world = world(&sql_spec("[SELECT, DELETE]", "  blocked: [{pattern: \"DELETE * FROM users\"}]"));
    let report = world.say("delete /* x */ from \"users\" where 1 = 1").await;
    assert_eq!(report.calls[0].outcome, ToolOutcome::Denied);
    assert!(report.calls[0].result.as_str().unwrap().contains("blocked pattern `DELETE * FROM users`"));
}

#[tokio::test]
async fn a_question_is_asked_once_and_an_answer_is_obeyed() {
    let spec = sql_spec("[SELECT, UPDATE]", "").replace(
        "      tables: [users]",
        "      tables: [users]\n      confirm: {when: \"'UPDATE' in sql_verbs(tool.args.query)\", by: user}",
    );
    let world = world(&spec);
    let update = "UPDATE users SET name = 'x' WHERE id = 1";
    let ask = async |answers: Answers| world.talk().turn(update, &Map::new(), &answers).await;
    let open = ask(Answers::new()).await;
    assert_eq!((open.outcome, open.confirmations.len()), (Outcome::NeedsConfirmation, 1));
    assert_eq!(open.calls[0].outcome, ToolOutcome::NeedsConfirmation);
    let yes = ask(Answers::from([("db".into(), Answer::Approve)])).await;
    assert_eq!((yes.outcome, yes.calls[0].changed), (Outcome::Completed, Some(1)));
    let no = ask(Answers::from([("db".into(), Answer::Deny)])).await;
    assert_eq!((no.outcome, no.calls[0].outcome), (Outcome::Completed, ToolOutcome::Denied));
    let read = world.say("SELECT count(*) FROM users").await;
    assert!(read.confirmations.is_empty());
}

#[tokio::test]
async fn a_result_that_a_guard_withholds_never_reaches_the_model() {
    let guards = "guardrails:\n  runtime:\n    - {name: no_ada, on: tool_result, tools: [db], condition: \"string(tool.result).contains('Ada')\"}\n";
    let guards = guards.replace("string(tool.result)", "tool.result.rows[0].name");
    let world = world(&(sql_spec("[SELECT]", "") + &guards));
    let report = world.say("SELECT name FROM users WHERE id = 1").await;
    assert_eq!(report.outcome, Outcome::Blocked);
    assert_eq!(report.decisions[0].guardrail, "no_ada");
    assert!(!report.output.contains("Ada") && !report.calls[0].result.to_string().contains("Ada"));
    assert_eq!(world.say("SELECT name FROM users WHERE id = 2").await.outcome, Outcome::Completed);
}

/// Counters that count how often somebody asks for a sum.
#[derive(Default)]
struct Asked(MemoryCounters, AtomicUsize);

impl Counters for Asked {
    fn reserve(&self, key: &str, window: Duration, most: u64, amount: u64, now: Timestamp) -> Result<Reserved, String> {
        self.0.reserve(key, window, most, amount, now)
    }

    fn settle(&self, reservation: &Reservation, amount: u64) -> Result<(), String> {
        self.0.settle(reservation, amount)
    }

    fn sum(&self, key: &str, window: Duration, now: Timestamp) -> Result<u64, String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.sum(key, window, now)
    }
}

#[tokio::test]
async fn the_hour_s_cost_is_asked_for_where_a_condition_looks_at_cost_and_nowhere_else() {
    let guard = |condition: &str| {
        format!("guardrails:\n  runtime:\n    - {{name: own, on: tool_call, condition: {condition}}}\n")
    };
    for (condition, asks) in [("turn > 5", false), ("cost.hour > 1.0", true)] {
        let world = world(&(sql_spec("[SELECT]", "") + &guard(condition)));
        let counters = Arc::new(Asked::default());
        let options = RunOptions { counters: counters.clone(), ..world.options() };
        let report =
            world.container.conversation(options).unwrap().turn("SELECT 1", &Map::new(), &Answers::new()).await;
        assert_eq!(report.outcome, Outcome::Completed, "{}", report.output);
        assert_eq!(counters.1.load(Ordering::Relaxed) > 0, asks, "{condition}");
    }
}

#[tokio::test]
async fn a_condition_that_fails_at_run_time_blocks_and_says_so() {
    let guards = "guardrails:\n  runtime:\n    - {name: odd, on: tool_call, condition: tool.args.query.nothing == 1, action: log}\n";
    let world = world(&(sql_spec("[SELECT]", "") + guards));
    let report = world.say("SELECT 1").await;
    assert_eq!(report.outcome, Outcome::Blocked, "{}", report.output);
    assert_eq!(report.decisions[0].guardrail, "odd");
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_schema_never_run() {
    let spec = sql_spec("[SELECT]", "").replace("args: {query: \"${match.sql}\"}", "args: {query: [1]}");
    let report = world(&spec).say("x").await;
    assert_eq!(report.calls[0].outcome, ToolOutcome::Denied);
    assert!(report.calls[0].result.as_str().unwrap().contains("schema at /query"), "{}", report.calls[0].result);
}

const TALK: &str = r#"
name: talk
models:
  primary:
    provider: scripted
    as: openai/gpt-4o-mini-2024-07-18
    max_tokens: 100
    rules:
      - match: {user: again}
        reply: {tool_calls: [{name: loop, args: {}}]}
      - match: {tool: loop}
        reply: {tool_calls: [{name: loop, args: {}}]}
      - match: {user: card}
        reply: {text: "It is 4242 4242 4242 4242."}
      - match: {user: slow}
        reply: {text: late, delay: 1h}
      - match: {user: broken}
        reply: {error: {status: 500}}
      - match: {}
        reply: {echo: prompt}
prompts: {system: "Today is ${DATE}.", constraints: [Be kind]}
tools: {allowed: [{name: loop, parameters: {type: object}}]}
"#;

#[tokio::test]
async fn the_model_is_shown_prompt_rules_and_what_was_said() {
    let world = world(TALK);
    let mut talk = world.talk();
    let first = talk.turn("one", &Map::new(), &Answers::new()).await;
    assert_eq!(first.output, "system: Today is 1970-01-01.\n\n1. Be kind\nuser: one");
    let second = talk.turn("two", &Map::new(), &Answers::new()).await;
    assert!(
        second.output.ends_with("user: two") && second.output.contains("user: one\nassistant: system:"),
        "{}",
        second.output
    );
}

#[tokio::test]
async fn the_next_turn_sees_what_the_user_received_not_what_was_redacted() {
    let world = world(&format!("{TALK}guardrails: [pii_protection]\n"));
    let mut talk = world.talk();
    let first = talk.turn("card", &Map::new(), &Answers::new()).await;
    assert!(!first.output.contains("4242 4242"), "{}", first.output);
    let second = talk.turn("what did you say?", &Map::new(), &Answers::new()).await;
    assert!(!second.output.contains("4242 4242"), "{}", second.output);
}

#[tokio::test]
async fn budgets_end_a_run_that_would_not_end() {
    let mocks = aic_engine::Mocks::compile(
        &[(
            "loop".to_owned(),
            vec![aic_spec::Mock::Rule { matches: Value::Null, returns: Some(json!(1)), error: None, times_out: false }],
        )]
        .into_iter()
        .collect(),
    )
    .unwrap();
    for (budget, why) in [
        ("budget: {steps: 3}", "all of its 3 steps"),
        ("budget: {tokens: 50}", "of 50 tokens"),
        ("budget: {cost: 0.0001}", "may cost"),
    ] {
        let world = world(&format!("{TALK}{budget}\n"));
        let options = RunOptions { mocks: Arc::new(mocks.clone()), ..world.options() };
        let mut talk = world.container.conversation(options).unwrap();
        let report = talk.turn("again", &Map::new(), &Answers::new()).await;
        assert_eq!(report.outcome, Outcome::Budget, "{budget}: {}", report.output);
        assert!(report.output.contains(why), "{budget}: {}", report.output);
    }
    let world = world(&format!("{TALK}budget: {{time: 30m}}\n"));
    let report = world.say("again").await;
    assert!(report.broken.is_some(), "without a mock the set-up is wrong");
}

#[tokio::test]
async fn a_provider_that_fails_is_a_failed_run_and_no_broken_test() {
    let report = world(TALK).say("broken").await;
    assert_eq!((report.outcome, report.broken), (Outcome::Failed, None));
    assert_eq!(report.output, "the model answered with status 500");
}

#[tokio::test]
async fn the_rate_limit_counts_runs_and_the_cost_cap_dollars() {
    let world = world(&format!("{TALK}guardrails: [{{rate_limit: {{max_operations: 2, window: 1m}}}}]\n"));
    let counters: Arc<dyn Counters> = Arc::new(MemoryCounters::default());
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let options = RunOptions { counters: counters.clone(), ..world.options() };
        let mut talk = world.container.conversation(options).unwrap();
        outcomes.push(talk.turn("hi", &Map::new(), &Answers::new()).await.outcome);
    }
    assert_eq!(outcomes, [Outcome::Completed, Outcome::Completed, Outcome::Blocked]);

    // A call may cost $0.00006 and more (100 tokens out at $0.60 a million): the cap of $0.00005 has no room for one.
    let world = self::world(&format!("{TALK}guardrails: [{{cost_limit: $0.00005/hour}}]\n"));
    let report = world.say("hi").await;
    assert_eq!(report.outcome, Outcome::Blocked, "{}", report.output);
    assert!(report.decisions[0].reason.contains("the cap is"), "{}", report.decisions[0].reason);
}

#[derive(Default)]
struct Notes {
    events: Mutex<Vec<Event>>,
    rows: Mutex<Vec<Map<String, Value>>>,
    refuse: bool,
}

impl Recorder for Notes {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn audit(&self, _: &RunId, fields: &Map<String, Value>) -> Result<(), String> {
        self.rows.lock().unwrap().push(fields.clone());
        if self.refuse { Err("the disk is full".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn the_audit_holds_the_declared_fields_and_a_run_without_it_fails() {
    let guards = "guardrails: {post_execution: [{name: audit_log, fields: [operation, affected_count, user_id]}]}\n";
    let world = world(&(sql_spec("[SELECT, UPDATE]", "") + guards));
    let notes = Arc::new(Notes::default());
    let options = RunOptions { recorder: notes.clone(), ..world.options() };
    let mut talk = world.container.conversation(options).unwrap();
    talk.turn("UPDATE users SET name = 'x'", &Map::new(), &Answers::new()).await;
    let row = Value::Object(notes.rows.lock().unwrap()[0].clone());
    let wanted = json!({"spec": "sql", "operation": {"tools": ["db"], "outcome": "completed"}, "affected_count": 3, "user_id": null});
    assert_eq!(row, wanted);
    let seqs: Vec<u32> = notes.events.lock().unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (0..seqs.len() as u32).collect::<Vec<_>>());

    let full = Arc::new(Notes { refuse: true, ..Notes::default() });
    let options = RunOptions { recorder: full, ..world.options() };
    let mut talk = world.container.conversation(options).unwrap();
    let report = talk.turn("SELECT 1", &Map::new(), &Answers::new()).await;
    assert_eq!(
        (report.outcome, report.output.as_str()),
        (Outcome::Failed, "the audit log cannot be written: the disk is full")
    );
}

#[tokio::test]
async fn the_audit_says_what_was_looked_at_and_what_was_not() {
    let guards = "guardrails: {pre_execution: [max_length], post_execution: [{name: audit_log, fields: [scanned]}, pii_protection]}\n";
    let world = world(&(sql_spec("[SELECT]", "") + guards));
    let notes = Arc::new(Notes::default());
    let options = RunOptions { recorder: notes.clone(), ..world.options() };
    let mut talk = world.container.conversation(options).unwrap();
    talk.turn("SELECT 1", &Map::new(), &Answers::new()).await;
    let scanned = notes.rows.lock().unwrap()[0]["scanned"].clone();
    assert_eq!(scanned["stages"]["pre_execution"], json!({"texts": 1, "bytes": 8, "by": ["max_length"]}));
    assert!(
        scanned["stages"]["post_execution"]["by"].as_array().unwrap().contains(&json!("pii_protection")),
        "{scanned}"
    );
    assert_eq!(scanned["stages"]["tool_result"]["texts"], 1);
    let not = scanned["not"].as_array().unwrap();
    assert!(not.contains(&json!("tool_result")) && !not.contains(&json!("pre_execution")), "{scanned}");
    // What counts or writes down looks at nothing.
    let post = &scanned["stages"]["post_execution"]["by"];
    assert_eq!(post, &json!(["pii_protection"]), "{scanned}");
}

#[tokio::test]
async fn the_answer_has_the_form_that_the_spec_wants() {
    let spec = |text: &str| {
        format!(
            "name: form\nmodels: {{primary: {{provider: scripted, rules: [{{match: {{}}, reply: {{text: '{text}'}}}}]}}}}\n\
             output: {{format: json, schema: {{type: object, required: [n]}}}}\n"
        )
    };
    assert_eq!(world(&spec("{\"n\": 1}")).say("x").await.outcome, Outcome::Completed);
    assert_eq!(world(&spec("{\"m\": 1}")).say("x").await.outcome, Outcome::Failed);
    assert_eq!(world(&spec("no json")).say("x").await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_statement_that_would_never_end_is_stopped() {
    let more = "sandbox: {limits: {timeout: 200ms}}";
    let world = world(&format!("{}{more}\n", sql_spec("[SELECT]", "")));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let report = world.say(endless).await;
    assert_eq!(report.calls[0].outcome, ToolOutcome::Failed, "{}", report.calls[0].result);
    assert_eq!(report.calls[0].result, "stopped after 200 ms");
}
