//! Everything the screen shows, as plain data. `update` alone changes it; views only read it.

use crate::tui::commands::{Context, Id};
use crate::tui::config::Config;
use crate::tui::editor::Editor;
use crate::tui::memory::Memory;
use crate::tui::theme::{Depth, Theme};
use aic_base::{Digest, RelPath, Span};
use aic_behavior::{CaseReport, Tally};
use aic_spec::{Diagnostic, Loaded};
use aic_store::{Sample, VersionInfo};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    /// Specs and problems.
    Specs,
    /// Behaviour tests.
    Tests,
    /// The text of the spec.
    Spec,
    /// The selected case: what failed and what happened.
    Trace,
    /// Cost, latency, guardrails, tokens.
    Meters,
    /// Versions.
    Versions,
}

impl Pane {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Specs, Self::Tests, Self::Spec, Self::Trace, Self::Meters, Self::Versions];

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Specs => "Specs",
            Self::Tests => "Tests",
            Self::Spec => "Spec",
            Self::Trace => "Trace",
            Self::Meters => "Meters",
            Self::Versions => "Versions",
        }
    }

    /// The pane so many places on.
    pub fn step(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let count = Self::ALL.len();
        Self::ALL[(at + count).wrapping_add_signed(by) % count]
    }
}

/// How far the workbench has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It looks for specs.
    Opening,
    /// It has them.
    Ready,
    /// There is nothing to work on, and why.
    Empty(String),
}

/// Who runs the tests of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// This process.
    Mine,
    /// Another one, by its number where it is known; this one follows through the store.
    Other(Option<u32>),
    /// This process, and nothing is kept: there is no store.
    NoStore,
}

/// A run that is asked for or going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The spec.
    pub spec: RelPath,
    /// The cases it is about, by their exact ids; all without.
    pub cases: Option<BTreeSet<String>>,
    /// Whether results that still hold are kept.
    pub keep: bool,
}

/// The run that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// What.
    pub job: Job,
    /// Which one: results of others are not shown.
    pub generation: u64,
    /// How many cases have ended.
    pub ended: usize,
}

/// A test and its cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestItem {
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub file: RelPath,
    /// Where.
    pub span: Span,
    /// The ids of its cases.
    pub cases: Vec<String>,
    /// Whether its cases are judged together, so that none of them can be run alone.
    pub together: bool,
}

/// A row of the tests' tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestRow<'a> {
    /// A test of several cases.
    Test(&'a TestItem),
    /// A case; `true` where it stands below its test.
    Case(&'a TestItem, &'a str, bool),
}

/// What the store knows of a spec.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The versions, newest first.
    pub versions: Vec<VersionInfo>,
    /// The version that the working files are.
    pub here: Option<Digest>,
    /// The last runs' numbers, oldest first.
    pub samples: Vec<Sample>,
    /// Whether there is a rollback to take back.
    pub can_undo: bool,
    /// What keeps the store from being read.
    pub problem: Option<String>,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    /// In one line.
    pub title: String,
    /// File by file.
    pub lines: Vec<String>,
}

/// One spec.
#[derive(Debug, Clone, Default)]
pub struct SpecState {
    /// Its file.
    pub path: RelPath,
    /// The path as a person writes it here.
    pub shown: String,
    /// As it was loaded last.
    pub loaded: Option<Arc<Loaded>>,
    /// What it called itself when it could be read last.
    pub called: Option<String>,
    /// Its tests.
    pub tests: Vec<TestItem>,
    /// What came of its cases.
    pub results: BTreeMap<String, Arc<CaseReport>>,
    /// Cases that are to run or run now.
    pub waiting: BTreeSet<String>,
    /// Why it was not tested.
    pub refusal: Option<String>,
    /// What could not be written down.
    pub unkept: Option<String>,
    /// How long the last tests took, from the beginning to the last result.
    pub took: Option<Duration>,
    /// The versions and numbers.
    pub history: History,
    /// The last rollback of this session.
    pub rolled: Option<Rolled>,
    /// The selected row of the tests' tree.
    pub test_at: usize,
    /// The selected version.
    pub version_at: usize,
}

impl SpecState {
    /// A spec that is not loaded yet.
    pub fn new(path: RelPath, shown: String) -> Self {
        Self { path, shown, ..Self::default() }
    }

    /// Its name: that of the spec, else its path.
    pub fn name(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.shown)
    }

    /// The rows of the tests' tree.
    pub fn rows(&self) -> Vec<TestRow<'_>> {
        let mut rows = Vec::new();
        for test in &self.tests {
            let several = test.cases.len() > 1 || test.cases.first().is_some_and(|case| *case != test.name);
            if several {
                rows.push(TestRow::Test(test));
            }
            rows.extend(test.cases.iter().map(|case| TestRow::Case(test, case, several)));
        }
        rows
    }

    /// How its cases ended.
    pub fn tally(&self) -> Tally {
        Tally::of(self.results.values().map(|case| case.verdict))
    }

    /// The rows of cases that are not green.
    pub fn red(&self) -> impl Iterator<Item = usize> {
        let rows = self.rows();
        let red = rows.iter().enumerate().filter(|(_, row)| match row {
            TestRow::Case(_, case, _) => self.results.get(*case).is_some_and(|case| !case.verdict.is_fine()),
            TestRow::Test(_) => false,
        });
        red.map(|(at, _)| at).collect::<Vec<_>>().into_iter()
    }

    /// What is wrong with it.
    pub fn problems(&self) -> &[Diagnostic] {
        self.loaded.as_ref().map_or(&[], |loaded| &loaded.diagnostics)
    }

    /// The text files it is made of: itself first.
    pub fn files(&self) -> Vec<&RelPath> {
        let mut files = vec![&self.path];
        if let Some(loaded) = &self.loaded {
            files.extend(loaded.files.keys().filter(|path| **path != self.path && loaded.text(path).is_some()));
        }
        files
    }
}

/// What the spec pane shows to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileView {
    /// The file; the spec itself without.
    pub file: Option<RelPath>,
    /// The selected line, from 0.
    pub line: usize,
    /// The first line that is shown, from 0.
    pub top: usize,
}

/// What lies over the panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The palette: what was typed, and the selected one of what fits.
    Palette {
        /// What was typed.
        query: String,
        /// The selected one.
        at: usize,
    },
    /// Every command with its keys.
    Help {
        /// The first line that is shown.
        top: usize,
    },
    /// The text that is looked for.
    Find {
        /// What was typed.
        query: String,
    },
    /// A question.
    Ask(Question),
    /// A problem that has no place in a file, in full.
    Problem(String),
}

/// A question and what its answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Something is not saved: leave all the same?
    QuitUnsaved,
    /// The file changed here and on the disk.
    BothChanged,
}

/// A few words in the last line, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is bad news.
    pub bad: bool,
    /// The words.
    pub text: String,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct State {
    /// Columns and rows.
    pub size: (u16, u16),
    /// The pane that keys go to.
    pub focus: Pane,
    /// How far it has come.
    pub phase: Phase,
    /// The specs.
    pub specs: Vec<SpecState>,
    /// The selected one.
    pub at: usize,
    /// The selected row of specs and problems.
    pub specs_at: usize,
    /// The file that is shown.
    pub view: FileView,
    /// The file that is edited.
    pub editor: Option<Editor>,
    /// What was cut or copied.
    pub clipboard: String,
    /// The first line of the trace that is shown.
    pub trace_top: usize,
    /// The first line of the meters that is shown.
    pub meters_top: usize,
    /// What was searched for last.
    pub search: String,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// The words in the last line.
    pub notice: Option<Notice>,
    /// Who runs the tests.
    pub runner: Runner,
    /// What runs.
    pub running: Option<Running>,
    /// What is to run after that.
    pub queue: VecDeque<Job>,
    /// Counts runs.
    pub generation: u64,
    /// The theme.
    pub theme: Theme,
    /// What is wrong with the theme.
    pub theme_problems: Vec<String>,
    /// Whether the terminal's background is dark.
    pub dark: bool,
    /// How many colours there are.
    pub depth: Depth,
    /// The configuration.
    pub config: Config,
    /// What is wrong with the workspace as a whole: no store, no watching.
    pub troubles: Vec<String>,
    /// What was selected in the last session, as far as it did not come back yet.
    pub memory: Memory,
    /// The exit code, once it is time to go.
    pub quit: Option<u8>,
}

impl State {
    /// The state before anything is known.
    pub fn new(size: (u16, u16), config: Config, depth: Depth) -> Self {
        let read = config.theme(depth, true);
        Self {
            size,
            focus: Pane::Tests,
            phase: Phase::Opening,
            specs: Vec::new(),
            at: 0,
            specs_at: 0,
            view: FileView::default(),
            editor: None,
            clipboard: String::new(),
            trace_top: 0,
            meters_top: 0,
            search: String::new(),
            overlay: None,
            notice: None,
            runner: Runner::Mine,
            running: None,
            queue: VecDeque::new(),
            generation: 0,
            theme: read.theme,
            theme_problems: read.problems,
            dark: true,
            depth,
            config,
            troubles: Vec::new(),
            memory: Memory::default(),
            quit: None,
        }
    }

    /// The selected spec.
    pub fn spec(&self) -> Option<&SpecState> {
        self.specs.get(self.at)
    }

    /// The place of a spec, by its file.
    pub fn place_of(&self, path: &RelPath) -> Option<usize> {
        self.specs.iter().position(|spec| spec.path == *path)
    }

    /// A spec, by its file.
    pub fn spec_of(&mut self, path: &RelPath) -> Option<&mut SpecState> {
        self.specs.iter_mut().find(|spec| spec.path == *path)
    }

    /// What is to be remembered for the next session.
    pub fn to_remember(&self, root: &Path) -> Memory {
        let case = |spec: &SpecState| match spec.rows().get(spec.test_at)? {
            TestRow::Case(_, case, _) => Some((spec.path.to_string(), (*case).to_owned())),
            TestRow::Test(test) => Some((spec.path.to_string(), test.name.clone())),
        };
        // What did not come back in this session may in the next one.
        let mut cases = self.memory.cases.clone();
        cases.extend(self.specs.iter().filter_map(case));
        Memory {
            root: root.to_owned(),
            spec: self.spec().map(|spec| spec.path.to_string()),
            pane: Some(self.focus.title().to_owned()),
            file: self.view.file.as_ref().map(ToString::to_string),
            line: self.view.line,
            trace_top: self.trace_top,
            cases,
        }
    }

    /// The selected spec.
    pub fn spec_mut(&mut self) -> Option<&mut SpecState> {
        self.specs.get_mut(self.at)
    }

    /// The context of keys.
    pub fn context(&self) -> Context {
        match self.focus {
            Pane::Spec if self.is_editing() => Context::Editor,
            Pane::Specs => Context::Specs,
            Pane::Tests => Context::Tests,
            Pane::Spec => Context::Spec,
            Pane::Versions => Context::Versions,
            Pane::Trace | Pane::Meters => Context::Panes,
        }
    }

    /// Whether keys go into the editor.
    pub fn is_editing(&self) -> bool {
        self.focus == Pane::Spec && self.editor.as_ref().is_some_and(|editor| editor.open)
    }

    /// Whether something is not saved.
    pub fn is_dirty(&self) -> bool {
        self.editor.as_ref().is_some_and(Editor::is_dirty)
    }

    /// The id of the selected case: the first one where a test of several is selected.
    pub fn case_id(&self) -> Option<&str> {
        let spec = self.spec()?;
        match spec.rows().get(spec.test_at)? {
            TestRow::Case(_, case, _) => Some(case),
            TestRow::Test(test) => test.cases.first().map(String::as_str),
        }
    }

    /// What "run this test" is about: the selected case, or all of the selected test; all of it too where the cases are
    /// judged together.
    pub fn selected_cases(&self) -> Option<BTreeSet<String>> {
        let spec = self.spec()?;
        match *spec.rows().get(spec.test_at)? {
            TestRow::Case(test, case, _) if !test.together => Some(BTreeSet::from([case.to_owned()])),
            TestRow::Case(test, ..) | TestRow::Test(test) => Some(test.cases.iter().cloned().collect()),
        }
    }

    /// What came of the selected case.
    pub fn case(&self) -> Option<&Arc<CaseReport>> {
        self.spec()?.results.get(self.case_id()?)
    }

    /// The selected version.
    pub fn version(&self) -> Option<&VersionInfo> {
        let spec = self.spec()?;
        spec.history.versions.get(spec.version_at)
    }

    /// The file that the spec pane shows.
    pub fn shown_file(&self) -> Option<&RelPath> {
        self.view.file.as_ref().or_else(|| Some(&self.spec()?.path))
    }

    /// The text of the file that the spec pane shows.
    pub fn shown_text(&self) -> Option<&str> {
        self.spec()?.loaded.as_ref()?.text(self.shown_file()?)
    }

    /// What is wrong outside of any spec: configuration, theme, workspace.
    pub fn own_problems(&self) -> impl Iterator<Item = &String> {
        self.troubles.iter().chain(&self.config.problems).chain(&self.theme_problems)
    }

    /// How many rows specs and problems have.
    pub fn specs_rows(&self) -> usize {
        self.specs.len() + self.spec().map_or(0, |spec| spec.problems().len()) + self.own_problems().count()
    }

    /// Whether a command can be carried out, and if not, why.
    pub fn allows(&self, id: Id) -> Result<(), &'static str> {
        crate::tui::commands::command(id).map_or(Err("there is no such command"), |command| (command.enabled)(self))
    }
}
