//! Runs against real providers' formats, on a server on loopback: retries, fallbacks, money, and the key nowhere.

#[path = "../../../model/tests/support/mod.rs"]
mod support;

mod money;

use aic_base::{Event, EventKind, FrozenClock, MemorySource, Outcome, RelPath, RunId, SystemClock, Timestamp, Usd};
use aic_engine::{
    Access, Answers, Backing, Container, Counters, MemoryCounters, Purse, Recorder, RunOptions, TurnReport,
};
use aic_model::Kind;
use aic_model::cassette::{Mode, Tape};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{LoadOptions, load};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{PLANTED, Planted, Server, Step, answer, streaming};

fn container(spec: &str) -> Arc<Container> {
    container_with(spec, Access::Live, None)
}

fn container_with(spec: &str, access: Access, purse: Option<Arc<Purse>>) -> Arc<Container> {
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let mut source = MemorySource::new();
    source.insert(path.clone(), spec.as_bytes().to_vec());
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    let backing = Backing { keys: Arc::new(Planted), access, purse, ..Backing::default() };
    Arc::new(Container::with(spec, Arc::new(host), backing).unwrap())
}

#[derive(Default)]
struct Kept(Mutex<String>);

impl Recorder for Kept {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push_str(&serde_json::to_string(event).unwrap());
    }

    fn audit(&self, _: &RunId, fields: &Map<String, Value>) -> Result<(), String> {
        self.0.lock().unwrap().push_str(&Value::Object(fields.clone()).to_string());
        Ok(())
    }
}

/// Runs one input; the key is in nothing that is written down or returned.
async fn run(container: &Arc<Container>, counters: &Arc<MemoryCounters>) -> TurnReport {
    let kept = Arc::new(Kept::default());
    let options = RunOptions {
        clock: Arc::new(FrozenClock::at(Timestamp::default())),
        recorder: kept.clone(),
        counters: counters.clone(),
        ..RunOptions::live(".".into())
    };
    let mut talk = container.conversation(options.clone()).unwrap();
    let report = talk.turn("Hello?", &Map::new(), &Answers::new()).await;
    let written = format!("{report:?} {options:?} {container:?} {}", kept.0.lock().unwrap());
    assert!(!written.contains(PLANTED), "{written}");
    report
}

async fn run_alone(spec: &str) -> TurnReport {
    run(&container(spec), &Arc::default()).await
}

const OK: &str = "data: {\"model\":\"m-1\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"delta\":{\"content\":\"Hi \"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"there.\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\n\ndata: [DONE]\n\n";

fn well(stream: &str) -> Vec<Step> {
    vec![Step::Say(streaming(Kind::OpenAi)), Step::Say(stream.into())]
}

fn unwell(status: &str, headers: &[(&str, &str)]) -> Vec<Step> {
    let body = format!(r#"{{"error":{{"message":"no, {PLANTED}","type":"server_error"}}}}"#);
    vec![Step::Say(answer(status, headers, &body))]
}

fn spec(server: &Server, more: &str) -> String {
    format!(
        "name: real\nmodels:\n  primary:\n    provider: openai_compatible\n    model: m\n    base_url: {}\n    api_key_env: THE_KEY\n{more}",
        server.url()
    )
}

fn notices(report: &TurnReport) -> Vec<&str> {
    let of = |event: &'_ Event| matches!(event.kind, EventKind::Notice { .. });
    report
        .events
        .iter()
        .filter(|event| of(event))
        .map(|event| match &event.kind {
            EventKind::Notice { message } => message.as_str(),
            _ => "",
        })
        .collect()
}

#[tokio::test]
async fn a_run_is_answered_and_the_trace_says_by_whom() {
    let server = Server::start(vec![well(OK)]).await;
    let report = run_alone(&spec(&server, "    pricing: {input_per_mtok: 1, output_per_mtok: 2}\n")).await;
    assert_eq!((report.outcome, report.output.as_str()), (Outcome::Completed, "Hi there."));
    assert_eq!(report.cost, Usd::from_dollars((10.0 + 2.0 * 5.0) / 1e6));
    assert!(!report.usage.estimated);
    assert!(notices(&report).contains(&"m-1 answered, system_fingerprint fp_1"), "{:?}", notices(&report));
    assert!(report.events.iter().any(
        |event| matches!(&event.kind, EventKind::ModelCalled { provider, .. } if provider == "openai_compatible")
    ));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_each_try_is_written_down() {
    let soon = [("retry-after-ms", "1")];
    let server = Server::start(vec![unwell("429 Slow", &soon), unwell("503 Down", &soon), well(OK)]).await;
    let report = run_alone(&spec(&server, "")).await;
    assert_eq!(report.output, "Hi there.");
    let notices = notices(&report);
    assert!(notices[0].contains("429") && notices[0].contains("try 2 of 3"), "{notices:?}");
    assert!(notices[1].contains("503") && notices[1].contains("try 3 of 3"), "{notices:?}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn the_fallback_answers_and_the_trace_says_why() {
    let down = Server::start(vec![unwell("500 Down", &[("x-should-retry", "false")])]).await;
    let up = Server::start(vec![well(OK)]).await;
    let more = format!("  fallback: {{provider: openai_compatible, model: spare, base_url: {}}}\n", up.url());
    let report = run_alone(&spec(&down, &more)).await;
    assert_eq!(report.output, "Hi there.");
    let notices = notices(&report);
    let why = "primary (openai_compatible/m): the model answered with status 500: no, [secret] (server_error); fallback (openai_compatible/spare) is asked in its place";
    assert_eq!(notices[0], why);
    // The first one's key is not the second one's.
    assert!(down.seen()[0].head.contains(PLANTED) && !up.seen()[0].head.contains(PLANTED));
}

#[tokio::test]
async fn an_answer_that_broke_after_text_was_shown_is_never_begun_anew() {
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"Half of\"}}]}\n\n";
    let server = Server::start(vec![well(half), well(OK)]).await;
    let spare = Server::start(vec![well(OK)]).await;
    let more = format!("  fallback: {{provider: openai_compatible, model: spare, base_url: {}}}\n", spare.url());
    let report = run_alone(&spec(&server, &more)).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.output.contains("broke after 1 piece of"), "{}", report.output);
    assert_eq!((server.seen().len(), spare.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_and_the_fallback_asked_at_once() {
    let down = Server::start(vec![unwell("500 Down", &[("x-should-retry", "false")])]).await;
    let up = Server::start(vec![well(OK)]).await;
    let more = format!("  fallback: {{provider: openai_compatible, model: spare, base_url: {}}}\n", up.url());
    let container = container(&spec(&down, &more));
    for _ in 0..7 {
        assert_eq!(run(&container, &Arc::default()).await.output, "Hi there.");
    }
    assert_eq!((down.seen().len(), up.seen().len()), (5, 7));
    let last = run(&container, &Arc::default()).await;
    assert!(notices(&last)[0].contains("failed 5 times in a row"), "{:?}", notices(&last));
}

const PRICED: &str = "    pricing: {input_per_mtok: 1, output_per_mtok: 1000}\n";

#[tokio::test]
async fn under_a_cap_every_answer_has_a_longest_length_that_money_is_held_for() {
    let server = Server::start(vec![well(OK)]).await;
    run_alone(&spec(&server, &format!("{PRICED}guardrails: [{{cost_limit: $10/hour}}]\n"))).await;
    assert_eq!(server.seen()[0].json()["max_tokens"], 4096);
    // The run's budget pays for less than the spec wants: that much is asked for.
    let server = Server::start(vec![well(OK)]).await;
    let budget = format!("{PRICED}    max_tokens: 2000\nbudget: {{cost: 0.5}}\n");
    run_alone(&spec(&server, &budget)).await;
    let asked = server.seen()[0].json()["max_tokens"].as_u64().unwrap();
    assert!((480..500).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_model_of_unknown_price_has_no_place_under_a_cap() {
    let server = Server::start(vec![well(OK)]).await;
    for cap in ["guardrails: [{cost_limit: $10/hour}]\n", "budget: {cost: 1}\n"] {
        let report = run_alone(&spec(&server, cap)).await;
        assert!(report.output.contains("is unknown, and cost is capped"), "{}", report.output);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn money_that_was_held_stays_spent_where_usage_never_came() {
    let silent = OK.lines().filter(|line| !line.contains("usage")).collect::<Vec<_>>().join("\n\n");
    let server = Server::start(vec![well(&silent)]).await;
    let report = run_alone(&spec(&server, &format!("{PRICED}    max_tokens: 100\n"))).await;
    assert_eq!(report.outcome, Outcome::Completed);
    assert!(report.cost >= Usd::from_dollars(0.1) && report.usage.estimated, "{}", report.cost);
}

#[tokio::test]
async fn a_stream_beyond_what_is_held_is_cut() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"and so on \"}}]}\n\n";
    let endless = vec![Step::Say(streaming(Kind::OpenAi)), Step::Repeat(piece.into())];
    let server = Server::start(vec![endless]).await;
    let cap = format!("{PRICED}    max_tokens: 50\nguardrails: [{{cost_limit: $10/hour}}]\n");
    let report = run_alone(&spec(&server, &cap)).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.output.contains("ignores `max_tokens`"), "{}", report.output);
    assert!(report.cost >= Usd::from_dollars(0.05));
    server.empty().await;
}

#[tokio::test]
async fn a_provider_that_reports_more_than_was_held_is_recorded_in_full_and_the_next_call_refused() {
    let greedy =
        OK.replace("\"completion_tokens\":5,\"total_tokens\":15", "\"completion_tokens\":50000,\"total_tokens\":50010");
    let server = Server::start(vec![well(&greedy)]).await;
    let container =
        container(&spec(&server, &format!("{PRICED}    max_tokens: 50\nguardrails: [{{cost_limit: $1/hour}}]\n")));
    let counters: Arc<MemoryCounters> = Arc::default();
    let first = run(&container, &counters).await;
    assert_eq!(first.cost, Usd::from_dollars(50.00001));
    let second = run(&container, &counters).await;
    assert_eq!(second.outcome, Outcome::Blocked, "{}", second.output);
    assert_eq!(server.seen().len(), 1);
    let hour = Duration::from_secs(3600);
    assert_eq!(counters.sum("cost/real", hour, Timestamp::default()).unwrap(), first.cost.pico());
}

#[tokio::test]
async fn many_runs_at_once_never_hold_more_than_the_cap() {
    let server = Server::start(vec![well(OK)]).await;
    // Each call holds a little more than ten cents.
    let cap = format!("{PRICED}    max_tokens: 100\nguardrails: [{{cost_limit: $1/hour}}]\n");
    let container = container(&spec(&server, &cap));
    let counters: Arc<MemoryCounters> = Arc::default();
    let runs = (0..64).map(|_| {
        let (container, counters) = (container.clone(), counters.clone());
        tokio::spawn(async move { run(&container, &counters).await })
    });
    let mut completed = 0;
    for run in runs.collect::<Vec<_>>() {
        completed += usize::from(run.await.unwrap().outcome == Outcome::Completed);
    }
    assert!(completed >= 1);
    let sum = counters.sum("cost/real", Duration::from_secs(3600), Timestamp::default()).unwrap();
    assert!(Usd::from_pico(sum) <= Usd::from_dollars(1.0), "{sum}");
    assert_eq!(server.seen().len(), completed);
}

#[tokio::test]
async fn without_leave_no_real_model_is_called() {
    let server = Server::start(vec![well(OK)]).await;
    let container = container(&spec(&server, ""));
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    let container = Arc::new(Container::new(container.spec().clone(), Arc::new(host)).unwrap());
    let options = RunOptions { clock: Arc::new(SystemClock::new()), ..RunOptions::live(".".into()) };
    let report = container.conversation(options).unwrap().turn("Hello?", &Map::new(), &Answers::new()).await;
    assert!(report.broken.is_some_and(|why| why.contains("is real")));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn scripted_failures_are_tried_again_without_waiting() {
    let report = run_alone(
        "name: s\nmodels:\n  primary:\n    provider: scripted\n    rules:\n      - {match: {}, times: 2, reply: {error: {status: 429, retry_after: 30s}}}\n      - {match: {}, reply: {text: at last}}\n",
    )
    .await;
    assert_eq!(report.output, "at last");
    assert!(report.latency >= Duration::from_secs(60));
}

fn tape(folder: &tempfile::TempDir, mode: Mode) -> (Arc<Tape>, Access) {
    let tape = Arc::new(Tape::open(&folder.path().join("a.jsonl"), "a.jsonl").unwrap());
    (tape.clone(), Access::Tape { tape, mode, realtime: false })
}

/// What happened, times and names of runs aside.
fn kinds(report: &TurnReport) -> Vec<EventKind> {
    report.events.iter().map(|event| event.kind.clone()).collect()
}

#[tokio::test]
async fn a_recorded_run_replays_with_the_same_events_failures_included_and_without_a_key() {
    let server = Server::start(vec![unwell("503 Down", &[("retry-after-ms", "1")]), well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(&server, PRICED);
    let (tape_, access) = tape(&folder, Mode::Record);
    let recorded = run(&container_with(&spec, access, None), &Arc::default()).await;
    tape_.save().unwrap();
    assert_eq!((recorded.output.as_str(), tape_.recorded()), ("Hi there.", 2));
    let file = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    assert!(!file.contains(PLANTED), "{file}");

    drop(server);
    for _ in 0..2 {
        let (_, access) = tape(&folder, Mode::Replay);
        let replayed = run(&container_with(&spec, access, None), &Arc::default()).await;
        assert_eq!(kinds(&replayed), kinds(&recorded));
        assert_eq!(replayed.cost, recorded.cost);
    }
}

#[tokio::test]
async fn an_edit_makes_a_replayed_run_stale_and_names_what_differs() {
    let server = Server::start(vec![well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let first = spec(&server, "prompts: {system: Be brief.}\n");
    let (tape_, access) = tape(&folder, Mode::Record);
    run(&container_with(&first, access, None), &Arc::default()).await;
    tape_.save().unwrap();
    let edited = first.replace("Be brief.", "Be very brief.");
    let (_, access) = tape(&folder, Mode::Replay);
    let report = run(&container_with(&edited, access, None), &Arc::default()).await;
    assert!(report.stale && report.broken.is_some());
    assert!(
        report.output.contains("message 1 (system) reads \"Be very brief.\" rather than \"Be brief.\""),
        "{}",
        report.output
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_is_on_tape_is_not_paid_from_the_purse_and_what_is_not_never_exceeds_it() {
    let server = Server::start(vec![well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(&server, &format!("{PRICED}    max_tokens: 100\n"));
    let (tape_, access) = tape(&folder, Mode::Record);
    run(&container_with(&spec, access, None), &Arc::default()).await;
    tape_.save().unwrap();
    // A call holds a little more than ten cents: too much for this purse, but nothing is called.
    let purse = || Some(Arc::new(Purse::new(Usd::from_dollars(0.05))));
    let (_, access) = tape(&folder, Mode::Renew);
    let renewed = run(&container_with(&spec, access, purse()), &Arc::default()).await;
    assert_eq!(renewed.output, "Hi there.");
    let (_, access) = tape(&folder, Mode::Renew);
    let edited = format!("{spec}prompts: {{system: Be brief.}}\n");
    let refused = run(&container_with(&edited, access, purse()), &Arc::default()).await;
    assert!(refused.output.contains("--max-cost"), "{}", refused.output);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn personal_data_that_the_spec_declares_is_not_in_the_recording() {
    let echo = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello ann@ex\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"ample.com\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let server = Server::start(vec![well(echo)]).await;
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(&server, "audit: {personal_data: [user_id]}\n");
    let ask = async |access: Access| {
        let user = aic_guard::User { id: Some("ann@example.com".into()), roles: Vec::new() };
        let options = RunOptions { user, ..RunOptions::live(".".into()) };
        let mut talk = container_with(&spec, access, None).conversation(options).unwrap();
        talk.turn("I am ann@example.com", &Map::new(), &Answers::new()).await.output
    };
    let (tape_, access) = tape(&folder, Mode::Record);
    assert_eq!(ask(access).await, "Hello ann@example.com");
    tape_.save().unwrap();
    let file = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    assert!(!file.contains("ann@") && !file.contains("ample.com") && file.contains("«user_id»"), "{file}");
    let (_, access) = tape(&folder, Mode::Replay);
    assert_eq!(ask(access).await, "Hello ann@example.com");
}

#[tokio::test]
async fn what_a_reading_tool_returned_is_replayed_too() {
    let call = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"db\",\"arguments\":\"{\\\"query\\\":\\\"SELECT name FROM users\\\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let server = Server::start(vec![well(call), well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    database.execute_batch("CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('Ada')").unwrap();
    drop(database);
    let spec = spec(
        &server,
        "tools: {allowed: [{name: db, parameters: {type: object}, permissions: [SELECT], tables: [users], run: {sql: \"sqlite:app.db\"}}]}\n",
    );
    let ask = async |access: Access| {
        let options = RunOptions::live(folder.path().to_owned());
        let mut talk = container_with(&spec, access, None).conversation(options).unwrap();
        talk.turn("Who is there?", &Map::new(), &Answers::new()).await
    };
    let (tape_, access) = tape(&folder, Mode::Record);
    let recorded = ask(access).await;
    assert!(recorded.calls[0].result.to_string().contains("Ada"), "{:?}", recorded.calls);
    tape_.save().unwrap();
    std::fs::remove_file(folder.path().join("app.db")).unwrap();
    let (_, access) = tape(&folder, Mode::Replay);
    let replayed = ask(access).await;
    assert_eq!((replayed.output.as_str(), &replayed.calls), ("Hi there.", &recorded.calls));
}

#[tokio::test]
async fn a_replayed_model_answers_from_its_cassette_as_the_recorded_one_was_asked() {
    let server = Server::start(vec![well(OK)]).await;
    let folder = tempfile::tempdir().unwrap();
    let real = spec(&server, "    temperature: 0.5\n");
    let (tape_, access) = tape(&folder, Mode::Record);
    let recorded = run(&container_with(&real, access, None), &Arc::default()).await;
    tape_.save().unwrap();
    let cassette = std::fs::read(folder.path().join("a.jsonl")).unwrap();

    let replayed = real
        .replace("primary:", "real:")
        .replace("models:\n", "models:\n  primary: {provider: replay, cassette: a.jsonl, of: real}\n");
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let mut source = MemorySource::new();
    source.insert(path.clone(), replayed.into_bytes());
    source.insert(RelPath::new("a.jsonl").unwrap(), cassette);
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    assert_eq!(loaded.diagnostics.len(), 0, "{:#?}", loaded.diagnostics);
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    // Nothing may be called, and nothing is.
    let backing = Backing { access: Access::Never, ..Backing::default() };
    let container = Arc::new(Container::with(loaded.spec.clone().unwrap(), Arc::new(host), backing).unwrap());
    let report = run(&container, &Arc::default()).await;
    assert_eq!((report.output.as_str(), server.seen().len()), (recorded.output.as_str(), 1));
    let other =
        container.conversation(RunOptions::live(".".into())).unwrap().turn("Else?", &Map::new(), &Answers::new()).await;
    assert!(other.stale && other.output.contains("nothing is recorded for this request"), "{}", other.output);
}

#[tokio::test]
async fn effort_and_choice_of_tools_are_sent_as_the_spec_says() {
    let server = Server::start(vec![well(OK)]).await;
    let more = "    reasoning_effort: low\n    tool_choice: none\n    parallel_tool_calls: false\n\
        tools: {allowed: [{name: t, parameters: {type: object}}]}\n";
    run_alone(&spec(&server, more)).await;
    let asked = server.seen()[0].json();
    assert_eq!((&asked["reasoning_effort"], &asked["tool_choice"]), (&"low".into(), &"none".into()));
    assert_eq!(asked["parallel_tool_calls"], false);
}

#[tokio::test]
async fn the_mark_before_a_cap_is_an_event_once_a_run() {
    let server = Server::start(vec![well(OK)]).await;
    let cap = "guardrails: {runtime: [{name: cost_control, max_cost_per_hour: 1.00, alert_at: 0.008}]}\n";
    let container = container(&spec(&server, &format!("{PRICED}    max_tokens: 100\n{cap}")));
    let counters: Arc<MemoryCounters> = Arc::default();
    let alerts = |report: &TurnReport| {
        let all = report.events.iter().filter_map(|event| match &event.kind {
            EventKind::CostAlert { guardrail, spent, alert_at, cap } => {
                Some((guardrail.clone(), *spent, *alert_at, *cap))
            }
            _ => None,
        });
        all.collect::<Vec<_>>()
    };
    // Each run costs a little more than half a cent.
    assert_eq!(alerts(&run(&container, &counters).await), []);
    let told = alerts(&run(&container, &counters).await);
    let dollars = Usd::from_dollars;
    assert_eq!(told, [("cost_control".into(), dollars(0.01002), dollars(0.008), dollars(1.0))]);
}
