//! A complete server: a listener, and a task for each connection.

mod connection_setup;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "tls")]
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::accept::TcpAcceptor;
use crate::drain::{Drain, Drained, Shutdown};
use crate::outcome::Outcome;
use crate::quota::Quota;
use crate::upgrade::{
    self, Admission, HostPolicy, Options, Refusal, TrustedProxies, UpgradeRequest, Upgrader,
};
use crate::{MemoryBudget, Result, WebSocket};
use connection_setup::{ConnectionSetup, QuotaDecision};

/// The default of [`Server::max_connections`]: within the usual limit of open files, if that was
/// raised at all, and a few hundred megabytes if all connections are busy.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// A WebSocket server that runs a handler for each connection, in a separate task.
///
/// ```no_run
/// use sockeye::{Server, WebSocket};
///
/// #[tokio::main]
/// async fn main() -> sockeye::Result<()> {
///     Server::bind("127.0.0.1:8080").await?.serve(echo).await
/// }
///
/// async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }
/// ```
///
/// The server responds only to requests for WebSockets; a server that also serves pages should use
/// axum.
#[derive(Debug)]
pub struct Server {
    acceptor: TcpAcceptor,
    upgrader: Upgrader,
    max_connections: usize,
    quota: Option<Arc<Quota>>,
    drain: Drain,
    shutdown: Shutdown,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Binds a listener to an address.
    ///
    /// # Errors
    /// The errors of the operating system, such as [`io::ErrorKind::AddrInUse`] when another
    /// program uses the address.
    ///
    /// # Cancel safety
    /// Dropping the future releases the address.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::from_listener(TcpListener::bind(address).await?))
    }

    /// Creates a server from a listener that was created by other means.
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            acceptor: TcpAcceptor::new(listener),
            upgrader: Upgrader::new(),
            max_connections: DEFAULT_MAX_CONNECTIONS,
            quota: None,
            drain: Drain::new(),
            shutdown: Shutdown::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Returns the address of the listener, with the port that the system chose where 0 was
    /// requested.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.local_addr()
    }

    /// Sets the terms of the handshake and the limits of the connections. Replaces the options of
    /// the [`upgrader`](Self::upgrader).
    pub fn options(self, options: Options) -> Self {
        Self { upgrader: self.upgrader.options(options), ..self }
    }

    /// Sets the upgrader, whose callbacks may check each request.
    pub fn upgrader(self, upgrader: Upgrader) -> Self {
        Self { upgrader, ..self }
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`].
    /// [`options`](Self::options) and [`upgrader`](Self::upgrader) replace this setting: call them
    /// first.
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { upgrader: self.upgrader.allow_hosts(hosts), ..self }
    }

    /// Sets the budget of unfinished data that all connections together may hold: see
    /// [`Options::memory_budget`]. [`options`](Self::options) and [`upgrader`](Self::upgrader)
    /// replace this setting: call them first. Default: 256 MiB, shared by all servers of the
    /// program that set none.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use sockeye::{MemoryBudget, Server};
    ///
    /// let budget = MemoryBudget::new(64 << 20);
    /// let server = Server::bind("127.0.0.1:8080").await?.memory_budget(budget.clone());
    /// # drop(server);
    /// println!("{} bytes held, {} connections closed for it", budget.held(), budget.closed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_budget(self, budget: MemoryBudget) -> Self {
        Self { upgrader: self.upgrader.memory_budget(budget), ..self }
    }

    /// Keeps the head of each request, for [`WebSocket::request`]: see [`Options::keep_request`].
    pub fn keep_request(self, keep_request: bool) -> Self {
        Self { upgrader: self.upgrader.keep_request(keep_request), ..self }
    }

    /// Takes the clients' addresses from the headers of trusted proxies: see
    /// [`Options::trusted_proxies`]. A header of the PROXY protocol must arrive within the [timeout
    /// of a handshake](Options::handshake_timeout), before TLS.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { upgrader: self.upgrader.trusted_proxies(proxies), ..self }
    }

    /// Accepts only TLS connections. The timeout of the TLS handshake is that of the opening
    /// handshake ([`Options::handshake_timeout`]).
    ///
    /// If the configuration names protocols for ALPN, it should name `http/1.1` and not `h2`, which
    /// this server does not speak.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Sets a hook that decides on each request before the response: see [`Upgrader::admit`].
    pub fn admit<H, D>(self, hook: H) -> Self
    where
        H: Fn(UpgradeRequest) -> D + Send + Sync + 'static,
        D: Future<Output = std::result::Result<Admission, Refusal>> + Send + 'static,
    {
        Self { upgrader: self.upgrader.admit(hook), ..self }
    }

    /// Sets the maximum number of simultaneous connections, including those in their handshake.
    /// Further clients wait in the system's queue until another connection has ended: they cost
    /// nothing there, and a short burst does not lead to refusals. Default: 10,000.
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self { max_connections: max_connections.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// Sets the maximum number of simultaneous connections from one address, including those in
    /// their handshake; an IPv6 address counts by its upper 64 bits, since a subscriber has all
    /// addresses with these. The response to a further client is 429 with `Retry-After: 5`; the
    /// client has 2 s to receive it and does not count as a connection. Of many such clients at
    /// once, those beyond 64 are dropped without a response.
    ///
    /// The address is that reported by [trusted proxies](Self::trusted_proxies), where there are
    /// some.
    ///
    /// Default: no limit, since behind a proxy, or from one household or company, all connections
    /// come from one address. For a server that faces clients directly, a few dozen is a good
    /// limit.
    pub fn max_connections_per_address(self, limit: usize) -> Self {
        Self { quota: Some(Quota::new(limit)), ..self }
    }

    /// Sets how the connections are closed when the server [stops](Self::serve_with_shutdown), and
    /// the timeout for that. Default: [`Shutdown::new`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// Sets only [`Shutdown::timeout`]. Default: 5 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown: self.shutdown.timeout(timeout), ..self }
    }

    /// Counts the connections in a drain that may be shared: to observe their number, or to close
    /// the connections of several servers together. When this server stops, all connections in the
    /// drain are closed.
    pub fn drain(self, drain: &Drain) -> Self {
        Self { drain: drain.clone(), ..self }
    }

    /// Serves connections forever.
    ///
    /// When a handler returns without having closed its connection, the server closes it: with 1000
    /// (normal closure), or with 1011 (internal error) when the handler returns an error. That
    /// takes at most [`Config::close_timeout`](crate::Config::close_timeout()) after pending output
    /// is written, and the connection counts until then.
    ///
    /// # Errors
    /// None at present: errors of one connection, or of accepting one, are logged, and the others
    /// continue.
    ///
    /// # Cancel safety
    /// Dropping the future drops the listener and all connections.
    pub async fn serve<H, F>(self, handler: H) -> Result<()>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.serve_with_shutdown(handler, pending()).await.map(drop)
    }

    /// Serves connections until `shutdown` is ready. Then the server accepts no more connections,
    /// and closes the open ones one by one as [`shutdown`](Self::shutdown) configures. Connections
    /// that have not ended after the [`shutdown_timeout`](Self::shutdown_timeout) are dropped, with
    /// their handlers. Returns the number of connections by outcome.
    ///
    /// A connection whose handler waits in [`WebSocket::recv`] is closed at once in its turn; a
    /// handler that only sends closes with its next message, after half of the timeout. Sending
    /// after the close frame finishes the closing handshake, discards messages that arrive in the
    /// meantime, and then fails with [`Error::Closed`](crate::Error::Closed).
    ///
    /// # Errors
    /// The errors of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// Dropping the future drops the listener and all connections.
    pub async fn serve_with_shutdown<H, F>(
        self,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let Self { mut acceptor, max_connections, drain, shutdown: settings, .. } = self;
        let setup = Arc::new(ConnectionSetup {
            upgrader: self.upgrader,
            quota: self.quota,
            #[cfg(feature = "tls")]
            tls: self.tls.map(Into::into),
        });
        let handler = Arc::new(handler);
        let free = Arc::new(Semaphore::new(max_connections));
        // Dropping this set drops the remaining connections.
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        while let Some((stream, peer, permit)) =
            run_until(accept(&mut acceptor, &free), shutdown.as_mut()).await
        {
            while tasks.try_join_next().is_some() {}
            let (handler, setup, member) = (handler.clone(), setup.clone(), drain.enter());
            let place = match setup.enter(peer) {
                QuotaDecision::Accepted(place) => place,
                QuotaDecision::Full(refusing) => {
                    tasks.spawn(member.run_until_dropped(async move {
                        let _refusing = refusing;
                        setup.refuse_connection(stream, peer).await;
                    }));
                    continue;
                }
                QuotaDecision::Dropped => continue,
            };
            let connection = member.clone();
            let task = async move {
                let _permit = permit;
                // `open` has already logged the reason of a failure.
                if let Some((mut ws, _place)) = setup.open(stream, peer, place).await {
                    ws.join_drain(connection);
                    crate::driver::handler::run(handler(ws)).await;
                }
            };
            tasks.spawn(member.run_until_dropped(task.instrument(upgrade::span())));
        }
        drop(acceptor);
        Ok(drain.finish(settings).await)
    }
}

/// Accepts the next connection, once the number of connections is below the maximum.
async fn accept(
    acceptor: &mut TcpAcceptor,
    free: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = acceptor.accept().await;
    (stream, peer, permit)
}

/// Returns the result of the work, or `None` when `stop` is ready first.
async fn run_until<T>(
    work: impl Future<Output = T>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match stop.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}
