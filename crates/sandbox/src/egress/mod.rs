//! The way from a sandbox to the network: a list of hosts and ports, and a proxy of ours outside that is the only way.
//!
//! Programs have no network but their own loopback. There the agent takes connections and hands their bytes to the
//! host in its own frames; here each is read as HTTP (`CONNECT`, or a request for `http:`), and judged: host and port
//! must be on the list exactly, the name is looked up here, every address it has must be public, and the connection
//! goes to the address that was judged, so that a name cannot change its mind in between. All that was asked for and
//! what came of it is in the result.

mod address;
#[cfg(target_os = "linux")]
pub(crate) mod gate;
mod http;
mod proxy;

pub use address::is_public;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

#[cfg(fuzzing)]
pub use http::fuzz;

/// Bytes that a sandbox may send and receive in one life, unless said otherwise.
const USUAL_BYTES: u64 = 100_000_000;

/// What a sandbox may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Hosts with their ports; nothing else, and none where this is empty.
    pub allow: Vec<HostPort>,
    /// Bytes in both directions together, between one start and the next.
    pub most_bytes: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self { allow: Vec::new(), most_bytes: USUAL_BYTES }
    }
}

impl Network {
    /// These hosts.
    pub fn to(allow: impl IntoIterator<Item = HostPort>) -> Self {
        Self { allow: allow.into_iter().collect(), ..Self::default() }
    }

    /// Whether there is any network at all.
    pub fn is_none(&self) -> bool {
        self.allow.is_empty()
    }
}

/// A host and a port, such as `api.example.com:443`. The host is a name in lower case, an IPv4 address, or an IPv6
/// address in brackets; there are no patterns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, where the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// From `host:port`, or from `host` where there is a port that is usual.
    pub(crate) fn parse(text: &str, usual: Option<u16>) -> Result<Self, &'static str> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("has a bracket that does not close")?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or("is no host and port")?)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (name(host)?, port),
                None => (name(text)?, ""),
            },
        };
        let port = match (port, usual) {
            ("", Some(usual)) if !text.ends_with(':') => usual,
            (digits, _) if !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or("has a port that is none")?
            }
            _ => return Err("has no port: write host:port, such as api.example.com:443"),
        };
        // One name, one spelling.
        let host = match host.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
        };
        Ok(Self { host, port })
    }
}

/// A name of the domain name system, or an IPv4 address in its usual form. Numbers in other forms, which some
/// resolvers read as addresses, are neither.
fn name(text: &str) -> Result<&str, &'static str> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let edges = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !edges && label.len() <= 63 && label.bytes().all(plain)
    };
    if bare.is_empty() || bare.len() > 253 || !bare.split('.').all(label) {
        return Err("is no host: use a name in ASCII (international names as `xn--`), without patterns");
    }
    let last = bare.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    if number && (bare != text || text.parse::<std::net::Ipv4Addr>().is_err()) {
        return Err("is a number that is no IPv4 address");
    }
    Ok(text)
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<HostPort> for String {
    fn from(target: HostPort) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, None).map_err(|why| format!("{text:?} {why}"))
    }
}

/// One attempt of a program's to reach something, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What was asked for, as `host:port`; nothing where the request could not be read.
    pub target: Option<HostPort>,
    /// What came of it.
    pub outcome: Outcome,
    /// The address it went to, where it went anywhere.
    pub address: Option<IpAddr>,
    /// Bytes that the program sent.
    pub sent: u64,
    /// Bytes that came back.
    pub received: u64,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A connection was made.
    Reached,
    /// Host and port are not on the list.
    NotAllowed,
    /// On the list, but the name leads to an address that is not public.
    PrivateAddress,
    /// The name does not exist, or nobody answers there in time.
    Unreachable,
    /// A connection was made and cut, because the sandbox had used up its bytes.
    UsedUp,
    /// What came was no request that this proxy takes.
    BadRequest,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::NotAllowed => "refused: not on the list of `network`",
            Self::PrivateAddress => "refused: its address is not of the public internet",
            Self::Unreachable => "not reached",
            Self::UsedUp => "cut: the sandbox has used up its bytes",
            Self::BadRequest => "refused: no request that the proxy takes",
        })
    }
}

/// Looks names up.
pub(crate) trait Resolve: Send + Sync + 'static {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the rest of the machine does.
struct System;

impl Resolve for System {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // With a dot at its end a name is complete: the search list of this machine's network is not tried.
        let complete = format!("{host}.");
        Ok((complete.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// For tests only: names that lead where a test's own server listens. Nothing in the product makes one.
#[derive(Debug, Clone, Default)]
pub struct TestNetwork {
    /// What names lead to, one list after the other at each question, the last for ever. Other names do not exist.
    pub names: BTreeMap<String, Vec<Vec<IpAddr>>>,
    /// Sockets that may be connected to although their addresses are not public.
    pub let_through: Vec<SocketAddr>,
}

/// How the proxy finds and judges addresses.
pub(crate) struct Guide {
    resolver: Box<dyn Resolve>,
    let_through: Vec<SocketAddr>,
}

impl Default for Guide {
    fn default() -> Self {
        Self { resolver: Box::new(System), let_through: Vec::new() }
    }
}

impl Guide {
    /// One that leads where a test wants.
    pub(crate) fn for_tests(network: TestNetwork) -> Self {
        struct Scripted(BTreeMap<String, (std::sync::atomic::AtomicUsize, Vec<Vec<IpAddr>>)>);
        impl Resolve for Scripted {
            fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
                let (asked, answers) = self.0.get(host).ok_or(io::ErrorKind::NotFound)?;
                let turn = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst).min(answers.len().max(1) - 1);
                Ok(answers.get(turn).cloned().unwrap_or_default())
            }
        }
        let names = network.names.into_iter().map(|(name, answers)| (name, (0.into(), answers))).collect();
        Self { resolver: Box::new(Scripted(names)), let_through: network.let_through }
    }

    /// Where this target is, as far as a sandbox may go there.
    fn find(&self, target: &HostPort) -> Result<Vec<SocketAddr>, Outcome> {
        let found = match target.address() {
            Some(address) => vec![address],
            None => self.resolver.resolve(target.host()).map_err(|_| Outcome::Unreachable)?,
        };
        let found: Vec<SocketAddr> = found.into_iter().map(|address| SocketAddr::new(address, target.port())).collect();
        // A name that leads inside too is not to be trusted with the rest of its addresses either.
        if !found.iter().all(|address| is_public(address.ip()) || self.let_through.contains(address)) {
            return Err(Outcome::PrivateAddress);
        }
        if found.is_empty() { Err(Outcome::Unreachable) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port_and_nothing_else() {
        for (text, host, port) in [
            ("api.example.com:443", "api.example.com", 443),
            ("API.Example.COM.:443", "api.example.com", 443),
            ("93.184.216.34:80", "93.184.216.34", 80),
            ("[2001:DB8:0::1]:8080", "2001:db8::1", 8080),
            ("xn--bcher-kva.example:1", "xn--bcher-kva.example", 1),
        ] {
            let target: HostPort = text.parse().unwrap();
            assert_eq!((target.host(), target.port()), (host, port));
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        for bad in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1 ",
            "a:1:2",
            "*.a:1",
            "http://a:1",
            "a/b:1",
            "a@b:1",
            "ä:1",
            "127.1:80",
            "0x7f000001:80",
            "2130706433:80",
            "127.0.0.01:80",
            "1.2.3.4.:80",
            "a.0x7f:1",
            "[::1:80",
            "[::1]80",
            "[fe80::1%eth0]:80",
            "::1:80",
            "a..b:1",
            "a b:1",
            "a\r\nb:1",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<HostPort>("\"*:1\"").is_err());
    }

    #[test]
    fn a_name_is_reached_only_where_all_its_addresses_are_public() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let names = [
            ("public", vec!["8.8.8.8", "2606:4700::1"]),
            ("metadata", vec!["169.254.169.254"]),
            ("mixed", vec!["8.8.8.8", "10.0.0.1"]),
            ("mapped", vec!["::ffff:127.0.0.1"]),
            ("local", vec!["127.0.0.1"]),
            ("nowhere", vec![]),
        ];
        let names = names.map(|(name, all)| (name.to_owned(), vec![all.into_iter().map(ip).collect()]));
        let let_through = vec!["127.0.0.1:8080".parse().unwrap()];
        let guide = Guide::for_tests(TestNetwork { names: names.into(), let_through });
        let find = |text: &str| guide.find(&text.parse().unwrap()).map(|all| all.len());
        assert_eq!(find("public:443"), Ok(2));
        for name in ["metadata:80", "mixed:80", "mapped:80", "local:80", "127.0.0.1:80", "[::1]:80", "10.1.2.3:80"] {
            assert_eq!(find(name), Err(Outcome::PrivateAddress), "{name}");
        }
        assert_eq!((find("nowhere:1"), find("unknown:1")), (Err(Outcome::Unreachable), Err(Outcome::Unreachable)));
        assert_eq!(find("local:8080"), Ok(1), "only the very socket that a test lets through");
    }

    #[test]
    fn the_names_of_this_machine_lead_nowhere() {
        let guide = Guide::default();
        let found = guide.find(&"localhost:80".parse().unwrap());
        assert!(matches!(found, Err(Outcome::PrivateAddress | Outcome::Unreachable)), "{found:?}");
    }
}
