//! The way out: HTTP clients, made when first needed, shared by all models.
//!
//! No redirect is ever followed, since the key would go along. Plain HTTP has a client of its own without TLS. What is
//! near is reached without a proxy: a key may go there unencrypted, and a proxy would read it.

use crate::error::ModelError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long reading a public file may take.
const READ: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("aic/", env!("CARGO_PKG_VERSION"));

/// HTTP clients with their pools of connections. One for a process is enough; a connection belongs to the runtime that
/// opened it.
#[derive(Debug, Default)]
pub struct Network {
    secure: OnceLock<Result<reqwest::Client, String>>,
    plain: OnceLock<Result<reqwest::Client, String>>,
    near: OnceLock<Result<reqwest::Client, String>>,
}

impl Network {
    /// A network that has not opened anything yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Reads a public file, without any key. Redirects are not followed.
    ///
    /// # Errors
    /// [`ModelError`] for an address that is neither https nor this machine's, a refusal, or more bytes than `cap`.
    pub async fn read(&self, url: &str, cap: usize) -> Result<Vec<u8>, ModelError> {
        let setup = |message: String| ModelError::Setup { message };
        let url = reqwest::Url::parse(url).map_err(|error| setup(format!("{url}: no address: {error}")))?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(setup(format!("{url}: only https")));
        }
        let host = url.host_str().unwrap_or("?").to_owned();
        let unreachable = |error: reqwest::Error| ModelError::Connect {
            host: host.clone(),
            why: crate::wire::lenient::shortened(&error.without_url().to_string()),
        };
        let call = self.client(&url)?.get(url.clone()).timeout(READ);
        let mut response = call.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            let status = response.status();
            let hint =
                if status.is_redirection() { ": redirects are not followed, so name where it leads" } else { "" };
            return Err(setup(format!("{url}: the server answered with status {}{hint}", status.as_u16())));
        }
        let mut bytes = Vec::new();
        while let Some(more) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + more.len() > cap {
                return Err(ModelError::TooLarge { what: "a file", cap });
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// The client for this address.
    pub(crate) fn client(&self, url: &reqwest::Url) -> Result<&reqwest::Client, ModelError> {
        let made = if url.scheme() == "https" {
            self.secure.get_or_init(secure)
        } else if is_near(url) {
            self.near.get_or_init(|| finish(plain().no_proxy()))
        } else {
            self.plain.get_or_init(|| finish(plain()))
        };
        made.as_ref().map_err(|why| ModelError::Setup { message: format!("no HTTP client can be made: {why}") })
    }
}

fn common() -> reqwest::ClientBuilder {
    // Only the first call of a process does anything; another provider of cryptography, once installed, stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .referer(false)
}

fn plain() -> reqwest::ClientBuilder {
    // No certificates to load for what is not encrypted.
    common().tls_certs_only([])
}

fn secure() -> Result<reqwest::Client, String> {
    client_with(|builder| builder.https_only(true))
}

/// A client of its own for what is not a model: it follows no redirect either, and trusts the same certificates.
///
/// # Errors
/// Why no client can be made.
pub fn client_with(
    settings: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    // A machine without certificates of its own gets the bundled ones.
    finish(settings(common())).or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let bundled: Result<Vec<_>, _> = bundled.map(|der| reqwest::Certificate::from_der(der)).collect();
        finish(settings(common()).tls_certs_only(bundled.map_err(|error| error.to_string())?))
    })
}

fn finish(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| error.to_string())
}

/// Whether the address is the machine's own.
pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => ip(host).is_some_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// Whether a key may go to this address without encryption: this machine, or a network that is nobody else's.
pub(crate) fn is_near(url: &reqwest::Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    match ip(host) {
        Some(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        None => !host.contains('.') || host.ends_with(".local") || host.ends_with(".internal"),
    }
}

fn ip(host: &str) -> Option<std::net::IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_stands_before_an_address_to_which_a_key_goes_unencrypted() {
        let network = Network::default();
        let client = |url: &str| network.client(&reqwest::Url::parse(url).unwrap()).unwrap() as *const reqwest::Client;
        let without_proxy = client("http://127.0.0.1:8080");
        for url in ["http://gpu-box:8000/v1", "http://10.1.2.3", "http://[fd00::1]/", "http://models.internal"] {
            assert_eq!(client(url), without_proxy, "{url}");
        }
        for url in ["http://api.example.com", "https://gpu-box"] {
            assert_ne!(client(url), without_proxy, "{url}");
        }
    }

    #[test]
    fn a_key_goes_unencrypted_only_to_what_is_near() {
        let near = |url: &str| is_near(&reqwest::Url::parse(url).unwrap());
        for url in
            ["http://127.0.0.1:8080", "http://[::1]/v1", "http://localhost", "http://gpu-box:8000", "http://10.1.2.3"]
        {
            assert!(near(url), "{url}");
        }
        for url in ["http://api.example.com", "http://8.8.8.8", "http://127.0.0.1.example.com"] {
            assert!(!near(url), "{url}");
        }
    }
}
