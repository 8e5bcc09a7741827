//! The one registry of commands: keys, palette, help and footer all come from this table.

use crate::tui::editor::Motion;
use crate::tui::state::{Pane, Runner, State};

/// Where a key means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// Everywhere; in the editor, what types a character is typed.
    Any,
    /// In every pane, but not in the editor.
    Panes,
    /// Specs and problems.
    Specs,
    /// Tests.
    Tests,
    /// A file of the spec, to be read.
    Spec,
    /// A file of the spec, to be changed.
    Editor,
    /// Versions.
    Versions,
}

impl Context {
    /// This context and the wider ones, narrowest first.
    pub fn chain(self) -> impl Iterator<Item = Self> {
        let wider: &[Self] = match self {
            Self::Any => &[],
            Self::Panes | Self::Editor => &[Self::Any],
            Self::Specs | Self::Tests | Self::Spec | Self::Versions => &[Self::Panes, Self::Any],
        };
        std::iter::once(self).chain(wider.iter().copied())
    }

    /// Its name, as a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Any => "Everywhere",
            Self::Panes => "In the panes",
            Self::Specs => "Specs and problems",
            Self::Tests => "Tests",
            Self::Spec => "Spec",
            Self::Editor => "Editor",
            Self::Versions => "Versions",
        }
    }
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each has its words in the table below")]
pub enum Id {
    Quit,
    Palette,
    Help,
    Suspend,
    Focus(Pane),
    NextPane,
    PreviousPane,
    NextSpec,
    PreviousSpec,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    RunAll,
    RunOne,
    Stop,
    NextRed,
    Source,
    Rollback,
    Undo,
    Restore,
    Edit,
    NextFile,
    PreviousFile,
    Find,
    FindNext,
    FindPrevious,
    NextTheme,
    Yank,
    ReadConfig,
    Save,
    Leave,
    TextUndo,
    TextRedo,
    Complete,
    Hover,
    Fix,
    Cut,
    Copy,
    Insert,
    SelectAll,
    Newline,
    Indent,
    Outdent,
    Backspace,
    Delete,
    DeleteWord,
    Move(Motion),
    Select(Motion),
}

/// Whether a command can be carried out now, and if not, why.
pub type Enabled = fn(&State) -> Result<(), &'static str>;

/// One command.
pub struct Command {
    /// It.
    pub id: Id,
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it does, in a few words.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Where its keys mean it.
    pub context: Context,
    /// Its keys, unless the user gives it others.
    pub keys: &'static [&'static str],
    /// Whether it can be carried out.
    pub enabled: Enabled,
    /// Its place in the footer, if it has one; smaller comes first.
    pub footer: Option<u8>,
}

const fn one(
    id: Id,
    name: &'static str,
    context: Context,
    keys: &'static [&'static str],
    title: &'static str,
    doc: &'static str,
) -> Command {
    Command { id, name, title, doc, context, keys, enabled: always, footer: None }
}

impl Command {
    const fn when(mut self, enabled: Enabled) -> Self {
        self.enabled = enabled;
        self
    }

    const fn foot(mut self, place: u8) -> Self {
        self.footer = Some(place);
        self
    }
}

/// The command of an id.
pub fn command(id: Id) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.id == id)
}

/// All commands, in the order that help shows them.
pub static COMMANDS: [Command; 75] = [
    one(
        Id::Help,
        "help",
        Context::Any,
        &["?", "f1"],
        "Help",
        "Every command with its keys, and why one is not available now",
    )
    .foot(90),
    one(Id::Palette, "palette", Context::Any, &[":", "ctrl-p"], "Command palette", "Finds a command by its words")
        .foot(80),
    one(
        Id::Quit,
        "quit",
        Context::Any,
        &["q", "ctrl-q", "ctrl-c"],
        "Quit",
        "Leaves the workbench; asks first if something is not saved",
    )
    .foot(99),
    one(
        Id::RunAll,
        "tests.run-all",
        Context::Any,
        &["a", "f5"],
        "Run all tests",
        "Runs every case of the selected spec anew",
    )
    .when(can_run)
    .foot(20),
    one(Id::RunOne, "tests.run-one", Context::Any, &["r", "f6"], "Run this test", "Runs the selected case anew")
        .when(can_run_one)
        .foot(10),
    one(
        Id::Stop,
        "tests.stop",
        Context::Any,
        &["x"],
        "Stop the run",
        "Ends the run that is going on; nothing of it is recorded",
    )
    .when(is_running),
    one(
        Id::NextRed,
        "tests.next-red",
        Context::Any,
        &["f"],
        "Next failure",
        "Selects the next case that is not green, in this spec or another",
    )
    .when(has_red)
    .foot(30),
    one(
        Id::Rollback,
        "rollback",
        Context::Any,
        &["R"],
        "Roll back",
        "Puts the last stable version back at once; what is there becomes a version first",
    )
    .when(can_roll_back)
    .foot(40),
    one(Id::Undo, "rollback.undo", Context::Any, &["u"], "Undo the rollback", "Takes the last rollback back")
        .when(can_undo)
        .foot(45),
    one(Id::Edit, "edit", Context::Any, &["e"], "Edit", "Opens the file that the spec pane shows in the editor")
        .when(has_spec)
        .foot(25),
    one(
        Id::Focus(Pane::Specs),
        "pane.specs",
        Context::Any,
        &["1", "alt-1"],
        "Specs and problems",
        "Goes to the specs and what is wrong with them",
    ),
    one(Id::Focus(Pane::Tests), "pane.tests", Context::Any, &["2", "alt-2"], "Tests", "Goes to the behaviour tests"),
    one(
        Id::Focus(Pane::Spec),
        "pane.spec",
        Context::Any,
        &["3", "alt-3"],
        "Spec",
        "Goes to the text of the spec and of the files it names",
    ),
    one(
        Id::Focus(Pane::Trace),
        "pane.trace",
        Context::Any,
        &["4", "alt-4"],
        "Trace",
        "Goes to the selected case: what failed, and what happened",
    ),
    one(
        Id::Focus(Pane::Meters),
        "pane.meters",
        Context::Any,
        &["5", "alt-5"],
        "Meters",
        "Goes to cost, latency, guardrails and tokens",
    ),
    one(
        Id::Focus(Pane::Versions),
        "pane.versions",
        Context::Any,
        &["6", "alt-6"],
        "Versions",
        "Goes to the recorded versions",
    ),
    one(
        Id::NextTheme,
        "theme.next",
        Context::Any,
        &["ctrl-t"],
        "Next theme",
        "Takes the next theme, until the end of this session",
    ),
    one(
        Id::ReadConfig,
        "config.read",
        Context::Any,
        &[],
        "Read the configuration again",
        "Reads config.toml and the themes again; a save of them does so by itself",
    ),
    one(Id::NextPane, "pane.next", Context::Panes, &["tab"], "Next pane", "Goes to the next pane").foot(70),
    one(Id::PreviousPane, "pane.previous", Context::Panes, &["shift-tab"], "Previous pane", "Goes to the pane before"),
    one(Id::NextSpec, "spec.next", Context::Panes, &["J"], "Next spec", "Selects the next spec").when(has_many),
    one(Id::PreviousSpec, "spec.previous", Context::Panes, &["K"], "Previous spec", "Selects the spec before")
        .when(has_many),
    one(Id::Up, "up", Context::Panes, &["up", "k"], "Up", "One line up"),
    one(Id::Down, "down", Context::Panes, &["down", "j"], "Down", "One line down"),
    one(Id::PageUp, "page-up", Context::Panes, &["pageup", "ctrl-u"], "Page up", "Half a page up"),
    one(Id::PageDown, "page-down", Context::Panes, &["pagedown", "ctrl-d"], "Page down", "Half a page down"),
    one(Id::Top, "top", Context::Panes, &["home", "g"], "Top", "To the first line"),
    one(Id::Bottom, "bottom", Context::Panes, &["end", "G"], "Bottom", "To the last line"),
    one(
        Id::Open,
        "open",
        Context::Panes,
        &["enter"],
        "Open",
        "Opens what is selected: the place of a problem, the trace of a case, the file in the editor",
    )
    .foot(5),
    one(
        Id::Yank,
        "copy",
        Context::Panes,
        &["y"],
        "Copy",
        "Copies the selected problem, output, trace, line or digest to the system's clipboard",
    ),
    one(
        Id::Suspend,
        "suspend",
        Context::Panes,
        &["ctrl-z"],
        "Suspend",
        "Stops the workbench; `fg` of the shell brings it back",
    ),
    one(
        Id::Source,
        "tests.source",
        Context::Panes,
        &["o"],
        "Show where it stands",
        "Shows the failing expectation, or the test, in the spec pane",
    )
    .when(has_case),
    one(Id::NextFile, "spec.next-file", Context::Spec, &["]"], "Next file", "The next file that the spec names")
        .when(has_spec)
        .foot(31),
    one(Id::PreviousFile, "spec.previous-file", Context::Spec, &["["], "Previous file", "The file before")
        .when(has_spec),
    one(Id::Find, "find", Context::Spec, &["/", "ctrl-f"], "Find", "Finds a text in the file").when(has_spec).foot(32),
    one(Id::FindNext, "find.next", Context::Spec, &["n"], "Next match", "Goes to the next match").when(has_search),
    one(Id::FindPrevious, "find.previous", Context::Spec, &["N"], "Previous match", "Goes to the match before")
        .when(has_search),
    one(
        Id::Restore,
        "versions.restore",
        Context::Versions,
        &["b"],
        "Put this version back",
        "Rolls back to the selected version, stable or not",
    )
    .when(can_restore)
    .foot(41),
    one(Id::Save, "editor.save", Context::Editor, &["ctrl-s"], "Save", "Writes the file and runs what that affects")
        .when(editing)
        .foot(1),
    one(
        Id::Leave,
        "editor.leave",
        Context::Editor,
        &["esc"],
        "Leave the editor",
        "Closes a popup, else goes back to reading; what is not saved stays in the editor",
    )
    .when(editing)
    .foot(2),
    one(
        Id::TextUndo,
        "editor.undo",
        Context::Editor,
        &["ctrl-z", "alt-u"],
        "Undo the edit",
        "Takes the last edit back",
    )
    .when(editing)
    .foot(3),
    one(Id::TextRedo, "editor.redo", Context::Editor, &["ctrl-y", "alt-r"], "Redo the edit", "Makes it again")
        .when(editing)
        .foot(4),
    one(
        Id::Complete,
        "editor.complete",
        Context::Editor,
        &["ctrl-space", "ctrl-n"],
        "Complete",
        "Shows what can stand here",
    )
    .when(editing)
    .foot(6),
    one(
        Id::Hover,
        "editor.hover",
        Context::Editor,
        &["ctrl-k"],
        "Explain",
        "Explains the key or value under the cursor",
    )
    .when(editing)
    .foot(7),
    one(
        Id::Fix,
        "editor.fix",
        Context::Editor,
        &["alt-f", "ctrl-e"],
        "Mend",
        "Applies the change that mends the problem on this line",
    )
    .when(can_fix)
    .foot(8),
    one(
        Id::Cut,
        "editor.cut",
        Context::Editor,
        &["ctrl-x"],
        "Cut",
        "Takes the selection out, and keeps it for pasting",
    )
    .when(editing),
    one(Id::Copy, "editor.copy", Context::Editor, &["ctrl-c"], "Copy", "Keeps the selection for pasting").when(editing),
    one(Id::Insert, "editor.paste", Context::Editor, &["ctrl-v"], "Paste", "Inserts what was cut or copied here")
        .when(editing),
    one(Id::SelectAll, "editor.select-all", Context::Editor, &["ctrl-a"], "Select all", "Selects the whole text")
        .when(editing),
    one(
        Id::Newline,
        "editor.newline",
        Context::Editor,
        &["enter"],
        "New line",
        "Breaks the line and keeps the indentation",
    )
    .when(editing),
    one(
        Id::Indent,
        "editor.indent",
        Context::Editor,
        &["tab"],
        "Indent",
        "Takes the completion, else inserts two spaces",
    )
    .when(editing),
    one(
        Id::Outdent,
        "editor.outdent",
        Context::Editor,
        &["shift-tab"],
        "Outdent",
        "Takes two spaces from the start of the line",
    )
    .when(editing),
    one(
        Id::Backspace,
        "editor.backspace",
        Context::Editor,
        &["backspace", "shift-backspace", "ctrl-h"],
        "Delete back",
        "Deletes the selection or the character before the cursor",
    )
    .when(editing),
    one(
        Id::Delete,
        "editor.delete",
        Context::Editor,
        &["delete"],
        "Delete",
        "Deletes the selection or the character under the cursor",
    )
    .when(editing),
    one(
        Id::DeleteWord,
        "editor.delete-word",
        Context::Editor,
        &["ctrl-w", "alt-backspace"],
        "Delete word",
        "Deletes the word before the cursor",
    )
    .when(editing),
    motion(Id::Move(Motion::Left), "editor.left", &["left"], "Left"),
    motion(Id::Move(Motion::Right), "editor.right", &["right"], "Right"),
    motion(Id::Move(Motion::Up), "editor.up", &["up"], "Line up"),
    motion(Id::Move(Motion::Down), "editor.down", &["down"], "Line down"),
    motion(Id::Move(Motion::WordLeft), "editor.word-left", &["ctrl-left", "alt-b"], "Word left"),
    motion(Id::Move(Motion::WordRight), "editor.word-right", &["ctrl-right"], "Word right"),
    motion(Id::Move(Motion::Home), "editor.home", &["home"], "Start of line"),
    motion(Id::Move(Motion::End), "editor.end", &["end"], "End of line"),
    motion(Id::Move(Motion::PageUp), "editor.page-up", &["pageup"], "Page up in the text"),
    motion(Id::Move(Motion::PageDown), "editor.page-down", &["pagedown"], "Page down in the text"),
    motion(Id::Move(Motion::Top), "editor.top", &["ctrl-home"], "Start of text"),
    motion(Id::Move(Motion::Bottom), "editor.bottom", &["ctrl-end"], "End of text"),
    motion(Id::Select(Motion::Left), "editor.select-left", &["shift-left"], "Select left"),
    motion(Id::Select(Motion::Right), "editor.select-right", &["shift-right"], "Select right"),
    motion(Id::Select(Motion::Up), "editor.select-up", &["shift-up"], "Select line up"),
    motion(Id::Select(Motion::Down), "editor.select-down", &["shift-down"], "Select line down"),
    motion(Id::Select(Motion::WordLeft), "editor.select-word-left", &["ctrl-shift-left"], "Select word left"),
    motion(Id::Select(Motion::WordRight), "editor.select-word-right", &["ctrl-shift-right"], "Select word right"),
    motion(Id::Select(Motion::Home), "editor.select-home", &["shift-home"], "Select to start of line"),
    motion(Id::Select(Motion::End), "editor.select-end", &["shift-end"], "Select to end of line"),
];

const fn motion(id: Id, name: &'static str, keys: &'static [&'static str], title: &'static str) -> Command {
    one(id, name, Context::Editor, keys, title, "Moves the cursor, or one end of the selection").when(editing)
}

const fn always(_: &State) -> Result<(), &'static str> {
    Ok(())
}

fn check(is: bool, why_not: &'static str) -> Result<(), &'static str> {
    if is { Ok(()) } else { Err(why_not) }
}

fn editing(state: &State) -> Result<(), &'static str> {
    check(state.is_editing(), "only in the editor: `e` opens it")
}

fn can_fix(state: &State) -> Result<(), &'static str> {
    editing(state)?;
    check(
        state.editor.as_ref().is_some_and(|editor| editor.fix().is_some()),
        "no problem on this line can be mended by itself",
    )
}

fn has_spec(state: &State) -> Result<(), &'static str> {
    check(state.spec().is_some_and(|spec| spec.loaded.is_some()), "no spec is open")
}

fn has_many(state: &State) -> Result<(), &'static str> {
    check(state.specs.len() > 1, "there is one spec only")
}

fn can_run(state: &State) -> Result<(), &'static str> {
    has_spec(state)?;
    check(!matches!(state.runner, Runner::Other(_)), "another `aic` runs the tests of this workspace; this one follows")
}

fn can_run_one(state: &State) -> Result<(), &'static str> {
    can_run(state)?;
    has_case(state)
}

fn has_case(state: &State) -> Result<(), &'static str> {
    check(state.case_id().is_some(), "no case is selected")
}

fn is_running(state: &State) -> Result<(), &'static str> {
    check(state.running.is_some(), "nothing runs")
}

fn has_red(state: &State) -> Result<(), &'static str> {
    check(state.specs.iter().any(|spec| spec.red().next().is_some()), "nothing is red")
}

fn can_roll_back(state: &State) -> Result<(), &'static str> {
    has_spec(state)?;
    check(!matches!(state.runner, Runner::NoStore), "there is no store, so there are no versions")?;
    let stable = state.spec().is_some_and(|spec| spec.history.versions.iter().any(|version| version.stable));
    check(stable, "there is no stable version yet: one is stable when all its tests pass")
}

fn can_restore(state: &State) -> Result<(), &'static str> {
    check(state.version().is_some(), "no version is selected")
}

fn can_undo(state: &State) -> Result<(), &'static str> {
    has_spec(state)?;
    check(state.spec().is_some_and(|spec| spec.history.can_undo), "there is no rollback to undo")
}

fn has_search(state: &State) -> Result<(), &'static str> {
    check(!state.search.is_empty(), "nothing was searched for yet: `/` does")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::keymap::Key;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn no_key_means_two_commands_in_one_context_and_each_can_be_read() {
        let mut seen = HashSet::new();
        for command in &COMMANDS {
            for text in command.keys {
                let key = Key::parse(text).unwrap_or_else(|| panic!("{text}"));
                assert!(seen.insert((command.context, key)), "{text} in {:?}", command.context);
            }
        }
    }

    #[test]
    fn names_and_ids_are_given_once_and_every_command_says_what_it_does() {
        let names: BTreeSet<&str> = COMMANDS.iter().map(|command| command.name).collect();
        let ids: BTreeSet<Id> = COMMANDS.iter().map(|command| command.id).collect();
        assert_eq!((names.len(), ids.len()), (COMMANDS.len(), COMMANDS.len()));
        assert!(COMMANDS.iter().all(|command| !command.title.is_empty() && !command.doc.is_empty()));
    }
}
