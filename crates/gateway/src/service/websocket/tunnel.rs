//! HTTP/2 in the binary messages of a WebSocket, as the crate sockeye-grpc speaks it: every dialect
//! of HTTP, and many calls.

use std::net::SocketAddr;

use sockeye::WebSocket;
use sockeye::upgrade::PeerAddr;
use sockeye_grpc::{Connection, ServeConfig, serve_connection};

use crate::service::Gateway;

/// Serves the requests inside of a socket as the gateway serves all others: the metadata are those
/// of each request, and each call counts.
pub(super) async fn serve(gateway: Gateway, peer: Option<SocketAddr>, mut socket: WebSocket) {
    if let Some(peer) = peer {
        // The server adds the data of the socket to the extensions of each request.
        socket.set_data(PeerAddr(peer));
    }
    let config = ServeConfig::new().max_calls(gateway.current().settings.sockets.max_calls);
    let connection = Connection::from(socket.into_byte_stream());
    let draining = gateway.clone();
    let draining = async move { draining.draining().await };
    if let Err(error) = serve_connection(connection, gateway, &config, draining).await {
        tracing::debug!(%error, "a tunnel failed");
    }
}
