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
//! The proxy connects us to the host and passes bytes on: with `wss` it sees where we go, and nothing else. What it
//! answers is limited in size ([`Client::head_limits`], SOCKS5 by itself) and in time ([`Client::connect_timeout`]).
//! [`WebSocket::peer_addr`](crate::WebSocket::peer_addr) is the proxy's address then.

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

/// A proxy: where it is, how to speak to it, and who we are to it.
///
/// It is parsed from a URL:
///
/// | URL | what it is |
/// |---|---|
/// | `http://host:port` | HTTP CONNECT (RFC 9110 section 9.3.6); the port is 80 unless given |
/// | `socks5://host:port`, `socks5h://host:port` | SOCKS version 5 (RFC 1928); the port is 1080 unless given |
/// | `http://user:password@host:port` | with `Proxy-Authorization: Basic` (RFC 7617) |
/// | `socks5://user:password@host:port` | with the user name and password of RFC 1929 |
///
/// Characters of the user name or password that a URL cannot have there are percent-encoded. Names of hosts are always
/// resolved by the proxy. The credentials are sent to the proxy, in plain text, and to nobody else; neither `Display` nor
/// `Debug` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    protocol: Protocol,
    /// An IPv6 address without its brackets.
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Socks5,
}

/// Checked against what the protocol can carry.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Proxy {
    /// The proxy's host: a name or an address, an IPv6 one without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy's port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port.
    fn authority(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }
}

impl Client {
    /// Connects through this proxy. Default: none, whatever the environment says.
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { route: Route::Proxy(proxy), ..self }
    }

    /// Connects through the proxy that the environment names for the URL, if it names one; the variables are read now.
    ///
    /// | variable | what it says |
    /// |---|---|
    /// | `https_proxy`, `HTTPS_PROXY` | the proxy for `wss` |
    /// | `http_proxy` | the proxy for `ws` |
    /// | `all_proxy`, `ALL_PROXY` | the proxy where the others say nothing |
    /// | `no_proxy`, `NO_PROXY` | the hosts that are connected to directly |
    ///
    /// The variable in lower case counts where both are there, and one without content is as good as none.
    /// `HTTP_PROXY` is not read: to a CGI program it is the header `Proxy` of a request, which any stranger can set. A
    /// proxy without a scheme is taken for `http://`.
    ///
    /// `no_proxy` is a list with commas or blanks: `example.com` or `.example.com` stand for that host and all within it, an
    /// address for itself, either with a port for that port only, `10.0.0.0/8` or `fd00::/8` for the addresses of a network,
    /// and `*` for every host.
    pub fn proxy_from_environment(self) -> Self {
        self.proxy_from_variables(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// As [`proxy_from_environment`](Self::proxy_from_environment), with the variables from elsewhere: a configuration,
    /// or a test.
    pub fn proxy_from_variables(self, read: impl Fn(&str) -> Option<String>) -> Self {
        Self { route: Route::Environment(Arc::new(Environment::read(read))), ..self }
    }
}

impl fmt::Display for Proxy {
    /// Without the credentials.
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
