//! A server for the Autobahn suite: an echo with permessage-deflate.
//!
//!     cargo run --release -p sockeye --example autobahn_server -- 127.0.0.1:9001
//!
//! With `push` after the address, the handler server echoes, on the system's readiness events; with
//! `io-uring`, on its other backend.

use sockeye::push::{self, Backend, Callbacks};
use sockeye::upgrade::{HostPolicy, Options, Upgrader};
use sockeye::{Deflate, Error, WebSocket};
use tokio::net::{TcpListener, TcpStream};

fn main() -> sockeye::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    match arguments.next().as_deref() {
        None => pull(&address),
        Some("push") => push(&address, Backend::Readiness),
        Some("io-uring") => push(&address, Backend::IoUring),
        Some(other) => panic!("neither `push` nor `io-uring`: {other}"),
    }
}

fn options() -> Options {
    Options::new().allow_hosts(HostPolicy::loopback().allow_addresses()).deflate(Deflate::default())
}

fn push(address: &str, backend: Backend) -> sockeye::Result<()> {
    let echo = Callbacks::new().on_message(|connection, message| {
        connection.send(message);
    });
    let server = push::Server::new(move || echo.clone()).options(options()).backend(backend);
    let listening = server.listen(address)?;
    println!("listening on {}", listening.local_addr()?);
    listening.run()
}

#[tokio::main]
async fn pull(address: &str) -> sockeye::Result<()> {
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
    echo(Upgrader::new().options(options()).accept(stream).await?).await
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
