//! Echo by Sockeye's pull API: `feed`, which `recv` flushes when it has to wait, or `send`.

use std::io;

use sockeye::upgrade::{Options, Upgrader};
use sockeye_bench::mode::{Ability, Deflate};
use sockeye_bench::serve::{self, Arguments, Writes};
use tokio::io::{AsyncRead, AsyncWrite};

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Deflate, Ability::Tls])?;
    let deflate = arguments.mode.deflate;
    match arguments.writes {
        Writes::Send => serve::run_tls(
            &arguments,
            move |stream| send(stream, deflate),
            move |stream| send(stream, deflate),
        ),
        Writes::Feed => serve::run_tls(
            &arguments,
            move |stream| feed(stream, deflate),
            move |stream| feed(stream, deflate),
        ),
    }
}

async fn send<S>(stream: S, deflate: Option<Deflate>) -> sockeye::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut socket = upgrader(deflate).accept(stream).await?;
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

async fn feed<S>(stream: S, deflate: Option<Deflate>) -> sockeye::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut socket = upgrader(deflate).accept(stream).await?;
    while let Some(message) = socket.recv().await? {
        socket.feed(message).await?;
    }
    Ok(())
}

fn upgrader(deflate: Option<Deflate>) -> Upgrader {
    let Some(deflate) = deflate else { return Upgrader::new() };
    let alone = deflate == Deflate::NoTakeover;
    let deflate =
        sockeye::Deflate::new().no_context_takeover(alone).peer_no_context_takeover(alone);
    Upgrader::new().options(Options::new().deflate(deflate.threshold(0)))
}
