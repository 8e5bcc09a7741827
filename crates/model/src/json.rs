//! One question and one answer in JSON over HTTP: what embeddings and vector stores need. The rules are those of model
//! calls: no redirect is followed, a key never travels unencrypted to strangers, and what comes back is capped.

use crate::error::{ModelError, Waited};
use crate::http::{refused, root_cause};
use crate::keys::{KeySource, Scrub};
use crate::network::{Network, is_near};
use crate::wire::lenient::shortened;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long one question may take.
const TIME: Duration = Duration::from_secs(30);
/// The most that an answer may weigh, in bytes, after decompression.
const CAP: usize = 16 << 20;

/// Where the questions go.
#[derive(Debug, Clone)]
pub(crate) struct JsonServer {
    /// Begins every address.
    pub base: Url,
    /// The NAME of the key, if one is sent.
    pub key_env: Option<String>,
    /// The header that takes the key, and what stands before it.
    pub key_header: (&'static str, &'static str),
    /// Sent with every question.
    pub headers: &'static [(&'static str, &'static str)],
    /// Whom messages name.
    pub provider: &'static str,
    pub network: Arc<Network>,
    pub keys: Arc<dyn KeySource>,
}

impl JsonServer {
    /// Asks; the path is joined to the base.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, ModelError> {
        let setup = |message: String| ModelError::Setup { message };
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{path}")).map_err(|error| setup(format!("no address: {error}")))?;
        let host = url.host_str().unwrap_or("?").to_owned();
        let client = self.network.client(&url)?;
        let mut scrub = Scrub::default();
        let mut call = client.request(method.clone(), url.clone()).timeout(TIME);
        for (name, value) in self.headers {
            call = call.header(*name, *value);
        }
        if method != Method::GET {
            call = call.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        if let Some(name) = &self.key_env {
            let (provider, env) = (self.provider, name.clone());
            let key = self.keys.key(name).ok_or(ModelError::NoKey { provider, env })?;
            if url.scheme() == "http" && !is_near(&url) {
                return Err(setup(format!("the key would go to {host} unencrypted: use https")));
            }
            let (header, prefix) = self.key_header;
            let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose_secret()))
                .map_err(|_| setup("the key holds characters that no header can".into()))?;
            value.set_sensitive(true);
            call = call.header(HeaderName::from_static(header), value);
            scrub.hide(key);
        }
        let failed = |error: reqwest::Error| match error.is_timeout() {
            true => ModelError::Timeout(Waited::Whole(TIME)),
            false => ModelError::Connect { host: host.clone(), why: shortened(&root_cause(&error)) },
        };
        let mut response = call.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(refused(response, &url, &scrub).await);
        }
        let mut bytes = Vec::new();
        while let Some(more) = response.chunk().await.map_err(failed)? {
            if bytes.len() + more.len() > CAP {
                return Err(ModelError::TooLarge { what: "an answer", cap: CAP });
            }
            bytes.extend_from_slice(&more);
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| ModelError::Protocol { message: format!("no JSON where some should be: {error}") })
    }
}

/// The address that a spec names.
pub(crate) fn base(text: &str) -> Result<Url, ModelError> {
    let setup = |message: &str| ModelError::Setup { message: message.to_owned() };
    let url = Url::parse(text.trim_end_matches('/'))
        .map_err(|error| setup(&format!("`{text}` is no address ({error}): write it like https://host")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(setup("an address begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setup("the address holds a password: put the key into a variable and name it in `api_key_env`"));
    }
    Ok(url)
}
