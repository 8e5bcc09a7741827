//! Memory in a run: what is recalled before the model is asked, and what is remembered of the answer. A memory that
//! cannot be reached is said and gone without; money for embedding is held like any other.

use super::money::Payee;
use super::{Run, Stop};
use crate::memory::{LEAST, MOST, Recollection};
use aic_base::{Tokens, Usage, Usd};
use aic_model::cassette::Mode;
use aic_model::{Message, Remembered, Request, Role};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a recall is called on a cassette.
const RECALL: &str = "context.memory";

impl Run<'_> {
    /// What was said before that is similar to what the user says now, the nearest first.
    pub(super) async fn recall(&mut self) -> Result<Vec<String>, Stop> {
        let Some(memory) = self.conversation.recollection.clone() else { return Ok(Vec::new()) };
        let deck = self.conversation.deck.clone().filter(|_| memory.is_outside);
        let asked = json!({ "input": self.input });
        let mut keep = None;
        if let Some(deck) = &deck {
            match deck.tool(RECALL, &asked) {
                Ok((Some(recorded), _)) => return Ok(self.recalled(&memory, read(recorded))),
                Ok((None, nth)) => keep = Some(nth),
                Err(miss) => return Err(Stop::Stale(miss.to_string())),
            }
        }
        let found = match self.find(&memory).await {
            Ok(found) => found,
            Err(Lost::Stop(stop)) => return Err(stop),
            Err(Lost::Memory(why)) => {
                self.notice(format!("the memory cannot be asked, so nothing is recalled: {why}"));
                Vec::new()
            }
        };
        if let (Some(deck), Some(nth)) = (&deck, keep) {
            let found = serde_json::to_value(&found).unwrap_or(Value::Null);
            deck.keep_tool(RECALL, &asked, nth, Ok(&found));
        }
        Ok(self.recalled(&memory, found))
    }

    async fn find(&mut self, memory: &Arc<Recollection>) -> Result<Vec<Remembered>, Lost> {
        let input = self.input.clone();
        let vector = self.embed(memory, &input).await?;
        let embedding = memory.embedder.name();
        let found = memory.vectors.nearest(&vector, &memory.who, &embedding, MOST, self.now()).await;
        let found = found.map_err(|error| Lost::Memory(error.to_string()))?;
        let near = found.into_iter().filter(|(score, _)| *score >= LEAST);
        near.map(|(_, one)| memory.opened(one).map_err(Lost::Memory)).collect()
    }

    /// What is not in the conversation anyway.
    fn recalled(&mut self, memory: &Recollection, found: Vec<Remembered>) -> Vec<String> {
        let said = |text: &str| self.history.iter().any(|message| is_answer_in(message, text));
        let found: Vec<Remembered> = found.into_iter().filter(|one| !said(&one.text)).collect();
        if !found.is_empty() {
            let (count, by) = (found.len(), memory.embedder.name());
            self.notice(format!("recalled from memory: {count} of earlier turns, by {by}"));
        }
        self.conversation.tainted |= found.iter().any(|one| one.tainted);
        found.into_iter().map(|one| one.text).collect()
    }

    /// Remembers a turn that was answered. The answer is the user's already: what fails is only said.
    pub(super) async fn remember(&mut self, answer: &str) {
        let Some(memory) = self.conversation.recollection.clone() else { return };
        let replays = self.conversation.deck.as_ref().is_some_and(|deck| deck.mode() == Mode::Replay);
        if memory.is_outside && replays {
            return;
        }
        let kept = match memory.remembered(&self.input, answer, self.now(), self.conversation.tainted) {
            Ok((plain, what)) => match self.embed(&memory, &plain).await {
                Ok(vector) => memory.vectors.add(&vector, &what).await.map_err(|error| error.to_string()),
                Err(Lost::Memory(why)) => Err(why),
                Err(Lost::Stop(stop)) => Err(stop.why().to_owned()),
            },
            Err(why) => Err(why),
        };
        if let Err(why) = kept {
            self.notice(format!("this turn is not remembered: {why}"));
        }
    }

    /// A text's vector. What a server may charge for it is held before, like that of any call.
    async fn embed(&mut self, memory: &Recollection, text: &str) -> Result<Vec<f32>, Lost> {
        let embedder = &memory.embedder;
        let lost = |error: aic_model::ModelError| Lost::Memory(error.to_string());
        if !embedder.is_real() {
            return embedder.embed(text).await.map(|embedded| embedded.vector).map_err(lost);
        }
        let request = Request { messages: vec![Message::new(Role::User, text)], ..Request::default() };
        let name = embedder.name();
        let payee = Payee {
            name: &name,
            provider: embedder.provider(),
            price: embedder.price(),
            max_output: Some(0),
            is_real: true,
        };
        self.reserve(&request, &payee).map_err(Lost::Stop)?;
        let embedded = embedder.embed(text).await;
        let cost = match &embedded {
            Ok(embedded) => {
                embedded.tokens.zip(embedder.price()).map(|(tokens, price)| price.of(Tokens(tokens), Tokens(0)))
            }
            Err(error) if error.is_free() => Some(Usd::ZERO),
            Err(_) => None,
        };
        // Where usage never came, what is held stays.
        self.settle(cost).map_err(Lost::Stop)?;
        if let Ok(embedded) = &embedded {
            let tokens = embedded.tokens.map_or_else(|| aic_catalog::estimate_tokens(text), Tokens);
            let estimated = embedded.tokens.is_none();
            self.usage += Usage { input_tokens: tokens, output_tokens: Tokens(0), estimated };
        }
        embedded.map(|embedded| embedded.vector).map_err(lost)
    }
}

/// Why nothing was recalled or remembered.
enum Lost {
    /// The run is over.
    Stop(Stop),
    /// The memory is out of reach.
    Memory(String),
}

/// What a cassette holds of a recall.
fn read(recorded: Result<Value, String>) -> Vec<Remembered> {
    recorded.ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// Whether a message is the answer that a memory quotes.
fn is_answer_in(message: &Message, text: &str) -> bool {
    message.role == Role::Assistant
        && !message.text.is_empty()
        && text.ends_with(&format!("\nAssistant: {}", message.text))
}
