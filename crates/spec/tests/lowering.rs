//! What specs mean once they are read: defaults, references, digests, and what is watched.

mod common;

use aic_spec::{Confirmation, Database, Effect, LoadOptions, Loaded, Run, TestInput, Trust, load};
use common::{load_with, options, path, source};
use std::time::Duration;

const SCRIPTED: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";

fn spec(rest: &str, others: &[(&str, &str)]) -> Loaded {
    load_with(&format!("{SCRIPTED}{rest}"), others)
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|found| found.code.0).collect()
}

#[test]
fn a_model_that_is_gone_is_a_warning_of_that_day() {
    let Some(facts) = aic_catalog::models().iter().find(|facts| facts.retires.is_some()) else { return };
    let text = format!("models: {{primary: {{provider: {}, model: \"{}\"}}}}\n", facts.provider, facts.model);
    let files = source(&[("a.ai.yml", &text)]);
    let on = |day: &str| {
        let options = LoadOptions { environment: None, today: format!("{day}T00:00:00Z").parse().unwrap() };
        codes(&load(&files, &path("a.ai.yml"), &options)).contains(&"ABS024")
    };
    assert!(!on("2015-01-01") && on("2099-01-01"));
}

#[test]
fn defaults_of_tests_merge_and_expectations_append() {
    let rest = "
test_defaults: {vars: {A: 1, B: 1}, tags: [ci], expect: [not_blocked], timeout: 5s}
tests:
  - {name: own, input: x, vars: {B: 2}, tags: [slow], expect: [{contains: hi}]}
  - {files: sub/t.aictest.yml}
";
    let file = "test_defaults: {vars: {B: 3}, expect: [{icontains: HI}]}\ntests: [{name: theirs, cases: q.jsonl}]\n";
    let loaded = spec(rest, &[("sub/t.aictest.yml", file), ("sub/q.jsonl", "{\"input\": \"a\"}\n")]);
    let spec = loaded.spec.as_ref().unwrap();
    let kinds = |at: usize| spec.tests[at].expect.iter().map(|expect| expect.kind.as_str()).collect::<Vec<_>>();
    assert_eq!((kinds(0), kinds(1)), (vec!["not_blocked", "contains"], vec!["not_blocked", "icontains"]));
    assert_eq!((&spec.tests[0].vars["A"], &spec.tests[0].vars["B"]), (&1.into(), &2.into()));
    assert_eq!((&spec.tests[1].vars["A"], &spec.tests[1].vars["B"]), (&1.into(), &3.into()));
    assert_eq!(spec.tests[0].tags, ["slow"]);
    assert_eq!(spec.tests[1].timeout, Some(Duration::from_secs(5)));
    assert_eq!(spec.tests[1].file, path("sub/t.aictest.yml"));
    assert!(loaded.files.contains_key(&path("sub/q.jsonl")));
}

#[test]
fn a_single_input_with_an_answer_is_a_conversation_of_one_turn() {
    let loaded =
        spec("tools: {allowed: [a]}\ntests: [{name: t, input: x, confirm: {a: deny}, expect: [not_blocked]}]\n", &[]);
    let spec = loaded.spec.unwrap();
    let TestInput::Turns(turns) = &spec.tests[0].input else { panic!("a conversation") };
    assert_eq!(turns[0].confirm["a"], Confirmation::Deny);
}

#[test]
fn the_effect_of_a_tool_follows_from_how_it_runs() {
    let rest = r#"
tools:
  allowed:
    - {name: reads, run: {sql: "sqlite:d.db"}}
    - {name: writes, permissions: [select, update], run: {sql: "sqlite:d.db"}}
    - {name: fixed, run: {sql: "sqlite:d.db", statement: "DELETE FROM t WHERE id = :id"}}
    - {name: counts, run: {script: s.js, timeout: 2s, memory: 64MB}}
    - {name: fetches, run: {http: "https://x.example/"}}
    - {name: posts, run: {http: "https://x.example/", method: POST}}
    - {name: shell, run: {shell: "${args.cmd}", allow: ["ls *"]}}
    - {name: says, effect: read, run: {command: [ls]}}
    - handed_back
"#;
    let loaded = spec(rest, &[("d.db", ""), ("s.js", "export default () => 1")]);
    let spec = loaded.spec.unwrap();
    let effects: Vec<_> = spec.tools.allowed.iter().map(|tool| tool.effect).collect();
    use Effect::{Egress, Read, Write};
    assert_eq!(effects, [Read, Write, Write, Read, Read, Egress, Write, Read, Write]);
    assert_eq!(spec.tools.allowed[1].permissions, ["SELECT", "UPDATE"]);
    assert_eq!(spec.tools.allowed[2].permissions, ["DELETE"]);
    assert_eq!(spec.tools.allowed[4].trust, Trust::Untrusted);
    assert!(loaded.data.contains(&path("d.db")) && !loaded.files.contains_key(&path("d.db")));
}

#[test]
fn a_database_that_is_not_there_yet_is_a_warning_and_watched() {
    let loaded = spec("tools: {allowed: [{name: a, run: {sql: \"sqlite:new.db\"}}]}\n", &[]);
    assert!(loaded.spec.is_some() && codes(&loaded).contains(&"ABS060") && loaded.missing.contains(&path("new.db")));
}

#[test]
fn the_digest_of_behaviour_changes_with_what_is_named_and_not_with_tests() {
    let with = |prompt: &str, tests: &str| {
        let loaded = spec(&format!("prompts: {{system: {{file: p.md}}}}\n{tests}"), &[("p.md", prompt)]);
        loaded.spec.unwrap().behaviour
    };
    let test = "tests: [{name: t, input: x, expect: [not_blocked]}]\n";
    assert_eq!(with("a", ""), with("a", test));
    assert_ne!(with("a", ""), with("b", ""));
}

#[test]
fn scripts_of_guardrails_are_named_as_seen_from_the_workspace() {
    let files = source(&[
        ("sub/a.ai.yml", &format!("{SCRIPTED}guardrails: {{post_execution: [{{name: own, script: ../g.js}}]}}\n")),
        ("g.js", "export default () => ({action: 'log'})"),
    ]);
    let loaded = load(&files, &path("sub/a.ai.yml"), &options());
    assert_eq!(loaded.spec.unwrap().guardrails[0].script.as_deref(), Some("g.js"));
    assert!(loaded.files.contains_key(&path("g.js")));
}

#[test]
fn a_toml_spec_says_the_same() {
    let toml =
        "[model]\nprovider = \"scripted\"\n[[model.rules]]\nmatch = {}\nreply = {text = \"hi\"}\n[budget]\nstesp = 3\n";
    let loaded = load(&source(&[("a.ai.toml", toml)]), &path("a.ai.toml"), &options());
    assert_eq!(codes(&loaded), ["ABS001"]);
    assert_eq!(loaded.diagnostics[0].span.of(toml), "stesp");
}

#[test]
fn a_server_is_named_without_its_password() {
    let loaded = spec(
        "tools: {allowed: [{name: a, run: {sql: \"postgres://app@db.example.com/shop\", env: {PGPASSWORD: \"${secret:SHOP}\"}, statement: \"SELECT id::text FROM orders WHERE id = :id\"}}]}\n",
        &[],
    );
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let tool = loaded.spec.unwrap().tools.allowed[0].clone();
    let Some(Run::Sql(run)) = tool.run else { panic!("{:?}", tool.run) };
    let url = "postgres://app@db.example.com/shop".to_owned();
    assert_eq!(run.database, Database::Postgres { url, password: Some("${secret:SHOP}".into()) });
    assert_eq!(tool.effect, Effect::Read);
    for (run, code) in [
        ("sql: \"postgres://app:${secret:SHOP}@db/shop\"", "BAD_TOOL"),
        ("sql: \"postgres://app:short@db/shop\"", "BAD_TOOL"),
        ("sql: \"postgres://app@db/shop?password=short\"", "BAD_TOOL"),
        ("sql: \"postgres://app@${args.host}/shop\"", "BAD_TOOL"),
        ("sql: \"postgres://app@db/shop\", env: {PGPASSWORD: short}", "SECRET"),
        ("sql: \"postgres://app@db/shop\", env: {PASSWORD: \"${secret:A}\"}", "BAD_TOOL"),
        ("sql: \"postgres://\"", "BAD_VALUE"),
        ("sql: \"mysql://app@db/shop\"", "BAD_VALUE"),
    ] {
        let loaded = spec(&format!("tools: {{allowed: [{{name: a, run: {{{run}}}}}]}}\n"), &[]);
        let wanted = match code {
            "BAD_TOOL" => aic_spec::codes::BAD_TOOL,
            "SECRET" => aic_spec::codes::SECRET,
            _ => aic_spec::codes::BAD_VALUE,
        };
        assert!(loaded.diagnostics.iter().any(|found| found.code == wanted), "{run}: {:?}", loaded.diagnostics);
    }
}
