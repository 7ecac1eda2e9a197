//! Connection attempts of an endpoint: transport, TLS and HTTP/2, under one timeout.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use h2::client;
use http::uri::{Authority, Scheme};
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ClientConfig;

use crate::clock::{self, BoxFuture};
use crate::connection::{self, Sender, Transport};
use crate::keepalive::Keepalive;
#[cfg(feature = "tls")]
use crate::tls;
use crate::{ConnectError, http2};

/// Default connect timeout. Equal to that of a [`Client`](sockeye::Client), because opening the
/// WebSocket is most of the work.
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
/// other way to detect an unresponsive server. 30 s is half of the time after which proxies usually
/// close an idle connection.
const DEFAULT_KEEPALIVE_AFTER: Option<Duration> =
    if cfg!(target_family = "wasm") { Some(Duration::from_secs(30)) } else { None };

/// Default keepalive timeout. Taken from gRPC's keepalive.
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens the byte stream of a connection.
pub(crate) type Dial = dyn Fn() -> BoxFuture<Result<Transport, ConnectError>> + Send + Sync;

/// Opens connections, each with the same settings. [`Endpoint`](crate::Endpoint) documents them.
#[derive(Clone)]
pub(crate) struct Connector {
    dial: Arc<Dial>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The scheme and authority of calls. TLS checks the server's certificate against the latter.
    pub(crate) origin: (Scheme, Authority),
    pub(crate) connect_timeout: Duration,
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) keepalive_after: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
}

impl Connector {
    pub(crate) fn new(dial: Arc<Dial>, origin: (Scheme, Authority)) -> Self {
        Self {
            dial,
            #[cfg(feature = "tls")]
            tls: None,
            origin,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            stream_window: DEFAULT_STREAM_WINDOW,
            connection_window: DEFAULT_CONNECTION_WINDOW,
            max_header_list_size: DEFAULT_MAX_HEADER_LIST_SIZE,
            keepalive_after: DEFAULT_KEEPALIVE_AFTER,
            keepalive_timeout: DEFAULT_KEEPALIVE_TIMEOUT,
        }
    }

    /// Makes one connection attempt.
    pub(crate) async fn open(&self) -> Result<Sender, ConnectError> {
        let limit = self.connect_timeout;
        clock::timeout(limit, async {
            let transport = (self.dial)().await?;
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
        let (timeout, stream_window) = (self.keepalive_timeout, self.stream_window);
        self.keepalive_after.map(|after| Keepalive { after, timeout, stream_window })
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

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("origin", &self.origin)
            .field("connect_timeout", &self.connect_timeout)
            .field("stream_window", &self.stream_window)
            .field("connection_window", &self.connection_window)
            .field("max_header_list_size", &self.max_header_list_size)
            .finish_non_exhaustive()
    }
}
