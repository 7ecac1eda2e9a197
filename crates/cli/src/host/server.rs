//! Accepting connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::connection::{self, Limits};
use super::shutdown::Shutdown;

/// What the connections of a server share.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// A permit for each connection.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) shutdown: Shutdown,
}

impl Server {
    /// Accepts connections for as long as the future is polled.
    pub(crate) async fn accept_all(&self, listener: &TcpListener) {
        let mut full = false;
        loop {
            let was_full = std::mem::replace(&mut full, self.slots.available_permits() == 0);
            if full && !was_full {
                warn!("all connections of --max-connections are in use; new ones wait");
            }
            // The slot comes first: a full server leaves new clients in the system's accept queue.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let (stream, peer) = accept(listener).await;
            debug!(%peer, "accepted");
            let guard = self.shutdown.admit(peer, slot);
            let router = self.router.clone();
            let limits = self.limits.clone();
            tokio::spawn(connection::serve(stream, router, guard, limits));
        }
    }
}

/// Returns the next connection. Errors of accepting are transient: either the client has already
/// disconnected, or the process is out of file descriptors until some connection ends.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    // Long enough not to spin, short enough not to be noticed.
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Clients wait for small echoes. A socket that refuses this option is about to
                // fail.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
