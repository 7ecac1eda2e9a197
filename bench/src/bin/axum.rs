//! Echo with axum's extractor: `feed`, and one `flush` when no more messages are ready, or `send`,
//! which is axum's own way. Fan-out uses a `tokio::sync::broadcast` channel, as axum's example of a
//! chat does.

use std::io;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use hyper_util::service::TowerToHyperService;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use sockeye_bench::{echo, http2};
use tokio::sync::broadcast;
use tokio::task::unconstrained;

/// Size of the read buffer, as for tokio-tungstenite, which axum uses.
const READ_BUFFER_SIZE: usize = 16 * 1024;

/// Number of messages that a connection can lag behind, as for tokio-tungstenite.
const CHANNEL_CAPACITY: usize = 4096;

static BROADCAST: LazyLock<broadcast::Sender<Message>> =
    LazyLock::new(|| broadcast::channel(CHANNEL_CAPACITY).0);

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Http2, Ability::FanOut])?;
    let app = match arguments.write_mode {
        _ if arguments.mode.fan_out => Router::new().route("/", any(fan_out)),
        WriteMode::Send => Router::new().route("/", any(send)),
        WriteMode::Feed => Router::new().route("/", any(feed)),
    };
    if arguments.mode.http2 {
        // A separate accept loop, for the same windows as the others: `axum::serve` does not let
        // them be configured.
        return http2::run(arguments.address, TowerToHyperService::new(app));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve::serve_app(arguments.address, app))
}

async fn send(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BUFFER_SIZE).on_upgrade(async |socket| {
        serve::log_failure(unconstrained(echo::send(socket, is_data)).await);
    })
}

async fn feed(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BUFFER_SIZE).on_upgrade(async |socket| {
        serve::log_failure(unconstrained(echo::feed(socket, is_data)).await);
    })
}

async fn fan_out(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(READ_BUFFER_SIZE).on_upgrade(async |socket| {
        serve::log_failure(unconstrained(broadcast_all(socket)).await);
    })
}

async fn broadcast_all(mut socket: WebSocket) -> Result<(), axum::Error> {
    let mut messages = BROADCAST.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received.transpose()? {
                // At least the connection that sent the message is subscribed.
                Some(message) if is_data(&message) => drop(BROADCAST.send(message)),
                Some(_) => {}
                None => return Ok(()),
            },
            message = messages.recv() => {
                socket.feed(message.map_err(axum::Error::new)?).await?;
                while let Ok(message) = messages.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
