//! A server elsewhere, over streamable HTTP: each question is a POST, and its answer is JSON or a stream of events.

use super::rpc::{Heard, hear, notification, request};
use crate::tools::fill::{Place, Values};
use crate::tools::http::{SendError, ToolNetwork};
use aic_model::Scrub;
use indexmap::IndexMap;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use serde_json::Value;
use std::time::Duration;

/// The most bytes of an answer, events that are not the answer included.
const MOST: usize = 4 << 20;
const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// A line to a server.
pub(super) struct Remote {
    url: Url,
    headers: HeaderMap,
    next: u64,
}

impl Remote {
    pub fn new(
        url: &str,
        headers: &IndexMap<String, String>,
        values: &Values<'_>,
        network: &ToolNetwork,
        scrub: &mut Scrub,
    ) -> Result<Self, String> {
        let text = values.fill(url, Place::Word, scrub)?;
        let url = Url::parse(&text).map_err(|error| format!("its `url` is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err("its `url` is an http or https address without a user".into());
        }
        let mut all = HeaderMap::new();
        for (name, text) in headers {
            let value = values.fill(text, Place::Secret, scrub)?;
            let wrong = || format!("its header `{name}` cannot be sent");
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            all.insert(key, value);
        }
        if !all.is_empty() && !network.keeps_secrets(&url) {
            return Err("its headers may hold secrets, which go over https only".into());
        }
        all.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { url, headers: all, next: 1 })
    }

    /// What was agreed on is said again with each question.
    pub fn agreed(&mut self, hello: &Value) {
        let version = hello.get("protocolVersion").and_then(Value::as_str);
        if let Some(Ok(version)) = version.map(HeaderValue::from_str) {
            self.headers.insert(VERSION, version);
        }
    }

    async fn post(&mut self, network: &ToolNetwork, body: &Value, within: Duration) -> Result<Response, String> {
        let body = body.to_string();
        let sent = network.send(Method::POST, &self.url, &self.headers, Some(body.as_bytes()), within).await;
        let response = sent.map_err(|error| match error {
            SendError::Refused(refused) => refused.to_string(),
            SendError::Failed(why) => why,
        })?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        if let Some(session) = response.headers().get(SESSION) {
            self.headers.insert(SESSION, session.clone());
        }
        Ok(response)
    }

    pub async fn tell(&mut self, network: &ToolNetwork, method: &str, within: Duration) -> Result<(), String> {
        self.post(network, &notification(method), within).await.map(drop)
    }

    /// Asks and waits for the answer.
    pub async fn ask(
        &mut self,
        network: &ToolNetwork,
        method: &str,
        params: Value,
        within: Duration,
    ) -> Result<Value, String> {
        let id = self.next;
        self.next += 1;
        let body = request(id, method, &params);
        let work = async {
            let mut response = self.post(network, &body, within).await?;
            let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if !kind.starts_with("text/event-stream") {
                let bytes = all(&mut response).await?;
                let message: Value =
                    serde_json::from_slice(&bytes).map_err(|error| format!("its answer is no JSON: {error}"))?;
                return match hear(&message, id) {
                    Heard::Answer(answer) => answer,
                    Heard::Question(_) | Heard::Other => Err("it answered something else than what was asked".into()),
                };
            }
            let mut events = Events::default();
            while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off".to_owned())? {
                for data in events.feed(&chunk)? {
                    let Ok(message) = serde_json::from_str::<Value>(&data) else { continue };
                    match hear(&message, id) {
                        Heard::Answer(answer) => return answer,
                        Heard::Question(answer) => drop(self.post(network, &answer, within).await?),
                        Heard::Other => {}
                    }
                }
            }
            Err("its answer ended before the end".into())
        };
        tokio::time::timeout(within, work)
            .await
            .unwrap_or_else(|_| Err(format!("it did not answer `{method}` within {} s", within.as_secs_f64())))
    }
}

async fn all(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off".to_owned())? {
        if bytes.len() + chunk.len() > MOST {
            return Err(format!("its answer is larger than {MOST} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Events of a stream, cut at whatever place.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: String,
    seen: usize,
}

impl Events {
    /// The data of each event that is whole now.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, String> {
        self.seen += bytes.len();
        if self.seen > MOST {
            return Err(format!("its answer is larger than {MOST} bytes"));
        }
        let mut whole = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    whole.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = ": hi\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata:2\n\ndata: open";
        for size in 1..text.len() {
            let mut events = Events::default();
            let whole: Vec<String> =
                text.as_bytes().chunks(size).flat_map(|bytes| events.feed(bytes).unwrap()).collect();
            assert_eq!(whole, ["{\"a\":\n1}", "2"], "{size}");
        }
        assert!(Events::default().feed(&vec![b'x'; MOST + 1]).is_err());
    }
}
