//! `aic doctor`: what works here, tried rather than claimed.

use crate::support::Workspace;

#[test]
fn the_sandbox_that_scripts_need_works_here_and_the_store_can_be_written() {
    Workspace::mini().aic(&["doctor"]).exits(0).says(&["✓ wasm", "ready", "✓", "can be written"]);
}

#[test]
fn as_json_it_names_every_sandbox_it_knows() {
    let document = Workspace::mini().aic(&["doctor", "--format", "json"]).exits(0).json();
    let names: Vec<_> =
        document["sandboxes"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"wasm") && names.contains(&"gvisor"), "{names:?}");
    assert_eq!((document["ok"].as_bool(), document["store"]["writable"].as_bool()), (Some(true), Some(true)));
}

#[test]
fn looking_leaves_nothing_behind() {
    let workspace = Workspace::mini();
    std::fs::remove_dir(workspace.path(".aic")).unwrap();
    let before = workspace.files();
    workspace.aic(&["doctor"]).exits(0);
    assert!(workspace.files() == before && !workspace.path(".aic").exists());
}

#[test]
fn a_store_that_is_none_is_told() {
    let workspace = Workspace::mini();
    workspace.write(".aic/store.db", "no database at all, and long enough to be looked at as one");
    workspace.aic(&["doctor"]).exits(1).says(&["✗", "is not a store"]);
}
