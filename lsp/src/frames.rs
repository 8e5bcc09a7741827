//! The frames of the protocol, looked through before they reach the server: the library ends at the first message it
//! cannot read, and one bad message of a client is no reason to leave it alone.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tower_lsp_server::jsonrpc::{Request, Response};

/// The method of a request that stands in the place of a message that is none. Its answer is what the client is told.
pub(crate) const UNREADABLE: &str = "$/aic/unreadable";

/// The longest header, in bytes.
const MAX_HEADER: usize = 16 * 1024;

/// The longest message, in bytes: several times the largest document that is read.
const MAX_MESSAGE: usize = 256 << 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Hands on every message until the stream ends or nobody takes them any more. What is no message is handed on as a
/// request called [`UNREADABLE`], which says why in `params`.
///
/// # Errors
/// Why the stream cannot be followed: where one message ends and the next begins can no longer be told.
pub(crate) async fn sift<I, O>(mut input: I, output: &mut O) -> Result<(), &'static str>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let mut bytes: Vec<u8> = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        while let Some((header, length)) = header(&bytes)? {
            let Some(body) = bytes.get(header..header + length) else { break };
            let replaced = wrong_with(body).map(unreadable);
            let body = replaced.as_deref().unwrap_or(body);
            let head = format!("Content-Length: {}\r\n\r\n", body.len());
            if output.write_all(head.as_bytes()).await.is_err() || output.write_all(body).await.is_err() {
                return Ok(());
            }
            bytes.drain(..header + length);
        }
        let count = input.read(&mut chunk).await.unwrap_or(0);
        match chunk.get(..count) {
            Some([]) | None if bytes.is_empty() => return Ok(()),
            Some([]) | None => return Err("the client closed the stream inside of a message"),
            Some(read) => bytes.extend_from_slice(read),
        }
    }
}

/// The lengths of a header and of the message behind it, once the header is there.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, &'static str> {
    const END: &[u8] = b"\r\n\r\n";
    let within = bytes.get(..MAX_HEADER).unwrap_or(bytes);
    let Some(end) = within.windows(END.len()).position(|four| four == END) else {
        return if bytes.len() >= MAX_HEADER { Err("the header of a message has no end") } else { Ok(None) };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "the header of a message is no text")?;
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    };
    match text.lines().find_map(named) {
        Some(Ok(length)) if length <= MAX_MESSAGE => Ok(Some((end + END.len(), length))),
        Some(Ok(_)) => Err("a message is larger than 256 MiB"),
        Some(Err(_)) => Err("the `Content-Length` of a message is no number"),
        None => Err("a message has no `Content-Length`"),
    }
}

/// The code of JSON-RPC's for what is wrong with a message, and the reason; nothing where it can be read.
fn wrong_with(body: &[u8]) -> Option<(i64, String)> {
    if body.is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(body) else { return Some((-32700, "it is not UTF-8".into())) };
    let read = serde_json::from_str::<Request>(text).map(drop);
    let error = read.or_else(|error| serde_json::from_str::<Response>(text).map(drop).map_err(|_| error)).err()?;
    let code = if error.is_data() { -32600 } else { -32700 };
    Some((code, error.to_string()))
}

fn unreadable((code, why): (i64, String)) -> Vec<u8> {
    let params = serde_json::json!({"code": code, "why": why});
    serde_json::json!({"jsonrpc": "2.0", "id": null, "method": UNREADABLE, "params": params}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sifted(input: &[u8]) -> (Result<(), &'static str>, Vec<u8>) {
        let mut output = Vec::new();
        let ended = sift(input, &mut output).await;
        (ended, output)
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn good_messages_pass_as_they_are_and_bad_ones_say_what_is_wrong() {
        let good = frame(br#"{"jsonrpc":"2.0","id":1,"method":"x"}"#);
        let answer = frame(br#"{"jsonrpc":"2.0","id":1,"result":null}"#);
        let all =
            [good.clone(), frame(b"{abc}"), frame(b"[]"), frame(b"{}"), frame(b"\xff\xfe"), answer.clone()].concat();
        let (ended, output) = sifted(&all).await;
        assert_eq!(ended, Ok(()));
        assert!(output.starts_with(&good) && output.ends_with(&answer));
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.matches(UNREADABLE).count(), 4, "{text}");
        assert_eq!((text.matches("-32700").count(), text.matches("-32600").count()), (2, 2), "{text}");
    }

    #[tokio::test]
    async fn a_header_of_another_case_and_with_more_lines_is_read() {
        let (ended, output) = sifted(b"content-length: 2\r\nX: y\r\nContent-Type: a; charset=latin1\r\n\r\n{}").await;
        assert_eq!(ended, Ok(()));
        assert!(String::from_utf8(output).unwrap().contains(UNREADABLE));
    }

    #[tokio::test]
    async fn where_a_message_ends_has_to_be_known() {
        for (input, why) in [
            (&b"X: y\r\n\r\n{}"[..], "no `Content-Length`"),
            (b"Content-Length: many\r\n\r\n{}", "no number"),
            (b"Content-Length: 99999999999\r\n\r\n{}", "larger"),
            (b"Content-Length: 20\r\n\r\n{}", "inside of a message"),
            (&[b'x'; MAX_HEADER + 1], "no end"),
        ] {
            let said = sifted(input).await.0.expect_err(why);
            assert!(said.contains(why), "{said}");
        }
    }
}
