//! Endpoints: the address and settings of connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use sockeye::Client;
use sockeye::handshake::Url;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ClientConfig;

use crate::channel::Channel;
use crate::clock::{BoxFuture, MaybeSend};
use crate::connection::{Sender, Transport};
use crate::connector::Connector;
use crate::shared_connection::SharedConnection;
#[cfg(feature = "tls")]
use crate::tls;
use crate::{Backoff, ConnectError};

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
#[derive(Clone, Debug)]
pub struct Endpoint {
    connector: Connector,
    backoff: Backoff,
    waits_for_ready: bool,
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
        let dial = move || -> BoxFuture<Result<Transport, ConnectError>> {
            let client = client.clone();
            Box::pin(async move {
                let ws = client.connect().await.map_err(ConnectError::WebSocket)?;
                Ok(Box::new(ws.into_byte_stream()) as Transport)
            })
        };
        Self::with(Connector::new(Arc::new(dial), origin))
    }

    /// Creates an endpoint that connects through byte streams opened by the program.
    ///
    /// The function is called for each connection attempt. A TCP stream should use
    /// `set_nodelay(true)`; otherwise a call may wait 40 ms for the operating system's
    /// acknowledgement. Calls use `http://localhost` as their origin unless
    /// [`origin`](Self::origin) overrides it.
    ///
    /// # Calls that survive a lost WebSocket
    /// A stream of `sockeye::resume` outlives its WebSocket, natively and in the browser, and the
    /// calls on it go on. The [keepalive](Self::keepalive_after) would end calls that wait for the
    /// next WebSocket.
    ///
    /// ```no_run
    /// use std::io;
    ///
    /// use sockeye::Client;
    /// use sockeye::reconnect::Reconnecting;
    /// use sockeye::resume::{ResumableStream, SUBPROTOCOL};
    /// use sockeye_grpc::Endpoint;
    ///
    /// # async fn example() -> Result<(), sockeye_grpc::ConnectError> {
    /// let endpoint = Endpoint::with_connector(|| async {
    ///     let client = Client::new("wss://example.com/grpc").subprotocols([SUBPROTOCOL]);
    ///     let stream = ResumableStream::connect(Reconnecting::new(client)).await;
    ///     stream.map_err(io::Error::from)
    /// });
    /// let channel = endpoint.keepalive_after(None).connect().await?;
    /// # let _ = channel;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_connector<F, C, S>(connector: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = io::Result<S>> + MaybeSend + 'static,
        S: AsyncRead + AsyncWrite + Unpin + MaybeSend + 'static,
    {
        let dial = move || -> BoxFuture<Result<Transport, ConnectError>> {
            let connecting = connector();
            Box::pin(async {
                let stream = connecting.await.map_err(ConnectError::Transport)?;
                Ok(Box::new(stream) as Transport)
            })
        };
        Self::with(Connector::new(Arc::new(dial), unknown_origin()))
    }

    fn with(connector: Connector) -> Self {
        Self { connector, backoff: Backoff::new(), waits_for_ready: false }
    }

    /// Sets the scheme and authority of calls, in place of those of the URL. A path or query is
    /// ignored.
    pub fn origin(mut self, origin: &Uri) -> Self {
        let (scheme, authority) = &mut self.connector.origin;
        if let Some(new) = origin.scheme() {
            scheme.clone_from(new);
        }
        if let Some(new) = origin.authority() {
            authority.clone_from(new);
        }
        self
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
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.connector.tls = Some(tls::for_http2(config));
        self.connector.origin.0 = Scheme::HTTPS;
        self
    }

    /// Sets the timeout for opening a connection, up to the first bytes of HTTP/2 from the server.
    /// Default: 20 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connector.connect_timeout = timeout;
        self
    }

    /// Sets the delays between connection attempts: [`Backoff::base`] and [`Backoff::cap`]. The
    /// number of attempts is unlimited whatever the backoff says, since each attempt is caused by a
    /// call.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets whether calls wait without a connection, through failed attempts and the delays between
    /// them, until their deadline; with `false`, calls during such a delay fail at once. Default:
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
    pub fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.connector.max_header_list_size = bytes;
        self
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
    pub fn keepalive_after(mut self, silence: Option<Duration>) -> Self {
        self.connector.keepalive_after = silence;
        self
    }

    /// Sets the timeout for the server's answer to a keepalive probe. Default: 20 s.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.connector.keepalive_timeout = timeout;
        self
    }

    /// Sets how many bytes of one call's responses may be in flight or unread. Default: 2 MiB.
    ///
    /// The window bounds the memory of a stream that the program does not read: the server then has
    /// to wait.
    pub fn stream_window(mut self, bytes: u32) -> Self {
        self.connector.stream_window = bytes;
        self
    }

    /// Sets how many bytes of all responses of a connection may be in flight or unread. Default: 5
    /// MiB.
    ///
    /// In the browser, these bytes may wait in the `receive_queue` of the client, 16 MiB by
    /// default, which must be larger.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connector.connection_window = bytes;
        self
    }

    /// Connects, and returns a channel that reconnects when necessary.
    ///
    /// # Errors
    /// [`ConnectError`] if the connection could not be opened.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connection attempt is closed.
    pub async fn connect(self) -> Result<Channel, ConnectError> {
        let sender = self.connector.open().await?;
        Ok(self.channel(Some(sender)))
    }

    /// Returns a channel that connects on its first call.
    pub fn connect_lazy(self) -> Channel {
        self.channel(None)
    }

    fn channel(self, first: Option<Sender>) -> Channel {
        Channel::new(SharedConnection::new(
            self.connector,
            self.backoff,
            self.waits_for_ready,
            first,
        ))
    }
}

fn origin_of(url: &Url) -> Option<(Scheme, Authority)> {
    let scheme = if url.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
    Some((scheme, url.authority().parse().ok()?))
}

fn unknown_origin() -> (Scheme, Authority) {
    (Scheme::HTTP, Authority::from_static("localhost"))
}
