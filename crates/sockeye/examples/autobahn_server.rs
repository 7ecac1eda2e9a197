//! The server that the Autobahn suite is run against: an echo with permessage-deflate.
//!
//!     cargo run --release -p sockeye --example autobahn_server -- 127.0.0.1:9001

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Deflate, Error, WebSocket};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            match serve(stream).await {
                // The suite breaks every rule on purpose.
                Ok(()) | Err(Error::Protocol(_) | Error::Disconnected) => {}
                Err(error) => eprintln!("{error:?}"),
            }
        });
    }
}

async fn serve(stream: TcpStream) -> sockeye::Result<()> {
    let options = Options::new().deflate(Deflate::default());
    echo(Upgrader::new().options(options).accept(stream).await?).await
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
