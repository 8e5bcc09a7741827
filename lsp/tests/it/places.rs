//! Completion and hover over the protocol: positions, edits, Markdown.

use crate::client::{Client, uri, workspace};
use serde_json::json;

#[tokio::test]
async fn completion_answers_with_edits_in_the_columns_that_were_agreed_on() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    // Two units of UTF-16, four bytes: the columns after it differ.
    let text = "models: {primary: {stop: [😀], provider: op}}\n";
    for (encoding, column) in [("utf-16", 43), ("utf-8", 45), ("utf-32", 42)] {
        let (mut client, _) = Client::announcing(json!({"general": {"positionEncodings": [encoding]}})).await;
        client.open(&uri, text).await;
        let answer = client.at("textDocument/completion", &uri, 0, column).await;
        let items = answer["items"].as_array().unwrap();
        let item =
            items.iter().find(|item| item["label"] == "openai").unwrap_or_else(|| panic!("{encoding}: {answer}"));
        let (start, end) = (&item["textEdit"]["range"]["start"], &item["textEdit"]["range"]["end"]);
        assert_eq!(start, &json!({"line": 0, "character": column - 2}), "{encoding}");
        assert_eq!(end, &json!({"line": 0, "character": column}), "{encoding}");
        assert_eq!(item["textEdit"]["newText"], "openai");
        client.leave().await;
    }
}

#[tokio::test]
async fn completion_knows_the_change_that_came_right_before_it() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&uri, "model: gpt-4o-2024-08-06\n").await;
    for version in 2..20 {
        let key = if version % 2 == 0 { "sandbox" } else { "budget" };
        client.change(&uri, version, json!([{"text": format!("{key}:\n  \n")}])).await;
        let wanted = if version % 2 == 0 { "runtime" } else { "steps" };
        assert!(client.labels(&uri, 1, 2).await.contains(&wanted.to_owned()), "{version}");
    }
    client.leave().await;
}

#[tokio::test]
async fn hover_answers_with_markdown_and_the_range_it_is_about() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&uri, "model: gpt-4o-2024-08-06\nguardrails: [pii_protection]\n").await;
    let hover = client.at("textDocument/hover", &uri, 1, 16).await;
    assert_eq!(hover["contents"]["kind"], "markdown");
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("**`pii_protection`**"));
    assert_eq!(hover["range"]["start"], json!({"line": 1, "character": 13}));
    assert!(client.at("textDocument/hover", &uri, 9, 9).await.is_null());
    client.leave().await;
}

#[tokio::test]
async fn files_of_the_workspace_are_offered_saved_or_not() {
    let folder = workspace(&[("prompts/system.md", "Hi")]);
    let spec = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&uri(folder.path(), "prompts/new.md"), "Hello").await;
    client.open(&spec, "prompts:\n  system: {file: prompts/}\n").await;
    assert_eq!(client.labels(&spec, 1, 25).await, ["prompts/new.md", "prompts/system.md"]);
    client.leave().await;
}
