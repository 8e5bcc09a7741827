//! One user's session with a container: what was said so far, and the model's side of it. It is over when nobody has said
//! anything for `session.timeout`; what is kept of it ([`Kept`]) can be gone on with in another process.

use crate::backing::Seat;
use crate::confirm::Pending;
use crate::container::Container;
use crate::flow::Flow;
use crate::memory::Recollection;
use crate::options::{Answer, Answers, RunOptions};
use crate::prompt::keep_last;
use crate::report::{TurnReport, WorkspaceChanges};
use crate::run;
use crate::tools::{Desk, Surroundings, Workshop};
use aic_base::{RunId, Timestamp};
use aic_model::Message;
use aic_model::cassette::Deck;
use aic_spec::{MemoryKind, Trust};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The environment where neither the caller nor the spec names one.
const DEFAULT_ENVIRONMENT: &str = "development";

/// A session. Each turn is a run.
pub struct Conversation {
    pub(crate) container: Arc<Container>,
    pub(crate) options: RunOptions,
    pub(crate) model: String,
    /// The models that are asked in turn, the one of that name first.
    pub(crate) seats: Vec<Seat>,
    /// Its use of the cassette, where there is one.
    pub(crate) deck: Option<Deck>,
    /// What it remembers beyond its history.
    pub(crate) recollection: Option<Arc<Recollection>>,
    /// Everything said so far, without the instructions.
    pub(crate) history: Vec<Message>,
    pub(crate) turns: u32,
    /// Whether untrusted text has entered it.
    pub(crate) tainted: bool,
    /// Where what was said came from.
    pub(crate) flow: Flow,
    /// Its sandboxes and MCP servers.
    pub(crate) desk: Desk,
    /// What the next run has to say of the session.
    pub(crate) notices: Vec<String>,
    last: Option<Timestamp>,
    runs: u32,
}

/// What of a conversation is kept, to go on with it later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// How many turns it has had.
    pub turns: u32,
    /// Whether untrusted text has entered it.
    pub tainted: bool,
    /// When its last turn was.
    pub last: Timestamp,
    /// What was said, without the instructions.
    pub messages: Vec<Message>,
}

impl Conversation {
    pub(crate) fn new(container: Arc<Container>, mut options: RunOptions) -> Result<Self, String> {
        if options.environment.is_empty() {
            let declared = container.spec.prompts.variables.get("ENV").and_then(|variable| variable.default.clone());
            options.environment = declared.unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
        }
        let name = options.model.clone().unwrap_or_else(|| "primary".into());
        let deck = container.backing.deck(&container.spec, &options);
        let seats = container.seats(&name, &options, deck.as_ref())?;
        let recollection = Recollection::of(&container.spec, &container.backing, &options)?.map(Arc::new);
        let history = options.history.clone();
        Ok(Self {
            container,
            options,
            model: name,
            seats,
            deck,
            recollection,
            history,
            turns: 0,
            tainted: false,
            flow: Flow::default(),
            desk: Desk::default(),
            notices: Vec::new(),
            last: None,
            runs: 0,
        })
    }

    /// Takes up what was kept. Whether it is over by now is seen at the next turn.
    pub fn restore(&mut self, kept: Kept) {
        let Kept { turns, tainted, last, messages } = kept;
        for told in messages.iter().filter_map(|message| message.answers.as_ref()) {
            if let Some(tool) = self.container.tools.get(&told.tool) {
                let untrusted = tool.spec.trust == Trust::Untrusted;
                self.flow.returned(&self.container.spec, &tool.spec, &told.call, untrusted, &told.result);
            }
        }
        (self.turns, self.tainted, self.last, self.history) = (turns, tainted, Some(last), messages);
    }

    /// What there is to keep, or nothing before the first turn.
    pub fn kept(&self) -> Option<Kept> {
        let (turns, tainted, messages) = (self.turns, self.tainted, self.history.clone());
        Some(Kept { turns, tainted, last: self.last?, messages })
    }

    /// Runs one turn: the user's input, the turn's own variables, and a person's answers to what may be asked.
    pub async fn turn(&mut self, input: &str, vars: &Map<String, Value>, answers: &Answers) -> TurnReport {
        let run = self.next_run();
        let report = run::turn(self, run, input, vars, answers).await;
        self.turn_ended();
        let workspace = changes(&self.container, &self.options, &self.desk).await;
        TurnReport { workspace, ..report }
    }

    /// Goes on with a run that waited for a person, with that person's answer to the one question that was open. What was
    /// done before the question is not done again.
    pub async fn resume(&mut self, pending: &Pending, answer: Answer) -> TurnReport {
        let run = self.next_run();
        let report = run::resume(self, run, pending, answer).await;
        self.turn_ended();
        let workspace = changes(&self.container, &self.options, &self.desk).await;
        TurnReport { workspace, ..report }
    }

    /// The workspace as its programs left it.
    pub fn workshop(&self) -> Workshop {
        Surroundings::of(&self.container, &self.options, &self.desk, &Value::Null).workshop()
    }

    /// Begins anew where nobody has said anything for too long.
    fn next_run(&mut self) -> RunId {
        let idle = self.last.map(|last| self.options.clock.now().since(last));
        if let (Some(idle), Some(timeout)) = (idle, self.container.spec.context.session_timeout)
            && idle > timeout
        {
            let (idle, timeout) = (idle.as_secs(), timeout.as_secs());
            self.notices.push(format!(
                "nobody has said anything for {idle} s and the session ends after {timeout} s: a new one begins"
            ));
            self.history.clone_from(&self.options.history);
            (self.turns, self.tainted, self.flow) = (0, false, Flow::default());
        }
        self.turns += 1;
        self.runs += 1;
        RunId(format!("{}-{}", self.options.run_prefix, self.runs))
    }

    fn turn_ended(&mut self) {
        let context = &self.container.spec.context;
        match (context.memory.kind, context.max_messages) {
            (MemoryKind::None, _) => self.history.clone_from(&self.options.history),
            (_, Some(most)) => keep_last(&mut self.history, usize::try_from(most).unwrap_or(usize::MAX)),
            _ => {}
        }
        self.last = Some(self.options.clock.now());
    }
}

/// What programs changed in the conversation's copy of the workspace. Of its parts only: a model's session cannot be
/// looked at from two threads.
async fn changes(container: &Container, options: &RunOptions, desk: &Desk) -> Option<WorkspaceChanges> {
    if !desk.has_copy() {
        return None;
    }
    Surroundings::of(container, options, desk, &Value::Null).changes().await
}
