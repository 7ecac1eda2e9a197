//! The client of a session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::mux;
use sockeye::resume::Attachment;
use tokio::sync::watch;

use super::holders::Holder;
use super::service::Service;

/// Maximum number of addresses that the server listens on for one client.
const MAX_BINDS: usize = 32;

/// One client, from the first of its WebSockets to the end of its session.
#[derive(Debug)]
pub(super) struct Client {
    service: watch::Receiver<Arc<Service>>,
    pub(super) session: mux::Session,
    attachment: Attachment,
    /// The number of the session, for logs.
    pub(super) number: u64,
    pub(super) identity: Arc<str>,
    /// The address of the first WebSocket.
    pub(super) peer: Option<SocketAddr>,
    binds: AtomicUsize,
}

/// A place among the listeners of a client; dropping the value frees it.
#[derive(Debug)]
pub(super) struct BindGuard(Arc<Client>);

impl Client {
    pub(super) fn new(
        service: watch::Receiver<Arc<Service>>,
        session: mux::Session,
        attachment: Attachment,
        number: u64,
        identity: Arc<str>,
        peer: Option<SocketAddr>,
    ) -> Arc<Self> {
        let binds = AtomicUsize::new(0);
        Arc::new(Self { service, session, attachment, number, identity, peer, binds })
    }

    /// Returns the current settings of the server.
    pub(super) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.borrow())
    }

    /// Returns the settings of the server, which a reload changes.
    pub(super) fn settings(&self) -> watch::Receiver<Arc<Service>> {
        self.service.clone()
    }

    /// Returns the client as the holder of addresses.
    pub(super) fn holder(&self) -> Holder {
        let (session, attachment) = (self.session.clone(), self.attachment.clone());
        Holder { session, attachment, identity: Arc::clone(&self.identity) }
    }

    /// Takes a place for a listener; `None` when the client has too many.
    pub(super) fn begin_bind(self: &Arc<Self>) -> Option<BindGuard> {
        let more = |binds| (binds < MAX_BINDS).then_some(binds + 1);
        self.binds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(BindGuard(Arc::clone(self)))
    }
}

impl Drop for BindGuard {
    fn drop(&mut self) {
        self.0.binds.fetch_sub(1, Ordering::Relaxed);
    }
}
