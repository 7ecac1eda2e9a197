//! Both ends of a connection, without a network.

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, WebSocket};

/// Returns a client and a server that are connected.
pub(crate) async fn pair(client: Client, options: Options) -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let upgrader = Upgrader::new().options(options);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    (client.unwrap(), server.unwrap())
}

/// Returns a [`pair`] with all defaults.
pub(crate) async fn plain() -> (WebSocket, WebSocket) {
    pair(client(), Options::new()).await
}

pub(crate) fn client() -> Client {
    Client::new("ws://localhost/")
}
