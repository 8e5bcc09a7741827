//! What a person does in the workbench, from the first look to the last key.

use super::screen::Screen;
use crate::support::{SPEC, Workspace};

const ESC: &str = "\x1b";
const SAVE: &str = "\x13";
/// From the first of the samples down to the last, `user-management`.
const TO_THE_LAST_SPEC: &str = "JJJJJ";

/// All samples, as they lie in the repository.
fn samples() -> Workspace {
    Workspace::sample("")
}

#[test]
fn a_new_user_mends_the_broken_sample_and_rolls_another_back() {
    const PROMPT: &str = "user-management/prompts/system.md";
    let workspace = samples();
    let before = workspace.read(PROMPT);
    let mut screen = Screen::open(&workspace);
    // Find the failing test, and the expectation that does not hold.
    screen.shows("✗ broken 1/2");
    screen.shows("✓ quickstart 3/3");
    screen.shows("✓ user-management 19/19");
    screen.press("f");
    screen.shows("✗ never shows a card number");
    screen.press("o");
    screen.shows("should not; the run was completed");
    // Mend it in the editor, and watch it turn green.
    screen.press("/warn\r");
    screen.shows("1 of 1 line");
    screen.press("e");
    screen.shows("(editing)");
    screen.press("\x1b[F");
    screen.press(&"\x7f".repeat(5));
    screen.press(&format!("redact}}{SAVE}"));
    screen.shows("✓ broken 2/2");
    screen.shows("2 passed");
    assert!(workspace.read("broken/broken.ai.yml").contains("action: redact}\n"));
    screen.press(ESC);
    screen.hides("(editing)");
    // Somebody edits a prompt elsewhere: another spec turns red by itself.
    screen.press("2");
    screen.press(TO_THE_LAST_SPEC);
    screen.shows("19 passed");
    workspace.write(PROMPT, before.replace("over 30 days", "over 90 days"));
    screen.shows("18 passed, 1 failed");
    screen.shows("✗ user-management 18/19");
    screen.press("f");
    screen.shows("3 users have been inactive for over 90");
    // One key puts it back, says what changed and how long it took; another one takes that back.
    screen.press("R");
    screen.shows("back at v1 in ");
    screen.shows("prompts/system.md restored");
    screen.shows("19 passed");
    assert_eq!(workspace.read(PROMPT), before);
    screen.press("u");
    screen.shows("undone: at v2 in ");
    screen.shows("18 passed, 1 failed");
    screen.press("R");
    screen.shows("19 passed");
    screen.quits();
    assert_eq!(workspace.read(PROMPT), before);
}

#[test]
fn specs_that_are_made_moved_and_deleted_come_and_go_by_themselves() {
    let workspace = Workspace::empty();
    let mut screen = Screen::open(&workspace);
    screen.shows("No spec below this folder yet");
    let spec =
        crate::support::MINI.replace("prompts: {system: {file: prompts/system.md}}", "prompts: {system: Be polite.}");
    workspace.write("deep/er/one.ai.yml", &spec);
    screen.shows("✓ mini 2/2");
    workspace.write("two.aicontainer.yml", spec.replace("name: mini", "name: second"));
    screen.shows("✓ second 2/2");
    // A whole folder is moved, and what it holds still runs there.
    std::fs::rename(workspace.path("deep"), workspace.path("moved")).unwrap();
    screen.shows("moved/er/one.ai.yml");
    workspace.edit("moved/er/one.ai.yml", "Hello to you.}", "Bye.}");
    screen.shows("✗ mini 1/2");
    // Ignored, deleted: gone.
    workspace.write(".aicignore", "/moved/\n");
    screen.hides("mini");
    std::fs::remove_file(workspace.path("two.aicontainer.yml")).unwrap();
    screen.shows("No spec below this folder yet");
    // A folder that goes and is back under its name at once is still watched.
    workspace.write("again/x.ai.yml", &spec);
    screen.shows("✓ mini 2/2");
    std::fs::remove_dir_all(workspace.path("again")).unwrap();
    workspace.write("again/x.ai.yml", &spec);
    screen.shows("✓ mini 2/2");
    workspace.edit("again/x.ai.yml", "Hello to you.}", "Bye.}");
    screen.shows("✗ mini 1/2");
    screen.press("q");
    assert_eq!(screen.ends().0, Some(0));
}

#[test]
fn tests_kept_apart_are_found_when_they_are_made() {
    let workspace = Workspace::mini();
    let spec = workspace.read(SPEC);
    workspace.write(SPEC, format!("{spec}  - files: more/*.aictest.yml\n"));
    let screen = Screen::open(&workspace);
    screen.shows("2 passed");
    workspace
        .write("more/a.aictest.yml", "tests:\n  - name: apart\n    input: Nonsense\n    expect: [equals: What?]\n");
    screen.shows("3 passed");
    std::fs::remove_file(workspace.path("more/a.aictest.yml")).unwrap();
    screen.shows("2 passed");
    screen.quits();
}

#[test]
fn run_this_test_runs_exactly_that_one() {
    let workspace = Workspace::mini();
    let spec = workspace.read(SPEC);
    // The name of one is part of the other's.
    workspace.write(SPEC, spec.replace("is blunt otherwise", "greets back twice"));
    let mut screen = Screen::open(&workspace);
    screen.shows("2 passed");
    let runs = || workspace.store().runs(&aic_base::RelPath::new(SPEC).unwrap(), 100).unwrap().len();
    let before = runs();
    screen.press("2gr");
    crate::support::until("one more run", || (runs() > before).then_some(()));
    screen.shows("2 passed");
    screen.quits();
    assert_eq!(runs(), before + 1);
}

#[test]
fn what_stands_under_the_cursor_is_explained_without_its_markup() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace);
    screen.shows("2 passed");
    screen.press("3/provider\r");
    screen.shows("1 of 1 line");
    screen.press("e");
    screen.shows("(editing)");
    // To the word itself, then ask.
    screen.press("\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C\x0b");
    screen.shows("Who serves it");
    screen.shows("• scripted");
    assert!(!screen.now().contains("**"), "{}", screen.now());
    screen.press(ESC);
    screen.hides("Who serves it");
    screen.press(ESC);
    screen.hides("(editing)");
    screen.quits();
}

#[test]
fn the_next_session_begins_where_the_last_one_ended() {
    let workspace = samples();
    let mut screen = Screen::open(&workspace);
    screen.shows("✓ user-management 19/19");
    screen.press(TO_THE_LAST_SPEC);
    screen.press("3");
    screen.shows("3 Spec user-management/.aicontainer.yml");
    screen.press("/a no is a no\r");
    screen.shows("1 of 1 line");
    screen.quits();
    let screen = Screen::open(&workspace);
    screen.shows("a no is a no");
    screen.shows("3 Spec user-management/.aicontainer.yml");
    screen.quits();
    // Whatever is in the file, it opens.
    let folder = workspace.home().join(".local/state/aic/workspaces");
    let root = workspace.root().to_str().unwrap().to_owned();
    let mine = |path: &std::path::PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&root));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(mine).expect("a file of this workspace");
    std::fs::write(&file, "{ torn").unwrap();
    let screen = Screen::open(&workspace);
    screen.shows("what was selected last is not known");
    screen.shows("✓ quickstart 3/3");
    screen.quits();
}

#[test]
fn the_configuration_is_read_again_when_it_is_saved_and_a_broken_one_changes_nothing() {
    let workspace = Workspace::mini();
    let config = workspace.root().parent().unwrap().join("config");
    let write = |text: &str| {
        std::fs::create_dir_all(config.join("aic")).unwrap();
        std::fs::write(config.join("aic/config.toml"), text).unwrap();
    };
    write("mouse = false\n");
    let mut screen = Screen::with(&workspace, &[], &[("XDG_CONFIG_HOME", config.to_str().unwrap())]);
    screen.shows("2 passed");
    assert!(!screen.sent().contains("\x1b[?1000h"), "the mouse is the terminal's");
    write("[keys]\nw = \"help\"\n");
    screen.shows("the configuration was read again");
    crate::support::until("the mouse is taken", || screen.sent().contains("\x1b[?1000h").then_some(()));
    write("[keys\n");
    screen.shows("the previous one holds");
    screen.press("w");
    screen.shows("Esc closes");
    screen.press("q");
    screen.hides("Esc closes");
    screen.quits();
}

#[test]
fn a_click_and_a_copy_reach_the_system() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace);
    screen.shows("2 passed");
    // On the second test: the terminal counts columns and rows from 1.
    let row = screen.now().lines().position(|line| line.contains("is blunt otherwise")).unwrap() + 1;
    screen.press(&format!("\x1b[<0;5;{row}M\x1b[<0;5;{row}m"));
    screen.shows("4 Trace is blunt otherwise");
    screen.press("y");
    screen.shows("copied: the output");
    // "What?" in base64.
    crate::support::until("the clipboard", || screen.sent().contains("\x1b]52;c;V2hhdD8=\x1b\\").then_some(()));
    screen.quits();
}

#[test]
fn it_tests_as_the_environment_and_with_the_variables_that_it_is_given() {
    let workspace = Workspace::mini();
    let spec = workspace.read(SPEC).replace("- match: {}", "- match: {system: {contains: staging-xyz}}");
    let prompts = "prompts: {system: \"Be polite. ${ENV}-${WORD}\", variables: {WORD: {default: none}}}";
    workspace.write(SPEC, spec.replace("prompts: {system: {file: prompts/system.md}}", prompts));
    workspace.aic(&[]).exits(2);
    let screen = Screen::with(&workspace, &["--env", "staging", "--var", "WORD=xyz"], &[]);
    screen.shows("2 passed");
    screen.quits();
    workspace.aic(&["--env", "staging", "--var", "WORD=xyz"]).exits(0).says(&["2 passed"]);
    workspace.aic(&["--env", "staging", "test"]).exits(2);
}

#[test]
fn a_folder_that_vanishes_and_a_file_that_is_no_text_are_said_and_survived() {
    let workspace = Workspace::mini();
    let mut screen = Screen::open(&workspace);
    screen.shows("2 passed");
    workspace.write("other.ai.yml", [0xff, 0xfe, 0x00]);
    screen.shows("! other");
    screen.press("K");
    screen.shows("not UTF-8");
    std::fs::rename(workspace.root(), workspace.root().with_extension("away")).unwrap();
    screen.press("\x1b[I");
    screen.shows("No spec below this folder yet");
    std::fs::rename(workspace.root().with_extension("away"), workspace.root()).unwrap();
    screen.press("\x1b[I");
    screen.shows("✓ mini 2/2");
    screen.quits();
}

#[test]
fn another_process_that_runs_the_tests_is_followed_and_succeeded() {
    let workspace = Workspace::mini();
    let mut first = Screen::open(&workspace);
    first.shows("2 passed");
    let second = Screen::open(&workspace);
    second.shows("following process");
    second.shows("2 passed");
    workspace.write("prompts/system.md", "Be rude.\n");
    second.shows("1 failed");
    first.press("q");
    assert_eq!(first.ends().0, Some(0));
    workspace.write("prompts/system.md", crate::support::POLITE);
    second.shows("2 passed");
    second.hides("following process");
    second.quits();
}

#[test]
fn without_a_terminal_it_reports_and_exits_with_the_verdict() {
    let workspace = Workspace::mini();
    workspace.aic(&[]).exits(0).says(&["2 passed"]);
    workspace.write("prompts/system.md", "Be rude.\n");
    workspace.aic(&[]).exits(1).says(&["1 failed"]);
}
