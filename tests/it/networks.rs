//! Programs of a spec and the network: they reach what the spec lists, through the proxy, and nothing else. The servers
//! are this test's own, on the loopback; that names lead there is what `TestNetwork` is for.

use crate::support::stands;
use aic_base::{MemorySource, RelPath, Timestamp, ToolOutcome};
use aic_engine::{Answers, Backing, Container, Effects, RunOptions, Snapshots};
use aic_sandbox::egress::TestNetwork;
use aic_sandbox::{Machine, RuntimeKind, ScriptHost, StateDir, WorkerCommand};
use aic_spec::{LoadOptions, load};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that answers whatever it is asked, and how often it was.
fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
                head.push(byte[0]);
            }
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nreached"));
        }
    });
    (address, asked)
}

/// `get NAME` asks a host by a program that may reach two, `dark NAME` by one that may reach none, `calm NAME` by one
/// that says it only reads.
const SPEC: &str = r#"
name: net
models:
  primary:
    provider: scripted
    rules:
      - {match: {user: {matches: '^get (?<host>.*)$'}}, reply: {tool_calls: [{name: get, args: {host: "${match.host}"}}]}}
      - {match: {user: {matches: '^dark (?<host>.*)$'}}, reply: {tool_calls: [{name: dark, args: {host: "${match.host}"}}]}}
      - {match: {user: {matches: '^calm (?<host>.*)$'}}, reply: {tool_calls: [{name: calm, args: {host: "${match.host}"}}]}}
      - {match: {}, reply: {text: done}}
tools:
  allowed:
    - {name: get, parameters: PARAMETERS, run: {command: PROGRAM, network: ALLOWED}}
    - {name: dark, parameters: PARAMETERS, run: {command: PROGRAM}}
    - {name: calm, effect: read, parameters: PARAMETERS, run: {command: PROGRAM, network: ALLOWED}}
sandbox: {runtime: RUNTIME, limits: {memory: 1GB, pids: 200, timeout: 120s}}
"#;

const PROGRAM: &str = r#"[python3, "-c", "import sys, urllib.request; print(urllib.request.urlopen('http://' + sys.argv[1], timeout=100).read().decode())", "${args.host}"]"#;

struct Scene {
    container: Arc<Container>,
    port: u16,
    asked: Arc<AtomicUsize>,
    workspace: tempfile::TempDir,
    _state: tempfile::TempDir,
}

/// Where `service.test`, `other.test` and `private.test` lead. Only the first's address is let through, if any.
fn scene(runtime: &str, let_through: bool) -> Scene {
    let (address, asked) = server();
    let names: [(&str, IpAddr); 3] = [
        ("service.test", address.ip()),
        ("other.test", address.ip()),
        ("private.test", Ipv4Addr::new(127, 0, 0, 2).into()),
    ];
    let names = names.into_iter().map(|(name, ip)| (name.to_owned(), vec![vec![ip]])).collect();
    let network = TestNetwork { names, let_through: if let_through { vec![address] } else { Vec::new() } };
    let (state, port) = (tempfile::tempdir().unwrap(), address.port());
    let command = WorkerCommand { program: env!("CARGO_BIN_EXE_aic").into(), args: vec!["__worker".into()] };
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("network-cache");
    let host = Arc::new(ScriptHost::new(command, Some(cache)));
    let machine = Machine::for_tests(host.clone(), &StateDir::at(state.path().join("state")).unwrap(), network);
    let allowed = format!("[\"service.test:{port}\", \"private.test:{port}\"]");
    let text = SPEC
        .replace("PARAMETERS", "{type: object, properties: {host: {type: string}}, required: [host]}")
        .replace("PROGRAM", PROGRAM)
        .replace("ALLOWED", &allowed)
        .replace("RUNTIME", runtime);
    let path = RelPath::new("net.aicontainer.yml").unwrap();
    let mut source = MemorySource::new();
    source.insert(path.clone(), text.into_bytes());
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
    let backing = Backing { machine: Some(Arc::new(machine)), ..Backing::default() };
    let container = Arc::new(Container::with(spec, host, backing).unwrap());
    Scene { container, port, asked, workspace: tempfile::tempdir().unwrap(), _state: state }
}

impl Scene {
    fn live(&self) -> RunOptions {
        RunOptions::live(self.workspace.path().into())
    }

    fn test(&self, real: &[&str]) -> RunOptions {
        let snapshots = Arc::new(Snapshots::new(self.workspace.path()).unwrap());
        let real = real.iter().map(|name| (*name).to_owned()).collect();
        RunOptions { effects: Effects::Test { real }, data: snapshots.case(), ..self.live() }
    }

    /// What became of each call, one conversation.
    async fn say(&self, options: RunOptions, inputs: &[&str]) -> Vec<(ToolOutcome, Value)> {
        let mut talk = self.container.conversation(options).unwrap();
        let mut all = Vec::new();
        for input in inputs {
            let input = format!("{input}:{}", self.port);
            let report = talk.turn(&input, &Map::new(), &Answers::new()).await;
            let call = report.calls.last().unwrap_or_else(|| panic!("{report:#?}"));
            all.push((call.outcome, call.result.clone()));
        }
        all
    }
}

async fn programs_reach_what_is_listed_and_nothing_else(runtime: RuntimeKind) {
    if !stands(runtime) {
        return;
    }
    let scene = scene(runtime.name(), true);
    let port = scene.port;
    let said =
        scene.say(scene.live(), &["get service.test", "get other.test", "get private.test", "dark service.test"]).await;
    assert_eq!(said[0].1["stdout"], "reached\n", "{:#}", said[0].1);
    assert!(said[0].1.get("network").is_none());
    assert_eq!(said[1].1["network"][0], format!("other.test:{port} refused: not on the list of `network`"));
    assert_eq!(
        said[2].1["network"][0],
        format!("private.test:{port} refused: its address is not of the public internet")
    );
    for (_, refused) in &said[1..] {
        assert_eq!((&refused["exit"], &refused["stdout"]), (&1.into(), &"".into()), "{refused:#}");
    }
    assert_eq!(scene.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
#[ignore = "needs runsc and python3"]
async fn programs_in_gvisor_reach_what_is_listed_and_nothing_else() {
    programs_reach_what_is_listed_and_nothing_else(RuntimeKind::Gvisor).await;
}

#[tokio::test]
#[ignore = "needs bwrap and python3"]
async fn programs_in_process_reach_what_is_listed_and_nothing_else() {
    programs_reach_what_is_listed_and_nothing_else(RuntimeKind::Process).await;
}

#[tokio::test]
#[ignore = "needs bwrap and python3"]
async fn a_listed_name_that_leads_inside_is_refused() {
    if !stands(RuntimeKind::Process) {
        return;
    }
    let scene = scene("process", false);
    let said = scene.say(scene.live(), &["get service.test"]).await;
    let refused = said[0].1["network"][0].as_str().unwrap_or_else(|| panic!("{:#}", said[0].1));
    assert!(refused.ends_with("refused: its address is not of the public internet"), "{refused}");
    assert_eq!(scene.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
#[ignore = "needs bwrap and python3"]
async fn in_a_test_a_program_with_a_network_runs_only_where_the_test_names_it() {
    if !stands(RuntimeKind::Process) {
        return;
    }
    let scene = scene("process", true);
    let said = scene.say(scene.test(&[]), &["get service.test", "calm service.test", "dark service.test"]).await;
    for (outcome, why) in &said[..2] {
        assert_eq!(*outcome, ToolOutcome::Denied);
        assert!(why.as_str().unwrap().contains("a test does not really run"), "{why}");
    }
    // The control: without a network it runs, and reaches nothing.
    assert_eq!((said[2].0, &said[2].1["exit"]), (ToolOutcome::Ran, &1.into()));
    assert_eq!(scene.asked.load(Ordering::SeqCst), 0);
    let said = scene.say(scene.test(&["get"]), &["get service.test"]).await;
    assert_eq!(said[0].1["stdout"], "reached\n", "{:#}", said[0].1);
}
