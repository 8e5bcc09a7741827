//! The protocol's own business: findings that are asked for, settings, folders, cancelling.

use crate::client::{Client, uri, workspace};
use serde_json::{Value, json};
use std::path::Path;

// A model by rules, so that there is nothing to find but what is meant.
const GOOD: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}\nprompts: {system: Hi}\n";
const BAD: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}\npromts: {system: Hi}\n";

async fn pulling(folders: &[&Path], more: Value) -> Client {
    let mut capabilities = json!({
        "textDocument": {"diagnostic": {"dynamicRegistration": false}},
        "workspace": {"diagnostics": {"refreshSupport": true}},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        capabilities["workspace"][key] = value.clone();
    }
    let folder = |path: &&Path| json!({"uri": uri(path, ""), "name": "x"});
    let folders: Vec<Value> = folders.iter().map(folder).collect();
    let params = json!({"processId": null, "rootUri": null, "workspaceFolders": folders, "capabilities": capabilities});
    Client::beginning(params).await.0
}

async fn pull(client: &mut Client, uri: &str, previous: Option<&str>) -> Value {
    let mut params = json!({"textDocument": {"uri": uri}});
    if let Some(previous) = previous {
        params["previousResultId"] = json!(previous);
    }
    client.request("textDocument/diagnostic", params).await
}

/// The reports of all folders: the name of each file, and the codes of its findings or `same`.
async fn pull_all(client: &mut Client, previous: Value) -> (Vec<String>, Vec<Value>) {
    let answer = client.request("workspace/diagnostic", json!({"previousResultIds": previous})).await;
    let items = answer["items"].as_array().unwrap().clone();
    let shown = items.iter().map(|item| {
        let name = item["uri"].as_str().unwrap().rsplit('/').next().unwrap();
        let codes = item["items"].as_array().map(|all| all.iter().map(|one| one["code"].as_str().unwrap()).collect());
        format!("{name}: {}", codes.map_or("same".into(), |codes: Vec<&str>| codes.join(" ")))
    });
    (shown.collect(), items)
}

#[tokio::test]
async fn who_asks_for_findings_gets_those_of_the_last_change_and_is_not_told_twice() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.aicontainer.yml");
    let mut client = pulling(&[], json!({})).await;
    client.open(&spec, GOOD).await;
    client.change(&spec, 2, json!([{"text": BAD}])).await;
    let first = pull(&mut client, &spec, None).await;
    assert_eq!((&first["kind"], &first["items"][0]["code"]), (&json!("full"), &json!("ABS001")));
    let id = first["resultId"].as_str().unwrap();
    let same = pull(&mut client, &spec, Some(id)).await;
    assert_eq!(same, json!({"kind": "unchanged", "resultId": id}));
    // A comment more: the findings stand where they stood.
    client.change(&spec, 3, json!([{"text": format!("{BAD}# more\n")}])).await;
    assert_eq!(pull(&mut client, &spec, Some(id)).await["kind"], "unchanged");
    client.change(&spec, 4, json!([{"text": GOOD}])).await;
    let mended = pull(&mut client, &spec, Some(id)).await;
    assert_eq!((&mended["kind"], mended["items"].as_array().unwrap().len()), (&json!("full"), 0), "{mended}");
    assert!(!client.saw("textDocument/publishDiagnostics"));
    client.leave().await;
}

#[tokio::test]
async fn specs_that_are_not_open_are_read_when_somebody_asks_about_the_workspace() {
    let folder = workspace(&[("a.ai.yml", GOOD), ("deep/b.ai.yml", BAD), ("target/c.ai.yml", BAD)]);
    let mut client = pulling(&[folder.path()], json!({})).await;
    let (shown, items) = pull_all(&mut client, json!([])).await;
    assert_eq!(shown, ["a.ai.yml: ", "b.ai.yml: ABS001"]);
    let previous: Vec<Value> =
        items.iter().map(|item| json!({"uri": item["uri"], "value": item["resultId"]})).collect();
    assert_eq!(pull_all(&mut client, json!(previous)).await.0, ["a.ai.yml: same", "b.ai.yml: same"]);
    // A client that does not watch tells nobody of changes, so what is asked about is read again.
    std::fs::write(folder.path().join("deep/b.ai.yml"), GOOD).unwrap();
    std::fs::remove_file(folder.path().join("a.ai.yml")).unwrap();
    assert_eq!(pull_all(&mut client, json!(previous)).await.0, ["a.ai.yml: ", "b.ai.yml: "]);
    client.leave().await;
}

#[tokio::test]
async fn what_is_ignored_is_not_looked_into_as_the_program_does_not() {
    let folder = workspace(&[
        ("sub/a.ai.yml", GOOD),
        ("sub/fixtures/b.ai.yml", BAD),
        ("sub/out/c.ai.yml", BAD),
        (".gitignore", "out/\n"),
        ("sub/.aicignore", "fixtures/\n"),
    ]);
    // A folder that is a part of its workspace: what stands above it counts too.
    let watching = json!({"didChangeWatchedFiles": {"dynamicRegistration": true}});
    let mut client = pulling(&[&folder.path().join("sub")], watching).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["a.ai.yml: "]);
    std::fs::write(folder.path().join("sub/.aicignore"), "a.*\n").unwrap();
    let changed = json!({"changes": [{"uri": uri(folder.path(), "sub/.aicignore"), "type": 2}]});
    client.notify("workspace/didChangeWatchedFiles", changed).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["b.ai.yml: ABS001"]);
    // What is open is looked at all the same.
    client.open(&uri(folder.path(), "sub/a.ai.yml"), BAD).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["a.ai.yml: ABS001", "b.ai.yml: ABS001"]);
    client.leave().await;
}

#[tokio::test]
async fn folders_come_and_go() {
    let (one, other) = (workspace(&[("a.ai.yml", GOOD)]), workspace(&[("b.ai.yml", GOOD)]));
    let mut client = pulling(&[one.path()], json!({"didChangeWatchedFiles": {"dynamicRegistration": true}})).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["a.ai.yml: "]);
    let folder = |path: &Path| json!([{"uri": uri(path, ""), "name": "x"}]);
    let event = json!({"event": {"added": folder(other.path()), "removed": folder(one.path())}});
    client.notify("workspace/didChangeWorkspaceFolders", event).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["b.ai.yml: "]);
    std::fs::write(other.path().join("c.ai.yml"), BAD).unwrap();
    // Whoever watches says what appears; until then nothing is looked for.
    let created = json!({"changes": [{"uri": uri(other.path(), "c.ai.yml"), "type": 1}]});
    client.notify("workspace/didChangeWatchedFiles", created).await;
    assert_eq!(pull_all(&mut client, json!([])).await.0, ["b.ai.yml: ", "c.ai.yml: ABS001"]);
    client.leave().await;
}

#[tokio::test]
async fn who_asks_is_told_to_ask_again_when_another_file_changes_the_findings() {
    let folder = workspace(&[("p.md", "Hi")]);
    let (spec, prompt) = (uri(folder.path(), "a.ai.yml"), uri(folder.path(), "p.md"));
    let mut client = pulling(&[], json!({})).await;
    client
        .open(&spec, "model: gpt-4o-2024-08-06\nprompts: {system: {file: p.md}}\ntests: [{files: t.aictest.yml}]\n")
        .await;
    let missing = pull(&mut client, &spec, None).await;
    assert!(missing["items"].to_string().contains("there is no file"), "{missing}");
    client.open(&prompt, "Hi ${NOBODY}").await;
    assert_eq!(pull(&mut client, &prompt, None).await["items"].as_array().unwrap().len(), 1);
    // The file of tests appears: the finding in the spec goes.
    std::fs::write(folder.path().join("t.aictest.yml"), "tests: [{name: a, input: x, expect: [{contains: x}]}]\n")
        .unwrap();
    let created = json!({"changes": [{"uri": uri(folder.path(), "t.aictest.yml"), "type": 1}]});
    client.notify("workspace/didChangeWatchedFiles", created).await;
    client.asked("workspace/diagnostic/refresh").await;
    let found = pull(&mut client, &spec, None).await;
    assert!(!found["items"].to_string().contains("there is no file"), "{found}");
    client.leave().await;
}

#[tokio::test]
async fn a_prompt_alone_is_checked_with_the_spec_that_names_it() {
    let spec = "model: gpt-4o-2024-08-06\nprompts: {system: {file: prompts/p.md}, variables: {TEAM: {default: x}}}\n";
    let folder = workspace(&[("a.ai.yml", spec), ("prompts/p.md", "Hi"), ("README.md", "Hi ${NOBODY}")]);
    let prompt = uri(folder.path(), "prompts/p.md");
    let mut client = Client::new().await;
    client.open(&uri(folder.path(), "README.md"), "Hi ${NOBODY}").await;
    client.open(&prompt, "Hi ${NOBODY} of ${TEAM}").await;
    let found = client.findings(&prompt, Some(1)).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0]["message"].as_str().unwrap().contains("NOBODY"), "{found:?}");
    assert!(client.labels(&prompt, 0, 5).await.contains(&"TEAM".to_owned()));
    let hover = client.at("textDocument/hover", &prompt, 0, 20).await;
    assert!(hover["contents"]["value"].as_str().unwrap().contains("default: `x`"), "{hover}");
    client.leave().await;
}

#[tokio::test]
async fn settings_are_asked_for_and_followed() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let text = format!("{GOOD}environments: {{staging: {{budget: {{steps: 1}}}}}}\n");
    let capabilities =
        json!({"workspace": {"configuration": true, "didChangeConfiguration": {"dynamicRegistration": true}}});
    let (mut client, _) = Client::announcing(capabilities).await;
    let registered = client.asked("client/registerCapability").await;
    assert_eq!(registered["params"]["registrations"][0]["method"], "workspace/didChangeConfiguration");
    client.reply(&registered, Value::Null).await;
    let asked = client.asked("workspace/configuration").await;
    assert_eq!(asked["params"]["items"], json!([{"section": "aic"}]));
    client.reply(&asked, json!([{"environment": "production"}])).await;
    client.open(&spec, &text).await;
    // Whether the answer or the document came first: in the end the setting counts.
    let about = |name: &'static str| {
        move |message: &Value| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"].to_string().contains(&format!("no environment `{name}`"))
        }
    };
    client.wait(about("production")).await;
    client.notify("workspace/didChangeConfiguration", json!({"settings": null})).await;
    let asked = client.asked("workspace/configuration").await;
    client.reply(&asked, json!([{"environment": "qa"}])).await;
    client.wait(about("qa")).await;
    client.leave().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_says_its_settings_itself() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let text = format!("{GOOD}environments: {{staging: {{budget: {{steps: 1}}}}}}\n");
    let options = json!({"processId": null, "rootUri": null, "capabilities": {}, "initializationOptions": {"environment": "one"}});
    let (mut client, _) = Client::beginning(options).await;
    client.open(&spec, &text).await;
    assert!(json!(client.findings(&spec, Some(1)).await).to_string().contains("no environment `one`"));
    client.notify("workspace/didChangeConfiguration", json!({"settings": {"aic": {"environment": "two"}}})).await;
    assert!(json!(client.findings(&spec, Some(1)).await).to_string().contains("no environment `two`"));
    client.leave().await;
}

#[tokio::test]
async fn settings_of_a_wrong_type_are_told_once_and_left_out() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let options =
        json!({"processId": null, "rootUri": null, "capabilities": {}, "initializationOptions": {"environment": 5}});
    let (mut client, _) = Client::beginning(options).await;
    let said = client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(said["params"]["type"], 2);
    assert!(said["params"]["message"].as_str().unwrap().contains("`aic.environment`"), "{said}");
    client.open(&spec, GOOD).await;
    assert!(client.codes(&spec, Some(1)).await.is_empty());
    // The same again is no news; another mistake is.
    client.notify("workspace/didChangeConfiguration", json!({"settings": {"aic": {"environment": 7}}})).await;
    client.notify("workspace/didChangeConfiguration", json!({"settings": {"aic": {"codeLens": "no"}}})).await;
    let said = client.wait(|message| message["method"] == "window/showMessage").await;
    assert!(said["params"]["message"].as_str().unwrap().contains("`aic.codeLens`"), "{said}");
    client.leave().await;
}

#[tokio::test]
async fn a_variable_of_a_base_is_used_where_an_heir_uses_it() {
    let base = format!("{GOOD}prompts: {{system: Hi, variables: {{A: x}}}}\n").replace("prompts: {system: Hi}\n", "");
    let heir = "inherits: ./base.ai.yml\nprompts: {system: \"${A}\"}\n";
    let folder = workspace(&[("heir.ai.yml", heir), ("base.ai.yml", &base)]);
    let (spec, other) = (uri(folder.path(), "base.ai.yml"), uri(folder.path(), "heir.ai.yml"));
    let mut client = Client::new().await;
    client.open(&spec, &base).await;
    assert_eq!(client.codes(&spec, Some(1)).await, Vec::<String>::new());
    // What the heir says while it is typed counts, too.
    client.open(&other, heir).await;
    client.findings(&other, Some(1)).await;
    client.change(&other, 2, json!([{"text": heir.replace("${A}", "Hi")}])).await;
    let unused = client.wait(|message| {
        message["method"] == "textDocument/publishDiagnostics"
            && message["params"]["uri"] == json!(spec)
            && message["params"].to_string().contains("ABS033")
    });
    unused.await;
    client.leave().await;
}

#[tokio::test]
async fn a_request_that_is_cancelled_is_answered_as_such() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = Client::new().await;
    // Large enough that the answer is not there before the cancelling is.
    let tests: String = (0..4000).map(|at| format!("  - {{name: t{at}, input: x, expect: [contains: y]}}\n")).collect();
    client.open(&spec, &format!("model: gpt-4o-2024-08-06\ntests:\n{tests}")).await;
    // In one breath: however slow this side is, the one comes right behind the other.
    let document = json!({"textDocument": {"uri": spec}});
    let ask = json!({"jsonrpc": "2.0", "id": 99, "method": "textDocument/diagnostic", "params": document});
    let cancel = json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 99}});
    let frame = |message: Value| format!("Content-Length: {}\r\n\r\n{message}", message.to_string().len());
    client.send_bytes(format!("{}{}", frame(ask), frame(cancel)).as_bytes()).await;
    let answer = client.answer(99).await;
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    client.leave().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_answered_and_the_session_goes_on() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.aicontainer.yml");
    let mut client = Client::new().await;
    client.open(&spec, BAD).await;
    for (body, code) in [("{abc}", -32700), ("[]", -32600), ("{}", -32600)] {
        client.send_raw(body).await;
        let answer = client.wait(|message| message.get("error").is_some()).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(code)), "{body}");
        let log = client.wait(|message| message["method"] == "window/logMessage").await;
        assert!(log["params"]["message"].as_str().unwrap().contains("left out"), "{log}");
    }
    client.send_bytes(b"Content-Length: 2\r\n\r\n\xff\xfe").await;
    client.wait(|message| message["error"]["code"] == -32700).await;
    assert_eq!(client.codes(&spec, Some(1)).await, ["ABS001"]);
    assert_eq!(client.leave().await, aic_lsp::Ended::Orderly);
}

#[tokio::test]
async fn a_stream_that_cannot_be_followed_ends_the_session_and_says_why() {
    let mut client = Client::new().await;
    client.send_bytes(b"Length: 2\r\n\r\n{}").await;
    let log = client.wait(|message| message["method"] == "window/logMessage").await;
    assert!(log["params"]["message"].as_str().unwrap().contains("no `Content-Length`"), "{log}");
    assert!(matches!(client.hang_up().await, aic_lsp::Ended::Unreadable(_)));
}

#[tokio::test]
async fn what_nothing_uses_is_greyed_out_where_the_client_can() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.aicontainer.yml");
    let unused = GOOD.replace("{system: Hi}", "{system: Hi, variables: {A: x}}");
    for (can, tags) in [(json!({"tagSupport": {"valueSet": [1, 2]}}), json!([1])), (json!({}), Value::Null)] {
        let capabilities = json!({"textDocument": {"publishDiagnostics": can}});
        let mut client = Client::announcing(capabilities).await.0;
        client.open(&spec, &unused).await;
        let found = client.findings(&spec, Some(1)).await;
        assert_eq!((&found[0]["code"], &found[0]["tags"]), (&json!("ABS033"), &tags));
        client.leave().await;
    }
}
