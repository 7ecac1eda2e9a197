//! A byte stream that survives the loss of its WebSocket: the client sends its standard input, and
//! the server counts the bytes. Restart whatever is between both, and the transfer goes on.
//!
//!     cargo run -p sockeye --example resumable_stream -- server 127.0.0.1:8080
//!     cargo run -p sockeye --example resumable_stream -- client ws://127.0.0.1:8080/ < file

use sockeye::reconnect::Reconnecting;
use sockeye::resume::{self, ResumableStream, SUBPROTOCOL};
use sockeye::upgrade::Options;
use sockeye::{Client, Outcome, Server};
use tokio::io::{AsyncWriteExt, copy, sink, stdin};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (role, target) = (arguments.next(), arguments.next());
    match role.as_deref() {
        Some("client") => send(&target.unwrap_or_else(|| "ws://127.0.0.1:8080/".into())).await,
        _ => serve(&target.unwrap_or_else(|| "127.0.0.1:8080".into())).await,
    }
}

async fn send(url: &str) -> Result<(), Error> {
    let client = Client::new(url).subprotocols([SUBPROTOCOL]);
    let mut stream = ResumableStream::connect(Reconnecting::new(client)).await?;
    let length = copy(&mut stdin(), &mut stream).await?;
    stream.shutdown().await?;
    // The server's program has read everything, not only its system.
    stream.acknowledged().await?;
    println!("{length} bytes sent");
    Ok(())
}

async fn serve(address: &str) -> Result<(), Error> {
    let (mut listener, sessions) = resume::listener();
    let server = Server::bind(address).await?.options(Options::new().subprotocols([SUBPROTOCOL]));
    println!("ws://{}/", server.local_addr()?);
    tokio::spawn(server.serve(move |ws| {
        let sessions = sessions.clone();
        // A server with users passes the name of the user: a session is bound to it.
        async move { sessions.serve(ws, "anyone").await }
    }));
    while let Some(stream) = listener.accept().await {
        tokio::spawn(async move { receive(stream).await.log() });
    }
    Ok(())
}

async fn receive(mut stream: ResumableStream) -> Result<(), Error> {
    let length = copy(&mut stream, &mut sink()).await?;
    println!("{length} bytes received");
    stream.shutdown().await?;
    Ok(())
}
