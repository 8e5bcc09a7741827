//! WebAssembly modules of a spec: tools, guards and graders, compiled from C here, each in the sandbox.

use crate::support::{SPEC, Workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The module beside this file, compiled once for all tests.
fn module(flags: &[&str]) -> Vec<u8> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/modules/own.c");
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("own{}.wasm", flags.join("")));
    let age = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    if age(&target) < age(&source) {
        let mut clang = Command::new("clang");
        clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "-Os", "-Wl,--strip-all"]).args(flags).arg("-o");
        let ran = clang.arg(&target).arg(&source).output().expect("clang starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    std::fs::read(target).unwrap()
}

/// Counts the words of whatever it is told, and says what came of it.
const COUNTS: &str = r#"
name: counts
models:
  primary:
    provider: scripted
    rules:
      - match: {user: {matches: '^count (?<text>.*)$'}}
        reply: {tool_calls: [{name: count_words, args: {text: "${match.text}"}}]}
      - {match: {tool: count_words}, reply: {text: "${result}"}}
      - {match: {}, reply: {text: Fine.}}
tools:
  allowed:
    - name: count_words
      parameters: {type: object, properties: {text: {type: string}}, required: [text]}
      run: {wasm: tools/wc.wasm, env: {KEY: "${secret:TOOL_KEY}"}, timeout: 20s, memory: 16MB}
GUARDS
sandbox: {workspace: WORKSPACE, limits: {timeout: 20s, memory: 16MB}}
tests: TESTS
"#;

fn workspace(guards: &str, mode: &str, tests: &str) -> Workspace {
    let spec = COUNTS.replace("GUARDS", guards).replace("WORKSPACE", mode).replace("TESTS", tests);
    let workspace = Workspace::with(&[(SPEC, &spec), ("note.txt", "mine")]);
    for path in ["tools/wc.wasm", "guards/own.wasm", "graders/own.wasm"] {
        workspace.write(path, module(&[]));
    }
    workspace
}

/// What the tool returned for this text.
fn counted(workspace: &Workspace, text: &str) -> Value {
    let mut command = workspace.command(&["run", &format!("count {text}"), "--format", "json"]);
    command.env("TOOL_KEY", "planted-tool-key-2");
    let ran = crate::support::Live::start(command).finish();
    assert!(!format!("{ran}").contains("planted-tool-key-2"), "{ran}");
    let document = ran.json();
    let said = document["output"].as_str().unwrap_or_else(|| panic!("{document:#}"));
    serde_json::from_str(said).unwrap_or_else(|_| Value::from(said))
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_is_a_tool_that_reads_its_arguments_and_answers_with_json_or_text() {
    let workspace = workspace("", "none", "[]");
    assert_eq!(counted(&workspace, "three little words"), json!({"words": 3}));
    assert_eq!(counted(&workspace, "plain"), json!("two words"));
    assert_eq!(counted(&workspace, "refuse"), json!("tools/wc.wasm ended by exit code 3: I count no such text"));
    // A secret that it says is not shown, and of files there is nothing.
    assert_eq!(counted(&workspace, "key"), json!("the key is [secret]"));
    assert_eq!(counted(&workspace, "note"), json!({"note": null}));
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_sees_the_workspace_and_writes_nothing_whatever_programs_may() {
    for mode in ["read_only", "copy", "read_write"] {
        let workspace = workspace("", mode, "[]");
        let seen = counted(&workspace, "note");
        assert_eq!(seen, json!({"note": "mine", "write": "Read-only file system"}), "{mode}");
        assert_eq!(workspace.read("note.txt"), "mine");
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_that_is_not_built_yet_is_a_warning_and_stops_the_run_that_wants_it() {
    let workspace = workspace("", "none", "[{name: t, input: count x, expect: [contains: words]}]");
    std::fs::remove_file(workspace.path("tools/wc.wasm")).unwrap();
    workspace.aic(&["check"]).exits(0).says(&["there is no file `tools/wc.wasm`"]);
    let mut command = workspace.command(&["run", "count x"]);
    command.env("TOOL_KEY", "k");
    crate::support::Live::start(command).finish().exits(2).says(&["tools/wc.wasm: no WebAssembly module is there"]);
    workspace.aic(&["test"]).exits(2).says(&["no WebAssembly module is there"]);
}

const GUARD: &str = "guardrails: {pre_execution: [{name: own_guard, wasm: guards/own.wasm}]}";

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_is_a_guard_that_blocks_redacts_and_lets_pass() {
    let workspace = workspace(GUARD, "none", "[]");
    workspace.aic(&["run", "hello"]).exits(0).says(&["Fine."]);
    let blocked = workspace.aic(&["run", "a bomb", "--format", "json"]).exits(1).json();
    let decision = &blocked["decisions"][0];
    assert_eq!((&decision["guardrail"], &decision["reason"]), (&json!("own_guard"), &json!("No bombs")));
    // Its spans are bytes of UTF-8: the accented letter before has two.
    let redacted = workspace.aic(&["run", "thé secretword it is", "--format", "json"]).exits(0).json();
    let span = &redacted["decisions"][0]["span"];
    assert_eq!(span, &json!({"start": 5, "end": 15}), "{redacted:#}");
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_that_cannot_judge_blocks_and_no_test_is_green_for_it() {
    let tests = "[{name: g, input: gibberish, expect: [blocked]}, {name: c, input: crashes, expect: [blocked]}]";
    let workspace = workspace(GUARD, "none", tests);
    workspace.edit(SPEC, "limits: {timeout: 20s", "limits: {timeout: 5s");
    for (input, why) in [
        ("gibberish", "returned something that is no map"),
        ("crashes", "guards/own.wasm cannot be run: it was stopped"),
        ("loops", "guards/own.wasm ended by over limits.timeout"),
        ("half of é", "a span that is not inside the text"),
    ] {
        let document = workspace.aic(&["run", input, "--format", "json"]).exits(1).json();
        let reason = document["decisions"][0]["reason"].as_str().unwrap_or_else(|| panic!("{document:#}"));
        assert!(reason.contains("the guard failed, so it blocks: ") && reason.contains(why), "{input}: {reason}");
        assert_eq!(document["outcome"], "blocked");
    }
    let tally = &workspace.aic(&["test", "--format", "json"]).exits(2).json()["specs"][0]["tally"];
    assert_eq!(tally["error"], 2, "{tally:#}");
    // A guard that is not there is an error before anything runs.
    std::fs::remove_file(workspace.path("guards/own.wasm")).unwrap();
    workspace.aic(&["run", "hello"]).exits(2);
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_module_grades_and_a_module_that_changed_makes_tests_run_again() {
    let tests = "
  - {name: counts, input: count a b c, expect: [{wasm: graders/own.wasm}]}
  - {name: scored, input: count a b c, expect: [{wasm: {file: graders/own.wasm, min_score: 0.5}}]}
  - {name: scored too low, input: count a b c, expect: [{not: {wasm: {file: graders/own.wasm, min_score: 0.7}}}]}
  - {name: greets, input: hello, expect: [equals: Fine.]}";
    let workspace = workspace("", "none", tests);
    let test = |code: i32| {
        let mut command = workspace.command(&["test", "--format", "json"]);
        command.env("TOOL_KEY", "k");
        crate::support::Live::start(command).finish().exits(code).json()["specs"][0].clone()
    };
    // Where a case has the digest it had, whoever watches keeps its result.
    let digests = |report: &Value| -> Vec<String> {
        let cases = report["cases"].as_array().unwrap_or_else(|| panic!("{report:#}"));
        cases.iter().map(|case| case["digest"].as_str().unwrap().to_owned()).collect()
    };
    let first = test(0);
    assert_eq!(first["tally"]["pass"], 4, "{first:#}");
    assert_eq!(digests(&test(0)), digests(&first));
    // Another tool: three words are six, and the grader, which looks for a three, says why not.
    workspace.write("tools/wc.wasm", module(&["-DDOUBLE"]));
    let changed = test(1);
    assert!(digests(&changed).iter().zip(digests(&first)).all(|(new, old)| *new != old));
    assert!(changed.to_string().contains("the grader says no: it does not say three"), "{changed:#}");
}
