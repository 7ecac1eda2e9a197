//! The heads of calls on a WebSocket, which come from that of its handshake.

use std::net::SocketAddr;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, Method, Uri, Version};
use sockeye::upgrade::PeerAddr;

use crate::metadata::is_forwarding;

/// Returns the head with which calls begin: the headers of a handshake, as a call of gRPC. `peer`
/// is the address of the socket, for servers that tell none with requests.
pub(super) fn of_calls(mut head: Parts, peer: Option<SocketAddr>) -> Parts {
    head.method = Method::POST;
    head.version = Version::HTTP_2;
    let peer = head.extensions.get::<PeerAddr>().copied().or(peer.map(PeerAddr));
    // Nothing else, such as the protocol of an extended CONNECT, belongs to a call.
    head.extensions = Extensions::new();
    if let Some(peer) = peer {
        head.extensions.insert(peer);
    }
    head
}

/// Sets the method of a call.
pub(super) fn set_path(head: &mut Parts, path: &PathAndQuery) {
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.path_and_query = Some(path.clone());
    if parts.authority.is_none() {
        parts.scheme = None;
    } else if parts.scheme.is_none() {
        parts.authority = None;
    }
    // With both or none of scheme and authority, the parts are always a URI.
    head.uri = Uri::from_parts(parts).unwrap_or_else(|_| path.clone().into());
}

/// Adds headers that the client has sent on the socket, in place of those of the same name. Those
/// that describe the way through proxies are left out, since no proxy has written them.
pub(super) fn replace(headers: &mut HeaderMap, sent: &HeaderMap) {
    for name in sent.keys().filter(|name| !is_forwarding(name)) {
        headers.remove(name);
        for value in sent.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use http::Request;

    use super::*;

    #[test]
    fn a_call_has_its_own_path_and_the_authority_of_the_handshake() {
        for (uri, expected) in
            [("/ws?a=b", "/pkg.S/M"), ("https://api.example/ws", "https://api.example/pkg.S/M")]
        {
            let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
            set_path(&mut head, &PathAndQuery::from_static("/pkg.S/M"));
            assert_eq!(head.uri, expected);
        }
    }

    #[test]
    fn headers_of_the_socket_replace_those_of_the_handshake_but_not_those_of_proxies() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            headers
        };
        let mut head = headers(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]);
        replace(&mut head, &headers(&[("x-a", "4"), ("x-a", "5"), ("x-forwarded-for", "::1")]));
        assert_eq!(head, headers(&[("x-b", "3"), ("x-a", "4"), ("x-a", "5")]));
    }
}
