//! `aic init`: a beginning that passes its own tests.

use crate::support::{SPEC, Workspace};

#[test]
fn what_is_made_passes_its_own_tests() {
    let workspace = Workspace::empty();
    workspace.aic(&["init", "my-agent"]).exits(0).says(&[
        "made my-agent",
        ".aicontainer.yml",
        "next: cd my-agent && aic test",
    ]);
    workspace.aic(&["check", "my-agent", "--deny-warnings"]).exits(0);
    workspace.aic(&["test", "my-agent"]).exits(0).says(&["my-agent", "3 passed", "stable"]);
}

#[test]
fn it_is_a_workspace_of_its_own_that_git_leaves_alone() {
    let workspace = Workspace::empty();
    workspace.aic(&["init", "my-agent"]).exits(0);
    workspace.aic(&["test", "my-agent"]).exits(0);
    assert!(workspace.path("my-agent/.aic/store.db").is_file());
    assert!(!workspace.path(".aic/store.db").exists());
    assert_eq!(workspace.read("my-agent/.gitignore"), ".aic/\n");
}

#[test]
fn a_second_time_is_refused_and_touches_nothing() {
    let workspace = Workspace::empty();
    workspace.aic(&["init", "my-agent"]).exits(0);
    workspace.write("my-agent/prompts/system.md", "My own words.\n");
    let before = workspace.files();
    workspace.aic(&["init", "my-agent"]).exits(2).warns(&["my-agent/.aicontainer.yml: there already"]);
    assert!(workspace.files() == before);
}

#[test]
fn a_prompt_that_is_there_is_not_overwritten_and_nothing_is_half_made() {
    let workspace = Workspace::with(&[("prompts/system.md", "My own words.\n")]);
    workspace.aic(&["init"]).exits(2).warns(&["prompts/system.md: there already"]);
    assert_eq!(workspace.files().len(), 1);
}

#[test]
fn a_gitignore_of_ones_own_stays() {
    let workspace = Workspace::with(&[(".gitignore", "target\n")]);
    workspace.aic(&["init"]).exits(0);
    assert_eq!(workspace.read(".gitignore"), "target\n");
}

#[test]
fn the_name_is_the_folders_or_the_one_that_is_given() {
    let workspace = Workspace::empty();
    workspace.aic(&["init", "My Agent!"]).exits(0).says(&["made my-agent"]);
    let document = workspace.aic(&["init", "x", "--name", "Night Porter", "--format", "json"]).exits(0).json();
    assert_eq!(document["name"], "night-porter");
    assert!(workspace.read(&format!("x/{SPEC}")).contains("\nname: night-porter\n"));
}

#[test]
fn a_file_in_the_folders_place_is_an_error() {
    let workspace = Workspace::with(&[("taken", "x")]);
    workspace.aic(&["init", "taken"]).exits(2).warns(&["taken"]);
    assert_eq!(workspace.read("taken"), "x");
}
