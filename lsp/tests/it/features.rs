//! Definition, renaming, symbols, colours, hints and changes over the protocol: positions, addresses, versions, and what
//! a client that announces little gets.

use crate::client::{Client, uri, workspace};
use serde_json::{Value, json};

const SPEC: &str = "\
model: {provider: scripted, rules: [{match: {tool: refund}, reply: {text: Hi}}]}
prompts:
  system: {file: p.md}
  variables: {TEAM: {default: é😀}}
tools:
  allowed:
    - name: refund # 😀
guardrails:
  runtime:
    - {name: big, condition: \"'😀' == input && tool.name == 'refund'\"}
tests:
  - {name: one, input: x, expect: [tool_ran: refund]}
";

/// An editor that can do most things.
const ABLE: &str = r#"{
    "general": {"positionEncodings": ["utf-16"]},
    "workspace": {"workspaceEdit": {"documentChanges": true}},
    "textDocument": {
        "completion": {"completionItem": {
            "snippetSupport": true, "documentationFormat": ["markdown"], "resolveSupport": {"properties": ["documentation"]},
            "insertTextModeSupport": {"valueSet": [1, 2]}, "tagSupport": {"valueSet": [1]}
        }},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}},
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": true},
        "foldingRange": {"lineFoldingOnly": true}
    }
}"#;

async fn able() -> Client {
    Client::announcing(serde_json::from_str(ABLE).unwrap()).await.0
}

fn document(uri: &str) -> Value {
    json!({"textDocument": {"uri": uri}})
}

/// `line:from-to` of a range.
fn at(range: &Value) -> String {
    let (start, end) = (&range["start"], &range["end"]);
    format!("{}:{}-{}", start["line"], start["character"], end["character"])
}

#[tokio::test]
async fn what_is_announced_is_answered() {
    let (client, answer) = Client::announcing(serde_json::from_str(ABLE).unwrap()).await;
    insta::assert_snapshot!("announced", serde_json::to_string_pretty(&answer["capabilities"]).unwrap());
    client.leave().await;
}

#[tokio::test]
async fn a_name_leads_from_a_prompt_to_the_spec_and_back_to_all_its_uses() {
    let folder = workspace(&[("a.ai.yml", SPEC), ("p.md", "Hi ${TEAM}")]);
    let (spec, prompt) = (uri(folder.path(), "a.ai.yml"), uri(folder.path(), "p.md"));
    let mut client = able().await;
    client.open(&prompt, "😀 Hi ${TEAM}").await;
    let found = client.at("textDocument/definition", &prompt, 0, 9).await;
    assert_eq!((&found[0]["uri"], at(&found[0]["range"])), (&json!(spec), "3:14-18".into()));
    let params = json!({"textDocument": {"uri": prompt}, "position": {"line": 0, "character": 9}, "context": {"includeDeclaration": false}});
    let found = client.request("textDocument/references", params).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["uri"], at(&found[0]["range"])), (&json!(prompt), "0:8-12".into()));
    client.leave().await;
}

#[tokio::test]
async fn a_name_is_changed_in_all_files_with_the_versions_of_those_that_are_open() {
    let folder = workspace(&[("a.ai.yml", SPEC), ("p.md", "Hi ${TEAM}")]);
    let (spec, prompt) = (uri(folder.path(), "a.ai.yml"), uri(folder.path(), "p.md"));
    let mut client = able().await;
    client.open(&spec, SPEC).await;
    let ready = client.at("textDocument/prepareRename", &spec, 11, 48).await;
    assert_eq!((at(&ready["range"]), &ready["placeholder"]), ("11:45-51".into(), &json!("refund")));
    let position = json!({"line": 11, "character": 48});
    let params = json!({"textDocument": {"uri": spec}, "position": position, "newName": "pay"});
    let edit = client.request("textDocument/rename", params).await;
    let changes = edit["documentChanges"].as_array().unwrap();
    assert_eq!(changes[0]["textDocument"], json!({"uri": spec, "version": 1}));
    let places: Vec<String> = changes[0]["edits"].as_array().unwrap().iter().map(|edit| at(&edit["range"])).collect();
    assert_eq!(places, ["0:51-57", "6:12-18", "9:61-67", "11:45-51"]);
    let params = json!({"textDocument": {"uri": spec}, "position": {"line": 3, "character": 15}, "newName": "T"});
    let edit = client.request("textDocument/rename", params).await;
    let files: Vec<_> =
        edit["documentChanges"].as_array().unwrap().iter().map(|change| &change["textDocument"]).collect();
    assert_eq!(files, [&json!({"uri": spec, "version": 1}), &json!({"uri": prompt, "version": null})]);
    // What cannot be renamed is an error with the reason.
    let params = json!({"textDocument": {"uri": spec}, "position": position, "newName": "a b"});
    let id = client.ask("textDocument/rename", params).await;
    let answer = client.answer(id).await;
    assert_eq!(answer["error"]["code"], -32803);
    assert!(answer["error"]["message"].as_str().unwrap().contains("`a b` is no name"), "{answer}");
    assert!(client.at("textDocument/prepareRename", &spec, 1, 1).await.is_null());
    let highlights = client.at("textDocument/documentHighlight", &spec, 11, 48).await;
    assert_eq!(highlights.as_array().unwrap().iter().filter(|one| one["kind"] == 3).count(), 1, "{highlights}");
    client.leave().await;
}

#[tokio::test]
async fn a_client_without_versions_gets_changes_by_file() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let (mut client, _) = Client::announcing(json!({})).await;
    client.open(&spec, SPEC).await;
    let params = json!({"textDocument": {"uri": spec}, "position": {"line": 6, "character": 13}, "newName": "pay"});
    let edit = client.request("textDocument/rename", params).await;
    assert_eq!(edit["changes"][&spec].as_array().unwrap().len(), 4, "{edit}");
    assert!(edit.get("documentChanges").is_none());
    let symbols = client.request("textDocument/documentSymbol", document(&spec)).await;
    assert!(symbols[0]["location"]["range"].is_object() && symbols[0].get("children").is_none(), "{symbols}");
    client.leave().await;
}

#[tokio::test]
async fn outline_folds_links_and_colours_stand_in_lines_and_columns() {
    let folder = workspace(&[("p.md", "Hi")]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = able().await;
    client.open(&spec, SPEC).await;
    fn shown(items: &Value, depth: usize, into: &mut String) {
        for item in items.as_array().into_iter().flatten() {
            let name = item["name"].as_str().unwrap();
            into.push_str(&format!(
                "{}{name} kind {} at {}\n",
                "  ".repeat(depth),
                item["kind"],
                at(&item["selectionRange"])
            ));
            shown(&item["children"], depth + 1, into);
        }
    }
    let mut all = String::new();
    shown(&client.request("textDocument/documentSymbol", document(&spec)).await, 0, &mut all);
    let folds = client.request("textDocument/foldingRange", document(&spec)).await;
    for fold in folds.as_array().unwrap() {
        all.push_str(&format!("fold {}-{}\n", fold["startLine"], fold["endLine"]));
    }
    let links = client.request("textDocument/documentLink", document(&spec)).await;
    for link in links.as_array().unwrap() {
        let name = link["target"].as_str().unwrap().rsplit('/').next().unwrap();
        all.push_str(&format!("link {} to {name}\n", at(&link["range"])));
    }
    let tokens = client.request("textDocument/semanticTokens/full", document(&spec)).await;
    all.push_str(&format!("tokens {}\n", tokens["data"]));
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 3, "character": 0}});
    let some = client
        .request("textDocument/semanticTokens/range", json!({"textDocument": {"uri": spec}, "range": range}))
        .await;
    all.push_str(&format!("tokens of the first lines {}\n", some["data"]));
    insta::assert_snapshot!("shape", all);
    let params = json!({"textDocument": {"uri": spec}, "positions": [{"line": 11, "character": 48}]});
    let chain = client.request("textDocument/selectionRange", params).await;
    assert_eq!((at(&chain[0]["range"]), at(&chain[0]["parent"]["range"])), ("11:45-51".into(), "11:35-51".into()));
    client.leave().await;
}

#[tokio::test]
async fn colours_that_changed_are_told_as_one_edit() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = able().await;
    client.open(&spec, "prompts: {system: \"${A} ${B} ${C}\"}\n").await;
    let first = client.request("textDocument/semanticTokens/full", document(&spec)).await;
    assert_eq!(first["data"].as_array().unwrap().len(), 15);
    client.change(&spec, 2, json!([{"text": "prompts: {system: \"${A} ${BB} ${C}\"}\n"}])).await;
    let params = json!({"textDocument": {"uri": spec}, "previousResultId": first["resultId"]});
    let delta = client.request("textDocument/semanticTokens/full/delta", params).await;
    assert_eq!(delta["edits"], json!([{"start": 5, "deleteCount": 10, "data": [0, 5, 5, 0, 0, 0, 6, 4, 0, 0]}]));
    let params = json!({"textDocument": {"uri": spec}, "previousResultId": "long ago"});
    let whole = client.request("textDocument/semanticTokens/full/delta", params).await;
    assert_eq!(whole["data"].as_array().unwrap().len(), 15);
    client.leave().await;
}

#[tokio::test]
async fn every_fix_is_a_code_action_and_the_safe_ones_are_one() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = able().await;
    client
        .open(
            &spec,
            "model: {provider: scripted, rules: []}\npromts: {system: Hi}\ntools: {allowed: [a], blocked: [*_b]}\n",
        )
        .await;
    let ask = |line: u32, only: Value| {
        let at = json!({"line": line, "character": 1});
        json!({"textDocument": {"uri": spec}, "range": {"start": at, "end": at}, "context": {"diagnostics": [], "only": only}})
    };
    let found = client.request("textDocument/codeAction", ask(1, Value::Null)).await;
    let found = found.as_array().unwrap();
    let quick = found.iter().find(|action| action["kind"] == "quickfix").unwrap();
    assert_eq!(quick["title"], "Change to `prompts`");
    assert_eq!(quick["diagnostics"][0]["code"], "ABS001");
    let edit = &quick["edit"]["documentChanges"][0];
    assert_eq!((&edit["textDocument"]["version"], &edit["edits"][0]["newText"]), (&json!(1), &json!("prompts")));
    // Only what was asked for.
    let all = client.request("textDocument/codeAction", ask(1, json!(["source.fixAll"]))).await;
    assert!(all.as_array().unwrap().iter().all(|action| action["kind"] == "source.fixAll.aic"), "{all}");
    assert_eq!(client.request("textDocument/codeAction", ask(1, json!(["refactor"]))).await, json!([]));
    client.leave().await;
}

#[tokio::test]
async fn completions_bring_snippets_and_their_documentation_when_it_is_wanted() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = able().await;
    client.open(&spec, "tools:\n  al\n").await;
    let items = client.at("textDocument/completion", &spec, 1, 4).await["items"].clone();
    let allowed = items.as_array().unwrap().iter().find(|item| item["label"] == "allowed").unwrap();
    assert_eq!(allowed["textEdit"]["newText"], "allowed:\n  - name: $1$0");
    assert_eq!((&allowed["insertTextFormat"], &allowed["insertTextMode"]), (&json!(2), &json!(2)));
    assert!(allowed.get("documentation").is_none());
    let resolved = client.request("completionItem/resolve", allowed.clone()).await;
    assert!(
        resolved["documentation"]["value"].as_str().unwrap().contains("The tools the model is offered"),
        "{resolved}"
    );
    // A list that is long forgotten: the item comes back as it is.
    let mut old = allowed.clone();
    old["data"] = json!([999_999, 0]);
    assert!(client.request("completionItem/resolve", old).await.get("documentation").is_none());
    client.leave().await;
}

#[tokio::test]
async fn hints_stand_behind_prompts_and_only_in_the_range() {
    let folder = workspace(&[("p.md", "x")]);
    let spec = uri(folder.path(), "a.ai.yml");
    let mut client = able().await;
    let text = "model: {provider: openai, model: gpt-4o-mini-2024-07-18, max_tokens: 10}\nprompts:\n  system: |\n    Hi there\n";
    client.open(&spec, text).await;
    let hints = |from: u32, to: u32| {
        let range = json!({"start": {"line": from, "character": 0}, "end": {"line": to, "character": 0}});
        json!({"textDocument": {"uri": spec}, "range": range})
    };
    let all = client.request("textDocument/inlayHint", hints(0, 9)).await;
    let labels: Vec<&str> = all.as_array().unwrap().iter().map(|hint| hint["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["≤ $0.0000065 a call (estimate)", "≈ 3 tokens · $0.00000045 a call (estimate)"]);
    assert_eq!(client.request("textDocument/inlayHint", hints(1, 9)).await.as_array().unwrap().len(), 1);
    client
        .notify("workspace/didChangeConfiguration", json!({"settings": {"aic": {"inlayHints": {"enable": false}}}}))
        .await;
    assert!(client.request("textDocument/inlayHint", hints(0, 9)).await.is_null());
    client.leave().await;
}

#[tokio::test]
async fn symbols_of_the_workspace_are_found_whether_a_file_is_open_or_not() {
    let folder = workspace(&[("a.ai.yml", SPEC), ("b/c.ai.yml", "tools: {allowed: [refund_all]}\n")]);
    let capabilities = json!({"processId": null, "rootUri": uri(folder.path(), ""), "capabilities": {}});
    let (mut client, _) = Client::beginning(capabilities).await;
    let found = client.request("workspace/symbol", json!({"query": "REFUND"})).await;
    let shown: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} in {}", one["name"].as_str().unwrap(), one["containerName"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, ["refund in a.ai.yml", "refund_all in b/c.ai.yml"]);
    client.leave().await;
}

#[tokio::test]
async fn formatting_changes_the_lines_that_are_not_as_wanted_and_keeps_its_hands_off_the_rest() {
    let folder = workspace(&[]);
    let (spec, prompt) = (uri(folder.path(), "a.ai.yml"), uri(folder.path(), "p.md"));
    let mut client = able().await;
    client.open(&spec, "model:   gpt-4o # 😀\nbudget:\n    steps: 1\n\n\n\nname: x").await;
    let options = json!({"tabSize": 4, "insertSpaces": false});
    let params = json!({"textDocument": {"uri": spec}, "options": options});
    let shown = |edits: &Value| {
        let shown = edits.as_array().unwrap().iter().map(|edit| {
            let (start, end) = (&edit["range"]["start"], &edit["range"]["end"]);
            assert_eq!(start["character"], 0);
            format!("{}-{} {}", start["line"], end["line"], edit["newText"])
        });
        shown.collect::<Vec<_>>().join("; ")
    };
    let all = client.request("textDocument/formatting", params.clone()).await;
    assert_eq!(shown(&all), "0-1 \"model: gpt-4o # 😀\\n\"; 2-4 \"  steps: 1\\n\"; 5-6 \"name: x\\n\"");
    let mut some = params.clone();
    some["range"] = json!({"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 3}});
    let some = client.request("textDocument/rangeFormatting", some).await;
    assert_eq!(shown(&some), "2-4 \"  steps: 1\\n\"");
    // What cannot be read stays, and the log says why.
    client.change(&spec, 2, json!([{"text": "model: \"x\n"}])).await;
    assert!(client.request("textDocument/formatting", params).await.is_null());
    let said = client.wait(|message| message["method"] == "window/logMessage").await;
    assert!(said["params"]["message"].as_str().unwrap().contains("cannot be read"), "{said}");
    client.open(&prompt, "a:   1").await;
    let params = json!({"textDocument": {"uri": prompt}, "options": options});
    assert!(client.request("textDocument/formatting", params).await.is_null());
    client.leave().await;
}
