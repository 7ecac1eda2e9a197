//! Echo by Sockeye's pull API: `feed`, which `recv` flushes when it has to wait, or `send`.

use std::io;

use sockeye::upgrade::Upgrader;
use sockeye_bench::serve::{self, Arguments, Writes};
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse()?;
    match arguments.writes {
        Writes::Send => serve::run(arguments.address, send),
        Writes::Feed => serve::run(arguments.address, feed),
    }
}

async fn send(stream: TcpStream) -> sockeye::Result<()> {
    let mut socket = Upgrader::new().accept(stream).await?;
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

async fn feed(stream: TcpStream) -> sockeye::Result<()> {
    let mut socket = Upgrader::new().accept(stream).await?;
    while let Some(message) = socket.recv().await? {
        socket.feed(message).await?;
    }
    Ok(())
}
