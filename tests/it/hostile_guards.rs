//! Guards that misbehave: each blocks what it was to judge and says why, everything else goes on, and no test that expects
//! the block is green for it.

use crate::support::{Workspace, below, until};
use serde_json::Value;

/// A guard that judges inputs of one word, and misbehaves on that word in its own way.
const GUARD: &str = r#"
const habits = {
  loops: () => { for (;;); },
  hoards: () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); },
  grows: () => { let text = "x"; for (;;) text += text; },
  digs: () => { const dig = () => 1 + dig(); return dig(); },
  throws: () => { throw new Error("I would rather not"); },
  says_yes: () => "yes",
  counts: () => 42,
  invents: () => ({action: "explode"}),
  points_nowhere: () => ({action: "redact", span: [5, 99999]}),
  redacts_nothing: () => ({action: "redact"}),
  circles: () => { const self = {}; self.self = self; return self; },
  waits: () => new Promise(() => {}),
  rejects: () => Promise.reject("no"),
  chatters: () => { for (let i = 0; i < 1e5; i++) console.log("x".repeat(1000)); return null; },
  poisons: () => { Object.prototype.action = "allow"; JSON.stringify = () => "null"; throw new Error("poisoned"); },
  floods: () => ({action: "block", reason: "y".repeat(1e6)}),
};
export default function ({text}) {
  const habit = habits[text];
  return habit ? habit() : null;
}
"#;

/// Each call has five seconds: what ends sooner by itself does so on a busy machine too.
fn spec(tests: &str) -> String {
    format!(
        "\
name: hostile
models:
  primary:
    provider: scripted
    rules: [{{match: {{}}, reply: {{text: Fine.}}}}]
sandbox: {{limits: {{timeout: 5s, memory: 32MB}}}}
guardrails:
  pre_execution:
    - {{name: odd_guard, script: guards/odd.js}}
tests:
{tests}"
    )
}

fn blocked(name: &str) -> String {
    format!("  - {{name: {name}, input: {name}, expect: [blocked: {{by: odd_guard}}]}}\n")
}

/// The reason of the guard's decision in a run on this input.
#[track_caller]
fn reason(workspace: &Workspace, input: &str) -> String {
    let document = workspace.aic(&["run", input, "--format", "json"]).exits(1).json();
    assert_eq!(document["outcome"], "blocked", "{document:#}");
    let decisions = document["decisions"].as_array().unwrap();
    let of_guard = |decision: &&Value| decision["guardrail"] == "odd_guard";
    decisions.iter().find(of_guard).unwrap()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_guard_that_fails_proves_nothing_and_the_other_cases_go_on() {
    let names = [
        "loops",
        "hoards",
        "grows",
        "digs",
        "throws",
        "says_yes",
        "counts",
        "invents",
        "points_nowhere",
        "redacts_nothing",
        "circles",
        "waits",
        "rejects",
        "poisons",
        "floods",
    ];
    let tests: String = names.iter().map(|name| blocked(name)).collect();
    let fine = "  - {name: in the end, input: anything, expect: [equals: Fine., not_blocked]}\n";
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec(&(tests + fine))), ("guards/odd.js", GUARD)]);
    let document = workspace.aic(&["test", "--format", "json"]).exits(2).json();
    let tally = &document["specs"][0]["tally"];
    assert_eq!((&tally["error"], &tally["pass"]), (&Value::from(names.len() - 1), &Value::from(2)), "{tally:#}");
}

#[test]
fn the_reason_names_the_guards_script_and_what_it_did() {
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec("  []\n")), ("guards/odd.js", GUARD)]);
    let loops = reason(&workspace, "loops");
    for said in ["the guard failed, so it blocks: ", "did not end within 5s", "guards/odd.js"] {
        assert!(loops.contains(said), "{loops}");
    }
    // Who uses up the memory gets the time for it.
    workspace.edit(".aicontainer.yml", "timeout: 5s", "timeout: 60s");
    for (habit, said) in [
        ("hoards", "more memory than 32000000 bytes"),
        ("digs", "guards/odd.js"),
        ("throws", "threw Error: I would rather not"),
        ("says_yes", "returned something that is no map"),
        ("invents", "an action that the language does not have"),
        ("points_nowhere", "a span that is not inside the text"),
        ("redacts_nothing", "without the span"),
        ("waits", "never finished"),
        ("rejects", "guards/odd.js"),
        ("poisons", "guards/odd.js"),
    ] {
        let reason = reason(&workspace, habit);
        assert!(reason.contains("the guard failed, so it blocks: ") && reason.contains(said), "{habit}: {reason}");
        assert!(reason.contains("guards/odd.js"), "{habit}: {reason}");
    }
    assert!(reason(&workspace, "floods").len() <= 600, "a reason is no flood");
}

#[test]
fn a_guard_that_prints_without_end_is_only_cut_short() {
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec("  []\n")), ("guards/odd.js", GUARD)]);
    workspace.edit(".aicontainer.yml", "timeout: 5s", "timeout: 60s");
    workspace.aic(&["run", "chatters"]).exits(0).says(&["Fine."]);
}

#[test]
fn a_guard_that_cannot_be_loaded_blocks_everything_and_says_where() {
    for (script, said) in [
        ("export default function ( {", "SyntaxError"),
        ("const x = 1;", "default"),
        ("export default 7;", "default"),
        ("import fs from 'fs'; export default () => null;", "fs"),
        ("throw new Error('at the top'); export default () => null;", "at the top"),
        ("", "default"),
    ] {
        let workspace = Workspace::with(&[(".aicontainer.yml", &spec(&blocked("x"))), ("guards/odd.js", script)]);
        let reason = reason(&workspace, "x");
        assert!(reason.contains("guards/odd.js") && reason.contains(said), "{script}: {reason}");
        workspace.aic(&["test"]).exits(2).says(&["the guard failed, so it blocks", "guards/odd.js"]);
    }
}

#[test]
fn a_guard_that_is_no_text_does_not_let_anything_through() {
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec(&blocked("x")))]);
    workspace.write("guards/odd.js", [0xff, 0xfe, 0x00, 0x41]);
    let ran = workspace.aic(&["run", "x"]);
    assert!(matches!(ran.status.code(), Some(1 | 2)) && !ran.out.contains("Fine."), "{ran}");
    assert!(ran.out.contains("guards/odd.js") || ran.err.contains("guards/odd.js"), "{ran}");
}

#[test]
fn a_guard_has_no_clock_no_files_no_network_and_no_processes() {
    let guard = "export default () => { \
        const reach = ['fetch', 'XMLHttpRequest', 'WebSocket', 'require', 'process', 'Deno', 'std', 'os', 'setTimeout', 'Worker']; \
        const found = reach.filter(name => typeof globalThis[name] !== 'undefined'); \
        const still = Date.now() === Date.now() && new Date().toISOString() === '2025-06-01T12:00:00.000Z'; \
        return found.length || !still ? {action: 'block', reason: 'reached: ' + found + ' ' + new Date().toISOString()} : null }";
    let test = "  - {name: x, now: 2025-06-01T12:00:00Z, input: x, expect: [not_blocked]}\n";
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec(test)), ("guards/odd.js", guard)]);
    workspace.aic(&["test"]).exits(0);
}

#[test]
fn one_call_leaves_nothing_behind_for_the_next() {
    let guard = "let calls = 0; export default () => { calls++; globalThis.seen = (globalThis.seen ?? 0) + 1; \
        return calls > 1 || globalThis.seen > 1 ? {action: 'block', reason: 'seen before'} : null }";
    let test = "  - {name: x, input: x, repeat: 20, expect: [not_blocked]}\n";
    Workspace::with(&[(".aicontainer.yml", &spec(test)), ("guards/odd.js", guard)]).aic(&["test"]).exits(0);
}

#[test]
fn a_worker_that_is_killed_in_the_middle_blocks_its_case_only() {
    let tests = blocked("loops") + "  - {name: in the end, input: anything, expect: [not_blocked]}\n";
    let workspace = Workspace::with(&[(".aicontainer.yml", &spec(&tests)), ("guards/odd.js", GUARD)]);
    workspace.edit(".aicontainer.yml", "timeout: 5s", "timeout: 1h");
    // Compiles the guest, should it not be there yet, so that who computes below is the guard.
    workspace.aic(&["doctor"]).exits(0);
    let live = workspace.start(&["test", "--format", "json"]);
    let busy = until("a worker computes", || below(live.id()).into_iter().find(|worker| worker.used > 20));
    busy.kill();
    let document = live.finish().exits(2).json();
    let (case, other) = (&document["specs"][0]["cases"][0], &document["specs"][0]["cases"][1]);
    assert_eq!((&case["verdict"], &other["verdict"]), (&"error".into(), &"pass".into()), "{document:#}");
    assert!(case["output"].as_str().unwrap().contains("died"), "{case:#}");
}

#[test]
fn a_grader_that_misbehaves_is_an_error_of_its_case_and_never_a_pass() {
    let grade = |script: &str| {
        let test =
            "  - {name: x, input: x, expect: [script: graders/g.js]}\n  - {name: y, input: y, expect: [not_blocked]}\n";
        let files = [(".aicontainer.yml", &*spec(test)), ("guards/odd.js", GUARD), ("graders/g.js", script)];
        let document = Workspace::with(&files).aic(&["test", "--format", "json"]).json();
        let verdict = |at: usize| document["specs"][0]["cases"][at]["verdict"].as_str().unwrap().to_owned();
        assert_eq!(verdict(1), "pass", "{document:#}");
        verdict(0)
    };
    assert_eq!(grade("export default () => ({pass: true})"), "pass");
    assert_eq!(grade("export default () => ({pass: false, reason: 'no'})"), "fail");
    for script in [
        "export default () => { for (;;); }",
        "export default () => 'sure'",
        "syntax error (",
        "export default () => { throw 1 }",
    ] {
        assert_eq!(grade(script), "error", "{script}");
    }
}
