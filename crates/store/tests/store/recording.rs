//! Runs, events, samples, cases, counters.

use crate::child::{entry, run};
use crate::support::{Workspace, noon, open, path, spec};
use aic_base::{Action, Decision, Digest, Event, EventKind, RunId, Stage, Timestamp, Tokens, Usage, Usd};
use aic_store::{CaseResult, Reserved, RunRecord, StoreError};
use serde_json::json;
use std::time::Duration;

const SECRET: &str = "my card is 4111-1111";

fn event(seq: u32, kind: EventKind) -> Event {
    Event { run: RunId("r1".into()), seq, after: Duration::from_micros(u64::from(seq)), kind }
}

fn guardrail(action: Action) -> EventKind {
    EventKind::Guardrail(Decision {
        guardrail: "pii".into(),
        stage: Stage::PreExecution,
        action,
        span: None,
        reason: "a card number".into(),
        replacement: None,
        confidence: 1.0,
        failed: false,
    })
}

fn full_run() -> RunRecord {
    let events = vec![
        event(0, EventKind::Notice { message: SECRET.into() }),
        event(1, guardrail(Action::Log)),
        event(2, guardrail(Action::Redact)),
    ];
    RunRecord {
        version: Some(Digest::of("v")),
        case: Some("greets".into()),
        usage: Usage { input_tokens: Tokens(10), output_tokens: Tokens(5), estimated: true },
        latency: Duration::from_micros(1_234_567),
        events,
        ..run("r1")
    }
}

#[test]
fn a_run_is_read_back_with_its_events_and_numbers() {
    let ws = Workspace::new();
    let record = full_run();
    let recorder = ws.store.recorder();
    recorder.append(record.clone()).unwrap();
    recorder.flush().unwrap();
    let stored = ws.store.run(&record.run).unwrap().unwrap();
    assert_eq!((stored.version, stored.case, stored.usage), (record.version, record.case, record.usage));
    assert_eq!((stored.cost, stored.latency, stored.guardrail_hits), (record.cost, record.latency, 1));
    let events: Vec<Event> =
        ws.store.events(&record.run).unwrap().into_iter().map(|stored| stored.event.unwrap()).collect();
    assert_eq!(events, record.events);
    let samples = ws.store.samples(&spec(), noon()).unwrap();
    assert_eq!((samples.len(), samples[0].tokens, samples[0].cost), (1, Tokens(15), record.cost));
    assert!(ws.store.samples(&spec(), noon().plus(Duration::from_millis(1))).unwrap().is_empty());
    assert!(ws.store.runs(&path("other"), 9).unwrap().is_empty());
    assert_eq!(ws.store.run(&RunId("none".into())).unwrap(), None);
}

#[test]
fn erasing_takes_what_was_said_and_leaves_numbers_digests_and_the_chain() {
    let ws = Workspace::new();
    let recorder = ws.store.recorder();
    recorder.append(full_run()).unwrap();
    recorder.audit(entry("r1")).unwrap();
    recorder.flush().unwrap();
    let before = ws.store.events(&RunId("r1".into())).unwrap();
    let on_disk = || {
        let read = |name: &str| std::fs::read(ws.folder.path().join(".aic").join(name)).unwrap_or_default();
        [read("store.db"), read("store.db-wal")].concat().windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
    };
    assert!(on_disk());
    assert_eq!(ws.store.erase_run(&RunId("r1".into())).unwrap(), 3);
    let after = ws.store.events(&RunId("r1".into())).unwrap();
    assert!(after.iter().all(|event| event.event.is_none()));
    assert!(after.iter().zip(&before).all(|(after, before)| after.digest == before.digest));
    assert_eq!(ws.store.samples(&spec(), noon()).unwrap().len(), 1);
    assert_eq!(ws.store.audit_verify().unwrap().unwrap().entries, 2, "the erasure is in the audit");
    assert!(!on_disk(), "it is overwritten, not only forgotten");
    assert_eq!(ws.store.erase_runs_before(noon().plus(Duration::from_secs(1))).unwrap(), 0);
}

#[test]
fn the_same_run_twice_is_one_and_a_different_one_of_its_name_is_told_once() {
    let ws = Workspace::new();
    let recorder = ws.store.recorder();
    recorder.append(run("a")).unwrap();
    recorder.append(run("a")).unwrap();
    recorder.flush().unwrap();
    recorder.append(RunRecord { cost: Usd::ZERO, ..run("a") }).unwrap();
    assert!(matches!(recorder.flush(), Err(StoreError::DuplicateRun { .. })));
    recorder.append(run("b")).unwrap();
    recorder.flush().unwrap();
    assert_eq!(ws.store.runs(&spec(), 9).unwrap().len(), 2);
}

#[test]
fn what_the_disk_refuses_is_kept_and_written_once_it_can_be() {
    let ws = Workspace::new();
    let db = rusqlite::Connection::open(ws.folder.path().join(".aic/store.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'refused'); END";
    db.execute_batch(refuse).unwrap();
    let recorder = ws.store.recorder();
    recorder.append(run("a")).unwrap();
    assert!(recorder.flush().is_err());
    assert!(recorder.append(run("b")).is_err(), "the next append tells, and is kept");
    assert!(recorder.flush().is_err());
    db.execute_batch("DROP TRIGGER refuse").unwrap();
    recorder.flush().unwrap();
    recorder.append(run("c")).unwrap();
    recorder.flush().unwrap();
    assert_eq!(ws.store.runs(&spec(), 9).unwrap().len(), 3);
}

#[test]
fn what_was_handed_over_is_written_before_the_store_goes() {
    let ws = Workspace::new();
    let recorder = ws.store.recorder();
    for n in 0..500 {
        recorder.append(run(&n.to_string())).unwrap();
    }
    let aic_folder = ws.folder;
    drop((recorder, ws.store));
    assert_eq!(open(aic_folder.path()).runs(&spec(), 1000).unwrap().len(), 500);
}

#[test]
fn a_case_keeps_its_result_only_while_its_digest_is_equal() {
    let ws = Workspace::new();
    let digest = Digest::of("case");
    let result = |verdict: &str| CaseResult {
        spec: spec(),
        digest,
        verdict: verdict.into(),
        payload: json!({"b": 1, "a": [null]}),
    };
    ws.store.put_case_results(vec![result("failed"), result("passed")]).unwrap();
    let stored = ws.store.case_result(&spec(), digest).unwrap().unwrap();
    assert_eq!((stored.verdict.as_str(), stored.payload, stored.at), ("passed", result("").payload, noon()));
    assert_eq!(ws.store.case_result(&spec(), Digest::of("changed")).unwrap(), None);
    assert_eq!(ws.store.case_result(&path("other"), digest).unwrap(), None);
    assert_eq!(ws.store.prune_case_results(noon().plus(Duration::from_secs(1))).unwrap(), 1);
}

#[test]
fn a_window_slides_and_its_cap_holds() {
    let ws = Workspace::new();
    let minute = Some(Duration::from_secs(60));
    let at = |second: i64| Timestamp::from_millis(second * 1000);
    let reserve = |amount, second| ws.store.try_reserve("k", minute, 100, amount, at(second)).unwrap();
    let Reserved::Granted(first) = reserve(60, 0) else { panic!("refused") };
    let Reserved::Granted(second) = reserve(40, 10) else { panic!("refused") };
    assert_eq!(reserve(1, 20), Reserved::Refused { sum: 100 });
    ws.store.release(second).unwrap();
    ws.store.settle(first, 130).unwrap();
    assert_eq!(reserve(0, 30), Reserved::Refused { sum: 130 }, "more than was reserved is counted in full");
    assert!(matches!(reserve(100, 60), Reserved::Granted(_)), "the first has left the window");
    assert_eq!(ws.store.counted("k", Some(at(0))).unwrap(), 230);
    assert_eq!(ws.store.counted("other", None).unwrap(), 0);
    assert_eq!(ws.store.prune_counters(at(60)).unwrap(), 1);
}

#[test]
fn huge_amounts_neither_wrap_nor_fail() {
    let ws = Workspace::new();
    for _ in 0..3 {
        ws.store.count("k", noon(), u64::MAX).unwrap();
    }
    assert_eq!(ws.store.counted("k", None).unwrap(), i64::MAX as u64);
    let refused = ws.store.try_reserve("k", None, u64::MAX - 1, u64::MAX, noon()).unwrap();
    assert!(matches!(refused, Reserved::Refused { .. }));
}
