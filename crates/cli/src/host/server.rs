//! Accepting connections.

use std::sync::Arc;

use axum::Router;
use sockeye::Drain;
use sockeye::upgrade::HostPolicy;
use sockeye_gateway::metadata::ConnectionScheme;
use tracing::{debug, warn};

use super::client_stream::Accept;
use super::connection::{self, ConnectionConfig};
use super::front::{Answer, Front};
use super::listener::Acceptor;
use super::reloadable::Reloadable;
use super::settings::HostSettings;
use super::shutdown::ConnectionGuard;
use super::slots::Slots;
use super::workers::{Worker, Workers};
use super::{Hosting, plain};

/// The state that the connections of a server share.
pub(crate) struct Server<A = Router> {
    service: Front<A>,
    config: Reloadable<ConnectionConfig>,
    hosts: Reloadable<Arc<HostPolicy>>,
    /// One for each connection.
    slots: Slots,
    pub(crate) drain: Drain,
    /// `None` to serve connections on the runtime that accepts them.
    workers: Option<Workers>,
}

impl<A: Answer> Server<A> {
    /// Creates a server of `service`.
    pub(crate) fn new(hosting: &Hosting, service: A, settings: HostSettings) -> Self {
        let HostSettings { hosts, proxies, tls } = settings;
        let (hosts, tls) = (Reloadable::new(hosts), tls.map(Reloadable::new));
        let scheme = if tls.is_some() { ConnectionScheme::Https } else { ConnectionScheme::Http };
        let config = ConnectionConfig {
            handshake_timeout: hosting.handshake_timeout,
            write_timeout: hosting.write_timeout,
            trusted_proxies: proxies,
            tls_acceptor: tls,
            plain_http2: false,
            plain_router: Front::new(plain::router(), hosts.clone(), ConnectionScheme::Http),
        };
        Self {
            service: Front::new(service, hosts.clone(), scheme),
            config: Reloadable::new(config),
            hosts,
            slots: Slots::new(hosting.max_connections),
            drain: Drain::new(),
            workers: None,
        }
    }

    /// Serves HTTP/2 without TLS too, to clients that begin with it, as gRPC's do.
    pub(crate) fn plain_http2(self) -> Self {
        self.config.replace(ConnectionConfig { plain_http2: true, ..self.config.current() });
        self
    }

    /// Serves each connection on one of these threads.
    pub(crate) fn workers(self, workers: Workers) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// Replaces the settings. Open connections keep theirs. Must be called within a Tokio runtime.
    pub(crate) fn apply(&self, hosting: &Hosting, settings: HostSettings) {
        let HostSettings { hosts, proxies, tls } = settings;
        self.hosts.replace(hosts);
        let current = self.config.current();
        if let (Some(current), Some(new)) = (&current.tls_acceptor, tls) {
            current.replace(new);
        }
        self.config.replace(ConnectionConfig {
            handshake_timeout: hosting.handshake_timeout,
            write_timeout: hosting.write_timeout,
            trusted_proxies: proxies,
            ..current
        });
        self.slots.change_limit(hosting.max_connections);
    }

    /// Waits until no connection is open. Connections must not be accepted meanwhile. Cancel safe.
    pub(crate) async fn wait_until_empty(&self) {
        self.slots.wait_until_free().await;
    }

    /// Accepts connections for as long as the future is polled.
    pub(crate) async fn accept_all(&self, acceptor: impl Into<Acceptor>) {
        match acceptor.into() {
            Acceptor::Tcp(acceptor) => self.accept_from(acceptor).await,
            #[cfg(unix)]
            Acceptor::Unix(acceptor) => self.accept_from(acceptor).await,
        }
    }

    async fn accept_from(&self, mut acceptor: impl Accept) {
        let mut full = false;
        loop {
            let was_full = std::mem::replace(&mut full, self.slots.are_taken());
            if full && !was_full {
                warn!("the limit of --max-connections is reached; new connections wait");
            }
            // A full server leaves new clients in the system's accept queue.
            let Ok(free) = self.slots.take().await else { return };
            drop(free);
            let (stream, peer) = acceptor.accept().await;
            // A WebSocket on an HTTP/2 stream may have taken the slot meanwhile.
            let Ok(slot) = self.slots.take().await else { return };
            debug!(%peer, "accepted");
            let worker = self.workers.as_ref().and_then(Workers::least_busy);
            let place = worker.map(Worker::occupy);
            let guard = ConnectionGuard::new(&self.drain, peer, slot, place);
            let service = self.service.clone();
            let config = self.config.current();
            let serve = |stream| connection::serve(stream, service, guard, config);
            match worker {
                Some(worker) => worker.spawn(stream, serve),
                None => drop(tokio::spawn(serve(stream))),
            }
        }
    }
}
