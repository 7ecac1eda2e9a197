//! One accepted connection: TLS if configured, then HTTP/1.1 with upgrades or HTTP/2 with extended
//! CONNECT. Each phase has a timeout.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sockeye::upgrade::{Http2Guard, PeerAddr, TrustedProxies, WriteTimeout};
use sockeye_grpc::ServeConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{Instrument as _, debug, warn};

use super::client_stream::ClientStream;
use super::front::{Answer, Front};
use super::gather::{Gather, Turn};
use super::hosts::HEAD_SIZE;
use super::monitored_body::MonitoredBody;
use super::reloadable::Reloadable;
use super::shutdown::ConnectionGuard;
use super::streams::Streams;
use super::{plain, tls};

/// The settings of every connection.
#[derive(Clone)]
pub(crate) struct ConnectionConfig {
    /// Timeout of the PROXY header, of the TLS handshake, of the head of each HTTP/1.1 request, and
    /// of an HTTP/2 connection without open streams. Starts anew for each of them.
    pub(crate) handshake_timeout: Duration,
    /// Timeout of a write: the client must take at least one byte in this time.
    pub(crate) write_timeout: Duration,
    /// The proxies trusted to report the clients' addresses.
    pub(crate) trusted_proxies: TrustedProxies,
    /// `None` if the server does not use TLS.
    pub(crate) tls_acceptor: Option<Reloadable<TlsAcceptor>>,
    /// `true` to serve HTTP/2 without TLS to clients that begin with it (RFC 9113, 3.3). Not with
    /// TLS.
    pub(crate) plain_http2: bool,
    /// Answers plain HTTP requests to a TLS port.
    pub(crate) plain_router: Front<Router>,
}

/// Maximum number of concurrent streams (requests and WebSockets) on one HTTP/2 connection: the
/// least that RFC 9113 (6.5.2) recommends. Browsers open another connection for more.
const MAX_STREAMS: u32 = 100;

/// Receive window of an HTTP/2 stream, in bytes: the default of HTTP/2, which allows 6 Mbit/s at a
/// round-trip time of 80 ms.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Receive window of an HTTP/2 connection, in bytes. All streams together have windows of 6.4 MiB,
/// so an unread stream never blocks another one. The connection window is ten times that because of
/// a limit in h2: h2 ends the connection (`too_many_data_frames`) if unread DATA frames below 256
/// bytes, each counted as 256 bytes minus its length, use up half of the window. With this value 56
/// WebSockets may stall while their client sends messages of 20 bytes, each in its own DATA frame.
const CONNECTION_WINDOW: u32 = 10 * MAX_STREAMS * STREAM_WINDOW;

/// The beginning of the preface of HTTP/2 (RFC 9113, 3.4) that no request of HTTP/1.1 has: there is
/// a method `PROPFIND`.
const HTTP2_BEGIN: &[u8; 3] = b"PRI";

/// Delays before a client's first bytes are looked at again, if they are fewer than
/// [`HTTP2_BEGIN`]. Chosen: 10,000 such clients cost 10,000 system calls in a second.
const MIN_PEEK_DELAY: Duration = Duration::from_millis(10);
const MAX_PEEK_DELAY: Duration = Duration::from_secs(1);

/// Time after it was accepted in which the first request on a connection is answered although the
/// server stops: a client that connects while another process takes the socket over must not lose
/// its request. Chosen: longer than a TLS handshake with a client far away, and hardly noticed when a
/// server stops.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// Timeout for gRPC calls in progress to complete when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves `stream` until the client disconnects, violates the protocol or exceeds a timeout, or the
/// server stops.
pub(super) async fn serve<S: ClientStream, A: Answer>(
    mut stream: S,
    service: A,
    guard: ConnectionGuard,
    config: ConnectionConfig,
) {
    let proxy_header = config.trusted_proxies.read_proxy_header(&mut stream, guard.peer());
    let guard = match tokio::time::timeout(config.handshake_timeout, proxy_header).await {
        Ok(Ok(client)) => guard.with_client(client),
        // A check that connects and sends nothing is usual; another beginning is a wrong setting.
        Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
            return warn!(
                peer = %guard.peer(),
                "connection of a trusted proxy ended: {error}; --proxy-protocol requires the \
                 header on each connection of a proxy"
            );
        }
        Ok(Err(error)) => return debug!(peer = %guard.peer(), "connection ended: {error}"),
        Err(_) => {
            return debug!(
                peer = %guard.peer(),
                "connection ended: timed out waiting for the PROXY header"
            );
        }
    };
    let span = guard.span().clone();
    let served = async {
        match serve_client(stream, service, guard, config).await {
            Ok(()) => debug!("connection ended"),
            Err(error) => debug!("connection ended: {error:#}"),
        }
    };
    served.instrument(span).await;
}

/// Serves the connection of a client whose address is known.
///
/// # Errors
/// The reason why the connection ended early; for the log only.
async fn serve_client<S: ClientStream, A: Answer>(
    mut stream: S,
    service: A,
    guard: ConnectionGuard,
    config: ConnectionConfig,
) -> anyhow::Result<()> {
    let (handshake_timeout, write_timeout) = (config.handshake_timeout, config.write_timeout);
    let first_request = Instant::now() + FIRST_REQUEST_TIME;
    let Some(tls) = config.tls_acceptor else {
        let begins_http2 = config.plain_http2
            && tokio::select! {
                begins = tokio::time::timeout(handshake_timeout, begins_http2(&mut stream)) => begins
                    .context("timed out waiting for a request")??,
                () = late_shutdown(&guard, first_request) => return Ok(()),
            };
        let stream = WriteTimeout::new(stream, write_timeout);
        return if begins_http2 {
            serve_http2(stream, service, guard, handshake_timeout, write_timeout).await
        } else {
            serve_http1(stream, service, guard, handshake_timeout, first_request).await
        };
    };
    let tls = tls.current();
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(handshake_timeout, accept_tls(stream, &tls)) => accepted
            .context("the TLS handshake timed out")?
            .context("the TLS handshake failed")?,
        () = late_shutdown(&guard, first_request) => return Ok(()),
    };
    match accepted {
        MaybeTlsStream::Tls(mut stream)
            if stream.get_ref().1.alpn_protocol() == Some(tls::ACME) =>
        {
            // The handshake has shown the authority all that it asks (RFC 8737, 4).
            tokio::time::timeout(handshake_timeout, stream.shutdown()).await.unwrap_or(Ok(()))?;
            Ok(())
        }
        MaybeTlsStream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) => {
            let stream = WriteTimeout::new(*stream, write_timeout);
            serve_http2(stream, service, guard, handshake_timeout, write_timeout).await
        }
        MaybeTlsStream::Tls(stream) => {
            let stream = WriteTimeout::new(*stream, write_timeout);
            serve_http1(stream, service, guard, handshake_timeout, first_request).await
        }
        MaybeTlsStream::Plain(stream) => {
            let stream = WriteTimeout::new(stream, write_timeout);
            serve_http1(stream, config.plain_router, guard, handshake_timeout, first_request).await
        }
    }
}

/// Waits for the shutdown, and for the time of a first request. Cancel safe.
async fn late_shutdown(guard: &ConnectionGuard, first_request: Instant) {
    guard.wait_for_shutdown().await;
    sleep_until(first_request).await;
}

/// Returns whether a client begins with HTTP/2. Takes nothing from the stream.
async fn begins_http2(stream: &mut impl ClientStream) -> std::io::Result<bool> {
    let mut begin = [0; HTTP2_BEGIN.len()];
    let mut delay = MIN_PEEK_DELAY;
    loop {
        let length = stream.peek(&mut begin).await?;
        if length == 0 || begin[..length] != HTTP2_BEGIN[..length] {
            return Ok(false);
        }
        if length == begin.len() {
            return Ok(true);
        }
        // The system cannot wait for more bytes than there are. Clients send these in one packet.
        tokio::time::sleep(delay).await;
        delay = MAX_PEEK_DELAY.min(delay * 2);
    }
}

/// A connection to a TLS port, after the TLS handshake if the client began one.
enum MaybeTlsStream<S> {
    Tls(Box<TlsStream<S>>),
    Plain(S),
}

/// Performs the TLS handshake, unless the first byte shows that the client does not use TLS.
async fn accept_tls<S: ClientStream>(
    mut stream: S,
    tls: &TlsAcceptor,
) -> std::io::Result<MaybeTlsStream<S>> {
    let mut first = [plain::TLS_HANDSHAKE];
    // `first` keeps this value if the client closes without a byte: the TLS handshake then fails.
    stream.peek(&mut first).await?;
    if first == [plain::TLS_HANDSHAKE] {
        Ok(MaybeTlsStream::Tls(Box::new(tls.accept(stream).await?)))
    } else {
        Ok(MaybeTlsStream::Plain(stream))
    }
}

async fn serve_http1<S, A>(
    stream: S,
    service: A,
    guard: ConnectionGuard,
    head_timeout: Duration,
    first_request: Instant,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    let requested = Notify::new();
    let answer = service_fn(|mut request: Request<Incoming>| {
        requested.notify_one();
        request.extensions_mut().insert(PeerAddr(guard.peer()));
        request.extensions_mut().insert(guard.clone());
        service.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_SIZE as usize)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        () = guard.wait_for_shutdown() => {}
    }
    tokio::select! {
        result = connection.as_mut() => return Ok(result?),
        // At once, if there was a request.
        () = requested.notified() => {}
        () = sleep_until(first_request) => {}
    }
    connection.as_mut().graceful_shutdown();
    Ok(connection.await?)
}

async fn serve_http2<S, A>(
    stream: S,
    service: A,
    guard: ConnectionGuard,
    idle_timeout: Duration,
    stall_timeout: Duration,
) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answer,
{
    let streams = Streams::default();
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(guard.peer()));
        let guard = guard.clone().with_stream(streams.open());
        let is_websocket = request.method() == Method::CONNECT;
        let guard = if is_websocket { guard.with_slot() } else { Some(guard) };
        let response = guard.map(|guard| {
            request.extensions_mut().insert(guard);
            service.clone().call(request)
        });
        let streams = streams.clone();
        async move {
            let response = match response {
                Some(response) => response.await?,
                None => no_slot(),
            };
            Ok::<_, Infallible>(response.map(|body| MonitoredBody::new(body, &streams)))
        }
    });
    let (gather, turn) = Gather::new(stream);
    let guarded = Http2Guard::new(gather);
    let resets = guarded.reset_limit();
    let connection =
        http2_builder().enable_connect_protocol().serve_connection(TokioIo::new(guarded), answer);
    let mut connection = pin!(connection);
    tokio::select! {
        result = run(connection.as_mut(), &turn) => return result,
        () = guard.wait_for_shutdown() => {}
        () = streams.wait_until_idle(idle_timeout, stall_timeout) => {}
        () = resets.reached() => debug!(peer = %guard.peer(), "too many streams were reset"),
    }
    connection.as_mut().graceful_shutdown();
    // Disconnects a client that does not end its streams, or never began to use HTTP/2.
    tokio::select! {
        result = run(connection.as_mut(), &turn) => result,
        () = streams.wait_until_idle(idle_timeout, idle_timeout) => Ok(()),
    }
}

/// Runs a connection, and sends what it has written after each of its turns.
async fn run<C, S>(mut connection: Pin<&mut C>, turn: &Turn<S>) -> anyhow::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
    S: AsyncWrite + Unpin,
{
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Ok(ended?));
        }
        match turn.poll_end(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            _ => Poll::Pending,
        }
    })
    .await
}

/// Serves gRPC on `connection`, which is carried and kept alive by a WebSocket, until the client
/// disconnects or the server stops.
///
/// # Errors
/// The reason why the connection ended early; for the log only.
pub(crate) async fn serve_grpc(
    connection: sockeye_grpc::Connection,
    service: Router,
    guard: ConnectionGuard,
) -> anyhow::Result<()> {
    let config = ServeConfig::new()
        .max_calls(MAX_STREAMS)
        .stream_window(STREAM_WINDOW)
        .max_header_list_size(HEAD_SIZE);
    let shutdown = guard.wait_for_shutdown();
    let mut serving = pin!(sockeye_grpc::serve_connection(connection, service, &config, shutdown));
    tokio::select! {
        result = serving.as_mut() => return Ok(result?),
        () = guard.wait_for_shutdown() => {}
    }
    // Some calls never end by themselves.
    Ok(tokio::time::timeout(SHUTDOWN_TIMEOUT, serving).await.unwrap_or(Ok(()))?)
}

/// Returns the response to the opening handshake of a WebSocket on an HTTP/2 stream when all slots
/// for connections are in use. Unlike a connection, a stream cannot wait in the system's accept
/// queue.
fn no_slot() -> Response {
    let text = "all connections of --max-connections are in use; try again later\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text).into_response()
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
