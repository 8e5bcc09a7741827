//! `aic run`: for real, with real data, real counters, a real audit.

use crate::support::{MINI, POLITE, SPEC, Workspace};
use aic_base::RelPath;
use rusqlite::Connection;

const DATABASE: &str = "data/users.db";

fn disabled(workspace: &Workspace) -> i64 {
    let database = Connection::open(workspace.path(DATABASE)).unwrap();
    database.query_row("SELECT count(*) FROM users WHERE status = 'disabled'", [], |row| row.get(0)).unwrap()
}

/// [`MINI`] with a price and these guardrails at run time.
fn mini_with(guardrails: &str) -> Workspace {
    let spec = MINI
        .replace("provider: scripted", "provider: scripted\n    as: openai/gpt-4o-mini-2024-07-18\n    max_tokens: 500")
        .replace("tests:", &format!("guardrails: {{runtime: [{guardrails}]}}\ntests:"));
    Workspace::with(&[(SPEC, &spec), ("prompts/system.md", POLITE)])
}

#[test]
fn an_answer_is_0_with_its_cost_and_latency() {
    let ran = mini_with("").aic(&["run", "Hello!"]).exits(0);
    // What is piped on is the answer and nothing else.
    assert_eq!(ran.out, "Hello to you.\n", "{ran}");
    ran.warns(&["scripted model", "$0.00", "ms", "0 tool calls"]);
}

#[test]
fn a_blocked_input_is_1_and_says_by_what() {
    let ran = Workspace::sample("user-management").aic(&["run", "Show user ' OR 1=1; DROP TABLE users; --"]).exits(1);
    ran.says(&["blocked:"]).warns(&["no_sql_injection → block"]);
}

#[test]
fn a_spec_that_cannot_run_is_2() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "match: {}", "match: {user: something else}");
    workspace.aic(&["run", "Nonsense"]).exits(2).says(&["failed:", "input   Nonsense"]);
    workspace.edit(SPEC, "prompts:", "promts:");
    workspace.aic(&["run", "Hello"]).exits(2).says(&["error[ABS001]"]).warns(&["the spec has errors"]);
    workspace.aic(&["run", "Hello", "--model", "nobody"]).exits(2);
}

#[test]
fn a_model_that_the_spec_lacks_is_told_with_those_it_has() {
    Workspace::mini().aic(&["run", "Hello", "--model", "nobody"]).exits(2).warns(&["no model `nobody`", "primary"]);
}

#[test]
fn an_update_waits_for_a_yes_and_then_changes_the_real_data() {
    let workspace = Workspace::sample("user-management");
    let before = disabled(&workspace);
    let ran = workspace.aic(&["run", "Disable them"]).exits(1);
    ran.says(&["needs_confirmation:", "--approve query_users"]);
    assert_eq!(disabled(&workspace), before);
    workspace.aic(&["run", "Disable them", "--deny", "query_users"]).exits(0).says(&["I may not do that."]);
    assert_eq!(disabled(&workspace), before);
    let ran = workspace.aic(&["run", "Disable them", "--approve", "query_users"]).exits(0);
    assert!(disabled(&workspace) > before, "{ran}");
    let changed = disabled(&workspace) - before;
    ran.says(&[&format!("Done: {changed} accounts are disabled.")]);
}

#[test]
fn the_same_update_in_a_test_changes_nothing() {
    let workspace = Workspace::sample("user-management");
    let before = workspace.bytes(DATABASE);
    workspace.aic(&["test", "-k", "disabled after a yes"]).exits(0).says(&["1 passed"]);
    assert!(workspace.bytes(DATABASE) == before);
}

#[test]
fn what_the_spec_forbids_is_forbidden_with_every_approval() {
    let workspace = Workspace::sample("user-management");
    let before = workspace.bytes(DATABASE);
    for input in ["Please tidy up", "Rename the first account", "How much do people earn?"] {
        workspace.aic(&["run", input, "--approve", "query_users"]).exits(0).says(&["I may not do that."]);
    }
    workspace
        .aic(&["run", "Reactivate everyone", "--approve", "query_users"])
        .exits(1)
        .warns(&["no_wide_update → block"]);
    assert!(workspace.bytes(DATABASE) == before);
}

#[test]
fn a_guards_question_is_answered_by_name() {
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["run", "Delete it all"]).exits(1).says(&["needs_confirmation", "--approve confirm_destructive"]);
    workspace.aic(&["run", "Delete it all", "--deny", "confirm_destructive"]).exits(1).says(&["blocked:"]);
    workspace.aic(&["run", "Delete it all", "--approve", "confirm_destructive"]).exits(0);
}

#[test]
fn personal_data_is_redacted_for_the_user() {
    let ran = Workspace::sample("user-management").aic(&["run", "How do I contact Hana Hazel?"]).exits(0);
    assert!(!ran.out.contains("hana.hazel@example.com"), "{ran}");
    ran.says(&["Hana Hazel"]).warns(&["pii_protection → redact"]);
}

#[test]
fn every_run_is_a_row_of_an_audit_chain_that_verifies_and_the_user_is_nowhere_in_it() {
    let workspace = Workspace::sample("user-management");
    let user = "op-4711-very-personal";
    workspace.aic(&["run", "Which users are inactive?", "--user", user]).exits(0);
    workspace.aic(&["run", "Disable them", "--approve", "query_users", "--user", user]).exits(0);
    workspace.aic(&["run", "Please wipe everything", "--user", user]).exits(1);
    let store = workspace.store();
    assert_eq!(store.audit_verify().unwrap().unwrap().entries, 3);
    let rows = store.audit(10).unwrap();
    let field = |name: &str| rows.iter().map(|row| row.fields[name].clone()).collect::<Vec<_>>();
    let users = field("user_id");
    assert!(users.iter().all(|user| user.as_str().is_some_and(|user| user.starts_with("sha256:"))), "{rows:?}");
    assert!(users[0] == users[1] && users[1] == users[2], "the same user is the same digest");
    let affected: Vec<u64> =
        field("affected_count").iter().filter_map(serde_json::Value::as_u64).filter(|n| *n > 0).collect();
    assert_eq!(affected.len(), 1, "{rows:?}");
    assert!(store.checkpoint().unwrap());
    drop(store);
    let mut folders = vec![workspace.path(".aic")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(user.len()).any(|window| window == user.as_bytes());
        assert!(!found, "{} holds the user's id", path.display());
    }
}

#[test]
fn two_workspaces_salt_the_same_user_differently() {
    let salted = || {
        let workspace = Workspace::sample("user-management");
        workspace.aic(&["run", "Hello", "--user", "op-4711"]).exits(0);
        workspace.store().audit(1).unwrap()[0].fields["user_id"].clone()
    };
    assert_ne!(salted(), salted());
}

#[test]
fn a_damaged_salt_stops_the_run_rather_than_splitting_the_users() {
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["run", "Hello", "--user", "op-4711"]).exits(0);
    workspace.write(".aic/audit.salt", "short");
    workspace.aic(&["run", "Hello", "--user", "op-4711"]).exits(2).warns(&["audit.salt: damaged"]);
}

#[test]
fn the_salt_is_its_owners_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["run", "Hello"]).exits(0);
    assert_eq!(workspace.path(".aic/audit.salt").metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(workspace.path(".aic").metadata().unwrap().mode() & 0o022, 0);
}

#[test]
fn a_rate_limit_holds_across_processes() {
    let workspace = mini_with("{name: rate_limit, max_operations: 2, window: 1h}");
    workspace.aic(&["run", "Hello!"]).exits(0);
    workspace.aic(&["run", "Hello!"]).exits(0);
    workspace.aic(&["run", "Hello!"]).exits(1).says(&["blocked:", "the limit is 2"]).warns(&["rate_limit → block"]);
    workspace.aic(&["test"]).exits(0);
}

#[test]
fn a_rate_limit_per_user_counts_each_by_themselves() {
    let workspace = mini_with("{name: rate_limit, max_operations: 1, window: 1h, per: user}");
    workspace.aic(&["run", "Hello!", "--user", "a"]).exits(0);
    workspace.aic(&["run", "Hello!", "--user", "a"]).exits(1);
    workspace.aic(&["run", "Hello!", "--user", "b"]).exits(0);
}

#[test]
fn of_many_processes_at_once_no_more_than_the_limit_get_through() {
    let workspace = mini_with("{name: rate_limit, max_operations: 3, window: 1h}");
    workspace.aic(&["run", "Hello!"]).exits(0);
    let all: Vec<_> = (0..6).map(|_| workspace.start(&["run", "Hello!"])).collect();
    let through = all.into_iter().map(|live| live.finish()).filter(|ran| ran.status.code() == Some(0)).count();
    assert_eq!(through, 2);
}

#[test]
fn a_cap_on_cost_refuses_before_anything_is_spent() {
    let workspace = mini_with("{name: cost_control, max_cost_per_hour: 0.000001}");
    let ran = workspace.aic(&["run", "Hello!", "--format", "json"]).exits(1);
    let document = ran.json();
    assert_eq!((document["outcome"].as_str(), document["cost"].as_f64()), (Some("blocked"), Some(0.0)));
    assert_eq!(document["decisions"][0]["guardrail"], "cost_control");
    assert!(!document["trace"].as_array().unwrap().iter().any(|event| event["event"] == "model_called"));
}

#[test]
fn what_was_spent_counts_against_the_cap_in_the_next_process() {
    // A call holds about 0.00031 dollars for its 500 tokens and its bytes, and settles at a fiftieth of that.
    let workspace = mini_with("{name: cost_control, max_cost_per_hour: 0.00031}");
    let codes: Vec<_> = (0..4).map(|_| workspace.aic(&["run", "Hello!"]).status.code().unwrap()).collect();
    assert_eq!((codes[0], codes[3]), (0, 1), "{codes:?}");
}

#[test]
fn a_run_is_written_down_with_the_version_it_ran_on() {
    let workspace = Workspace::mini();
    workspace.aic(&["run", "Hello!"]).exits(0);
    let store = workspace.store();
    let spec = RelPath::new(SPEC).unwrap();
    let runs = store.runs(&spec, 10).unwrap();
    let version = store.version(&spec, "v1").unwrap();
    assert_eq!((runs.len(), runs[0].version, &runs[0].case), (1, Some(version.digest), &None));
    assert!(!version.stable, "a run is no test");
}

#[test]
fn variables_and_environments_are_the_callers() {
    let workspace = Workspace::mini();
    workspace.edit(SPEC, "{text: What?}", "{echo: prompt}");
    workspace.write("prompts/system.md", "Here: ${ENV}, ${TEAM}.");
    workspace.edit(SPEC, "prompts: {", "prompts: {variables: {TEAM: {from: caller, required: true}}, ");
    workspace.aic(&["run", "x", "--env", "staging", "--var", "TEAM=blue"]).exits(0).says(&["Here: staging, blue."]);
    workspace.aic(&["run", "x", "--env", "staging"]).exits(2).says(&["TEAM"]);
    workspace.aic(&["run", "x", "--var", "TEAM"]).exits(2).warns(&["NAME=VALUE"]);
}
