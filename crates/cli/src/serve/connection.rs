//! One accepted connection: TLS where it is on, then HTTP/1.1 with upgrades or HTTP/2 with extended
//! CONNECTs, each with a deadline.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sockeye::upgrade::{Http2Guard, PeerAddr, TrustedProxies, WriteTimeout};
use sockeye_grpc::ServeConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument as _, debug};

use super::answer::Answer;
use super::shutdown::Guest;
use super::streams::Streams;
use super::{plain, tls};

/// What holds for every connection.
#[derive(Clone)]
pub(crate) struct Limits {
    /// Time for the TLS handshake, and again for the head of each request; with HTTP/2 also for a
    /// connection on which nothing is open.
    pub(crate) handshake: Duration,
    /// Time in which the client has to take some byte of what it is sent.
    pub(crate) write: Duration,
    /// Who tells the clients' addresses.
    pub(crate) proxies: TrustedProxies,
    /// Present when the server speaks TLS.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Answers plain HTTP where the server speaks TLS.
    pub(crate) plain: Router,
}

/// Room for the head of a request; a larger one is answered with 431. Browsers send 1 to 4 KiB,
/// and many servers in front of ours allow 8 to 32 KiB.
pub(crate) const HEAD_SIZE: u32 = 64 * 1024;

/// Requests and WebSockets at a time on one connection of HTTP/2: what RFC 9113 (6.5.2) recommends
/// as the least. Browsers open another connection beyond it.
const MAX_STREAMS: u32 = 100;

/// What a client may send on a stream of HTTP/2 before it is read, in bytes: the default of HTTP/2, for 6 Mbit/s at a
/// round-trip time of 80 ms.
const STREAM_WINDOW: u32 = 64 * 1024;

/// What a client may send on all streams before it is read, in bytes. No stream that is not read from ever takes the room
/// of another, since they have 6.4 MiB together. It is ten times that for what h2 makes of it: half of this may be unread
/// in DATA frames below 256 bytes, each counted as what it lacks of that, before the connection is ended
/// (`too_many_data_frames`). So 57 WebSockets may be stuck with messages of 20 bytes from a client that sends a frame each.
const CONNECTION_WINDOW: u32 = 10 * MAX_STREAMS * STREAM_WINDOW;

/// Time for the calls under way, when the server stops, to come to their end.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Serves `stream` until the client leaves, breaks the rules or dawdles, or the server stops.
pub(crate) async fn serve(mut stream: TcpStream, router: Router, guest: Guest, limits: Limits) {
    let client = limits.proxies.read_proxy_header(&mut stream, guest.peer());
    let guest = match tokio::time::timeout(limits.handshake, client).await {
        Ok(Ok(client)) => guest.of(client),
        Ok(Err(error)) => return debug!(peer = %guest.peer(), "ended: {error}"),
        Err(_) => return debug!(peer = %guest.peer(), "ended: no PROXY header came in time"),
    };
    let span = guest.span().clone();
    let served = async {
        match serve_client(stream, router, guest, limits).await {
            Ok(()) => debug!("ended"),
            Err(error) => debug!("ended: {error:#}"),
        }
    };
    served.instrument(span).await;
}

/// Serves the connection of a client that is known by its address.
///
/// # Errors
/// Why the connection ended before its time; for the log only.
async fn serve_client(
    stream: TcpStream,
    router: Router,
    guest: Guest,
    limits: Limits,
) -> anyhow::Result<()> {
    let (handshake, write) = (limits.handshake, limits.write);
    let Some(tls) = limits.tls else {
        return serve_http1(WriteTimeout::new(stream, write), router, guest, handshake).await;
    };
    let opened = tokio::select! {
        opened = tokio::time::timeout(handshake, open(stream, &tls)) => opened
            .context("the TLS handshake took too long")?
            .context("the TLS handshake failed")?,
        () = guest.shutdown_begun() => return Ok(()),
    };
    match opened {
        Opened::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) => {
            let stream = WriteTimeout::new(*stream, write);
            serve_http2(stream, router, guest, handshake, write).await
        }
        Opened::Tls(stream) => {
            serve_http1(WriteTimeout::new(*stream, write), router, guest, handshake).await
        }
        Opened::Plain(stream) => {
            serve_http1(WriteTimeout::new(stream, write), limits.plain, guest, handshake).await
        }
    }
}

/// A connection to a port that speaks TLS, after its first bytes.
enum Opened {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

async fn open(stream: TcpStream, tls: &TlsAcceptor) -> std::io::Result<Opened> {
    let mut first = [plain::TLS_HANDSHAKE];
    stream.peek(&mut first).await?;
    if first == [plain::TLS_HANDSHAKE] {
        Ok(Opened::Tls(Box::new(tls.accept(stream).await?)))
    } else {
        Ok(Opened::Plain(stream))
    }
}

async fn serve_http1<S>(
    stream: S,
    router: Router,
    guest: Guest,
    head_timeout: Duration,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(guest.peer()));
        request.extensions_mut().insert(guest.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_SIZE as usize)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = guest.shutdown_begun() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

async fn serve_http2<S>(
    stream: S,
    router: Router,
    guest: Guest,
    idle: Duration,
    stalled: Duration,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let streams = Streams::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(guest.peer()));
        request.extensions_mut().insert(guest.clone().with_stream(streams.enter()));
        let (answer, streams) = (router.call(request), streams.clone());
        async move { answer.await.map(|answer| answer.map(|body| Answer::new(body, &streams))) }
    });
    let guarded = Http2Guard::new(stream);
    let resets = guarded.reset_limit();
    let connection =
        http2_builder().enable_connect_protocol().serve_connection(TokioIo::new(guarded), service);
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = guest.shutdown_begun() => {}
        () = streams.idle_for(idle, stalled) => {}
        () = resets.reached() => debug!(peer = %guest.peer(), "too many streams were reset"),
    }
    connection.as_mut().graceful_shutdown();
    // Whoever does not follow suit, or never began to speak HTTP/2, is hung up on.
    tokio::select! {
        result = connection.as_mut() => Ok(result?),
        () = streams.idle_for(idle, idle) => Ok(()),
    }
}

/// Serves gRPC on `connection`, which a WebSocket carries and keeps alive, until the client leaves or the server stops.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn serve_grpc(
    connection: sockeye_grpc::Connection,
    service: Router,
    guest: Guest,
) -> anyhow::Result<()> {
    let config = ServeConfig::new()
        .max_calls(MAX_STREAMS)
        .stream_window(STREAM_WINDOW)
        .max_header_list_size(HEAD_SIZE);
    let shutdown = guest.shutdown_begun();
    let mut serving = pin!(sockeye_grpc::serve_connection(connection, service, &config, shutdown));
    tokio::select! {
        result = serving.as_mut() => return Ok(result?),
        () = guest.shutdown_begun() => {}
    }
    // Some calls never end by themselves.
    Ok(tokio::time::timeout(LAST_CALLS, serving).await.unwrap_or(Ok(()))?)
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_SIZE);
    builder
}
