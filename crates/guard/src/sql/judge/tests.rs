//! What a judgement lets through and what it denies: every trick has its row.

use super::*;

fn policy(verbs: &[&str], tables: &[&str]) -> SqlPolicy {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    SqlPolicy { verbs: owned(verbs), tables: Some(owned(tables)), functions: None }
}

/// Whether a policy for reading `users` lets a statement through, in any dialect.
fn reads(sql: &str) -> bool {
    [Dialect::Sqlite, Dialect::Postgres, Dialect::Generic]
        .into_iter()
        .any(|dialect| judge_statement(sql, &policy(&["SELECT"], &["users"]), dialect).is_ok())
}

fn allowed(sql: &str, verbs: &[&str], tables: &[&str]) -> bool {
    judge_statement(sql, &policy(verbs, tables), Dialect::Sqlite).is_ok()
}

#[test]
fn what_the_policy_permits_runs() {
    for sql in [
        "SELECT * FROM users",
        "select count(*), lower(name) from main.users u where u.id in (select id from users) group by 2;",
        "select \"name\" from \"users\"",
        "with a as (select id from users), b as (select * from a) select * from b join a on a.id = b.id",
        "select date('now'), coalesce(a, 'x; drop table users') from users -- note",
        "select 1",
        "explain select * from users",
        "with recursive c(n) as (select 1 union all select n + 1 from c where n < 5) select * from c",
        "select * from users where a = ? and b = :id",
    ] {
        let judged = judge_statement(sql, &policy(&["select"], &["Users"]), Dialect::Sqlite)
            .unwrap_or_else(|why| panic!("{sql}: {why}"));
        assert!(judged.reads_only && judged.verb == "SELECT", "{sql}");
    }
    assert!(allowed("update users set a = 1 where id = 2", &["UPDATE"], &["users"]));
    assert!(allowed("insert into users (a) values (1), (2)", &["INSERT"], &["users"]));
    assert!(allowed("delete from users where id = 1", &["DELETE"], &["users"]));
    assert!(allowed("create table users (id integer)", &["CREATE"], &["users"]));
}

#[test]
fn a_judgement_names_verb_and_tables() {
    let judged = judge_statement(
        "with a as (select 1) update main.users set b = 1",
        &policy(&["UPDATE", "SELECT"], &["users"]),
        Dialect::Sqlite,
    )
    .unwrap();
    assert_eq!(
        (judged.verb.as_str(), judged.tables.as_slice(), judged.reads_only),
        ("UPDATE", ["main.users".to_owned()].as_slice(), false)
    );
}

#[test]
fn writing_inside_a_reading_statement_is_denied() {
    for sql in [
        "WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d",
        "EXPLAIN ANALYZE DELETE FROM users",
        "SELECT * INTO copy FROM users",
        "SELECT * INTO OUTFILE '/tmp/x' FROM users",
        "SELECT * FROM users FOR UPDATE",
        "with a as (select 1) delete from users",
    ] {
        assert!(!reads(sql), "{sql}");
    }
}

#[test]
fn more_than_one_statement_is_denied() {
    for sql in ["select 1; delete from users", "select * from users; select * from users", "", ";", "-- nothing"] {
        assert!(!reads(sql), "{sql}");
    }
}

#[test]
fn tricks_with_comments_and_case_change_nothing() {
    for sql in [
        "/*!50000 DELETE */ FROM users",
        "select /*!50000 * from secrets union select */ 1",
        "DeLeTe/**/FrOm users",
        "select 1 -- x\n; delete from users",
        "select 1 /* ; */ ; delete from users",
        "select '\0'; x",
    ] {
        assert!(!reads(sql), "{sql}");
    }
    let odd = judge_statement(
        "select 'a\\' from users where b = ' or c in (select d from secrets) --'",
        &policy(&["SELECT"], &["users"]),
        Dialect::Generic,
    );
    assert!(odd.is_err());
}

#[test]
fn other_tables_are_denied_wherever_they_are_read() {
    for sql in [
        "select * from orders",
        "select * from users, orders",
        "select (select a from orders) from users",
        "select * from users where id in (select id from orders)",
        "select * from users union select * from orders",
        "with a as (select * from orders) select * from a",
        "select * from other.users",
        "select * from users where exists (select 1 from orders)",
        "select * from (select * from orders) x",
        "table orders",
        "select * from users join orders using (id)",
        "select * from users order by (select 1 from orders)",
        "select case when (select 1 from orders) then 1 end from users",
        "values ((select a from orders))",
        "select * from \"orders\"",
        "select * from users limit (select a from orders)",
        "select 1 in orders",
    ] {
        assert!(!reads(sql), "{sql}");
    }
}

#[test]
fn a_common_table_expression_hides_no_table_it_does_not_replace() {
    for sql in [
        "with secrets as (select * from secrets) select * from secrets",
        "select * from secrets where 1 in (with secrets as (select 1) select * from secrets)",
        "with a as (select * from b), b as (select 1) select * from a",
        "with a as (with secrets as (select 1) select * from secrets) select * from secrets",
        "with \"Secrets\" as (select 1) select * from secrets",
        "with secrets as (select 1) select * from main.secrets",
    ] {
        assert!(!reads(sql), "{sql}");
    }
    let all = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    for sql in [
        "with secrets as (select 1) delete from secrets",
        "with secrets as (select 1) update secrets set a = 1",
        "with secrets as (select 1) insert into secrets values (1)",
    ] {
        assert!(!allowed(sql, &all, &["users"]), "{sql}");
    }
}

#[test]
fn tables_of_the_database_itself_are_denied_unless_listed() {
    let any = SqlPolicy { verbs: vec!["SELECT".into()], ..SqlPolicy::default() };
    for table in [
        "sqlite_master",
        "main.sqlite_schema",
        "\"sqlite_master\"",
        "pg_catalog.pg_tables",
        "pg_shadow",
        "information_schema.tables",
        "pragma_table_info",
        "json_each",
        "generate_series",
        "[sqlite_master]",
        "mysql.user",
        "dbstat",
    ] {
        assert!(judge_statement(&format!("select * from {table}"), &any, Dialect::Sqlite).is_err(), "{table}");
    }
    assert!(judge_statement("select * from anything", &any, Dialect::Sqlite).is_ok());
    assert!(
        judge_statement("select * from sqlite_master", &policy(&["SELECT"], &["sqlite_master"]), Dialect::Sqlite)
            .is_ok()
    );
}

#[test]
fn functions_that_reach_further_are_denied() {
    for sql in [
        "select pg_read_file('/etc/passwd')",
        "select load_extension('x')",
        "select \"load_extension\"('x')",
        "select writefile('x', 'y')",
        "select readfile('x')",
        "select lo_import('/etc/passwd')",
        "select * from pg_ls_dir('.')",
        "select * from json_each('[1]')",
        "select * from generate_series(1, 9)",
        "select query_to_xml('select 1')",
        "select pg_sleep(9)",
        "select randomblob(1000000000)",
        "select pg_catalog.lower('x')",
        "select evil.count(*) from users",
        "select 'secrets'::regclass",
        "select * from users where load_extension('x')",
        "select count(*) filter (where readfile('x')) from users",
        "select max(readfile('x')) over () from users",
    ] {
        assert!(!reads(sql), "{sql}");
    }
    let listed = SqlPolicy { functions: Some(vec!["count".into()]), ..policy(&["SELECT"], &["users"]) };
    assert!(judge_statement("select COUNT(*) from users", &listed, Dialect::Sqlite).is_ok());
    assert!(judge_statement("select lower(a) from users", &listed, Dialect::Sqlite).is_err());
}

#[test]
fn statements_that_are_no_reading_or_writing_of_rows_never_run() {
    let everything = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "ATTACH", "PRAGMA", "COPY", "VACUUM",
        "PREPARE", "EXECUTE", "SET", "CALL", "GRANT", "OTHER", "EXPLAIN", "MERGE",
    ];
    for sql in [
        "ATTACH DATABASE 'x' AS y",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO 'x'",
        "VACUUM",
        "COPY users TO PROGRAM 'sh'",
        "COPY users FROM '/etc/passwd'",
        "PREPARE p AS DELETE FROM users",
        "EXECUTE p",
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM users; END",
        "CREATE VIRTUAL TABLE users USING fsdir('.')",
        "CREATE EXTENSION dblink",
        "CREATE FUNCTION f() RETURNS int AS 'x'",
        "SET role = postgres",
        "GRANT ALL ON users TO public",
        "CALL p()",
        "BEGIN",
        "COMMIT",
        "DO $$ begin end $$",
        "LOAD 'x'",
        "DETACH x",
        "MERGE INTO users USING users ON true WHEN MATCHED THEN DELETE",
        "DROP SCHEMA public",
        "DROP DATABASE x",
        "ANALYZE users",
        "REINDEX users",
        "LISTEN x",
        "KILL 5",
    ] {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Generic] {
            assert!(judge_statement(sql, &policy(&everything, &["users"]), dialect).is_err(), "{sql}");
        }
    }
}

#[test]
fn each_verb_needs_its_own_permission() {
    assert!(!allowed("update users set a = 1", &["SELECT"], &["users"]));
    assert!(!allowed("update users set a = (select b from users)", &["UPDATE"], &["users"]));
    assert!(!allowed("update users set a = (select b from orders)", &["UPDATE", "SELECT"], &["users"]));
    assert!(!allowed("update orders set a = 1", &["UPDATE", "SELECT"], &["users"]));
    assert!(!allowed("insert into users select * from users", &["INSERT"], &["users"]));
    assert!(!allowed("insert into users select * from orders", &["INSERT", "SELECT"], &["users"]));
    assert!(!allowed("replace into users values (1)", &["INSERT"], &["users"]));
    assert!(!allowed("insert or replace into users values (1)", &["INSERT"], &["users"]));
    assert!(!allowed("insert into users values (1) on conflict (id) do update set a = 2", &["INSERT"], &["users"]));
    assert!(allowed("insert into users values (1) on conflict (id) do nothing", &["INSERT"], &["users"]));
    assert!(!allowed("delete from users where id in (select id from orders)", &["DELETE", "SELECT"], &["users"]));
    assert!(!allowed("update users set a = 1 from orders", &["UPDATE", "SELECT"], &["users"]));
    assert!(!allowed("delete from users returning (select 1 from orders)", &["DELETE", "SELECT"], &["users"]));
    assert!(!allowed("create table users as select * from orders", &["CREATE", "SELECT"], &["users"]));
    assert!(!allowed("drop table orders", &["DROP"], &["users"]));
    assert!(!allowed("drop table users, orders", &["DROP"], &["users"]));
    assert!(!allowed("select 1", &[], &["users"]));
}

#[test]
fn a_refusal_says_what_would_be_allowed() {
    let why = judge_statement("delete from users", &policy(&["SELECT"], &["users"]), Dialect::Sqlite).unwrap_err();
    assert_eq!(why.to_string(), "DELETE is not permitted: the tool's permissions are SELECT");
    let why = judge_statement("select * from orders", &policy(&["SELECT"], &["users"]), Dialect::Sqlite).unwrap_err();
    assert_eq!(why.to_string(), "the table `orders` is not permitted: the tool's tables are users");
}

#[test]
fn what_postgresql_reads_differently_is_judged_as_it_reads_it() {
    let any = SqlPolicy { verbs: vec!["SELECT".into(), "UPDATE".into(), "DELETE".into()], ..SqlPolicy::default() };
    for sql in [
        "select * from only pg_shadow",
        "with \"only\" as (select 1) select * from only pg_shadow",
        "update only pg_authid set rolsuper = true",
        "delete from users using only pg_shadow",
        "select $’$,'$’$, passwd from pg_shadow --'",
        "select '\\', passwd from pg_shadow -- '\r, 1 from pg_shadow",
        "select 1 -- x\r, (select passwd from pg_shadow)",
        "select regproc 'lower'",
        "select '{}'::regclass[]",
        "select cast('1' as xid8)",
        "select 1 operator(public.+) 2",
        "select * from user",
    ] {
        assert!(judge_statement(sql, &any, Dialect::Postgres).is_err(), "{sql}");
    }
    for sql in [
        "select $$it's$$, E'a\\'b', \"only\" from \"only\" /* /* */ */",
        "select * from \"user\" where id = $$7$$::int",
        "select mail::citext, price::money, ip::inet, ids::int[] from users",
        "select date '2025-06-01' + interval '1 day', now() at time zone 'UTC'",
        "select data->>'a', data #>> '{a,b}', data @> '{}' from users where tags && array['x']",
        "select distinct on (a) a, b from users order by a, b desc nulls last",
        "select count(*) filter (where a) over (partition by b) from users",
    ] {
        judge_statement(sql, &any, Dialect::Postgres).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
}

#[test]
fn structure_is_changed_in_listed_tables_only_and_reaches_no_other() {
    let all = ["SELECT", "CREATE", "ALTER", "DROP", "TRUNCATE"];
    let judged = |sql: &str| judge_statement(sql, &policy(&all, &["users"]), Dialect::Postgres);
    for sql in [
        "create table users (id int references payroll(id))",
        "create table users (id int, foreign key (id) references payroll(id))",
        "create table users () inherits (payroll)",
        "create table users partition of payroll default",
        "alter table users add column p int references payroll(id)",
        "alter table users add constraint f foreign key (id) references payroll(id)",
        "alter table users rename to payroll",
        "alter table users owner to mallory",
        "alter table users disable row level security",
        "alter table users disable trigger audit",
        "alter table users attach partition payroll default",
        "alter table users drop column a cascade",
        "drop table users cascade",
        "truncate table users cascade",
        "truncate users, payroll",
    ] {
        assert!(judged(sql).is_err(), "{sql}");
    }
    for sql in [
        "create table users (id int primary key, boss int references users(id))",
        "alter table users add column a text not null default 'x'",
        "alter table users drop column a",
        "alter table users rename column a to b",
        "alter table users alter column a set not null",
        "drop table users",
        "truncate table users",
    ] {
        judged(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_judgement_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        "select", "from", "users", "where", "(", ")", ",", "'a'", "1", "*", "with", "as", "insert", "into", "values", "update", "set", "=", "delete", ";", "join",
        "on", "\"x\"", "[y]", "--", "/*", "*/", "union", "case", "when", "end", ".", "::", "$1", "explain", "table", "create", "drop", "alter", "é",
    ]), 0..24)) {
        let sql = words.join(" ");
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Generic] {
            let _ = judge_statement(&sql, &policy(&["SELECT"], &["users"]), dialect);
        }
        super::super::verbs(&sql);
        super::super::is_sql(&sql);
        super::super::mutating_verbs(&sql);
    }
}

#[test]
fn what_never_runs_is_named_even_where_it_does_not_parse() {
    for (sql, verb) in [
        ("PRAGMA table_info('users')", "PRAGMA"),
        ("PRAGMA writable_schema = 1 nonsense (", "PRAGMA"),
        ("VACUUM INTO '/tmp/x.db'", "VACUUM"),
        ("detach database x", "DETACH"),
    ] {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let denied = judge_statement(sql, &policy(&["SELECT"], &["users"]), dialect).unwrap_err();
            assert!(denied.reason.contains(verb) && !denied.reason.contains("parse"), "{sql}: {}", denied.reason);
        }
    }
    let denied = judge_statement("SELEC 1", &policy(&["SELECT"], &["users"]), Dialect::Sqlite).unwrap_err();
    assert!(denied.reason.contains("does not parse"), "{}", denied.reason);
}
