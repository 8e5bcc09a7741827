//! What a caller decides about a conversation: who asks, what time it is, what may really happen.

use crate::counters::{Counters, MemoryCounters};
use crate::data::Data;
use crate::memory::Seal;
use crate::tools::Mocks;
use crate::trace::{NoRecorder, Recorder};
use aic_base::{Clock, SystemClock};
use aic_guard::User;
use aic_model::{Message, Vectors};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A person's answer to a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// Answers to confirmations, by the name of the tool or the guardrail that asks.
pub type Answers = BTreeMap<String, Answer>;

/// What tools may really do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effects {
    /// Everything the spec allows.
    Live,
    /// In a test: what reads, and what writes to a private copy; beyond that only these tools.
    Test {
        /// The tools that the test names under `real`.
        real: Vec<String>,
    },
}

/// What a caller decides about a conversation.
#[derive(Clone)]
pub struct RunOptions {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// `${ENV}` and `environment` of conditions; where empty, the default that the spec declares for `ENV`, else
    /// `development`.
    pub environment: String,
    /// Who asks.
    pub user: User,
    /// Variables, the caller's.
    pub vars: Map<String, Value>,
    /// Reads an environment variable that the spec declares.
    pub env: fn(&str) -> Option<String>,
    /// The named model that answers; `primary` where none is named.
    pub model: Option<String>,
    /// The variant of the prompts.
    pub variant: Option<String>,
    /// The conversation so far: given, not run.
    pub history: Vec<Message>,
    /// What stands in for tools' `run`.
    pub mocks: Arc<Mocks>,
    /// What tools may really do.
    pub effects: Effects,
    /// The databases.
    pub data: Data,
    /// For random numbers of scripts.
    pub seed: u64,
    /// Dropping out.
    pub cancel: CancellationToken,
    /// Who writes down what happens.
    pub recorder: Arc<dyn Recorder>,
    /// Counts over windows.
    pub counters: Arc<dyn Counters>,
    /// The session's name, where it has one: whose memory it is, if no user is named.
    pub session: Option<String>,
    /// Where the workspace's own memory lies; none: in this process.
    pub vectors: Option<Arc<dyn Vectors>>,
    /// Encrypts what is remembered elsewhere.
    pub seal: Option<Arc<dyn Seal>>,
    /// The beginning of the runs' names; a number follows.
    pub run_prefix: String,
    /// What a recording says of where it was made: the test case, or `run`.
    pub label: String,
    /// Whether the answers to questions come from an operator. What only an operator may answer stays open otherwise,
    /// whatever the answers say.
    pub operator: bool,
    /// Who shows the answer as it comes; none: nothing is shown before the whole is judged.
    pub stream: Option<Arc<dyn Sink>>,
}

/// Shows the answer of a model as it comes. What it is given has passed every guardrail.
pub trait Sink: Send + Sync {
    /// More text.
    fn text(&self, text: &str);

    /// The model is done with one answer; tools may follow, and another answer.
    fn paragraph(&self) {}
}

impl RunOptions {
    /// The machine's clock, the workspace's real data, nobody in particular, nothing recorded.
    pub fn live(root: PathBuf) -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            environment: String::new(),
            user: User::default(),
            vars: Map::new(),
            env: |name| std::env::var(name).ok(),
            model: None,
            variant: None,
            history: Vec::new(),
            mocks: Arc::default(),
            effects: Effects::Live,
            data: Data::Real(root),
            seed: 0,
            cancel: CancellationToken::new(),
            recorder: Arc::new(NoRecorder),
            counters: Arc::new(MemoryCounters::default()),
            session: None,
            vectors: None,
            seal: None,
            run_prefix: "run".into(),
            label: "run".into(),
            operator: false,
            stream: None,
        }
    }
}

impl fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables may hold what nobody should read in a log.
        f.debug_struct("RunOptions")
            .field("environment", &self.environment)
            .field("model", &self.model)
            .field("variant", &self.variant)
            .field("effects", &self.effects)
            .finish_non_exhaustive()
    }
}
