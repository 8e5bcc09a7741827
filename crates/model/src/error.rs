//! What can go wrong with a model.

use crate::retry::PATIENCE;
use std::fmt;
use std::time::Duration;

/// A model did not answer, or not in full. No variant ever holds a key: what a provider says is scrubbed of it first.
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
    /// The spec says something of the model that cannot be sent.
    #[error("{message}")]
    Setup {
        /// What, and what to do.
        message: String,
    },
    /// The variable with the key is not set.
    #[error(
        "{provider} needs a key: set the environment variable `{env}`, put it into the keyring with `aic key set {env}`, or name another one with `api_key_env`"
    )]
    NoKey {
        /// The provider.
        provider: &'static str,
        /// The variable.
        env: String,
    },
    /// Nobody answers where the model should be.
    #[error("no connection to {host}: {why}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        why: String,
    },
    /// The provider said no.
    #[error("{}", said(*status, message, *again))]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it says, shortened.
        message: String,
        /// What it says about calling again.
        again: Again,
    },
    /// It took too long.
    #[error("the model did not answer in time{}", waited(.0))]
    Timeout(Waited),
    /// The connection broke in the middle of the answer.
    #[error("the connection broke after {pieces} piece{} of the answer", if *pieces == 1 { "" } else { "s" })]
    Reset {
        /// How many had arrived.
        pieces: usize,
    },
    /// An error in the middle of the answer, told in the stream itself.
    #[error("the provider broke the answer off: {message}")]
    Stream {
        /// What it says, shortened.
        message: String,
        /// Whether it is of the passing kind: overloaded, an internal error.
        passing: bool,
    },
    /// What came is not the provider's format.
    #[error("the provider's answer cannot be read: {message}")]
    Protocol {
        /// What is wrong.
        message: String,
    },
    /// More came than anybody wants.
    #[error("the provider sent {what} of more than {cap} bytes, so the answer was cut off")]
    TooLarge {
        /// `an answer`, `a line`.
        what: &'static str,
        /// The cap in bytes.
        cap: usize,
    },
    /// More came than was paid for.
    #[error("the answer went on after its {limit} tokens, so it was cut off: the provider ignores `max_tokens`")]
    Cut {
        /// The most tokens that were asked for.
        limit: u64,
        /// How many came until then, thinking included: a generous estimate, as they may be charged for.
        came: u64,
    },
    /// The provider wants the call to go elsewhere; the key goes to no other host.
    #[error(
        "the provider redirects to {to}; redirects are not followed, so that the key goes nowhere else. If that is right, set `base_url`"
    )]
    Redirect {
        /// The other place, without its query.
        to: String,
    },
    /// The provider failed too often lately.
    #[error("{place} failed {failures} times in a row, so it is left alone for another {} s", wait.as_secs().max(1))]
    Open {
        /// Provider and host.
        place: String,
        /// How many times.
        failures: u32,
        /// How much longer.
        wait: Duration,
    },
    /// No recording of this request.
    #[error("{message}")]
    Miss {
        /// The nearest recording and what differs.
        message: String,
    },
    /// A cassette cannot be read or written.
    #[error("{message}")]
    Cassette {
        /// Which, where, why.
        message: String,
    },
    /// A real model may not be called here.
    #[error("`{model}` of {provider} is real, and this may only replay: record it first with `aic test --record`")]
    NotLive {
        /// The provider.
        provider: &'static str,
        /// The model.
        model: String,
    },
    /// Nothing says who serves the model.
    #[error("nothing says who serves `{model}`: give the model a `provider`")]
    NoProvider {
        /// The model.
        model: String,
    },
}

/// What a provider says about calling again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Again {
    /// `retry-after-ms`, else `retry-after`.
    pub after: Option<Duration>,
    /// `x-should-retry`.
    pub should: Option<bool>,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waited {
    /// A scripted model plays one that never answers.
    #[default]
    Scripted,
    /// The first token, this long.
    FirstToken(Duration),
    /// The whole answer, this long.
    Whole(Duration),
}

impl ModelError {
    /// Whether the set-up is wrong rather than the provider: another try, or another provider, would not help.
    pub const fn is_set_up(&self) -> bool {
        matches!(
            self,
            Self::NoRule { .. }
                | Self::BadReply { .. }
                | Self::Setup { .. }
                | Self::NoKey { .. }
                | Self::Miss { .. }
                | Self::Cassette { .. }
                | Self::NotLive { .. }
                | Self::NoProvider { .. }
        )
    }

    /// Whether the provider surely did not work for money: it refused, or was never reached.
    pub const fn is_free(&self) -> bool {
        self.is_set_up()
            || matches!(self, Self::Status { .. } | Self::Connect { .. } | Self::Redirect { .. } | Self::Open { .. })
    }
}

impl Waited {
    /// How long, where it was real.
    pub const fn time(self) -> Option<Duration> {
        match self {
            Self::Scripted => None,
            Self::FirstToken(time) | Self::Whole(time) => Some(time),
        }
    }
}

fn said(status: u16, message: &str, again: Again) -> impl fmt::Display {
    let colon = if message.is_empty() { "" } else { ": " };
    let later = match again.after.filter(|after| *after > PATIENCE) {
        Some(after) => format!(" (it asks to wait {} s, which nobody does)", after.as_secs()),
        None => String::new(),
    };
    format!("the model answered with status {status}{colon}{message}{later}")
}

fn waited(waited: &Waited) -> String {
    match waited {
        Waited::Scripted => String::new(),
        Waited::FirstToken(time) => format!(": no token within {} s", time.as_secs_f64()),
        Waited::Whole(time) => format!(": not done within {} s", time.as_secs_f64()),
    }
}
