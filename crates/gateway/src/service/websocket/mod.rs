//! The dialects on WebSockets.
//!
//! ```text
//!  handshake ──► Inner::websocket ──► a task for each socket ──► calls/            many calls
//!                origin, upgrade                              ├► packets.rs        many calls
//!                                                             ├► grpc_websockets.rs one call
//!                                                             ├► json.rs           one call
//!                                                             └► tunnel.rs         HTTP/2
//! ```
//!
//! Every call begins with `Inner::begin_call` and `Inner::prepare`, as calls over HTTP do. When a socket ends, its
//! task drops what its calls hold, which cancels them upstream.

mod calls;
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
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use sockeye::upgrade::{self, Options, Refusal};
use sockeye::{Config, WebSocket};

use super::json::JsonCall;
use super::messages::End;
use super::scope::CallScope;
use super::{Body, Gateway, Inner};
use crate::record::Dialect;
use crate::route::binding::parse_query;
use crate::status::{Code, Status};
pub use packets::{PacketRouteError, PacketRoutes};

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
    /// HTTP/2 in binary messages.
    Tunnel,
}

/// Default maximum number of calls in progress on one socket. Chosen: the usual limit of streams on
/// a connection of HTTP/2.
const DEFAULT_MAX_CALLS: u32 = 100;

/// The settings of WebSockets.
#[derive(Clone, Debug)]
pub(super) struct SocketSettings {
    pub(super) config: Config,
    /// The maximum number of calls in progress on one socket.
    pub(super) max_calls: u32,
    /// The cookie with the token of sockets with JSON.
    pub(super) token_cookie: Option<Box<str>>,
    pub(super) packets: Option<Arc<PacketRoutes>>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        let (config, max_calls) = (Config::new(), DEFAULT_MAX_CALLS);
        Self { config, max_calls, token_cookie: None, packets: None }
    }
}

impl SocketDialect {
    /// Returns the subprotocol that the server chooses if the client offers it.
    fn subprotocol(&self) -> Option<&'static str> {
        match self {
            Self::Calls => Some("sockeye.grpc.v1"),
            Self::GrpcWebSockets => Some("grpc-websockets"),
            Self::Json(_) => Some(crate::dispatch::SUBPROTOCOL_BEARER),
            // Browsers want one of those that they offer.
            Self::Tunnel => Some("grpc"),
            Self::Packets => None,
        }
    }
}

impl Inner {
    /// Answers a request for a WebSocket, whose origin was checked, and serves it in a task of its
    /// own.
    pub(super) fn websocket(
        &self,
        gateway: &Gateway,
        dialect: SocketDialect,
        head: Parts,
    ) -> Response<Body> {
        let settings = &self.settings;
        let limit = settings.max_message_length as usize;
        let config = settings.sockets.config.clone();
        let options = Options::new()
            .subprotocols(dialect.subprotocol())
            .origins(settings.origins.clone())
            .trusted_proxies(settings.proxies.clone())
            .config(config.max_message_length(limit.saturating_add(MESSAGE_OVERHEAD)));
        let mut request = Request::from_parts(head, ());
        let (response, upgrading) = match upgrade::hyper(&mut request, &options) {
            Ok(upgrade) => upgrade,
            Err(error) => {
                return Refusal::from(&error).into_response::<String>().map(Body::whole);
            }
        };
        let (head, ()) = request.into_parts();
        let gateway = gateway.clone();
        tokio::spawn(async move {
            match upgrading.await {
                Ok(socket) => serve(gateway, dialect, head, socket).await,
                Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
            }
        });
        response
    }

    /// Begins a call on a socket, whose scope is in the head from then on.
    ///
    /// # Errors
    /// `unavailable` while the gateway drains, or if too many calls are in progress.
    fn begin_call(
        &self,
        dialect: Dialect,
        method: Option<&PathAndQuery>,
        head: &mut Parts,
    ) -> Result<CallScope, Status> {
        let begun = self.begin(dialect, head);
        let scope = match &begun {
            Ok(scope) => scope.clone(),
            Err(_) => self.unplaced(dialect, head),
        };
        scope.set_method(dialect, method);
        if let Err(status) = &begun {
            scope.set_code(status.code);
        }
        head.extensions.insert(scope);
        begun
    }
}

/// Serves a socket, until the client ends it, or until the gateway drains and its calls have ended.
async fn serve(gateway: Gateway, dialect: SocketDialect, head: Parts, socket: WebSocket) {
    // The address behind trusted proxies: inside of a tunnel, the client writes all headers.
    let peer = socket.peer_addr();
    // A server may count its connections and streams by values that it adds to requests. The socket
    // keeps them, but not the scope of the request, which has ended.
    let mut kept = head.extensions.clone();
    kept.remove::<CallScope>();
    let head = handshake::of_calls(head, peer);
    match dialect {
        SocketDialect::Calls => calls::serve(gateway, head, socket).await,
        SocketDialect::GrpcWebSockets => {
            grpc_websockets::serve(&gateway.current(), head, socket).await;
        }
        SocketDialect::Json(call) => json::serve(&gateway.current(), *call, head, socket).await,
        SocketDialect::Packets => packets::serve(gateway, head, socket).await,
        SocketDialect::Tunnel => tunnel::serve(gateway, peer, socket).await,
    }
    drop(kept);
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

/// Returns the end of a call whose headers are trailers as well: a response without messages.
fn trailers_only(headers: &HeaderMap) -> Option<End> {
    let status = Status::from_trailers(headers)?;
    Some(End { status, trailers: headers.clone() })
}

fn deadline_exceeded() -> Status {
    Status::new(Code::DeadlineExceeded, "the deadline of the call passed")
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
