//! What reaches the workbench, and what it asks for: both are data, so that `update` stays pure.

use crate::tui::config::Config;
use crate::tui::ide::{Completion, Explanation};
use crate::tui::memory::Memory;
use crate::tui::state::{History, Job, Rolled, Runner, TestItem};
use aic_base::{Digest, RelPath};
use aic_behavior::CaseReport;
use aic_spec::{Diagnostic, Loaded};
use crossterm::event::{KeyEvent, MouseEvent};
use std::sync::Arc;
use std::time::Duration;

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Pasted text.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The terminal is looked at again.
    FocusGained,
    /// The terminal said what its background is.
    Background {
        /// Whether it is dark.
        dark: bool,
    },
    /// The workspace was looked through.
    Opened(Result<Opened, String>),
    /// There are other specs than before: these.
    Specs(Vec<(RelPath, String)>),
    /// Somebody else runs the tests, or nobody else does any more.
    Runner(Runner),
    /// A spec was loaded, for the first time or because it changed.
    Loaded(Box<LoadedSpec>),
    /// A case has ended.
    CaseEnded {
        /// The run it belongs to.
        generation: u64,
        /// The spec.
        spec: RelPath,
        /// What came of it.
        case: Arc<CaseReport>,
    },
    /// A run has ended.
    Tested {
        /// Which.
        generation: u64,
        /// The spec.
        spec: RelPath,
        /// What came of it; nothing if it was stopped.
        outcome: Option<Box<Outcome>>,
    },
    /// The store was read.
    History {
        /// The spec.
        spec: RelPath,
        /// What it knows.
        history: Box<History>,
    },
    /// A rollback, or the undoing of one, has ended.
    Rolled {
        /// The spec.
        spec: RelPath,
        /// What it did; nothing if there was nothing to do.
        result: Result<Option<Rolled>, String>,
    },
    /// The configuration was read again.
    Config(Box<Config>),
    /// Somebody wrote into the store.
    StoreChanged,
    /// Something does not work, and goes on not working.
    Trouble(String),
    /// A file was saved.
    Saved {
        /// The file.
        path: RelPath,
        /// What it is now, or why it is not saved.
        result: Result<Digest, NotSaved>,
    },
    /// An unsaved text was analysed.
    Analysed {
        /// The text, by the number of edits.
        edits: u64,
        /// What is wrong with it.
        found: Vec<Diagnostic>,
    },
    /// What could stand at the cursor.
    Completed {
        /// The text it is about.
        edits: u64,
        /// All of it.
        all: Vec<Completion>,
    },
    /// What stands at the cursor.
    Explained {
        /// The text it is about.
        edits: u64,
        /// The explanation.
        explanation: Option<Explanation>,
    },
    /// The system wants the program to stop for a while.
    Suspend,
    /// The system wants the program to end, with this exit code.
    End(u8),
}

/// What the workspace has.
#[derive(Debug)]
pub struct Opened {
    /// The specs: their paths, and as a person writes them here.
    pub specs: Vec<(RelPath, String)>,
    /// Who runs the tests.
    pub runner: Runner,
    /// What does not work.
    pub troubles: Vec<String>,
    /// What was selected when somebody worked here last.
    pub memory: Memory,
}

/// A spec as it is now.
#[derive(Debug)]
pub struct LoadedSpec {
    /// Which.
    pub spec: RelPath,
    /// As it was loaded.
    pub loaded: Arc<Loaded>,
    /// Its tests.
    pub tests: Vec<TestItem>,
    /// Results of the store that still hold.
    pub known: Vec<CaseReport>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The cases, or why there are none.
    pub result: Result<Vec<CaseReport>, String>,
    /// What could not be written down.
    pub unkept: Option<String>,
    /// From the beginning to the last result.
    pub took: Duration,
}

/// Why a file is not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// Somebody else has changed it meanwhile: this is what it is.
    Changed(String),
    /// The system says no.
    Failed(String),
}

/// Something to be done outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find the workspace and its specs.
    Open,
    /// Look whether files have changed.
    Look,
    /// Run tests.
    Test {
        /// The number of the run.
        generation: u64,
        /// What.
        job: Job,
    },
    /// End the run that is going on.
    Stop,
    /// Read what the store knows of a spec.
    History(RelPath),
    /// Put a version back: this one, else the last stable one.
    RollBack {
        /// The spec.
        spec: RelPath,
        /// The version.
        to: Option<String>,
    },
    /// Take the last rollback back.
    UndoRollBack {
        /// The spec.
        spec: RelPath,
    },
    /// Write a file.
    Save {
        /// The file.
        path: RelPath,
        /// The text.
        text: String,
        /// What the file must still be; anything without.
        base: Option<Digest>,
    },
    /// Analyse an unsaved text.
    Analyse(Unsaved),
    /// Find what could stand at a place of it.
    Complete(Unsaved),
    /// Find what stands at a place of it.
    Explain(Unsaved),
    /// Read the configuration again.
    ReadConfig,
    /// Hand a text to the system's clipboard.
    Clipboard(String),
    /// Give the terminal back and stop, until the shell brings the program back.
    Suspend,
}

/// A text that is not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved {
    /// The spec it belongs to.
    pub spec: RelPath,
    /// The file.
    pub path: RelPath,
    /// The text.
    pub text: String,
    /// Its number of edits.
    pub edits: u64,
    /// The place, in bytes.
    pub offset: usize,
}
