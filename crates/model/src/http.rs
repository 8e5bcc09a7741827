//! One call over HTTP: the request, the timeouts, the answer as it comes. What is retried is decided elsewhere.

use crate::assemble::Assembler;
use crate::chat::{Request, Settings};
use crate::endpoint::{Endpoint, Timeouts, address};
use crate::error::{Again, ModelError, Waited};
use crate::keys::{KeySource, Scrub};
use crate::network::{Network, is_near};
use crate::price::Price;
use crate::wire::frames::{Frame, Frames};
use crate::wire::lenient::{again, error_message, shortened};
use crate::wire::{Decode, Framing, StreamEvent, Wire};
use crate::{Model, Piece, Session};
use aic_base::Clock;
use futures_util::stream::{self, BoxStream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};

/// How long a whole answer may take where the spec says nothing.
const TOTAL: Duration = Duration::from_secs(600);
/// How long the last words (usage, `[DONE]`) may come after the answer itself.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How much of an error's page is read, in bytes, and for how long.
const ERROR_PAGE: usize = 64 << 10;
const ERROR_TIME: Duration = Duration::from_secs(5);

/// A model behind HTTP.
#[derive(Clone)]
pub struct HttpModel {
    endpoint: Arc<Endpoint>,
    url: Url,
    wire: Arc<dyn Wire>,
    network: Arc<Network>,
    keys: Arc<dyn KeySource>,
}

impl fmt::Debug for HttpModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpModel").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl HttpModel {
    /// A model; nothing is opened, and no key is read, before it is called.
    ///
    /// # Errors
    /// [`ModelError::Setup`] for an address that cannot be one.
    pub fn new(endpoint: Endpoint, network: Arc<Network>, keys: Arc<dyn KeySource>) -> Result<Self, ModelError> {
        let wire = endpoint.kind.wire();
        let url = address(&endpoint, &wire.path(&endpoint.model))?;
        Ok(Self { endpoint: Arc::new(endpoint), url, wire, network, keys })
    }

    /// The key, if this call takes one. The usual variables are read only for the provider's own address: a spec that
    /// points elsewhere has to name the key that may go there.
    fn key(&self) -> Result<Option<SecretString>, ModelError> {
        let (kind, named) = (self.endpoint.kind, self.endpoint.key_env.as_deref());
        let provider = kind.provider();
        let key = match named {
            Some(name) => {
                let key = self.keys.key(name);
                Some(key.ok_or_else(|| ModelError::NoKey { provider, env: name.to_owned() })?)
            }
            None if self.endpoint.base_url.is_some() => None,
            None => match kind.key_names() {
                [] => None,
                [first, ..] => {
                    let found = kind.key_names().iter().find_map(|name| self.keys.key(name));
                    Some(found.ok_or_else(|| ModelError::NoKey { provider, env: (*first).to_owned() })?)
                }
            },
        };
        if key.is_some() && self.url.scheme() == "http" && !is_near(&self.url) {
            let message = format!("the key would go to {} unencrypted: use https in `base_url`", self.host());
            return Err(ModelError::Setup { message });
        }
        Ok(key)
    }

    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or("?");
        self.url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Sends the request and waits for the answer's head.
    async fn open(&self, request: &Request, by: Deadline) -> Result<(Response, Scrub), ModelError> {
        let body = self.wire.body(&self.endpoint.model, request)?;
        let body = serde_json::to_vec(&body).map_err(|error| ModelError::Setup { message: error.to_string() })?;
        let client = self.network.client(&self.url)?;
        let mut call = client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in self.wire.headers() {
            call = call.header(*name, *value);
        }
        let mut scrub = Scrub::default();
        if let Some(key) = self.key()? {
            let (name, prefix) = self.wire.key_header();
            let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose_secret()))
                .map_err(|_| ModelError::Setup { message: "the key holds characters that no header can".into() })?;
            value.set_sensitive(true);
            call = call.header(HeaderName::from_static(name), value);
            scrub.hide(key);
        }
        let response = match timeout_at(by.at, call.send()).await {
            Err(_) => return Err(by.error()),
            Ok(Err(error)) => return Err(self.unsent_error(&error, &scrub)),
            Ok(Ok(response)) => response,
        };
        if response.status().is_success() {
            return Ok((response, scrub));
        }
        Err(refused(response, &self.url, &scrub).await)
    }

    fn unsent_error(&self, error: &reqwest::Error, scrub: &Scrub) -> ModelError {
        if error.is_connect() || error.is_timeout() {
            ModelError::Connect { host: self.host(), why: scrub.clean(&shortened(&root_cause(error))) }
        } else if error.is_builder() {
            ModelError::Setup { message: scrub.clean(&shortened(&root_cause(error))) }
        } else {
            // The connection was there and went away before an answer began.
            ModelError::Reset { pieces: 0 }
        }
    }
}

/// What the deepest error says; the ones above repeat the address.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Whether what came could not be decompressed. A reset under the decompression looks the same but for its cause.
fn is_broken_data(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind.is_some_and(|kind| matches!(kind, InvalidData | InvalidInput)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Reads why the provider said no.
pub(crate) async fn refused(response: Response, from: &Url, scrub: &Scrub) -> ModelError {
    let status = response.status();
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| from.join(to).ok());
        // Without the query, which may hold anything.
        let to =
            to.map_or_else(|| "nowhere".into(), |to| format!("{}{}", to.origin().ascii_serialization(), to.path()));
        return ModelError::Redirect { to: scrub.clean(&shortened(&to)) };
    }
    let headers = response.headers().clone();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let again: Again = again(header, i64::try_from(now).unwrap_or(i64::MAX));
    let page = error_page(response).await;
    let said = match serde_json::from_slice::<Value>(&page) {
        Ok(body) => error_message(&body),
        Err(_) => {
            let text = String::from_utf8_lossy(&page);
            // A proxy's page of HTML explains nothing.
            if text.trim_start().starts_with('<') { String::new() } else { shortened(&text) }
        }
    };
    ModelError::Status { status: status.as_u16(), message: scrub.clean(&said), again }
}

async fn error_page(mut response: Response) -> Vec<u8> {
    let by = Instant::now() + ERROR_TIME;
    let mut page = Vec::new();
    while page.len() < ERROR_PAGE && Instant::now() < by {
        let Ok(Ok(Some(bytes))) = timeout_at(by, response.chunk()).await else { break };
        page.extend_from_slice(&bytes[..bytes.len().min(ERROR_PAGE - page.len())]);
    }
    page
}

impl Model for HttpModel {
    fn provider(&self) -> &'static str {
        self.endpoint.kind.provider()
    }

    fn name(&self) -> &str {
        &self.endpoint.model
    }

    fn is_real(&self) -> bool {
        true
    }

    fn place(&self) -> String {
        format!("{} at {}", self.provider(), self.host())
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        self.wire.unsent(settings)
    }

    fn price(&self) -> Option<Price> {
        self.endpoint.price
    }

    fn may_charge(&self) -> bool {
        self.endpoint.may_charge()
    }

    fn session(&self, _: Arc<dyn Clock>) -> Box<dyn Session> {
        Box::new(HttpSession { model: self.clone(), calls: 0 })
    }
}

struct HttpSession {
    model: HttpModel,
    /// How many tools were asked for, for calls without an id.
    calls: u64,
}

impl Session for HttpSession {
    fn answer<'a>(&'a mut self, request: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>> {
        // Dropping the stream drops the response, and with it the connection.
        let call = Call { model: &self.model, calls: &mut self.calls, request, state: State::Ready };
        stream::unfold(call, |mut call| async move {
            let piece = call.next().await?;
            if piece.is_err() {
                call.state = State::Over;
            }
            Some((piece, call))
        })
        .boxed()
    }
}

/// A moment by which something has to be there, and what it is.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    waited: Waited,
}

impl Deadline {
    const fn error(self) -> ModelError {
        ModelError::Timeout(self.waited)
    }
}

struct Call<'a> {
    model: &'a HttpModel,
    calls: &'a mut u64,
    request: &'a Request,
    state: State,
}

enum State {
    Ready,
    Open(Box<Open>),
    Over,
}

struct Open {
    response: Response,
    scrub: Scrub,
    framing: Framing,
    frames: Frames,
    decoder: Box<dyn Decode>,
    /// None once it was asked for the answer's end.
    answer: Option<Assembler>,
    /// What is ready to go out.
    ready: VecDeque<Result<Piece, ModelError>>,
    found: Vec<Frame>,
    first: Option<Deadline>,
    total: Deadline,
    /// The answer is there; only last words may follow.
    last_words: Option<Instant>,
}

impl Call<'_> {
    async fn next(&mut self) -> Option<Result<Piece, ModelError>> {
        loop {
            match &mut self.state {
                State::Over => return None,
                State::Ready => match open(self.model, self.request).await {
                    Ok(open) => self.state = State::Open(Box::new(open)),
                    Err(error) => return Some(Err(error)),
                },
                State::Open(open) => {
                    if let Some(piece) = open.ready.pop_front() {
                        return Some(piece.map_err(|error| open.scrubbed(error)));
                    }
                    if open.answer.is_none() {
                        self.state = State::Over;
                        return None;
                    }
                    open.read(self.calls).await;
                }
            }
        }
    }
}

/// Sends the request, and is ready to read when the answer's head is there.
async fn open(model: &HttpModel, request: &Request) -> Result<Open, ModelError> {
    let began = Instant::now();
    let Timeouts { first_token, total } = model.endpoint.timeouts;
    let total = total.unwrap_or(TOTAL);
    let total = Deadline { at: began + total, waited: Waited::Whole(total) };
    let first = first_token.map(|time| Deadline { at: began + time, waited: Waited::FirstToken(time) });
    let by = first.filter(|first| first.at < total.at).unwrap_or(total);
    let (response, scrub) = model.open(request, by).await?;
    let framing = framing(&response, model.wire.framing())?;
    Ok(Open {
        response,
        scrub,
        framing,
        frames: Frames::new(framing),
        decoder: model.wire.decoder(),
        answer: Some(Assembler::new(request.limit)),
        ready: VecDeque::new(),
        found: Vec::new(),
        first,
        total,
        last_words: None,
    })
}

/// By the type that the server says: some answer whole although they were asked to stream.
fn framing(response: &Response, usual: Framing) -> Result<Framing, ModelError> {
    if response.status() == StatusCode::NO_CONTENT {
        return Err(ModelError::Protocol { message: "status 204 came, which has no content".into() });
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match (kind.as_str(), usual) {
        ("text/html", _) => Err(ModelError::Protocol { message: "a web page came. Is `base_url` right?".into() }),
        ("application/json", Framing::Events) => Ok(Framing::Whole),
        ("text/event-stream", _) => Ok(Framing::Events),
        _ => Ok(usual),
    }
}

impl Open {
    /// Reads once and takes what came. What goes wrong stands in the queue behind the pieces before it.
    async fn read(&mut self, calls: &mut u64) {
        let mut by = self.first.filter(|first| first.at < self.total.at).unwrap_or(self.total);
        if let Some(at) = self.last_words.filter(|at| *at < by.at) {
            by.at = at;
        }
        // A stream that always has something ready would never let the timer speak.
        let read = if Instant::now() >= by.at { None } else { timeout_at(by.at, self.response.chunk()).await.ok() };
        let taken = match read {
            Some(Ok(Some(bytes))) => self.take(&bytes),
            Some(Ok(None)) => self.ended().and_then(|()| self.finish(calls)),
            Some(Err(_)) | None if self.decoder.may_end() => self.finish(calls),
            Some(Err(error)) if is_broken_data(&error) => {
                Err(ModelError::Protocol { message: "it is compressed, and broken".into() })
            }
            Some(Err(_)) => Err(self.reset()),
            None => Err(by.error()),
        };
        let taken = match taken {
            Ok(()) if self.answer.is_some() && self.decoder.is_done() => self.finish(calls),
            taken => taken,
        };
        if let Err(error) = taken {
            self.answer = None;
            self.ready.push_back(Err(error));
        } else if self.last_words.is_none() && self.decoder.may_end() {
            self.last_words = Some(Instant::now() + LAST_WORDS);
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        let mut found = std::mem::take(&mut self.found);
        let pushed = self.frames.push(bytes, &mut found);
        let taken = found.drain(..).try_for_each(|frame| self.frame(&frame));
        self.found = found;
        taken.and(pushed)
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), ModelError> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        let text = frame.data.trim();
        if text == "[DONE]" {
            self.decoder.ended();
            return Ok(());
        }
        let data: Value = serde_json::from_str(text)
            .map_err(|error| ModelError::Protocol { message: format!("no JSON where some should be: {error}") })?;
        let mut events = Vec::new();
        let read = self.decoder.frame(&frame.event, &data, &mut events);
        // Content, or a thought of it: the model is at work.
        if events
            .iter()
            .any(|event| matches!(event, StreamEvent::Text(_) | StreamEvent::Tool(_) | StreamEvent::Thinking(_)))
        {
            self.first = None;
        }
        for event in events {
            self.ready.extend(answer.take(event)?.map(Ok));
        }
        read
    }

    /// The connection is over.
    fn ended(&mut self) -> Result<(), ModelError> {
        let mut found = Vec::new();
        self.frames.end(&mut found)?;
        for frame in found {
            match self.frame(&frame) {
                // Half a document is what a broken connection leaves; one that was not to stream is what it is.
                Err(ModelError::Protocol { .. }) if self.framing != Framing::Whole => return Err(self.reset()),
                taken => taken?,
            }
        }
        match self.framing {
            _ if self.decoder.may_end() => Ok(()),
            Framing::Whole => {
                let message =
                    "JSON came in one piece that is no answer of this format. Are `provider` and `base_url` right?";
                Err(ModelError::Protocol { message: message.into() })
            }
            Framing::Events | Framing::Lines => Err(self.reset()),
        }
    }

    fn finish(&mut self, calls: &mut u64) -> Result<(), ModelError> {
        if let Some(answer) = self.answer.take() {
            self.ready.extend(answer.end(calls)?.into_iter().map(Ok));
        }
        Ok(())
    }

    fn reset(&self) -> ModelError {
        let pieces = self.answer.as_ref().map_or(0, Assembler::pieces);
        ModelError::Reset { pieces: usize::try_from(pieces).unwrap_or(usize::MAX) }
    }

    /// What a provider says in its stream may hold the key too.
    fn scrubbed(&self, error: ModelError) -> ModelError {
        match error {
            ModelError::Stream { message, passing } => {
                ModelError::Stream { message: self.scrub.clean(&message), passing }
            }
            ModelError::Protocol { message } => ModelError::Protocol { message: self.scrub.clean(&message) },
            error => error,
        }
    }
}
