//! Echo by tokio-tungstenite: `feed` and one `flush` when no more is ready, or `send`.

use std::io;

use sockeye_bench::echo;
use sockeye_bench::serve::{self, Arguments, Writes};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Measured: the fastest of 4, 16, 32 and 128 KiB over all scenarios. The library zeroes it before each
/// read, so that its default of 128 KiB doubles the cost of a small message.
const READ_BUFFER_SIZE: usize = 16 * 1024;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse()?;
    match arguments.writes {
        Writes::Send => serve::run(arguments.address, send),
        Writes::Feed => serve::run(arguments.address, feed),
    }
}

async fn send(stream: TcpStream) -> Result<(), Error> {
    echo::send(accept_async_with_config(stream, Some(config())).await?, is_data).await
}

async fn feed(stream: TcpStream) -> Result<(), Error> {
    echo::feed(accept_async_with_config(stream, Some(config())).await?, is_data).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER_SIZE)
}
