//! `aic check`: what is wrong, where, and what to do.

use crate::support::{MINI, POLITE, Ran, SPEC, Workspace};

/// Checks [`MINI`] with something in it replaced.
#[track_caller]
fn check(from: &str, to: &str) -> Ran {
    assert_eq!(MINI.matches(from).count(), 1, "{from}");
    Workspace::with(&[(SPEC, &MINI.replace(from, to)), ("prompts/system.md", POLITE)]).aic(&["check"])
}

/// Claims that a finding is shown with its code, `file:line:column`, its source line, and carets below its text.
#[track_caller]
fn shows(ran: Ran, code: &str, line: usize, text: &str, message: &str) {
    let ran = ran.exits(1).says(&[&format!("error[{code}]"), message]);
    let lines: Vec<&str> = ran.out.lines().collect();
    let quoted = lines.iter().position(|shown| shown.starts_with(&format!("{line} ")) && shown.contains(text));
    let at = quoted.unwrap_or_else(|| panic!("line {line} with `{text}` is not quoted in\n{ran}"));
    let column = |line: &str, text: &str| line.find(text).map(|byte| line[..byte].chars().count());
    let caret = column(lines[at + 1], "━");
    assert_eq!(caret, column(lines[at], text), "the caret points at `{text}` in\n{ran}");
    assert!(ran.out.contains(&format!("{SPEC}:{line}:")), "{ran}");
}

#[test]
fn what_is_fine_has_no_findings() {
    Workspace::mini().aic(&["check"]).exits(0).says(&["no findings in 1 spec"]);
}

#[test]
fn an_unknown_key_is_told_with_the_one_that_was_meant() {
    shows(check("prompts: {", "promts: {"), "ABS001", 10, "promts", "did you mean `prompts`?");
}

#[test]
fn a_wrong_type_is_told() {
    shows(check("name: mini", "name: [mini]"), "ABS002", 1, "[mini]", "`name`");
}

#[test]
fn a_missing_key_is_told() {
    shows(check("{text: Hello to you.}", "{tool_calls: [{args: {}}]}"), "ABS003", 7, "{args", "`name`");
}

#[test]
fn a_condition_that_does_not_compile_is_told_at_its_own_place() {
    let guard = "guardrails: {pre_execution: [{name: x, condition: 'inptu == 1'}]}\ntests:";
    shows(check("tests:", guard), "ABS040", 11, "inptu", "inptu");
}

#[test]
fn a_file_that_is_missing_is_told() {
    shows(check("prompts/system.md", "prompts/sistem.md"), "ABS060", 10, "prompts/sistem.md", "sistem.md");
}

#[test]
fn a_document_that_is_broken_in_one_place_is_checked_everywhere_else() {
    let ran =
        check("prompts: {system: {file: prompts/system.md}}", "prompts: {system: {file: prompts/system.md\npromts: x");
    ran.exits(1).says(&["error[ABS005]", "error[ABS001]"]);
}

#[test]
fn a_secret_in_a_spec_is_an_error_and_is_not_repeated() {
    let key = format!("sk-{}", "Zk3vT9qLm2Xw8RbN5cYp7HdJ4sFgA6eU");
    let ran = check("name: mini", &format!("name: mini\ndescription: {key}")).exits(1).says(&["error[ABS030]"]);
    assert!(!ran.out.contains(&key) && !ran.err.contains(&key), "{ran}");
    assert!(ran.out.contains("2 │ description: ***"), "{ran}");
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let workspace = Workspace::with(&[(SPEC, "name: x\nmodel: gpt-4\n")]);
    workspace.aic(&["check"]).exits(0).says(&["warning[ABS023]"]);
    workspace.aic(&["check", "--deny-warnings"]).exits(1).says(&["warning[ABS023]"]);
}

#[test]
fn as_json_each_finding_has_its_code_its_span_and_its_place() {
    let workspace = Workspace::with(&[(SPEC, &MINI.replace("prompts: {", "promts: {")), ("prompts/system.md", POLITE)]);
    let document = workspace.aic(&["check", "--format", "json"]).exits(1).json();
    assert_eq!((document["schema"].as_u64(), document["ok"].as_bool()), (Some(1), Some(false)));
    let spec = &document["specs"][0];
    assert_eq!(spec["spec"], SPEC);
    let found = spec["diagnostics"].as_array().unwrap().iter().find(|found| found["code"] == "ABS001").unwrap();
    let at = |key: &str| usize::try_from(found["span"][key].as_u64().unwrap()).unwrap();
    assert_eq!(&workspace.read(SPEC)[at("start")..at("end")], "promts");
    assert_eq!((found["severity"].as_str(), found["file"].as_str()), (Some("error"), Some(SPEC)));
    assert_eq!(
        (found["place"]["start"]["line"].as_u64(), found["place"]["start"]["column"].as_u64()),
        (Some(10), Some(1))
    );
    assert_eq!(found["fix"]["edits"][0]["text"], "prompts");
}

#[test]
fn as_json_what_is_fine_is_ok() {
    let document = Workspace::mini().aic(&["check", "--format", "json"]).exits(0).json();
    assert_eq!(document, serde_json::json!({"schema": 1, "specs": [{"spec": SPEC, "diagnostics": []}], "ok": true}));
}

#[test]
fn a_path_that_is_not_there_cannot_be_checked() {
    let workspace = Workspace::mini();
    workspace.aic(&["check", "nowhere.ai.yml"]).exits(2).warns(&["nowhere.ai.yml: no such file or folder"]);
    let ran = workspace.aic(&["check", "nowhere.ai.yml", "--format", "json"]).exits(2);
    assert_eq!(ran.json()["error"], "nowhere.ai.yml: no such file or folder");
}

#[test]
fn a_folder_without_specs_and_a_file_that_is_none_say_what_to_do() {
    let workspace = Workspace::with(&[("readme.md", "x")]);
    workspace.aic(&["check"]).exits(2).warns(&["no spec here", "aic init"]);
    workspace.aic(&["check", "readme.md"]).exits(2).warns(&["readme.md: not called like a spec"]);
}

#[test]
fn checking_makes_no_store() {
    let workspace = Workspace::mini();
    workspace.aic(&["check"]).exits(0);
    assert_eq!(std::fs::read_dir(workspace.path(".aic")).unwrap().count(), 0);
}

#[test]
fn a_wrong_argument_is_2_and_help_is_0() {
    let workspace = Workspace::mini();
    workspace.aic(&["chekc"]).exits(2).warns(&["check"]);
    workspace.aic(&["check", "--format", "xml"]).exits(2);
    workspace.aic(&["--help"]).exits(0).says(&["rollback", "Exit codes"]);
}

#[test]
fn tests_that_no_spec_includes_are_checked_too() {
    let misspelt = "tests:\n  - {name: a, input: x, expect: [{contians: y}]}\n";
    let workspace = Workspace::mini();
    workspace.write("more/x.aictest.yml", misspelt);
    workspace.aic(&["check"]).exits(1).says(&["error[ABS071]", "contians", "in 1 spec and 1 file of tests"]);
    workspace.aic(&["check", "more"]).exits(1).says(&["error[ABS071]", "in 1 file of tests"]);
    workspace.write("more/x.aictest.yml", misspelt.replace("contians", "contains"));
    workspace.aic(&["check", "."]).exits(0).says(&["no findings in 1 spec and 1 file of tests"]);
    workspace.write("more/x.aictest.yml", "- {name: a, inptu: x}\n");
    workspace.aic(&["check", "more"]).exits(1).says(&["inptu"]);
    workspace.write("none/readme.md", "");
    workspace.aic(&["check", "none"]).exits(2).warns(&["NAME.aictest.yml"]);
}

#[test]
fn fixing_toml_leaves_toml() {
    let text =
        "[model]\nprovider = \"scripted\"\nrules = [{match = {}, reply = {text = \"hi\"}}]\n[budget]\ntime = 90\n";
    let workspace = Workspace::with(&[("a.aicontainer.toml", text)]);
    workspace.aic(&["check", "--fix"]).exits(0).says(&["mended 1 finding in 1 file", "no findings"]);
    assert!(workspace.read("a.aicontainer.toml").ends_with("time = \"90s\"\n"));
}

#[test]
fn other_places_that_matter_are_in_the_json_too() {
    let text = format!("{MINI}guardrails: [{{name: rate_limit}}, {{name: rate_limit}}]\n");
    let workspace = Workspace::with(&[(SPEC, &text), ("prompts/system.md", POLITE)]);
    let found = workspace.aic(&["check", "--format", "json"]).exits(1).json();
    let all = found["specs"][0]["diagnostics"].as_array().unwrap();
    let twice = all.iter().find(|found| found["code"] == "ABS043").unwrap();
    let related = &twice["related"][0];
    assert_eq!((&related["message"], &related["file"]), (&"the first one".into(), &SPEC.into()));
    assert_eq!(related["place"]["start"]["line"], twice["place"]["start"]["line"]);
    assert!(related["place"]["start"]["column"].as_u64() < twice["place"]["start"]["column"].as_u64());
}
