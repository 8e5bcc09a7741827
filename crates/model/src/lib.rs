//! Model providers: who answers, in what words, at what price.
//!
//! [`Model`] is the seam. [`HttpModel`] speaks to real providers (`providers/` knows their formats, `http.rs` the way of
//! one call), [`ScriptedModel`] answers by rules, and cassettes replay what was recorded. What happens when a call fails
//! is decided by [`Attempts`]: another try, another model, or the end.

mod assemble;
pub mod cassette;
mod chain;
mod chat;
mod circuit;
mod embed;
mod endpoint;
mod error;
mod http;
mod json;
mod keyring;
mod keys;
mod network;
mod price;
mod providers;
mod retry;
mod scripted;
mod vectors;
mod wire;

pub use chain::{Attempts, Next};
pub use chat::{Message, Request, Role, Settings, ToolCall, ToolDef};
pub use circuit::{Circuits, Gate};
pub use embed::{Embedded, Embedder, HashEmbedding, HttpEmbedder};
pub use endpoint::{Endpoint, Kind, Timeouts};
pub use error::{Again, ModelError, Waited};
pub use http::HttpModel;
pub use keyring::{Keyring, KeyringError, SystemKeys};
pub use keys::{EnvKeys, HIDDEN, KeySource, NoKeys, Scrub};
pub use network::{Network, client_with};
pub use price::{LongPrice, Price, TokenUsage};
pub use retry::{Jitter, Policy};
pub use scripted::{RuleError, ScriptedModel};
pub use vectors::{MemoryVectors, Pinecone, Qdrant, Remembered, VectorError, Vectors, similarity};
pub use wire::{Finish, Served};

use aic_base::Clock;
use futures_util::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

/// A model that can be talked to. Shared by all runs; what one conversation changes lives in its [`Session`].
pub trait Model: Send + Sync + fmt::Debug {
    /// `scripted`, `openai`…: shown wherever the model's answers are.
    fn provider(&self) -> &'static str;

    /// The provider's name for it; empty for a scripted one.
    fn name(&self) -> &str {
        ""
    }

    /// Whether a call goes over the network and may cost real money. Delays of others are the clock's.
    fn is_real(&self) -> bool {
        false
    }

    /// Provider and host: what fails together. A circuit opens for all models of one place.
    fn place(&self) -> String {
        self.provider().to_owned()
    }

    /// Settings that the provider has no word for: they are not sent.
    fn unsent(&self, _: &Settings) -> Vec<&'static str> {
        Vec::new()
    }

    /// Its price, where one is known.
    fn price(&self) -> Option<Price>;

    /// Whether a call may cost money though no price is known, also where its answer now comes from a recording. Nobody
    /// charges for a server of one's own.
    fn may_charge(&self) -> bool {
        false
    }

    /// Begins a conversation. Delays go through the clock, so that tests need not wait for them.
    fn session(&self, clock: Arc<dyn Clock>) -> Box<dyn Session>;
}

/// One conversation with a model.
pub trait Session: Send {
    /// Whether this question would be answered from a recording: nothing is sent, and nothing is spent.
    fn is_recorded(&self, _: &Request) -> bool {
        false
    }

    /// Asks for an answer, which comes in pieces and ends with [`Piece::End`]. Dropping the stream cancels the call.
    fn answer<'a>(&'a mut self, request: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>>;
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// More text.
    Text(String),
    /// A tool that the model asks for, its arguments whole.
    ToolCall(ToolCall),
    /// The end.
    End(Ended),
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ended {
    /// What it used; none where the provider never said.
    pub usage: Option<TokenUsage>,
    /// Why it ended.
    pub finish: Finish,
    /// Who answered.
    pub served: Served,
}

/// Stands for a real model where none may be called: nothing is sent anywhere, and whoever asks is told so.
#[derive(Debug, Clone)]
pub struct OutOfReach(pub Endpoint);

impl Model for OutOfReach {
    fn provider(&self) -> &'static str {
        self.0.kind.provider()
    }

    fn name(&self) -> &str {
        &self.0.model
    }

    fn price(&self) -> Option<Price> {
        self.0.price
    }

    fn may_charge(&self) -> bool {
        self.0.may_charge()
    }

    fn session(&self, _: Arc<dyn Clock>) -> Box<dyn Session> {
        Box::new(self.clone())
    }
}

impl Session for OutOfReach {
    fn answer<'a>(&'a mut self, _: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>> {
        let refused = ModelError::NotLive { provider: self.0.kind.provider(), model: self.0.model.clone() };
        Box::pin(futures_util::stream::once(std::future::ready(Err(refused))))
    }
}
