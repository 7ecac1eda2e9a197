//! Stopping: the signals, and the connections that have to hear of them.

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

/// Tells every connection to end, and knows when all have: WebSockets by the drain, what else HTTP carries by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    begun: CancellationToken,
    guests: TaskTracker,
    drain: Drain,
}

/// A connection's place in the server, kept from accept until its last task ends: the HTTP
/// connection and the WebSocket it may have become share it, and so do all WebSockets on it.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    peer: SocketAddr,
    /// Names the peer in the log, whichever task a line comes from.
    span: Span,
    begun: CancellationToken,
    drain: Drain,
    _place: Arc<(OwnedSemaphorePermit, TaskTrackerToken)>,
    /// Where it is one stream of a connection of HTTP/2.
    _stream: Option<Arc<Stream>>,
}

impl Shutdown {
    /// Counts a connection in.
    pub(crate) fn admit(&self, peer: SocketAddr, slot: OwnedSemaphorePermit) -> Guest {
        let place = Arc::new((slot, self.guests.token()));
        let (begun, drain) = (self.begun.clone(), self.drain.clone());
        Guest { peer, span: Span::none(), begun, drain, _place: place, _stream: None }
    }

    /// Tells all connections to end and waits until they have, at most so long.
    pub(crate) async fn finish(&self, at_most: Duration) {
        self.begun.cancel();
        self.guests.close();
        // At the same time: a connection of HTTP/2 ends after its WebSockets.
        let websockets = self.drain.finish(sockeye::Shutdown::new().timeout(at_most));
        let all = tokio::time::timeout(at_most, self.guests.wait());
        let (drained, ended) = tokio::join!(websockets, all);
        info!("WebSockets: {drained}");
        if ended.is_err() {
            warn!(connections = self.guests.len(), "dropped what had not ended in {at_most:?}");
        }
    }
}

impl Guest {
    /// The same guest, whose client is at this address.
    pub(crate) fn of(self, client: SocketAddr) -> Self {
        Self { peer: client, span: tracing::warn_span!("connection", peer = %client), ..self }
    }

    /// The same guest on one stream of its connection.
    pub(crate) fn with_stream(self, stream: Stream) -> Self {
        Self { _stream: Some(Arc::new(stream)), ..self }
    }

    /// Where the connection comes from.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The span of the connection, which names the peer.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// What closes its WebSockets when the server stops.
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
pub(crate) struct Stops {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    last: i32,
}

/// What shells report for a program that SIGINT and SIGTERM ended: 128 and the signal's number.
const INTERRUPTED: i32 = 130;
#[cfg(unix)]
const TERMINATED: i32 = 143;

impl Stops {
    /// Takes the signals over from the system, whose answer would be to kill the process.
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
            // No Ctrl-C will ever come; the server runs until it is killed.
            std::future::pending::<()>().await;
        }
    }

    /// The exit status for a process that the last signal ended at once.
    pub(crate) fn status(&self) -> i32 {
        self.last
    }
}
