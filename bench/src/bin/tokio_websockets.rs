//! Echo with tokio-websockets: no splitting into frames and no limits, as in its own benchmark
//! server. The server first reads all messages that are ready, then uses `feed` and one `flush`, or
//! `send`. (The library flushes whenever the next message is requested, so that feeding between
//! reads would not batch.)

use std::io;

use sockeye_bench::echo;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{Config, Error, Limits, Message, ServerBuilder, WebSocketStream};

/// Measured: at 16 KiB with 16 messages in flight, 64 KiB halve the cost of the default of 8 KiB,
/// which flushes after every message; 1 MB is no better.
const FLUSH_THRESHOLD: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Tls])?;
    match arguments.write_mode {
        WriteMode::Send => serve::run_tls(&arguments, send, send),
        WriteMode::Feed => serve::run_tls(&arguments, batch, batch),
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    echo::send(accept(stream).await?, is_data).await
}

async fn batch<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), Error> {
    echo::batch(accept(stream).await?, is_data).await
}

async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocketStream<S>, Error> {
    let config = Config::default().frame_size(usize::MAX).flush_threshold(FLUSH_THRESHOLD);
    let builder = ServerBuilder::new().config(config).limits(Limits::unlimited());
    Ok(builder.accept(stream).await?.1)
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
