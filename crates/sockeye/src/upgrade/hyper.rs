//! Upgrades of hyper requests.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use sockeye_proto::Role;
use sockeye_proto::handshake::{HandshakeError, Negotiated, Refusal, Request, Response};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;
use tracing::Span;

use super::stream::Http2Stream;
use super::{Options, PeerAddr, UpgradeError, WriteTimeout};
use crate::WebSocket;
use crate::metrics::RoleMetrics;
use crate::transport::Transport;

/// Upgrades a hyper request: returns the response to send, and a future of the connection that
/// opens once the response is sent.
///
/// # HTTP/1.1
/// The connection must be served with upgrades (`with_upgrades` of hyper's connections). Over plain
/// TCP, served as `TokioIo<TcpStream>`, the WebSocket takes the TCP stream out of hyper and uses it
/// directly, also with a [`WriteTimeout`] between the two. Over TLS, the client's address is taken
/// from a [`PeerAddr`] in the request's extensions.
///
/// # HTTP/2
/// A WebSocket is a stream that was opened by an extended CONNECT (RFC 8441), beside many others on
/// one connection. Clients request this only where the server allows it: with
/// `enable_connect_protocol()` of hyper's `http2::Builder`, or of the `http2()` of hyper-util's
/// `auto::Builder`.
///
/// - The connection's window should have capacity for every stream
///   (`initial_connection_window_size` of `max_concurrent_streams` times
///   `initial_stream_window_size`): with hyper's default, where both windows are the same, a
///   WebSocket that is not read keeps the others from receiving.
/// - Better is ten times as much and a stream window of 64 KiB. h2, beneath hyper, ends a
///   connection on which too many DATA frames below 256 bytes are unread: the difference to that
///   length is charged to a budget of half the connection's window. Sockeye's clients do not send
///   so many. Others send a frame for each message, browsers among them.
/// - [`Http2Guard`](super::Http2Guard) beneath the connection limits the cost of resets and control
///   frames.
///
/// The peer's flow control blocks [`WebSocket::send`] once about 64 KiB exceed the peer's window.
/// To a peer that may not have read the previous data, short messages are sent after a ping or pong
/// of a hundred bytes and more, so that they do not use up the peer's budget.
///
/// The client's address is taken from a [`PeerAddr`] in the request's extensions.
///
/// When the peer resets the stream, sending fails with an [`Error::Io`](crate::Error::Io) of the
/// kind [`ConnectionReset`](std::io::ErrorKind::ConnectionReset) that contains hyper's reason, and
/// so does receiving; a reset with the code CANCEL is received as
/// [`Error::Disconnected`](crate::Error::Disconnected).
///
/// ```no_run
/// use http::{Request, Response};
/// use sockeye::upgrade::{self, Options, Refusal};
///
/// async fn service<B>(mut request: Request<B>) -> Response<String> {
///     match upgrade::hyper(&mut request, &Options::new()) {
///         Ok((response, upgrading)) => {
///             tokio::spawn(async move {
///                 let mut ws = upgrading.await?;
///                 ws.send("hello").await
///             });
///             response
///         }
///         Err(error) => Refusal::from(&error).into_response(),
///     }
/// }
/// ```
///
/// # Errors
/// The rule that the request breaks: respond with `Refusal::from(&error).into_response()`, or with
/// the path's response to requests that are not for a WebSocket.
pub fn hyper<B, C: Default>(
    request: &mut http::Request<B>,
    options: &Options,
) -> Result<(http::Response<C>, Upgrading), HandshakeError> {
    let answered = answer(request, options);
    if let Err(error) = &answered {
        tracing::debug!(error = error as &dyn std::error::Error, "request not upgraded");
        RoleMetrics::of(Role::Server).count_refused(error);
    }
    let AcceptedRequest { response, on_upgrade, peer, data } = answered?;
    let span = tracing::debug_span!(
        "websocket",
        peer = peer.map(tracing::field::display),
        version = ?request.version(),
        path = request.uri().path(),
        subprotocol = tracing::field::Empty,
    );
    let (answer, upgrading) = upgrade(response, on_upgrade, options.clone());
    Ok((answer, Upgrading { peer, data, span, ..upgrading }))
}

/// A request that obeys the rules of the handshake, with the response to it.
struct AcceptedRequest {
    response: Response,
    on_upgrade: OnUpgrade,
    peer: Option<SocketAddr>,
    data: Extensions,
}

fn answer<B>(
    request: &mut http::Request<B>,
    options: &Options,
) -> Result<AcceptedRequest, HandshakeError> {
    let (response, peer, data) = {
        let (method, version, uri) = (request.method(), request.version(), request.uri());
        let parsed = parse_request(method, version, uri, request.headers(), request.extensions())?;
        let peer = request.extensions().get().map(|PeerAddr(peer)| *peer);
        let peer = options.client(peer, &parsed);
        (options.answer(&parsed)?, peer, options.connection_data(Extensions::new(), &parsed, peer)?)
    };
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or_else(not_upgradable)?;
    Ok(AcceptedRequest { response, on_upgrade, peer, data })
}

/// Returns the request for a WebSocket, parsed by the rules of its version of HTTP.
pub(crate) fn parse_request<'a>(
    method: &Method,
    version: Version,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &Extensions,
) -> Result<Request<'a>, HandshakeError> {
    if version == Version::HTTP_2 {
        let protocol = extensions.get::<Protocol>().map(AsRef::as_ref);
        return Request::from_http2(method, protocol, uri, headers);
    }
    Request::from_http(method, version, uri, headers)
}

/// Returns the response to send, and the future of the connection, which is opened in the current
/// span.
pub(crate) fn upgrade<C: Default>(
    response: Response,
    on_upgrade: OnUpgrade,
    options: Options,
) -> (http::Response<C>, Upgrading) {
    let mut answer = http::Response::new(C::default());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.to_headers();
    let over_http2 = response.status() != StatusCode::SWITCHING_PROTOCOLS;
    let negotiated = response.into_negotiated();
    let span = Span::none();
    let (peer, data) = (None, Extensions::new());
    let upgrading = Upgrading { on_upgrade, over_http2, options, negotiated, peer, data, span };
    (answer, upgrading)
}

/// Returns the error of a request that middleware took apart, or of a server that does not serve
/// upgrades.
pub(crate) fn not_upgradable() -> HandshakeError {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this server cannot upgrade the connection\n")
        .into()
}

/// A connection that is being upgraded: the future of a [`WebSocket`], ready once the response that
/// [`hyper()`] returned is sent.
///
/// # Errors
/// [`UpgradeError::Hyper`] when the HTTP connection ended before the response was sent.
///
/// # Cancel safety
/// Dropping the future ends the connection after the response.
#[must_use = "there is no WebSocket until this is awaited"]
pub struct Upgrading {
    on_upgrade: OnUpgrade,
    over_http2: bool,
    options: Options,
    negotiated: Negotiated,
    /// The client's address, where it is known by other means than the transport.
    pub(crate) peer: Option<SocketAddr>,
    data: Extensions,
    span: Span,
}

impl Future for Upgrading {
    type Output = Result<WebSocket, UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded =
            ready!(Pin::new(&mut self.on_upgrade).poll(cx)).map_err(UpgradeError::Hyper)?;
        let (transport, input) = if self.over_http2 {
            let stream = Http2Stream::new(upgraded);
            let pings = stream.pings();
            (Transport::boxed(stream, None).with_pings(Some(pings)), Bytes::new())
        } else {
            transport(upgraded)
        };
        let negotiated = std::mem::take(&mut self.negotiated);
        let data = std::mem::take(&mut self.data);
        let peer = self.peer.or_else(|| transport.peer_addr());
        let open = || self.options.open(transport, peer, &input, negotiated).with_data(data);
        Poll::Ready(Ok(self.span.in_scope(open)))
    }
}

/// Returns the TCP stream itself where there is one, with the bytes that hyper has read beyond the
/// request.
fn transport(upgraded: Upgraded) -> (Transport, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return (parts.io.into_inner().into(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<WriteTimeout<TcpStream>>>() {
        Ok(parts) => return (parts.io.into_inner().into_inner().into(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<WriteTimeout<TlsStream<TcpStream>>>>() {
        Ok(parts) => return over_tls(parts.io.into_inner().into_inner(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
        Ok(parts) => return over_tls(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => (parts.io.into_inner().into(), parts.read_buf),
        Err(upgraded) => (Transport::boxed(TokioIo::new(upgraded), None), Bytes::new()),
    }
}

#[cfg(feature = "tls")]
fn over_tls(stream: TlsStream<TcpStream>, input: Bytes) -> (Transport, Bytes) {
    let peer = stream.get_ref().0.peer_addr().ok();
    (Transport::boxed(stream, peer), input)
}

impl fmt::Debug for Upgrading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrading").field("negotiated", &self.negotiated).finish_non_exhaustive()
    }
}
