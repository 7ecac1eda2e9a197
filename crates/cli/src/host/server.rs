//! Accepting connections.

use std::sync::Arc;

use axum::Router;
use sockeye::Drain;
use sockeye::upgrade::TcpAcceptor;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::connection::{self, ConnectionConfig};
use super::shutdown::ConnectionGuard;

/// The state that the connections of a server share.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) connection_config: ConnectionConfig,
    /// A permit for each connection.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) drain: Drain,
}

impl Server {
    /// Accepts connections for as long as the future is polled.
    pub(crate) async fn accept_all(&self, mut acceptor: TcpAcceptor) {
        let mut full = false;
        loop {
            let was_full = std::mem::replace(&mut full, self.slots.available_permits() == 0);
            if full && !was_full {
                warn!("the limit of --max-connections is reached; new connections wait");
            }
            // A full server leaves new clients in the system's accept queue.
            let Ok(free) = self.slots.acquire().await else { return };
            drop(free);
            let (stream, peer) = acceptor.accept().await;
            // A WebSocket on an HTTP/2 stream may have taken the slot meanwhile.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            debug!(%peer, "accepted");
            // Without this option, the system delays small echoes, for which clients wait. A socket
            // that refuses the option is about to fail.
            let _ = stream.set_nodelay(true);
            let guard = ConnectionGuard::new(&self.drain, peer, slot);
            let router = self.router.clone();
            let config = self.connection_config.clone();
            tokio::spawn(connection::serve(stream, router, guard, config));
        }
    }
}
