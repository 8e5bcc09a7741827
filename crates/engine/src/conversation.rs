//! One user's session with a container: what was said so far, and the model's side of it.

use crate::backing::Seat;
use crate::confirm::Pending;
use crate::container::Container;
use crate::flow::Flow;
use crate::options::{Answer, Answers, RunOptions};
use crate::report::TurnReport;
use crate::run;
use crate::tools::Desk;
use aic_base::RunId;
use aic_model::Message;
use aic_model::cassette::Deck;
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
    /// Everything said so far, without the instructions.
    pub(crate) history: Vec<Message>,
    pub(crate) turns: u32,
    /// Whether untrusted text has entered it.
    pub(crate) tainted: bool,
    /// Where what was said came from.
    pub(crate) flow: Flow,
    /// Its sandboxes and MCP servers.
    pub(crate) desk: Desk,
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
        let history = options.history.clone();
        Ok(Self {
            container,
            options,
            model: name,
            seats,
            deck,
            history,
            turns: 0,
            tainted: false,
            flow: Flow::default(),
            desk: Desk::default(),
        })
    }

    /// Runs one turn: the user's input, the turn's own variables, and a person's answers to what may be asked.
    pub async fn turn(&mut self, input: &str, vars: &Map<String, Value>, answers: &Answers) -> TurnReport {
        self.turns += 1;
        let run = RunId(format!("{}-{}", self.options.run_prefix, self.turns));
        run::turn(self, run, input, vars, answers).await
    }

    /// Goes on with a run that waited for a person, with that person's answer to the one question that was open. What was
    /// done before the question is not done again.
    pub async fn resume(&mut self, pending: &Pending, answer: Answer) -> TurnReport {
        self.turns += 1;
        let run = RunId(format!("{}-{}", self.options.run_prefix, self.turns));
        run::resume(self, run, pending, answer).await
    }
}
