//! Which network addresses a tool may reach: those of the public internet, by the sandbox's own rule, and no others.
//!
//! A name is judged after it was resolved, and the connection goes to exactly the addresses that were judged, so that a
//! name that changes its mind between the two gains nothing.

use aic_sandbox::egress::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Exceptions that only tests make: real specs reach public addresses, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct TestHosts {
    /// Addresses that count as public.
    pub open: Vec<IpAddr>,
    /// What these names resolve to.
    pub names: BTreeMap<String, Vec<IpAddr>>,
}

/// An address that tools may not reach, and the name that led there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} no public address: tools reach public ones only", match name {
    Some(name) => format!("{name} resolves to {ip}, which is"),
    None => format!("{ip} is"),
})]
pub(super) struct NotPublic {
    name: Option<String>,
    ip: IpAddr,
}

impl NotPublic {
    /// The refusal behind an error of the HTTP client's, if that is what it is.
    pub fn behind<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refused) = error.downcast_ref() {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}

/// Why the host of an address may not be reached, where it is written as a number.
pub(super) fn refused_literal(host: &str, hosts: &TestHosts) -> Option<NotPublic> {
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    if hosts.open.contains(&ip) {
        return None;
    }
    (!is_public(ip)).then_some(NotPublic { name: None, ip })
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
            if let Some(ip) = found.iter().find(|ip| !hosts.open.contains(ip) && !is_public(**ip)) {
                return Err(NotPublic { name: Some(name), ip: *ip }.into());
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
    fn a_number_of_the_inside_is_refused_however_it_is_written() {
        let hosts = TestHosts { open: vec!["127.0.0.1".parse().unwrap()], ..TestHosts::default() };
        for inner in ["10.0.0.1", "168.63.129.16", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"]
        {
            assert!(refused_literal(inner, &hosts).is_some(), "{inner}");
        }
        for reached in ["127.0.0.1", "8.8.8.8", "[2606:4700::1111]", "a.example"] {
            assert_eq!(refused_literal(reached, &hosts), None, "{reached}");
        }
    }
}
