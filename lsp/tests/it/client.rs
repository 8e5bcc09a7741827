//! A client in memory: frames, requests, and everything the server says, in order.

use aic_base::FrozenClock;
use aic_lsp::{Config, Ended, Runner, serve};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

/// No test waits longer for anything: a server that says nothing fails it rather than hanging.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Client {
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    bytes: Vec<u8>,
    unread: VecDeque<Value>,
    next_id: i64,
    server: JoinHandle<Ended>,
}

impl Client {
    /// A server and a client that has not said anything yet.
    pub fn silent() -> Self {
        Self::silent_with(None)
    }

    fn silent_with(runner: Option<Arc<dyn Runner>>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let now = "2025-06-01T12:00:00Z".parse().unwrap();
        let config = Config { clock: Arc::new(FrozenClock::at(now)), runner };
        let server = tokio::spawn(serve(input, output, config));
        let (reader, writer) = tokio::io::split(ours);
        Self { reader, writer, bytes: Vec::new(), unread: VecDeque::new(), next_id: 0, server }
    }

    /// A client that announced these capabilities, and what the server answered.
    pub async fn announcing(capabilities: Value) -> (Self, Value) {
        Self::beginning(json!({"processId": null, "rootUri": null, "capabilities": capabilities})).await
    }

    /// A client that began with these parameters, and what the server answered.
    pub async fn beginning(params: Value) -> (Self, Value) {
        let mut client = Self::silent();
        let answer = client.request("initialize", params).await;
        client.notify("initialized", json!({})).await;
        (client, answer)
    }

    /// As [`Client::beginning`], of a server that runs tests with this.
    pub async fn with_runner<R: Runner>(params: Value, runner: Option<Arc<R>>) -> (Self, Value) {
        let mut client = Self::silent_with(runner.map(|runner| runner as Arc<dyn Runner>));
        let answer = client.request("initialize", params).await;
        client.notify("initialized", json!({})).await;
        (client, answer)
    }

    /// A client like most editors.
    pub async fn new() -> Self {
        let capabilities = json!({
            "general": {"positionEncodings": ["utf-16"]},
            "textDocument": {
                "publishDiagnostics": {"relatedInformation": true},
                "hover": {"contentFormat": ["markdown", "plaintext"]},
                "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
            },
        });
        Self::announcing(capabilities).await.0
    }

    pub async fn send_raw(&mut self, body: &str) {
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.send_bytes(frame.as_bytes()).await;
    }

    /// Whatever a client may send, frames or not.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send_raw(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()).await;
    }

    /// The result of a request.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let answer = self.answer(id).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Sends a request and does not wait for the answer; its number.
    pub async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        self.send_raw(&message.to_string()).await;
        self.next_id
    }

    /// The answer to a request, a result or an error.
    pub async fn answer(&mut self, id: i64) -> Value {
        self.wait(|message| message["id"] == json!(id) && message.get("method").is_none()).await
    }

    /// Whether such a message came and was not waited for.
    pub fn saw(&self, method: &str) -> bool {
        self.unread.iter().any(|message| message["method"] == method)
    }

    /// The next request of the server with this method.
    pub async fn asked(&mut self, method: &str) -> Value {
        self.wait(|message| message["method"] == method && message.get("id").is_some()).await
    }

    /// Answers a request of the server.
    pub async fn reply(&mut self, request: &Value, result: Value) {
        self.send_raw(&json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string()).await;
    }

    /// The first message that is wanted; others stay unread.
    pub async fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).unwrap();
        }
        loop {
            let message = tokio::time::timeout(PATIENCE, self.read()).await.expect("the server says nothing");
            if wanted(&message) {
                return message;
            }
            self.unread.push_back(message);
        }
    }

    async fn read(&mut self) -> Value {
        loop {
            if let Some(message) = self.framed() {
                return message;
            }
            let mut chunk = [0; 16 * 1024];
            let count = self.reader.read(&mut chunk).await.unwrap();
            assert_ne!(count, 0, "the server closed the stream");
            self.bytes.extend_from_slice(&chunk[..count]);
        }
    }

    fn framed(&mut self) -> Option<Value> {
        let head = self.bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let header = std::str::from_utf8(&self.bytes[..head]).unwrap();
        let length = header.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let end = head + 4 + length.parse::<usize>().unwrap();
        let body = self.bytes.get(head + 4..end)?;
        let message = serde_json::from_slice(body).unwrap();
        self.bytes.drain(..end);
        Some(message)
    }

    pub async fn open(&mut self, uri: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document})).await;
    }

    pub async fn change(&mut self, uri: &str, version: i32, changes: Value) {
        let document = json!({"uri": uri, "version": version});
        self.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes})).await;
    }

    pub async fn close(&mut self, uri: &str) {
        self.notify("textDocument/didClose", json!({"textDocument": {"uri": uri}})).await;
    }

    /// The findings of a document, of this version if one is given.
    pub async fn findings(&mut self, uri: &str, version: Option<i32>) -> Vec<Value> {
        let message = self
            .wait(|message| {
                message["method"] == "textDocument/publishDiagnostics"
                    && message["params"]["uri"] == uri
                    && version.is_none_or(|version| message["params"]["version"] == version)
            })
            .await;
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// The codes of the findings.
    pub async fn codes(&mut self, uri: &str, version: Option<i32>) -> Vec<String> {
        let found = self.findings(uri, version).await;
        found.iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn at(&mut self, method: &str, uri: &str, line: u32, character: u32) -> Value {
        let position = json!({"line": line, "character": character});
        self.request(method, json!({"textDocument": {"uri": uri}, "position": position})).await
    }

    /// The labels that are offered.
    pub async fn labels(&mut self, uri: &str, line: u32, character: u32) -> Vec<String> {
        let answer = self.at("textDocument/completion", uri, line, character).await;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    /// Says `shutdown` and `exit`.
    pub async fn leave(mut self) -> Ended {
        assert_eq!(self.request("shutdown", Value::Null).await, Value::Null);
        self.notify("exit", Value::Null).await;
        tokio::time::timeout(PATIENCE, self.server).await.expect("the server does not end").unwrap()
    }

    /// Closes the stream without a word.
    pub async fn hang_up(self) -> Ended {
        let Self { reader, writer, server, .. } = self;
        drop((reader, writer));
        tokio::time::timeout(PATIENCE, server).await.expect("the server does not end").unwrap()
    }
}

/// A workspace on disk.
pub fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// The address of a file.
pub fn uri(folder: &Path, name: &str) -> String {
    format!("file://{}", folder.canonicalize().unwrap().join(name).display())
}
