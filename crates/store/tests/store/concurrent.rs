//! Several processes and threads on one store.

use crate::child::{command, share};
use crate::support::{Workspace, files, open, rollback_to, spec};
use aic_store::{Step, StoreError};
use std::sync::Arc;

#[test]
fn processes_and_threads_that_write_together_lose_nothing() {
    let ws = Workspace::new();
    let root = ws.folder.path();
    let mut children: Vec<_> =
        ["p1", "p2"].map(|name| command(&format!("share {name}"), root).spawn().unwrap()).into_iter().collect();
    std::thread::scope(|scope| {
        scope.spawn(|| share(&open(root), "t1"));
        scope.spawn(|| share(&ws.store, "t2"));
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let store = &ws.store;
    // Each of the four appends twenty entries, and what its tag does is in the audit too.
    assert_eq!(store.audit_verify().unwrap().unwrap().entries, 4 * 20 + tag_moves(store));
    let numbers: Vec<u32> = store.versions(&spec()).unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers, (1..=80).rev().collect::<Vec<_>>());
    assert_eq!(store.runs(&spec(), 1000).unwrap().len(), 80);
    assert_eq!(store.counted("shared", None).unwrap(), 80);
    assert_eq!(store.counted("capped", None).unwrap(), 50, "the cap holds across processes");
    let history = store.operations(&spec()).unwrap();
    assert!(history.windows(2).all(|pair| pair[0].before == pair[1].after), "the views join");
}

fn tag_moves(store: &aic_store::Store) -> u64 {
    let history = store.operations(&spec()).unwrap();
    history.iter().filter(|operation| operation.kind == aic_store::OperationKind::Tag).count() as u64
}

#[test]
fn one_rollback_is_at_work_at_a_time_and_others_leave_it_alone() {
    let ws = Workspace::new();
    let good = ws.save(&[("s", "good")]).digest;
    ws.save(&[("s", "bad")]);
    let root = ws.folder.path().to_path_buf();
    let observer = Arc::new(move |step: &Step| {
        if *step == Step::Journalled {
            let other = open(&root);
            assert_eq!(other.recovered(), None, "a living process finishes its own");
            assert!(other.pending_operation().unwrap().is_some());
            let error = other.rollback(rollback_to(good, files(&[("s", "bad")]))).unwrap_err();
            assert!(matches!(error, StoreError::RollbackAtWork { .. }), "{error}");
            assert!(matches!(other.abandon_pending("x"), Err(StoreError::RollbackAtWork { .. })));
        }
    });
    ws.store.rollback_observed(rollback_to(good, files(&[("s", "bad")])), observer).unwrap();
    assert_eq!(ws.text("s").unwrap(), "good");
}

#[test]
fn one_runs_and_the_others_follow() {
    let ws = Workspace::new();
    let other = open(ws.folder.path());
    let lease = ws.store.try_lease().unwrap().unwrap();
    assert!(other.try_lease().unwrap().is_none());
    assert_eq!(other.lease_holder(), Some(std::process::id()));
    drop(lease);
    assert!(other.try_lease().unwrap().is_some());
}
