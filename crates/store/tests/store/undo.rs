//! Undo takes back what one operation did, and no more.

use crate::support::{Workspace, files, rollback_to, spec, texts};
use aic_store::{OperationKind, RollbackRequest, StoreError, UndoRequest};

const ONE: &[(&str, &str)] = &[("s.yml", "one"), ("old.md", "o")];
const TWO: &[(&str, &str)] = &[("s.yml", "two"), ("new.md", "n")];

fn rolled_back() -> Workspace {
    let ws = Workspace::new();
    let one = ws.save(ONE).digest;
    std::fs::remove_file(ws.folder.path().join("old.md")).unwrap();
    ws.save(TWO);
    let request = RollbackRequest { quarantine_current: true, ..rollback_to(one, files(TWO)) };
    ws.store.rollback(request).unwrap();
    ws
}

#[test]
fn undoing_a_rollback_restores_the_files_and_lifts_its_quarantine() {
    let ws = rolled_back();
    assert_eq!(ws.disk(), texts(ONE));
    let before = ws.store.operations(&spec()).unwrap();
    ws.undo(ONE).unwrap();
    assert_eq!(ws.disk(), texts(TWO));
    assert_eq!(ws.store.version(&spec(), "current").unwrap().quarantined, None);
    let after = ws.store.operations(&spec()).unwrap();
    assert_eq!(after[1..], before, "history is added to, never changed");
    assert_eq!((after[0].kind, after[0].undoes), (OperationKind::Undo, Some(before[0].id)));
    assert_eq!(after[0].after, before[0].before);
}

#[test]
fn a_second_undo_finds_nothing_and_the_undo_itself_can_be_undone() {
    let ws = rolled_back();
    let undo = ws.undo(ONE).unwrap().operation;
    assert!(matches!(ws.undo(TWO), Err(StoreError::NothingToUndo { .. })));
    let redo = UndoRequest { spec: spec(), name: "shop".into(), current: files(TWO), operation: Some(undo) };
    ws.store.undo(redo.clone()).unwrap();
    assert_eq!(ws.disk(), texts(ONE));
    assert!(ws.store.version(&spec(), "v2").unwrap().quarantined.is_some(), "the quarantine is back too");
    assert!(matches!(ws.store.undo(redo), Err(StoreError::NothingToUndo { .. })), "it is undone already");
    ws.undo(ONE).unwrap();
    assert_eq!(ws.disk(), texts(TWO), "the rollback stands again, and can be undone again");
}

#[test]
fn a_quarantine_that_somebody_else_set_is_not_lifted() {
    let ws = Workspace::new();
    let (one, two) = (ws.save(ONE).digest, ws.save(TWO).digest);
    ws.store.rollback(rollback_to(one, files(TWO))).unwrap();
    let rollback = ws.store.operations(&spec()).unwrap()[0].id;
    ws.store.quarantine(&spec(), two, "leaks").unwrap();
    let request = UndoRequest { spec: spec(), name: "shop".into(), current: files(ONE), operation: Some(rollback) };
    assert!(matches!(ws.store.undo(request), Err(StoreError::Quarantined { .. })));
}

#[test]
fn tags_and_quarantines_are_undone_one_by_one_without_touching_files() {
    let ws = Workspace::new();
    let (one, two) = (ws.save(ONE).digest, ws.save(TWO).digest);
    ws.store.set_tag(&spec(), "good", one).unwrap();
    ws.store.set_tag(&spec(), "good", two).unwrap();
    ws.store.quarantine(&spec(), one, "x").unwrap();
    let disk = ws.disk();
    ws.undo(TWO).unwrap();
    assert_eq!(ws.store.version(&spec(), "v1").unwrap().quarantined, None);
    ws.undo(TWO).unwrap();
    assert_eq!(ws.store.tags(&spec()).unwrap()["good"], one);
    ws.undo(TWO).unwrap();
    assert!(ws.store.tags(&spec()).unwrap().is_empty());
    assert!(matches!(ws.undo(TWO), Err(StoreError::NothingToUndo { .. })));
    assert_eq!(ws.disk(), disk);
}

#[test]
fn a_tag_that_was_moved_since_is_left_where_it_is() {
    let ws = Workspace::new();
    let (one, two) = (ws.save(ONE).digest, ws.save(TWO).digest);
    ws.store.set_tag(&spec(), "good", one).unwrap();
    let first = ws.store.operations(&spec()).unwrap()[0].id;
    ws.store.set_tag(&spec(), "good", two).unwrap();
    let request = UndoRequest { spec: spec(), name: "shop".into(), current: files(TWO), operation: Some(first) };
    ws.store.undo(request).unwrap();
    assert_eq!(ws.store.tags(&spec()).unwrap()["good"], two);
}
