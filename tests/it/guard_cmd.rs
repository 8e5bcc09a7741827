//! `aic guard`: what the built-in guardrails say of a text, and their figures on labelled ones.

use crate::support::Workspace;
use serde_json::Value;
use std::io::Write as _;

#[test]
fn a_text_is_judged_by_every_builtin_and_the_place_is_marked() {
    let workspace = Workspace::empty();
    workspace.aic(&["guard", "try", "Mail jane.roe@example.com, please"]).exits(1).says(&[
        "✗ pii_protection",
        "redact",
        "Mail ⟦jane.roe@example.com⟧, please",
        "✓ no_sql_injection",
        "✓ prompt_injection",
    ]);
    workspace.aic(&["guard", "try", "What is the weather like?"]).exits(0).says(&["✓ secrets"]);
}

#[test]
fn what_is_only_said_of_a_tools_argument_is_marked_and_no_finding() {
    let workspace = Workspace::empty();
    let talk = "Explain the difference between DELETE and TRUNCATE";
    workspace.aic(&["guard", "try", talk]).exits(0).says(&["○ no_db_mutations", "as a tool's argument, block"]);
    let document = workspace.aic(&["guard", "try", talk, "--format", "json"]).exits(0).json();
    let all = document["guardrails"].as_array().unwrap();
    let mutations = all.iter().find(|one| one["guardrail"] == "no_db_mutations").unwrap();
    assert_eq!((&mutations["on"][0], &mutations["found"]), (&"tool_call".into(), &Value::Bool(true)));
}

#[test]
fn as_json_each_verdict_has_its_place_in_bytes() {
    let document = Workspace::empty().aic(&["guard", "try", "ä 1' OR '1'='1", "--format", "json"]).exits(1).json();
    let all = document["guardrails"].as_array().unwrap();
    let sqli = all.iter().find(|one| one["guardrail"] == "no_sql_injection").unwrap();
    assert_eq!((&sqli["found"], &sqli["decisions"][0]["action"]), (&Value::Bool(true), &"block".into()));
    assert!(sqli["decisions"][0]["span"]["end"].as_u64().unwrap() <= 15, "{sqli}");
    assert_eq!(document["ok"], false);
}

const SECRETS: &str = r#"{"id": "1", "text": "use AKIAIOSFODNN7QXPLR2A now", "label": "secret", "source": "ours"}
{"id": "2", "text": "the keyboard is broken", "label": "benign", "source": "ours"}
"#;

#[test]
fn labelled_texts_are_measured_plain_and_packed() {
    let workspace = Workspace::with(&[("data/secrets.jsonl", SECRETS)]);
    let benign = r#"{"id": "3", "text": "good morning", "label": "benign"}"#;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(benign.as_bytes()).unwrap();
    workspace.write("data/benign.jsonl.gz", packed.finish().unwrap());
    let document = workspace.aic(&["guard", "bench", "--data", "data", "--format", "json"]).exits(0).json();
    let secrets = &document["sets"]["secrets"];
    for (key, value) in
        [("positives", 1.0), ("benign", 1.0), ("recall", 1.0), ("false_positive_rate", 0.0), ("common_benign", 1.0)]
    {
        assert_eq!(secrets[key].as_f64(), Some(value), "{key} of {secrets}");
    }
    assert!(secrets["microseconds_per_text"].as_f64().unwrap() > 0.0);
    workspace.aic(&["guard", "bench", "--data", "data", "--by-source"]).exits(0).says(&["100.0 %", "secret: ours"]);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let workspace = Workspace::with(&[("data/sqli.jsonl", "{\"text\": \"x\"}\n"), ("empty/readme", "")]);
    workspace.aic(&["guard", "bench", "--data", "empty"]).exits(2).warns(&["has none of sqli"]);
    workspace.aic(&["guard", "bench", "--data", "data"]).exits(2).warns(&["sqli.jsonl:1", "`label` is missing"]);
    workspace.write("data/sqli.jsonl.gz", "no archive");
    std::fs::remove_file(workspace.path("data/sqli.jsonl")).unwrap();
    workspace.aic(&["guard", "bench", "--data", "data"]).exits(2).warns(&["sqli.jsonl.gz"]);
}
