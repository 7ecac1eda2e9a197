//! Proxies that a client connects through: HTTP CONNECT and SOCKS5.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye::Client;
//!
//! let client = Client::new("wss://example.com/chat").proxy("socks5://ada:secret@127.0.0.1:1080".parse()?);
//! let ws = client.connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The proxy connects the client to the host and forwards bytes: with `wss`, the proxy learns the
//! destination and nothing else. Its responses are limited in size ([`Client::head_limits`]; SOCKS5
//! by its format) and in time ([`Client::connect_timeout`]).
//! [`WebSocket::peer_addr`](crate::WebSocket::peer_addr) then returns the proxy's address.

mod environment;
mod error;
mod http_connect;
mod route;
mod socks;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::sync::Arc;

use super::Client;
use super::eyeballs::bracketed;
pub(super) use environment::Environment;
pub use error::{ProxyUrlError, TunnelError};
pub(super) use route::Route;
pub use socks::Reply;

/// The address, protocol and credentials of a proxy.
///
/// A proxy is parsed from a URL:
///
/// | URL | meaning |
/// |---|---|
/// | `http://host:port` | HTTP CONNECT (RFC 9110 section 9.3.6); the port is 80 unless given |
/// | `socks5://host:port`, `socks5h://host:port` | SOCKS version 5 (RFC 1928); the port is 1080 unless given |
/// | `http://user:password@host:port` | with `Proxy-Authorization: Basic` (RFC 7617) |
/// | `socks5://user:password@host:port` | with the user name and password of RFC 1929 |
///
/// Characters of the user name or password that are not allowed there in a URL are percent-encoded.
/// The proxy always resolves host names. The credentials are sent in plain text, and only to the
/// proxy; `Display` and `Debug` omit them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    protocol: Protocol,
    /// The host, an IPv6 address without its brackets.
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Socks5,
}

/// A user name and a password, already checked against the protocol's limits.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Proxy {
    /// Returns the proxy's host: a name or an address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the proxy's port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host and the port.
    fn authority(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }
}

impl Client {
    /// Connects through this proxy. Default: no proxy, regardless of the environment.
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { route: Route::Proxy(proxy), ..self }
    }

    /// Connects through the proxy that the environment names for the URL, if any; the variables are
    /// read by this call.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `https_proxy`, `HTTPS_PROXY` | the proxy for `wss` |
    /// | `http_proxy` | the proxy for `ws` |
    /// | `all_proxy`, `ALL_PROXY` | the proxy where the variables above are not set |
    /// | `no_proxy`, `NO_PROXY` | the hosts to connect to directly |
    ///
    /// The lower-case variable takes precedence, and an empty variable counts as not set.
    /// `HTTP_PROXY` is not read: in a CGI program it holds the `Proxy` header of a request, which
    /// any client can set. A proxy without a scheme is treated as `http://`.
    ///
    /// `no_proxy` is a list separated by commas or blanks: `example.com` or `.example.com` matches
    /// that host and its subdomains, an address matches itself, either with a port matches that
    /// port only, `10.0.0.0/8` or `fd00::/8` matches the addresses of a network, and `*` matches
    /// every host.
    pub fn proxy_from_environment(self) -> Self {
        self.proxy_from_variables(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Connects as [`proxy_from_environment`](Self::proxy_from_environment) does, with the
    /// variables from another source, such as a configuration or a test.
    pub fn proxy_from_variables(self, read: impl Fn(&str) -> Option<String>) -> Self {
        Self { route: Route::Environment(Arc::new(Environment::read(read))), ..self }
    }
}

impl fmt::Display for Proxy {
    /// Formats the proxy as a URL without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("protocol", &self.protocol)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("credentials", &self.credentials)
            .finish()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
