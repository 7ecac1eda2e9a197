//! Where to connect to, and how.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper::client::conn::http2;
use sockeye::Client;
use sockeye::handshake::Url;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ClientConfig;

use crate::backoff::Backoff;
use crate::channel::Channel;
use crate::clock::{self, BoxFuture, MaybeSend};
use crate::connection::{self, Sender, Transport};
use crate::link::Link;
#[cfg(feature = "tls")]
use crate::tls;
use crate::{ConnectError, executor::Executor};

/// As long as a [`Client`](sockeye::Client) takes for a WebSocket, which is most of it.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Large enough for a fast network over a long way: 2 MiB in 50 ms are 335 Mbit/s. It is hyper's default as well.
const DEFAULT_STREAM_WINDOW: u32 = 2 * 1024 * 1024;

/// What two and a half streams may fill. It is hyper's default as well.
const DEFAULT_CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;

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
    stream_window: u32,
    connection_window: u32,
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
    /// The function is called for each attempt to connect. Calls name `http://localhost` as their origin unless
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
            stream_window: DEFAULT_STREAM_WINDOW,
            connection_window: DEFAULT_CONNECTION_WINDOW,
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
            connection::open(&self.http2(), transport).await
        })
        .await
        .unwrap_or(Err(ConnectError::TimedOut { limit }))
    }

    fn http2(&self) -> http2::Builder<Executor> {
        let mut builder = http2::Builder::new(Executor);
        builder
            .initial_stream_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
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
            .finish_non_exhaustive()
    }
}
