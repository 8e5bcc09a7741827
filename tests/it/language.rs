//! The commands about the language itself: mending, the long form, layout, explanations, the schema, reports.

use crate::support::{MINI, POLITE, SPEC, Workspace};
use serde_json::Value;

const BROKEN: &str = "name: a
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
promts: {system: Hi}
budget: {time: 30}
tools:
  blocked: [*_admin]
";

#[test]
fn fix_applies_what_is_safe_and_leaves_the_rest() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    let ran = workspace.aic(&["check", "--fix"]).exits(1).says(&["mended 2 findings in 1 file", "error[ABS001]"]);
    assert!(!ran.out.contains("ABS014") && !ran.out.contains("ABS015"), "{ran}");
    let text = workspace.read(SPEC);
    assert!(text.contains("time: 30s") && text.contains("[\"*_admin\"]") && text.contains("promts"), "{text}");
}

#[test]
fn unsafe_fixes_apply_all_there_are() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    workspace.aic(&["check", "--unsafe-fixes"]).exits(0).says(&["mended 3 findings in 1 file", "no findings"]);
    assert!(workspace.read(SPEC).contains("prompts: {system: Hi}"));
    let before = workspace.read(SPEC);
    workspace.aic(&["check", "--unsafe-fixes"]).exits(0);
    assert_eq!(workspace.read(SPEC), before, "nothing to mend, nothing written");
}

#[test]
fn without_being_asked_nothing_is_written() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    for arguments in [&["check"][..], &["check", "--format", "sarif"], &["fmt", "--check"]] {
        workspace.aic(arguments);
        assert_eq!(workspace.read(SPEC), BROKEN);
    }
}

#[test]
fn a_base_is_mended_in_its_own_file() {
    let base = "model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}\nbudget: {time: 30}\n";
    let workspace = Workspace::with(&[("a.ai.yml", "inherits: ./base.ai.yml\n"), ("base.ai.yml", base)]);
    workspace.aic(&["check", "a.ai.yml", "--fix"]).exits(0).says(&["mended 1 finding in 1 file"]);
    assert!(workspace.read("base.ai.yml").contains("30s") && !workspace.read("a.ai.yml").contains("30s"));
}

#[test]
fn as_sarif_each_finding_has_its_rule_its_region_and_its_fix() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    let ran = workspace.aic(&["check", "--format", "sarif"]).exits(1);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let found = run["results"].as_array().unwrap().iter().find(|found| found["ruleId"] == "ABS001").unwrap();
    let index = usize::try_from(found["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "ABS001");
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], SPEC);
    assert_eq!((place["region"]["startLine"].as_u64(), place["region"]["endColumn"].as_u64()), (Some(3), Some(7)));
    let change = &found["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "prompts");
}

#[test]
fn for_github_each_finding_is_one_annotation() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    let ran = workspace.aic(&["check", "--format", "github"]).exits(1);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{ran}");
    assert!(
        lines[0].starts_with("::error file=.aicontainer.yml,line=3,endLine=3,col=1,endColumn=7,title=ABS001::"),
        "{ran}"
    );
    assert!(lines[1].starts_with("::notice "), "{ran}");
}

#[test]
fn as_junit_what_fails_is_a_failure_and_what_is_fine_a_passed_case() {
    let workspace = Workspace::with(&[(SPEC, BROKEN)]);
    let ran = workspace.aic(&["check", "--format", "junit"]).exits(1);
    assert!(ran.out.contains("tests=\"3\" failures=\"2\"") && ran.out.matches("<failure ").count() == 2, "{ran}");
    let ran = Workspace::mini().aic(&["check", "--format", "junit"]).exits(0);
    assert!(ran.out.contains("name=\"no findings\"/>"), "{ran}");
}

#[test]
fn the_long_form_is_a_spec_that_has_no_findings_itself() {
    let workspace = Workspace::sample("inheritance");
    let ran = workspace.aic(&["check", "support.ai.yml", "--resolved", "--env", "production"]).exits(0);
    assert!(ran.out.contains("cost: 0.01") && ran.out.contains("- name: instructions hold"), "{ran}");
    workspace.write("long.ai.yml", &ran.out);
    workspace.aic(&["check", "long.ai.yml", "--deny-warnings"]).exits(0);
    assert_eq!(workspace.aic(&["check", "long.ai.yml", "--resolved"]).exits(0).out, ran.out);
}

#[test]
fn a_spec_with_errors_has_no_long_form() {
    Workspace::with(&[(SPEC, BROKEN)])
        .aic(&["check", "--resolved"])
        .exits(1)
        .warns(&["ABS001", "mend its errors first"]);
}

#[test]
fn a_file_of_tests_can_be_checked_alone() {
    let workspace = Workspace::with(&[("t.aictest.yml", "testz: []\n")]);
    workspace.aic(&["check", "t.aictest.yml"]).exits(1).says(&["error[ABS001]", "did you mean `tests`?"]);
}

#[test]
fn a_spec_that_inherits_is_tested_with_the_tests_of_its_base() {
    let workspace = Workspace::sample("inheritance");
    workspace.aic(&["test", "support.ai.yml"]).exits(0).says(&["instructions hold", "greets", "3 passed"]);
}

#[test]
fn a_change_of_a_base_is_another_version() {
    let workspace = Workspace::sample("inheritance");
    let version = |workspace: &Workspace| {
        let ran = workspace.aic(&["test", "support.ai.yml"]).exits(0);
        ran.out.lines().find(|line| line.starts_with("version ")).unwrap().to_owned()
    };
    let first = version(&workspace);
    assert_eq!(version(&workspace), first);
    let base = workspace.read("company.aicontainer.yml");
    workspace.write("company.aicontainer.yml", base.replace("steps: 8", "steps: 7"));
    assert_ne!(version(&workspace), first);
}

#[test]
fn fmt_writes_one_layout_keeps_comments_and_says_what_it_did() {
    let untidy =
        MINI.replace("models:\n  primary:", "models:   # the one\n  primary:").replace("name: mini", "name:    mini");
    let workspace = Workspace::with(&[(SPEC, &untidy), ("prompts/system.md", POLITE)]);
    workspace.aic(&["fmt", "--check"]).exits(1).says(&["would change .aicontainer.yml"]);
    workspace.aic(&["fmt"]).exits(0).says(&["changed .aicontainer.yml", "1 file changed"]);
    let text = workspace.read(SPEC);
    assert!(text.starts_with("name: mini\nmodels:   # the one\n"), "{text}");
    workspace.aic(&["fmt", "--check"]).exits(0).says(&["0 files would change, 1 file as wanted"]);
}

#[test]
fn fmt_refuses_what_is_broken_and_leaves_it() {
    let workspace = Workspace::with(&[(SPEC, "name: \"a\nmodel:   x\n"), ("b.ai.yml", "name:   b\n")]);
    workspace
        .aic(&["fmt"])
        .exits(1)
        .says(&["not formatted .aicontainer.yml:1:7: this quote is not closed", "changed b.ai.yml"]);
    assert_eq!(workspace.read(SPEC), "name: \"a\nmodel:   x\n");
    assert_eq!(workspace.read("b.ai.yml"), "name: b\n");
}

#[test]
fn explain_knows_every_code_and_says_which_it_does_not() {
    let workspace = Workspace::empty();
    workspace.aic(&["explain", "ABS017"]).exits(0).says(&["ABS017", "Bad:", "Good:"]);
    workspace.aic(&["explain", "17"]).exits(0).says(&["ABS017"]);
    workspace.aic(&["explain"]).exits(0).says(&["ABS001", "ABS103"]);
    workspace.aic(&["explain", "ABS999"]).exits(2).warns(&["there is no code `ABS999`"]);
    let document = workspace.aic(&["explain", "ABS017", "--format", "json"]).exits(0).json();
    assert_eq!((document["code"].as_str(), document["severity"].as_str()), (Some("ABS017"), Some("error")));
}

#[test]
fn the_schema_is_one_of_2020_12() {
    let workspace = Workspace::empty();
    for (of, property) in [("container", "models"), ("tests", "test_defaults"), ("workflow", "services")] {
        let document: Value = serde_json::from_str(&workspace.aic(&["schema", of]).exits(0).out).unwrap();
        assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let root = document["$ref"].as_str().unwrap().trim_start_matches('#');
        assert!(document.pointer(root).unwrap()["properties"][property].is_object(), "{of}");
    }
}

#[test]
fn check_follows_saves_and_says_what_each_changed() {
    let workspace = Workspace::mini();
    let live = workspace.start(&["check", "--watch", "--format", "json"]);
    assert_eq!(live.document()["ok"], true);
    workspace.write(SPEC, MINI.replace("prompts: {", "promts: {"));
    let document = live.document();
    assert_eq!(
        (document["ok"].as_bool(), &document["specs"][0]["diagnostics"][0]["code"]),
        (Some(false), &"ABS001".into())
    );
    workspace.write(SPEC, MINI);
    assert_eq!(live.document()["ok"], true);
    live.interrupt();
    let ran = live.finish().exits(0);
    assert_eq!(ran.out, "", "one document a save, and no more");
}
