//! A second process: this very test binary, told by its environment what to do, and often killed while it does it.

use crate::support::{disk, files, open, rollback_to, spec};
use aic_base::{Digest, Outcome, RunId, Timestamp, Usage, Usd};
use aic_store::{AuditEntry, RunRecord, Step, Store, UndoRequest};
use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const WHAT: &str = "AIC_STORE_TEST_CHILD";

/// A child that will do this in that workspace.
pub fn command(what: &str, workspace: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::a_child_does_what_its_parent_says", "--nocapture", "--test-threads=1"]);
    command.env(WHAT, what).current_dir(workspace).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn a_child_does_what_its_parent_says() {
    let Ok(what) = std::env::var(WHAT) else { return };
    let workspace = std::env::current_dir().unwrap();
    let mut words = what.split(' ');
    let mut word = || words.next().unwrap();
    match word() {
        "rollback" => {
            let (target, die_at) = (word().parse().unwrap(), word().parse().unwrap());
            roll_back(&workspace, target, die_at);
        }
        "undo" => {
            let die_at = word().parse().unwrap();
            let request =
                UndoRequest { spec: spec(), name: "shop".into(), current: current(&workspace), operation: None };
            open(&workspace).undo_observed(request, dying(die_at)).unwrap();
        }
        "read" => {
            assert!(Store::open(&workspace, Arc::new(aic_base::SystemClock::new())).is_err());
            let store = Store::open_read_only(&workspace).unwrap();
            assert_eq!(store.version(&spec(), "v2").unwrap().files, 1);
        }
        "record" => record(&open(&workspace)),
        "spend" => {
            let (seed, cap) = (word().parse().unwrap(), word().parse().unwrap());
            crate::money::spend(&open(&workspace), seed, cap);
        }
        "share" => share(&open(&workspace), word()),
        other => panic!("{other}?"),
    }
}

/// The working files, which the child names as its spec does.
fn current(workspace: &Path) -> crate::support::Files {
    let disk = disk(workspace);
    files(&disk.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
}

/// An observer that ends the process, with no chance to clean up, at a step.
fn dying(die_at: usize) -> aic_store::Observer {
    let steps = AtomicUsize::new(0);
    Arc::new(move |_: &Step| {
        if steps.fetch_add(1, Ordering::SeqCst) == die_at {
            // As the system does it: no signal handler, no core file, no destructor.
            let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
            std::process::abort();
        }
    })
}

fn roll_back(workspace: &Path, target: Digest, die_at: usize) {
    let mut request = rollback_to(target, current(workspace));
    request.quarantine_current = true;
    open(workspace).rollback_observed(request, dying(die_at)).unwrap();
}

pub fn run(name: &str) -> RunRecord {
    RunRecord {
        run: RunId(name.into()),
        spec: spec(),
        version: None,
        case: None,
        started: Timestamp::from_millis(crate::support::NOON),
        outcome: Outcome::Completed,
        cost: Usd::from_dollars(0.01),
        usage: Usage::default(),
        latency: Duration::from_millis(20),
        events: vec![],
    }
}

pub fn entry(name: &str) -> AuditEntry {
    AuditEntry { kind: "run".into(), fields: Map::from_iter([("name".to_owned(), Value::from(name))]) }
}

/// Writes until it is killed, and says what is on the disk.
fn record(store: &Store) {
    let recorder = store.recorder();
    for n in 0.. {
        for part in 0..3 {
            recorder.append(run(&format!("{n}-{part}"))).unwrap();
            recorder.audit(entry(&format!("{n}-{part}"))).unwrap();
        }
        recorder.flush().unwrap();
        let said = format!("durable {n}\n");
        std::io::stdout().write_all(said.as_bytes()).unwrap();
    }
}

/// Writes beside others, and ends.
pub fn share(store: &Store, name: &str) {
    for n in 0..20 {
        let text = format!("{name} {n}");
        store.audit_append(entry(&text)).unwrap();
        store.record_version(crate::support::new_version(files(&[("s", &text)]))).unwrap();
        store.recorder().append(run(&text)).unwrap();
        store.count("shared", Timestamp::from_millis(n), 1).unwrap();
        let _ = store.try_reserve("capped", None, 50, 1, Timestamp::from_millis(n)).unwrap();
        store.set_tag(&spec(), name, store.version(&spec(), "current").unwrap().digest).unwrap();
        assert!(store.versions(&spec()).unwrap().iter().any(|version| version.number as i64 > n));
    }
    store.recorder().flush().unwrap();
}
