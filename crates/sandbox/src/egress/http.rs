//! The head of a proxy request, read strictly: what could be understood in two ways is refused, because the other way
//! may be the server's.

use super::HostPort;

/// The longest head, in bytes.
pub(crate) const MOST_HEAD: usize = 16 << 10;
/// The most header lines.
const MOST_LINES: usize = 100;

/// What a program asks the proxy for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A tunnel.
    Tunnel(HostPort),
    /// One request over plain HTTP: where to, the head to send there, and what follows it.
    Plain(HostPort, Vec<u8>, Body),
}

impl Request {
    pub(crate) fn target(&self) -> &HostPort {
        match self {
            Self::Tunnel(target) | Self::Plain(target, ..) => target,
        }
    }
}

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// Where the head ends, if it has.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads a whole head, with the empty line at its end. In an error there is the target too, where it was readable.
pub(crate) fn read(head: &[u8]) -> Result<Request, (Option<HostPort>, &'static str)> {
    let bad = |why| (None, why);
    let text = std::str::from_utf8(head).map_err(|_| bad("the request is not text"))?;
    let text = text.strip_suffix("\r\n\r\n").ok_or(bad("the request has no end"))?;
    // Line ends come in pairs only, and nothing else that a reader could take for one.
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let lines: Vec<&str> = lines.collect();
    if lines.len() > MOST_LINES {
        return Err(bad("the request has too many headers"));
    }
    let plain = |line: &str| line.bytes().all(|b| b == b'\t' || (b' '..0x7f).contains(&b) || b >= 0x80);
    if !plain(first) || !lines.iter().all(|line| plain(line)) {
        return Err(bad("the request has control characters in it"));
    }
    let mut words = first.split(' ');
    let (method, target, version) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if words.next().is_some() || !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !is_token(method) {
        return Err(bad("the first line is no request of HTTP/1.1"));
    }
    let mut headers = Vec::new();
    for line in lines {
        // A name ends at the colon; a line that goes on the one before has none at its beginning.
        let (name, value) = line.split_once(':').ok_or(bad("a header has no colon"))?;
        if !is_token(name) {
            return Err(bad("a header has no proper name"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']), line));
    }
    let (target, path) = if method == "CONNECT" {
        (HostPort::parse(target, None).map_err(bad)?, None)
    } else {
        let rest = strip_scheme(target).ok_or(bad("the target is no address that begins with `http://`"))?;
        let split = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        if path.contains('#') {
            return Err(bad("the target has a fragment"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (HostPort::parse(authority, Some(80)).map_err(bad)?, Some(path))
    };
    let bad = |why| Err((Some(target.clone()), why));
    let all = |name: &str| headers.iter().filter(|(known, ..)| known == name).map(|(_, value, _)| *value).collect();
    let hosts: Vec<&str> = all("host");
    let usual = if path.is_some() { 80 } else { target.port() };
    match hosts[..] {
        [] => {}
        [host] if HostPort::parse(host, Some(usual)).is_ok_and(|host| host == target) => {}
        [_] => return bad("the `Host` header names another host than the request"),
        _ => return bad("the request has more than one `Host` header"),
    }
    let Some(path) = path else { return Ok(Request::Tunnel(target)) };

    let (lengths, codings): (Vec<&str>, Vec<&str>) = (all("content-length"), all("transfer-encoding"));
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => Body::Length(0),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => match length.parse() {
            Ok(length) => Body::Length(length),
            Err(_) => return bad("the `Content-Length` is too large"),
        },
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1" => Body::Chunked,
        _ => return bad("it is not clear where the request ends"),
    };
    // Headers for the proxy end here, and so do those that `Connection` says end here.
    let named: Vec<String> = all("connection")
        .into_iter()
        .flat_map(|value: &str| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    const OURS: [&str; 8] = [
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "upgrade",
        "te",
    ];
    let host = target.to_string();
    let host = host.strip_suffix(":80").unwrap_or(&host);
    let mut out = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, _, line) in &headers {
        let framing = matches!(name.as_str(), "content-length" | "transfer-encoding");
        if !OURS.contains(&name.as_str()) && (framing || !named.contains(name)) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str("\r\n");
    Ok(Request::Plain(target, out.into_bytes(), body))
}

fn is_token(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(known)
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case("http://").then_some(rest)
}

/// The length of a chunk, from the line before it without its end.
pub(crate) fn chunk_length(line: &[u8]) -> Option<u64> {
    // Extensions mean nothing to anybody, and servers read them differently.
    let text = std::str::from_utf8(line).ok()?;
    let digits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok())?
}

/// For the fuzzer: any bytes as a request; what goes out names the host that was judged, once.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let Some(end) = end_of_head(bytes) else { return };
    let _ = chunk_length(bytes);
    let Ok(Request::Plain(target, head, _)) = read(&bytes[..end]) else { return };
    let text = std::str::from_utf8(&head).expect("text");
    let hosts: Vec<&str> = text.split("\r\n").filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
    assert_eq!(hosts.len(), 1, "{text}");
    let host = hosts[0].split_once(':').expect("a colon").1.trim();
    assert_eq!(HostPort::parse(host, Some(80)).as_ref(), Ok(&target));
    assert_eq!(end_of_head(&head), Some(head.len()), "{text:?}");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(head: &str) -> Result<Request, &'static str> {
        read(head.as_bytes()).map_err(|(_, why)| why)
    }

    fn sent(head: &str) -> (String, String, Body) {
        match outcome(head) {
            Ok(Request::Plain(target, head, body)) => (target.to_string(), String::from_utf8(head).unwrap(), body),
            other => panic!("{head:?}: {other:?}"),
        }
    }

    #[test]
    fn a_tunnel_goes_where_its_first_line_says() {
        let tunnel = outcome("CONNECT A.example:443 HTTP/1.1\r\nHost: a.example:443\r\nX: y\r\n\r\n").unwrap();
        assert_eq!(tunnel, Request::Tunnel("a.example:443".parse().unwrap()));
        assert!(outcome("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n").is_ok());
        assert!(outcome("CONNECT a.example:443 HTTP/1.0\r\n\r\n").is_ok());
        assert!(outcome("CONNECT a.example HTTP/1.1\r\n\r\n").is_err());
    }

    #[test]
    fn a_plain_request_goes_out_in_its_own_form_with_the_host_that_was_judged() {
        let (target, head, body) = sent(
            "POST http://A.example/x?y=1 HTTP/1.1\r\nhost: a.example\r\nAccept: */*\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic x\r\nConnection: keep-alive, X-Drop\r\nX-Drop: 1\r\nContent-Length: 3\r\n\r\n",
        );
        assert_eq!((target.as_str(), body), ("a.example:80", Body::Length(3)));
        let expected =
            "POST /x?y=1 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nAccept: */*\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(head, expected);
        assert_eq!(sent("GET http://a.example:8080 HTTP/1.1\r\n\r\n").1.lines().nth(1), Some("Host: a.example:8080"));
        assert_eq!(sent("GET http://a.example?q HTTP/1.1\r\n\r\n").1.lines().next(), Some("GET /?q HTTP/1.1"));
        assert_eq!(sent("PUT http://a/ HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n").2, Body::Chunked);
        // Whoever says that the length ends here would have the server read the body as the next request.
        let (_, head, _) = sent("PUT http://a/ HTTP/1.1\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\n");
        assert!(head.contains("Content-Length: 3"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let get = "GET http://a.example/ HTTP/1.1\r\n";
        for (head, why) in [
            (format!("{get}Host: b.example\r\n\r\n"), "another host"),
            (format!("{get}Host: a.example:81\r\n\r\n"), "another host"),
            (format!("{get}Host: a.example\r\nHost: b.example\r\n\r\n"), "more than one"),
            (format!("{get}Host: a.example\r\n b.example\r\n\r\n"), "no colon"),
            (format!("{get}Host: a.example\r\n x: y\r\n\r\n"), "no proper name"),
            (format!("{get}Host : b.example\r\n\r\n"), "no proper name"),
            (format!("{get}X: 1\nHost: b.example\r\n\r\n"), "control characters"),
            (format!("{get}X: 1\rHost: b.example\r\n\r\n"), "control characters"),
            (format!("{get}X: \0\r\n\r\n"), "control characters"),
            (format!("{get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), "where the request ends"),
            (format!("{get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "where the request ends"),
            (format!("{get}Content-Length: +1\r\n\r\n"), "where the request ends"),
            (format!("{get}Content-Length: 99999999999999999999\r\n\r\n"), "too large"),
            (format!("{get}Transfer-Encoding: gzip, chunked\r\n\r\n"), "where the request ends"),
            ("GET http://a.example@b.example/ HTTP/1.1\r\n\r\n".into(), "no host"),
            ("GET http://a.example\\b.example/ HTTP/1.1\r\n\r\n".into(), "no host"),
            ("GET https://a.example/ HTTP/1.1\r\n\r\n".into(), "begins with `http://`"),
            ("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".into(), "begins with `http://`"),
            ("GET http://a.example/ HTTP/2.0\r\n\r\n".into(), "no request"),
            ("GET  http://a.example/ HTTP/1.1\r\n\r\n".into(), "no request"),
            ("GET http://a.example/#x HTTP/1.1\r\n\r\n".into(), "fragment"),
            ("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n".into(), "another host"),
            ("CONNECT http://a.example:443 HTTP/1.1\r\n\r\n".into(), "port"),
            ("SSH-2.0-x\r\n\r\n".into(), "no request"),
        ] {
            assert!(outcome(&head).is_err_and(|said| said.contains(why)), "{head:?}: {:?}", outcome(&head));
        }
        let many = format!("{get}{}\r\n", "X: 1\r\n".repeat(101));
        assert!(outcome(&many).is_err());
    }

    #[test]
    fn a_chunk_has_a_length_in_plain_hexadecimal() {
        assert_eq!((chunk_length(b"0"), chunk_length(b"1aF")), (Some(0), Some(0x1af)));
        for bad in [&b""[..], b" 1", b"+1", b"0x1", b"1;x", b"-1", b"ffffffffffffffff", b"g"] {
            assert_eq!(chunk_length(bad), None, "{bad:?}");
        }
    }
}
