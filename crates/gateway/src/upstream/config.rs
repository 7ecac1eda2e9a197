//! The settings of an upstream.

use std::time::Duration;

use sockeye_grpc::Backoff;

use super::{Balance, HealthCheck, UpstreamTls, UpstreamUrl};

/// Default maximum number of calls in progress: ten times the number of streams that HTTP/2 servers
/// usually allow on one connection, so that several addresses are used fully.
const DEFAULT_MAX_CALLS: usize = 1024;

/// Default maximum number of calls that wait: as many as can be in progress.
const DEFAULT_MAX_WAITING_CALLS: usize = 1024;

/// Default maximum wait of a call. Chosen: longer than a burst, shorter than clients wait.
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(5);

/// Default interval of name resolution. Taken from the usual minimum of resolvers in gRPC.
const DEFAULT_RESOLVE_INTERVAL: Duration = Duration::from_secs(30);

/// Default timeout of an attempt to connect, up to the settings of HTTP/2. Chosen: within it, a
/// lost SYN is sent again twice.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Default base and cap of the delay between attempts to connect. A gateway's upstream restarts
/// within seconds, and the gateway is one client, not thousands.
const DEFAULT_BACKOFF: Backoff =
    Backoff::new().base(Duration::from_millis(200)).cap(Duration::from_secs(10));

/// Default keepalive time: half of the time after which proxies usually close an idle connection.
const DEFAULT_KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// Default keepalive timeout.
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Default part of calls that may be sent again, in percent.
const DEFAULT_RETRY_PERCENT: u32 = 10;

/// Default window of a stream, in bytes: what a call whose client does not read may hold here.
const DEFAULT_STREAM_WINDOW: u32 = 256 * 1024;

/// Default window of a connection, in bytes. Taken from hyper's client.
const DEFAULT_CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;

/// Default maximum size of response headers or trailers, in bytes.
const DEFAULT_MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// The settings of an [`Upstream`](super::Upstream).
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    pub(super) urls: Vec<UpstreamUrl>,
    pub(super) tls: UpstreamTls,
    pub(super) balance: Balance,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) max_calls: usize,
    pub(super) max_waiting_calls: usize,
    pub(super) max_wait: Duration,
    pub(super) resolve_interval: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) backoff: Backoff,
    pub(super) keepalive_after: Option<Duration>,
    pub(super) keepalive_timeout: Duration,
    pub(super) retry_percent: u32,
    pub(super) stream_window: u32,
    pub(super) connection_window: u32,
    pub(super) max_header_list_size: u32,
}

impl UpstreamConfig {
    /// Creates the default settings for the upstream at this URL.
    pub fn new(url: UpstreamUrl) -> Self {
        Self {
            urls: vec![url],
            tls: UpstreamTls::new(),
            balance: Balance::default(),
            health_check: None,
            max_calls: DEFAULT_MAX_CALLS,
            max_waiting_calls: DEFAULT_MAX_WAITING_CALLS,
            max_wait: DEFAULT_MAX_WAIT,
            resolve_interval: DEFAULT_RESOLVE_INTERVAL,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            backoff: DEFAULT_BACKOFF,
            keepalive_after: Some(DEFAULT_KEEPALIVE_AFTER),
            keepalive_timeout: DEFAULT_KEEPALIVE_TIMEOUT,
            retry_percent: DEFAULT_RETRY_PERCENT,
            stream_window: DEFAULT_STREAM_WINDOW,
            connection_window: DEFAULT_CONNECTION_WINDOW,
            max_header_list_size: DEFAULT_MAX_HEADER_LIST_SIZE,
        }
    }

    /// Adds a URL. Calls are spread over the addresses of all URLs, which must serve the same
    /// services.
    pub fn url(mut self, url: UpstreamUrl) -> Self {
        self.urls.push(url);
        self
    }

    /// Sets the certificates for URLs with `https`. Default: [`UpstreamTls::new`].
    pub fn tls(self, tls: UpstreamTls) -> Self {
        Self { tls, ..self }
    }

    /// Sets how an address is chosen for a call. Default: [`Balance::RoundRobin`].
    pub fn balance(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Sets the health check of each address; `None` for no check. Default: `None`.
    pub fn health_check(self, health_check: Option<HealthCheck>) -> Self {
        Self { health_check, ..self }
    }

    /// Sets how many calls may be in progress. Further calls wait. Default: 1,024.
    ///
    /// Calls also wait for the number of streams that the server allows on a connection.
    pub fn max_calls(self, calls: usize) -> Self {
        Self { max_calls: calls, ..self }
    }

    /// Sets how many calls may wait. Further calls fail at once as `unavailable`. Default: 1,024.
    pub fn max_waiting_calls(self, calls: usize) -> Self {
        Self { max_waiting_calls: calls, ..self }
    }

    /// Sets how long a call may wait for another one to end. Afterwards, it fails as `unavailable`;
    /// at its own deadline as `deadline_exceeded`. Default: 5 s.
    pub fn max_wait(self, max_wait: Duration) -> Self {
        Self { max_wait, ..self }
    }

    /// Sets the interval at which names are resolved again. Default: 30 s. They are also resolved
    /// after a failed attempt to connect, at most once in a second.
    pub fn resolve_interval(self, interval: Duration) -> Self {
        Self { resolve_interval: interval, ..self }
    }

    /// Sets the timeout of an attempt to connect, up to the first bytes of HTTP/2 from the server.
    /// Default: 5 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// Sets the delays between attempts to connect to an address: [`Backoff::base`] and
    /// [`Backoff::cap`]. During a delay, calls use other addresses, or fail at once as
    /// `unavailable`. Default: 200 ms to 10 s.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets for how long a server may be silent while calls are in progress before it is probed;
    /// `None` for no probe. Default: 30 s.
    pub fn keepalive_after(self, silence: Option<Duration>) -> Self {
        Self { keepalive_after: silence, ..self }
    }

    /// Sets the timeout for the answer to a probe. Afterwards, the connection is closed, and its
    /// calls fail as `unavailable`. Default: 20 s.
    pub fn keepalive_timeout(self, timeout: Duration) -> Self {
        Self { keepalive_timeout: timeout, ..self }
    }

    /// Sets the part of calls that may be sent again, in percent; 0 disables retries. Default: 10.
    /// See [`Upstream`](super::Upstream) for which calls are sent again.
    pub fn retry_percent(self, percent: u32) -> Self {
        Self { retry_percent: percent, ..self }
    }

    /// Sets how many bytes of one call's responses may be in flight or unread. Default: 256 KiB.
    ///
    /// The window bounds the memory of a call whose client does not read: the upstream has to wait.
    pub fn stream_window(self, bytes: u32) -> Self {
        Self { stream_window: bytes, ..self }
    }

    /// Sets how many bytes of all responses of a connection may be in flight or unread. Default:
    /// 5 MiB.
    pub fn connection_window(self, bytes: u32) -> Self {
        Self { connection_window: bytes, ..self }
    }

    /// Sets the maximum size of a response's headers or trailers, in bytes as counted by RFC 9113
    /// section 6.5.2. A call whose response exceeds it fails as `internal`. Default: 64 KiB.
    pub fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }
}
