//! Many WebSockets on one HTTP/2 connection (RFC 8441).

mod content_length;
mod limits;
mod stream;

use std::fmt;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, Reason, client};
use http::StatusCode;
use sockeye_proto::handshake::{ClientRequest, HandshakeError, Key};
use sockeye_proto::{Connection, Role};
use tokio::io::{AsyncRead, AsyncWrite};

#[cfg(feature = "tls")]
use super::begin_tls;
use super::body::{self, Framing};
use super::{Client, ConnectError, Stage, StageTimer};
use crate::metrics::RoleMetrics;
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::Transport;
use crate::{WebSocket, opening, random};
use stream::{Stream, io_error};

/// Flow-control window of a stream, in bytes: enough for 25 Mbit/s at a round-trip time of 80 ms.
/// Unread short messages take some 300 bytes more each, in h2: at 20 bytes each 3.5 MB in all.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Flow-control window of the connection, in bytes: the maximum (RFC 9113 section 6.9.1), so that a
/// WebSocket that is not read never blocks the others. Each stream is bounded by its window.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Limit of bytes queued in h2 and not yet written, at which writes to a WebSocket wait regardless
/// of the server's window: four writes.
const SEND_BUFFER: usize = 4 * crate::http2::MAX_WRITE;

/// Maximum number of times in a row that a request is retried after the server refused the stream
/// unprocessed.
const MAX_REFUSALS: u32 = 3;

impl Client {
    /// Opens an HTTP/2 connection that carries any number of WebSockets: [`Http2::open`] opens
    /// each.
    ///
    /// For a `wss` URL, ALPN offers only `h2`, whatever the [TLS configuration](Self::tls) names;
    /// for a `ws` URL, the client assumes that the server speaks HTTP/2 on plain TCP. The URL's
    /// path is not used. Redirects are not followed.
    ///
    /// ```no_run
    /// # async fn example() -> sockeye::Result<()> {
    /// use sockeye::Client;
    ///
    /// let http2 = Client::new("wss://example.com/").connect_http2().await?;
    /// let mut chat = http2.open("/chat").await?;
    /// let mut prices = http2.open("/prices?of=salmon").await?;
    /// chat.send("hello").await?;
    /// # let _ = prices.recv().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError::NoHttp2`] when the server selected another protocol,
    /// [`ConnectError::NoExtendedConnect`] when the server speaks HTTP/2 but does not allow
    /// WebSockets on it: in both cases [`connect`](Self::connect) may succeed. Otherwise those of
    /// [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was being opened.
    pub async fn connect_http2(&self) -> Result<Http2, ConnectError> {
        let request = self.request()?;
        let stage_timer = self.stage_timer();
        let stream = self.dial(request.url(), &stage_timer).await?;
        let transport = self.secure_http2(request, stream.into(), &stage_timer).await?;
        stage_timer.watch(Stage::Http2, Box::pin(self.begin_http2(transport))).await
    }

    /// Begins HTTP/2 over a stream that is already connected, by TLS or any other way; of the URL
    /// only the host is used.
    ///
    /// # Errors
    /// The [`ConnectError`]s of the last stage.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn handshake_http2<S>(&self, stream: S) -> Result<Http2, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.request()?;
        let stage_timer = self.stage_timer();
        stage_timer
            .watch(Stage::Http2, Box::pin(self.begin_http2(opening::transport(stream))))
            .await
    }

    async fn begin_http2(&self, transport: Transport) -> Result<Http2, ConnectError> {
        let peer = transport.peer_addr();
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // Each WebSocket is bounded by its window: one that is not read must not end the
            // connection.
            .data_frame_budget(usize::MAX)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(limits::to_read(self.head_limits))
            .handshake(content_length::RenameContentLength::new(transport))
            .await
            .map_err(failed)?;
        let ping = connection.ping_pong();
        tokio::spawn(drive(connection));
        //= https://www.rfc-editor.org/rfc/rfc9113#section-3.4
        //# The server connection preface consists of a potentially empty
        //# SETTINGS frame (Section 6.5) that MUST be the first frame the server
        //# sends in the HTTP/2 connection.
        // So the settings are known once the server acknowledges a ping.
        if let Some(mut ping) = ping {
            ping.ping(Ping::opaque()).await.map_err(failed)?;
        }
        //= https://www.rfc-editor.org/rfc/rfc8441#section-3
        //# Upon receipt of SETTINGS_ENABLE_CONNECT_PROTOCOL with a value of 1, a
        //# client MAY use the Extended CONNECT as defined in this document when
        //# creating new streams.
        if !sender.is_extended_connect_protocol_enabled() {
            return Err(ConnectError::NoExtendedConnect);
        }
        Ok(Http2 { client: self.clone(), sender, peer })
    }

    #[cfg(feature = "tls")]
    async fn secure_http2(
        &self,
        request: &ClientRequest,
        stream: Transport,
        stage_timer: &StageTimer,
    ) -> Result<Transport, ConnectError> {
        if !request.url().is_secure() {
            return Ok(stream);
        }
        let host = request.url().host();
        let peer = stream.peer_addr();
        let config = tls::http2_config(self.tls.as_ref(), &[tls::HTTP2]);
        let stream = begin_tls(stream, host, config, stage_timer).await?;
        if stream.get_ref().1.alpn_protocol() != Some(tls::HTTP2) {
            return Err(ConnectError::NoHttp2 { host: host.to_owned() });
        }
        Ok(Transport::boxed(stream, peer))
    }

    #[cfg(not(feature = "tls"))]
    async fn secure_http2(
        &self,
        request: &ClientRequest,
        stream: Transport,
        stage_timer: &StageTimer,
    ) -> Result<Transport, ConnectError> {
        self.secure(request, stream, stage_timer).await
    }
}

#[cfg(feature = "tls")]
impl Client {
    /// Opens `wss` connections over HTTP/2 where the server selects it and allows WebSockets on it,
    /// else over HTTP/1.1: ALPN offers both, whatever the [TLS configuration](Self::tls) names.
    /// Default: HTTP/1.1 only.
    ///
    /// Each WebSocket uses a separate connection; [`connect_http2`](Self::connect_http2) shares
    /// one. If the server speaks HTTP/2 without WebSockets, the client opens a second connection,
    /// over HTTP/1.1.
    ///
    /// ```no_run
    /// # async fn example() -> sockeye::Result<()> {
    /// let ws = sockeye::Client::new("wss://example.com/chat").prefer_http2().connect().await?;
    /// # drop(ws);
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefer_http2(self) -> Self {
        Self { prefer_http2: true, ..self }
    }

    /// Opens one connection, with the version of HTTP that the server selects.
    pub(super) async fn attempt_either(
        &self,
        request: &ClientRequest,
        stage_timer: &StageTimer,
    ) -> Result<WebSocket, ConnectError> {
        let stream = Transport::from(self.dial(request.url(), stage_timer).await?);
        let peer = stream.peer_addr();
        let config = tls::http2_config(self.tls.as_ref(), &[tls::HTTP2, tls::HTTP1]);
        let stream = begin_tls(stream, request.url().host(), config, stage_timer).await?;
        let over_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
        let transport = Transport::boxed(stream, peer);
        if !over_http2 {
            return stage_timer.watch(Stage::Handshake, self.open(request, transport)).await;
        }
        match stage_timer.watch(Stage::Http2, Box::pin(self.begin_http2(transport))).await {
            Ok(http2) => stage_timer.watch(Stage::Handshake, http2.start(request)).await,
            Err(ConnectError::NoExtendedConnect) => self.attempt_http1(request, stage_timer).await,
            Err(error) => Err(error),
        }
    }
}

/// An HTTP/2 connection, on which WebSockets are opened.
///
/// Clones share the connection. The connection ends when the last clone and the last of its
/// WebSockets are dropped. When the connection fails, each of its WebSockets receives an error, and
/// [`open`](Self::open) fails from then on.
#[derive(Clone)]
pub struct Http2 {
    client: Client,
    sender: SendRequest<Bytes>,
    peer: Option<SocketAddr>,
}

impl Http2 {
    /// Opens a WebSocket at a path and query of the server, with the headers, subprotocols, limits
    /// and deadlines of the [`Client`] that opened the connection.
    ///
    /// Waits until an open stream ends if the server's maximum of open streams is reached.
    ///
    /// # Errors
    /// [`ConnectError::Request`], [`ConnectError::Handshake`], [`ConnectError::Io`] when the
    /// connection has failed or the server accepts no further streams, [`ConnectError::TimedOut`]
    /// after the client's [`connect_timeout`](Client::connect_timeout).
    ///
    /// # Cancel safety
    /// Dropping the future resets the stream that was being opened; other streams are not affected.
    pub async fn open(&self, target: &str) -> Result<WebSocket, ConnectError> {
        let mut request = self.client.request()?.clone();
        request.set_url(request.url().with_target(target)?);
        self.open_request(&request).await
    }

    /// Opens a WebSocket as [`open`](Self::open) does, with the headers, subprotocols, compression
    /// and path of another client. Its URL must name the same server by the same scheme; its limits
    /// and deadlines are not used.
    ///
    /// # Errors
    /// [`ConnectError::OtherServer`] when the URL names another server or scheme; otherwise those
    /// of [`open`](Self::open).
    ///
    /// # Cancel safety
    /// The same as for [`open`](Self::open).
    pub async fn open_as(&self, client: &Client) -> Result<WebSocket, ConnectError> {
        let request = client.request()?;
        let (url, own) = (request.url(), self.client.request()?.url());
        if (url.is_secure(), url.authority()) != (own.is_secure(), own.authority()) {
            let (requested, connected) = (url.authority().to_owned(), own.authority().to_owned());
            return Err(ConnectError::OtherServer { requested, connected });
        }
        self.open_request(request).await
    }

    async fn open_request(&self, request: &ClientRequest) -> Result<WebSocket, ConnectError> {
        let stage_timer = self.client.stage_timer();
        stage_timer.watch(Stage::Handshake, self.start(request)).await
    }

    async fn start(&self, request: &ClientRequest) -> Result<WebSocket, ConnectError> {
        let mut refusals = 0;
        let mut key = None;
        let (answer, send) = loop {
            let mut head = request.to_http2(key)?;
            head.extensions_mut().insert(Protocol::from_static("websocket"));
            let mut sender = self.sender.clone().ready().await.map_err(failed)?;
            let (answer, send) = sender.send_request(head, false).map_err(failed)?;
            match answer.await {
                // A proxy translated the request to HTTP/1.1 without adding the key that its server
                // requires (Envoy). Other proxies add a key, and would then send two: so the first
                // request has none.
                Ok(answer) if answer.status() == StatusCode::BAD_REQUEST && key.is_none() => {
                    Stream::new(send, answer.into_body()).reset();
                    key = Some(Key::new(random::bytes()));
                }
                Ok(answer) => break (answer, send),
                //= https://www.rfc-editor.org/rfc/rfc9113#section-8.7
                //# The REFUSED_STREAM error code can be included in a RST_STREAM
                //# frame to indicate that the stream is being closed prior to any
                //# processing having occurred.  Any request that was sent on the
                //# reset stream can be safely retried.
                //
                // h2's server still counts a stream briefly after both sides have ended it, and
                // refuses the next.
                Err(error)
                    if error.reason() == Some(Reason::REFUSED_STREAM)
                        && refusals < MAX_REFUSALS =>
                {
                    refusals += 1;
                }
                Err(error) => return Err(failed(error)),
            }
        };
        let (mut parts, receive) = answer.into_parts();
        content_length::restore(&mut parts.headers);
        let mut stream = Stream::new(send, receive);
        let limits = self.client.head_limits;
        let verified = limits::check(parts.status, &mut parts.headers, limits)
            .and_then(|()| request.verify_http2(parts.status, &parts.headers));
        if let Err(error) = &verified {
            RoleMetrics::of(Role::Client).count_refused(error);
        }
        match verified {
            Ok(negotiated) => {
                let connection = Connection::client(&self.client.config, random::bytes);
                let pings = stream.pings();
                let transport = Transport::boxed(stream, self.peer).with_pings(Some(pings));
                let ws = opening::open(transport, connection, &[], negotiated);
                let response = http::Response::from_parts(parts, ());
                let ws = ws.with_timeouts(&self.client.config).with_shutdown_first();
                Ok(ws.with_response(response))
            }
            Err(error @ HandshakeError::Status { .. }) => {
                let body = body::read(&mut stream, BytesMut::new(), Framing::UntilEnd).await;
                stream.reset();
                Err(error.with_body(body).into())
            }
            Err(error) => {
                stream.reset();
                Err(error.into())
            }
        }
    }
}

/// Drives the connection, which carries the bytes of all streams, until it fails or its last user
/// is dropped.
async fn drive(
    connection: client::Connection<content_length::RenameContentLength<Transport>, Bytes>,
) {
    match connection.await {
        Ok(()) => tracing::debug!("HTTP/2 connection ended"),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "HTTP/2 connection failed");
        }
    }
}

fn failed(error: h2::Error) -> ConnectError {
    ConnectError::Io(io_error(error))
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("client", &self.client)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
