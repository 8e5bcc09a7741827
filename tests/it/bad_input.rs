//! Files that are not what they should be: a clear error each, no panic, no hang, and nothing lost.

use crate::support::{MINI, POLITE, Ran, SPEC, Workspace};
use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode};
use std::path::Path;

const PROMPT: &str = "prompts/system.md";

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Claims that a spec of these bytes is an error of this code for everything that reads it, and is left as it is.
#[track_caller]
fn refused(bytes: &[u8], code: &str) {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    workspace.write(SPEC, bytes);
    let code = format!("error[{code}]");
    workspace.aic(&["check"]).exits(1).says(&[&code, SPEC]);
    workspace.aic(&["test"]).exits(2).says(&[&code]).warns(&["the spec has errors, so nothing was run"]);
    workspace.aic(&["run", "Hello!"]).exits(2).says(&[&code]);
    workspace.aic(&["versions"]).exits(0).says(&["none of these: they have errors"]);
    for arguments in [&["check", "--format", "json"][..], &["test", "--format", "json"]] {
        workspace.aic(arguments).json();
    }
    assert!(workspace.bytes(SPEC) == bytes);
}

#[test]
fn a_spec_that_is_empty() {
    refused(b"", "ABS006");
    refused(b"\n\n# nothing but a comment\n", "ABS006");
    refused(b"---\n...\n", "ABS006");
    refused(b"{}", "ABS006");
}

#[test]
fn a_spec_that_is_binary() {
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    refused(&bytes, "ABS007");
    refused(b"name: a\0b\n", "ABS007");
    refused(b"\x7fELF\x02\x01\x01\0\0\0\0\0", "ABS007");
}

#[test]
fn a_spec_that_is_not_utf_8() {
    refused(b"name: m\xfcnchen\n", "ABS007");
    let utf_16: Vec<u8> = "\u{feff}name: mini\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&utf_16, "ABS007");
}

#[test]
fn a_spec_of_ten_megabytes() {
    refused("# comment, ten million bytes of it\n".repeat(300_000).as_bytes(), "ABS008");
    refused(&vec![b'['; 10 << 20], "ABS008");
}

#[test]
fn a_spec_that_is_not_yaml() {
    refused(b"name: [mini\n\t}: {{{", "ABS005");
    refused(b"%YAML 9.9\n--- !!binary |\n ]]]", "ABS005");
    refused(b"\"never closed", "ABS005");
}

#[test]
fn a_spec_that_is_yaml_and_no_map() {
    refused(b"just a sentence\n", "ABS002");
    refused(b"- a\n- b\n", "ABS002");
    refused(b"42", "ABS002");
}

#[test]
fn a_spec_that_is_nested_too_deep_or_multiplies_itself() {
    refused(format!("name: {}", "[".repeat(100_000)).as_bytes(), "ABS009");
    let deep: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    refused(deep.as_bytes(), "ABS009");
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for n in 1..40 {
        bomb.push_str(&format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1));
    }
    refused(bomb.as_bytes(), "ABS009");
}

#[test]
fn a_folder_that_is_called_like_a_spec() {
    let workspace = Workspace::empty();
    std::fs::create_dir(workspace.path(SPEC)).unwrap();
    for arguments in [&["check"][..], &["test"], &["check", SPEC], &["run", "x"], &["watch"], &["rollback"]] {
        workspace.aic(arguments).exits(2).warns(&["no spec here"]);
    }
}

#[test]
fn a_pipe_that_is_called_like_a_spec_is_not_waited_for() {
    let workspace = Workspace::empty();
    fifo(&workspace.path(SPEC));
    for arguments in [&["check"][..], &["check", SPEC]] {
        workspace.aic(arguments).exits(1).says(&["not a regular file"]);
    }
    workspace.aic(&["test"]).exits(2).says(&["not a regular file"]);
    workspace.aic(&["rollback"]).exits(2);
}

#[test]
fn a_pipe_in_a_prompts_place_is_not_waited_for() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    std::fs::remove_file(workspace.path(PROMPT)).unwrap();
    fifo(&workspace.path(PROMPT));
    workspace.aic(&["check"]).exits(1).says(&["ABS062", "prompts/system.md", "not a regular file"]);
    workspace.aic(&["test"]).exits(2);
    workspace.aic(&["rollback"]).exits(2).warns(&[PROMPT]);
}

#[test]
fn links_that_lead_out_or_in_circles_are_not_followed() {
    let workspace = Workspace::mini();
    for (target, said) in [("/etc/hostname", "leads out"), ("/dev/zero", "leads out"), ("system.md", "system.md")] {
        std::fs::remove_file(workspace.path(PROMPT)).unwrap();
        std::os::unix::fs::symlink(target, workspace.path(PROMPT)).unwrap();
        workspace.aic(&["check"]).exits(1).says(&["error[ABS06", said]);
    }
}

#[test]
fn paths_that_no_file_can_have() {
    for path in [r#""a\0b.md""#, "../../../etc/passwd", "/etc/passwd", r#""""#, &"x/".repeat(3000), &"y".repeat(300)] {
        let workspace = Workspace::mini();
        workspace.edit(SPEC, "{file: prompts/system.md}", &format!("{{file: {path}}}"));
        let ran = workspace.aic(&["check"]).exits(1).says(&["error[ABS"]);
        assert!(!ran.out.contains('\0') && ran.out.len() < 40_000, "{ran}");
    }
}

#[test]
fn a_prompt_that_is_no_text() {
    let workspace = Workspace::mini();
    workspace.write(PROMPT, [0xff, 0x00, 0x80]);
    workspace.aic(&["check"]).exits(1).says(&[PROMPT]);
    workspace.aic(&["test"]).exits(2);
}

#[test]
fn a_workspace_with_an_odd_name() {
    let workspace = Workspace::empty();
    for name in ["with space", "ünïcödé 🦀", "quote'\"$HOME`x`", "-dash", "new\nline"] {
        workspace.write(&format!("{name}/{SPEC}"), MINI);
        workspace.write(&format!("{name}/{PROMPT}"), POLITE);
        let path = format!("./{name}");
        workspace.aic(&["test", &path]).exits(0);
        workspace.write(&format!("{name}/{PROMPT}"), "Be rude.\n");
        workspace.aic(&["test", &path]).exits(1);
        workspace.aic(&["rollback", &path]).exits(0);
        assert_eq!(workspace.read(&format!("{name}/{PROMPT}")), POLITE);
    }
}

#[test]
fn a_working_folder_that_is_gone() {
    let workspace = Workspace::mini();
    let gone = workspace.path("gone");
    std::fs::create_dir(&gone).unwrap();
    let mut command = std::process::Command::new("sh");
    let script = format!("cd gone && rmdir ../gone && exec '{}' test", env!("CARGO_BIN_EXE_aic"));
    command.args(["-c", &script]).current_dir(workspace.root());
    crate::support::Live::start(command).finish().exits(2);
}

// Data.

/// A spec whose one tool counts the rows of a database.
const COUNTS: &str = "\
name: counts
models:
  primary:
    provider: scripted
    rules:
      - match: {tool: count, result: {row_count: 1}}
        reply: {text: \"${result.rows.0.n} rows.\"}
      - match: {tool: count}
        reply: {text: No idea.}
      - match: {}
        reply: {tool_calls: [{name: count, args: {query: SELECT count(*) AS n FROM t}}]}
tools:
  allowed:
    - name: count
      parameters: {type: object, properties: {query: {type: string}}, required: [query]}
      permissions: [SELECT]
      tables: [t]
      run: {sql: \"sqlite:data/t.db\"}
tests:
  - {name: counts, input: How many?, expect: [equals: 3 rows.]}
  - {name: counts again, input: And now?, expect: [equals: 3 rows.]}
  - {name: mocked, input: And here?, tools: {count: [{return: {row_count: 1, rows: [{n: 9}]}}]}, expect: [equals: 9 rows.]}
";

fn counting() -> (Workspace, Connection) {
    let workspace = Workspace::with(&[(SPEC, COUNTS), ("data/readme.md", "x")]);
    let data = Connection::open(workspace.path("data/t.db")).unwrap();
    data.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    (workspace, data)
}

/// Claims that what needs the data cannot be judged, for this reason, and that the rest is.
#[track_caller]
fn cannot_be_judged(workspace: &Workspace, why: &str) {
    let ran = workspace.aic(&["test"]).exits(2);
    ran.says(&["! counts", "! counts again", "✓ mocked", why, "1 passed, 2 could not be judged"]);
}

#[test]
fn a_database_that_is_there() {
    let (workspace, data) = counting();
    workspace.aic(&["test"]).exits(0);
    workspace.aic(&["run", "How many?"]).exits(0).says(&["3 rows."]);
    data.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    workspace.aic(&["test"]).exits(1).says(&["4 rows."]);
}

#[test]
fn a_database_that_is_missing() {
    let (workspace, _) = counting();
    std::fs::remove_file(workspace.path("data/t.db")).unwrap();
    cannot_be_judged(&workspace, "data/t.db: no such database");
    workspace.aic(&["run", "How many?"]).exits(2).says(&["data/t.db: no such database"]);
    assert!(!workspace.path("data/t.db").exists(), "and none is made");
}

#[test]
fn a_database_that_another_program_holds_locked() {
    let (workspace, data) = counting();
    data.execute_batch("BEGIN EXCLUSIVE").unwrap();
    cannot_be_judged(&workspace, "data/t.db: another program holds the database locked");
    data.execute_batch("COMMIT").unwrap();
    workspace.aic(&["test"]).exits(0);
}

#[test]
fn a_database_that_somebody_writes_to_in_the_meantime() {
    let (workspace, data) = counting();
    data.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; INSERT INTO t VALUES (4)").unwrap();
    workspace.aic(&["test"]).exits(0);
    data.execute_batch("COMMIT").unwrap();
    workspace.aic(&["test"]).exits(1).says(&["4 rows."]);
}

#[test]
fn a_database_that_is_none() {
    let (workspace, _) = counting();
    for bytes in [
        &b"this is no database, although it is long enough to look like a header of one"[..],
        b"SQLite format 3\0 and then nothing",
        &[0; 4096],
    ] {
        workspace.write("data/t.db", bytes);
        cannot_be_judged(&workspace, "data/t.db: not a readable SQLite database");
        workspace.aic(&["run", "How many?"]).exits(2).says(&["data/t.db: not a readable SQLite database"]);
        assert!(workspace.bytes("data/t.db") == bytes);
    }
}

#[test]
fn a_folder_or_a_pipe_in_a_databases_place() {
    let (workspace, _) = counting();
    std::fs::remove_file(workspace.path("data/t.db")).unwrap();
    std::fs::create_dir(workspace.path("data/t.db")).unwrap();
    cannot_be_judged(&workspace, "data/t.db: no such database");
    std::fs::remove_dir(workspace.path("data/t.db")).unwrap();
    fifo(&workspace.path("data/t.db"));
    cannot_be_judged(&workspace, "data/t.db: no such database");
}

#[test]
fn a_database_that_leads_out_of_the_workspace() {
    let (workspace, _) = counting();
    let outside = workspace.tmp().join("outside.db");
    std::fs::rename(workspace.path("data/t.db"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, workspace.path("data/t.db")).unwrap();
    cannot_be_judged(&workspace, "data/t.db: leads out of the workspace");
    workspace.aic(&["run", "How many?"]).exits(2).says(&["data/t.db: leads out of the workspace"]);
}

// The store.

/// Claims that tests run without the store and say so, and that what needs the store does not run.
#[track_caller]
fn nothing_is_kept(workspace: &Workspace, why: &str) {
    let warned = |ran: Ran| ran.warns(&[why, "nothing of them is kept"]);
    warned(workspace.aic(&["test"]).exits(0).says(&["2 passed"]));
    workspace.aic(&["run", "Hello!"]).exits(2).warns(&[why, "a real run needs its counters and its audit"]);
    workspace.aic(&["rollback"]).exits(2).warns(&[why]);
    workspace.aic(&["check"]).exits(0);
    workspace.aic(&["doctor"]).exits(1);
}

#[test]
fn a_file_in_the_stores_place() {
    let workspace = Workspace::mini();
    std::fs::remove_dir(workspace.path(".aic")).unwrap();
    workspace.write(".aic", "in the way");
    nothing_is_kept(&workspace, "a file lies where the store's folder belongs");
    assert_eq!(workspace.read(".aic"), "in the way");
}

#[test]
fn a_store_that_is_a_link_to_somewhere_else() {
    let workspace = Workspace::mini();
    std::fs::remove_dir(workspace.path(".aic")).unwrap();
    let elsewhere = workspace.tmp().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, workspace.path(".aic")).unwrap();
    nothing_is_kept(&workspace, "symbolic link");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing is written through it");
}

#[test]
fn a_store_that_is_none() {
    for bytes in
        [&b"not a database, but long enough that somebody could take it for one, perhaps"[..], b"xy", &[7; 100_000]]
    {
        let workspace = Workspace::mini();
        workspace.write(".aic/store.db", bytes);
        nothing_is_kept(&workspace, "store.db");
        workspace.aic(&["versions"]).exits(2).warns(&["store.db"]);
        assert!(workspace.bytes(".aic/store.db") == bytes, "it is left as it is");
    }
}

#[test]
fn another_programs_database_in_the_stores_place() {
    let workspace = Workspace::mini();
    let other = Connection::open(workspace.path(".aic/store.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    nothing_is_kept(&workspace, "is not a store of `aic`");
    assert_eq!(other.query_row("SELECT count(*) FROM theirs", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn a_folder_or_a_pipe_in_the_stores_databases_place() {
    let workspace = Workspace::mini();
    std::fs::create_dir(workspace.path(".aic/store.db")).unwrap();
    nothing_is_kept(&workspace, "store.db");
    std::fs::remove_dir(workspace.path(".aic/store.db")).unwrap();
    fifo(&workspace.path(".aic/store.db"));
    nothing_is_kept(&workspace, "store.db");
}

#[test]
fn a_store_that_was_cut_short() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    assert!(workspace.store().checkpoint().unwrap());
    let file = std::fs::File::options().write(true).open(workspace.path(".aic/store.db")).unwrap();
    file.set_len(5000).unwrap();
    let _ = std::fs::remove_file(workspace.path(".aic/store.db-wal"));
    let ran = workspace.aic(&["test"]).says(&["2 passed"]);
    assert!(ran.err.contains("store.db") && ran.status.code() == Some(0), "{ran}");
}

#[test]
fn a_store_that_another_program_holds_is_waited_for_and_then_told() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    let other = Connection::open(workspace.path(".aic/store.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = workspace.aic(&["test"]).exits(0).says(&["2 passed"]);
    assert!(ran.err.contains("held the store for too long"), "{ran}");
    other.execute_batch("ROLLBACK").unwrap();
    workspace.aic(&["test"]).exits(0);
}
