//! Every provider in good weather: what is sent, and what is understood of the answer.

use crate::support::{
    KINDS, PLANTED, Planted, Server, Step, answer, ask, chunked, model, patient, streaming, streams, text,
};
use aic_base::SystemClock;
use aic_model::{
    Ended, Endpoint, Finish, HttpModel, Kind, Message, Model, ModelError, Network, NoKeys, Piece, Request, Role,
    Settings, Timeouts, ToolCall, ToolDef,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;

fn question() -> Request {
    Request { messages: vec![Message::new(Role::User, "Hello?")], ..Request::default() }
}

fn expected(kind: Kind) -> Vec<Piece> {
    let (id, opaque) = match kind {
        Kind::Google => ("call_1", Some("c2lnbmF0dXJl".to_owned())),
        Kind::Ollama => ("call_1", None),
        _ => ("call_abc", None),
    };
    let call = ToolCall { id: id.into(), name: "lookup".into(), args: json!({"id": 7}), opaque };
    vec![Piece::Text("Grüße, ".into()), Piece::Text("you.".into()), Piece::ToolCall(call)]
}

fn check(kind: Kind, pieces: Vec<Result<Piece, ModelError>>) {
    let mut pieces: Vec<Piece> =
        pieces.into_iter().map(|piece| piece.unwrap_or_else(|e| panic!("{kind:?}: {e}"))).collect();
    let Some(Piece::End(Ended { usage, finish, served })) = pieces.pop() else { panic!("{kind:?}: no end") };
    assert_eq!(pieces, expected(kind), "{kind:?}");
    let usage = usage.unwrap();
    let (cached, reasoned) = streams::cached(kind);
    let counted = (usage.input, usage.output, usage.cache_read, usage.reasoning);
    assert_eq!(counted, (25, 15, cached, reasoned), "{kind:?}");
    assert_eq!(usage.cache_write, if kind == Kind::Anthropic { 3 } else { 0 });
    assert_eq!((finish, served.model.as_deref()), (Finish::Tools, Some("the-model-0613")), "{kind:?}");
    let has_fingerprint = matches!(kind, Kind::OpenAi | Kind::Compatible);
    assert_eq!(served.fingerprint.as_deref(), has_fingerprint.then_some("fp_44709d6fcb"), "{kind:?}");
}

#[tokio::test]
async fn an_answer_is_understood_with_all_the_odd_things_in_it() {
    for kind in KINDS {
        let stream = streams::answer(kind).as_bytes().to_vec();
        let server = Server::start(vec![vec![Step::Say(streaming(kind)), Step::Say(stream)]]).await;
        check(kind, ask(&model(kind, &server.url(), patient()), &question()).await);
        server.empty().await;
    }
}

#[tokio::test]
async fn an_answer_is_the_same_when_every_byte_comes_alone() {
    for kind in KINDS {
        let bytes: Vec<&[u8]> = streams::answer(kind).as_bytes().chunks(1).collect();
        let server = Server::start(vec![vec![Step::Say(chunked(kind, &bytes))]]).await;
        check(kind, ask(&model(kind, &server.url(), patient()), &question()).await);
    }
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_it_is_cut_in_two() {
    for kind in [Kind::OpenAi, Kind::Ollama] {
        let stream = streams::answer(kind).as_bytes();
        let cuts = (0..stream.len()).map(|at| vec![Step::Say(chunked(kind, &[&stream[..at], &stream[at..]]))]);
        let server = Server::start(cuts.collect()).await;
        let model = model(kind, &server.url(), patient());
        for _ in 0..stream.len() {
            check(kind, ask(&model, &question()).await);
        }
    }
}

#[tokio::test]
async fn lines_may_end_the_way_windows_ends_them() {
    for kind in KINDS {
        let stream = streams::answer(kind).replace('\n', "\r\n").into_bytes();
        let server = Server::start(vec![vec![Step::Say(streaming(kind)), Step::Say(stream)]]).await;
        check(kind, ask(&model(kind, &server.url(), patient()), &question()).await);
    }
}

#[tokio::test]
async fn a_server_that_answers_whole_is_understood_too() {
    let body = json!({
        "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "All at once."}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    });
    let reply = answer("200 OK", &[("content-type", "application/json; charset=utf-8")], &body.to_string());
    let server = Server::start(vec![vec![Step::Say(reply)]]).await;
    let pieces = ask(&model(Kind::Compatible, &server.url(), patient()), &question()).await;
    assert_eq!(text(&pieces), "All at once.");
    let Some(Ok(Piece::End(ended))) = pieces.last() else { panic!() };
    assert_eq!(ended.usage.unwrap().output, 3);
}

#[tokio::test]
async fn the_formats_of_anthropic_and_of_the_responses_are_understood_whole_as_well() {
    let message = json!({
        "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "All at once."},
            {"type": "tool_use", "id": "c", "name": "look", "input": {"x": 1}},
        ],
        "usage": {"input_tokens": 5, "output_tokens": 3},
    });
    let response = json!({
        "object": "response", "status": "completed", "model": "m",
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "All at once."}]},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{\"x\":1}"},
        ],
        "usage": {"input_tokens": 5, "output_tokens": 3},
    });
    for (kind, body) in [(Kind::Anthropic, message), (Kind::Responses, response)] {
        let reply = answer("200 OK", &[("content-type", "application/json")], &body.to_string());
        let server = Server::start(vec![vec![Step::Say(reply)]]).await;
        let pieces = ask(&model(kind, &server.url(), patient()), &question()).await;
        let Some(Ok(Piece::End(ended))) = pieces.last() else { panic!("{kind:?} {pieces:?}") };
        assert_eq!((ended.usage.unwrap().output, ended.finish), (3, Finish::Tools), "{kind:?}");
        let Ok(Piece::ToolCall(call)) = &pieces[1] else { panic!("{kind:?} {pieces:?}") };
        assert_eq!((text(&pieces).as_str(), &call.args), ("All at once.", &json!({"x": 1})), "{kind:?}");
    }
}

#[tokio::test]
async fn a_report_that_comes_before_the_end_is_not_the_last_one() {
    let chat = |usage: &str, choice: &str| format!("data: {{\"choices\":[{choice}],\"usage\":{usage}}}\n\n");
    let early = r#"{"prompt_tokens":10,"completion_tokens":0,"total_tokens":10}"#;
    let hello = r#"{"delta":{"content":"Hello"}}"#;
    let stop = r#"{"delta":{},"finish_reason":"stop"}"#;
    let late = r#"{"prompt_tokens":10,"completion_tokens":5000,"total_tokens":5010}"#;
    let openai = chat(early, hello) + &chat("null", stop);
    let anthropic = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    for (kind, stream, output) in [
        (Kind::OpenAi, openai.clone() + &chat(late, "") + "data: [DONE]\n\n", Some(5000)),
        (Kind::OpenAi, openai + "data: [DONE]\n\n", None),
        (Kind::Anthropic, anthropic.to_owned(), None),
    ] {
        let server = Server::start(vec![vec![Step::Say(streaming(kind)), Step::Say(stream.into())]]).await;
        let pieces = ask(&model(kind, &server.url(), patient()), &question()).await;
        let Some(Ok(Piece::End(ended))) = pieces.last() else { panic!("{kind:?} {pieces:?}") };
        assert_eq!(ended.usage.map(|usage| usage.output), output, "{kind:?}");
    }
}

#[tokio::test]
async fn usage_that_never_comes_is_none_and_no_error() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    // With the last word, and with a connection that just ends after the reason.
    for stream in [stream, stream.strip_suffix("data: [DONE]\n\n").unwrap()] {
        let reply = vec![Step::Say(streaming(Kind::OpenAi)), Step::Say(stream.into())];
        let server = Server::start(vec![reply]).await;
        let pieces = ask(&model(Kind::OpenAi, &server.url(), patient()), &question()).await;
        assert_eq!(pieces[0], Ok(Piece::Text("Hi".into())));
        assert_eq!(pieces[1], Ok(Piece::End(Ended { finish: Finish::Stop, ..Ended::default() })));
    }
}

/// A conversation with everything in it.
fn everything() -> Request {
    let call = ToolCall { id: "call_9".into(), name: "lookup".into(), args: json!({"id": 7}), opaque: None };
    Request {
        messages: vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "Who is 7?"),
            Message::assistant("", vec![call.clone()]),
            Message::tool(&call, json!({"name": "Ann"}), false),
        ],
        tools: vec![ToolDef {
            name: "lookup".into(),
            description: "Looks up".into(),
            parameters: json!({"type": "object", "properties": {"id": {"type": "integer"}}}),
        }],
        settings: Settings {
            temperature: Some(0.5),
            top_p: Some(0.9),
            max_tokens: Some(100),
            seed: Some(42),
            stop: vec!["END".into()],
            tool_choice: Some("required".into()),
            extra: json!({"metadata": {"purpose": "test"}}).as_object().unwrap().clone(),
            ..Settings::default()
        },
        schema: None,
        limit: Some(64),
    }
}

#[tokio::test]
async fn each_provider_is_asked_in_its_own_words() {
    for kind in KINDS {
        let stream = streams::answer(kind).as_bytes().to_vec();
        let server = Server::start(vec![vec![Step::Say(streaming(kind)), Step::Say(stream)]]).await;
        ask(&model(kind, &server.url(), patient()), &everything()).await;
        let seen = &server.seen()[0];
        let (path, body) = wanted(kind);
        assert_eq!(seen.path(), path, "{kind:?}");
        assert_eq!(seen.json(), body, "{kind:?}: {:#}", seen.json());
        let (header, prefix) = match kind {
            Kind::Anthropic => ("x-api-key", ""),
            Kind::Google => ("x-goog-api-key", ""),
            _ => ("authorization", "Bearer "),
        };
        assert!(seen.head.contains(&format!("{header}: {prefix}{PLANTED}\r\n")), "{}", seen.head);
        assert_eq!(seen.head.contains("anthropic-version: 2023-06-01"), kind == Kind::Anthropic);
    }
}

fn wanted(kind: Kind) -> (&'static str, Value) {
    let parameters = json!({"type": "object", "properties": {"id": {"type": "integer"}}});
    let function = json!({"name": "lookup", "description": "Looks up", "parameters": parameters});
    let chat = |limit: &str| {
        json!({
            "model": "the-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Who is 7?"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_9", "type": "function", "function": {"name": "lookup", "arguments": "{\"id\":7}"}}]},
                {"role": "tool", "tool_call_id": "call_9", "content": "{\"name\":\"Ann\"}"},
            ],
            "tools": [{"type": "function", "function": function}], "tool_choice": "required",
            "temperature": 0.5, "top_p": 0.9, limit: 64, "seed": 42, "stop": ["END"],
            "stream": true, "stream_options": {"include_usage": true}, "metadata": {"purpose": "test"},
        })
    };
    match kind {
        Kind::OpenAi => ("/v1/chat/completions", chat("max_completion_tokens")),
        Kind::Compatible => ("/v1/chat/completions", chat("max_tokens")),
        Kind::Responses => (
            "/v1/responses",
            json!({
                "model": "the-model",
                "input": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Who is 7?"},
                    {"type": "function_call", "call_id": "call_9", "name": "lookup", "arguments": "{\"id\":7}"},
                    {"type": "function_call_output", "call_id": "call_9", "output": "{\"name\":\"Ann\"}"},
                ],
                "tools": [{"type": "function", "name": "lookup", "description": "Looks up", "parameters": parameters, "strict": false}],
                "tool_choice": "required", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 64, "store": false,
                "stream": true, "metadata": {"purpose": "test"},
            }),
        ),
        Kind::Anthropic => (
            "/v1/messages",
            json!({
                "model": "the-model", "max_tokens": 64, "system": "Be brief.",
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Who is 7?"}]},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "call_9", "name": "lookup", "input": {"id": 7}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_9", "content": "{\"name\":\"Ann\"}"}]},
                ],
                "tools": [{"name": "lookup", "description": "Looks up", "input_schema": parameters}],
                "tool_choice": {"type": "any"}, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"],
                "stream": true, "metadata": {"purpose": "test"},
            }),
        ),
        Kind::Google => (
            "/v1/v1beta/models/the-model:streamGenerateContent?alt=sse",
            json!({
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "Who is 7?"}]},
                    {"role": "model", "parts": [{"functionCall": {"name": "lookup", "args": {"id": 7}},
                        "thoughtSignature": "skip_thought_signature_validator"}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "lookup", "response": {"result": {"name": "Ann"}}}}]},
                ],
                "tools": [{"functionDeclarations": [{"name": "lookup", "description": "Looks up", "parametersJsonSchema": parameters}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
                "generationConfig": {"temperature": 0.5, "topP": 0.9, "maxOutputTokens": 64, "seed": 42, "stopSequences": ["END"]},
                "metadata": {"purpose": "test"},
            }),
        ),
        Kind::Ollama => (
            "/v1/api/chat",
            json!({
                "model": "the-model",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Who is 7?"},
                    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "lookup", "arguments": {"id": 7}}}]},
                    {"role": "tool", "content": "{\"name\":\"Ann\"}", "tool_name": "lookup"},
                ],
                "tools": [{"type": "function", "function": function}],
                "options": {"temperature": 0.5, "top_p": 0.9, "num_predict": 64, "seed": 42, "stop": ["END"]},
                "stream": true, "metadata": {"purpose": "test"},
            }),
        ),
    }
}

#[test]
fn what_a_provider_has_no_word_for_is_said() {
    let settings =
        Settings { seed: Some(1), stop: vec!["x".into()], tool_choice: Some("required".into()), ..Settings::default() };
    let unsent = |kind| model(kind, "http://127.0.0.1:1", patient()).unsent(&settings);
    assert_eq!(unsent(Kind::OpenAi), [""; 0]);
    assert_eq!(unsent(Kind::Responses), ["seed", "stop"]);
    assert_eq!(unsent(Kind::Anthropic), ["seed"]);
    assert_eq!(unsent(Kind::Ollama), ["tool_choice"]);
}

fn endpoint(kind: Kind, base_url: Option<&str>) -> Endpoint {
    let base_url = base_url.map(str::to_owned);
    Endpoint { kind, model: "m".into(), base_url, key_env: None, timeouts: Timeouts::default(), price: None }
}

#[tokio::test]
async fn a_missing_key_names_its_variable_and_nothing_is_sent() {
    for (kind, name) in
        [(Kind::OpenAi, "OPENAI_API_KEY"), (Kind::Anthropic, "ANTHROPIC_API_KEY"), (Kind::Google, "GEMINI_API_KEY")]
    {
        let model = HttpModel::new(endpoint(kind, None), Network::new(), Arc::new(NoKeys)).unwrap();
        let pieces = ask(&model, &question()).await;
        assert_eq!(pieces, [Err(ModelError::NoKey { provider: kind.provider(), env: name.into() })]);
    }
}

#[tokio::test]
async fn the_usual_key_goes_to_the_providers_own_address_only() {
    let stream = streams::answer(Kind::OpenAi).as_bytes().to_vec();
    let server = Server::start(vec![vec![Step::Say(streaming(Kind::OpenAi)), Step::Say(stream)]]).await;
    let elsewhere = endpoint(Kind::OpenAi, Some(&server.url()));
    let model = HttpModel::new(elsewhere, Network::new(), Arc::new(Planted)).unwrap();
    ask(&model, &question()).await;
    assert!(!server.seen()[0].head.contains(PLANTED));
}

#[tokio::test]
async fn a_key_does_not_travel_unencrypted_to_strangers() {
    let far = Endpoint { key_env: Some("K".into()), ..endpoint(Kind::Compatible, Some("http://api.example.com/v1")) };
    let model = HttpModel::new(far, Network::new(), Arc::new(Planted)).unwrap();
    assert!(matches!(ask(&model, &question()).await[..], [Err(ModelError::Setup { .. })]));
}

#[test]
fn an_address_that_cannot_be_one_is_refused() {
    for base in ["", "nonsense", "file:///etc", "ftp://host", "https://user:secret@host/v1"] {
        let made = HttpModel::new(endpoint(Kind::Compatible, Some(base)), Network::new(), Arc::new(NoKeys));
        let error = made.map(|_| ()).unwrap_err();
        assert!(matches!(error, ModelError::Setup { .. }) && !error.to_string().contains("secret"), "{base}: {error}");
    }
    let odd = Endpoint { model: "m?key=x".into(), ..endpoint(Kind::Google, None) };
    assert!(HttpModel::new(odd, Network::new(), Arc::new(NoKeys)).is_err());
}

#[tokio::test]
async fn dropping_the_stream_hangs_up() {
    let reply =
        vec![Step::Say(streaming(Kind::OpenAi)), Step::Say(streams::beginning(Kind::OpenAi).into()), Step::Hang];
    let server = Server::start(vec![reply]).await;
    let model = model(Kind::OpenAi, &server.url(), patient());
    let mut session = model.session(Arc::new(SystemClock::new()));
    let request = question();
    let mut stream = session.answer(&request);
    assert_eq!(stream.next().await, Some(Ok(Piece::Text("Half of".into()))));
    drop(stream);
    server.empty().await;
}
