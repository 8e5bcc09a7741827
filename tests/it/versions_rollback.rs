//! `aic versions` and `aic rollback`: what was good comes back, byte for byte, and nothing is lost on the way.

use crate::support::{Live, MINI, POLITE, SPEC, Workspace, until};
use aic_base::{Digest, RelPath};
use aic_store::{RollbackRequest, Step, version_digest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

const PROMPT: &str = "prompts/system.md";

fn versions(workspace: &Workspace) -> Vec<Value> {
    let document = workspace.aic(&["versions", "--format", "json"]).exits(0).json();
    document["versions"].as_array().unwrap().clone()
}

/// A workspace with a stable v1 and an edit that turned a test red, which is v2.
fn gone_red() -> Workspace {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0).says(&["version v1", "stable"]);
    workspace.write(PROMPT, "Be rude.\n");
    workspace.aic(&["test"]).exits(1).says(&["✗ greets back", "version v2"]);
    workspace
}

#[test]
fn an_edit_that_turns_a_test_red_is_taken_back_and_the_test_is_green_again() {
    let workspace = gone_red();
    let ran = workspace.aic(&["rollback"]).exits(0);
    ran.says(&["back at v1", "what was there is v2", "restored  prompts/system.md", "2 passed", "--undo"]);
    assert_eq!((workspace.read(PROMPT).as_str(), workspace.read(SPEC).as_str()), (POLITE, MINI));
    workspace.aic(&["test"]).exits(0);
}

#[test]
fn an_undo_brings_the_edit_back() {
    let workspace = gone_red();
    workspace.aic(&["rollback"]).exits(0);
    workspace.aic(&["rollback", "--undo"]).exits(1).says(&["back at v2", "✗ greets back"]);
    assert_eq!(workspace.read(PROMPT), "Be rude.\n");
    workspace.aic(&["rollback"]).exits(0);
    assert_eq!(workspace.read(PROMPT), POLITE);
}

#[test]
fn a_guard_that_was_weakened_comes_back_whole() {
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["test"]).exits(0);
    let before = workspace.files();
    workspace.edit("guards/house_rules.js", "if (found)", "if (false)");
    workspace.aic(&["test"]).exits(1).says(&["✗ no password ever leaves", "blocked: {by: house_rules}"]);
    workspace.edit(".aicontainer.yml", "- {name: house_rules, script: guards/house_rules.js}", "- secrets");
    workspace.aic(&["rollback"]).exits(0);
    assert!(workspace.files() == before, "every file as it was");
    workspace.aic(&["rollback"]).exits(0).says(&["nothing to do"]);
}

#[test]
fn a_file_that_the_edit_added_goes_and_comes_back_with_an_undo() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    workspace.write("prompts/other.md", "Be rude.\n");
    workspace.write("notes.txt", "not named by any spec");
    workspace.edit(SPEC, "prompts/system.md", "prompts/other.md");
    workspace.aic(&["test"]).exits(1);
    workspace.aic(&["rollback"]).exits(0).says(&["removed   prompts/other.md"]);
    assert!(!workspace.path("prompts/other.md").exists() && workspace.path("notes.txt").exists());
    workspace.aic(&["rollback", "--undo"]).exits(1);
    assert_eq!(workspace.read("prompts/other.md"), "Be rude.\n");
}

#[test]
fn a_spec_that_is_broken_yaml_is_rolled_back_and_kept() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    let broken = "name: [mini\n  models: {{{ \t\n";
    workspace.write(SPEC, broken);
    workspace.aic(&["test"]).exits(2);
    workspace.aic(&["rollback"]).exits(0).says(&["back at v1", "2 passed"]);
    assert_eq!(workspace.read(SPEC), MINI);
    workspace.aic(&["rollback", "--undo"]).exits(2);
    assert_eq!(workspace.read(SPEC), broken, "what was typed is not lost");
}

#[test]
fn a_spec_that_is_no_text_is_rolled_back_and_kept() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    let rubbish: Vec<u8> = (0..=255).cycle().take(5000).collect();
    workspace.write(SPEC, &rubbish);
    workspace.aic(&["rollback"]).exits(0);
    assert_eq!(workspace.read(SPEC), MINI);
    workspace.aic(&["rollback", "--undo"]).exits(2);
    assert!(workspace.bytes(SPEC) == rubbish);
}

#[test]
fn a_spec_that_was_deleted_comes_back() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    std::fs::remove_file(workspace.path(SPEC)).unwrap();
    workspace.aic(&["rollback"]).exits(0).says(&["created   .aicontainer.yml"]);
    assert_eq!(workspace.read(SPEC), MINI);
}

#[test]
fn a_prompt_that_was_deleted_comes_back_with_its_folder() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    std::fs::remove_dir_all(workspace.path("prompts")).unwrap();
    workspace.aic(&["test"]).exits(2).says(&["error[ABS060]"]);
    workspace.aic(&["rollback"]).exits(0).says(&["created   prompts/system.md"]);
    assert_eq!(workspace.read(PROMPT), POLITE);
}

#[test]
fn without_a_stable_version_it_says_what_to_do() {
    let workspace = Workspace::mini();
    workspace.aic(&["rollback"]).exits(2).warns(&["no stable version yet", "aic test"]);
    workspace.write(PROMPT, "Be rude.\n");
    workspace.aic(&["test"]).exits(1);
    let ran = workspace.aic(&["rollback", "--format", "json"]).exits(2);
    assert!(ran.json()["error"].as_str().unwrap().contains("no stable version"));
    assert_eq!(workspace.read(PROMPT), "Be rude.\n");
}

#[test]
fn without_a_rollback_there_is_nothing_to_undo() {
    let workspace = gone_red();
    workspace.aic(&["rollback", "--undo"]).exits(2).warns(&["nothing to undo"]);
    assert_eq!(workspace.read(PROMPT), "Be rude.\n");
}

#[test]
fn what_was_left_is_quarantined_shown_and_never_chosen() {
    let workspace = gone_red();
    workspace.aic(&["rollback"]).exits(0);
    let all = versions(&workspace);
    let (bad, good) = (&all[0], &all[1]);
    assert_eq!((bad["number"].as_u64(), bad["quarantined"].as_str()), (Some(2), Some("rolled back to v1")));
    assert_eq!(
        (good["number"].as_u64(), good["stable"].as_bool(), good["current"].as_bool()),
        (Some(1), Some(true), Some(true))
    );
    workspace.aic(&["versions"]).exits(0).says(&["v2", "quarantined: rolled back to v1", "* v1", "current, stable"]);
    workspace.aic(&["rollback", "--to", "v2"]).exits(2).warns(&["v2", "quarantined"]);
    assert_eq!(workspace.read(PROMPT), POLITE);
}

#[test]
fn a_quarantined_version_stays_aside_even_when_its_tests_would_pass_now() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be polite, always.\n");
    // Not tested, so not stable: it is set aside.
    workspace.aic(&["rollback"]).exits(0).says(&["back at v1"]);
    workspace.write(PROMPT, "Be polite, always.\n");
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be rude.\n");
    workspace.aic(&["rollback"]).exits(0).says(&["back at v1"]);
    assert_eq!(workspace.read(PROMPT), POLITE);
}

#[test]
fn a_stable_version_that_is_left_is_not_set_aside() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be polite, always.\n");
    workspace.aic(&["test"]).exits(0).says(&["version v2", "stable"]);
    workspace.aic(&["rollback", "--to", "v1"]).exits(0);
    assert!(versions(&workspace).iter().all(|version| version["quarantined"].is_null()));
    workspace.aic(&["rollback", "--to", "v2", "--no-test"]).exits(0);
    assert_eq!(workspace.read(PROMPT), "Be polite, always.\n");
}

#[test]
fn the_newest_stable_version_is_the_one_that_comes_back() {
    let workspace = Workspace::mini();
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be polite, always.\n");
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be rude.\n");
    workspace.aic(&["test"]).exits(1);
    workspace.aic(&["rollback"]).exits(0).says(&["back at v2"]);
    assert_eq!(workspace.read(PROMPT), "Be polite, always.\n");
}

#[test]
fn a_version_that_is_not_there_is_told_with_those_that_are() {
    let workspace = gone_red();
    workspace.aic(&["rollback", "--to", "v9"]).exits(2).warns(&["no version `v9`", "v2, v1"]);
}

#[test]
fn versions_say_what_the_working_files_are() {
    let workspace = Workspace::mini();
    workspace.aic(&["versions"]).exits(0).says(&["no versions yet"]);
    workspace.aic(&["test"]).exits(0);
    workspace.write(PROMPT, "Be rude.\n");
    workspace.aic(&["versions"]).exits(0).says(&["✓ 2 passed", "none of these", "not tested yet"]);
    workspace.write(SPEC, "name: [");
    workspace.aic(&["versions"]).exits(0).says(&["none of these", "they have errors"]);
    std::fs::remove_file(workspace.path(SPEC)).unwrap();
    workspace.aic(&["versions"]).exits(0).says(&["v1"]);
}

#[test]
fn versions_as_json_have_digest_verdict_and_files() {
    let workspace = gone_red();
    let all = versions(&workspace);
    assert_eq!(all.iter().map(|version| version["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    let red = &all[0];
    assert!(red["digest"].as_str().unwrap().parse::<Digest>().is_ok());
    assert_eq!((red["verdict"]["failed"].as_u64(), red["verdict"]["passed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(
        (red["files"].as_u64(), red["name"].as_str(), red["stable"].as_bool()),
        (Some(2), Some("mini"), Some(false))
    );
    assert_eq!(
        workspace.aic(&["versions", "-n", "1", "--format", "json"]).json()["versions"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn as_json_a_rollback_says_what_became_of_each_file_and_of_the_tests() {
    let workspace = gone_red();
    let document = workspace.aic(&["rollback", "--format", "json"]).exits(0).json();
    let changed = document["rollback"]["changed"].as_array().unwrap();
    let kind = |path: &str| changed.iter().find(|change| change["path"] == path).unwrap()["kind"].clone();
    assert_eq!((kind(PROMPT), kind(SPEC)), ("restored".into(), "unchanged".into()));
    assert_eq!(document["tests"]["tally"]["pass"], 2);
}

#[test]
fn data_is_never_rolled_back() {
    let workspace = Workspace::sample("user-management");
    workspace.aic(&["test"]).exits(0);
    workspace.aic(&["run", "Disable them", "--approve", "query_users"]).exits(0);
    let data = workspace.bytes("data/users.db");
    workspace.edit("prompts/system.md", "look after", "care for");
    workspace.aic(&["rollback", "--no-test"]).exits(0);
    assert!(workspace.bytes("data/users.db") == data);
}

#[test]
fn a_file_keeps_its_mode_bits() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let workspace = gone_red();
    std::fs::set_permissions(workspace.path(PROMPT), std::fs::Permissions::from_mode(0o640)).unwrap();
    workspace.aic(&["rollback"]).exits(0);
    assert_eq!(workspace.path(PROMPT).metadata().unwrap().mode() & 0o777, 0o640);
}

#[test]
fn a_folder_in_a_files_place_is_told_and_nothing_changes() {
    let workspace = gone_red();
    std::fs::remove_file(workspace.path(PROMPT)).unwrap();
    workspace.write("prompts/system.md/in the way", "x");
    let before = workspace.files();
    workspace.aic(&["rollback"]).exits(2).warns(&[PROMPT]);
    assert!(workspace.files() == before);
    std::fs::remove_dir_all(workspace.path(PROMPT)).unwrap();
    workspace.aic(&["rollback"]).exits(0);
    assert_eq!(workspace.read(PROMPT), POLITE);
}

#[test]
fn a_link_that_leads_out_is_not_written_through() {
    let workspace = gone_red();
    let outside = workspace.tmp().join("outside.md");
    std::fs::write(&outside, "somebody else's").unwrap();
    std::fs::remove_file(workspace.path(PROMPT)).unwrap();
    std::os::unix::fs::symlink(&outside, workspace.path(PROMPT)).unwrap();
    let ran = workspace.aic(&["rollback"]);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "somebody else's", "{ran}");
    assert!(matches!(ran.status.code(), Some(0 | 2)), "{ran}");
}

#[test]
fn many_at_once_make_one_store_and_one_version() {
    let workspace = Workspace::mini();
    let all: Vec<Live> = (0..6).map(|_| workspace.start(&["test"])).collect();
    for live in all {
        let ran = live.finish().exits(0).says(&["version v1", "stable"]);
        assert_eq!(ran.err, "");
    }
    assert_eq!(versions(&workspace).len(), 1);
    let store = workspace.store();
    assert_eq!(store.runs(&RelPath::new(SPEC).unwrap(), 100).unwrap().len(), 12, "two cases, six times");
}

#[test]
fn of_two_rollbacks_at_once_one_does_it_and_nothing_is_lost() {
    let workspace = gone_red();
    let both = [workspace.start(&["rollback", "--no-test"]), workspace.start(&["rollback", "--no-test"])];
    let codes: Vec<_> = both.map(|live| live.finish().status.code()).to_vec();
    assert!(codes.contains(&Some(0)) && codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
    assert_eq!(workspace.read(PROMPT), POLITE);
    workspace.aic(&["rollback", "--undo", "--no-test"]).exits(0);
    assert_eq!(workspace.read(PROMPT), "Be rude.\n");
}

/// Set for the child that [`a_rollback_that_was_killed_is_finished_by_the_next_command`] starts.
const CHILD: &str = "AIC_IT_ROLLBACK_CHILD";

/// Not a test of its own: the process that is killed in the middle of a rollback.
#[test]
fn child_that_rolls_back_and_dies() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (target, die_at) = what.split_once(' ').unwrap();
    let root = std::env::current_dir().unwrap();
    let store = aic_store::Store::open(&root, Arc::new(aic_base::SystemClock::new())).unwrap();
    let files =
        [SPEC, PROMPT].map(|name| (RelPath::new(name).unwrap(), Arc::from(std::fs::read(root.join(name)).unwrap())));
    let request = RollbackRequest {
        spec: RelPath::new(SPEC).unwrap(),
        name: "mini".into(),
        target: target.parse().unwrap(),
        current: BTreeMap::from(files),
        quarantine_current: true,
        remove_added: true,
        reason: "rolled back to v1".into(),
    };
    let die_at = die_at.to_owned();
    let observer = move |step: &Step| {
        if format!("{step:?}").starts_with(&die_at) {
            let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
        }
    };
    store.rollback_observed(request, Arc::new(observer)).unwrap();
}

fn killed_in_a_rollback(at: &str) -> Workspace {
    let workspace = gone_red();
    // The spec differs too, so that two files have to change.
    workspace.edit(SPEC, "name: mini", "name: minor");
    let target = versions(&workspace)[1]["digest"].as_str().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "versions_rollback::child_that_rolls_back_and_dies"]);
    child.env(CHILD, format!("{target} {at}")).current_dir(workspace.root());
    let ran = Live::start(child).finish();
    assert_eq!(ran.status.code(), None, "killed at {at}: {ran}");
    workspace
}

#[test]
fn a_rollback_that_was_killed_is_finished_by_the_next_command() {
    for at in ["Journalled", "Staged", "InTransaction", "Committed", "BeforeFile", "AfterFile", "BeforeClose"] {
        let workspace = killed_in_a_rollback(at);
        let ran = workspace.aic(&["test"]);
        assert!(ran.err.contains("was cut off earlier; it is finished now"), "{at}: {ran}");
        ran.exits(0).says(&["2 passed"]);
        assert_eq!((workspace.read(SPEC).as_str(), workspace.read(PROMPT).as_str()), (MINI, POLITE), "{at}");
        let files: Vec<_> = workspace.files().into_keys().collect();
        assert_eq!(files, [SPEC, PROMPT], "{at}: nothing staged is left");
        workspace.aic(&["rollback", "--undo"]).exits(1);
        assert_eq!(workspace.read(PROMPT), "Be rude.\n", "{at}: what was left is not lost");
        assert!(workspace.read(SPEC).starts_with("name: minor"), "{at}");
    }
}

#[test]
fn whenever_the_program_itself_is_killed_in_a_rollback_the_files_are_one_version_or_the_other() {
    for looks in 0..12 {
        let workspace = gone_red();
        let store = workspace.store();
        let live = workspace.start(&["rollback", "--no-test"]);
        // A different moment each time, counted in looks at the store rather than in time.
        until("the rollback begins or ends", || {
            let begun = store.pending_operation().unwrap().is_some();
            (begun || workspace.read(PROMPT) == POLITE).then_some(())
        });
        for _ in 0..looks {
            let _ = store.pending_operation().unwrap();
        }
        live.kill();
        live.finish();
        drop(store);
        let ran = workspace.aic(&["test"]);
        let code = if workspace.read(PROMPT) == POLITE { 0 } else { 1 };
        ran.exits(code);
        assert!([POLITE, "Be rude.\n"].contains(&workspace.read(PROMPT).as_str()));
        let spec = RelPath::new(SPEC).unwrap();
        let store = workspace.store();
        assert_eq!(store.pending_operation().unwrap(), None);
        let known: Vec<_> = store.versions(&spec).unwrap().iter().map(|version| version.digest).collect();
        let here = workspace.files().into_iter().map(|(name, bytes)| (RelPath::new(&name).unwrap(), bytes.into()));
        assert!(known.contains(&version_digest(&spec, &here.collect())));
        assert!(store.audit_verify().unwrap().is_ok());
    }
}
