//! The sessions of clients, each with its streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye::mux;
use sockeye::resume::{Listener, ResumableStream};
use tokio::task::JoinSet;
use tracing::debug;

use super::client::Client;
use super::service::Service;
use super::stream;
use crate::commands::tunnel::relay::Stream;

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
    let session = mux::Session::server_resumable(stream, service.mux);
    debug!(session = number, peer = peer.map(tracing::field::display), %identity, "session begun");
    let client = Client::new(service, session.clone(), number, identity, peer);
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
