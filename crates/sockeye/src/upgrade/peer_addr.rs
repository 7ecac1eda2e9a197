use std::net::SocketAddr;

/// A request extension that holds the remote address of the request's connection.
///
/// hyper does not provide the address: a server that serves TLS or HTTP/2 inserts this into each
/// request, and the upgrade reads it. Over plain TCP and HTTP/1.1, the address is known without it.
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
