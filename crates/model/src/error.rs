//! What can go wrong with a model.

use std::time::Duration;

/// A model did not answer, or not in full.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// No rule of a scripted model matches.
    #[error(
        "no rule of the scripted model answers this: {nearest}. Add a rule, or end the list with `{{match: {{}}, reply: …}}`"
    )]
    NoRule {
        /// The rule that came nearest, and what kept it from matching.
        nearest: String,
    },
    /// A scripted reply names something that is not there.
    #[error("rule {rule}: {message}")]
    BadReply {
        /// Which rule, from 1.
        rule: usize,
        /// What is wrong with its reply.
        message: String,
    },
    /// The provider said no.
    #[error("the model answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// When it asks to be called again.
        retry_after: Option<Duration>,
    },
    /// It took too long.
    #[error("the model did not answer in time")]
    Timeout,
    /// The connection broke in the middle of the answer.
    #[error("the connection broke after {pieces} pieces of the answer")]
    Reset {
        /// How many had arrived.
        pieces: usize,
    },
    /// This version does not speak to the provider.
    #[error(
        "this version does not speak to `{provider}` yet: use `provider: scripted`, or pin the test to a scripted model"
    )]
    NotHere {
        /// The provider.
        provider: String,
    },
}
