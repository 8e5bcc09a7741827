//! Any bytes as messages of a client: the server answers or refuses each, ends with the stream, and never panics.
//!
//! A line that begins with `{` is sent as it is; of any other, the first byte chooses a request and the rest is a place and
//! a text, so that mutations reach the handlers. With an odd first byte the whole goes down the stream without frames.
#![no_main]

use aic_lsp::{Config, serve};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().max_blocking_threads(2).build().expect("a runtime"));

const URI: &str = "file:///aic-fuzz/a.aicontainer.yml";
const TEXT: &str = "model: gpt-4-0613\nprompts: {system: \"Hi ${NAME}\", variables: {NAME: x}}\ntools: {allowed: [a]}\nguardrails:\n  runtime:\n    - {name: x, condition: tool.name == 'a'}\ntests:\n  - {name: t, input: x, expect: [{tool_called: a}]}\n";

const METHODS: [&str; 22] = [
    "completion",
    "hover",
    "definition",
    "references",
    "rename",
    "prepareRename",
    "documentSymbol",
    "documentHighlight",
    "foldingRange",
    "selectionRange",
    "documentLink",
    "formatting",
    "rangeFormatting",
    "semanticTokens/full",
    "semanticTokens/full/delta",
    "semanticTokens/range",
    "codeAction",
    "codeLens",
    "inlayHint",
    "diagnostic",
    "signatureHelp",
    "typeDefinition",
];

/// One line of the input as a message.
fn message(line: &[u8], id: usize) -> Vec<u8> {
    let [op, at @ ..] = line else { return Vec::new() };
    if *op == b'{' {
        return line.to_vec();
    }
    let number = |index: usize| u32::from(at.get(index).copied().unwrap_or(0));
    let place = json!({"line": number(0) % 12, "character": number(1)});
    let end = json!({"line": number(0) % 12 + number(2) % 3, "character": number(3)});
    let range = json!({"start": place, "end": end});
    let text = String::from_utf8_lossy(at.get(4..).unwrap_or_default()).into_owned();
    let document = json!({"uri": URI, "version": id});
    let value: Value = match usize::from(*op) % (METHODS.len() + 3) {
        0 => json!({"method": "textDocument/didChange", "params": {"textDocument": document, "contentChanges": [{"range": range, "text": text}]}}),
        1 => json!({"method": "textDocument/didChange", "params": {"textDocument": document, "contentChanges": [{"text": text}]}}),
        2 => json!({"id": id, "method": "workspace/symbol", "params": {"query": text}}),
        method => json!({
            "id": id, "method": format!("textDocument/{}", METHODS[method - 3]),
            "params": {
                "textDocument": {"uri": URI}, "position": place, "range": range, "positions": [place], "newName": text,
                "context": {"includeDeclaration": true, "diagnostics": [], "triggerKind": 1},
                "options": {"tabSize": 2, "insertSpaces": true}, "previousResultId": text,
            },
        }),
    };
    let mut value = value;
    value["jsonrpc"] = "2.0".into();
    value.to_string().into_bytes()
}

fn framed(body: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    into.extend_from_slice(body);
}

fuzz_target!(|data: &[u8]| {
    let [mode, rest @ ..] = data else { return };
    let mut stream = Vec::new();
    let encodings = [json!(["utf-8"]), json!(["utf-16"]), json!(["utf-32", "utf-16"])];
    let start = json!({"jsonrpc": "2.0", "id": "start", "method": "initialize", "params": {
        "processId": null, "rootUri": "file:///aic-fuzz",
        "capabilities": {"general": {"positionEncodings": encodings[usize::from(mode / 2) % 3]}}}});
    framed(start.to_string().as_bytes(), &mut stream);
    framed(br#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#, &mut stream);
    let open = json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument":
        {"uri": URI, "languageId": "aicontainer", "version": 0, "text": TEXT}}});
    framed(open.to_string().as_bytes(), &mut stream);
    if mode % 2 == 1 {
        stream.extend_from_slice(rest);
    } else {
        for (id, line) in rest.split(|byte| *byte == b'\n').enumerate().take(40) {
            framed(&message(line, id + 1), &mut stream);
        }
    }
    RUNTIME.block_on(serve(stream.as_slice(), tokio::io::sink(), Config::default()));
});
