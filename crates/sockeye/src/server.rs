//! A whole server: a listener, and a task for each connection.

mod door;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::Instrument as _;

use crate::drain::{Drain, Drained, Shutdown};
use crate::outcome::Outcome;
use crate::quota::Quota;
use crate::repeated::Repeated;
use crate::upgrade::{
    self, Admission, HostPolicy, Options, Refusal, TrustedProxies, UpgradeRequest, Upgrader,
};
use crate::{MemoryBudget, Result, WebSocket};
use door::{Door, Entering};

/// How many connections there may be at a time, unless told otherwise: within the usual limit of open files once that
/// was raised at all, and a few hundred megabytes if all of them are busy.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// The pause after an error of the listener that does not go away by itself, such as no more file descriptors: to try
/// again at once would only burn time that the connections need to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A WebSocket server: every connection is given to a handler, in a task of its own.
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
/// It answers nothing but requests for WebSockets; a server of pages as well is better made with axum.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    upgrader: Upgrader,
    max_connections: usize,
    quota: Option<Arc<Quota>>,
    drain: Drain,
    shutdown: Shutdown,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Listens on an address.
    ///
    /// # Errors
    /// When the address cannot be had: [`io::ErrorKind::AddrInUse`] when another program has it.
    ///
    /// # Cancel safety
    /// If it is dropped, the address is free again.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::from_listener(TcpListener::bind(address).await?))
    }

    /// Takes a listener that was made by other means.
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            listener,
            upgrader: Upgrader::new(),
            max_connections: DEFAULT_MAX_CONNECTIONS,
            quota: None,
            drain: Drain::new(),
            shutdown: Shutdown::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The address that it listens on: with the port that the system chose, where 0 was asked for.
    ///
    /// # Errors
    /// What the system has to say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What to agree to, and the limits of the connections. Takes the place of the [`upgrader`](Self::upgrader)'s.
    pub fn options(self, options: Options) -> Self {
        Self { upgrader: self.upgrader.options(options), ..self }
    }

    /// How to upgrade requests: for a say in each of them.
    pub fn upgrader(self, upgrader: Upgrader) -> Self {
        Self { upgrader, ..self }
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`]. [`options`](Self::options) and
    /// [`upgrader`](Self::upgrader) replace this setting: call them first.
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { upgrader: self.upgrader.allow_hosts(hosts), ..self }
    }

    /// Sets the memory that all connections together may hold for what is unfinished: see [`Options::memory_budget`].
    /// [`options`](Self::options) and [`upgrader`](Self::upgrader) replace this setting: call them first. Default: 256 MiB,
    /// shared by all servers of the program that set none.
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

    /// Takes the clients' addresses from what trusted proxies say of them: see [`Options::trusted_proxies`]. A header of the
    /// PROXY protocol has the time of a [handshake](Options::handshake_timeout) to come, and comes before TLS.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { upgrader: self.upgrader.trusted_proxies(proxies), ..self }
    }

    /// Speaks TLS, and nothing else. A client has as long for the handshake of TLS as for that of the WebSocket
    /// ([`Options::handshake_timeout`]).
    ///
    /// A configuration that names protocols for ALPN should name `http/1.1` and not `h2`, which this server does not speak.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Decides on each request before it is answered: see [`Upgrader::admit`].
    pub fn admit<H, D>(self, hook: H) -> Self
    where
        H: Fn(UpgradeRequest) -> D + Send + Sync + 'static,
        D: Future<Output = std::result::Result<Admission, Refusal>> + Send + 'static,
    {
        Self { upgrader: self.upgrader.admit(hook), ..self }
    }

    /// How many connections there may be at a time, those in their handshake included. Further clients wait in the
    /// system's queue until another connection has ended: they cost nothing there, and are not sent away by a burst that
    /// is soon over. Default: 10,000.
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self { max_connections: max_connections.clamp(1, Semaphore::MAX_PERMITS), ..self }
    }

    /// How many connections one address may have at a time, those in their handshake included; an IPv6 address counts by
    /// its upper 64 bits, of which a subscriber has all the rest. One more is answered 429 with `Retry-After: 5`, has 2 s to
    /// take that, and does not count as a connection; of many at once, those beyond 64 are dropped without a word.
    ///
    /// It is the address that [trusted proxies](Self::trusted_proxies) tell, where there are some.
    ///
    /// Default: no limit, since behind a proxy, or for all people of one house or company, every connection comes from one
    /// address. A server that faces clients itself is well served with a few dozen.
    pub fn max_connections_per_address(self, limit: usize) -> Self {
        Self { quota: Some(Quota::new(limit)), ..self }
    }

    /// How the connections are closed when the server [stops](Self::serve_with_shutdown), and how long that may take.
    /// Default: [`Shutdown::new`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// Sets [`Shutdown::timeout`] alone. Default: 5 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown: self.shutdown.timeout(timeout), ..self }
    }

    /// Counts the connections in a drain that others have as well: to see how many there are, or to close those of several
    /// servers together. When this server stops, all that are in it are closed.
    pub fn drain(self, drain: &Drain) -> Self {
        Self { drain: drain.clone(), ..self }
    }

    /// Serves connections for ever.
    ///
    /// A connection that the handler has not closed when it returns is closed: with 1000 (normal closure), or with 1011
    /// (internal error) when it returns an error. That takes at most
    /// [`Config::close_timeout`](crate::Config::close_timeout) after what was sent is written, and the connection counts until
    /// then.
    ///
    /// # Errors
    /// None at present: what fails for one connection, or to accept one, is logged, and the others go on.
    ///
    /// # Cancel safety
    /// If it is dropped, so are the listener and all connections.
    pub async fn serve<H, F>(self, handler: H) -> Result<()>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.serve_with_shutdown(handler, pending()).await.map(drop)
    }

    /// Serves connections until `shutdown` is ready. Then no more are accepted, and those that are open are closed one by one
    /// as [`shutdown`](Self::shutdown) says. Connections that are not at their end after the
    /// [`shutdown_timeout`](Self::shutdown_timeout) are dropped, with their handlers. Says what became of them.
    ///
    /// A handler that waits in [`WebSocket::recv`] closes at once when its turn comes; one that only sends does so with
    /// its next message, after half of the time. To send once the close frame is out finishes the closing handshake, discards what
    /// arrives meanwhile, and then fails with [`Error::Closed`](crate::Error::Closed).
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// If it is dropped, so are the listener and all connections.
    pub async fn serve_with_shutdown<H, F>(
        self,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        let Self { listener, max_connections, drain, shutdown: how, .. } = self;
        let door = Arc::new(Door {
            upgrader: self.upgrader,
            quota: self.quota,
            #[cfg(feature = "tls")]
            tls: self.tls.map(Into::into),
        });
        let handler = Arc::new(handler);
        let free = Arc::new(Semaphore::new(max_connections));
        // Those that are left are dropped with it.
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut failing = Repeated::default();
        while let Some((stream, peer, permit)) =
            unless(accept(&listener, &free, &mut failing), shutdown.as_mut()).await
        {
            while tasks.try_join_next().is_some() {}
            let (handler, door, member) = (handler.clone(), door.clone(), drain.enter());
            let place = match door.enter(peer) {
                Entering::At(place) => place,
                Entering::Full(refusing) => {
                    tasks.spawn(member.run(async move {
                        let _refusing = refusing;
                        door.turn_away(stream, peer).await;
                    }));
                    continue;
                }
                Entering::Flood => continue,
            };
            let connection = member.clone();
            let task = async move {
                let _permit = permit;
                // What was not upgraded is logged where that was decided.
                if let Some((mut ws, _place)) = door.open(stream, peer, place).await {
                    ws.join(connection);
                    crate::handler::run(handler(ws)).await;
                }
            };
            tasks.spawn(member.run(task.instrument(upgrade::span())));
        }
        drop(listener);
        Ok(drain.finish(how).await)
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
    failing: &mut Repeated,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if let Some(times) = failing.count(Instant::now()) {
                    tracing::warn!(%error, times, "cannot accept connections");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error is about the connection that would have been accepted, and not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// What the work comes to, or `None` when `stop` is ready first.
async fn unless<T>(
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
