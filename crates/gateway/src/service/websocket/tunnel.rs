//! HTTP/2 in the binary messages of a WebSocket, as the crate sockeye-grpc speaks it: every dialect
//! of HTTP, and many calls.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, Request, Response};
use sockeye::WebSocket;
use sockeye::resume::SUBPROTOCOL;
use sockeye::upgrade::PeerAddr;
use sockeye_grpc::{Connection, ServeConfig, serve_connection};
use tower_service::Service;

use super::token;
use crate::service::body::Body;
use crate::service::settings::{SessionSettings, SocketSettings};
use crate::service::shared::Shared;

/// A service for the requests inside of a tunnel.
pub(crate) trait Tunneled:
    Service<Request<tonic::body::Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Tunneled for S where
    S: Service<
            Request<tonic::body::Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// The settings of sessions, and the owner of that of a socket.
#[derive(Clone)]
pub(super) struct Resumption {
    settings: SessionSettings,
    owner: String,
}

impl Resumption {
    /// Reads the owner from the headers of a request. `None` if there are no sessions.
    pub(super) fn new(settings: &SocketSettings, headers: &HeaderMap) -> Option<Self> {
        let sessions = settings.sessions?;
        let owner = owner(headers, settings.token_cookie.as_deref());
        Some(Self { settings: sessions, owner })
    }
}

/// Serves the requests inside of a socket by `service`: the metadata are those of each request, and
/// each call counts. A socket with the subprotocol of sessions continues or begins one.
pub(super) async fn serve(
    gateway: Arc<Shared>,
    service: impl Tunneled,
    mut socket: WebSocket,
    resumption: Option<Resumption>,
) {
    // The address behind trusted proxies: inside of a tunnel, the client writes all headers.
    if let Some(peer) = socket.peer_addr() {
        // The server adds the data of the socket to the extensions of each request.
        socket.set_data(PeerAddr(peer));
    }
    match resumption {
        Some(Resumption { settings, owner }) if socket.subprotocol() == Some(SUBPROTOCOL) => {
            let shared = Arc::clone(&gateway);
            let serve = move |stream| {
                tokio::spawn(serve_connection_of(Arc::clone(&shared), service.clone(), stream));
            };
            gateway.tunnel_sessions().serve(socket, settings, owner, serve).await;
        }
        _ => serve_connection_of(gateway, service, socket.into_byte_stream()).await,
    }
}

/// Serves the requests on a byte stream.
async fn serve_connection_of(
    gateway: Arc<Shared>,
    service: impl Tunneled,
    stream: impl Into<Connection>,
) {
    let config = ServeConfig::new().max_calls(gateway.current().settings.sockets.max_calls);
    let draining = gateway.draining();
    if let Err(error) = serve_connection(stream.into(), service, &config, draining).await {
        tracing::debug!(%error, "a tunnel failed");
    }
}

/// Returns the owner of a session: the origin of the page and the credentials of the request that
/// opens a WebSocket. Calls have credentials of their own.
fn owner(headers: &HeaderMap, cookie: Option<&str>) -> String {
    let mut headers = headers.clone();
    token::set_authorization(&mut headers, cookie);
    let value = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    // No header contains a line break.
    format!("{}\n{}", value(ORIGIN).escape_ascii(), value(AUTHORIZATION).escape_ascii())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn owner_of(pairs: &[(&'static str, &'static str)]) -> String {
        let pairs =
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        owner(&pairs.collect(), Some("session"))
    }

    #[test]
    fn owners_differ_by_origin_and_credentials_and_by_nothing_else() {
        let owners = [
            owner_of(&[]),
            owner_of(&[("origin", "https://a.test")]),
            owner_of(&[("authorization", "https://a.test")]),
            owner_of(&[("authorization", "Bearer x")]),
            owner_of(&[("cookie", "session=y")]),
            owner_of(&[("sec-websocket-protocol", "sockeye.resume.v1, Bearer, z")]),
        ];
        for (index, owner) in owners.iter().enumerate() {
            assert!(!owners[..index].contains(owner), "{owner:?}");
        }
        let other = [("user-agent", "b"), ("cookie", "colour=blue"), ("x-forwarded-for", "::1")];
        assert_eq!(owner_of(&other), owners[0]);
        assert_eq!(owner_of(&[("cookie", "session=x; colour=red")]), owners[3]);
    }
}
