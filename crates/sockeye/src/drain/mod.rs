//! How the open connections of a server come to their end.

mod member;
mod registry;
mod shutdown;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "axum")]
use sockeye_proto::handshake::Refusal;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::WebSocket;
use crate::outcome::Outcome;
pub(crate) use member::{DrainStage, Member};
use registry::Registry;
pub use shutdown::Shutdown;

/// How long connections that were dropped may take to be gone: what they wait for was told, and a task that is polled
/// once more ends.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Knows the open connections of a server, and closes them in good order when it stops. A clone knows the same ones.
///
/// [`Server`](crate::Server) has one of its own. Where an HTTP server stops by itself, as `axum::serve` does, the
/// connections that were upgraded go on: an application gives its `Drain` to each of them, and awaits
/// [`finish`](Self::finish) as well as the end of the HTTP server: at the same time, since a server of HTTP/2 waits for
/// its WebSockets.
///
/// ```text
///  finish ──► told, one by one ──────► pressed ─────────► dropped
///             recv sends the close     send and feed      at the end of the time:
///             frame, as soon as the    send it as well    tasks too, where they
///             handler waits in it                         were given to the drain
/// ```
///
/// ```no_run
/// use sockeye::{Drain, Shutdown, WebSocket};
///
/// # async fn upgraded() -> WebSocket { unimplemented!() }
/// # async fn http_server_that_stops() {}
/// # async fn told_to_end() {}
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
/// // Until the program is told to end:
/// let finish = async {
///     told_to_end().await;
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

/// What became of the connections that were open when a server stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Those that ended in time: by the closing handshake, or because either side went.
    pub closed: usize,
    /// Those that were dropped when the time was up. Their peers see 1006.
    pub dropped: usize,
    /// Of those dropped, the ones whose handlers still hold them: they neither use them nor run in a task that was given to
    /// the drain. 0 for a [`Server`](crate::Server).
    pub left: usize,
}

impl Drain {
    /// Knows no connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections there are, those that are being upgraded included.
    pub fn connections(&self) -> usize {
        self.registry.len()
    }

    /// Closes the connection when the server stops, from within whatever method its handler waits in. Once that has begun,
    /// it is told at once.
    ///
    /// A handler that does not touch its connection for as long as closing may take cannot be reached so, and is counted
    /// as [`left`](Drained::left): [`serve`](Self::serve) reaches it.
    pub fn watch(&self, ws: &mut WebSocket) {
        ws.join(self.enter());
    }

    /// Runs a connection's handler, for a task of its own. When closing takes too long, handler and connection are dropped
    /// wherever they are.
    ///
    /// # Cancel safety
    /// If it is dropped, so are the handler and its connection.
    pub fn serve<H, F>(&self, mut ws: WebSocket, handler: H) -> impl Future<Output = ()> + use<H, F>
    where
        H: FnOnce(WebSocket) -> F,
        F: Future<Output: Outcome>,
    {
        let member = self.enter();
        ws.join(member.clone());
        let handler = handler(ws);
        member.run(crate::handler::run(handler))
    }

    /// Closes all connections, and waits until they have ended, at most for the [time](Shutdown::timeout) that there is:
    /// then drops those that are left. Those that come meanwhile are closed at once.
    ///
    /// # Cancel safety
    /// If it is dropped, those that were told go on to close. Another call tells the rest, with the whole time again.
    pub async fn finish(&self, shutdown: Shutdown) -> Drained {
        let start = Instant::now();
        let deadline = start.checked_add(shutdown.limit());
        let members = self.registry.begin(&shutdown);
        let interval = shutdown.interval(members.len());
        let mut next = start;
        for member in members {
            if member.strong_count() == 0 {
                continue;
            }
            // What is closer than the timer can tell goes together.
            sleep_until(next).await;
            if let Some(member) = member.upgrade() {
                member.tell(shutdown.frame());
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
            if timeout(LAST_WAIT, self.registry.emptied()).await.is_err() {
                left = self.registry.connections();
            }
        }
        let drained = self.registry.drained(left);
        if drained.dropped > 0 {
            tracing::warn!(%drained, "connections dropped at shutdown");
        }
        drained
    }

    /// What a request is answered that comes when the server stops already.
    #[cfg(feature = "axum")]
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.registry.begun().map(|shutdown| shutdown.refusal())
    }

    /// A connection begins, or its request does.
    pub(crate) fn enter(&self) -> Arc<Member> {
        Registry::enter(&self.registry)
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} closed, {} dropped", self.closed, self.dropped)?;
        if self.left > 0 {
            write!(f, ", of which {} are still held", self.left)?;
        }
        Ok(())
    }
}
