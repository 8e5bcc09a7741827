//! A server on loopback that says exactly the bytes a test gives it, and remembers what it was asked.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod streams;

use aic_base::SystemClock;
use aic_model::{Endpoint, HttpModel, KeySource, Kind, Model, ModelError, Network, Piece, Request, Timeouts};
use futures_util::StreamExt;
use secrecy::SecretString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The key that no test may ever find anywhere but in the one header.
pub const PLANTED: &str = "sk-planted-0123456789abcdef";

/// What the server does after it has read a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Says these bytes.
    Say(Vec<u8>),
    /// Says this again and again until the other side is gone.
    Repeat(Vec<u8>),
    /// The same with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Says nothing and waits until the other side is gone.
    Hang,
    /// Breaks the connection the hard way.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    open: AtomicUsize,
    changed: Notify,
}

/// The server. The nth request gets the nth reply, later ones the last.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(replies: Vec<Vec<Step>>) -> Self {
        let count = AtomicUsize::new(0);
        Self::answering(move |_| {
            let nth = count.fetch_add(1, Ordering::SeqCst);
            replies[nth.min(replies.len() - 1)].clone()
        })
        .await
    }

    /// A server that looks at what it is asked.
    pub async fn answering(reply: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, shared) = (reply.clone(), serving.clone());
                shared.open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    serve(stream, &*reply, &shared).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                    shared.changed.notify_waiters();
                });
            }
        });
        Self { port, shared, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until nobody is connected.
    pub async fn empty(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            changed.await;
        }
    }
}

async fn serve(mut stream: TcpStream, reply: &(dyn Fn(&Seen) -> Vec<Step> + Send + Sync), shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let Some(seen) = read_request(&mut stream).await else { return };
    let steps = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        reply(&seen)
    };
    for step in steps {
        let gone = match step {
            Step::Say(bytes) => stream.write_all(&bytes).await.is_err(),
            Step::Repeat(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {}
                true
            }
            Step::Drip(bytes, pause) => {
                while stream.write_all(&bytes).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
                true
            }
            Step::Hang => {
                let mut rest = [0; 64];
                while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                true
            }
            Step::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        };
        if gone {
            return;
        }
    }
    // Without this, unread bytes would turn the close into a reset.
    let _ = stream.shutdown().await;
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head_end = loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    while bytes.len() < head_end + length {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
    Some(Seen { head, body: String::from_utf8(bytes[head_end..].to_vec()).unwrap() })
}

/// A head, with the body ending where the connection does.
pub fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

/// The head of an answer that streams in this format.
pub fn streaming(kind: Kind) -> Vec<u8> {
    let kind = if kind == Kind::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    head("200 OK", &[("content-type", kind)])
}

/// A whole answer with its real length.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([("content-length", length.as_str())]).collect();
    let mut bytes = head(status, &headers);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// A stream cut into HTTP chunks at these places.
pub fn chunked(kind: Kind, pieces: &[&[u8]]) -> Vec<u8> {
    let kind = if kind == Kind::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    let mut bytes = head("200 OK", &[("content-type", kind), ("transfer-encoding", "chunked")]);
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Gzip that unpacks to one line of so many times 258 letters, from 13 bits each.
pub fn bomb(times: usize) -> Vec<u8> {
    struct Bits(Vec<u8>, u32, u32);
    impl Bits {
        fn put(&mut self, value: u32, count: u32) {
            self.1 |= value << self.2;
            self.2 += count;
            while self.2 >= 8 {
                self.0.push(self.1 as u8);
                self.1 >>= 8;
                self.2 -= 8;
            }
        }
        /// Huffman codes are written from their highest bit.
        fn code(&mut self, code: u32, count: u32) {
            self.put(code.reverse_bits() >> (32 - count), count);
        }
    }
    let mut bits = Bits(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], 0, 0);
    bits.put(0b011, 3); // the last block, fixed codes
    bits.code(0x30 + u32::from(b'x'), 8);
    for _ in 0..times {
        bits.code(0b1100_0101, 8); // length 258
        bits.code(0, 5); // from one byte back
    }
    bits.code(0, 7);
    bits.put(0, 7);
    bits.0
}

/// Knows one key, under every name.
#[derive(Debug)]
pub struct Planted;

impl KeySource for Planted {
    fn key(&self, _: &str) -> Option<SecretString> {
        Some(SecretString::from(PLANTED.to_owned()))
    }
}

pub const KINDS: [Kind; 6] =
    [Kind::OpenAi, Kind::Responses, Kind::Anthropic, Kind::Google, Kind::Ollama, Kind::Compatible];

/// A model at this address, with a key.
pub fn model(kind: Kind, base: &str, timeouts: Timeouts) -> HttpModel {
    let endpoint = Endpoint {
        kind,
        model: "the-model".into(),
        base_url: Some(format!("{base}/v1")),
        key_env: Some("THE_KEY".into()),
        timeouts,
        price: None,
    };
    HttpModel::new(endpoint, Network::new(), Arc::new(Planted)).unwrap()
}

/// Asks once and collects everything.
pub async fn ask(model: &HttpModel, request: &Request) -> Vec<Result<Piece, ModelError>> {
    let mut session = model.session(Arc::new(SystemClock::new()));
    session.answer(request).collect().await
}

/// The error at the end.
pub fn error(pieces: &[Result<Piece, ModelError>]) -> &ModelError {
    match pieces.last() {
        Some(Err(error)) => error,
        other => panic!("no error but {other:?}"),
    }
}

/// The text of an answer.
pub fn text(pieces: &[Result<Piece, ModelError>]) -> String {
    pieces
        .iter()
        .filter_map(|piece| if let Ok(Piece::Text(text)) = piece { Some(text.as_str()) } else { None })
        .collect()
}

/// What is over while a test waits, and yet long enough for what comes first, on a busy machine too.
pub const fn short() -> Timeouts {
    Timeouts { first_token: None, total: Some(Duration::from_secs(5)) }
}

pub const fn patient() -> Timeouts {
    Timeouts { first_token: None, total: Some(Duration::from_secs(120)) }
}
