//! Requests against servers on loopback that answer what they are told to.

use super::*;
use aic_model::{KeySource, NoKeys};
use indexmap::IndexMap;
use secrecy::SecretString;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Debug)]
struct Planted;

const PLANTED: &str = "planted-token-123456";

impl KeySource for Planted {
    fn key(&self, name: &str) -> Option<SecretString> {
        (name == "TOKEN").then(|| PLANTED.to_owned().into())
    }
}

/// A server that answers each request by its path, and remembers what it was sent.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (ears, answer) = (heard.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (ears, answer) = (ears.clone(), answer.clone());
                tokio::spawn(async move {
                    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
                    loop {
                        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
                        bytes.extend_from_slice(&buffer[..read]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                        let length = head
                            .lines()
                            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                            .unwrap_or(0);
                        if body.len() < length {
                            continue;
                        }
                        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                        ears.lock().unwrap().push(text.clone());
                        let _ = stream.write_all(answer(&path).as_bytes()).await;
                        return;
                    }
                });
            }
        });
        Self { port, heard }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn says(kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn run(url: &str) -> HttpRun {
    HttpRun { url: url.into(), method: "GET".into(), headers: IndexMap::new(), body: None, timeout: None }
}

/// A network that takes loopback for public.
fn open() -> ToolNetwork {
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    let names = [("api.test".to_owned(), vec![local])].into();
    ToolNetwork::new(Arc::new(TestHosts { open: vec![local], names }))
}

async fn call(run: &HttpRun, args: Value, keys: &dyn KeySource, network: &ToolNetwork) -> Done {
    let variable = |name: &str| (name == "REGION").then(|| "eu".to_owned());
    carry_out(run, &Values { args: &args, variable: &variable, keys }, network, Duration::from_secs(120)).await
}

fn denied(done: &Done) -> &str {
    match done {
        Done::Denied(why) => why,
        other => panic!("not denied: {other:?}"),
    }
}

fn ran(done: Done) -> Value {
    match done {
        Done::Ran { result, .. } => result,
        other => panic!("did not run: {other:?}"),
    }
}

#[tokio::test]
async fn arguments_go_to_the_path_encoded_and_to_the_query_and_the_answer_is_data() {
    let server = Server::start(|_| says("application/json; charset=utf-8", r#"{"id": 7}"#)).await;
    let run = run(&server.url("/${REGION}/orders/${args.id}"));
    let result = ran(call(&run, json!({"id": "a/b?c", "page": 2, "q": "x&y"}), &NoKeys, &open()).await);
    assert_eq!(result, json!({"id": 7}));
    assert!(
        server.heard()[0].starts_with("GET /eu/orders/a%2Fb%3Fc?page=2&q=x%26y HTTP/1.1\r\n"),
        "{:?}",
        server.heard()
    );
}

#[tokio::test]
async fn other_methods_send_json_and_a_secret_in_a_header_that_is_never_shown() {
    let server = Server::start(|_| says("text/plain", &format!("you sent {PLANTED}"))).await;
    let mut run = run(&server.url("/orders/${args.id}/refund"));
    run.method = "POST".into();
    run.headers.insert("Authorization".into(), "Bearer ${secret:TOKEN}".into());
    let result = ran(call(&run, json!({"id": "1", "amount": 2.5}), &Planted, &open()).await);
    assert_eq!(result, "you sent [secret]");
    let heard = server.heard();
    assert!(
        heard[0].contains(&format!("authorization: Bearer {PLANTED}")) && heard[0].ends_with(r#"{"amount":2.5}"#),
        "{heard:?}"
    );
    run.body = Some(json!({"sum": "${args.amount}", "note": "for ${args.id}"}));
    ran(call(&run, json!({"id": "1", "amount": 2.5}), &Planted, &open()).await);
    assert!(server.heard()[1].ends_with(r#"{"sum":2.5,"note":"for 1"}"#), "{:?}", server.heard());
    assert!(denied(&call(&run, json!({"id": "1"}), &NoKeys, &open()).await).contains("`TOKEN` is not set"));
}

#[tokio::test]
async fn this_machine_and_private_networks_are_refused_by_number_by_name_and_after_a_redirect() {
    let server = Server::start(|_| says("text/plain", "inner")).await;
    let closed = ToolNetwork::default();
    for url in [
        server.url("/"),
        format!("http://localhost:{}/", server.port),
        "http://[::1]/".into(),
        "http://169.254.169.254/latest".into(),
        "http://2130706433/".into(),
        "http://0x7f.1/".into(),
    ] {
        let done = call(&run(&url), json!({}), &NoKeys, &closed).await;
        assert!(denied(&done).contains("public ones only"), "{url}: {done:?}");
    }
    // A public name that leads inside.
    let inside = vec!["10.0.0.5".parse().unwrap()];
    let rebound =
        ToolNetwork::new(Arc::new(TestHosts { names: [("rebind.test".into(), inside)].into(), open: Vec::new() }));
    let done = call(&run("http://rebind.test/"), json!({}), &NoKeys, &rebound).await;
    assert!(denied(&done).contains("10.0.0.5, which is no public address"), "{done:?}");
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_redirect_stays_on_the_host_and_takes_no_secret_elsewhere() {
    let other = Server::start(|_| says("text/plain", "stolen")).await;
    let away = other.url("/steal");
    let server = Server::start(move |path| match path {
        "/away" => redirect(&away),
        "/loop" => redirect("/loop"),
        "/inner" => redirect("http://169.254.169.254/"),
        "/near" => redirect("/there"),
        _ => says("text/plain", "arrived"),
    })
    .await;
    let mut run = run(&server.url("/${args.to}"));
    run.headers.insert("X-Key".into(), "${secret:TOKEN}".into());
    let go = async |to: &str| call(&run, json!({"to": to}), &Planted, &open()).await;
    assert_eq!(ran(go("near").await), "arrived");
    assert!(denied(&go("away").await).contains("where this tool may not go"));
    assert!(denied(&go("inner").await).contains("where this tool may not go"));
    assert!(matches!(go("loop").await, Done::Failed(why) if why.contains("more than 5 times")));
    assert_eq!(other.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn an_address_of_the_models_must_follow_the_pattern() {
    let server = Server::start(|path| match path {
        "/docs/out" => redirect("/private"),
        path => says("text/plain", path),
    })
    .await;
    let run = run(&server.url("/docs/*"));
    let go = async |url: String| call(&run, json!({"url": url}), &NoKeys, &open()).await;
    assert_eq!(ran(go(server.url("/docs/a/b?c=d#e")).await), "/docs/a/b?c=d");
    for bad in [
        server.url("/private"),
        server.url("/docs/../private"),
        server.url("/docs/%2e%2e/private"),
        server.url("/docs/..\\private"),
        format!("http://127.0.0.1:{}@evil.test/docs/x", server.port),
        format!("http://evil.test/docs/?{}", server.url("/docs/")),
        "file:///docs/x".into(),
        "javascript:1".into(),
        String::new(),
    ] {
        let done = go(bad.clone()).await;
        assert!(matches!(done, Done::Denied(_)), "{bad}: {done:?}");
    }
    assert!(denied(&go(server.url("/docs/out")).await).contains("may not go"));
    assert!(denied(&call(&run, json!({}), &NoKeys, &open()).await).contains("`url` is missing"));
}

#[tokio::test]
async fn an_argument_cannot_leave_its_part_of_the_address() {
    let run = run("http://api.test/users/${args.id}/profile");
    for bad in ["..", ".", ""] {
        let done = call(&run, json!({"id": bad}), &NoKeys, &open()).await;
        assert!(matches!(done, Done::Denied(_)), "{bad}: {done:?}");
    }
}

#[tokio::test]
async fn large_slow_broken_and_refusing_servers_end_in_a_clear_result() {
    let server = Server::start(|path| match path {
        "/large" => says("text/plain", &"x".repeat(MOST_SHOWN + 10)),
        "/large.json" => says("application/json", &format!("[{}1]", "1,".repeat(200_000))),
        "/broken.json" => says("application/json", "{"),
        "/bytes" => says("image/png", "\u{1}PNG"),
        "/gone" => "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope".into(),
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into(),
    })
    .await;
    let go = async |path: &str| call(&run(&server.url(path)), json!({}), &NoKeys, &open()).await;
    let large = ran(go("/large").await);
    assert_eq!((large["truncated"].as_bool(), large["text"].as_str().map(str::len)), (Some(true), Some(MOST_SHOWN)));
    assert!(matches!(go("/large.json").await, Done::Failed(why) if why.contains("larger than")));
    assert!(matches!(go("/broken.json").await, Done::Failed(why) if why.contains("says that it is JSON")));
    assert_eq!(ran(go("/bytes").await), r#"<4 bytes of "image/png">"#);
    assert!(matches!(go("/gone").await, Done::Failed(why) if why == "the server answered 404: nope"));
    assert!(matches!(go("/half").await, Done::Failed(why) if why.contains("broke off")));
    // A server that never answers: the connection waits in the queue of a listener that accepts nobody.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let (args, variable) = (json!({}), |_: &str| None);
    let values = Values { args: &args, variable: &variable, keys: &NoKeys };
    let done = carry_out(&run(&url), &values, &open(), Duration::from_millis(100)).await;
    assert!(matches!(&done, Done::Failed(_)), "{done:?}");
}

#[tokio::test]
async fn a_secret_is_not_sent_unencrypted_and_headers_cannot_be_split() {
    let local: IpAddr = "93.184.216.34".parse().unwrap();
    let network = ToolNetwork::new(Arc::new(TestHosts { open: Vec::new(), names: Default::default() }));
    let mut run = run(&format!("http://{local}/"));
    run.headers.insert("X-Key".into(), "${secret:TOKEN}".into());
    assert!(denied(&call(&run, json!({}), &Planted, &network).await).contains("https only"));
    run.headers.insert("X-Name".into(), "${args.name}".into());
    let done = call(&run, json!({"name": "a\r\nHost: evil"}), &Planted, &network).await;
    assert!(denied(&done).contains("a character that headers do not have"), "{done:?}");
    run.headers.insert("Host".into(), "evil".into());
    assert!(denied(&call(&run, json!({"name": "a"}), &Planted, &network).await).contains("not the spec's to set"));
}
