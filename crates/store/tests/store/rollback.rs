//! Rollback of working files: what is put back, what is kept, what is refused.

use crate::support::{Workspace, disk, files, new_version, path, rollback_to, spec, texts};
use aic_store::{FileChangeKind, NewVersion, RollbackReport, RollbackRequest, Step, StoreError, VersionReason};
use std::sync::{Arc, Mutex};

const GOOD: &[(&str, &str)] = &[(".aicontainer.yml", "good"), ("prompts/a.md", "a"), ("tools/gone.js", "g")];
const BAD: &[(&str, &str)] = &[(".aicontainer.yml", "bad"), ("prompts/a.md", "a"), ("guards/new.js", "n")];

fn kinds(report: &RollbackReport) -> Vec<(&str, FileChangeKind)> {
    report.changed.iter().map(|change| (change.path.as_str(), change.kind)).collect()
}

/// A workspace whose files were good once and are bad now.
fn gone_bad() -> (Workspace, aic_base::Digest) {
    let ws = Workspace::new();
    let good = ws.save(GOOD).digest;
    std::fs::remove_file(ws.folder.path().join("tools/gone.js")).unwrap();
    ws.save(BAD);
    (ws, good)
}

#[test]
fn the_working_files_become_the_target_and_the_report_says_how() {
    let (ws, good) = gone_bad();
    let report = ws.store.rollback(rollback_to(good, files(BAD))).unwrap();
    assert_eq!(ws.disk(), texts(GOOD));
    use FileChangeKind::{Created, Removed, Restored, Unchanged};
    assert_eq!(
        kinds(&report),
        [
            (".aicontainer.yml", Restored),
            ("guards/new.js", Removed),
            ("prompts/a.md", Unchanged),
            ("tools/gone.js", Created)
        ]
    );
    assert_eq!(report.rescued, None);
    assert_eq!(ws.store.pending_operation().unwrap(), None);
    assert!(ws.store.version(&spec(), "v1").unwrap().current);
}

#[test]
fn what_was_not_saved_is_recorded_before_it_is_replaced() {
    let (ws, good) = gone_bad();
    let edited = &[(".aicontainer.yml", "worse"), ("prompts/a.md", "a")];
    ws.put(edited);
    let report = ws.store.rollback(rollback_to(good, files(edited))).unwrap();
    assert_eq!(ws.store.files_of(report.from).unwrap(), files(edited));
    assert_eq!(ws.store.version(&spec(), "v3").unwrap().reason, VersionReason::BeforeRollback);
    assert_eq!(ws.text("guards/new.js").unwrap(), "n", "a file that the working version does not name stays");
}

#[test]
fn what_the_caller_did_not_see_is_rescued() {
    let (ws, good) = gone_bad();
    ws.put(&[(".aicontainer.yml", "typed a moment ago"), ("guards/new.js", "edited")]);
    let report = ws.store.rollback(rollback_to(good, files(BAD))).unwrap();
    let rescued = ws.store.files_of(report.rescued.unwrap()).unwrap();
    assert_eq!(&rescued[&spec()][..], b"typed a moment ago");
    assert_eq!(ws.text(".aicontainer.yml").unwrap(), "good");
    assert_eq!(ws.text("guards/new.js").unwrap(), "edited", "an edited file is not taken away");
    assert!(kinds(&report).contains(&("guards/new.js", FileChangeKind::Kept)));
}

#[test]
fn the_version_that_is_left_can_be_set_aside_in_the_same_step() {
    let (ws, good) = gone_bad();
    let request = RollbackRequest { quarantine_current: true, ..rollback_to(good, files(BAD)) };
    let report = ws.store.rollback(request).unwrap();
    let left = ws.store.version(&spec(), "v2").unwrap();
    assert_eq!((left.digest, left.quarantined.as_deref()), (report.from, Some("worse answers")));
    let back = ws.store.rollback(rollback_to(report.from, files(GOOD))).unwrap_err();
    assert!(matches!(&back, StoreError::Quarantined { .. }), "{back}");
    assert_eq!(ws.disk(), texts(GOOD));
    let audit = ws.store.audit(1).unwrap();
    assert_eq!(audit[0].kind, "rollback");
    assert_eq!(audit[0].fields["quarantined"][0], report.from.to_string());
}

#[test]
fn a_version_that_was_set_aside_before_keeps_its_reason() {
    let (ws, good) = gone_bad();
    let bad = ws.store.version(&spec(), "v2").unwrap().digest;
    ws.store.quarantine(&spec(), bad, "leaks").unwrap();
    ws.store.rollback(RollbackRequest { quarantine_current: true, ..rollback_to(good, files(BAD)) }).unwrap();
    assert_eq!(ws.store.version(&spec(), "v2").unwrap().quarantined.as_deref(), Some("leaks"));
}

#[test]
fn a_rollback_to_where_one_is_is_refused() {
    let (ws, good) = gone_bad();
    let same = ws.store.rollback(rollback_to(good, files(GOOD))).unwrap_err();
    assert_eq!(
        same.to_string().split(": ").nth(1),
        Some(&*format!("the working files already are v1 ({})", good.short()))
    );
    let none = ws.store.rollback(rollback_to(aic_base::Digest::of("x"), files(BAD))).unwrap_err();
    assert!(matches!(none, StoreError::NoVersion { .. }));
    assert_eq!(ws.store.versions(&spec()).unwrap().len(), 2, "what is refused leaves no trace");
    assert_eq!(ws.store.operations(&spec()).unwrap().len(), 2);
}

#[test]
fn files_stay_where_removing_was_not_asked_for_or_another_spec_needs_them() {
    let (ws, good) = gone_bad();
    ws.store.rollback(RollbackRequest { remove_added: false, ..rollback_to(good, files(BAD)) }).unwrap();
    assert_eq!(ws.text("guards/new.js").unwrap(), "n");

    let (ws, good) = gone_bad();
    let other = files(&[("b.ai.yml", "b"), ("guards/new.js", "n")]);
    ws.store.record_version(NewVersion { spec: path("b.ai.yml"), ..new_version(other) }).unwrap();
    let report = ws.store.rollback(rollback_to(good, files(BAD))).unwrap();
    assert!(kinds(&report).contains(&("guards/new.js", FileChangeKind::Kept)));
    assert_eq!(ws.text("guards/new.js").unwrap(), "n");
}

#[test]
fn a_folder_becomes_a_file_and_a_file_a_folder() {
    let ws = Workspace::new();
    let (deep, flat) = (&[("s", "1"), ("x/y/z", "deep")], &[("s", "2"), ("x", "flat")]);
    let deep_one = ws.save(deep).digest;
    std::fs::remove_dir_all(ws.folder.path().join("x")).unwrap();
    let flat_one = ws.save(flat).digest;
    ws.store.rollback(rollback_to(deep_one, files(flat))).unwrap();
    assert_eq!(ws.disk(), texts(deep));
    ws.store.rollback(rollback_to(flat_one, files(deep))).unwrap();
    assert_eq!(ws.disk(), texts(flat));
}

#[test]
fn a_file_that_cannot_be_replaced_stops_the_rollback_before_anything_moves() {
    let (ws, good) = gone_bad();
    let tools = ws.folder.path().join("tools");
    std::fs::remove_dir_all(&tools).unwrap();
    std::fs::write(&tools, "a file in a folder's place").unwrap();
    let before = ws.disk();
    let error = ws.store.rollback(rollback_to(good, files(BAD))).unwrap_err();
    assert!(matches!(&error, StoreError::File { path, .. } if path.as_str() == "tools/gone.js"), "{error}");
    assert_eq!(ws.disk(), before);
    assert_eq!(ws.store.pending_operation().unwrap(), None);
    assert!(ws.store.version(&spec(), "v2").unwrap().current, "the store has not moved either");
    std::fs::remove_file(&tools).unwrap();
    ws.store.rollback(rollback_to(good, files(BAD))).unwrap();
    assert_eq!(ws.disk(), texts(GOOD));
}

#[test]
fn a_store_that_was_tampered_with_does_not_reach_gits_configuration() {
    let ws = Workspace::new();
    let evil = ws.save(&[("s", "1"), ("evil", "[core] fsmonitor = evil")]).digest;
    std::fs::remove_file(ws.folder.path().join("evil")).unwrap();
    ws.save(&[("s", "2")]);
    let db = rusqlite::Connection::open(ws.folder.path().join(".aic/store.db")).unwrap();
    let tamper = "DROP TRIGGER file_stays; UPDATE version_file SET path = '.git/config' WHERE path = 'evil'";
    db.execute_batch(tamper).unwrap();
    let error = ws.store.rollback(rollback_to(evil, files(&[("s", "2")]))).unwrap_err();
    assert!(matches!(error, StoreError::OffLimits { .. }), "{error}");
    assert_eq!(ws.disk(), texts(&[("s", "2")]));
    db.execute_batch("UPDATE version_file SET path = '../outside' WHERE path = '.git/config'").unwrap();
    let error = ws.store.rollback(rollback_to(evil, files(&[("s", "2")]))).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(ws.store.pending_operation().unwrap(), None);
}

#[test]
fn the_steps_come_in_order_and_the_workspace_is_pending_between_them() {
    let (ws, good) = gone_bad();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let (seen, reader) = (steps.clone(), aic_store::Store::open_read_only(ws.folder.path()).unwrap());
    let observer = Arc::new(move |step: &Step| {
        let pending = reader.pending_operation().unwrap().map(|pending| pending.committed);
        seen.lock().unwrap().push((step.clone(), pending));
    });
    ws.store.rollback_observed(rollback_to(good, files(BAD)), observer).unwrap();
    let steps = steps.lock().unwrap();
    let at = |wanted: &Step| steps.iter().find(|(step, _)| step == wanted).unwrap().1;
    assert_eq!(at(&Step::Journalled), Some(false));
    assert_eq!(at(&Step::InTransaction), Some(false));
    assert_eq!(at(&Step::Committed), Some(true));
    assert_eq!(at(&Step::BeforeClose), Some(true));
    assert_eq!(at(&Step::Closed), None);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn mode(ws: &Workspace, name: &str) -> u32 {
        ws.folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_bits() {
        let (ws, good) = gone_bad();
        let set = |bits| {
            let file = ws.folder.path().join(".aicontainer.yml");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(bits)).unwrap();
        };
        set(0o640);
        ws.store.rollback(rollback_to(good, files(BAD))).unwrap();
        assert_eq!(mode(&ws, ".aicontainer.yml"), 0o640);
        assert_eq!(mode(&ws, "tools/gone.js") & 0o400, 0o400);
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("a.md"), "theirs").unwrap();
        for link_folder in [true, false] {
            let (ws, good) = gone_bad();
            let prompts = ws.folder.path().join("prompts");
            if link_folder {
                std::fs::remove_dir_all(&prompts).unwrap();
                symlink(outside.path(), &prompts).unwrap();
            } else {
                std::fs::remove_file(prompts.join("a.md")).unwrap();
                symlink(outside.path().join("a.md"), prompts.join("a.md")).unwrap();
            }
            let error = ws.store.rollback(rollback_to(good, files(BAD))).unwrap_err();
            assert!(error.to_string().contains("leads out of the workspace"), "{error}");
            assert_eq!(ws.store.pending_operation().unwrap(), None);
        }
        assert_eq!(disk(outside.path()), texts(&[("a.md", "theirs")]));
    }

    #[test]
    fn a_link_inside_the_workspace_stays_a_link() {
        let ws = Workspace::new();
        let good = ws.save(&[("real.md", "good")]).digest;
        std::fs::create_dir(ws.folder.path().join("p")).unwrap();
        symlink("../real.md", ws.folder.path().join("p/link.md")).unwrap();
        let named = |text| files(&[("p/link.md", text)]);
        let good_link = ws.store.record_version(new_version(named("good"))).unwrap().digest;
        ws.put(&[("real.md", "bad")]);
        ws.store.rollback(rollback_to(good_link, named("bad"))).unwrap();
        assert_eq!(ws.text("real.md").unwrap(), "good");
        assert!(ws.folder.path().join("p/link.md").symlink_metadata().unwrap().is_symlink());
        assert_ne!(good, good_link);
    }
}
