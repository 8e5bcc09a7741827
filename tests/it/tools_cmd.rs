//! Tools that start programs and servers, questions that wait for a person, and what is written down of it all.

use crate::support::{SPEC, Workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A model that does what it is told: `sh …`, `py …`, `read …`, `echo …`, and says what came of it.
const PROGRAMS: &str = r#"
name: programs
models:
  primary:
    provider: scripted
    rules:
      - match: {user: {matches: '^sh (?<cmd>.*)$'}}
        reply: {tool_calls: [{name: shell, args: {cmd: "${match.cmd}"}}]}
      - match: {user: {matches: '^py (?<code>.*)$'}}
        reply: {tool_calls: [{name: run_python, args: {code: "${match.code}"}}]}
      - match: {user: {matches: '^read (?<path>.*)$'}}
        reply: {tool_calls: [{name: fs_read, args: {path: "${match.path}"}}]}
      - match: {user: {matches: '^echo (?<text>.*)$'}}
        reply: {tool_calls: [{name: echo, args: {message: "${match.text}"}}]}
      - {match: {tool: shell}, reply: {text: "${result}"}}
      - {match: {tool: run_python}, reply: {text: "${result}"}}
      - {match: {tool: fs_read}, reply: {text: "${result}"}}
      - {match: {tool: echo}, reply: {text: "${result}"}}
tools:
  allowed:
    - name: shell
      parameters: {type: object, properties: {cmd: {type: string}}, required: [cmd]}
      run: {shell: "${args.cmd}", allow: ["cat *", "sort", "echo *"], deny: ["cat /etc/*"]}
    - name: run_python
      parameters: {type: object, properties: {code: {type: string}}, required: [code]}
      run: {command: [python3, "-c", "${args.code}"], sandbox: gvisor, env: {SEEN: yes, KEY: "${secret:TOOL_KEY}"}}
SERVERS
sandbox: {runtime: gvisor, workspace: WORKSPACE, limits: {memory: 1GB, pids: 200, timeout: 120s}}
"#;

fn programs(servers: &str, workspace: &str) -> String {
    PROGRAMS.replace("SERVERS", servers).replace("WORKSPACE", workspace)
}

/// The first line of an answer.
fn answer(workspace: &Workspace, input: &str) -> String {
    let mut command = workspace.command(&["run", input]);
    command.env("TOOL_KEY", "planted-tool-key-1");
    let ran = crate::support::Live::start(command).finish();
    assert!(!format!("{ran}").contains("planted-tool-key-1"), "{ran}");
    ran.out.lines().next().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs runsc and python3"]
fn a_command_line_is_judged_before_a_sandbox_runs_it() {
    let workspace = Workspace::with(&[(SPEC, &programs("", "copy")), ("note.txt", "b\na\n")]);
    assert_eq!(answer(&workspace, "sh cat note.txt | sort"), r#"{"exit":0,"stdout":"a\nb\n"}"#);
    for (line, why) in [
        ("rm note.txt", "`rm note.txt` matches nothing under `allow`"),
        ("cat note.txt; rm note.txt", "`rm note.txt` matches nothing under `allow`"),
        ("echo $(rm note.txt)", "`rm note.txt` matches nothing under `allow`"),
        ("cat /etc/passwd", "matches `cat /etc/*` under `deny`"),
        ("echo x > note.txt", "only `2>&1`"),
        ("for i in 1; do rm note.txt; done", "`for` is not read here"),
    ] {
        let said = answer(&workspace, &format!("sh {line}"));
        assert!(said.starts_with("denied: ") && said.contains(why), "{line}: {said}");
    }
    assert_eq!(workspace.read("note.txt"), "b\na\n");
}

#[test]
#[ignore = "needs runsc and python3"]
fn a_program_gets_its_words_as_they_are_and_nothing_of_the_machine() {
    let workspace = Workspace::with(&[(SPEC, &programs("", "copy")), ("note.txt", "mine")]);
    assert_eq!(answer(&workspace, "py print('$(id); `id` \"x\"')"), r#"{"exit":0,"stdout":"$(id); `id` \"x\"\n"}"#);
    // A copy is written to, the files are not.
    let write = "py open('note.txt', 'w').write('theirs'); print(open('note.txt').read())";
    assert_eq!(answer(&workspace, write), r#"{"exit":0,"stdout":"theirs\n"}"#);
    assert_eq!(workspace.read("note.txt"), "mine");
    // Its environment is what the spec names, and a secret that it prints is not shown.
    let env = "py import os; print(os.environ['SEEN'], 'HOME' in os.environ, os.environ['KEY'])";
    assert_eq!(answer(&workspace, env), r#"{"exit":0,"stdout":"yes False [secret]\n"}"#);
    let net = "py import socket; socket.create_connection(('1.1.1.1', 80), 3)";
    assert!(answer(&workspace, net).contains(r#"{"exit":1,"#));
    assert_eq!(answer(&workspace, "py import sys; sys.exit(3)"), r#"{"exit":3,"stdout":""}"#);
}

/// The folder with the servers, installed once for all tests.
fn servers() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-servers");
    if !folder.join("done").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let packages =
            ["@modelcontextprotocol/server-filesystem@2026.8.31", "@modelcontextprotocol/server-everything@2026.8.31"];
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder).args(packages);
        let installed = npm.output().unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        std::fs::write(folder.join("done"), "").unwrap();
    }
    folder.join("node_modules")
}

#[test]
#[ignore = "needs node, npm and runsc"]
fn real_mcp_servers_are_used_through_the_sandbox_once_somebody_has_looked_at_them() {
    let spec = programs(
        r#"    - name: fs_read
      parameters: {type: object, properties: {path: {type: string}}, required: [path]}
      run: {mcp: files, tool: read_text_file}
    - name: echo
      parameters: {type: object, properties: {message: {type: string}}, required: [message]}
      run: {mcp: everything}
  servers:
    files: {command: [node, /workspace/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js, /workspace]}
    everything: {command: [node, /workspace/node_modules/@modelcontextprotocol/server-everything/dist/index.js]}"#,
        "read_only",
    );
    let workspace = Workspace::with(&[(SPEC, &spec), ("note.txt", "a note")]);
    let copied = Command::new("cp").arg("-a").arg(servers()).arg(workspace.root()).status().unwrap();
    assert!(copied.success());

    let ran = workspace.aic(&["run", "read /workspace/note.txt"]).exits(2);
    ran.says(&["is not locked yet", "aic lock"]);
    workspace.aic(&["lock", "--check"]).exits(1).says(&["files: 14 tools", "not locked yet"]);
    workspace.aic(&["lock"]).exits(0).says(&["read_text_file", "written to aic.lock"]);
    workspace.aic(&["lock", "--check"]).exits(0).says(&["as locked"]);

    assert_eq!(answer(&workspace, "read /workspace/note.txt"), r#"{"content":"a note"}"#);
    assert!(answer(&workspace, "read /etc/passwd").contains("Access denied"));
    assert_eq!(answer(&workspace, "echo over there"), "Echo: over there");

    // A server that offers something else than what somebody looked at is not used.
    let lock: Value = serde_json::from_str(&workspace.read("aic.lock")).unwrap();
    let digest = lock["mcp"][format!("{SPEC}#files")]["tools"]["read_text_file"].as_str().unwrap();
    let other = digest.chars().rev().collect::<String>();
    workspace.edit("aic.lock", digest, &other);
    workspace
        .aic(&["run", "read /workspace/note.txt"])
        .exits(2)
        .says(&["something else than what was locked", "changed `read_text_file`"]);
    workspace.aic(&["lock", "--check"]).exits(1).says(&["changed `read_text_file`"]);
    workspace.write("aic.lock", "{}");
    workspace.aic(&["run", "echo x"]).exits(2).warns(&["aic.lock: "]);
}

/// Refunds wait for somebody.
fn refunds(by: &str) -> String {
    format!(
        "name: refunds
models:
  primary:
    provider: scripted
    rules:
      - match: {{user: {{matches: 'refund (?<sum>\\d+)'}}}}
        reply: {{tool_calls: [{{name: db, args: {{query: 'UPDATE t SET sum = ${{match.sum}}'}}}}]}}
      - {{match: {{tool: db, error: {{exists: true}}}}, reply: {{text: I may not.}}}}
      - {{match: {{tool: db}}, reply: {{text: Refunded.}}}}
tools:
  allowed:
    - {{name: db, permissions: [UPDATE], tables: [t], confirm: {{by: {by}, expires: 10m}}, run: {{sql: 'sqlite:a.db'}}}}
guardrails: {{post_execution: [{{name: audit_log, fields: [operation, affected_count]}}]}}
"
    )
}

fn ledger(by: &str) -> Workspace {
    let workspace = Workspace::with(&[(SPEC, &refunds(by))]);
    let setup = "CREATE TABLE t (sum INTEGER); INSERT INTO t VALUES (0)";
    rusqlite::Connection::open(workspace.path("a.db")).unwrap().execute_batch(setup).unwrap();
    workspace
}

fn sum(workspace: &Workspace) -> i64 {
    let database = rusqlite::Connection::open(workspace.path("a.db")).unwrap();
    database.query_row("SELECT sum FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_token_goes_on_with_exactly_what_asked_and_is_good_once() {
    let workspace = ledger("user");
    let asked = workspace.aic(&["run", "refund 250", "--format", "json"]).exits(1).json();
    let token = asked["waits"]["token"].as_str().unwrap();
    assert_eq!((token.len(), sum(&workspace)), (32, 0));
    workspace.aic(&["confirm", "list"]).exits(0).says(&["UPDATE t SET sum = 250", "the user answers"]);
    let stored = workspace.path(".aic/confirmations");
    for entry in std::fs::read_dir(&stored).unwrap() {
        assert!(
            !std::fs::read_to_string(entry.unwrap().path()).unwrap().contains(token),
            "the token itself is not kept"
        );
    }
    workspace
        .aic(&["run", "--confirm", "0123456789abcdef0123456789abcdef"])
        .exits(2)
        .warns(&["nothing waits for this"]);
    workspace.aic(&["run", "--confirm", token]).exits(0).says(&["Refunded."]);
    assert_eq!(sum(&workspace), 250);
    workspace.aic(&["run", "--confirm", token]).exits(2).warns(&["answered already"]);
    // The same words are a new question.
    workspace.aic(&["run", "refund 250"]).exits(1).says(&["needs_confirmation:", "aic run --confirm "]);
}

#[test]
fn a_token_is_no_good_for_another_spec_than_the_one_that_asked() {
    let workspace = ledger("user");
    let asked = workspace.aic(&["run", "refund 7", "--format", "json"]).exits(1).json();
    workspace.edit(SPEC, "expires: 10m", "expires: 20m");
    workspace
        .aic(&["run", "--confirm", asked["waits"]["token"].as_str().unwrap()])
        .exits(2)
        .warns(&["has changed since"]);
    assert_eq!(sum(&workspace), 0);
    // That has used nothing up.
    workspace.edit(SPEC, "expires: 20m", "expires: 10m");
    workspace.aic(&["run", "--confirm", asked["waits"]["token"].as_str().unwrap()]).exits(0).says(&["Refunded."]);
    assert_eq!(sum(&workspace), 7);
}

#[test]
fn another_user_neither_answers_nor_uses_a_question_up() {
    for personal in [false, true] {
        let workspace = ledger("user");
        if personal {
            let personal = "audit: {personal_data: [user_id]}\nmodels:";
            workspace.edit(SPEC, "models:", personal);
        }
        let asked = workspace.aic(&["run", "refund 8", "--user", "ada", "--format", "json"]).exits(1).json();
        let token = asked["waits"]["token"].as_str().unwrap();
        workspace.aic(&["run", "--confirm", token, "--user", "bob"]).exits(2).warns(&["another user's"]);
        if personal {
            workspace.aic(&["run", "--confirm", token]).exits(2).warns(&["another user's"]);
        }
        assert_eq!(sum(&workspace), 0);
        workspace.aic(&["run", "--confirm", token, "--user", "ada"]).exits(0).says(&["Refunded."]);
        assert_eq!(sum(&workspace), 8);
    }
}

#[test]
fn an_operator_answers_by_number_and_the_chat_cannot() {
    let workspace = ledger("operator");
    let asked = workspace.aic(&["run", "refund 40", "--approve", "db", "--format", "json"]).exits(1).json();
    assert!(asked["waits"]["token"].is_null(), "the chat gets no token: {asked}");
    let number = asked["waits"]["number"].as_str().unwrap();
    workspace.aic(&["confirm", "approve", number]).exits(0).says(&["Refunded."]);
    assert_eq!(sum(&workspace), 40);
    workspace.aic(&["confirm", "approve", number]).exits(2).warns(&["answered already"]);
    let asked = workspace.aic(&["run", "refund 50", "--format", "json"]).exits(1).json();
    workspace.aic(&["confirm", "deny", asked["waits"]["number"].as_str().unwrap()]).exits(0).says(&["I may not."]);
    assert_eq!(sum(&workspace), 40);
    workspace.aic(&["confirm", "approve", "../../x"]).exits(2);
    workspace.aic(&["confirm", "list"]).exits(0).says(&["nothing waits"]);
}

#[test]
fn the_audit_is_verified_and_exported() {
    let workspace = ledger("user");
    workspace.aic(&["audit", "verify"]).exits(2).warns(&["nothing was written down here yet"]);
    workspace.aic(&["run", "refund 1", "--approve", "db"]).exits(0);
    workspace.aic(&["run", "refund 2", "--approve", "db"]).exits(0);
    let ran = workspace.aic(&["audit", "verify"]).exits(0).says(&["holds: 2 entries"]);
    let head = ran.out.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let lines = workspace.aic(&["audit", "export"]).exits(0).out;
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[1]["fields"]["affected_count"], 1);
    assert_eq!(head, format!("2:{}", rows[1]["digest"].as_str().unwrap()));
    workspace.aic(&["audit", "verify", "--head", &head]).exits(0);
    assert_eq!(workspace.aic(&["audit", "verify", "--format", "json"]).exits(0).json()["holds"], true);

    let database = rusqlite::Connection::open(workspace.path(".aic/store.db")).unwrap();
    database
        .execute_batch("DROP TRIGGER audit_is_kept; DROP TRIGGER audit_stays; DELETE FROM audit WHERE seq = 2")
        .unwrap();
    workspace.aic(&["audit", "verify"]).exits(1).says(&["broken: audit entry 2", "cut off"]);
    // Where that is covered up too, the store alone cannot tell; what was kept elsewhere can.
    database.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'audit'", []).unwrap();
    workspace.aic(&["audit", "verify"]).exits(0).says(&["holds: 1 entry"]);
    workspace.aic(&["audit", "verify", "--head", &head]).exits(1).says(&["broken:", "entry 2"]);
    for change in ["UPDATE audit SET fields = '{}' WHERE seq = 1", "UPDATE audit SET prev = x''", "DROP TABLE audit"] {
        database.execute_batch(change).unwrap();
        workspace.aic(&["audit", "verify"]).exits(1).says(&["broken: audit entry 1"]);
    }
}

#[test]
fn what_a_guard_of_ones_own_redacts_in_calls_and_results_is_gone() {
    let guard = "export default ({ text }) => { const at = text.indexOf('FALCON'); return at < 0 ? null : { action: 'redact', span: [at, at + 6] }; };";
    let tool = "export default (args) => ({ got: args.x ?? 'nothing', list: ['the FALCON flies'], n: 1 });";
    for (stage, args, kept) in
        [("tool_call", "{x: 'say FALCON'}", "say [redacted]"), ("tool_result", "{}", "the [redacted] flies")]
    {
        let spec = format!(
            "name: birds
models:
  primary:
    provider: scripted
    rules:
      - {{match: {{tool: look}}, reply: {{text: '${{result}}'}}}}
      - {{match: {{}}, reply: {{tool_calls: [{{name: look, args: {args}}}]}}}}
tools: {{allowed: [{{name: look, effect: read, trust: trusted, parameters: {{type: object}}, run: {{script: look.js}}}}]}}
guardrails: {{runtime: [{{name: birds, on: {stage}, script: birds.js}}]}}
"
        );
        let workspace = Workspace::with(&[(SPEC, &spec), ("birds.js", guard), ("look.js", tool)]);
        let ran = workspace.aic(&["run", "look"]).exits(0).says(&[kept]);
        assert!(stage == "tool_call" || !ran.out.contains("FALCON"), "{ran}");
    }
}
