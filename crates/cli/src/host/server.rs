//! Accepting connections.

use std::sync::Arc;

use axum::Router;
use sockeye::Drain;
use sockeye::upgrade::{HostPolicy, TcpAcceptor, TrustedProxies};
use sockeye_gateway::metadata::ConnectionScheme;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::connection::{self, ConnectionConfig};
use super::front::{Answer, Front};
use super::reloadable::Reloadable;
use super::shutdown::ConnectionGuard;
use super::workers::Workers;
use super::{Hosting, plain};

/// The state that the connections of a server share.
pub(crate) struct Server<A = Router> {
    service: Front<A>,
    connection_config: ConnectionConfig,
    /// A permit for each connection.
    slots: Arc<Semaphore>,
    pub(crate) drain: Drain,
    /// `None` to serve connections on the runtime that accepts them.
    workers: Option<Workers>,
}

impl<A: Answer> Server<A> {
    /// Creates a server of `service` to the hosts that `hosts` allows, with TLS if there is an
    /// acceptor.
    pub(crate) fn new(
        hosting: &Hosting,
        service: A,
        hosts: &Reloadable<Arc<HostPolicy>>,
        proxies: TrustedProxies,
        tls: Option<Reloadable<TlsAcceptor>>,
    ) -> Self {
        let scheme = if tls.is_some() { ConnectionScheme::Https } else { ConnectionScheme::Http };
        Self {
            service: Front::new(service, hosts.clone(), scheme),
            connection_config: ConnectionConfig {
                handshake_timeout: hosting.handshake_timeout,
                write_timeout: hosting.write_timeout,
                trusted_proxies: proxies,
                tls_acceptor: tls,
                plain_http2: false,
                plain_router: Front::new(plain::router(), hosts.clone(), ConnectionScheme::Http),
            },
            slots: Arc::new(Semaphore::new(hosting.max_connections)),
            drain: Drain::new(),
            workers: None,
        }
    }

    /// Serves HTTP/2 without TLS too, to clients that begin with it, as gRPC's do.
    pub(crate) fn plain_http2(mut self) -> Self {
        self.connection_config.plain_http2 = true;
        self
    }

    /// Serves each connection on one of these threads.
    pub(crate) fn workers(self, workers: Workers) -> Self {
        Self { workers: Some(workers), ..self }
    }

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
            let service = self.service.clone();
            let config = self.connection_config.clone();
            let serve = |stream| connection::serve(stream, service, guard, config);
            match &self.workers {
                Some(workers) => workers.spawn(stream, serve),
                None => drop(tokio::spawn(serve(stream))),
            }
        }
    }
}
