//! Findings: of what is being typed, of other files of the spec, and gone again when the document is closed.

use crate::client::{Client, uri, workspace};
use serde_json::json;

const SPEC: &str = "\
model: gpt-4o-2024-08-06
prompts: {system: {file: prompts/system.md}}
tools:
  allowed: [get_order]
tests:
  - files: tests/*.aictest.yml
";
const GOOD_TESTS: &str = "tests:\n  - {name: a, input: x, expect: [{tool_called: get_order}]}\n";
const BAD_TESTS: &str = "tests:\n  - {name: a, input: x, expect: [{tool_called: get_ordr}]}\n";

#[tokio::test]
async fn findings_follow_what_is_typed_and_say_of_which_version_they_are() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&uri, "model: gpt-4o-2024-08-06\npromts: {system: Hi}\n").await;
    let found = client.findings(&uri, Some(1)).await;
    let misspelt = found.iter().find(|found| found["code"] == "ABS001").unwrap();
    assert_eq!(misspelt["range"], json!({"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 6}}));
    assert_eq!((&misspelt["severity"], &misspelt["source"]), (&json!(1), &json!("aic")));
    assert!(misspelt["message"].as_str().unwrap().contains("did you mean `prompts`?"));
    let at = json!({"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 4}});
    client.change(&uri, 2, json!([{"range": at, "text": "p"}])).await;
    assert!(!client.codes(&uri, Some(2)).await.contains(&"ABS001".to_owned()));
    client.leave().await;
}

#[tokio::test]
async fn however_fast_the_changes_come_the_last_one_is_read() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&uri, "").await;
    for version in 2..=200 {
        let text = if version == 200 { "model: gpt-4o-2024-08-06\nlast: 1\n" } else { "model: [" };
        client.change(&uri, version, json!([{"text": text}])).await;
    }
    assert!(client.codes(&uri, Some(200)).await.contains(&"ABS001".to_owned()));
    client.leave().await;
}

#[tokio::test]
async fn findings_in_other_files_of_the_spec_are_told_and_taken_back() {
    let folder = workspace(&[("prompts/system.md", "Hi ${NOBODY}"), ("tests/a.aictest.yml", BAD_TESTS)]);
    let spec = uri(folder.path(), "a.aicontainer.yml");
    let (prompt, tests) = (uri(folder.path(), "prompts/system.md"), uri(folder.path(), "tests/a.aictest.yml"));
    let mut client = Client::new().await;
    // Its own finding: the model is not pinned.
    client.open(&spec, &SPEC.replace("gpt-4o-2024-08-06", "gpt-4o")).await;
    assert_eq!(client.findings(&prompt, None).await.len(), 1);
    let found = client.findings(&tests, None).await;
    assert!(found[0]["message"].as_str().unwrap().contains("get_order"), "{found:?}");
    client.close(&spec).await;
    assert!(client.findings(&prompt, None).await.is_empty());
    assert!(client.findings(&tests, None).await.is_empty());
    // The spec's own: those it was opened with, and then none.
    client.findings(&spec, Some(1)).await;
    assert!(client.findings(&spec, None).await.is_empty());
    client.leave().await;
}

#[tokio::test]
async fn an_unsaved_prompt_counts_and_a_closed_one_is_read_from_disk_again() {
    let folder = workspace(&[("prompts/system.md", "Hi"), ("tests/a.aictest.yml", GOOD_TESTS)]);
    let (spec, prompt) = (uri(folder.path(), "a.aicontainer.yml"), uri(folder.path(), "prompts/system.md"));
    let mut client = Client::new().await;
    client.open(&spec, SPEC).await;
    client.findings(&spec, Some(1)).await;
    client.open(&prompt, "Hi ${NOBODY}").await;
    let found = client.findings(&prompt, Some(1)).await;
    let related = &found[0]["relatedInformation"][0];
    assert_eq!(related["location"]["uri"], json!(spec));
    client.change(&prompt, 2, json!([{"text": "Hi ${DATE}"}])).await;
    assert!(client.findings(&prompt, Some(2)).await.is_empty());
    client.change(&prompt, 3, json!([{"text": "Hi ${NO_ONE}"}])).await;
    assert_eq!(client.findings(&prompt, Some(3)).await.len(), 1);
    client.close(&prompt).await;
    assert!(client.findings(&prompt, None).await.is_empty());
    client.leave().await;
}

#[tokio::test]
async fn tests_kept_apart_are_checked_against_the_spec_that_includes_them() {
    let folder =
        workspace(&[("a.aicontainer.yml", SPEC), ("prompts/system.md", "Hi"), ("tests/a.aictest.yml", GOOD_TESTS)]);
    let tests = uri(folder.path(), "tests/a.aictest.yml");
    let mut client = Client::new().await;
    client.open(&tests, BAD_TESTS).await;
    assert_eq!(client.findings(&tests, Some(1)).await.len(), 1);
    client.change(&tests, 2, json!([{"text": GOOD_TESTS}])).await;
    assert!(client.findings(&tests, Some(2)).await.is_empty());
    assert!(client.labels(&tests, 1, 60).await.is_empty());
    client.leave().await;
}

#[tokio::test]
async fn a_new_file_of_tests_is_seen_by_the_spec_whose_pattern_it_fits() {
    let folder = workspace(&[("prompts/system.md", "Hi"), ("tests/a.aictest.yml", GOOD_TESTS)]);
    let (spec, tests) = (uri(folder.path(), "a.aicontainer.yml"), uri(folder.path(), "tests/new.aictest.yml"));
    let mut client = Client::new().await;
    client.open(&spec, SPEC).await;
    client.findings(&spec, Some(1)).await;
    client.open(&tests, &BAD_TESTS.replace("name: a", "name: b")).await;
    let found = client.findings(&tests, Some(1)).await;
    assert!(found[0]["message"].as_str().unwrap().contains("get_order"), "{found:?}");
    client.leave().await;
}

#[tokio::test]
async fn a_flood_of_findings_is_cut_off_and_says_so() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    let keys: String = (0..1500).map(|at| format!("unknown{at}: 1\n")).collect();
    client.open(&uri, &format!("model: gpt-4o-2024-08-06\n{keys}")).await;
    let found = client.findings(&uri, Some(1)).await;
    assert_eq!(found.len(), 1001);
    assert!(found[1000]["message"].as_str().unwrap().ends_with("more findings of this file are not shown"));
    client.leave().await;
}

#[tokio::test]
async fn tests_that_no_spec_includes_are_checked_by_themselves() {
    let folder = workspace(&[]);
    let tests = uri(folder.path(), "a.aictest.yml");
    let mut client = Client::new().await;
    client.open(&tests, "tests:\n  - {name: a, inptu: x, expect: [{tool_called: anything}]}\n").await;
    assert_eq!(client.codes(&tests, Some(1)).await, ["ABS001"]);
    client.close(&tests).await;
    assert!(client.findings(&tests, None).await.is_empty());
    client.leave().await;
}

#[tokio::test]
async fn a_file_that_appears_on_disk_is_noticed_when_the_client_says_so() {
    let folder = workspace(&[("tests/a.aictest.yml", GOOD_TESTS)]);
    let (spec, prompt) = (uri(folder.path(), "a.aicontainer.yml"), uri(folder.path(), "prompts/system.md"));
    let mut client = Client::new().await;
    client.open(&spec, SPEC).await;
    let missing = |found: &[serde_json::Value]| {
        found.iter().any(|found| found["message"].as_str().unwrap().contains("there is no file"))
    };
    assert!(missing(&client.findings(&spec, Some(1)).await));
    std::fs::create_dir(folder.path().join("prompts")).unwrap();
    std::fs::write(folder.path().join("prompts/system.md"), "Hi").unwrap();
    client.notify("workspace/didChangeWatchedFiles", json!({"changes": [{"uri": prompt, "type": 1}]})).await;
    assert!(!missing(&client.findings(&spec, Some(1)).await));
    client.leave().await;
}

#[tokio::test]
async fn a_document_that_is_no_file_yet_is_checked_by_its_name_or_language() {
    let mut client = Client::new().await;
    let document =
        json!({"uri": "untitled:Untitled-1", "languageId": "aicontainer", "version": 1, "text": "promts: x\n"});
    client.notify("textDocument/didOpen", json!({"textDocument": document})).await;
    assert!(client.codes("untitled:Untitled-1", Some(1)).await.contains(&"ABS001".to_owned()));
    assert!(client.labels("untitled:Untitled-1", 1, 0).await.contains(&"model".to_owned()));
    let document =
        json!({"uri": "untitled:Untitled-2", "languageId": "aicontainer-toml", "version": 1, "text": "promts = 'x'\n"});
    client.notify("textDocument/didOpen", json!({"textDocument": document})).await;
    assert!(client.codes("untitled:Untitled-2", Some(1)).await.contains(&"ABS001".to_owned()));
    assert!(client.labels("untitled:Untitled-2", 1, 0).await.contains(&"model".to_owned()));
    client.leave().await;
}

#[tokio::test]
async fn several_workspaces_do_not_know_of_each_other() {
    let one = workspace(&[("prompts/system.md", "Hi"), ("tests/a.aictest.yml", GOOD_TESTS)]);
    let other = workspace(&[]);
    let (here, there) = (uri(one.path(), "a.aicontainer.yml"), uri(other.path(), "a.aicontainer.yml"));
    let mut client = Client::new().await;
    client.open(&here, SPEC).await;
    client.open(&there, SPEC).await;
    let missing = |found: Vec<serde_json::Value>| {
        found.iter().any(|found| found["message"].as_str().unwrap().contains("there is no file"))
    };
    assert!(!missing(client.findings(&here, Some(1)).await));
    assert!(missing(client.findings(&there, Some(1)).await));
    client.leave().await;
}
