//! Where a model is served, in which format, on what terms: what a spec says of a provider, made an address.

use crate::error::ModelError;
use crate::network::is_near;
use crate::price::Price;
use crate::providers::{Anthropic, Google, Ollama, OpenAi, Responses};
use crate::wire::Wire;
use reqwest::Url;
use std::sync::Arc;
use std::time::Duration;

/// The formats that this version speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses API.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Google,
    /// Ollama's chat.
    Ollama,
    /// Chat completions of another server.
    Compatible,
}

impl Kind {
    /// The provider's word in the language.
    pub const fn provider(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Responses => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Ollama => "ollama",
            Self::Compatible => "openai_compatible",
        }
    }

    /// Where it is served, unless the spec says otherwise.
    pub(crate) const fn home(self) -> Option<&'static str> {
        match self {
            Self::OpenAi | Self::Responses => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Google => Some("https://generativelanguage.googleapis.com"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::Compatible => None,
        }
    }

    /// The variables that usually hold its key.
    pub(crate) const fn key_names(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi | Self::Responses => &["OPENAI_API_KEY"],
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::Google => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::Ollama | Self::Compatible => &[],
        }
    }

    pub(crate) fn wire(self) -> Arc<dyn Wire> {
        match self {
            Self::OpenAi => Arc::new(OpenAi { own: true }),
            Self::Compatible => Arc::new(OpenAi { own: false }),
            Self::Responses => Arc::new(Responses),
            Self::Anthropic => Arc::new(Anthropic),
            Self::Google => Arc::new(Google),
            Self::Ollama => Arc::new(Ollama),
        }
    }
}

/// How long to wait for one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// For the first token, thinking included; none: as long as for the whole.
    pub first_token: Option<Duration>,
    /// For the whole answer; none: ten minutes.
    pub total: Option<Duration>,
}

/// Where a model is, and on what terms.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The format.
    pub kind: Kind,
    /// The provider's name for the model.
    pub model: String,
    /// Where it is served; none: at the provider's home.
    pub base_url: Option<String>,
    /// The NAME of the variable with the key.
    pub key_env: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// What it costs, where that is known.
    pub price: Option<Price>,
}

impl Endpoint {
    /// Whether a call may cost money though no price is known. Nobody charges for a server of one's own.
    pub(crate) fn may_charge(&self) -> bool {
        let base = self.base_url.as_deref().or(self.kind.home());
        !base.and_then(|base| Url::parse(base).ok()).is_some_and(|url| is_near(&url))
    }
}

/// The address of a call, by the base URL and the format's path.
pub(crate) fn address(endpoint: &Endpoint, path: &str) -> Result<Url, ModelError> {
    let setup = |message: String| ModelError::Setup { message };
    let Some(base) = endpoint.base_url.as_deref().or(endpoint.kind.home()) else {
        return Err(setup("`base_url` is missing: say where the server is".into()));
    };
    if endpoint.kind == Kind::Google
        && !endpoint.model.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
    {
        return Err(setup(format!("`{}` cannot be a model of Google's: it stands in an address", endpoint.model)));
    }
    if base.contains('#') {
        return Err(setup("`base_url` has a `#`, and nothing behind it is ever sent: take it out".into()));
    }
    // Some servers want to be told their version in a query (`?api-version=…`): the path goes before it.
    let (base, query) = base.split_once('?').map_or((base, None), |(base, query)| (base, Some(query)));
    let base = base.trim_end_matches('/');
    // `https://host/v1` is what people write, and what some formats begin their own path with.
    let version = path.split('/').next().unwrap_or("");
    let base = base.strip_suffix(version).filter(|rest| rest.ends_with('/')).unwrap_or(base).trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}/{path}"))
        .map_err(|error| setup(format!("`base_url` is no address: {error}. Write it like https://host/v1")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(setup("`base_url` begins with http:// or https://".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setup(
            "`base_url` holds a password: put the key into a variable and name it in `api_key_env`".into(),
        ));
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let own = url.query().map(|own| format!("{own}&{query}"));
        url.set_query(Some(own.as_deref().unwrap_or(query)));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_of(kind: Kind, base: &str, path: &str) -> Result<String, ModelError> {
        let (model, base_url) = ("m".to_owned(), Some(base.to_owned()));
        let endpoint = Endpoint { kind, model, base_url, key_env: None, timeouts: Timeouts::default(), price: None };
        address(&endpoint, path).map(|url| url.to_string())
    }

    #[test]
    fn the_query_of_a_base_address_stays_behind_the_path() {
        let azure = "https://x.example.com/openai/v1/?api-version=2024-10-21";
        let chat = address_of(Kind::Compatible, azure, "chat/completions");
        assert_eq!(chat, Ok("https://x.example.com/openai/v1/chat/completions?api-version=2024-10-21".into()));
        let google = address_of(Kind::Google, "https://x.example.com?key=1", "v1beta/models/m:go?alt=sse");
        assert_eq!(google, Ok("https://x.example.com/v1beta/models/m:go?alt=sse&key=1".into()));
        assert!(address_of(Kind::Compatible, "https://x.example.com/v1#part", "chat").is_err());
    }
}
