//! Lenses, hints and commands, with a fake runner in place of the real one: what it tells is made up, and when it ends is
//! in the test's hands.

use crate::client::{Client, uri, workspace};
use aic_base::{RelPath, Usd};
use aic_lsp::{CaseEnded, History, Ran, Runner, TestResult, Wanted};
use serde_json::{Value, json};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

const SPEC: &str = "\
model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
guardrails: [pii_protection, prompt_injection]
tests:
  - {name: one, input: x, expect: [contains: Hi]}
  - {name: two, input: x, expect: [contains: Hi]}
";

/// A runner that is none: it waits until the test lets it go, and says that everything passed but `two`.
#[derive(Debug)]
struct FakeRunner {
    /// One permit lets one run end.
    go: Semaphore,
    asked: Mutex<Vec<Wanted>>,
    history: Mutex<Option<History>>,
    dropped: Arc<Semaphore>,
}

impl FakeRunner {
    fn new() -> Arc<Self> {
        let dropped = Arc::new(Semaphore::new(0));
        Arc::new(Self { go: Semaphore::new(0), asked: Mutex::default(), history: Mutex::default(), dropped })
    }
}

/// Says when a run was dropped before its end.
struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

fn result(passed: u32, cost: f64) -> TestResult {
    let problem = (passed < 3).then(|| "the output does not contain `Hi`".to_owned());
    TestResult { passed, cases: 3, cost: Usd::from_dollars(cost), problem }
}

impl Runner for FakeRunner {
    fn run(
        self: Arc<Self>,
        wanted: Wanted,
        ended: Arc<dyn Fn(CaseEnded) + Send + Sync>,
    ) -> Pin<Box<dyn Future<Output = Result<Ran, String>> + Send>> {
        Box::pin(async move {
            let dropped = Dropped(self.dropped.clone());
            self.asked.lock().unwrap().push(wanted.clone());
            ended(CaseEnded { id: "one[1]".into(), passed: true });
            self.go.acquire().await.unwrap().forget();
            std::mem::forget(dropped);
            let both = [("one".to_owned(), result(3, 0.004)), ("two".to_owned(), result(2, 0.02))];
            let tests = both.into_iter().filter(|(name, _)| wanted.test.as_ref().is_none_or(|test| test == name));
            Ok(Ran { tests: tests.collect() })
        })
    }

    fn history(&self, _: &Path, _: &RelPath) -> Option<History> {
        self.history.lock().unwrap().clone()
    }
}

const ABLE: &str = r#"{
    "window": {"workDoneProgress": true},
    "workspace": {"codeLens": {"refreshSupport": true}, "inlayHint": {"refreshSupport": true}}
}"#;

async fn client(runner: &Arc<FakeRunner>, capabilities: &str) -> Client {
    let capabilities: Value = serde_json::from_str(capabilities).unwrap();
    let params = json!({"processId": null, "rootUri": null, "capabilities": capabilities});
    Client::with_runner(params, Some(runner.clone())).await.0
}

async fn titles(client: &mut Client, uri: &str) -> Vec<String> {
    let lenses = client.request("textDocument/codeLens", json!({"textDocument": {"uri": uri}})).await;
    let title =
        |lens: &Value| format!("{}: {}", lens["range"]["start"]["line"], lens["command"]["title"].as_str().unwrap());
    lenses.as_array().unwrap().iter().map(title).collect()
}

fn command(name: &str, arguments: Value) -> Value {
    json!({"command": name, "arguments": arguments})
}

#[tokio::test]
async fn a_slow_run_holds_up_nothing_and_its_result_is_shown() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, ABLE).await;
    client.open(&spec, SPEC).await;
    assert_eq!(titles(&mut client, &spec).await, ["2: ▶ run all", "3: ▶ run test", "4: ▶ run test"]);
    // Answered at once, although the run has not even begun.
    assert!(client.request("workspace/executeCommand", command("aic.runTest", json!([spec, "one"]))).await.is_null());
    let create = client.asked("window/workDoneProgress/create").await;
    client.reply(&create, Value::Null).await;
    let progress = |kind: &'static str| {
        move |message: &Value| message["method"] == "$/progress" && message["params"]["value"]["kind"] == kind
    };
    let begun = client.wait(progress("begin")).await;
    assert_eq!(begun["params"]["value"]["title"], "Testing one");
    let report = client.wait(progress("report")).await;
    assert_eq!(report["params"]["value"]["message"], "1/1 passed · one[1]");
    // The run is under way and does not end before this test says so: everything else is answered meanwhile.
    for _ in 0..40 {
        assert!(!client.at("textDocument/hover", &spec, 1, 14).await.is_null());
    }
    assert!(!client.labels(&spec, 1, 13).await.is_empty());
    runner.go.add_permits(1);
    client.wait(progress("end")).await;
    let shown = client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(shown["params"], json!({"type": 3, "message": "one: 3/3 passed · $0.004"}));
    let refresh = client.asked("workspace/codeLens/refresh").await;
    client.reply(&refresh, Value::Null).await;
    client.asked("workspace/inlayHint/refresh").await;
    let lenses = titles(&mut client, &spec).await;
    assert_eq!(lenses[0], "2: ▶ run all · last 3/3 · $0.004 · 1 not run");
    assert_eq!(lenses[1], "3: ▶ run test · last 3/3 · $0.004 · changed since");
    assert_eq!(runner.asked.lock().unwrap()[0].test.as_deref(), Some("one"));
    client.leave().await;
}

#[tokio::test]
async fn a_result_that_still_holds_is_shown_without_a_word_of_doubt() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let tests = [("two".to_owned(), result(3, 0.0))].into();
    *runner.history.lock().unwrap() = Some(History { tests, runs: 3, fired: Default::default() });
    let mut client = client(&runner, "{}").await;
    client.open(&spec, SPEC).await;
    assert_eq!(titles(&mut client, &spec).await[2], "4: ▶ run test · last 3/3 · $0");
    client.leave().await;
}

#[tokio::test]
async fn a_failure_says_why_and_a_client_without_progress_is_told_all_the_same() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    client.open(&spec, &SPEC.replace("Hi}}", "Ho}}")).await;
    client.request("workspace/executeCommand", command("aic.runAll", json!([spec]))).await;
    runner.go.add_permits(1);
    let shown = client.wait(|message| message["method"] == "window/showMessage").await;
    let message = shown["params"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "a.ai.yml: 5/6 passed · $0.02: the output does not contain `Hi` (what is saved was tested; the text here is not)"
    );
    client.wait(|message| message["method"] == "window/logMessage").await;
    assert_eq!(titles(&mut client, &spec).await[0], "2: ▶ run all · last 5/6 · $0.02 · changed since");
    let kept = ["one", "two"].map(|name| (name.to_owned(), result(3, 0.002)));
    *runner.history.lock().unwrap() = Some(History { tests: kept.into(), runs: 3, fired: Default::default() });
    // Saving has what is kept read again.
    std::fs::write(folder.path().join("a.ai.yml"), SPEC.replace("Hi}}", "Ho}}")).unwrap();
    client.notify("textDocument/didSave", json!({"textDocument": {"uri": spec}})).await;
    assert_eq!(titles(&mut client, &spec).await[0], "2: ▶ run all · last 6/6 · $0.004");
    client.leave().await;
}

#[tokio::test]
async fn tests_that_are_all_kept_apart_can_be_run_from_the_spec() {
    let folder = workspace(&[]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    client.open(&spec, "model: gpt-4o-2024-08-06\ntests:\n  - files: t/*.aictest.yml\n").await;
    assert_eq!(titles(&mut client, &spec).await, ["1: ▶ run all"]);
    client.change(&spec, 2, json!([{"text": "model: gpt-4o-2024-08-06\ntests:\n"}])).await;
    assert!(titles(&mut client, &spec).await.is_empty());
    client.leave().await;
}

#[tokio::test]
async fn a_run_ends_when_a_person_cancels_it_or_the_session_ends() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, ABLE).await;
    client.open(&spec, SPEC).await;
    client.request("workspace/executeCommand", command("aic.runAll", json!([{"uri": spec}]))).await;
    let create = client.asked("window/workDoneProgress/create").await;
    client.reply(&create, Value::Null).await;
    client.wait(|message| message["method"] == "$/progress" && message["params"]["value"]["kind"] == "report").await;
    client.notify("window/workDoneProgress/cancel", json!({"token": create["params"]["token"]})).await;
    let shown = client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(shown["params"]["message"], "a.ai.yml: cancelled");
    runner.dropped.acquire().await.unwrap().forget();
    client.request("workspace/executeCommand", command("aic.runAll", json!([spec]))).await;
    let create = client.asked("window/workDoneProgress/create").await;
    client.reply(&create, Value::Null).await;
    client.wait(|message| message["method"] == "$/progress" && message["params"]["value"]["kind"] == "report").await;
    client.leave().await;
    runner.dropped.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn tests_kept_apart_run_with_the_spec_that_includes_them() {
    let tests = "tests:\n  - {name: apart, input: x, expect: [contains: Hi]}\n";
    let folder = workspace(&[("a.ai.yml", &format!("{SPEC}  - files: t.aictest.yml\n")), ("t.aictest.yml", tests)]);
    let apart = uri(folder.path(), "t.aictest.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    client.open(&apart, tests).await;
    assert_eq!(titles(&mut client, &apart).await, ["0: ▶ run all", "1: ▶ run test"]);
    client.request("workspace/executeCommand", command("aic.runTest", json!([apart, "apart"]))).await;
    runner.go.add_permits(1);
    client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(runner.asked.lock().unwrap()[0].spec.as_str(), "a.ai.yml");
    client.leave().await;
}

#[tokio::test]
async fn running_all_without_an_address_means_the_document_at_hand() {
    let folder = workspace(&[("a.ai.yml", SPEC), ("b.ai.yml", SPEC)]);
    let (one, other) = (uri(folder.path(), "a.ai.yml"), uri(folder.path(), "b.ai.yml"));
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    client.open(&one, SPEC).await;
    client.open(&other, SPEC).await;
    client.open(&uri(folder.path(), "p.md"), "Hi").await;
    client.change(&one, 2, json!([{"text": SPEC}])).await;
    client.request("workspace/executeCommand", json!({"command": "aic.runAll"})).await;
    runner.go.add_permits(1);
    client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(runner.asked.lock().unwrap()[0].spec.as_str(), "a.ai.yml");
    client.leave().await;
}

#[tokio::test]
async fn commands_that_make_no_sense_are_refused() {
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    for (name, arguments) in [
        ("aic.other", json!([])),
        ("aic.runTest", json!([])),
        ("aic.runTest", json!(["file:///a.ai.yml"])),
        ("aic.runAll", json!([7])),
        ("aic.runAll", json!([])),
    ] {
        let id = client.ask("workspace/executeCommand", command(name, arguments)).await;
        assert_eq!(client.answer(id).await["error"]["code"], -32602, "{name}");
    }
    client.request("workspace/executeCommand", command("aic.runAll", json!(["file:///nowhere/a.ai.yml"]))).await;
    let shown = client.wait(|message| message["method"] == "window/showMessage").await;
    assert!(shown["params"]["message"].as_str().unwrap().contains("not open"));
    client.leave().await;
}

#[tokio::test]
async fn without_a_runner_there_are_no_lenses() {
    let (client, answer) = Client::announcing(json!({})).await;
    assert!(answer["capabilities"]["codeLensProvider"].is_null(), "{answer}");
    assert!(answer["capabilities"]["executeCommandProvider"].is_null());
    client.leave().await;
}

#[tokio::test]
async fn a_guardrail_that_decided_nothing_in_fifty_runs_is_pointed_out() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let mut client = client(&runner, "{}").await;
    client.open(&spec, SPEC).await;
    let whole = json!({"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}});
    let ask = json!({"textDocument": {"uri": spec}, "range": whole});
    for (runs, wanted) in [(49, None), (50, Some("silent in the last 50 runs"))] {
        let fired = ["pii_protection".to_owned()].into();
        *runner.history.lock().unwrap() = Some(History { tests: Default::default(), runs, fired });
        // A saved file has what is known read again.
        client.notify("textDocument/didSave", json!({"textDocument": {"uri": spec}})).await;
        let hints = client.request("textDocument/inlayHint", ask.clone()).await;
        let labels: Vec<&str> = hints.as_array().unwrap().iter().map(|hint| hint["label"].as_str().unwrap()).collect();
        assert_eq!(labels, wanted.into_iter().collect::<Vec<_>>());
        if wanted.is_some() {
            assert_eq!(hints[0]["position"], json!({"line": 1, "character": 45}));
        }
    }
    client.leave().await;
}

#[tokio::test]
async fn an_edit_that_is_not_saved_makes_a_result_one_from_before_it() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let both = [("one".to_owned(), result(3, 0.0)), ("two".to_owned(), result(3, 0.0))];
    *runner.history.lock().unwrap() = Some(History { tests: both.into(), ..History::default() });
    let mut client = client(&runner, "{}").await;
    client.open(&spec, SPEC).await;
    assert!(titles(&mut client, &spec).await.iter().all(|title| !title.contains("changed")));
    // A comment changes nothing that a test depends on; a test of its own only itself.
    for (version, text, changed) in [
        (2, format!("{SPEC}# more\n"), [false, false, false]),
        (3, SPEC.replacen("input: x", "input: y", 1), [true, true, false]),
        (4, SPEC.replace("text: Hi", "text: Ho"), [true, true, true]),
        (5, SPEC.replace("guardrails:", "guardrials:"), [true, true, true]),
        (6, SPEC.to_owned(), [false, false, false]),
    ] {
        client.change(&spec, version, json!([{"text": text}])).await;
        let found: Vec<bool> =
            titles(&mut client, &spec).await.iter().map(|title| title.ends_with("changed since")).collect();
        assert_eq!(found, changed, "{version}");
    }
    client.leave().await;
}

#[tokio::test]
async fn a_test_that_is_skipped_or_not_there_is_said_to_be() {
    let folder = workspace(&[("a.ai.yml", SPEC)]);
    let spec = uri(folder.path(), "a.ai.yml");
    let runner = FakeRunner::new();
    let skipped = TestResult { passed: 0, cases: 0, cost: Usd::ZERO, problem: None };
    *runner.history.lock().unwrap() =
        Some(History { tests: [("two".to_owned(), skipped)].into(), ..History::default() });
    let mut client = client(&runner, "{}").await;
    client.open(&spec, SPEC).await;
    assert_eq!(titles(&mut client, &spec).await[2], "4: ▶ run test · last skipped");
    runner.go.add_permits(1);
    client.request("workspace/executeCommand", command("aic.runTest", json!([spec, "nah"]))).await;
    let shown = client.wait(|message| message["method"] == "window/showMessage").await;
    assert_eq!(shown["params"]["message"], "nah: what is saved has no test of this name");
    client.leave().await;
}
