//! `aic watch`: one verdict a save, whatever the save, and nothing while nothing changes.

use crate::support::{Live, MINI, POLITE, Process, SPEC, Workspace, all_end, below, until};
use serde_json::{Value, json};

const PROMPT: &str = "prompts/system.md";
const WATCH: &[&str] = &["watch", "--format", "json"];

/// A watch that has given its first verdict.
fn watching(workspace: &Workspace) -> (Live, Value) {
    let live = workspace.start(WATCH);
    let first = live.document();
    (live, first)
}

/// Passed and failed.
fn tally(document: &Value) -> (u64, u64) {
    let count = |key: &str| document["tally"][key].as_u64().unwrap_or_else(|| panic!("{document}"));
    (count("pass"), count("fail"))
}

fn changed(document: &Value) -> Vec<&str> {
    document["changed"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect()
}

fn kept(document: &Value) -> Vec<(&str, bool)> {
    let cases = document["cases"].as_array().unwrap().iter();
    cases.map(|case| (case["id"].as_str().unwrap(), case["kept"].as_bool().unwrap())).collect()
}

/// Ends it, and claims that it had nothing more to say.
#[track_caller]
fn ends_silently(live: Live) {
    live.interrupt();
    let ran = live.finish().exits(0);
    assert_eq!(ran.out, "", "one document a save, and no more");
}

#[test]
fn ten_saves_get_one_verdict_each() {
    let workspace = Workspace::mini();
    let (live, first) = watching(&workspace);
    assert_eq!((tally(&first), changed(&first).len()), ((2, 0), 0));
    for save in 0..10 {
        let polite = save % 3 != 1;
        workspace.write(PROMPT, format!("{} {save}", if polite { "Be polite." } else { "Be rude." }));
        let document = live.document();
        assert_eq!(tally(&document), if polite { (2, 0) } else { (1, 1) }, "save {save}: {document}");
        assert_eq!(changed(&document), [PROMPT], "save {save}");
        assert_eq!(document["version"]["number"], save + 2, "save {save}");
        assert!(document["took_ms"].as_f64().unwrap() > 0.0);
    }
    ends_silently(live);
}

#[test]
fn broken_yaml_is_a_verdict_too_and_the_next_save_goes_on() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    workspace.write(SPEC, format!("{MINI}\nbroken: [\n"));
    let document = live.document();
    assert!(document["refused"].as_str().unwrap().contains("errors"), "{document}");
    assert_eq!(document["diagnostics"][0]["file"], SPEC);
    workspace.write(PROMPT, "Be polite, please.\n");
    assert!(live.document()["refused"].is_string(), "it is still broken");
    workspace.write(SPEC, MINI);
    assert_eq!(tally(&live.document()), (2, 0));
    ends_silently(live);
}

#[test]
fn a_named_file_that_is_deleted_and_made_again() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    std::fs::remove_file(workspace.path(PROMPT)).unwrap();
    let document = live.document();
    assert_eq!((changed(&document), document["diagnostics"][0]["code"].as_str()), (vec![PROMPT], Some("ABS060")));
    workspace.write(PROMPT, POLITE);
    assert_eq!(tally(&live.document()), (2, 0));
    ends_silently(live);
}

#[test]
fn a_folder_that_goes_with_its_files_and_comes_back() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    let away = workspace.tmp().join("away");
    std::fs::rename(workspace.path("prompts"), &away).unwrap();
    assert!(live.document()["refused"].is_string());
    std::fs::rename(&away, workspace.path("prompts")).unwrap();
    assert_eq!(tally(&live.document()), (2, 0));
    workspace.write(PROMPT, "Be rude.\n");
    assert_eq!(tally(&live.document()), (1, 1), "it is watched again");
    ends_silently(live);
}

#[test]
fn a_spec_that_is_deleted_and_restored() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    std::fs::remove_file(workspace.path(SPEC)).unwrap();
    let document = live.document();
    assert_eq!(document["diagnostics"][0]["code"], "ABS060", "{document}");
    workspace.write(SPEC, MINI);
    assert_eq!(tally(&live.document()), (2, 0));
    ends_silently(live);
}

#[test]
fn the_ways_editors_save_are_all_one_save() {
    use std::io::{Seek as _, Write as _};
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    // In place, in one write.
    let mut file = std::fs::File::options().write(true).open(workspace.path(PROMPT)).unwrap();
    file.rewind().unwrap();
    file.write_all(b"Be rude!!!\n").unwrap();
    drop(file);
    assert_eq!(tally(&live.document()), (1, 1));
    // A new file beside it, renamed over it, with a backup and a swap file on the way.
    std::fs::write(workspace.path("prompts/.system.md.swp"), "swap").unwrap();
    std::fs::copy(workspace.path(PROMPT), workspace.path("prompts/system.md~")).unwrap();
    std::fs::write(workspace.path("prompts/4913"), "").unwrap();
    std::fs::remove_file(workspace.path("prompts/4913")).unwrap();
    workspace.write(PROMPT, "Be polite once more.\n");
    std::fs::remove_file(workspace.path("prompts/.system.md.swp")).unwrap();
    let document = live.document();
    assert_eq!((tally(&document), changed(&document)), ((2, 0), vec![PROMPT]));
    ends_silently(live);
}

#[test]
fn two_files_that_are_saved_together_are_in_the_end_judged_together() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    workspace.write(PROMPT, "Be curt.\n");
    workspace.edit(SPEC, "{icontains: polite}", "{icontains: curt}");
    // A slow machine may see the first before the second is there; the last verdict is about both.
    let mut seen = Vec::new();
    let last = until("a verdict on both", || {
        let document = live.document();
        seen.extend(changed(&document).into_iter().map(str::to_owned));
        (seen.len() == 2).then_some(document)
    });
    assert_eq!(tally(&last), (2, 0));
    ends_silently(live);
}

#[test]
fn what_changes_nothing_says_nothing() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    // The same bytes again, a file that no spec names, a read, an outsider's look at the store.
    workspace.write(PROMPT, POLITE);
    workspace.write("notes.txt", "nobody names me");
    workspace.write("prompts/unused.md", "nor me");
    workspace.read(SPEC);
    workspace.aic(&["versions"]).exits(0);
    workspace.write(PROMPT, "Be rude.\n");
    let document = live.document();
    assert_eq!((changed(&document), tally(&document)), (vec![PROMPT], (1, 1)), "the next word is about the next save");
    ends_silently(live);
}

#[test]
fn going_back_to_what_was_tested_is_a_verdict_without_a_run() {
    let workspace = Workspace::mini();
    let (live, first) = watching(&workspace);
    assert!(kept(&first).iter().all(|(_, kept)| !kept));
    workspace.write(PROMPT, "Be rude.\n");
    assert!(kept(&live.document()).iter().all(|(_, kept)| !kept), "a prompt concerns every case");
    workspace.write(PROMPT, POLITE);
    let document = live.document();
    assert!(kept(&document).iter().all(|(_, kept)| *kept) && tally(&document) == (2, 0));
    ends_silently(live);
}

#[test]
fn when_one_test_changes_only_its_cases_run() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    workspace.edit(SPEC, "[equals: What?]", "[equals: Why?]");
    let document = live.document();
    assert_eq!(
        (kept(&document), tally(&document)),
        (vec![("greets back", true), ("is blunt otherwise", false)], (1, 1))
    );
    // A comment above everything: no result can change, and a kept failure still points at its line.
    workspace.write(SPEC, format!("# A word on this spec.\n{}", workspace.read(SPEC)));
    let document = live.document();
    assert_eq!(kept(&document), vec![("greets back", true), ("is blunt otherwise", true)]);
    let line = workspace.read(SPEC).lines().position(|line| line.contains("Why?")).unwrap() + 1;
    let place = document["cases"][1]["failures"][0]["place"].as_str().unwrap();
    assert!(place.starts_with(&format!("{SPEC}:{line}:")), "{place}, but it stands in line {line}");
    ends_silently(live);
}

#[test]
fn a_change_of_the_data_is_a_save() {
    let workspace = Workspace::sample("user-management");
    let (live, first) = watching(&workspace);
    assert_eq!(tally(&first).1, 0);
    let data = rusqlite::Connection::open(workspace.path("data/users.db")).unwrap();
    data.execute("UPDATE users SET status = 'disabled' WHERE name = 'Ada Alder'", []).unwrap();
    let document = live.document();
    assert_eq!(changed(&document), ["data/users.db"]);
    assert!(tally(&document).1 > 0, "the right answer is another one now");
    ends_silently(live);
}

#[test]
fn a_change_that_is_only_in_the_databases_log_is_a_save() {
    let workspace = Workspace::sample("user-management");
    let data = rusqlite::Connection::open(workspace.path("data/users.db")).unwrap();
    data.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").unwrap();
    let (live, first) = watching(&workspace);
    assert_eq!(tally(&first).1, 0);
    let main = workspace.bytes("data/users.db");
    data.execute("UPDATE users SET status = 'disabled' WHERE name = 'Ada Alder'", []).unwrap();
    let document = live.document();
    assert!(workspace.bytes("data/users.db") == main && tally(&document).1 > 0);
    assert_eq!(changed(&document), ["data/users.db"]);
    ends_silently(live);
}

#[test]
fn a_change_of_a_database_that_is_too_large_to_be_compared_is_a_save() {
    let spec = MINI.replace(
        "tests:",
        "tools: {allowed: [{name: q, parameters: {type: object}, permissions: [SELECT], tables: [t], run: {sql: 'sqlite:t.db'}}]}\ntests:",
    );
    let workspace = Workspace::with(&[(SPEC, &spec), (PROMPT, POLITE)]);
    let data = rusqlite::Connection::open(workspace.path("t.db")).unwrap();
    data.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(70000000))").unwrap();
    let (live, _) = watching(&workspace);
    data.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let document = live.document();
    assert_eq!(changed(&document), ["t.db"]);
    assert!(kept(&document).iter().all(|(_, kept)| !kept), "nobody knows what a case reads");
    ends_silently(live);
}

#[test]
fn cases_that_are_judged_together_are_run_together() {
    let rated = "tests:\n  - {name: mostly, cases: q.csv, min_pass_rate: {cases: 0.5, repeats: 1}, expect: [contains: Hello]}\n";
    let spec = format!("{}{rated}", MINI.split("tests:").next().unwrap());
    let workspace = Workspace::with(&[(SPEC, &spec), (PROMPT, POLITE), ("q.csv", "input\nhello\nno\n")]);
    let (live, first) = watching(&workspace);
    assert_eq!(tally(&first), (2, 0), "one of two is enough");
    workspace.write("q.csv", "input\nnor this\nno\n");
    assert_eq!(tally(&live.document()), (0, 2), "the second was only let off because of the first");
    ends_silently(live);
}

#[test]
fn what_could_not_be_judged_is_tried_again() {
    let workspace = Workspace::sample("user-management");
    let data = rusqlite::Connection::open(workspace.path("data/users.db")).unwrap();
    data.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (live, first) = watching(&workspace);
    assert!(first["tally"]["error"].as_u64().unwrap() > 0, "{first}");
    data.execute_batch("COMMIT").unwrap();
    // A word that no case can see.
    workspace.write(SPEC, format!("# The same again.\n{}", workspace.read(SPEC)));
    let document = live.document();
    assert_eq!((tally(&document).1, document["tally"]["error"].as_u64()), (0, Some(0)), "{document}");
    assert!(kept(&document).iter().any(|(_, kept)| *kept), "what was judged is kept");
    ends_silently(live);
}

#[test]
fn a_save_that_empties_the_file_first_ends_in_the_right_verdict() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    let long = format!("Be curt.\n{}", "Really.\n".repeat(100_000));
    std::fs::write(workspace.path(PROMPT), &long).unwrap();
    std::fs::write(workspace.path(PROMPT), format!("{long}And be polite.\n")).unwrap();
    // Whoever writes slowly may be caught in the middle; what counts is what is said in the end.
    until("the verdict on all of it", || (tally(&live.document()) == (2, 0)).then_some(()));
    ends_silently(live);
}

#[test]
fn a_save_of_what_a_link_leads_to_is_a_save() {
    let workspace = Workspace::mini();
    workspace.write("shared/words.md", POLITE);
    std::fs::remove_file(workspace.path(PROMPT)).unwrap();
    std::os::unix::fs::symlink("../shared/words.md", workspace.path(PROMPT)).unwrap();
    let (live, first) = watching(&workspace);
    assert_eq!(tally(&first), (2, 0));
    workspace.write("shared/words.md", "Be rude.\n");
    let document = live.document();
    assert_eq!((tally(&document), changed(&document)), ((1, 1), vec![PROMPT]));
    ends_silently(live);
}

#[test]
fn a_rollback_from_elsewhere_is_one_save() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    workspace.write(PROMPT, "Be rude.\n");
    assert_eq!(tally(&live.document()), (1, 1));
    workspace.aic(&["rollback", "--no-test"]).exits(0);
    let document = live.document();
    assert_eq!((tally(&document), changed(&document)), ((2, 0), vec![PROMPT]));
    ends_silently(live);
}

#[test]
fn a_second_watcher_is_refused_until_the_first_has_gone() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    let ran = workspace.aic(WATCH).exits(2).warns(&["another `aic watch`", &format!("process {}", live.id())]);
    assert!(ran.json()["error"].is_string());
    live.kill();
    live.finish();
    let (live, document) = watching(&workspace);
    assert_eq!(tally(&document), (2, 0));
    ends_silently(live);
}

#[test]
fn tests_from_elsewhere_run_beside_a_watch() {
    let workspace = Workspace::mini();
    let (live, _) = watching(&workspace);
    workspace.aic(&["test"]).exits(0);
    workspace.aic(&["run", "Hello!"]).exits(0);
    ends_silently(live);
}

#[test]
fn ctrl_c_ends_it_with_its_workers() {
    let workspace = Workspace::sample("user-management");
    let (live, _) = watching(&workspace);
    let workers = below(live.id());
    live.interrupt();
    live.finish().exits(0);
    all_end(&workers);
    assert_eq!(std::fs::read_dir(workspace.tmp()).unwrap().count(), 0, "no temporary folder is left");
}

#[test]
fn ctrl_c_in_the_middle_of_a_run_ends_it_too() {
    let workspace =
        Workspace::with(&[(SPEC, MINI), (PROMPT, POLITE), ("guard.js", "export default () => { for (;;); }")]);
    let guard =
        "sandbox: {limits: {timeout: 1h}}\nguardrails: {post_execution: [{name: slow, script: guard.js}]}\ntests:";
    workspace.edit(SPEC, "tests:", guard);
    // Compiles the guest, should it not be there yet, so that who computes below is the guard.
    workspace.aic(&["doctor"]).exits(0);
    let live = workspace.start(WATCH);
    let workers = at_work(live.id());
    live.interrupt();
    let ran = live.finish();
    all_end(&workers);
    assert_eq!(ran.out, "", "half a verdict is none");
    ran.exits(0);
}

/// The workers below a process, once one of them computes.
fn at_work(id: u32) -> Vec<Process> {
    until("a worker computes", || {
        let workers = below(id);
        workers.iter().any(|worker| worker.used > 20).then_some(workers)
    })
}

#[test]
fn for_people_it_names_the_spec_and_writes_a_line_a_save() {
    let workspace = Workspace::mini();
    let live = workspace.start(&["watch"]);
    assert!(live.line().contains("mini  .aicontainer.yml · scripted model"));
    assert!(live.line().contains("Ctrl-C ends it"));
    assert!(live.line().contains("✓ 2 passed  v1"));
    workspace.write(PROMPT, "Be polite, please.\n");
    let line = live.line();
    assert!(line.contains("✓ 2 passed  v2  prompts/system.md · "), "{line}");
    live.interrupt();
    live.finish().exits(0);
}

#[test]
fn it_watches_on_where_nothing_can_be_kept() {
    let workspace = Workspace::mini();
    std::fs::remove_dir(workspace.path(".aic")).unwrap();
    workspace.write(".aic", "in the way");
    let (live, document) = watching(&workspace);
    assert_eq!((tally(&document), &document["version"]), ((2, 0), &json!(null)));
    workspace.write(PROMPT, "Be rude.\n");
    assert_eq!(tally(&live.document()), (1, 1));
    live.interrupt();
    live.finish().exits(0).warns(&["nothing of them is kept"]);
}
