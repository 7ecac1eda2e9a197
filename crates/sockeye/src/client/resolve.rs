//! Addresses that the program names in place of those of the resolver.

use std::net::SocketAddr;

use sockeye_proto::handshake::Url;

use super::Client;

/// The addresses of hosts that the program has named.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// The host in lower case, an IPv6 address without brackets.
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
}

impl Client {
    /// Connects to these addresses, of which there must be one at least, when a URL names this host
    /// and port, also after a redirect. The name still determines the `Host` header and the
    /// certificate. Default: the addresses that the system's resolver returns.
    ///
    /// A later call for the same host and port replaces an earlier one; a call without addresses
    /// has no effect. Connections through a proxy do not use the addresses, since the proxy
    /// resolves the names.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// let staging = SocketAddr::from(([192, 0, 2, 7], 8443));
    /// let client = sockeye::Client::new("wss://example.com/").resolve("example.com", 443, [staging]);
    /// # let _ = client;
    /// ```
    pub fn resolve(
        mut self,
        host: impl AsRef<str>,
        port: u16,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Self {
        let addresses: Vec<_> = addresses.into_iter().collect();
        if !addresses.is_empty() {
            let host = host.as_ref().to_ascii_lowercase();
            self.resolved.0.retain(|entry| (&entry.host, entry.port) != (&host, port));
            self.resolved.0.push(Entry { host, port, addresses });
        }
        self
    }
}

impl Resolved {
    /// Returns the addresses for the host and port of a URL.
    pub(super) fn find(&self, url: &Url) -> Option<&[SocketAddr]> {
        let named =
            self.0.iter().find(|entry| entry.host == url.host() && entry.port == url.port());
        named.map(|entry| &entry.addresses[..])
    }
}
