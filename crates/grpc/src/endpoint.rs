//! Where to connect to, and how.

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

/// As long as a [`Client`](sockeye::Client) takes for a WebSocket, which is most of it.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Large enough for a fast network over a long way: 2 MiB in 50 ms are 335 Mbit/s. Taken from hyper's client.
const DEFAULT_STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// What two and a half streams may fill. Taken from hyper's client.
const DEFAULT_CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;

/// Eight times what gRPC asks of every implementation: a status with details, and as much metadata again.
const DEFAULT_MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// A page cannot ping by WebSocket, as a native program does, and is told of a server that froze by nobody else. Half of the
/// minute after which proxies usually cut a silent connection.
const DEFAULT_KEEPALIVE_AFTER: Option<Duration> =
    if cfg!(target_family = "wasm") { Some(Duration::from_secs(30)) } else { None };

/// Taken from the keepalive of gRPC.
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a `ws` or `wss` URL with the defaults of [`Endpoint`], and gives a channel that connects again when it has to.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
///
/// # Cancel safety
/// If it is dropped, what was opened is closed.
pub async fn connect(url: impl AsRef<str>) -> Result<Channel, ConnectError> {
    Endpoint::new(Client::new(url)).connect().await
}

type Connector = dyn Fn() -> BoxFuture<Result<Transport, ConnectError>> + Send + Sync;

/// A connection for gRPC to be made: where to, and how.
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
/// How long messages may be is said to each client of a service: see `max_decoding_message_size` of the clients that tonic
/// generates.
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
    /// An endpoint reached as this client reaches it: its URL, headers, subprotocols and TLS are for it to say.
    ///
    /// Calls name the host of the URL as their origin, unless [`origin`](Self::origin) says otherwise.
    ///
    /// In the browser the connection is a `WebSocket` even where there is `WebSocketStream`: what the program leaves unread is
    /// bounded by the windows of HTTP/2, and a call takes a tenth less time.
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

    /// An endpoint reached by byte streams of the program's own making.
    ///
    /// The function is called for each attempt to connect. A TCP stream should have `set_nodelay(true)`, without which a call
    /// may wait 40 ms for an acknowledgement of the system's. Calls name `http://localhost` as their origin unless
    /// [`origin`](Self::origin) says otherwise.
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

    /// The scheme and authority that calls name, in place of those of the URL. A path or query is left out.
    pub fn origin(self, origin: &Uri) -> Self {
        let (scheme, authority) = self.origin;
        let origin = (
            origin.scheme().cloned().unwrap_or(scheme),
            origin.authority().cloned().unwrap_or(authority),
        );
        Self { origin, ..self }
    }

    /// TLS inside the byte stream, up to the server of gRPC: what carries the WebSocket, a proxy that ends its `wss` for one,
    /// sees ciphertext only. Default: none.
    ///
    /// The server's certificate must be for the host of the origin, which is that of the URL unless
    /// [`origin`](Self::origin) says otherwise; calls name the scheme `https`. The configuration's ALPN protocols are
    /// replaced by `h2`. A server of tonic takes the connections of [`incoming`](crate::incoming) with its own
    /// `tls_config`.
    ///
    /// In the browser rustls works with ring, which needs its feature `wasm32_unknown_unknown_js` and, to be compiled,
    /// clang.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        let (_, authority) = self.origin;
        Self { tls: Some(tls::for_http2(config)), origin: (Scheme::HTTPS, authority), ..self }
    }

    /// How long opening a connection may take, up to the first bytes of HTTP/2 from the server. Default: 20 s.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// The pauses between attempts to connect.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets whether calls wait while there is no connection, through failed attempts and the pauses between them, until
    /// their deadline; `false` makes them fail at once during a pause. Default: `false`. gRPC calls it wait-for-ready.
    ///
    /// A call without a deadline then waits for as long as the server is away.
    pub fn wait_for_ready(self, waits_for_ready: bool) -> Self {
        Self { waits_for_ready, ..self }
    }

    /// Sets the longest list of headers or trailers that a response may have, in bytes as RFC 9113 section 6.5.2 counts them:
    /// names, values and 32 for each. Default: 64 KiB.
    ///
    /// The server is told. A call whose response has more fails as `internal`, with a sentence that names this limit. A list
    /// of more than four times the limit ends the connection, since HTTP/2 cannot pass over headers that it does not read.
    pub fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }

    /// Sets how long the server may be silent, while calls are under way, before it is asked for a sign of life; `None` for as
    /// long as the transport lets it be. It may take twice as long until it is asked. Default: 30 s in the browser, and `None`
    /// in native programs, where the WebSocket does it: see [`Config::ping_after`](sockeye::Config::ping_after).
    ///
    /// A server that does not answer within [`keepalive_timeout`](Self::keepalive_timeout) is given up: its calls fail as
    /// `unavailable`, and the next one connects again. It is asked by an empty change of the settings of HTTP/2, which every
    /// server acknowledges at once.
    pub fn keepalive_after(self, silence: Option<Duration>) -> Self {
        Self { keepalive_after: silence, ..self }
    }

    /// Sets how long a server that was asked for a sign of life has to give one. Default: 20 s.
    pub fn keepalive_timeout(self, timeout: Duration) -> Self {
        Self { keepalive_timeout: timeout, ..self }
    }

    /// How many bytes of one call's responses may be under way or unread. Default: 2 MiB.
    ///
    /// It bounds the memory that a stream takes which the program does not read: the server has to wait then.
    pub fn stream_window(self, bytes: u32) -> Self {
        Self { stream_window: bytes, ..self }
    }

    /// How many bytes of all responses may be under way or unread. Default: 5 MiB.
    ///
    /// In the browser they may have to wait in the `receive_queue` of the client, 16 MiB by default, which must be larger.
    pub fn connection_window(self, bytes: u32) -> Self {
        Self { connection_window: bytes, ..self }
    }

    /// Connects, and gives a channel that connects again when it has to.
    ///
    /// # Errors
    /// [`ConnectError`] says why there is no connection.
    ///
    /// # Cancel safety
    /// If it is dropped, what was opened is closed.
    pub async fn connect(self) -> Result<Channel, ConnectError> {
        let sender = self.open().await?;
        Ok(Channel::new(Link::open(self, sender)))
    }

    /// A channel that connects when its first call comes.
    pub fn connect_lazy(self) -> Channel {
        Channel::new(Link::idle(self))
    }

    pub(crate) fn request_origin(&self) -> &(Scheme, Authority) {
        &self.origin
    }

    pub(crate) fn is_patient(&self) -> bool {
        self.waits_for_ready
    }

    pub(crate) fn pause(&self, earlier: u32) -> Duration {
        self.backoff.pause(earlier)
    }

    /// One attempt.
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
            // h2 asks for the time when it keeps a stream that was reset in mind, and WASM has no `Instant`. Without
            // these two, dropping a call in the browser panics.
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
