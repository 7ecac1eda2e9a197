//! Endpoints: the address and settings of connections.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use h2::client;
use http::Uri;
use http::uri::{Authority, Scheme};
use sockeye::Client;
use sockeye::handshake::Url;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ClientConfig;

use crate::backoff::Backoff;
use crate::channel::Channel;
use crate::clock::{self, BoxFuture, MaybeSend};
use crate::connection::{self, Sender, Transport};
use crate::keepalive::Keepalive;
use crate::link::Link;
#[cfg(feature = "tls")]
use crate::tls;
use crate::{ConnectError, http2};

/// Default connect timeout: that of a [`Client`](sockeye::Client) for the WebSocket, which is most
/// of the work.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Default stream window, in bytes: large enough for a fast network with high latency, as 2 MiB in
/// 50 ms are 335 Mbit/s. Taken from hyper's client.
const DEFAULT_STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// Default connection window, in bytes: two and a half stream windows. Taken from hyper's client.
const DEFAULT_CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;

/// Default maximum size of a header list, in bytes: eight times the minimum that gRPC requires of
/// every implementation, enough for a status with details and as much metadata again.
const DEFAULT_MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// Default keepalive time. A page cannot send WebSocket pings, as a native program does, and has no
/// other way to detect a frozen server. Half of the minute after which proxies usually cut a silent
/// connection.
const DEFAULT_KEEPALIVE_AFTER: Option<Duration> =
    if cfg!(target_family = "wasm") { Some(Duration::from_secs(30)) } else { None };

/// Default keepalive timeout. Taken from gRPC's keepalive.
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a `ws` or `wss` URL with the defaults of [`Endpoint`], and returns a channel that
/// reconnects when necessary.
///
/// # Errors
/// [`ConnectError`] if the connection could not be opened.
///
/// # Cancel safety
/// If the future is dropped, the connection attempt is closed.
pub async fn connect(url: impl AsRef<str>) -> Result<Channel, ConnectError> {
    Endpoint::new(Client::new(url)).connect().await
}

type Connector = dyn Fn() -> BoxFuture<Result<Transport, ConnectError>> + Send + Sync;

/// An endpoint for gRPC: the address and settings of connections.
///
/// ```no_run
/// # async fn example() -> Result<(), sockeye_grpc::ConnectError> {
/// use std::time::Duration;
///
/// use sockeye::Client;
/// use sockeye_grpc::{Backoff, Endpoint};
///
/// let client = Client::new("wss://example.com/grpc").subprotocols(["grpc"]);
/// let channel = Endpoint::new(client)
///     .backoff(Backoff::new().cap(Duration::from_secs(5)))
///     .connect()
///     .await?;
/// # let _ = channel;
/// # Ok(())
/// # }
/// ```
///
/// The maximum length of messages is set on each generated client: see `max_decoding_message_size`
/// of the clients that tonic generates.
#[derive(Clone)]
pub struct Endpoint {
    connector: Arc<Connector>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ClientConfig>>,
    origin: (Scheme, Authority),
    connect_timeout: Duration,
    backoff: Backoff,
    waits_for_ready: bool,
    stream_window: u32,
    connection_window: u32,
    max_header_list_size: u32,
    keepalive_after: Option<Duration>,
    keepalive_timeout: Duration,
}

impl Endpoint {
    /// Creates an endpoint that connects with this client, which determines the URL, headers,
    /// subprotocols and TLS.
    ///
    /// Calls use the host of the URL as their origin, unless [`origin`](Self::origin) overrides it.
    ///
    /// In the browser, the connection uses `WebSocket` even where `WebSocketStream` is available:
    /// HTTP/2 windows already bound the unread bytes, and a call takes a tenth less time.
    pub fn new(client: Client) -> Self {
        #[cfg(target_family = "wasm")]
        let client = client.websocket_stream(false);
        let origin = client.url().and_then(origin_of).unwrap_or_else(unknown_origin);
        let connector = move || -> BoxFuture<Result<Transport, ConnectError>> {
            let client = client.clone();
            Box::pin(async move {
                let ws = client.connect().await.map_err(ConnectError::WebSocket)?;
                Ok(Box::new(ws.into_byte_stream()) as Transport)
            })
        };
        Self::reached_by(Arc::new(connector), origin)
    }

    /// Creates an endpoint that connects through byte streams opened by the program.
    ///
    /// The function is called for each connection attempt. A TCP stream should use
    /// `set_nodelay(true)`; otherwise a call may wait 40 ms for the operating system's
    /// acknowledgement. Calls use `http://localhost` as their origin unless
    /// [`origin`](Self::origin) overrides it.
    pub fn with_connector<F, C, S>(connector: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = io::Result<S>> + MaybeSend + 'static,
        S: AsyncRead + AsyncWrite + Unpin + MaybeSend + 'static,
    {
        let connector = move || -> BoxFuture<Result<Transport, ConnectError>> {
            let connecting = connector();
            Box::pin(async {
                let stream = connecting.await.map_err(ConnectError::Transport)?;
                Ok(Box::new(stream) as Transport)
            })
        };
        Self::reached_by(Arc::new(connector), unknown_origin())
    }

    fn reached_by(connector: Arc<Connector>, origin: (Scheme, Authority)) -> Self {
        Self {
            connector,
            #[cfg(feature = "tls")]
            tls: None,
            origin,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            backoff: Backoff::new(),
            waits_for_ready: false,
            stream_window: DEFAULT_STREAM_WINDOW,
            connection_window: DEFAULT_CONNECTION_WINDOW,
            max_header_list_size: DEFAULT_MAX_HEADER_LIST_SIZE,
            keepalive_after: DEFAULT_KEEPALIVE_AFTER,
            keepalive_timeout: DEFAULT_KEEPALIVE_TIMEOUT,
        }
    }

    /// Sets the scheme and authority of calls, in place of those of the URL. A path or query is
    /// ignored.
    pub fn origin(self, origin: &Uri) -> Self {
        let (scheme, authority) = self.origin;
        let origin = (
            origin.scheme().cloned().unwrap_or(scheme),
            origin.authority().cloned().unwrap_or(authority),
        );
        Self { origin, ..self }
    }

    /// Enables TLS inside the byte stream, up to the gRPC server: intermediaries that carry the
    /// WebSocket, such as a proxy that terminates `wss`, see only ciphertext. Default: none.
    ///
    /// The server's certificate must be valid for the host of the origin, which is that of the URL
    /// unless [`origin`](Self::origin) overrides it; calls use the scheme `https`. The ALPN
    /// protocols of the configuration are replaced by `h2`. A tonic server accepts the connections
    /// of [`incoming`](crate::incoming) with its own `tls_config`.
    ///
    /// In the browser, rustls works with ring, which needs its feature `wasm32_unknown_unknown_js`
    /// and, for compilation, clang.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        let (_, authority) = self.origin;
        Self { tls: Some(tls::for_http2(config)), origin: (Scheme::HTTPS, authority), ..self }
    }

    /// Sets the timeout for opening a connection, up to the first bytes of HTTP/2 from the server.
    /// Default: 20 s.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Sets the backoff between connection attempts.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets whether calls wait without a connection, through failed attempts and the pauses between
    /// them, until their deadline; with `false`, calls during a pause fail at once. Default:
    /// `false`. gRPC calls this wait-for-ready.
    ///
    /// A call without a deadline then waits for as long as the server is unreachable.
    pub fn wait_for_ready(self, waits_for_ready: bool) -> Self {
        Self { waits_for_ready, ..self }
    }

    /// Sets the maximum size of a response's list of headers or trailers, in bytes as counted by
    /// RFC 9113 section 6.5.2: names, values and 32 for each. Default: 64 KiB.
    ///
    /// The limit is sent to the server. A call whose response exceeds the limit fails as
    /// `internal`, with a message that names this setting. A list of more than four times the limit
    /// ends the connection, because HTTP/2 cannot skip headers without reading them.
    pub fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }

    /// Sets the keepalive time: how long the server may be silent while calls are in progress
    /// before the channel probes it; `None` disables the probe. The probe may be sent after up to
    /// twice this time. Default: 30 s in the browser, and `None` in native programs, where the
    /// WebSocket sends pings: see [`Config::ping_after`](sockeye::Config::ping_after()).
    ///
    /// If the server does not answer within [`keepalive_timeout`](Self::keepalive_timeout), the
    /// connection is closed: its calls fail as `unavailable`, and the next call reconnects. The
    /// probe is an HTTP/2 SETTINGS frame that changes nothing, which every server acknowledges at
    /// once.
    pub fn keepalive_after(self, silence: Option<Duration>) -> Self {
        Self { keepalive_after: silence, ..self }
    }

    /// Sets the timeout for the server's answer to a keepalive probe. Default: 20 s.
    pub fn keepalive_timeout(self, timeout: Duration) -> Self {
        Self { keepalive_timeout: timeout, ..self }
    }

    /// Sets how many bytes of one call's responses may be in flight or unread. Default: 2 MiB.
    ///
    /// The window bounds the memory of a stream that the program does not read: the server then has
    /// to wait.
    pub fn stream_window(self, bytes: u32) -> Self {
        Self { stream_window: bytes, ..self }
    }

    /// Sets how many bytes of all responses of a connection may be in flight or unread. Default: 5
    /// MiB.
    ///
    /// In the browser, these bytes may wait in the `receive_queue` of the client, 16 MiB by
    /// default, which must be larger.
    pub fn connection_window(self, bytes: u32) -> Self {
        Self { connection_window: bytes, ..self }
    }

    /// Connects, and returns a channel that reconnects when necessary.
    ///
    /// # Errors
    /// [`ConnectError`] if the connection could not be opened.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connection attempt is closed.
    pub async fn connect(self) -> Result<Channel, ConnectError> {
        let sender = self.open().await?;
        Ok(Channel::new(Link::open(self, sender)))
    }

    /// Returns a channel that connects on its first call.
    pub fn connect_lazy(self) -> Channel {
        Channel::new(Link::idle(self))
    }

    pub(crate) fn request_origin(&self) -> &(Scheme, Authority) {
        &self.origin
    }

    pub(crate) fn waits_for_ready(&self) -> bool {
        self.waits_for_ready
    }

    pub(crate) fn pause(&self, earlier: u32) -> Duration {
        self.backoff.pause(earlier)
    }

    /// Makes one connection attempt.
    pub(crate) async fn open(&self) -> Result<Sender, ConnectError> {
        let limit = self.connect_timeout;
        clock::within(limit, async {
            let transport = (self.connector)().await?;
            #[cfg(feature = "tls")]
            let transport = match &self.tls {
                Some(config) => tls::connect(Arc::clone(config), &self.origin.1, transport).await?,
                None => transport,
            };
            connection::open(&self.http2(), self.keepalive(), transport).await
        })
        .await
        .unwrap_or(Err(ConnectError::TimedOut { limit }))
    }

    fn keepalive(&self) -> Option<Keepalive> {
        let (within, stream_window) = (self.keepalive_timeout, self.stream_window);
        self.keepalive_after.map(|after| Keepalive { after, within, stream_window })
    }

    fn http2(&self) -> client::Builder {
        let mut builder = client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .max_header_list_size(self.max_header_list_size)
            .data_frame_budget(http2::DATA_FRAME_BUDGET)
            // h2 reads the clock when it remembers a stream that was reset, and WASM has no
            // `Instant`. Without these two settings, dropping a call in the browser panics.
            .max_concurrent_reset_streams(0)
            .max_local_error_reset_streams(None);
        builder
    }
}

fn origin_of(url: &Url) -> Option<(Scheme, Authority)> {
    let scheme = if url.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
    Some((scheme, url.authority().parse().ok()?))
}

fn unknown_origin() -> (Scheme, Authority) {
    (Scheme::HTTP, Authority::from_static("localhost"))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("origin", &self.origin)
            .field("connect_timeout", &self.connect_timeout)
            .field("backoff", &self.backoff)
            .field("stream_window", &self.stream_window)
            .field("connection_window", &self.connection_window)
            .field("max_header_list_size", &self.max_header_list_size)
            .field("wait_for_ready", &self.waits_for_ready)
            .finish_non_exhaustive()
    }
}
