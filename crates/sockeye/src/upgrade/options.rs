//! What all ways to upgrade a request have in common.

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

/// How a server upgrades requests: what it agrees to, and the limits of the connections.
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

/// The budget of servers that set none, in bytes: what a machine with half a gigabyte survives.
const DEFAULT_BUDGET: usize = 256 << 20;

/// One for all of them: programs make options anew for each server, or even for each request.
static SHARED_BUDGET: LazyLock<MemoryBudget> = LazyLock::new(|| MemoryBudget::new(DEFAULT_BUDGET));

impl Options {
    /// The defaults, as each setter states them.
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

    /// The subprotocols that the server speaks, the one it prefers first: the first of these that the client asked for
    /// is chosen. Default: none.
    pub fn subprotocols<S: Into<String>>(self, subprotocols: impl IntoIterator<Item = S>) -> Self {
        Self { terms: self.terms.subprotocols(subprotocols), ..self }
    }

    /// Accepts permessage-deflate where the client offers it. Default: off.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: crate::Deflate) -> Self {
        Self { terms: self.terms.deflate(deflate), ..self }
    }

    /// Sets the hosts that the server answers for; a request for another is refused with 421. Default:
    /// [`HostPolicy::any`]. A server that listens on loopback, or that only its own network can reach, is safe from DNS
    /// rebinding with [`HostPolicy::loopback`], or with the names that it is called by.
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

    /// Which pages may connect. Default: [`OriginPolicy::same_origin`].
    pub fn origins(self, origins: OriginPolicy) -> Self {
        Self { terms: self.terms.origins(origins), ..self }
    }

    /// Lets pages of other origins connect: [`OriginPolicy::allow`] has the patterns.
    ///
    /// # Errors
    /// [`PatternError`] when it is not a pattern.
    pub fn allow_origin(self, pattern: &str) -> Result<Self, PatternError> {
        let origins = self.terms.origin_policy().clone().allow(pattern)?;
        Ok(self.origins(origins))
    }

    /// The limits and deadlines of the connections once they are open.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// How large the head of a request may be. Default: 16 KiB and 100 headers. An HTTP library has limits of its own,
    /// which apply in place of these.
    pub fn head_limits(self, head_limits: HeadLimits) -> Self {
        Self { head_limits, ..self }
    }

    /// How long a client may take over its request, and to take the answer. Default: 10 s. An HTTP library has
    /// deadlines of its own, which apply in place of this one.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the budget in bytes for what all connections hold and have not finished: messages of which a part arrived, after
    /// decompression, and output that the peer does not take, with the input that waits behind it. Default: 256 MiB, which all
    /// servers of the program that set none share.
    ///
    /// When it is used up, the connection that holds most is closed at once, though it is silent, with 1013 (try again later)
    /// and [`ProtocolError::OverBudget`](crate::ProtocolError::OverBudget). One whose peer does not read is dropped, as no close
    /// frame would reach the peer. What a program keeps itself does not count.
    ///
    /// Clones of a [`MemoryBudget`] share it, and tell how much is held and how many connections were closed for it.
    pub fn memory_budget(self, memory_budget: MemoryBudget) -> Self {
        Self { memory_budget, ..self }
    }

    /// Keeps the head of the request with the connection, for [`WebSocket::request`]: some kilobytes, as browsers send it.
    /// Default: off. `push::Server::keep_requests` is the setting of the handler server.
    pub fn keep_request(self, keep_request: bool) -> Self {
        Self { keep_request, ..self }
    }

    /// Takes the client's address from what trusted proxies say of it. Default: none are trusted, and the address is that
    /// which the connection comes from.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// The client's address by the headers of a request whose connection comes from `peer`.
    pub(crate) fn client(
        &self,
        peer: Option<SocketAddr>,
        request: &Request<'_>,
    ) -> Option<SocketAddr> {
        peer.map(|peer| self.proxies.client_of(peer, request))
    }

    /// What the connection begins with: the data that was attached to it, and the request where it is kept.
    pub(crate) fn keep(
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

    /// The answer to a request.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Result<Response, HandshakeError> {
        self.terms.answer(request)
    }

    /// The protocol of a connection that was agreed on.
    #[cfg(unix)]
    pub(crate) fn connection(&self, negotiated: &Negotiated) -> Connection {
        opening::agreed(Connection::server(&self.config), negotiated)
    }

    /// The connection of the client at `peer` after the handshake; `input` is what came beyond it.
    pub(super) fn open(
        &self,
        transport: Transport,
        peer: Option<SocketAddr>,
        input: &[u8],
        negotiated: Negotiated,
    ) -> WebSocket {
        let connection = Connection::server(&self.config);
        opening::open_from(transport, peer, connection, input, negotiated)
            .with_deadlines(&self.config)
            .with_budget(&self.memory_budget)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
