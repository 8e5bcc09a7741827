//! What the server cannot do by itself: run behaviour tests and remember how they went. Its host states how, so that this
//! crate needs neither engine nor store.

use aic_base::{RelPath, Usd};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

/// Who runs behaviour tests. Without one, a server shows no lenses.
pub trait Runner: Debug + Send + Sync + 'static {
    /// Runs the tests of a spec as they are on disk. Dropping what is returned ends the run. `ended` is called as cases
    /// end, in any order; not for those that are skipped.
    ///
    /// # Errors
    /// Why nothing ran, for a person to read.
    fn run(
        self: Arc<Self>,
        wanted: Wanted,
        ended: Arc<dyn Fn(CaseEnded) + Send + Sync>,
    ) -> Pin<Box<dyn Future<Output = Result<Ran, String>> + Send>>;

    /// What is known of the tests and guardrails of a spec from earlier runs; none where nothing is. May read files.
    fn history(&self, root: &Path, spec: &RelPath) -> Option<History>;
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// The spec in there.
    pub spec: RelPath,
    /// One test by its name; without, all.
    pub test: Option<String>,
}

/// A case that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEnded {
    /// Its id.
    pub id: String,
    /// Whether it passed.
    pub passed: bool,
}

/// How one test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// How many of its cases passed; those that were skipped count as neither.
    pub passed: u32,
    /// How many cases were judged.
    pub cases: u32,
    /// What its calls cost, all cases and repeats.
    pub cost: Usd,
    /// Why the first case that did not pass did not, for a person to read.
    pub problem: Option<String>,
}

/// How a run went, by test.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// The tests that ran.
    pub tests: BTreeMap<String, TestResult>,
}

/// What is known from earlier runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The last results that still hold: nothing they depend on has changed since.
    pub tests: BTreeMap<String, TestResult>,
    /// How many of the last runs were looked at for guardrails.
    pub runs: u32,
    /// The guardrails that decided anything in one of those.
    pub fired: BTreeSet<String>,
}
