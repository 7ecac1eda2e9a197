//! The sessions of clients, each with its streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sockeye::mux;
use sockeye::resume::{Listener, ResumableStream};
use tokio::task::JoinSet;
use tracing::debug;

use super::service::Service;
use super::stream;
use crate::commands::tunnel::relay::Stream;

/// Maximum number of addresses that the server listens on for one client.
const MAX_BINDS: usize = 32;

/// One client, from the first of its WebSockets to the end of its session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) service: Arc<Service>,
    pub(super) session: mux::Session,
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

/// Serves the sessions of all clients for as long as the future is polled.
pub(super) async fn accept_all(mut listener: Listener, service: &Arc<Service>) {
    let numbers = AtomicU64::new(1);
    while let Some(stream) = listener.accept().await {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, Arc::clone(service), number));
    }
}

async fn serve(stream: ResumableStream, service: Arc<Service>, number: u64) {
    let (peer, identity) = (stream.peer_addr(), stream.identity().unwrap_or_default().into());
    let session = mux::Session::server_over(stream, service.mux);
    debug!(session = number, peer = peer.map(tracing::field::display), %identity, "session begun");
    let client = Arc::new(Client {
        service,
        session: session.clone(),
        number,
        identity,
        peer,
        binds: AtomicUsize::new(0),
    });
    let mut streams = JoinSet::new();
    let error = loop {
        tokio::select! {
            accepted = session.accept_bi() => match accepted {
                Ok((send, recv)) => {
                    streams.spawn(stream::serve(Arc::clone(&client), Stream { send, recv }));
                }
                Err(error) => break error,
            },
            Some(_) = streams.join_next() => {}
        }
    };
    // The streams fail now, and reset their connections: targets must not take the data so far for
    // the whole.
    while streams.join_next().await.is_some() {}
    debug!(session = number, "session ended: {error}");
}
