//! The dialects on WebSockets.
//!
//! ```text
//!  handshake ──► Inner::websocket ──► a task for each socket ─┬► calls/            many calls
//!                origin, upgrade                              ├► packets.rs        many calls
//!                                                             ├► grpc_websockets.rs one call
//!                                                             └► json.rs           one call
//!                Inner::tunnel    ──► the same ────────────────► tunnel.rs         HTTP/2
//! ```
//!
//! Every call begins with `Inner::begin_call` and `Inner::prepare`, as calls over HTTP do. When a
//! socket ends, its task drops what its calls hold, which cancels them upstream. Requests inside of
//! a tunnel go to the gateway as all requests do: the gateway hands itself to the tunnel as a
//! service.

mod calls;
mod ends;
mod grpc_websockets;
mod handshake;
mod json;
mod many_calls;
mod packets;
mod requests;
mod single_call;
mod token;
mod tunnel;

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use sockeye::WebSocket;
use sockeye::resume::SUBPROTOCOL;
use sockeye::upgrade::{self, Options, Refusal};

use super::body::Body;
use super::inner::Inner;
use super::json::JsonCall;
use super::scope::CallScope;
use super::shared::Shared;
use crate::route::binding::parse_query;
use tunnel::{Resumption, Tunneled};

/// The bytes that a WebSocket message may have beyond those of a message of a call: its id, its
/// flags and names, and the metadata of a start. Chosen: the limit of a list of headers in HTTP/2.
const MESSAGE_OVERHEAD: usize = 64 * 1024;

/// The dialect of a WebSocket.
pub(super) enum SocketDialect {
    /// `sockeye.grpc.v1`.
    Calls,
    /// `grpc-websockets`.
    GrpcWebSockets,
    /// One call in JSON.
    Json(Box<JsonCall>),
    /// Packets with a type, by the table of the settings.
    Packets,
}

impl SocketDialect {
    /// Returns the subprotocol that the server chooses if the client offers it.
    fn subprotocol(&self) -> Option<&'static str> {
        match self {
            Self::Calls => Some("sockeye.grpc.v1"),
            Self::GrpcWebSockets => Some("grpc-websockets"),
            Self::Json(_) => Some(crate::dispatch::SUBPROTOCOL_BEARER),
            Self::Packets => None,
        }
    }
}

impl Inner {
    /// Answers a request for a WebSocket, whose origin was checked, and serves it in a task of its
    /// own.
    pub(super) fn websocket(
        &self,
        gateway: &Arc<Shared>,
        dialect: SocketDialect,
        head: Parts,
    ) -> Response<Body> {
        let gateway = Arc::clone(gateway);
        self.open_socket(dialect.subprotocol().as_slice(), head, move |head, socket| {
            serve(gateway, dialect, head, socket)
        })
    }

    /// Answers a request for a tunnel, whose origin was checked, and serves the requests inside of
    /// it by `service`.
    pub(super) fn tunnel(
        &self,
        gateway: &Arc<Shared>,
        service: impl Tunneled,
        head: Parts,
    ) -> Response<Body> {
        let gateway = Arc::clone(gateway);
        let resumption = Resumption::new(&self.settings.sockets, &head.headers);
        // Browsers want one of the subprotocols that they offer.
        let subprotocols = ["grpc", SUBPROTOCOL];
        let supported = if resumption.is_some() { &subprotocols[..] } else { &subprotocols[..1] };
        self.open_socket(supported, head, move |_, socket| {
            tunnel::serve(gateway, service, socket, resumption)
        })
    }

    /// Answers a request for a WebSocket, and runs `serve` in a task of its own.
    fn open_socket<F>(
        &self,
        subprotocols: &[&'static str],
        head: Parts,
        serve: impl FnOnce(Parts, WebSocket) -> F + Send + 'static,
    ) -> Response<Body>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let settings = &self.settings;
        let limit = settings.max_message_length as usize;
        let config = settings.sockets.config.clone();
        let options = Options::new()
            .subprotocols(subprotocols.iter().copied())
            .origins(settings.origins.clone())
            .trusted_proxies(settings.proxies.clone())
            .memory_budget(settings.budget.clone())
            .config(config.max_message_length(limit.saturating_add(MESSAGE_OVERHEAD)));
        let mut request = Request::from_parts(head, ());
        let (response, upgrading) = match upgrade::hyper(&mut request, &options) {
            Ok(upgrade) => upgrade,
            Err(error) => {
                return Refusal::from(&error).into_response::<String>().map(Body::whole);
            }
        };
        let (head, ()) = request.into_parts();
        tokio::spawn(async move {
            match upgrading.await {
                Ok(socket) => {
                    // A server may count its connections and streams by values that it adds to
                    // requests. The socket keeps them, but not the scope of the request, which has
                    // ended.
                    let mut kept = head.extensions.clone();
                    kept.remove::<CallScope>();
                    serve(head, socket).await;
                    drop(kept);
                }
                Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
            }
        });
        response
    }
}

/// Serves a socket, until the client ends it, or until the gateway drains and its calls have ended.
async fn serve(gateway: Arc<Shared>, dialect: SocketDialect, head: Parts, socket: WebSocket) {
    let head = handshake::of_calls(head, socket.peer_addr());
    match dialect {
        SocketDialect::Calls => calls::serve(gateway, head, socket).await,
        SocketDialect::GrpcWebSockets => {
            grpc_websockets::serve(&gateway.current(), head, socket).await;
        }
        SocketDialect::Json(call) => json::serve(&gateway.current(), *call, head, socket).await,
        SocketDialect::Packets => packets::serve(gateway, head, socket).await,
    }
}

/// Removes the parameter `method`, which names the HTTP method of a route, from a query: it is no
/// field of the request.
pub(super) fn without_method(query: &str) -> String {
    let is_method = |parameter: &&str| {
        let parsed = parse_query(parameter);
        parsed.is_ok_and(|parsed| parsed.iter().any(|(name, _)| name == "method"))
    };
    let kept: Vec<_> = query.split('&').filter(|parameter| !is_method(parameter)).collect();
    kept.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_of_the_method_is_no_field() {
        assert_eq!(without_method("method=POST"), "");
        assert_eq!(
            without_method("a=1&method=POST&b=2&%6dethod=x&a.method=3"),
            "a=1&b=2&a.method=3"
        );
    }
}
