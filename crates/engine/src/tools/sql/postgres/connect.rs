//! The way to a PostgreSQL server: its address, encryption, and a connection that cannot flood us.
//!
//! Without encryption only this machine is spoken to, and a private network where the spec asks for it in so many words.
//! Certificates are checked against the system's, or the bundled ones where it has none, and must name the host.

use aic_sandbox::egress::is_public;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{CancelToken, Client, Config, Error};

/// The most bytes that one call's answer may take on the wire: a row comes whole, however large it is.
pub(super) const ANSWER: u64 = 32 << 20;
/// How long the server is given to be told that nobody waits any more.
const GOODBYE: Duration = Duration::from_secs(3);
/// PostgreSQL's port.
const PORT: u16 = 5432;

/// A server, by the address in the spec.
#[derive(Clone)]
pub(in crate::tools) struct Server {
    config: Config,
    place: Place,
    tls: Tls,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Socket(PathBuf),
    Host(String, u16),
}

/// What the address says of encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    /// Nothing: everywhere but on this machine.
    Unsaid,
    Always,
    Never,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(path) => write!(f, "the PostgreSQL server at {}", path.display()),
            Place::Host(host, port) => write!(f, "the PostgreSQL server at {host}:{port}"),
        }
    }
}

impl Server {
    /// Reads `postgres://USER@HOST:PORT/NAME?sslmode=…`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, String> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut tls, mut kept) = (Tls::Unsaid, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => tls = Tls::Never,
                // Encryption that trusts anybody is none.
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => tls = Tls::Always,
                Some(("sslmode", _)) => {
                    return Err(
                        "`sslmode` is `verify-full`, or `disable` within this machine or a private network".into()
                    );
                }
                Some(("host" | "port" | "user" | "dbname", _)) => kept.push(pair),
                _ => {
                    let name = pair.split('=').next().unwrap_or("");
                    return Err(format!("the database's address takes no `{}`", name.escape_default()));
                }
            }
        }
        let mut config: Config = format!("{address}?{}", kept.join("&"))
            .parse()
            .map_err(|error: Error| format!("the database's address cannot be read: {}", cause(&error)))?;
        let (hosts, ports) = (config.get_hosts(), config.get_ports());
        let port = ports.first().copied().unwrap_or(PORT);
        let place = match hosts {
            [Host::Tcp(host)] if ports.len() <= 1 => Place::Host(host.clone(), port),
            [Host::Unix(folder)] if ports.len() <= 1 => Place::Socket(folder.join(format!(".s.PGSQL.{port}"))),
            [] => return Err("the database's address names no server".into()),
            _ => return Err("the database's address names more than one server".into()),
        };
        if config.get_user().is_none_or(str::is_empty) {
            return Err("the database's address names no user: write `postgres://USER@HOST/NAME`".into());
        }
        if config.get_password().is_some() {
            return Err("the database's address holds a password: put it under `env` as `PGPASSWORD`".into());
        }
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name("aic");
        Ok(Self { config, place, tls })
    }

    /// A connection that nobody had before.
    ///
    /// # Errors
    /// Why there is none: nobody answers, the password is wrong, encryption is not to be had.
    pub(super) async fn session(&self) -> Result<Session, String> {
        let (stream, way) = self.reach().await?;
        let left = stream.left.clone();
        let mut config = self.config.clone();
        config.ssl_mode(if way.tls.0.is_some() { SslMode::Require } else { SslMode::Disable });
        let refused = |error: Error| format!("{self} let nobody in: {}", cause(&error));
        let (client, connection) = config.connect_raw(stream, way.tls.clone()).await.map_err(refused)?;
        let says = |name: &str| connection.parameter(name).unwrap_or_default().to_owned();
        let superuser = says("is_superuser") == "on";
        let version =
            says("server_version").split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
        let abandon = Some((client.cancel_token(), way));
        let task = tokio::spawn(async move {
            // What goes wrong here is told to whoever waits for an answer.
            let _ = connection.await;
        });
        let leave = Leave { abandon, task };
        Ok(Session { client, superuser, version: version.unwrap_or(0), left, leave })
    }

    /// Opens a stream, and says how to get there again.
    async fn reach(&self) -> Result<(Capped, Way), String> {
        let failed = |error: io::Error| format!("{self} cannot be reached: {error}");
        let (host, port) = match &self.place {
            Place::Socket(_) if self.tls == Tls::Always => {
                return Err("a socket of this machine has no encryption: leave `sslmode` out".into());
            }
            Place::Socket(path) => {
                let way = Way { to: To::Socket(path.clone()), tls: Encryption(None) };
                return Ok((way.open().await.map_err(failed)?, way));
            }
            Place::Host(host, port) => (host.as_str(), *port),
        };
        let mut last = None;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        for address in tokio::net::lookup_host((bare, port)).await.map_err(failed)? {
            let ip = address.ip().to_canonical();
            let encrypted = match self.tls {
                Tls::Unsaid => !ip.is_loopback(),
                Tls::Always => true,
                Tls::Never if is_public(ip) => {
                    return Err(format!("{self} is on a public network: leave `sslmode=disable` out"));
                }
                Tls::Never => false,
            };
            let tls = if encrypted { Encryption::to(bare)? } else { Encryption(None) };
            let way = Way { to: To::Address(address), tls };
            match way.open().await {
                Ok(stream) => return Ok((stream, way)),
                Err(error) => last = Some(error),
            }
        }
        Err(failed(last.unwrap_or_else(|| io::Error::other("its name has no address"))))
    }
}

/// What an error says, down to its reason, without the library's own words.
pub(super) fn cause(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    reason.to_string()
}

/// A connection. Dropped before its end, it tells the server to stop.
pub(super) struct Session {
    pub client: Client,
    pub superuser: bool,
    /// The server's major version.
    pub version: u32,
    left: Arc<AtomicU64>,
    leave: Leave,
}

impl Session {
    /// Whether more came than one answer may be.
    pub fn flooded(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Takes leave where nothing is under way.
    pub async fn end(self) {
        let Self { client, mut leave, .. } = self;
        leave.abandon = None;
        // The task says goodbye once nobody can ask any more.
        drop(client);
        let _ = timeout(GOODBYE, &mut leave.task).await;
    }
}

/// What is to be done where a connection is given up.
struct Leave {
    abandon: Option<(CancelToken, Way)>,
    task: JoinHandle<()>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.task.abort();
        let (Some((token, way)), Ok(runtime)) = (self.abandon.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        // The server notices a closed connection only once it has something to say.
        runtime.spawn(timeout(GOODBYE, async move {
            if let Ok(stream) = way.open().await {
                let _ = token.cancel_query_raw(stream, way.tls).await;
            }
        }));
    }
}

/// How a server was reached.
struct Way {
    to: To,
    tls: Encryption,
}

enum To {
    Socket(PathBuf),
    Address(SocketAddr),
}

impl Way {
    async fn open(&self) -> io::Result<Capped> {
        let stream: Box<dyn Stream> = match &self.to {
            To::Socket(path) => Box::new(UnixStream::connect(path).await?),
            To::Address(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        Ok(Capped { stream, left: Arc::new(AtomicU64::new(ANSWER)) })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that ends in an error where it brings too much.
struct Capped {
    stream: Box<dyn Stream>,
    left: Arc<AtomicU64>,
}

impl AsyncRead for Capped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = (buf.filled().len() - before) as u64;
        let left = self.left.load(Ordering::Relaxed).saturating_sub(came);
        self.left.store(left, Ordering::Relaxed);
        Poll::Ready(if left == 0 { Err(io::Error::other("the answer is too large")) } else { Ok(()) })
    }
}

impl AsyncWrite for Capped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How a connection is encrypted, if at all.
#[derive(Clone)]
struct Encryption(Option<(Arc<ClientConfig>, ServerName<'static>)>);

impl Encryption {
    fn to(host: &str) -> Result<Self, String> {
        static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
        let config = CONFIG.get_or_init(|| certificates().map(Arc::new).map_err(|error| error.to_string())).clone()?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` is no name of a host"))?;
        Ok(Self(Some((config, name))))
    }
}

/// Trusts whom the system trusts, or the bundled certificates where it knows none.
fn certificates() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    if let Ok(trusting) = builder()?.with_platform_verifier() {
        return Ok(trusting.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

impl TlsConnect<Capped> for Encryption {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Capped) -> Self::Future {
        Box::pin(async move {
            let (config, name) = self.0.ok_or_else(|| io::Error::other("encryption was not asked for"))?;
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
            Ok(Encrypted(stream))
        })
    }
}

/// An encrypted stream.
struct Encrypted(tokio_rustls::client::TlsStream<Capped>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn why(url: &str) -> String {
        match Server::parse(url, None) {
            Ok(server) => server.to_string(),
            Err(why) => why,
        }
    }

    #[test]
    fn an_address_names_one_server_and_one_user_and_no_password() {
        assert_eq!(why("postgres://app@db/shop"), "the PostgreSQL server at db:5432");
        assert_eq!(why("postgres://app@db:5433/shop?sslmode=verify-full"), "the PostgreSQL server at db:5433");
        assert_eq!(why("postgres://app@%2Frun%2Fpg:5433/shop"), "the PostgreSQL server at /run/pg/.s.PGSQL.5433");
        assert_eq!(why("postgres:///shop?user=app&host=/run/pg"), "the PostgreSQL server at /run/pg/.s.PGSQL.5432");
        for (url, part) in [
            ("postgres://app:pw@db/shop", "PGPASSWORD"),
            ("postgres://db/shop", "names no user"),
            ("postgres://app@a,b/shop", "more than one"),
            ("postgres://app@/shop", "names no server"),
            ("postgres://app@db/shop?options=-cx=y", "takes no `options`"),
            ("postgres://app@db/shop?password=x", "takes no `password`"),
            ("postgres://app@db/shop?sslmode=prefer", "`sslmode` is `verify-full`"),
            ("postgres://app@db:x/shop", "cannot be read"),
        ] {
            assert!(why(url).contains(part), "{url}: {}", why(url));
        }
    }

    #[tokio::test]
    async fn a_public_server_is_never_spoken_to_without_encryption() {
        let server = Server::parse("postgres://app@8.8.8.8/shop?sslmode=disable", None).unwrap();
        let why = server.session().await.err().unwrap();
        assert!(why.contains("public network"), "{why}");
    }
}
