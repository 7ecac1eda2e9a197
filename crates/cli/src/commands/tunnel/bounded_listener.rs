//! Accepting connections, of which a bounded number is open at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::socket::{Socket, SocketListener};

/// Delay after a failed accept, as when the process has too many files open.
const RETRY: Duration = Duration::from_millis(100);

/// Minimum time between two lines of the log about failed accepts.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts the connections of a listener. When the maximum number is open, further ones wait in the
/// system's queue.
#[derive(Debug)]
pub(super) struct BoundedListener {
    listener: SocketListener,
    places: Arc<Semaphore>,
    /// The time of the last line of the log about a failed accept.
    logged_at: Option<Instant>,
}

/// An accepted connection.
pub(super) struct Accepted {
    pub(super) socket: Box<dyn Socket>,
    /// The address of the peer, if it has one.
    pub(super) peer: Option<SocketAddr>,
    /// Counts the connection until dropped.
    pub(super) guard: AcceptGuard,
}

/// Counts one of the open connections of a listener until dropped.
#[derive(Debug)]
pub(super) struct AcceptGuard {
    _permit: Option<OwnedSemaphorePermit>,
}

impl BoundedListener {
    pub(super) fn new(listener: SocketListener, max_open: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(max_open)), logged_at: None }
    }

    /// Waits for the next connection. A failed attempt is followed by another one after a delay.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub(super) async fn accept(&mut self) -> Accepted {
        loop {
            // Never closed.
            let guard =
                AcceptGuard { _permit: Arc::clone(&self.places).acquire_owned().await.ok() };
            match self.listener.accept().await {
                Ok((socket, peer)) => return Accepted { socket, peer, guard },
                Err(error) => {
                    if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                        warn!("cannot accept on {}: {error}; trying again", self.listener.name());
                        self.logged_at = Some(Instant::now());
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }
}
