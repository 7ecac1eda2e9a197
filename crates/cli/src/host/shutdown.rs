//! Graceful shutdown: the signals that begin it, and the connections that are notified of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye::Drain;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Span, info, warn};

use super::streams::Stream;

/// The graceful shutdown of all connections: the drain ends WebSockets, the cancellation token ends
/// all other HTTP connections, and the tracker waits for both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    begun: CancellationToken,
    tasks: TaskTracker,
    drain: Drain,
}

/// The registration of a connection, which holds its slot from accept until its last task ends. The
/// HTTP connection and the WebSockets that it carries share the slot.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionGuard {
    peer: SocketAddr,
    /// Names the peer in each log line, in every task of the connection.
    span: Span,
    begun: CancellationToken,
    drain: Drain,
    _place: Arc<(OwnedSemaphorePermit, TaskTrackerToken)>,
    /// The HTTP/2 stream, if the guard belongs to one.
    _stream: Option<Arc<Stream>>,
}

impl Shutdown {
    /// Registers a connection.
    pub(crate) fn admit(&self, peer: SocketAddr, slot: OwnedSemaphorePermit) -> ConnectionGuard {
        let place = Arc::new((slot, self.tasks.token()));
        let (begun, drain) = (self.begun.clone(), self.drain.clone());
        ConnectionGuard { peer, span: Span::none(), begun, drain, _place: place, _stream: None }
    }

    /// Ends all connections, and waits until they have ended or `at_most` has passed.
    pub(crate) async fn finish(&self, at_most: Duration) {
        self.begun.cancel();
        self.tasks.close();
        // Both waits run concurrently, since an HTTP/2 connection ends after its WebSockets.
        let websockets = self.drain.finish(sockeye::Shutdown::new().timeout(at_most));
        let all = tokio::time::timeout(at_most, self.tasks.wait());
        let (drained, ended) = tokio::join!(websockets, all);
        info!("WebSockets: {drained}");
        if ended.is_err() {
            warn!(connections = self.tasks.len(), "dropped what had not ended in {at_most:?}");
        }
    }
}

impl ConnectionGuard {
    /// Returns this guard with `client` as its peer, and with a span that names the client.
    pub(crate) fn of(self, client: SocketAddr) -> Self {
        Self { peer: client, span: tracing::warn_span!("connection", peer = %client), ..self }
    }

    /// Returns this guard, extended by an HTTP/2 stream of its connection.
    pub(crate) fn with_stream(self, stream: Stream) -> Self {
        Self { _stream: Some(Arc::new(stream)), ..self }
    }

    /// Returns the address of the peer.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the span of the connection, which names the peer.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the drain that closes the connection's WebSockets when the server stops.
    pub(crate) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Waits until the server stops. Cancel safe.
    pub(crate) async fn shutdown_begun(&self) {
        self.begun.cancelled().await;
    }
}

/// The signals that stop the server: SIGINT (Ctrl-C) and SIGTERM.
#[derive(Debug)]
pub(crate) struct TerminationSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    last: i32,
}

/// Exit status that shells report for a program ended by SIGINT or SIGTERM: 128 plus the number of
/// the signal.
const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

impl TerminationSignals {
    /// Installs signal handlers in place of the default actions, which kill the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        use {
            anyhow::Context,
            tokio::signal::unix::{SignalKind, signal},
        };
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            last: INTERRUPTED,
        })
    }

    /// Waits for the next signal. Cancel safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        self.last = tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        };
    }

    /// Waits for the next Ctrl-C. Cancel safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // No Ctrl-C can be received: the server runs until it is killed.
            std::future::pending::<()>().await;
        }
    }

    /// Returns the exit status that shells report for a process killed by the last signal.
    pub(crate) fn status(&self) -> i32 {
        self.last
    }
}
