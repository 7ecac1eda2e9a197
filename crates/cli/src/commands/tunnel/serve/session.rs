//! The sessions of clients, each with its streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sockeye::mux;
use sockeye::resume::{Listener, ResumableStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::debug;

use super::client::Client;
use super::service::Service;
use super::stream;
use crate::commands::tunnel::protocol::TOKEN_REMOVED;
use crate::commands::tunnel::relay::Stream;

/// Serves the sessions of all clients for as long as the future is polled.
pub(super) async fn accept_all(mut listener: Listener, service: &watch::Receiver<Arc<Service>>) {
    let numbers = AtomicU64::new(1);
    while let Some(stream) = listener.accept().await {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, service.clone(), number));
    }
}

async fn serve(stream: ResumableStream, mut service: watch::Receiver<Arc<Service>>, number: u64) {
    let peer = stream.peer_addr();
    let identity: Arc<str> = stream.identity().unwrap_or_default().into();
    let (mux, attachment) = (service.borrow().mux, stream.attachment());
    let session = mux::Session::server_resumable(stream, mux);
    debug!(session = number, peer = peer.map(tracing::field::display), %identity, "session begun");
    let client = Client::new(service.clone(), session.clone(), attachment, number, identity, peer);
    let mut streams = JoinSet::new();
    let error = loop {
        tokio::select! {
            accepted = session.accept_bi() => match accepted {
                Ok((send, recv)) => {
                    let stream = Stream { session: session.clone(), send, recv };
                    streams.spawn(stream::serve(Arc::clone(&client), stream));
                }
                Err(error) => break error,
            },
            Some(_) = streams.join_next() => {}
            // An error means that the server ends, and the session with it.
            Ok(()) = service.changed() => {
                if !service.borrow_and_update().access.is_admitted(&client.identity) {
                    session.close(TOKEN_REMOVED, "the server admits the token no longer");
                }
            }
        }
    };
    // The streams fail now, and reset their connections: targets must not take the data so far for
    // the whole.
    while streams.join_next().await.is_some() {}
    debug!(session = number, "session ended: {error}");
}
