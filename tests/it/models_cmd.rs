//! Real models' formats through the whole program: recorded, replayed, stale, renewed; and the key nowhere.

use crate::support::{Ran, SPEC, Workspace};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const KEY: &str = "sk-planted-0123456789abcdef";

/// A server that repeats what it is told, in OpenAI's format. It ends with the test.
struct Parrot {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Parrot {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), count) = (stream, count.clone()) else { return };
                std::thread::spawn(move || answer(stream, &count));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn workspace(&self, more: &str) -> Workspace {
        let spec = format!(
            "name: parrot\nmodels:\n  primary:\n    provider: openai_compatible\n    model: parrot-1\n    base_url: http://127.0.0.1:{}/v1\n    api_key_env: PARROT_KEY\n    pricing: {{input_per_mtok: 1, output_per_mtok: 2}}\n{more}",
            self.port
        );
        Workspace::with(&[(SPEC, &spec)])
    }
}

fn answer(mut stream: TcpStream, count: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
        if let Some(value) = head.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.clear();
    }
    let mut body = vec![0; length];
    if length == 0 || reader.read_exact(&mut body).is_err() {
        return;
    }
    count.fetch_add(1, Ordering::SeqCst);
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let said = asked["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    let chunk = |text: &str| serde_json::json!({"model": "parrot-1", "choices": [{"delta": {"content": text}}]});
    let stream_body = format!(
        "data: {}\n\ndata: {}\n\ndata: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":5}}}}\n\ndata: [DONE]\n\n",
        chunk("You said: "),
        chunk(said)
    );
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    let _ = stream.write_all(format!("{head}{stream_body}").as_bytes());
}

fn with_key(workspace: &Workspace, arguments: &[&str]) -> Ran {
    let mut command = workspace.command(arguments);
    command.env("PARROT_KEY", KEY);
    let ran = crate::support::Live::start(command).finish();
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "{ran}");
    ran
}

/// Looks for the key in every file below a folder, the store's included.
fn assert_without_key(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_without_key(&path);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
            assert!(!found, "the key is in {}", path.display());
        }
    }
}

/// The digest that a run with a recording prints.
fn printed_digest(ran: &Ran) -> String {
    ran.err.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_run_is_recorded_and_replayed_with_the_same_digest_and_the_key_is_nowhere() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace("");
    let recorded = with_key(&workspace, &["run", "--record", "Hello"]).exits(0);
    let recorded = recorded.says(&["You said: Hello"]).warns(&["recorded in cassettes/parrot.jsonl: 1 exchange"]);
    assert_without_key(&workspace.path(""));
    for _ in 0..2 {
        // Without a key, as a replay needs none.
        let replayed = workspace.aic(&["run", "--replay", "Hello"]).exits(0);
        let replayed = replayed.says(&["You said: Hello"]).warns(&["nothing spent"]);
        assert_eq!(printed_digest(&replayed), printed_digest(&recorded));
    }
    assert_eq!(parrot.asked(), 1);
}

#[test]
fn a_missing_key_names_its_variable() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace("");
    workspace.aic(&["run", "Hello"]).exits(2).says(&["PARROT_KEY"]);
    assert_eq!(parrot.asked(), 0);
}

const TESTS: &str = "tests:\n  - {name: one, input: Hello, expect: [{contains: \"You said: Hello\"}]}\n  - {name: two, input: Bye, expect: [{contains: Bye}]}\n";

#[test]
fn an_edit_makes_one_case_stale_and_only_that_one_is_recorded_again() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace(TESTS);
    with_key(&workspace, &["test", "--record"]).exits(0).says(&["2 passed"]);
    assert_eq!(parrot.asked(), 2);
    // From the recording, though nobody says so.
    workspace.aic(&["test"]).exits(0).says(&["2 passed"]);
    workspace.edit(SPEC, "input: Bye", "input: Bye now");
    let stale = workspace.aic(&["test"]).exits(1);
    stale.says(&["1 passed, 1 open", "reads \"Bye now\" rather than \"Bye\""]);
    assert_eq!(parrot.asked(), 2);
    with_key(&workspace, &["test", "--record-stale", "--max-cost", "0"]).exits(2).says(&["--max-cost"]);
    assert_eq!(parrot.asked(), 2);
    with_key(&workspace, &["test", "--record-stale", "--max-cost", "1"]).exits(0).says(&["2 passed"]);
    assert_eq!(parrot.asked(), 3);
    workspace.aic(&["cassette", "list"]).exits(0).says(&["3 exchanges", "Bye now"]);
    workspace.aic(&["cassette", "prune"]).exits(0).says(&["1 recording removed, 2 kept"]);
    workspace.aic(&["cassette", "verify"]).exits(0).says(&["2 exchanges sound"]);
    workspace.aic(&["test", "--replay"]).exits(0).says(&["2 passed"]);
    assert_without_key(&workspace.path(""));
}

#[test]
fn a_recording_that_was_changed_by_hand_is_found() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace("");
    with_key(&workspace, &["run", "--record", "Hello"]).exits(0);
    workspace.edit(
        "cassettes/parrot.jsonl",
        "{\"user\":\"Hello\"}",
        "{\"user\":\"hf_x7Rq2LmZ9tVbN4cKsYw1PdFhJg3AeUoTiX\"}",
    );
    workspace.aic(&["cassette", "verify"]).exits(1).says(&["changed by hand", "form of a secret"]);
    workspace.write("cassettes/parrot.jsonl", "{\"cassette\":1}\nnonsense\n");
    workspace.aic(&["run", "--replay", "Hello"]).exits(2).warns(&["cassettes/parrot.jsonl:2"]);
}

#[test]
fn replaying_without_a_recording_calls_nobody() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace(TESTS);
    with_key(&workspace, &["test", "--replay"]).exits(1).says(&["2 open", "there is no such file"]);
    assert_eq!(parrot.asked(), 0);
}

#[test]
fn watching_never_calls_a_real_model() {
    let parrot = Parrot::start();
    let workspace = parrot.workspace(TESTS);
    let mut command = workspace.command(&["watch"]);
    command.env("PARROT_KEY", KEY);
    let watching = crate::support::Live::start(command);
    while !watching.line().contains("is real") {}
    drop(watching);
    assert_eq!(parrot.asked(), 0);
}

#[test]
fn facts_about_models_are_listed_shown_and_renewed() {
    let workspace = Workspace::mini();
    workspace
        .aic(&["models", "list", "gpt-4o-mini-2024"])
        .exits(0)
        .says(&["openai/gpt-4o-mini-2024-07-18", "$0.15 in"]);
    workspace.aic(&["models", "show", "gpt-4-0613"]).exits(0).says(&["8192 tokens", "exactly, cl100k_base"]);
    workspace.aic(&["models", "show", "gpt-99"]).exits(2).warns(&["nothing is known"]);
    workspace.aic(&["models", "count", "gpt-4-0613", "tiktoken is great!"]).exits(0).says(&["6 tokens (exact"]);
    let table = r#"{"gpt-99": {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}"#;
    workspace.write("table.json", table);
    let home = workspace.tmp();
    let own = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.env("HOME", &home);
        crate::support::Live::start(command).finish()
    };
    own(&["models", "update", "table.json"]).exits(0).says(&["+ openai/gpt-99  $1 in, $2 out"]);
    own(&["models", "show", "gpt-99"]).exits(0).says(&["$2 a million tokens"]);
    own(&["models", "show", "gpt-4-0613"]).exits(0).says(&["8192 tokens"]);
    own(&["models", "update", SPEC]).exits(2).warns(&["not a table"]);
}

#[test]
fn the_specs_of_one_command_share_its_purse() {
    let parrot = Parrot::start();
    let tests = "    max_tokens: 50\ntests: [{name: greets, input: Hello, expect: [{contains: Hello}]}]\n";
    let workspace = parrot.workspace(tests);
    let spec = workspace.read(SPEC);
    for name in ["b.aicontainer.yml", "c.aicontainer.yml"] {
        workspace.write(name, &spec);
    }
    // A call holds a little more than $0.0001 and then costs $0.000017.
    let all = |most: &str| with_key(&workspace, &["test", "--live", "--max-cost", most, "."]);
    let refused = all("0.00014");
    assert!(!refused.status.success() && refused.out.contains("raise `--max-cost`"), "{refused}");
    assert_eq!(parrot.asked(), 2);
    all("1").exits(0);
}
