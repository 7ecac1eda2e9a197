//! Graceful shutdown of a server's open connections.

mod drained;
mod guard;
pub(crate) mod registry;
mod shutdown;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "axum")]
use sockeye_proto::handshake::Refusal;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::WebSocket;
use crate::outcome::Outcome;
pub use drained::Drained;
pub use guard::DrainGuard;
use registry::{DrainStage, Member, Registry};
pub use shutdown::Shutdown;

/// Timeout for dropped connections to be gone: their tasks were woken, and end when they are polled
/// once more.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// The open connections of a server, which the drain closes gracefully when the server stops.
/// Clones share the same connections.
///
/// [`Server`](crate::Server) has its own drain. When an HTTP server stops by itself, as
/// `axum::serve` does, the upgraded connections stay open: the application passes its `Drain` to
/// each of them, and awaits [`finish`](Self::finish) concurrently with the end of the HTTP server,
/// because an HTTP/2 server waits for its WebSockets. A server with an accept loop of its own holds
/// a [guard](Self::guard) for each HTTP connection instead: then `finish` waits for these as well.
///
/// ```text
///  finish ──► notified one by one ───► forced ──────────► dropped
///             recv sends the close     send and feed      at the timeout: tasks
///             frame, as soon as the    send it as well    too, if they were
///             handler waits in it                         passed to the drain
/// ```
///
/// ```no_run
/// use sockeye::{Drain, Shutdown, WebSocket};
///
/// # async fn upgraded() -> WebSocket { unimplemented!() }
/// # async fn http_server_that_stops() {}
/// # async fn shutdown_signal() {}
/// # async fn example() {
/// let drain = Drain::new();
/// // For each connection:
/// let ws = upgraded().await;
/// tokio::spawn(drain.serve(ws, async |mut ws| {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok::<_, sockeye::Error>(())
/// }));
/// // When the program is asked to end:
/// let finish = async {
///     shutdown_signal().await;
///     drain.finish(Shutdown::restart()).await
/// };
/// let ((), drained) = tokio::join!(http_server_that_stops(), finish);
/// println!("{drained}");
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Drain {
    registry: Arc<Registry>,
}

impl Drain {
    /// Creates a drain without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of connections, including those that are being upgraded.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Watches a connection: when the server stops, the method in which the handler waits closes
    /// the connection. If the shutdown has already begun, the connection is notified at once.
    ///
    /// A handler that does not use its connection before the timeout of the shutdown cannot be
    /// reached this way, and counts as [`left`](Drained::left): [`serve`](Self::serve) reaches it.
    pub fn watch(&self, ws: &mut WebSocket) {
        ws.join_drain(self.enter());
    }

    /// Runs a connection's handler, in a task that the caller spawns. At the timeout of the
    /// shutdown, the handler and the connection are dropped, whatever the handler waits for.
    ///
    /// # Cancel safety
    /// Dropping the future drops the handler and its connection.
    pub fn serve<H, F>(&self, mut ws: WebSocket, handler: H) -> impl Future<Output = ()> + use<H, F>
    where
        H: FnOnce(WebSocket) -> F,
        F: Future<Output: Outcome>,
    {
        let member = self.enter();
        ws.join_drain(member.clone());
        let handler = handler(ws);
        member.run_until_dropped(crate::driver::handler::run(handler))
    }

    /// Returns a guard that keeps [`finish`](Self::finish) waiting until the guard is dropped.
    /// Guards are for connections and tasks that are not WebSockets; their owner ends them once the
    /// shutdown has [begun](Self::begun).
    ///
    /// ```no_run
    /// # async fn accept() -> tokio::net::TcpStream { unimplemented!() }
    /// # struct Http;
    /// # impl Http {
    /// #     async fn run(&mut self) {}
    /// #     fn graceful_shutdown(&mut self) {}
    /// # }
    /// # fn serve(_: tokio::net::TcpStream) -> Http { Http }
    /// # async fn example(drain: sockeye::Drain) {
    /// loop {
    ///     let mut http = serve(accept().await);
    ///     let (drain, guard) = (drain.clone(), drain.guard());
    ///     tokio::spawn(async move {
    ///         tokio::select! {
    ///             () = http.run() => {}
    ///             () = drain.begun() => {
    ///                 http.graceful_shutdown();
    ///                 http.run().await;
    ///             }
    ///         }
    ///         drop(guard);
    ///     });
    /// }
    /// # }
    /// ```
    pub fn guard(&self) -> DrainGuard {
        DrainGuard::new(self.registry.clone())
    }

    /// Waits until [`finish`](Self::finish) is called. Returns at once if it was called before.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn begun(&self) {
        self.registry.begun().await;
    }

    /// Closes all connections, and waits until they have ended and all [guards](Self::guard) are
    /// dropped, at most for the [timeout](Shutdown::timeout); then drops the remaining connections.
    /// Connections that open meanwhile are closed at once.
    ///
    /// # Cancel safety
    /// If the future is dropped, the notified connections still close. Another call notifies the
    /// rest, with the whole timeout again.
    pub async fn finish(&self, shutdown: Shutdown) -> Drained {
        let start = Instant::now();
        let deadline = start.checked_add(shutdown.timeout);
        let members = self.registry.begin(&shutdown);
        let interval = shutdown.interval(members.len());
        let mut next = start;
        for member in members {
            if member.strong_count() == 0 {
                continue;
            }
            // Notifications that are closer together than the timer's precision leave together.
            sleep_until(next).await;
            if let Some(member) = member.upgrade() {
                member.notify(shutdown.close_frame());
            }
            next = next.checked_add(interval).unwrap_or(next);
        }
        let Some(deadline) = deadline else {
            self.registry.emptied().await;
            return self.registry.drained(0);
        };
        let now = Instant::now();
        let half = now + deadline.saturating_duration_since(now) / 2;
        if timeout_at(half, self.registry.emptied()).await.is_err() {
            self.registry.advance(DrainStage::Forced);
        }
        let mut left = 0;
        if timeout_at(deadline, self.registry.emptied()).await.is_err() {
            self.registry.advance(DrainStage::Dropped);
            if timeout(DROP_TIMEOUT, self.registry.members_left()).await.is_err() {
                left = self.registry.connections();
            }
        }
        let drained = self.registry.drained(left);
        if drained.dropped > 0 || drained.guards > 0 {
            tracing::warn!(%drained, "connections dropped at shutdown");
        }
        drained
    }

    /// Returns the refusal of a request that arrives while the server stops, or `None` while the
    /// server runs.
    #[cfg(feature = "axum")]
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.registry.shutdown().map(|shutdown| shutdown.refusal())
    }

    /// Registers a connection, or the request for one.
    pub(crate) fn enter(&self) -> Arc<Member> {
        Registry::enter(&self.registry)
    }
}
