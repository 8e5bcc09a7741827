//! Tools that send an HTTP request: to the host that the spec names, and to no other, whoever redirects.

use super::Done;
use super::address::{NotPublic, PublicOnly, TestHosts, refused_literal};
use super::fill::{Place, Values, plain, used};
use aic_model::Scrub;
use aic_spec::HttpRun;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The most bytes of a body that the model is shown; the rest is cut off, and the result says so.
const MOST_SHOWN: usize = 200 * 1024;
/// The most bytes of a JSON body, which is of no use cut off.
const MOST_JSON: usize = 250 * 1024;
const MOST_REDIRECTS: usize = 5;
/// Headers that say where a message ends or whom it is for: not a spec's to set.
const NOT_OURS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "proxy-authorization"];

/// The way out for tools: public addresses only, no proxy (which would resolve names by itself), no cookies.
#[derive(Debug, Default)]
pub(crate) struct ToolNetwork {
    hosts: Arc<TestHosts>,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl ToolNetwork {
    pub fn new(hosts: Arc<TestHosts>) -> Self {
        Self { hosts, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&reqwest::Client, String> {
        let make = || {
            aic_model::client_with(|builder| {
                builder.no_proxy().dns_resolver(PublicOnly(self.hosts.clone())).pool_max_idle_per_host(2)
            })
        };
        self.client.get_or_init(make).as_ref().map_err(|why| format!("no HTTP client can be made: {why}"))
    }

    /// Sends one request. The address is looked at here, where it is a number, and else when it is resolved.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        within: Duration,
    ) -> Result<Response, SendError> {
        if let Some(refused) = url.host_str().and_then(|host| refused_literal(host, &self.hosts)) {
            return Err(SendError::Refused(refused));
        }
        let mut request = self.client().map_err(SendError::Failed)?.request(method, url.clone());
        request = request.headers(headers.clone()).timeout(within);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        request.send().await.map_err(|error| match NotPublic::behind(&error) {
            Some(refused) => SendError::Refused(refused.clone()),
            None => SendError::Failed(chain(&error)),
        })
    }

    /// Whether a secret may go there: encrypted, or to a server of a test's.
    pub fn keeps_secrets(&self, url: &Url) -> bool {
        let ip = url.host_str().and_then(|host| host.parse().ok());
        url.scheme() == "https"
            || ip.is_some_and(|ip| self.hosts.open.contains(&ip))
            || url.host_str().is_some_and(|host| self.hosts.names.contains_key(host))
    }
}

/// Why nothing came back.
#[derive(Debug)]
pub(super) enum SendError {
    /// It was not sent, for where it would have gone.
    Refused(NotPublic),
    /// It did not work.
    Failed(String),
}

/// An error and what is behind it, without the address, which may hold what a user said.
fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    if text.is_empty() { "the request could not be sent".into() } else { text.chars().take(300).collect() }
}

/// Where a spec lets a tool go.
#[derive(Debug)]
pub(super) struct Allowed {
    first: Url,
    /// The address as a pattern, where it has a `*`.
    pattern: Option<String>,
}

impl Allowed {
    /// The address of a call, and what else its redirects may reach.
    pub fn of(run: &HttpRun, values: &Values<'_>) -> Result<Self, String> {
        // Variables are the spec's; arguments may not change whom the tool talks to.
        let filled = values.fill(&run.url, Place::Address, &mut Scrub::default())?;
        if !run.url.contains('*') {
            let first = address(&filled)?;
            return Ok(Self { first, pattern: None });
        }
        let pattern = Url::parse(&filled).map_err(|error| format!("the spec's address is none: {error}"))?;
        let given = values.args.get("url").and_then(Value::as_str);
        let given = given.ok_or_else(|| format!("the argument `url` is missing: an address of the form {pattern}"))?;
        let first = address(given)?;
        let allowed = Self { first, pattern: Some(pattern.to_string()) };
        if !allowed.allows(&allowed.first) {
            return Err(format!("{given} is not of the form {pattern}"));
        }
        Ok(allowed)
    }

    fn allows(&self, url: &Url) -> bool {
        match &self.pattern {
            Some(pattern) => glob(pattern, url.as_str()) || (is_upgrade(url, pattern) && glob_below(pattern, url)),
            None => same_place(&self.first, url),
        }
    }
}

/// The same host and port; `https` in the place of `http` is no other place.
fn same_place(first: &Url, url: &Url) -> bool {
    let same = first.host_str() == url.host_str();
    let port = first.port_or_known_default() == url.port_or_known_default();
    let upgraded =
        first.scheme() == "http" && url.scheme() == "https" && first.port().is_none() && url.port().is_none();
    same && ((first.scheme() == url.scheme() && port) || upgraded)
}

fn is_upgrade(url: &Url, pattern: &str) -> bool {
    url.scheme() == "https" && pattern.starts_with("http://")
}

fn glob_below(pattern: &str, url: &Url) -> bool {
    let (pattern, url) = (pattern.strip_prefix("http"), url.as_str().strip_prefix("https"));
    matches!((pattern, url), (Some(pattern), Some(url)) if glob(pattern, url))
}

/// `*` stands for any run of characters. Linear: the parts between are found one after the other.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(found) => rest = rest.get(found + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Reads an address, and refuses what servers and we could understand differently.
fn address(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?} is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user in it is refused".into());
    }
    let folded = text.to_ascii_lowercase();
    let path = folded.split(['?', '#']).next().unwrap_or_default();
    let steps = path.replace("%2e", ".");
    if steps.split('/').skip(3).any(|step| step == "." || step == "..") || path.contains('\\') || path.contains("%5c") {
        return Err("an address that steps out of its folder is refused".into());
    }
    url.set_fragment(None);
    Ok(url)
}

/// A request that is ready to be sent.
struct Ready {
    allowed: Allowed,
    method: Method,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    has_secret: bool,
}

fn ready(run: &HttpRun, values: &Values<'_>, scrub: &mut Scrub) -> Result<Ready, String> {
    let method = Method::from_bytes(run.method.as_bytes()).map_err(|_| format!("`{}` is no method", run.method))?;
    let mut allowed = Allowed::of(run, values)?;
    let mut headers = HeaderMap::new();
    for (name, text) in &run.headers {
        if NOT_OURS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("the header `{name}` is not the spec's to set"));
        }
        let value = values.fill(text, Place::Secret, scrub)?;
        let wrong = |_| format!("the header `{name}` cannot be sent: it holds a character that headers do not have");
        let mut value = HeaderValue::from_str(&value).map_err(wrong)?;
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name of a header"))?;
        value.set_sensitive(text.contains("${secret:"));
        headers.append(key, value);
    }
    let taken: Vec<String> =
        std::iter::once(run.url.as_str()).chain(run.headers.values().map(String::as_str)).flat_map(used).collect();
    let is_pattern = allowed.pattern.is_some();
    let mut rest: Map<String, Value> = Map::new();
    for (name, value) in values.args.as_object().into_iter().flatten() {
        if !(taken.contains(name) || value.is_null() || is_pattern && name == "url") {
            rest.insert(name.clone(), value.clone());
        }
    }
    let sends_query = matches!(method, Method::GET | Method::HEAD | Method::DELETE);
    let body = match &run.body {
        Some(body) => Some(filled_body(body, values)?),
        None if sends_query => {
            if !rest.is_empty() {
                let mut query = allowed.first.query_pairs_mut();
                for (name, value) in &rest {
                    query.append_pair(name, &plain(value));
                }
            }
            None
        }
        None => Some(Value::Object(rest).to_string().into_bytes()),
    };
    if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let has_secret = headers.values().any(HeaderValue::is_sensitive);
    Ok(Ready { allowed, method, headers, body, has_secret })
}

fn filled_body(body: &Value, values: &Values<'_>) -> Result<Vec<u8>, String> {
    if let Value::String(text) = body {
        return values.fill(text, Place::Word, &mut Scrub::default()).map(String::into_bytes);
    }
    // A text that is one argument and nothing else keeps the argument's type.
    let mut find = |name: &str| match name.strip_prefix("args.") {
        Some(path) => path.split('.').try_fold(values.args, |value, key| value.get(key)).cloned(),
        None => (values.variable)(name).map(Value::String),
    };
    let filled = aic_spec::Template::render_json(body, &mut find);
    filled.map(|body| body.to_string().into_bytes()).map_err(|missing| missing.to_string())
}

/// Sends the request of a call and reads what comes back.
pub(super) async fn carry_out(run: &HttpRun, values: &Values<'_>, network: &ToolNetwork, within: Duration) -> Done {
    let mut scrub = Scrub::default();
    let ready = match ready(run, values, &mut scrub) {
        Ok(ready) => ready,
        Err(why) => return Done::Denied(why),
    };
    let work = exchange(&ready, network, within);
    let done = match tokio::time::timeout(within, work).await {
        Ok(done) => done,
        Err(_) => Done::Failed(format!("the server did not answer within {} s", within.as_secs_f64())),
    };
    // A server that repeats the key it was sent does not get it shown.
    match done {
        Done::Ran { mut result, changed } => {
            super::map_strings(&mut result, &mut |text| scrub.clean(text));
            Done::Ran { result, changed }
        }
        Done::Failed(why) => Done::Failed(scrub.clean(&why)),
        other => other,
    }
}

async fn exchange(ready: &Ready, network: &ToolNetwork, within: Duration) -> Done {
    let mut url = ready.allowed.first.clone();
    for _ in 0..=MOST_REDIRECTS {
        if ready.has_secret && !network.keeps_secrets(&url) {
            return Done::Denied("a secret goes over https only: correct the tool's address".into());
        }
        let sent = network.send(ready.method.clone(), &url, &ready.headers, ready.body.as_deref(), within).await;
        let response = match sent {
            Ok(response) => response,
            Err(SendError::Refused(refused)) => return Done::Denied(refused.to_string()),
            Err(SendError::Failed(why)) => return Done::Failed(format!("{}: {why}", host(&url))),
        };
        let status = response.status();
        if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
            return read(response).await;
        }
        if !matches!(ready.method, Method::GET | Method::HEAD) {
            return Done::Failed(format!("{} redirects, and a {} is not repeated elsewhere", host(&url), ready.method));
        }
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let next = match url.join(to).map_err(|error| error.to_string()).and_then(|next| address(next.as_str())) {
            Ok(next) => next,
            Err(why) => return Done::Denied(format!("{} redirects to what is refused: {why}", host(&url))),
        };
        if !ready.allowed.allows(&next) {
            let why = format!("{} redirects to {}, where this tool may not go", host(&url), host(&next));
            return Done::Denied(why);
        }
        url = next;
    }
    Done::Failed(format!("{} redirects more than {MOST_REDIRECTS} times", host(&url)))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or("the server")
}

async fn read(mut response: Response) -> Done {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    let most = if is_json { MOST_JSON } else { MOST_SHOWN };
    let (mut bytes, mut truncated) = (Vec::new(), false);
    loop {
        match response.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) => {
                let room = most.saturating_sub(bytes.len());
                bytes.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
                if chunk.len() > room {
                    truncated = true;
                    break;
                }
            }
            Err(error) => return Done::Failed(format!("the answer broke off: {}", chain(&error))),
        }
    }
    if !status.is_success() {
        let said: String = String::from_utf8_lossy(&bytes).chars().take(500).collect();
        return Done::Failed(format!("the server answered {}: {said}", status.as_u16()));
    }
    if is_json && truncated {
        return Done::Failed(format!("the answer is larger than {} kB: ask for less", most / 1024));
    }
    let result = match (is_json, serde_json::from_slice::<Value>(&bytes)) {
        (true, Ok(value)) => value,
        (true, Err(_)) if bytes.is_empty() => Value::Null,
        (true, Err(error)) => return Done::Failed(format!("the answer says that it is JSON and is not: {error}")),
        (false, _) if !is_text(&kind, &bytes) => Value::from(format!("<{} bytes of {kind:?}>", bytes.len())),
        (false, _) => Value::from(String::from_utf8_lossy(&bytes).into_owned()),
    };
    let result = match (truncated, result) {
        (true, Value::String(text)) => serde_json::json!({ "text": text, "truncated": true }),
        (_, result) => result,
    };
    Done::Ran { result, changed: None }
}

fn is_text(kind: &str, bytes: &[u8]) -> bool {
    let said = kind.is_empty() || kind.starts_with("text/") || kind.contains("xml") || kind.contains("javascript");
    said && !bytes.contains(&0)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
