//! What is settled of a stream is judged the same whatever follows.
#![no_main]

use aic_base::{Decision, Stage};
use aic_guard::{Group, Guard, GuardrailDef, Scope, redact, stream};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GUARD: LazyLock<Guard> =
    LazyLock::new(|| Guard::compile(&GuardrailDef::named("data_privacy", Group::Own)).expect("a built-in"));

fn judge(text: &str) -> Vec<Decision> {
    GUARD.judge(text, &Scope::at(Stage::PostExecution))
}

/// Bytes become pieces that make findings, joined by bytes as they are.
fn text(bytes: &[u8]) -> String {
    const PIECES: [&str; 22] = [
        "4242 4242 4242 4242",
        "jane.roe@example.com",
        "DE89 3704 0044 0532 0130 00",
        "password: hunter2Xy!9 ",
        "call +1 (415) 555-0132 ext. 77",
        "ssn 123-45-6789",
        "token = ",
        "9fQ2xLmZ8tVbN4cKsYw1PdFhJg3AeUoTiX",
        "AKIAQ4Z7TRVN2KLM5XYW",
        "curl -s -u admin:",
        "s3cr3tPass99 ",
        "-----BEGIN PRIVATE KEY-----\n",
        "MIIEpAIBAAKCAQEA7bq9ZxTfLm3nQpRs8uVw",
        "\n-----END PRIVATE KEY-----",
        "NDI0MiA0MjQyIDQyNDIgNDI0Mg==",
        "%40",
        "&#64;",
        "\u{200b}",
        "\u{ff14}\u{ff12}",
        "1 2 3 4 5 6 7 8 9 ",
        "word ",
        "some ordinary words that go on and on ",
    ];
    let mut text = String::new();
    for byte in bytes.iter().take(400) {
        match PIECES.get(usize::from(*byte) % 64) {
            Some(piece) => text.push_str(&piece.repeat(1 + usize::from(*byte / 64))),
            None => text.push(char::from(byte & 0x7f)),
        }
    }
    text
}

fuzz_target!(|data: (u16, &[u8])| {
    let text = text(data.1);
    let cut = text.floor_char_boundary(text.len() * usize::from(data.0) / usize::from(u16::MAX));
    let head = &text[..cut];
    let found = judge(head);
    let mut settled = stream::settled(head);
    while let Some(span) = found
        .iter()
        .filter_map(|one| one.span)
        .map(|span| span.range())
        .find(|span| span.start < settled && settled < span.end)
    {
        settled = span.start;
    }
    let within = |one: &&Decision| one.span.is_some_and(|span| span.range().start < settled);
    let early: Vec<Decision> = found.iter().filter(within).cloned().collect();
    let late: Vec<Decision> = judge(&text).iter().filter(within).cloned().collect();
    assert_eq!(redact(&text[..settled], &early), redact(&text[..settled], &late));
});
