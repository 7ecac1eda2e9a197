//! Echo with Sockeye's pull API: by `send`, or by `feed`, whose messages `recv` flushes before it
//! waits.

use std::convert::Infallible;
use std::io;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use sockeye::upgrade::{self, Options, Refusal, Upgrader};
use sockeye_bench::http2;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use sockeye_load::DeflateMode;
use tokio::io::{AsyncRead, AsyncWrite};

/// Echoes with `$verb` until the end of the connection. A macro, since a function would be a
/// separate future, which each wake-up polls in addition.
macro_rules! echo {
    ($socket:expr, $verb:ident) => {{
        let mut socket = $socket;
        while let Some(message) = socket.recv().await? {
            socket.$verb(message).await?;
        }
        Ok::<(), sockeye::Error>(())
    }};
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Deflate, Ability::Tls, Ability::Http2])?;
    let deflate = arguments.mode.deflate;
    match arguments.write_mode {
        write_mode if arguments.mode.http2 => http2::run(
            arguments.address,
            service_fn(move |request| async move {
                Ok::<_, Infallible>(accept(request, write_mode, deflate))
            }),
        ),
        WriteMode::Send => serve::run_tls(
            &arguments,
            move |stream| echo_by_send(stream, deflate),
            move |stream| echo_by_send(stream, deflate),
        ),
        WriteMode::Feed => serve::run_tls(
            &arguments,
            move |stream| echo_by_feed(stream, deflate),
            move |stream| echo_by_feed(stream, deflate),
        ),
    }
}

fn accept(
    mut request: Request<Incoming>,
    write_mode: WriteMode,
    deflate: Option<DeflateMode>,
) -> Response<String> {
    match upgrade::hyper(&mut request, &options(deflate)) {
        Ok((response, upgrading)) => {
            match write_mode {
                WriteMode::Send => http2::spawn(async { echo!(upgrading.await?, send) }),
                WriteMode::Feed => http2::spawn(async { echo!(upgrading.await?, feed) }),
            }
            response
        }
        Err(error) => Refusal::from(&error).into_response(),
    }
}

async fn echo_by_send<S>(stream: S, deflate: Option<DeflateMode>) -> sockeye::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    echo!(Upgrader::new().options(options(deflate)).accept(stream).await?, send)
}

async fn echo_by_feed<S>(stream: S, deflate: Option<DeflateMode>) -> sockeye::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    echo!(Upgrader::new().options(options(deflate)).accept(stream).await?, feed)
}

fn options(deflate: Option<DeflateMode>) -> Options {
    let Some(deflate) = deflate else { return Options::new() };
    let no_takeover = deflate == DeflateMode::NoTakeover;
    let deflate = sockeye::Deflate::new()
        .no_context_takeover(no_takeover)
        .peer_no_context_takeover(no_takeover);
    Options::new().deflate(deflate.threshold(0))
}
