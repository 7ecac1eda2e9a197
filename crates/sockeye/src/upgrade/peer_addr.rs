use std::net::SocketAddr;

/// An extension of a request: the address that its connection comes from.
///
/// hyper does not tell it: a server that serves TLS or HTTP/2 inserts it into each request, and the upgrade takes it from
/// there. Over plain TCP and HTTP/1.1 it is known without.
///
/// ```
/// # fn example<B>(mut request: http::Request<B>, peer: std::net::SocketAddr) {
/// use sockeye::upgrade::PeerAddr;
///
/// request.extensions_mut().insert(PeerAddr(peer));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
