//! Model providers: who answers, in what words, at what price.
//!
//! This version speaks to scripted models only: rules in the spec, always shown as scripted. The seam for the others is
//! [`Model`]; what a spec says of a provider that is not here yet is refused by [`ModelError::NotHere`].

mod chat;
mod error;
mod scripted;

pub use chat::{Message, Request, Role, ToolCall, ToolDef};
pub use error::ModelError;
pub use scripted::{RuleError, ScriptedModel};

use aic_base::{Clock, Tokens, Usage, Usd};
use futures_util::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

/// A model that can be talked to. Shared by all runs; what one conversation changes lives in its [`Session`].
pub trait Model: Send + Sync + fmt::Debug {
    /// `scripted`, `openai`…: shown wherever the model's answers are.
    fn provider(&self) -> &'static str;

    /// Its price, where one is known.
    fn price(&self) -> Option<Price>;

    /// Begins a conversation. Delays go through the clock, so that tests need not wait for them.
    fn session(&self, clock: Arc<dyn Clock>) -> Box<dyn Session>;
}

/// One conversation with a model.
pub trait Session: Send {
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
    /// The end, and what the answer used.
    End(Usage),
}

/// Dollars a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of input.
    pub input_per_mtok: f64,
    /// Of output.
    pub output_per_mtok: f64,
}

impl Price {
    /// What these tokens cost.
    pub fn of(&self, input: Tokens, output: Tokens) -> Usd {
        Usd::per_mtok(input, self.input_per_mtok) + Usd::per_mtok(output, self.output_per_mtok)
    }
}

/// Stands for a provider that this version does not speak to: every call is refused, nothing is sent anywhere.
#[derive(Debug, Clone, Copy)]
pub struct NotHere {
    /// The provider's word in the language.
    pub provider: &'static str,
}

impl Model for NotHere {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn price(&self) -> Option<Price> {
        None
    }

    fn session(&self, _: Arc<dyn Clock>) -> Box<dyn Session> {
        Box::new(*self)
    }
}

impl Session for NotHere {
    fn answer<'a>(&'a mut self, _: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>> {
        let refused = ModelError::NotHere { provider: self.provider.to_owned() };
        Box::pin(futures_util::stream::once(std::future::ready(Err(refused))))
    }
}
