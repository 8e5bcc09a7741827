//! What the model layer costs over a plain HTTP request, and what a thousand streams at once weigh.
//!
//! `cargo bench --bench model_overhead`. A server on loopback, in this process, answers at once. Both sides read the whole
//! answer; ours also parses and assembles it.
#![allow(clippy::print_stdout, reason = "a table is what a bench is for")]

mod common;

use aic_base::SystemClock;
use aic_model::{Endpoint, HttpModel, Kind, Message, Model, Network, NoKeys, Piece, Request, Role, Timeouts};
use common::{head, row};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const ROUNDS: usize = 3000;
const STREAMS: usize = 1000;

const BODY: &str = "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello \"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"there.\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\n\n\
    data: [DONE]\n\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, gate) = serve().await?;
    let model = model(&url)?;
    let request = Request { messages: vec![Message::new(Role::User, "Hello?")], ..Request::default() };

    // The model has installed one by its first call; the plain client comes before that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let body = serde_json::json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello?"}]})
        .to_string();
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    let mut session = model.session(Arc::new(SystemClock::new()));
    // Turn by turn, so that whatever else the machine does falls on both.
    for round in 0..ROUNDS + 200 {
        let began = Instant::now();
        let response = client.post(format!("{url}/chat/completions")).body(body.clone()).send().await?;
        let read = response.bytes().await?;
        let direct = began.elapsed();
        let began = Instant::now();
        let mut pieces = 0;
        let mut answer = session.answer(&request);
        while let Some(piece) = answer.next().await {
            piece?;
            pieces += 1;
        }
        drop(answer);
        let layered = began.elapsed();
        if read.len() != BODY.len() || pieces != 3 {
            return Err(format!("{} bytes and {pieces} pieces came", read.len()).into());
        }
        if round >= 200 {
            plain.push(direct);
            ours.push(layered);
        }
    }
    let over = plain.iter().zip(&ours).map(|(plain, ours)| ours.saturating_sub(*plain)).collect();
    head("A call to a model on loopback that answers at once");
    row("direct, by reqwest", plain, "");
    row("through the model layer", ours, "");
    row("what the layer adds, call by call", over, "");

    let before = resident();
    let began = Instant::now();
    let arrived = Arc::new(AtomicUsize::new(0));
    let all_there = Arc::new(Notify::new());
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let (model, request) = (model.clone(), request.clone());
            let (arrived, all_there) = (arrived.clone(), all_there.clone());
            tokio::spawn(async move {
                let mut session = model.session(Arc::new(SystemClock::new()));
                let request = Request { messages: vec![Message::new(Role::User, "hold")], ..request };
                let mut answer = session.answer(&request);
                let first = answer.next().await;
                if arrived.fetch_add(1, Ordering::SeqCst) + 1 == STREAMS {
                    all_there.notify_one();
                }
                let mut rest = 0;
                while let Some(Ok(piece)) = answer.next().await {
                    rest += usize::from(matches!(piece, Piece::Text(_) | Piece::End(_)));
                }
                first.is_some_and(|first| first.is_ok()) && rest == 2
            })
        })
        .collect();
    tokio::time::timeout(Duration::from_secs(60), all_there.notified()).await?;
    let held = resident();
    gate.notify_waiters();
    let mut whole = 0;
    for stream in streams {
        whole += usize::from(stream.await?);
    }
    println!(
        "\n{whole} of {STREAMS} streams open at once, whole in {:?}; resident {} MB before, {} MB with all open \
         (the server's side of each included)",
        began.elapsed(),
        before / 1024,
        held / 1024
    );
    Ok(())
}

fn model(url: &str) -> Result<HttpModel, aic_model::ModelError> {
    let endpoint = Endpoint {
        kind: Kind::Compatible,
        model: "m".into(),
        base_url: Some(url.to_owned()),
        key_env: None,
        timeouts: Timeouts::default(),
        price: None,
    };
    HttpModel::new(endpoint, Network::new(), Arc::new(NoKeys))
}

/// Answers at once; a question that says `hold` is answered by half, and the rest when the gate opens.
async fn serve() -> std::io::Result<(String, Arc<Notify>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let gate = gate.clone();
            tokio::spawn(async move {
                // Whoever hangs up has had enough.
                let _ = talk(stream, &gate).await;
            });
        }
    });
    Ok((url, opened))
}

async fn talk(mut stream: TcpStream, gate: &Notify) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if bytes.len() < head + 4 + length.unwrap_or(0) {
            continue;
        }
        let hold = text.contains("\"hold\"");
        bytes.clear();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", BODY.len());
        let half = BODY.find("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"there").unwrap_or(0);
        if hold {
            let opened = gate.notified();
            stream.write_all(format!("{head}{}", &BODY[..half]).as_bytes()).await?;
            opened.await;
            stream.write_all(&BODY.as_bytes()[half..]).await?;
        } else {
            stream.write_all(format!("{head}{BODY}").as_bytes()).await?;
        }
    }
}

/// Resident memory of this process, in kB; 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
