//! The store when its process dies: at every step of a rollback, and in the middle of writing.

use crate::child::command;
use crate::support::{Workspace, disk, files, open, spec, texts};
use aic_base::{Digest, RunId};
use aic_store::OperationKind;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

const GOOD: &[(&str, &str)] = &[("a/b/c.md", "c1"), ("gone.js", "g"), ("prompt.md", "same"), ("s.yml", "good")];
const BAD: &[(&str, &str)] = &[("a/b/c.md", "c2"), ("new/n.js", "n"), ("prompt.md", "same"), ("s.yml", "bad")];

/// More steps than any rollback here has.
const MANY: usize = 64;

fn gone_bad() -> (TempDir, Digest) {
    let ws = Workspace::new();
    let good = ws.save(GOOD).digest;
    std::fs::remove_file(ws.folder.path().join("gone.js")).unwrap();
    ws.save(BAD);
    (ws.folder, good)
}

/// Whether the child died rather than finished.
fn dies(what: &str, workspace: &Path) -> bool {
    !command(what, workspace).status().unwrap().success()
}

#[test]
fn a_rollback_that_is_killed_at_any_step_is_finished_by_the_next_start() {
    let mut killed = 0;
    for step in 0..MANY {
        let (folder, good) = gone_bad();
        if !dies(&format!("rollback {good} {step}"), folder.path()) {
            break;
        }
        killed += 1;
        let store = open(folder.path());
        assert_eq!(disk(folder.path()), texts(GOOD), "step {step}");
        assert_eq!(store.pending_operation().unwrap(), None, "step {step}");
        let bad = store.version(&spec(), "v2").unwrap();
        assert_eq!(store.files_of(bad.digest).unwrap(), files(BAD), "step {step}");
        assert!(bad.quarantined.is_some() && store.version(&spec(), "v1").unwrap().current, "step {step}");
        let history = store.operations(&spec()).unwrap();
        let rollbacks = history.iter().filter(|operation| operation.kind == OperationKind::Rollback);
        assert_eq!(rollbacks.count(), 1, "step {step}");
        assert_eq!(store.audit_verify().unwrap().unwrap().entries, 1, "step {step}");
        if let Some(recovered) = store.recovered() {
            assert_eq!(recovered.outcome.as_ref().unwrap().rescued, None, "step {step}");
        }
    }
    assert!((10..MANY).contains(&killed), "every step was tried: {killed}");
}

#[test]
fn an_undo_that_is_killed_at_any_step_is_finished_by_the_next_start() {
    let mut killed = 0;
    for step in 0..MANY {
        let (folder, good) = gone_bad();
        assert!(!dies(&format!("rollback {good} {MANY}"), folder.path()));
        if !dies(&format!("undo {step}"), folder.path()) {
            break;
        }
        killed += 1;
        let store = open(folder.path());
        assert_eq!(disk(folder.path()), texts(BAD), "step {step}");
        assert_eq!(store.version(&spec(), "v2").unwrap().quarantined, None, "step {step}");
    }
    assert!((10..MANY).contains(&killed), "every step was tried: {killed}");
}

#[test]
fn what_a_person_writes_after_the_crash_is_not_lost() {
    for step in 0..MANY {
        let (folder, good) = gone_bad();
        if !dies(&format!("rollback {good} {step}"), folder.path()) {
            break;
        }
        std::fs::write(folder.path().join("s.yml"), "typed after the crash").unwrap();
        let store = open(folder.path());
        match store.recovered() {
            None => assert_eq!(disk(folder.path())["s.yml"], "typed after the crash", "step {step}"),
            Some(recovered) => {
                let rescued = recovered.outcome.as_ref().unwrap().rescued.unwrap();
                let kept = store.files_of(rescued).unwrap();
                assert!(kept.values().any(|bytes| bytes[..] == *b"typed after the crash"), "step {step}");
                assert_eq!(disk(folder.path()), texts(GOOD), "step {step}");
            }
        }
    }
}

#[test]
fn what_was_flushed_is_there_after_the_process_was_killed() {
    for rounds in [1, 7, 20] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command("record", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains(&format!("durable {rounds}\n")) {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "the child ended: {said}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.read_to_string(&mut said).unwrap();
        let durable = said.lines().filter_map(|line| line.rsplit_once("durable ")?.1.parse::<usize>().ok()).max();
        let store = open(folder.path());
        for n in 0..=durable.unwrap() {
            for part in 0..3 {
                assert!(store.run(&RunId(format!("{n}-{part}"))).unwrap().is_some(), "{n}-{part} of {durable:?}");
            }
        }
        let report = store.audit_verify().unwrap().unwrap();
        assert!(report.entries >= 3 * (durable.unwrap() as u64 + 1), "{report:?}");
    }
}

#[test]
fn a_rollback_that_a_dead_process_left_is_finished_before_the_next_one() {
    let (folder, good) = gone_bad();
    // This handle was open all along, so that no start has finished it.
    let store = open(folder.path());
    assert!(dies(&format!("rollback {good} 3"), folder.path()));
    assert!(store.pending_operation().unwrap().unwrap().committed);
    assert_eq!(store.recovered(), None);
    let recovered = store.finish_pending().unwrap().unwrap();
    assert_eq!(recovered.outcome.unwrap().to, good);
    assert_eq!(disk(folder.path()), texts(GOOD));
    assert_eq!(store.finish_pending().unwrap(), None);
}

#[test]
fn a_rollback_that_cannot_be_finished_stays_pending_until_it_is_given_up() {
    let (folder, good) = gone_bad();
    assert!(dies(&format!("rollback {good} 3"), folder.path()));
    let spec_file = folder.path().join("s.yml");
    std::fs::remove_file(&spec_file).unwrap();
    std::fs::create_dir(&spec_file).unwrap();
    std::fs::write(spec_file.join("in the way"), "x").unwrap();
    let store = open(folder.path());
    assert!(store.recovered().unwrap().outcome.is_err());
    assert!(store.pending_operation().unwrap().is_some());
    assert!(store.rollback(crate::support::rollback_to(good, files(BAD))).is_err());
    assert_eq!(store.abandon_pending("a folder is in the way").unwrap().unwrap().to, good);
    assert_eq!(store.pending_operation().unwrap(), None);
    assert_eq!(store.operations(&spec()).unwrap()[0].kind, OperationKind::Abandon);
    let left = disk(folder.path()).keys().filter(|name| name.ends_with(".aic-restore")).count();
    assert_eq!(left, 0, "nothing staged is left lying about");
    assert!(spec_file.join("in the way").exists());
}
