//! Fan-out with Socket.IO: each message is an event, which the namespace emits to all its sockets.

use std::io;
use std::time::Duration;

use axum::Router;
use socketioxide::extract::{Data, SocketRef};
use socketioxide::{SocketIo, TransportType};
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments};

/// The event's name that the driver uses.
const EVENT: &str = "m";

/// Number of packets that a connection can lag behind, as for tokio-tungstenite.
const MAX_BUFFER_SIZE: usize = 4096;

/// Size of the read buffer, as for tokio-tungstenite, which socketioxide uses.
const READ_BUFFER_SIZE: usize = 16 * 1024;

/// Longer than any sample: no other server sends pings. The first ping comes at once.
const PING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::FanOut])?;
    let (layer, io) = SocketIo::builder()
        .req_path("/")
        .transports([TransportType::Websocket])
        .ping_interval(PING_INTERVAL)
        .max_buffer_size(MAX_BUFFER_SIZE)
        .ws_read_buffer_size(READ_BUFFER_SIZE)
        .build_layer();
    io.ns("/", async |socket: SocketRef| socket.on(EVENT, emit_to_all));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve::serve_app(arguments.address, Router::new().layer(layer)))
}

async fn emit_to_all(io: SocketIo, Data(message): Data<String>) {
    serve::log_failure(io.emit(EVENT, &message).await);
}
