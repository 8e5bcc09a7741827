//! Beginning and end of a session, and clients that announce little or talk nonsense.

use crate::client::{Client, uri, workspace};
use aic_lsp::Ended;
use serde_json::json;

#[tokio::test]
async fn a_session_that_is_shut_down_ends_in_order() {
    let client = Client::new().await;
    assert_eq!(client.leave().await, Ended::Orderly);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_session() {
    let client = Client::new().await;
    assert_eq!(client.hang_up().await, Ended::Abrupt);
}

#[tokio::test]
async fn bytes_are_agreed_on_where_they_are_offered_and_utf_16_where_nothing_is() {
    let encoding = |offered: serde_json::Value| async move {
        let (client, answer) = Client::announcing(offered).await;
        client.leave().await;
        answer["capabilities"]["positionEncoding"].clone()
    };
    assert_eq!(encoding(json!({"general": {"positionEncodings": ["utf-16", "utf-8"]}})).await, "utf-8");
    assert_eq!(encoding(json!({"general": {"positionEncodings": ["utf-32"]}})).await, "utf-32");
    assert_eq!(encoding(json!({})).await, "utf-16");
}

#[tokio::test]
async fn a_client_that_announces_nothing_is_served_in_plain_words() {
    let folder = workspace(&[]);
    let uri = uri(folder.path(), "a.aicontainer.yml");
    let (mut client, answer) = Client::announcing(json!({})).await;
    assert_eq!(answer["serverInfo"]["name"], "aic");
    client.open(&uri, "model: gpt-4o-2024-08-06\npromts: {system: Hi}\n").await;
    assert!(client.codes(&uri, Some(1)).await.contains(&"ABS001".to_owned()));
    let hover = client.at("textDocument/hover", &uri, 0, 2).await;
    assert!(!hover["contents"].as_str().unwrap().contains('*'), "{hover}");
    client.leave().await;
}

#[tokio::test]
async fn a_client_that_can_watch_files_is_asked_to() {
    let (mut client, _) =
        Client::announcing(json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}})).await;
    let asked = client.wait(|message| message["method"] == "client/registerCapability").await;
    assert_eq!(asked["params"]["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    // It is not answered, and nothing waits for that.
    client.leave().await;
}

#[tokio::test]
async fn what_is_no_json_is_answered_with_an_error_and_ends_the_session() {
    let mut client = Client::new().await;
    client.send_raw("{broken").await;
    let answer = client.wait(|message| message.get("error").is_some()).await;
    assert_eq!(answer["error"]["code"], -32700);
    assert_eq!(client.hang_up().await, Ended::Abrupt);
}

#[tokio::test]
async fn requests_about_documents_that_are_not_open_have_an_empty_answer() {
    let mut client = Client::new().await;
    assert!(client.at("textDocument/hover", "file:///nowhere/a.ai.yml", 0, 0).await.is_null());
    assert!(client.labels("file:///nowhere/a.ai.yml", 7, 7).await.is_empty());
    client.close("file:///nowhere/a.ai.yml").await;
    client.change("file:///nowhere/a.ai.yml", 3, json!([{"text": "x"}])).await;
    client.leave().await;
}
