//! Echo by tokio-tungstenite: `feed` and one `flush` when no more is ready, or `send`.
//!
//! Buffers stay at the library's default of 128 KiB, which its documentation recommends for high load.

use std::io;

use sockeye_bench::echo;
use sockeye_bench::serve::{self, Arguments, Writes};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Error, Message};

fn main() -> io::Result<()> {
    let arguments = Arguments::parse()?;
    match arguments.writes {
        Writes::Send => serve::run(arguments.address, send),
        Writes::Feed => serve::run(arguments.address, feed),
    }
}

async fn send(stream: TcpStream) -> Result<(), Error> {
    echo::send(accept_async(stream).await?, is_data).await
}

async fn feed(stream: TcpStream) -> Result<(), Error> {
    echo::feed(accept_async(stream).await?, is_data).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
