//! The options that all ways to upgrade a request share.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use http::Extensions;
use sockeye_proto::handshake::{
    HandshakeError, HeadLimits, HostPolicy, Negotiated, OriginPolicy, PatternError, Request,
    Response, Terms,
};
use sockeye_proto::{Config, Connection, MemoryBudget};

use super::{TrustedProxies, UpgradeRequest};
use crate::transport::Transport;
use crate::{WebSocket, opening};

/// The options of upgrading requests: the terms of the handshake, and the limits of the
/// connections.
///
/// ```
/// use sockeye::upgrade::Options;
///
/// let options = Options::new()
///     .subprotocols(["chat.v2", "chat"])
///     .allow_origin("https://*.example.com")?;
/// # let _ = options;
/// # Ok::<_, sockeye::handshake::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    terms: Terms,
    pub(crate) config: Config,
    pub(crate) head_limits: HeadLimits,
    pub(crate) timeout: Duration,
    pub(crate) memory_budget: MemoryBudget,
    pub(crate) keep_request: bool,
    pub(crate) proxies: TrustedProxies,
}

/// The default memory budget, in bytes: a machine with half a gigabyte survives it.
const DEFAULT_BUDGET: usize = 256 << 20;

/// A single shared budget: programs create options for each server, or even for each request.
static SHARED_BUDGET: LazyLock<MemoryBudget> = LazyLock::new(|| MemoryBudget::new(DEFAULT_BUDGET));

impl Options {
    /// Creates options with the default of each setting.
    pub fn new() -> Self {
        Self {
            terms: Terms::new(),
            config: Config::new(),
            head_limits: HeadLimits::default(),
            timeout: Duration::from_secs(10),
            memory_budget: SHARED_BUDGET.clone(),
            keep_request: false,
            proxies: TrustedProxies::default(),
        }
    }

    /// Sets the supported subprotocols, in order of preference: the first of these that the client
    /// requested is chosen. Default: none.
    pub fn subprotocols<S: Into<String>>(self, subprotocols: impl IntoIterator<Item = S>) -> Self {
        Self { terms: self.terms.subprotocols(subprotocols), ..self }
    }

    /// Accepts permessage-deflate where the client offers it. Default: off.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: crate::Deflate) -> Self {
        Self { terms: self.terms.deflate(deflate), ..self }
    }

    /// Sets the hosts that the server answers for; a request for another is refused with 421.
    /// Default: [`HostPolicy::any`]. A server that listens on loopback, or that only its local
    /// network can reach, is safe from DNS rebinding with [`HostPolicy::loopback`], or with a
    /// policy of its host names.
    ///
    /// ```
    /// use sockeye::upgrade::{HostPolicy, Options};
    ///
    /// let hosts = HostPolicy::loopback().allow("app.example.com")?;
    /// let options = Options::new().allow_hosts(hosts);
    /// # let _ = options;
    /// # Ok::<_, sockeye::handshake::PatternError>(())
    /// ```
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { terms: self.terms.hosts(hosts), ..self }
    }

    /// Sets which pages may connect. Default: [`OriginPolicy::same_origin`].
    pub fn origins(self, origins: OriginPolicy) -> Self {
        Self { terms: self.terms.origins(origins), ..self }
    }

    /// Lets pages of other origins connect: [`OriginPolicy::allow`] documents the patterns.
    ///
    /// # Errors
    /// [`PatternError`] when `pattern` is not valid.
    pub fn allow_origin(self, pattern: &str) -> Result<Self, PatternError> {
        let origins = self.terms.origin_policy().clone().allow(pattern)?;
        Ok(self.origins(origins))
    }

    /// Sets the limits and deadlines of open connections.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Sets the limits of the head of a request. Default: 16 KiB and 100 headers. With an HTTP
    /// library, the library's limits apply instead.
    pub fn head_limits(self, head_limits: HeadLimits) -> Self {
        Self { head_limits, ..self }
    }

    /// Sets the timeout of receiving a request and sending the response. Default: 10 s. With an
    /// HTTP library, the library's timeouts apply instead.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the budget, in bytes, of unfinished data that all connections hold: partially received
    /// messages, after decompression, and output that the peer does not accept, with the input that
    /// waits behind it. Default: 256 MiB, shared by all servers of the program that set none.
    ///
    /// When the budget is used up, the connection that holds most is closed at once, even if idle,
    /// with 1013 (try again later) and
    /// [`ProtocolError::OverBudget`](crate::ProtocolError::OverBudget). A connection whose peer
    /// does not read is dropped, as no close frame would reach the peer. Data that the program
    /// itself keeps does not count.
    ///
    /// Clones of a [`MemoryBudget`] share it, and report how much is held and how many connections
    /// were closed because of it.
    pub fn memory_budget(self, memory_budget: MemoryBudget) -> Self {
        Self { memory_budget, ..self }
    }

    /// Keeps the head of the request with the connection, for [`WebSocket::request`]: some
    /// kilobytes for a browser's request. Default: off. `push::Server::keep_requests` is the
    /// setting of the handler server.
    pub fn keep_request(self, keep_request: bool) -> Self {
        Self { keep_request, ..self }
    }

    /// Takes the client's address from the headers of trusted proxies. Default: no proxy is
    /// trusted, and the address is the connection's remote address.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Returns the client's address according to the headers of a request on a connection from
    /// `peer`.
    pub(crate) fn client(
        &self,
        peer: Option<SocketAddr>,
        request: &Request<'_>,
    ) -> Option<SocketAddr> {
        peer.map(|peer| self.proxies.client_of(peer, request))
    }

    /// Returns the connection's data: `data` and, with [`keep_request`](Self::keep_request), the
    /// request.
    pub(crate) fn connection_data(
        &self,
        mut data: Extensions,
        request: &Request<'_>,
        peer: Option<SocketAddr>,
    ) -> Result<Extensions, HandshakeError> {
        if self.keep_request {
            data.insert(UpgradeRequest::new(request, peer)?);
        }
        Ok(data)
    }

    /// Returns the response to a request.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Result<Response, HandshakeError> {
        self.terms.answer(request)
    }

    /// Returns the protocol state of a connection with the negotiated terms.
    #[cfg(unix)]
    pub(crate) fn connection(&self, negotiated: &Negotiated) -> Connection {
        opening::apply_negotiated(Connection::server(&self.config), negotiated)
    }

    /// Opens the connection of the client at `peer` after the handshake; `input` holds the bytes
    /// received beyond the request.
    pub(super) fn open(
        &self,
        transport: Transport,
        peer: Option<SocketAddr>,
        input: &[u8],
        negotiated: Negotiated,
    ) -> WebSocket {
        let connection = Connection::server(&self.config);
        opening::open_from(transport, peer, connection, input, negotiated)
            .with_timeouts(&self.config)
            .with_budget(&self.memory_budget)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
