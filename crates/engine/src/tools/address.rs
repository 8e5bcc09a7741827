//! Which network addresses a tool may reach: those of the public internet, and no others.
//!
//! A name is judged after it was resolved, and the connection goes to exactly the addresses that were judged, so that a
//! name that changes its mind between the two gains nothing.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Exceptions that only tests make: real specs reach public addresses, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct TestHosts {
    /// Addresses that count as public.
    pub open: Vec<IpAddr>,
    /// What these names resolve to.
    pub names: BTreeMap<String, Vec<IpAddr>>,
}

/// Why an address is refused; none for a public one.
pub(super) fn refused(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => refused_v4(ip),
        IpAddr::V6(ip) => refused_v6(ip),
    }
}

fn refused_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    Some(match (a, b, c) {
        (127, ..) => "this machine's own",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "a private network's",
        (169, 254, _) => "link-local, where clouds keep their keys",
        (100, 64..=127, _) => "a provider's inner network's",
        (0, ..) => "no host's",
        (192, 0, 0) | (192, 0, 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => {
            "set aside for other uses"
        }
        (224..=239, ..) => "a group's",
        (240..=255, ..) => "set aside for other uses",
        _ => return None,
    })
}

fn refused_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let segments = ip.segments();
    let last = |segments: [u16; 8]| {
        let [a, b] = segments[6].to_be_bytes();
        let [c, d] = segments[7].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("no host's"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine's own"),
        // An IPv4 address in the clothes of an IPv6 one is what it is underneath.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0, 0, ..] => {
            Some(refused_v4(last(segments)).unwrap_or("IPv4 in disguise"))
        }
        [0x64, 0xff9b, ..] => Some("a translator's into IPv4"),
        [0x2002, ..] | [0x2001, 0, ..] => Some("a tunnel's"),
        [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] => Some("set aside for other uses"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("a private network's"),
        [first, ..] if first & 0xff80 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("a group's"),
        // Everything that is given out to hosts.
        [first, ..] if first & 0xe000 == 0x2000 => None,
        _ => Some("set aside for other uses"),
    }
}

/// Why the host of an address may not be reached, where it is written as a number.
pub(super) fn refused_literal(host: &str, hosts: &TestHosts) -> Option<String> {
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    if hosts.open.contains(&ip) {
        return None;
    }
    refused(ip).map(|why| format!("{ip} is {why} address, and tools reach public ones only"))
}

/// Resolves names and lets public addresses through only.
#[derive(Debug, Clone, Default)]
pub(super) struct PublicOnly(pub Arc<TestHosts>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let hosts = self.0.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<IpAddr> = match hosts.names.get(&name) {
                Some(known) => known.clone(),
                None => tokio::net::lookup_host((name.as_str(), 0)).await?.map(|address| address.ip()).collect(),
            };
            // One address that is not public says that the name is not to be trusted with the others either.
            if let Some((ip, why)) =
                found.iter().filter(|ip| !hosts.open.contains(ip)).find_map(|ip| Some((ip, refused(*ip)?)))
            {
                return Err(
                    format!("{name} resolves to {ip}, which is {why} address: tools reach public ones only").into()
                );
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached_however_they_are_written() {
        for inner in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "240.0.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "4000::1",
        ] {
            assert!(refused(inner.parse().unwrap()).is_some(), "{inner}");
        }
        for public in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert_eq!(refused(public.parse().unwrap()), None, "{public}");
        }
    }
}
