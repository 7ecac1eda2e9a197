//! Echo with tokio-tungstenite: `feed`, and one `flush` when no more messages are ready, or `send`.
//! Fan-out uses a `tokio::sync::broadcast` channel, as users of the library do.

use std::io;
use std::sync::LazyLock;

use futures_util::{SinkExt, StreamExt};
use sockeye_bench::echo;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Measured: the fastest of 4, 16, 32 and 128 KiB over all scenarios. The library zeroes the buffer
/// before each read, so that its default of 128 KiB doubles the cost of a small message.
const READ_BUFFER_SIZE: usize = 16 * 1024;

/// Number of messages that a connection can lag behind. A connection that lags further misses
/// messages and ends, which the driver would notice.
const CHANNEL_CAPACITY: usize = 4096;

static BROADCAST: LazyLock<broadcast::Sender<Message>> =
    LazyLock::new(|| broadcast::channel(CHANNEL_CAPACITY).0);

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Tls, Ability::FanOut])?;
    match arguments.write_mode {
        _ if arguments.mode.fan_out => serve::run_tls(&arguments, fan_out, fan_out),
        WriteMode::Send => serve::run_tls(&arguments, send, send),
        WriteMode::Feed => serve::run_tls(&arguments, feed, feed),
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    echo::send(accept_async_with_config(stream, Some(config())).await?, is_data).await
}

async fn feed<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    echo::feed(accept_async_with_config(stream, Some(config())).await?, is_data).await
}

async fn fan_out<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    let mut messages = BROADCAST.subscribe();
    let mut socket = accept_async_with_config(stream, Some(config())).await?;
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(message) => publish(message?),
                None => return Ok(()),
            },
            message = messages.recv() => {
                socket.feed(message.map_err(|_| Error::AlreadyClosed)?).await?;
                while let Ok(message) = messages.try_recv() {
                    socket.feed(message).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

fn publish(message: Message) {
    if is_data(&message) {
        // At least the connection that sent the message is subscribed.
        let _ = BROADCAST.send(message);
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER_SIZE)
}
