//! What holds on a real server.

use super::super::{SqlJob, Statements, judge};
use super::server::{PASSWORD, TestServer};
use super::*;
use crate::{Answers, Container, Effects, RunOptions, TurnReport};
use aic_base::{FrozenClock, MemorySource, RelPath, Timestamp, ToolOutcome};
use aic_guard::{Judged, SqlPolicy};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{Database, LoadOptions, load};
use std::sync::Arc;

const LONG: Duration = Duration::from_secs(120);

/// A spec with this tool, whose model asks for this statement.
fn container(tool: &Value, sql: &str) -> Arc<Container> {
    let rules = json!([
        {"match": {"tool": "db"}, "reply": {"text": "told"}},
        {"match": {"user": {"exists": true}}, "reply": {"tool_calls": [{"name": "db", "args": {"query": sql}}]}},
    ]);
    let spec = json!({
        "name": "pg",
        "models": {"primary": {"provider": "scripted", "rules": rules}},
        "tools": {"allowed": [tool]},
    });
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let mut source = MemorySource::new();
    source.insert(path.clone(), spec.to_string().into_bytes());
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    Arc::new(Container::new(spec, Arc::new(host)).unwrap())
}

fn tool(server: &TestServer, user: &str, verbs: &[&str], tables: &[&str]) -> Value {
    json!({"name": "db", "permissions": verbs, "tables": tables, "run": {"sql": server.url(user)}})
}

/// A statement through everything: the model asks for it, the tool is judged and carried out.
async fn say(tool: &Value, sql: &str, effects: Effects) -> TurnReport {
    let options =
        RunOptions { clock: Arc::new(FrozenClock::at(Timestamp::default())), effects, ..RunOptions::live(".".into()) };
    let mut talk = container(tool, sql).conversation(options).unwrap();
    talk.turn(sql, &serde_json::Map::new(), &Answers::new()).await
}

async fn ask(tool: &Value, sql: &str) -> (ToolOutcome, Value) {
    let report = say(tool, sql, Effects::Live).await;
    let call = report.calls.first().unwrap_or_else(|| panic!("{sql}: no call, {report:?}"));
    (call.outcome, call.result.clone())
}

/// A statement past the first wall, which took it for a read.
async fn fooled(server: &TestServer, user: &str, sql: &str, timeout: Duration) -> Result<SqlOutcome, SqlError> {
    carry_out(&misjudged(server, user, sql), &server.server(user, ""), timeout).await
}

fn misjudged(server: &TestServer, user: &str, sql: &str) -> SqlJob {
    SqlJob {
        database: Database::Postgres { url: server.url(user), password: None },
        sql: sql.to_owned(),
        judged: Judged { verb: "SELECT".into(), tables: Vec::new(), reads_only: true },
        policy: Arc::new(SqlPolicy::default()),
        arguments: Vec::new(),
    }
}

/// A fixed statement with arguments.
async fn bound(server: &TestServer, statement: &str, args: Value) -> Result<Value, SqlError> {
    let tool = json!({
        "name": "db", "permissions": ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE"],
        "run": {"sql": server.url("app"), "statement": statement},
    });
    let container = container(&tool, "");
    let spec = &container.spec.tools.allowed[0];
    let Some(aic_spec::Run::Sql(run)) = &spec.run else { panic!("{spec:?}") };
    let job = judge(&Statements::of(spec), run, &args)?;
    Ok(carry_out(&job, &server.server("app", ""), LONG).await?.result)
}

const UNTOUCHED: &str = "SELECT (SELECT count(*) FROM users) * 10000 + (SELECT count(*) FROM payroll) * 1000 \
     + (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('copy', 'evil', 'users', 'payroll'))";

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_model_reads_the_real_rows() {
    let server = TestServer::shared().await;
    let tool = tool(&server, "app", &["SELECT"], &["users"]);
    for (sql, rows) in [
        ("SELECT name FROM users WHERE id = 1", json!([{"name": "Ada"}])),
        ("select count(*) as n from public.users -- all of them", json!([{"n": 3}])),
        ("WITH u AS (SELECT * FROM users) SELECT upper(name) AS n FROM u WHERE mail IS NULL", json!([{"n": "GRACE"}])),
        ("SELECT $$it's$$ AS a, E'x\\'y' AS b, 'a\\b' AS c", json!([{"a": "it's", "b": "x'y", "c": "a\\b"}])),
        ("SELECT E'\\' , salary FROM payroll -- ' AS s", json!([{"s": "' , salary FROM payroll -- "}])),
        ("SELECT \"name\" FROM \"users\" ORDER BY id DESC LIMIT 1", json!([{"name": "Edsger"}])),
        ("SELECT date '2025-06-01' + 1 AS d", json!([{"d": "2025-06-02"}])),
    ] {
        let (outcome, result) = ask(&tool, sql).await;
        assert_eq!((outcome, &result["rows"]), (ToolOutcome::Ran, &rows), "{sql}: {result}");
    }
    let (_, explained) = ask(&tool, "EXPLAIN SELECT * FROM users").await;
    assert!(explained.to_string().contains("Scan"), "{explained}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn every_trick_of_sql_is_denied_and_nothing_is_touched() {
    let server = TestServer::shared().await;
    let owner = server.owner("").await;
    let before = owner.count(UNTOUCHED).await;
    // As a superuser, who could do all of it.
    let tool = tool(&server, "owner", &["SELECT"], &["users"]);
    for (sql, why) in [
        ("WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d", "DELETE"),
        ("WITH i AS (INSERT INTO users VALUES (9, 'x') RETURNING *) SELECT * FROM i", "INSERT"),
        ("SELECT 1; DELETE FROM users", "one statement"),
        ("SELECT 1 -- x\r; DELETE FROM users", "one statement"),
        ("EXPLAIN ANALYZE DELETE FROM users", "DELETE"),
        ("EXPLAIN (ANALYZE) DELETE FROM users", "DELETE"),
        ("PREPARE p AS DELETE FROM users", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("/*!50000 DELETE FROM users */", "comment"),
        ("SELECT * INTO copy FROM users", "INTO"),
        ("CREATE TABLE copy AS SELECT * FROM users", "not permitted"),
        ("COPY users TO PROGRAM 'touch /tmp/evil'", "COPY"),
        ("COPY users FROM '/etc/passwd'", "COPY"),
        ("COPY (SELECT 1) TO '/tmp/evil'", "COPY"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
        ("SELECT pg_catalog.pg_read_file('/etc/passwd')", "pg_read_file"),
        ("SELECT \"pg_read_file\"('/etc/passwd')", "pg_read_file"),
        ("SELECT U&\"pg\\005fread\\005ffile\"('/etc/passwd')", "U&"),
        ("SELECT pg_read_binary_file('/etc/passwd')", "pg_read_binary_file"),
        ("SELECT * FROM pg_ls_dir('.')", "pg_ls_dir"),
        ("SELECT lo_import('/etc/passwd')", "lo_import"),
        ("SELECT lo_export(1, '/tmp/evil')", "lo_export"),
        ("SELECT query_to_xml('DELETE FROM users', true, true, '')", "query_to_xml"),
        ("SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)", "dblink"),
        ("SELECT set_config('transaction_read_only', 'off', false)", "set_config"),
        ("SELECT nextval('numbers')", "nextval"),
        ("SELECT pg_sleep(60)", "pg_sleep"),
        ("SELECT pg_terminate_backend(1)", "pg_terminate_backend"),
        ("SELECT current_setting('data_directory')", "current_setting"),
        ("SELECT current_user", "current_user"),
        ("SELECT load_extension('/tmp/x.so')", "load_extension"),
        ("LOAD '/tmp/x.so'", "LOAD"),
        ("CREATE EXTENSION dblink", "CREATE"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "CREATE"),
        ("ATTACH DATABASE '/tmp/x.db' AS x", "ATTACH"),
        ("PRAGMA writable_schema = 1", "denied"),
        ("SET ROLE owner", "SET"),
        ("SET SESSION AUTHORIZATION owner", "SET"),
        ("RESET ROLE", "never permitted"),
        ("DO $$ BEGIN DELETE FROM users; END $$", "denied"),
        ("CALL p()", "CALL"),
        ("LISTEN x", "never permitted"),
        ("NOTIFY x, 'y'", "never permitted"),
        ("LOCK TABLE users", "denied"),
        ("BEGIN; DELETE FROM users; COMMIT", "one statement"),
        ("COMMIT", "COMMIT"),
        ("SELECT * FROM users FOR UPDATE", "UPDATE"),
        ("TABLE payroll", "does not parse"),
        ("SELECT * FROM payroll", "payroll"),
        ("SELECT * FROM \"payroll\"", "payroll"),
        ("SELECT * FROM public.payroll", "payroll"),
        ("SELECT * FROM ONLY payroll", "PostgreSQL's own"),
        ("WITH \"only\" AS (SELECT 1) SELECT * FROM ONLY payroll", "PostgreSQL's own"),
        ("SELECT * FROM users JOIN only pg_shadow ON true", "PostgreSQL's own"),
        ("SELECT * FROM users, LATERAL payroll", "denied"),
        ("SELECT * FROM ROWS FROM (pg_ls_dir('.')) AS r", "denied"),
        ("SELECT (SELECT salary FROM payroll) FROM users", "payroll"),
        ("SELECT * FROM users WHERE EXISTS (TABLE payroll)", "does not parse"),
        ("SELECT $’$,'$’$, salary from payroll --'", "`$` stands alone"),
        ("SELECT $1$, salary FROM payroll -- $1$", "`$` stands alone"),
        ("SELECT 'a' /* /* */ , salary FROM payroll -- */ '", "denied"),
        ("SELECT '\\' , salary FROM payroll -- '", "payroll"),
        ("SELECT * FROM pg_shadow", "pg_shadow"),
        ("SELECT * FROM pg_catalog.pg_authid", "pg_authid"),
        ("SELECT * FROM information_schema.tables", "information_schema"),
        ("SELECT 'payroll'::regclass", "cast"),
        ("SELECT regclass 'payroll'", "cast"),
        ("SELECT ARRAY['payroll']::regclass[]", "cast"),
        ("SELECT 1 OPERATOR(public.+) 2", "OPERATOR"),
        ("dElEtE/**/FrOm users", "DELETE"),
        ("-- harmless\nDELETE FROM users", "DELETE"),
        ("MERGE INTO users USING payroll ON true WHEN MATCHED THEN DELETE", "denied"),
        ("VACUUM FULL users", "VACUUM"),
        ("this is no SQL", "does not parse"),
    ] {
        let (outcome, result) = ask(&tool, sql).await;
        let said = result.as_str().unwrap_or_default().to_lowercase();
        let why = why.to_lowercase();
        assert!(
            outcome == ToolOutcome::Denied && (said.contains(&why) || why == "denied"),
            "{sql}: {outcome:?} {result}"
        );
    }
    assert_eq!(owner.count(UNTOUCHED).await, before);
    assert!(!std::path::Path::new("/tmp/evil").exists());
    // The control: the same tool, the same way, an honest question.
    assert_eq!(ask(&tool, "SELECT count(*) AS n FROM users").await.1["rows"], json!([{"n": 3}]));
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn the_second_wall_holds_where_the_first_was_fooled() {
    let server = TestServer::shared().await;
    let owner = server.owner("").await;
    let before = owner.count(UNTOUCHED).await;
    let file = server.folder.path().join("evil").display().to_string();
    for user in ["owner", "app"] {
        assert!(fooled(&server, user, "SELECT id FROM users", LONG).await.is_ok());
        for (sql, part) in [
            ("DELETE FROM users", "read-only"),
            ("WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d", "read-only"),
            ("EXPLAIN ANALYZE DELETE FROM users", "read-only"),
            ("SELECT * INTO copy FROM users", "read-only"),
            ("CREATE TABLE evil (x int)", "read-only"),
            ("SELECT nextval('numbers')", "read-only|permission denied"),
            ("SELECT set_config('transaction_read_only', 'off', true)", "read-write mode"),
            ("SELECT 1; DELETE FROM users", "multiple commands"),
            ("SELECT pg_read_file('/etc/passwd')", "permission denied"),
            ("SELECT pg_ls_dir('/')", "permission denied"),
            (&format!("COPY users TO PROGRAM 'touch {file}'"), "external program"),
            (&format!("COPY users TO '{file}'"), "to a file"),
        ] {
            let why = match fooled(&server, user, sql, LONG).await {
                Err(SqlError::Denied(why) | SqlError::Failed(why)) => why,
                other => panic!("{user}, {sql}: {other:?}"),
            };
            assert!(part.split('|').any(|part| why.contains(part)), "{user}, {sql}: {why}");
        }
    }
    assert_eq!(owner.count(UNTOUCHED).await, before);
    assert!(!std::path::Path::new(&file).exists());
    // What cannot be shown wrong without it: the owner by himself may do all of it.
    assert!(owner.count("SELECT length(pg_read_file('/etc/passwd'))::int8").await > 0);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_statement_out_of_time_or_given_up_ends_on_the_server_too() {
    let server = TestServer::shared().await;
    let owner = server.owner("").await;
    let running = |seconds: u32| {
        format!(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep({seconds})%' AND pid <> pg_backend_pid() AND state = 'active'"
        )
    };
    let came = fooled(&server, "app", "SELECT pg_sleep(601)", Duration::from_secs(5)).await;
    assert_eq!(came, Err(SqlError::Failed("stopped after 5000 ms".into())));
    owner.until(&running(601), 0).await;
    // Given up by whoever asked, long before its time.
    let shared = server.clone();
    let asked =
        tokio::spawn(async move { fooled(&shared, "app", "SELECT pg_sleep(602)", Duration::from_secs(600)).await });
    owner.until(&running(602), 1).await;
    asked.abort();
    owner.until(&running(602), 0).await;
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn what_is_permitted_is_written_and_counted_and_what_fails_leaves_nothing() {
    let server = TestServer::shared().await;
    let owner = server.owner("").await;
    owner.batch("CREATE TABLE stock (id int PRIMARY KEY, item text UNIQUE); GRANT ALL ON stock TO app").await;
    let tool = tool(&server, "app", &["SELECT", "INSERT", "UPDATE", "DELETE"], &["stock"]);
    let report = say(&tool, "INSERT INTO stock VALUES (1, 'a'), (2, 'b'), (3, 'c')", Effects::Live).await;
    assert_eq!(report.calls[0].result, json!({"changed": 3}));
    let (_, result) = ask(&tool, "UPDATE stock SET item = item || '!' WHERE id > 1 RETURNING id, item").await;
    assert_eq!(result["row_count"], 2, "{result}");
    let (outcome, result) = ask(&tool, "UPDATE stock SET id = 1").await;
    assert!(outcome == ToolOutcome::Failed && result.to_string().contains("duplicate key"), "{outcome:?} {result}");
    assert_eq!(owner.count("SELECT count(*) FROM stock WHERE id IN (1, 2, 3)").await, 3);
    let (_, result) = ask(&tool, "DELETE FROM stock WHERE id = 3").await;
    assert_eq!(result, json!({"changed": 1}));
    assert_eq!(owner.count("SELECT count(*) FROM stock WHERE item IN ('a', 'b!')").await, 2);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_test_reads_the_server_and_never_writes_to_it_unless_it_says_so() {
    let server = TestServer::shared().await;
    let owner = server.owner("").await;
    owner.batch("CREATE TABLE seats (id int); INSERT INTO seats VALUES (1); GRANT ALL ON seats TO app").await;
    let mut tool = tool(&server, "app", &["SELECT", "DELETE"], &["seats"]);
    let effects = |real: &[&str]| Effects::Test { real: real.iter().map(|name| (*name).to_owned()).collect() };
    for effect in ["write", "read"] {
        // Also where the spec calls the effect something else than it is.
        tool["effect"] = effect.into();
        let report = say(&tool, "DELETE FROM seats", effects(&[])).await;
        let said = report.calls[0].result.to_string();
        assert!(report.calls[0].outcome == ToolOutcome::Denied && said.contains("give it a mock"), "{said}");
        assert_eq!(owner.count("SELECT count(*) FROM seats").await, 1);
    }
    let report = say(&tool, "SELECT count(*) AS n FROM seats", effects(&[])).await;
    assert_eq!(report.calls[0].result["rows"], json!([{"n": 1}]), "{:?}", report.calls);
    // The control: it is this, and nothing else, that held the statement back.
    say(&tool, "DELETE FROM seats", effects(&["db"])).await;
    assert_eq!(owner.count("SELECT count(*) FROM seats").await, 0);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn values_come_as_json_that_loses_nothing() {
    let server = TestServer::shared().await;
    for (sql, wanted) in [
        ("true", json!(true)),
        ("(-32768)::int2", json!(-32768)),
        ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
        ("0.1::float4", json!(0.1)),
        ("1e300::float8", json!(1e300)),
        ("'NaN'::float8", json!("NaN")),
        ("12345678901234567890.0500", json!("12345678901234567890.0500")),
        ("0.00001234", json!("0.00001234")),
        ("(-10000)::numeric", json!("-10000")),
        ("100000000::numeric", json!("100000000")),
        ("0.5::numeric(10,0)", json!("1")),
        ("'NaN'::numeric", json!("NaN")),
        ("'Grüße'::text", json!("Grüße")),
        ("'x'::char(3)", json!("x  ")),
        ("'\\x00ff'::bytea", json!("<2 bytes>")),
        ("null::int", Value::Null),
        ("'{\"a\": [1, null]}'::jsonb", json!({"a": [1, null]})),
        ("'[1.5]'::json", json!([1.5])),
        ("date '2024-02-29'", json!("2024-02-29")),
        ("'infinity'::date", json!("infinity")),
        ("timestamp '2025-06-01 12:00:00.25'", json!("2025-06-01T12:00:00.25")),
        ("timestamptz '2025-06-01 12:00:00+02'", json!("2025-06-01T10:00:00Z")),
        ("timestamp '0044-03-15 08:00:00 BC'", json!("0044-03-15T08:00:00 BC")),
        ("time '23:59:59.5'", json!("23:59:59.5")),
        ("timetz '08:00:00-05:30'", json!("08:00:00-05:30")),
        ("interval '1 year 2 mons 3 days 4:05:06.7'", json!("P1Y2M3DT4H5M6.7S")),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("inet '10.1.0.0/16'", json!("10.1.0.0/16")),
        ("inet '::1'", json!("::1")),
        ("array[[1,2],[3,null]]", json!([[1, 2], [3, null]])),
        ("'{}'::text[]", json!([])),
        ("'glad'::public.mood", json!("glad")),
        ("7::public.age", json!(7)),
    ] {
        let came = fooled(&server, "app", &format!("SELECT {sql} AS v"), LONG).await;
        let came = came.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
        assert_eq!(came.result["rows"][0]["v"], wanted, "{sql}");
    }
    let came = fooled(&server, "app", "SELECT point '(1,2)' AS p", LONG).await;
    assert_eq!(
        came,
        Err(SqlError::Failed("the column `p` has the type `point`, which is not shown: write `p::text`".into()))
    );
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn arguments_are_values_whatever_they_hold() {
    let server = TestServer::shared().await;
    let name = "x'; DROP TABLE users; --";
    let rows =
        bound(&server, "SELECT :a::text AS a, :b::int AS b, :a::text AS again", json!({"a": name, "b": 7})).await;
    assert_eq!(rows.unwrap()["rows"], json!([{"a": name, "b": 7, "again": name}]));
    for (statement, args, wanted) in [
        ("SELECT name AS v FROM users WHERE id = :id", json!({"id": 2}), json!("Grace")),
        (
            "SELECT name AS v FROM users WHERE id = ANY(:ids) ORDER BY id LIMIT 1",
            json!({"ids": [3, 2]}),
            json!("Grace"),
        ),
        ("SELECT :d::date AS v", json!({"d": "2025-06-01"}), json!("2025-06-01")),
        ("SELECT :j::jsonb AS v", json!({"j": {"a": "b"}}), json!({"a": "b"})),
        ("SELECT :t::text[] AS v", json!({"t": ["a\"b", "c,d", "\\", null]}), json!(["a\"b", "c,d", "\\", null])),
        ("SELECT :n::numeric AS v", json!({"n": 1.25}), json!("1.25")),
        ("SELECT :x::bool AS v", json!({"x": true}), json!(true)),
        ("SELECT :missing::text AS v", json!({}), Value::Null),
    ] {
        let came = bound(&server, statement, args).await.unwrap_or_else(|why| panic!("{statement}: {why:?}"));
        assert_eq!(came["rows"][0]["v"], wanted, "{statement}");
    }
    let wrong = bound(&server, "SELECT name FROM users WHERE id = :id", json!({"id": "1 OR true"})).await;
    assert!(matches!(&wrong, Err(SqlError::Failed(why)) if why.contains("invalid input syntax")), "{wrong:?}");
    // Nothing is bound to what a model writes.
    let tool = tool(&server, "app", &["SELECT"], &["users"]);
    let (outcome, result) = ask(&tool, "SELECT * FROM users WHERE id = :query").await;
    assert!(outcome == ToolOutcome::Denied && result.to_string().contains("nothing fills it"), "{result}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn rows_and_bytes_have_their_limits() {
    let server = TestServer::shared().await;
    let rows = |sql: &'static str| fooled(&server, "app", sql, LONG);
    let came = rows("SELECT * FROM generate_series(1, 1000) AS n").await.unwrap().result;
    assert_eq!((came["row_count"].as_u64(), came.get("truncated")), (Some(1000), None));
    let came =
        rows("SELECT a FROM generate_series(1, 20000) AS a, generate_series(1, 20000) AS b").await.unwrap().result;
    assert_eq!((came["row_count"].as_u64(), &came["truncated"]), (Some(1000), &json!(true)));
    let came = rows("SELECT repeat('x', 300000) AS x FROM generate_series(1, 100)").await.unwrap().result;
    assert_eq!((came["row_count"].as_u64(), &came["truncated"]), (Some(4), &json!(true)));
    let flood = rows("SELECT repeat('x', 100000000) AS x").await;
    assert_eq!(flood, Err(SqlError::Failed("the answer is larger than 32 MB: ask for less".into())));
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_password_is_shown_to_the_server_and_to_nobody_else() {
    let server = TestServer::shared().await;
    let ask = async |password: Option<&str>| {
        let at = Server::parse(&server.tcp("app"), password).unwrap();
        carry_out(&misjudged(&server, "app", "SELECT 1 AS one"), &at, LONG).await
    };
    assert_eq!(ask(Some(PASSWORD)).await.unwrap().result["rows"], json!([{"one": 1}]));
    for wrong in [Some("wrong-horse"), None] {
        let Err(SqlError::NoData(why)) = ask(wrong).await else { panic!("let in with {wrong:?}") };
        assert!(why.contains("password") && !why.contains("horse"), "{why}");
    }
    let nobody = Server::parse("postgres://app@127.0.0.1:1/postgres", None).unwrap();
    let came = carry_out(&misjudged(&server, "app", "SELECT 1"), &nobody, LONG).await;
    assert!(matches!(&came, Err(SqlError::NoData(why)) if why.contains("cannot be reached")), "{came:?}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn encryption_is_with_whom_the_system_trusts() {
    const TRUSTED: &str = "AIC_TEST_POSTGRES_TLS";
    if let Ok(url) = std::env::var(TRUSTED) {
        // The second of the two: a process that trusts the server's certificate.
        let at = Server::parse(&url, Some(PASSWORD)).unwrap();
        let session = at.session().await.unwrap();
        let row =
            session.client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
        assert!(row.get::<_, bool>(0));
        return session.end().await;
    }
    let server = TestServer::shared().await;
    let url = format!("{}?sslmode=verify-full", server.tcp("app"));
    let why = Server::parse(&url, Some(PASSWORD)).unwrap().session().await.err().unwrap();
    assert!(why.contains("certificate"), "{why}");
    // Which certificates count is the process's: the same test once more, in one that knows the tests' own.
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--include-ignored",
            "tools::sql::postgres::tests::encryption_is_with_whom_the_system_trusts",
        ])
        .env(TRUSTED, &url)
        .env("SSL_CERT_FILE", server.folder.path().join("ca.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&again.stderr));
}
