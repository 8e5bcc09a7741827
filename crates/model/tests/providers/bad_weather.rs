//! Every provider in bad weather: each fault ends in a clear error, in time, with nothing left open and the key nowhere.

use crate::support::{
    KINDS, PLANTED, Server, Step, answer, ask, bomb, error, head, model, patient, short, streaming, streams, text,
};
use aic_model::{Again, Kind, Message, ModelError, Piece, Request, Role, Timeouts, Waited};
use std::time::Duration;

fn question() -> Request {
    Request { messages: vec![Message::new(Role::User, "Hello?")], ..Request::default() }
}

/// Asks a server that does this, and waits until the connection is gone. The key is in nothing that comes back.
async fn weather(kind: Kind, timeouts: Timeouts, steps: Vec<Step>) -> Vec<Result<Piece, ModelError>> {
    let server = Server::start(vec![steps]).await;
    let pieces = ask(&model(kind, &server.url(), timeouts), &question()).await;
    server.empty().await;
    let shown = format!("{pieces:?} {}", pieces.last().map_or(String::new(), |last| format!("{last:?}")));
    assert!(!shown.contains(PLANTED), "{shown}");
    if let Some(Err(error)) = pieces.last() {
        assert!(!error.to_string().contains(PLANTED), "{error}");
    }
    pieces
}

#[tokio::test]
async fn nobody_at_the_address_is_a_refused_connection() {
    // Bound and never listened at: nobody else gets the port meanwhile.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    for kind in KINDS {
        let pieces = ask(&model(kind, &url, patient()), &question()).await;
        let ModelError::Connect { host, why } = error(&pieces) else { panic!("{pieces:?}") };
        assert!(host.starts_with("127.0.0.1:") && why.contains("refused"), "{host} {why}");
    }
}

#[tokio::test]
async fn a_reset_before_the_answer_is_told_from_one_in_the_middle() {
    for kind in KINDS {
        let pieces = weather(kind, patient(), vec![Step::Reset]).await;
        assert_eq!(pieces, [Err(ModelError::Reset { pieces: 0 })], "{kind:?}");

        let middle = vec![Step::Say(streaming(kind)), Step::Say(streams::beginning(kind).into())];
        let pieces = weather(kind, patient(), middle).await;
        assert_eq!(text(&pieces), "Half of", "{kind:?}");
        assert_eq!(error(&pieces), &ModelError::Reset { pieces: 1 }, "{kind:?}");
    }
}

#[tokio::test]
async fn a_hard_reset_in_the_middle_is_no_answer_either() {
    for kind in KINDS {
        let steps = vec![Step::Say(streaming(kind)), Step::Say(streams::beginning(kind).into()), Step::Reset];
        let pieces = weather(kind, patient(), steps).await;
        // What was under way may be lost with the connection.
        assert!(matches!(error(&pieces), ModelError::Reset { .. }), "{kind:?} {pieces:?}");
    }
}

#[tokio::test]
async fn silence_in_the_middle_ends_at_the_timeout_for_the_whole() {
    let silence = KINDS.map(async |kind| {
        let steps = vec![Step::Say(streaming(kind)), Step::Say(streams::beginning(kind).into()), Step::Hang];
        let pieces = weather(kind, short(), steps).await;
        assert_eq!(text(&pieces), "Half of", "{kind:?}");
        assert!(matches!(error(&pieces), ModelError::Timeout(Waited::Whole(_))), "{kind:?} {pieces:?}");
    });
    // All at once, as each lasts as long as the timeout.
    futures_util::future::join_all(silence).await;
}

#[tokio::test]
async fn a_refusal_says_its_status_its_words_and_when_to_come_back() {
    let body = format!(r#"{{"error":{{"message":"Slow down, {PLANTED}","type":"rate_limit_exceeded"}}}}"#);
    let after = |millis| Again { after: Some(Duration::from_millis(millis)), should: None };
    let headers: [(&[(&str, &str)], Again); 6] = [
        (&[], Again::default()),
        (&[("retry-after-ms", "120"), ("retry-after", "7")], after(120)),
        (&[("retry-after", "2")], after(2000)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], after(0)),
        (&[("x-should-retry", "false")], Again { after: None, should: Some(false) }),
        (&[("retry-after", "nonsense"), ("x-should-retry", "true")], Again { after: None, should: Some(true) }),
    ];
    for kind in KINDS {
        for (headers, expected) in headers {
            let pieces =
                weather(kind, patient(), vec![Step::Say(answer("429 Too Many Requests", headers, &body))]).await;
            let message = "Slow down, [secret] (rate_limit_exceeded)".into();
            assert_eq!(pieces, [Err(ModelError::Status { status: 429, message, again: expected })], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_server_are_told_whatever_their_page_looks_like() {
    let pages: [(&str, u16, &str, &str); 5] = [
        (
            "500 Internal Server Error",
            500,
            r#"{"error":{"message":"oops","type":"server_error"}}"#,
            "oops (server_error)",
        ),
        (
            "529 Overloaded",
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded (overloaded_error)",
        ),
        ("502 Bad Gateway", 502, "<html><body>nginx</body></html>", ""),
        ("503 Service Unavailable", 503, "try later", "try later"),
        ("400 Bad Request", 400, "{half a", "{half a"),
    ];
    for kind in KINDS {
        for (line, status, page, message) in pages {
            let pieces = weather(kind, patient(), vec![Step::Say(answer(line, &[], page))]).await;
            let message = message.to_owned();
            assert_eq!(pieces, [Err(ModelError::Status { status, message, again: Again::default() })], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_error_page_without_end_is_read_to_its_cap_only() {
    let steps = vec![Step::Say(head("500 Oops", &[])), Step::Repeat(vec![b'e'; 4096])];
    let pieces = weather(Kind::OpenAi, patient(), steps).await;
    let ModelError::Status { status: 500, message, .. } = error(&pieces) else { panic!("{pieces:?}") };
    assert!(message.len() < 600);
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_told_with_its_words() {
    for kind in KINDS {
        let mut stream = streams::beginning(kind).as_bytes().to_vec();
        stream.extend_from_slice(streams::broken_off(kind).as_bytes());
        let pieces = weather(kind, patient(), vec![Step::Say(streaming(kind)), Step::Say(stream)]).await;
        assert_eq!(text(&pieces), "Half of", "{kind:?}");
        let ModelError::Stream { message, passing } = error(&pieces) else { panic!("{kind:?} {pieces:?}") };
        assert!(*passing || kind == Kind::Ollama, "{kind:?}");
        assert!(message.contains("error") || message.contains("verloaded"), "{kind:?} {message}");
    }
}

#[tokio::test]
async fn half_a_json_is_a_broken_connection_at_the_end_and_an_error_before_it() {
    for kind in KINDS {
        let beginning = streams::beginning(kind);
        let half = &beginning[..beginning.len() / 2];
        let pieces = weather(kind, patient(), vec![Step::Say(streaming(kind)), Step::Say(half.into())]).await;
        assert_eq!(pieces, [Err(ModelError::Reset { pieces: 0 })], "{kind:?}");

        let broken = format!("{half}\n\n{beginning}");
        let pieces = weather(kind, patient(), vec![Step::Say(streaming(kind)), Step::Say(broken.into())]).await;
        assert!(matches!(pieces[..], [Err(ModelError::Protocol { .. })]), "{kind:?} {pieces:?}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_timeout_for_the_first_token() {
    let first_token = Some(Duration::from_millis(50));
    let timeouts = Timeouts { first_token, ..patient() };
    for kind in KINDS {
        // Before the head, and after it.
        for steps in [vec![Step::Hang], vec![Step::Say(streaming(kind)), Step::Hang]] {
            let pieces = weather(kind, timeouts, steps).await;
            let waited = Waited::FirstToken(Duration::from_millis(50));
            assert_eq!(pieces, [Err(ModelError::Timeout(waited))], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_over_at_the_timeout() {
    for kind in KINDS {
        // As fast as it goes, and slowly; with content, and with nothing but signs of life.
        let sign: &[u8] = if kind == Kind::Ollama { b"{}\n" } else { b": alive\n\n" };
        for step in [
            Step::Repeat(streams::beginning(kind).into()),
            Step::Repeat(sign.into()),
            Step::Drip(sign.into(), Duration::from_millis(5)),
            Step::Drip(b" ".into(), Duration::from_millis(5)),
        ] {
            let timeouts = Timeouts { first_token: None, total: Some(Duration::from_millis(120)) };
            let pieces = weather(kind, timeouts, vec![Step::Say(streaming(kind)), step]).await;
            assert!(matches!(error(&pieces), ModelError::Timeout(Waited::Whole(_))), "{kind:?} {:?}", error(&pieces));
        }
    }
}

#[tokio::test]
async fn an_answer_beyond_what_is_paid_for_is_cut() {
    for kind in KINDS {
        let endless = vec![Step::Say(streaming(kind)), Step::Repeat(streams::beginning(kind).into())];
        let server = Server::start(vec![endless]).await;
        let request = Request { limit: Some(100), ..question() };
        let pieces = ask(&model(kind, &server.url(), patient()), &request).await;
        assert!(matches!(error(&pieces), ModelError::Cut { limit: 100, came: 100.. }), "{kind:?}");
        assert!(text(&pieces).len() < 4000, "{kind:?}");
        server.empty().await;
    }
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_refused_long_before_its_end() {
    for kind in KINDS {
        let mut steps = vec![Step::Say(streaming(kind)), Step::Say(b"data: ".into())];
        steps.extend(std::iter::repeat_n(Step::Say(vec![b'x'; 1 << 20]), 100));
        let pieces = weather(kind, patient(), steps).await;
        assert!(matches!(pieces[..], [Err(ModelError::TooLarge { what: "a line", .. })]), "{kind:?}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_at_the_same_cap() {
    let bomb = bomb(400_000);
    assert!(bomb.len() < 700_000);
    for kind in KINDS {
        let type_ = if kind == Kind::Ollama { "application/x-ndjson" } else { "text/event-stream" };
        let head = head("200 OK", &[("content-type", type_), ("content-encoding", "gzip")]);
        let pieces = weather(kind, patient(), vec![Step::Say(head), Step::Say(bomb.clone())]).await;
        assert!(matches!(pieces[..], [Err(ModelError::TooLarge { what: "a line", .. })]), "{kind:?} {pieces:?}");
    }
}

#[tokio::test]
async fn broken_compression_is_an_error() {
    let head = head("200 OK", &[("content-type", "text/event-stream"), ("content-encoding", "gzip")]);
    let pieces = weather(Kind::OpenAi, patient(), vec![Step::Say(head), Step::Say(b"no gzip at all".into())]).await;
    assert!(matches!(pieces[..], [Err(ModelError::Protocol { .. })]), "{pieces:?}");
}

#[tokio::test]
async fn invalid_utf8_is_an_error_after_what_was_valid() {
    for kind in KINDS {
        let mut stream = streams::beginning(kind).as_bytes().to_vec();
        stream.extend_from_slice(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n");
        let pieces = weather(kind, patient(), vec![Step::Say(streaming(kind)), Step::Say(stream)]).await;
        assert_eq!(text(&pieces), "Half of", "{kind:?}");
        let ModelError::Protocol { message } = error(&pieces) else { panic!("{kind:?} {pieces:?}") };
        assert!(message.contains("UTF-8"), "{message}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_other_host_never_sees_the_key() {
    for kind in KINDS {
        let other = Server::start(vec![vec![Step::Say(answer("200 OK", &[], "{}"))]]).await;
        let to = format!("{}/elsewhere?token={PLANTED}", other.url());
        for line in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let pieces = weather(kind, patient(), vec![Step::Say(answer(line, &[("location", &to)], ""))]).await;
            let to = format!("{}/elsewhere", other.url());
            assert_eq!(pieces, [Err(ModelError::Redirect { to })], "{kind:?}");
        }
        assert!(other.seen().is_empty());
    }
}

#[tokio::test]
async fn a_web_page_in_place_of_an_answer_asks_whether_the_address_is_right() {
    let page = answer("200 OK", &[("content-type", "text/html")], "<html>Welcome</html>");
    let pieces = weather(Kind::Compatible, patient(), vec![Step::Say(page)]).await;
    let ModelError::Protocol { message } = error(&pieces) else { panic!("{pieces:?}") };
    assert!(message.contains("base_url"));
}

#[tokio::test]
async fn nonsense_of_the_right_shape_is_survived() {
    let frames = [
        "null",
        "[]",
        "7",
        "\"x\"",
        "{}",
        "{\"choices\":7}",
        "{\"choices\":[null,7,{}]}",
        "{\"choices\":[{\"delta\":[]}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[null,{\"index\":-1},{\"function\":7}]}}]}",
        "{\"type\":7,\"message\":[],\"usage\":[]}",
        "{\"candidates\":[{\"content\":null}]}",
        "{\"usage\":{\"prompt_tokens\":1e308}}",
        "{\"message\":{\"tool_calls\":{}},\"done\":\"yes\"}",
        "{\"type\":\"content_block_start\",\"content_block\":7}",
        "{\"type\":\"response.output_item.added\",\"item\":null}",
        "{\"error\":null}",
        "{\"error\":{}}",
    ];
    for kind in KINDS {
        let prefix = if kind == Kind::Ollama { "" } else { "data: " };
        let stream: String = frames.iter().map(|frame| format!("{prefix}{frame}\n\n")).collect();
        let pieces = weather(kind, patient(), vec![Step::Say(streaming(kind)), Step::Say(stream.into())]).await;
        assert!(matches!(pieces.last(), Some(Err(ModelError::Reset { .. }))), "{kind:?} {pieces:?}");
    }
    let deep = format!("data: {}{}\n\n", "[".repeat(100_000), "]".repeat(100_000));
    let pieces =
        weather(Kind::OpenAi, patient(), vec![Step::Say(streaming(Kind::OpenAi)), Step::Say(deep.into())]).await;
    assert!(matches!(pieces[..], [Err(ModelError::Protocol { .. })]), "{pieces:?}");
}

#[tokio::test]
async fn a_whole_answer_that_is_none_is_told_from_a_broken_connection() {
    let json = |body: &str| answer("200 OK", &[("content-type", "application/json")], body);
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Ollama) {
        for reply in [json(r#"{"ok": true}"#), json(r#"{"choices":[{"message":{"cont"#), head("204 No Content", &[])] {
            let pieces = weather(kind, patient(), vec![Step::Say(reply)]).await;
            assert!(matches!(pieces[..], [Err(ModelError::Protocol { .. })]), "{kind:?} {pieces:?}");
        }
    }
}
