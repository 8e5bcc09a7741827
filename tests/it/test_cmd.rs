//! `aic test`: verdicts, filters, what is written down.

use crate::support::{MINI, POLITE, SPEC, Workspace};
use aic_base::RelPath;

#[test]
fn a_failure_says_what_was_wanted_what_came_and_where_it_stands() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "[contains: Hello to you]", "[contains: Good day]");
    workspace.aic(&["test"]).exits(1).says(&[
        "✗ greets back",
        "contains: Good day",
        "Hello to you.",
        "at .aicontainer.yml:14:14",
        "input   Hello! → primary",
        "1 passed, 1 failed",
    ]);
}

#[test]
fn what_cannot_be_judged_is_2_not_1() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "match: {}", "match: {user: something else}");
    workspace.aic(&["test"]).exits(2).says(&["! is blunt otherwise", "could not be judged"]);
}

#[test]
fn a_spec_with_errors_is_not_run() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "prompts:", "promts:");
    let ran = workspace.aic(&["test"]).exits(2).says(&["error[ABS001]"]);
    ran.warns(&["the spec has errors, so nothing was run"]);
    let document = workspace.aic(&["test", "--format", "json"]).exits(2).json();
    assert_eq!(document["exit_code"], 2);
    assert_eq!(document["specs"][0]["diagnostics"][0]["code"], "ABS001");
}

#[test]
fn what_this_version_does_not_enforce_is_refused_where_safety_depends_on_it() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "tests:", "sandbox: {runtime: firecracker}\ntests:");
    workspace.aic(&["test"]).exits(2).warns(&["cannot enforce", "nothing was run"]);
}

#[test]
fn a_filter_runs_some_and_a_part_is_no_verdict_on_the_version() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "equals: What?", "equals: Why?");
    let ran = workspace.aic(&["test", "-k", "greets"]).exits(0).says(&["✓ greets back", "1 passed"]);
    assert!(!ran.out.contains("is blunt otherwise") && !ran.out.contains("stable"), "{ran}");
    let versions = workspace.aic(&["versions", "--format", "json"]).exits(0).json();
    assert_eq!(versions["versions"][0]["stable"], false);
    assert!(versions["versions"][0]["verdict"].is_null());
    workspace.aic(&["rollback"]).exits(2).warns(&["no stable version"]);
}

#[test]
fn a_filter_that_fits_nothing_says_so() {
    Workspace::mini().aic(&["test", "-k", "nothing like it"]).exits(0).warns(&["no case was run"]);
}

#[test]
fn skipped_tests_say_why_and_do_not_fail() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "  - name: is blunt otherwise", "  - name: is blunt otherwise\n    skip: too blunt");
    workspace.aic(&["test"]).exits(0).says(&["- is blunt otherwise", "skipped: too blunt", "1 passed, 1 skipped"]);
}

#[test]
fn as_json_a_failure_has_its_place_and_its_trace() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "[contains: Hello to you]", "[contains: Good day]");
    let document = workspace.aic(&["test", "--format", "json"]).exits(1).json();
    let spec = &document["specs"][0];
    assert_eq!(spec["tally"], serde_json::json!({"pass": 1, "fail": 1, "error": 0, "skipped": 0, "open": 0}));
    let (red, green) = (&spec["cases"][0], &spec["cases"][1]);
    assert_eq!((red["id"].as_str(), red["verdict"].as_str()), (Some("greets back"), Some("fail")));
    assert_eq!(red["failures"][0]["place"], ".aicontainer.yml:14:14");
    assert_eq!(red["trace"][0]["event"], "run_started");
    assert_eq!((green["verdict"].as_str(), green.get("trace")), (Some("pass"), None));
    assert_eq!(spec["version"]["number"], 1);
}

#[test]
fn the_same_files_are_the_same_version() {
    let workspace = Workspace::mini();
    let number = |workspace: &Workspace| {
        workspace.aic(&["test", "--format", "json"]).exits(0).json()["specs"][0]["version"]["number"].as_u64()
    };
    assert_eq!(number(&workspace), Some(1));
    assert_eq!(number(&workspace), Some(1));
    workspace.write("prompts/system.md", "Be polite, and brief.\n");
    assert_eq!(number(&workspace), Some(2));
    workspace.write("prompts/system.md", POLITE);
    assert_eq!(number(&workspace), Some(1));
}

#[test]
fn every_case_is_written_down_as_a_run_with_its_cost_and_no_row_of_the_audit() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "prompts:", "guardrails: {post_execution: [audit_log]}\nprompts:");
    workspace.aic(&["test"]).exits(0);
    let store = workspace.store();
    let spec = RelPath::new(SPEC).unwrap();
    let mut cases: Vec<_> = store.runs(&spec, 10).unwrap().into_iter().map(|run| run.case.unwrap()).collect();
    cases.sort();
    assert_eq!(cases, ["greets back", "is blunt otherwise"]);
    assert_eq!(store.audit_verify().unwrap().unwrap().entries, 0);
}

#[test]
fn it_works_from_a_folder_below_and_with_a_path_from_above() {
    let workspace = Workspace::with(&[("agents/a/mini.ai.yml", MINI), ("agents/a/prompts/system.md", POLITE)]);
    workspace.aic(&["test", "agents/a/mini.ai.yml"]).exits(0).says(&["agents/a/mini.ai.yml"]);
    let mut command = workspace.command(&["test"]);
    command.current_dir(workspace.path("agents/a"));
    crate::support::Live::start(command).finish().exits(0).says(&["mini.ai.yml", "2 passed"]);
    assert!(!workspace.path("agents/a/.aic").exists(), "the workspace above keeps it");
}

#[test]
fn nothing_of_the_terminals_colours_reaches_a_pipe() {
    let ran = Workspace::mini().aic(&["test"]).exits(0);
    assert!(!ran.out.contains('\x1b'), "{ran}");
}

#[test]
fn what_a_model_says_cannot_paint_the_screen() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "{text: What?}", "{text: \"\\e[2JWhat\\x07?\"}");
    let ran = workspace.aic(&["test"]).exits(1);
    assert!(!ran.out.contains(['\x1b', '\x07']), "{ran}");
    let ran = workspace.aic(&["run", "Nonsense", "--trace"]).exits(0);
    assert!(!ran.out.contains(['\x1b', '\x07']), "{ran}");
}
