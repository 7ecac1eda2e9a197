//! HTTP/2 in the binary messages of a WebSocket, as the crate sockeye-grpc speaks it: every dialect
//! of HTTP, and many calls.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use sockeye::WebSocket;
use sockeye::upgrade::PeerAddr;
use sockeye_grpc::{Connection, ServeConfig, serve_connection};
use tower_service::Service;

use crate::service::body::Body;
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

/// Serves the requests inside of a socket by `service`: the metadata are those of each request, and
/// each call counts.
pub(super) async fn serve(gateway: Arc<Shared>, service: impl Tunneled, mut socket: WebSocket) {
    // The address behind trusted proxies: inside of a tunnel, the client writes all headers.
    if let Some(peer) = socket.peer_addr() {
        // The server adds the data of the socket to the extensions of each request.
        socket.set_data(PeerAddr(peer));
    }
    let config = ServeConfig::new().max_calls(gateway.current().settings.sockets.max_calls);
    let connection = Connection::from(socket.into_byte_stream());
    let draining = gateway.draining();
    if let Err(error) = serve_connection(connection, service, &config, draining).await {
        tracing::debug!(%error, "a tunnel failed");
    }
}
