//! Versions, tags, verdicts, quarantines.

use crate::support::{Workspace, files, new_version, open, path, spec, verdict};
use aic_base::{Digest, Source as _};
use aic_store::{NewVersion, OperationKind, StoreError, VersionReason, version_digest};

const ONE: &[(&str, &str)] = &[(".aicontainer.yml", "one"), ("prompts/system.md", "be kind")];
const TWO: &[(&str, &str)] = &[(".aicontainer.yml", "two"), ("prompts/system.md", "be kind")];
const THREE: &[(&str, &str)] = &[(".aicontainer.yml", "three")];

#[test]
fn equal_files_are_one_version_and_different_ones_are_numbered() {
    let ws = Workspace::new();
    let (one, two, again) = (ws.save(ONE), ws.save(TWO), ws.save(ONE));
    assert_eq!((one.number, one.is_new), (1, true));
    assert_eq!((two.number, two.is_new), (2, true));
    assert_eq!((again.number, again.is_new, again.digest), (1, false, one.digest));
    assert_eq!(one.digest, version_digest(&spec(), &files(ONE)));
    let versions = ws.store.versions(&spec()).unwrap();
    assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(versions[1].files, 2);
    assert!(versions[1].current && !versions[0].current);
}

#[test]
fn a_version_is_read_back_byte_for_byte_after_the_store_was_closed() {
    let ws = Workspace::new();
    let one = ws.save(ONE).digest;
    let Workspace { folder, store } = ws;
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.files_of(one).unwrap(), files(ONE));
    assert_eq!(store.source_of(one).unwrap().read_text(&path("prompts/system.md")).unwrap(), "be kind");
    assert!(matches!(store.files_of(Digest::of("x")), Err(StoreError::UnknownDigest { .. })));
}

#[test]
fn each_spec_counts_its_own_versions() {
    let ws = Workspace::new();
    ws.save(ONE);
    let other = NewVersion { spec: path("b.ai.yml"), ..new_version(files(ONE)) };
    assert_eq!(ws.store.record_version(other).unwrap().number, 1);
    assert_eq!(ws.store.specs().unwrap(), [spec(), path("b.ai.yml")]);
}

#[test]
fn a_version_is_found_by_number_tag_pointer_and_digits() {
    let ws = Workspace::new();
    let (one, two) = (ws.save(ONE).digest, ws.save(TWO).digest);
    ws.store.set_tag(&spec(), "good", one).unwrap();
    ws.store.record_verdict(&spec(), one, verdict(3, 0, 1, 0)).unwrap();
    let found = |name: &str| ws.store.version(&spec(), name).map(|version| version.digest);
    assert_eq!(found("v1"), Ok(one));
    assert_eq!(found("good"), Ok(one));
    assert_eq!(found("stable"), Ok(one));
    assert_eq!(found("current"), Ok(two));
    assert_eq!(found(&two.short()), Ok(two));
    assert_eq!(found(&two.to_string().to_uppercase()), Ok(two));
    let error = found("v9").unwrap_err().to_string();
    assert_eq!(error, ".aicontainer.yml: no version `v9`: there are stable, good, v2, v1");
    for name in ["", "v", "v0", "v99999999999", "abc", "zzzz", "\0"] {
        assert!(matches!(found(name), Err(StoreError::NoVersion { .. })), "{name}");
    }
}

#[test]
fn digits_that_fit_several_versions_list_them() {
    let ws = Workspace::new();
    // Enough versions for two of them to share four digits.
    let mut seen = std::collections::HashMap::new();
    let shared = (0..).find_map(|n| {
        let text = n.to_string();
        let digest = version_digest(&spec(), &files(&[("a", &text)])).to_string();
        seen.insert(digest[..4].to_owned(), text.clone()).map(|other| (digest[..4].to_owned(), [other, text]))
    });
    let (digits, contents) = shared.unwrap();
    for text in &contents {
        ws.store.record_version(new_version(files(&[("a", text)]))).unwrap();
    }
    let error = ws.store.version(&spec(), &digits).unwrap_err();
    assert!(matches!(&error, StoreError::Ambiguous { among, .. } if among.len() == 2), "{error}");
}

#[test]
fn only_a_version_whose_tests_all_passed_is_stable() {
    let ws = Workspace::new();
    let one = ws.save(ONE).digest;
    let stable = |verdict| {
        ws.store.record_verdict(&spec(), one, verdict).unwrap();
        ws.store.stable(&spec()).unwrap().is_some()
    };
    assert!(stable(verdict(1, 0, 0, 0)) && stable(verdict(1, 0, 5, 0)));
    assert!(!stable(verdict(0, 0, 5, 0)), "nothing passed");
    assert!(!stable(verdict(9, 0, 0, 1)), "one is stale");
    assert!(!stable(verdict(9, 1, 0, 0)), "one failed");
}

#[test]
fn stable_is_the_newest_that_is_not_set_aside() {
    let ws = Workspace::new();
    let (one, two, three) = (ws.save(ONE).digest, ws.save(TWO).digest, ws.save(THREE).digest);
    let stable = || ws.store.view(&spec()).unwrap().stable;
    for digest in [two, one] {
        ws.store.record_verdict(&spec(), digest, verdict(2, 0, 0, 0)).unwrap();
    }
    assert_eq!(stable(), Some(two));
    ws.store.quarantine(&spec(), two, "leaks").unwrap();
    assert_eq!(stable(), Some(one));
    ws.store.record_verdict(&spec(), two, verdict(2, 0, 0, 0)).unwrap();
    assert_eq!(stable(), Some(one), "a version that is set aside is not promoted");
    ws.store.record_verdict(&spec(), three, verdict(1, 1, 0, 0)).unwrap();
    ws.store.unquarantine(&spec(), two).unwrap();
    assert_eq!(stable(), Some(two));
    ws.store.record_verdict(&spec(), two, verdict(1, 1, 0, 0)).unwrap();
    assert_eq!(stable(), Some(one), "a later failure takes it away");
}

#[test]
fn every_change_is_an_operation_with_the_view_before_and_after() {
    let ws = Workspace::new();
    let (one, two) = (ws.save(ONE).digest, ws.save(TWO).digest);
    ws.store.set_tag(&spec(), "good", one).unwrap();
    ws.store.set_tag(&spec(), "good", two).unwrap();
    ws.store.set_tag(&spec(), "good", two).unwrap();
    ws.store.remove_tag(&spec(), "good").unwrap();
    ws.store.remove_tag(&spec(), "good").unwrap();
    ws.store.record_verdict(&spec(), one, verdict(1, 0, 0, 0)).unwrap();
    ws.store.record_verdict(&spec(), one, verdict(2, 0, 0, 0)).unwrap();
    let history = ws.store.operations(&spec()).unwrap();
    let kinds: Vec<_> = history.iter().rev().map(|operation| operation.kind).collect();
    use OperationKind::{Promote, Record, Tag, Untag};
    assert_eq!(kinds, [Record, Record, Tag, Tag, Untag, Promote], "what changes nothing is no operation");
    for pair in history.windows(2) {
        assert_eq!(pair[0].before, pair[1].after, "the views join");
    }
    assert_eq!(history[2].before.tags["good"], one);
    assert_eq!(history[2].after.tags["good"], two);
    assert_eq!(ws.store.audit_verify().unwrap().unwrap().entries, 3, "each change of a person's is in the audit");
}

#[test]
fn what_is_not_there_cannot_be_tagged_judged_or_set_aside() {
    let ws = Workspace::new();
    ws.save(ONE);
    let none = Digest::of("none");
    let is_none = |result| matches!(result, Err(StoreError::NoVersion { .. }));
    assert!(is_none(ws.store.set_tag(&spec(), "x", none)));
    assert!(is_none(ws.store.quarantine(&spec(), none, "x")));
    assert!(is_none(ws.store.record_verdict(&spec(), none, verdict(1, 0, 0, 0))));
    assert_eq!(ws.store.operations(&spec()).unwrap().len(), 1);
}

#[test]
fn a_version_holds_neither_the_store_nor_what_git_runs() {
    let ws = Workspace::new();
    for name in [".aic/store.db", ".git/config", "vendor/lib/.GIT/hooks/post-checkout"] {
        let inside = new_version(files(&[(name, "x")]));
        assert!(matches!(ws.store.record_version(inside), Err(StoreError::OffLimits { .. })), "{name}");
    }
}

#[test]
fn a_recorded_reason_and_name_are_kept() {
    let ws = Workspace::new();
    ws.store.record_version(NewVersion { reason: VersionReason::Init, ..new_version(files(ONE)) }).unwrap();
    let version = ws.store.version(&spec(), "v1").unwrap();
    assert_eq!((version.reason, version.name.as_str()), (VersionReason::Init, "shop"));
}
