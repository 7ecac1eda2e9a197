//! The client's address, as reported by proxies in front of the server.

mod checksum;
mod forwarded;
mod network;
mod protocol;

use std::io;
use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue};
use sockeye_proto::handshake::Request;
use tokio::io::AsyncRead;

use network::Network;
pub use network::NetworkError;
pub(crate) use protocol::Header as ProxyHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose reports of a client's address are trusted.
///
/// Behind a proxy, every connection comes from the proxy's address. The proxy reports the client's
/// address in a header of each request, or in a header of the connection (the PROXY protocol,
/// versions 1 and 2, as `HAProxy`, Envoy and the load balancers of cloud providers send it).
/// Clients can write such headers too: the server accepts them only from these networks.
///
/// The address found becomes that of the connection:
/// [`WebSocket::peer_addr`](crate::WebSocket::peer_addr),
/// [`UpgradeRequest::peer_addr`](super::UpgradeRequest::peer_addr), the logs, and
/// [`Server::max_connections_per_address`](crate::Server::max_connections_per_address) all use it,
/// and so do those of the handler server. Request headers usually contain no port, which is then 0.
///
/// ```
/// use sockeye::upgrade::{ForwardedHeader, TrustedProxies};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8", "::1"])?.header(ForwardedHeader::XForwardedFor);
/// # let _ = proxies;
/// # Ok::<_, sockeye::upgrade::NetworkError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    header: Option<ForwardedHeader>,
    proxy_protocol: bool,
}

/// The request header in which proxies report the client's address. Only one is read: a proxy
/// forwards any other such header as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as most proxies write it.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl TrustedProxies {
    /// Trusts the proxies in these networks, such as `10.0.0.0/8`, `2001:db8::/32` or a single
    /// address.
    ///
    /// # Errors
    /// [`NetworkError`] when an item is not a network.
    pub fn new<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, NetworkError> {
        let networks = networks.into_iter().map(|network| network.as_ref().parse());
        let networks = networks.collect::<Result<_, _>>()?;
        Ok(Self { networks, header: None, proxy_protocol: false })
    }

    /// Takes the client's address from this header of a request: the rightmost address in it that
    /// is not a trusted proxy, as anyone could have written those further left. Default: none.
    pub fn header(self, header: ForwardedHeader) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Takes the client's address from the PROXY header at the beginning of each connection from a
    /// trusted network, where it is required. Connections from elsewhere must not have one.
    /// Default: off.
    pub fn proxy_protocol(self, on: bool) -> Self {
        Self { proxy_protocol: on, ..self }
    }

    /// Returns whether an address belongs to a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Reads the PROXY header, where a connection from `peer` must have one, and returns the
    /// client's address: `peer` itself where no header is expected, or where the proxy connects on
    /// its own behalf. For servers with a custom accept loop, which must set a timeout;
    /// [`Server`](crate::Server) calls this method itself. Reads no byte beyond the header.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when there is no valid PROXY header; otherwise the stream's
    /// error.
    ///
    /// # Cancel safety
    /// Dropping the future loses a part of the header, and the connection must be dropped.
    pub async fn read_proxy_header<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        peer: SocketAddr,
    ) -> io::Result<SocketAddr> {
        if !self.expects_header(peer.ip()) {
            return Ok(peer);
        }
        Ok(protocol::read(stream).await?.unwrap_or(peer))
    }

    /// Returns whether a connection from this address must begin with a PROXY header.
    pub(crate) fn expects_header(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && self.trusts(peer)
    }

    /// Returns the client's address according to the headers of a request on a connection from
    /// `peer`.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let Some(name) = self.header_name() else { return peer };
        self.find(peer, headers.get_all(name).iter().map(HeaderValue::as_bytes))
    }

    /// Returns the client's address as [`client`](Self::client) does, for a request of the opening
    /// handshake.
    pub(crate) fn client_of(&self, peer: SocketAddr, request: &Request<'_>) -> SocketAddr {
        let Some(wanted) = self.header_name() else { return peer };
        let values =
            request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_str()));
        self.find(peer, values.map(|(_, value)| value))
    }

    fn header_name(&self) -> Option<HeaderName> {
        self.header.map(|header| match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        })
    }

    fn find<'a>(&self, peer: SocketAddr, values: impl Iterator<Item = &'a [u8]>) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        // Several header lines form one list (RFC 9110 section 5.3).
        let text = values.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
        let mut client = peer;
        for hop in forwarded::elements(&text).into_iter().rev() {
            if !self.trusts(client.ip()) {
                break;
            }
            let address = match self.header {
                Some(ForwardedHeader::Forwarded) => forwarded::parameter(hop),
                _ => forwarded::node(hop),
            };
            // Beyond a hop that hides its address, nothing can be trusted: the address found before
            // is the result.
            let Some(address) = address else { break };
            client = address;
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| SocketAddr::new(text.parse().unwrap(), 0))
    }

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> SocketAddr {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "::1"]).unwrap().header(header);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(proxies.header_name().unwrap(), line.parse().unwrap());
        }
        proxies.client(address(peer), &headers)
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_of_ours_is_the_client() {
        let of = |lines: &[&str]| client(ForwardedHeader::XForwardedFor, "10.0.0.1:9", lines);
        assert_eq!(of(&["203.0.113.7"]), address("203.0.113.7:0"));
        assert_eq!(of(&["198.51.100.1, 203.0.113.7"]), address("203.0.113.7:0"));
        assert_eq!(of(&["198.51.100.1, 203.0.113.7, 10.9.9.9"]), address("203.0.113.7:0"));
        assert_eq!(
            of(&["198.51.100.1", "203.0.113.7:443", "10.9.9.9"]),
            address("203.0.113.7:443")
        );
        assert_eq!(of(&["2001:db8::7"]), address("[2001:db8::7]:0"));
        assert_eq!(of(&["[2001:db8::7]:5"]), address("[2001:db8::7]:5"));
        // All hops are trusted: the first of them is the client.
        assert_eq!(of(&["10.0.0.3, 10.0.0.2"]), address("10.0.0.3:0"));
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        let of = |lines: &[&str]| client(ForwardedHeader::XForwardedFor, "10.0.0.1:9", lines);
        for lines in [&["unknown"][..], &[""], &["203.0.113.7, _hidden"], &["203.0.113.7, "], &[]] {
            assert_eq!(of(lines), address("10.0.0.1:9"), "{lines:?}");
        }
        assert_eq!(of(&["203.0.113.7, oops, 10.0.0.2"]), address("10.0.0.2:0"));
    }

    #[test]
    fn a_stranger_is_not_believed() {
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            let found = client(header, "203.0.113.9:1", &["for=10.0.0.1", "10.0.0.1"]);
            assert_eq!(found, address("203.0.113.9:1"));
        }
    }

    #[test]
    fn forwarded_has_parameters_and_quotes() {
        let of = |line: &str| client(ForwardedHeader::Forwarded, "[::1]:9", &[line]);
        assert_eq!(of("for=203.0.113.7;proto=https;by=10.0.0.1"), address("203.0.113.7:0"));
        assert_eq!(of(r#"proto=http; For="[2001:db8::7]:47011""#), address("[2001:db8::7]:47011"));
        assert_eq!(
            of(r#"for=198.51.100.1, for="203.0.113.7:80", for=10.1.1.1"#),
            address("203.0.113.7:80")
        );
        assert_eq!(
            of(r#"for=198.51.100.1, by="a,b;for=203.0.113.9";for=203.0.113.7"#),
            address("203.0.113.7:0")
        );
        assert_eq!(of("for=unknown"), address("[::1]:9"));
        assert_eq!(of("for=_secret"), address("[::1]:9"));
    }

    #[test]
    fn without_a_header_to_look_at_the_peer_is_the_client() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "203.0.113.7".parse().unwrap())]);
        assert_eq!(proxies.client(address("10.0.0.1:9"), &headers), address("10.0.0.1:9"));
    }
}
