//! The samples do what the README says of them.

use crate::support::{Workspace, samples};
use rusqlite::Connection;
use serde_json::Value;

const DATABASE: &str = "data/users.db";

#[test]
fn all_tests_of_user_management_pass() {
    let workspace = Workspace::sample("user-management");
    let ran = workspace.aic(&["test"]).exits(0).says(&["✓ destructive prompts are stopped[1]", "version v1", "stable"]);
    assert!(!ran.out.contains('✗'), "{ran}");
    assert!(ran.err.is_empty(), "{ran}");
}

#[test]
fn user_management_has_a_dozen_tests_and_its_guards_really_fire() {
    let document = Workspace::sample("user-management").aic(&["test", "--format", "json"]).exits(0).json();
    let spec = &document["specs"][0];
    assert!(spec["tally"]["pass"].as_u64().unwrap() >= 12, "{document:#}");
    for guard in ["confirm_destructive", "house_rules", "no_wide_update", "pii_protection"] {
        assert!(spec["guardrails"][guard].as_u64().unwrap() >= 1, "{guard}: {document:#}");
    }
    assert!(spec["cost"].as_f64().unwrap() > 0.0, "priced as the model it stands for");
    let repeated = |case: &&Value| case["repeats"] == serde_json::json!([10, 10]);
    assert!(spec["cases"].as_array().unwrap().iter().any(|case| repeated(&case)), "ten identical runs");
}

#[test]
fn the_real_database_is_untouched_byte_for_byte() {
    let workspace = Workspace::sample("user-management");
    let seen = |workspace: &Workspace| {
        let modified = workspace.path(DATABASE).metadata().unwrap().modified().unwrap();
        (workspace.files(), modified)
    };
    let before = seen(&workspace);
    workspace.aic(&["test"]).exits(0).says(&["inactive users are disabled after a yes"]);
    assert!(seen(&workspace) == before, "not a byte, and no file beside it");
    let left = std::fs::read_dir(workspace.tmp()).unwrap().count();
    assert_eq!(left, 0, "no private copy is left lying about");
}

#[test]
fn the_data_of_user_management_has_300_accounts_and_one_right_answer() {
    let database = Connection::open(samples().join("user-management").join(DATABASE)).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM users"), 300);
    let inactive = "SELECT count(*) FROM users WHERE status = 'active' AND last_login < date('2025-06-01', '-30 days')";
    assert_eq!(count(inactive), 7);
}

#[test]
fn the_checks_of_the_samples_find_nothing() {
    for sample in ["user-management", "quickstart", "broken"] {
        Workspace::sample(sample).aic(&["check", "--deny-warnings"]).exits(0).says(&["no findings in 1 spec"]);
    }
}

#[test]
fn quickstart_passes_and_is_under_25_lines() {
    let workspace = Workspace::sample("quickstart");
    assert!(workspace.read("quickstart.ai.yml").lines().count() < 25);
    workspace.aic(&["test"]).exits(0).says(&["3 passed"]);
}

#[test]
fn broken_shows_what_red_looks_like() {
    let ran = Workspace::sample("broken").aic(&["test"]).exits(1);
    ran.says(&[
        "✗ never shows a card number",
        "not: {contains: 4242 4242 4242}",
        "at broken.ai.yml:22:",
        "Your card 4242 4242 4242 4242 is on file.",
        "trace",
        "guard   pii_protection → warn",
        "1 passed, 1 failed",
    ]);
}

#[test]
fn the_one_word_that_mends_broken_mends_it() {
    let workspace = Workspace::sample("broken");
    workspace.edit("broken.ai.yml", "action: warn", "action: redact");
    workspace.aic(&["test"]).exits(0);
}

#[test]
fn a_scripted_model_is_always_shown_as_one() {
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["test"]).says(&["scripted model, priced as openai/gpt-4o-mini-2024-07-18"]);
    workspace.aic(&["run", "Hello"]).exits(0).warns(&["scripted model ·"]);
    let document = workspace.aic(&["test", "--format", "json"]).json();
    assert_eq!(document["specs"][0]["models"]["primary"], "scripted");
    let document = workspace.aic(&["run", "Hello", "--format", "json"]).json();
    assert_eq!(document["provider"], "scripted");
    let called = document["trace"].as_array().unwrap().iter().find(|event| event["event"] == "model_called").unwrap();
    assert_eq!(called["provider"], "scripted");
}

#[test]
fn a_folder_of_samples_is_tested_as_a_whole_and_the_worst_verdict_counts() {
    let workspace = Workspace::empty();
    for name in ["quickstart", "broken"] {
        let file = format!("{name}/{name}.ai.yml");
        workspace.write(&file, std::fs::read(samples().join(&file)).unwrap());
    }
    let document = workspace.aic(&["test", "--format", "json"]).exits(1).json();
    let specs: Vec<&str> = document["specs"].as_array().unwrap().iter().map(|s| s["spec"].as_str().unwrap()).collect();
    assert_eq!(
        (specs, document["exit_code"].as_u64()),
        (vec!["broken/broken.ai.yml", "quickstart/quickstart.ai.yml"], Some(1))
    );
}

#[test]
fn the_recorded_real_model_is_replayed_word_for_word_without_it() {
    let workspace = Workspace::sample("smollm2");
    let before = workspace.files();
    workspace.aic(&["check", "--deny-warnings"]).exits(0);
    let tested = workspace.aic(&["test"]).exits(0);
    tested.says(&["openai_compatible model smollm2-135m-instruct", "2/2 repeats", "4 passed"]);
    workspace.aic(&["cassette", "verify"]).exits(0).says(&["3 exchanges sound"]);
    let ask = || workspace.aic(&["run", "--replay", "What is the capital of France?"]).exits(0);
    let (first, second) = (ask(), ask());
    let first = first
        .says(&["The capital of France is Paris."])
        .warns(&["replayed from cassettes/smollm2.jsonl, nothing spent"]);
    let last = |text: &str| text.lines().last().unwrap().to_owned();
    assert_eq!(last(&first.err), last(&second.err), "the digest of everything that happened, twice the same");
    assert!(last(&first.err).rsplit(' ').next().is_some_and(|digest| digest.len() == 12), "{first}");
    assert!(workspace.files() == before, "a replay writes nothing");
}
