//! The sessions of clients, each with its streams.

use std::sync::Arc;

use sockeye::mux::{self, SessionError};
use sockeye::resume::{self, Listener, ResumableStream, ResumeError};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::client::Client;
use super::service::Service;
use super::stream;
use crate::commands::tunnel::protocol::{GOING_AWAY, TOKEN_REMOVED};
use crate::commands::tunnel::relay::Stream;

/// Accepts the sessions of all clients for as long as the future is polled, and serves them as tasks
/// of `clients`, which end after the sender of `service` is dropped. A session runs on the thread of
/// the WebSocket that began it: on several threads, most pieces of its data would wake another one.
pub(super) async fn accept_all(
    mut listener: Listener,
    service: &watch::Receiver<Arc<Service>>,
    clients: &mut JoinSet<()>,
) {
    let mut number = 0;
    loop {
        tokio::select! {
            stream = listener.accept() => {
                let Some(stream) = stream else { return };
                number += 1;
                let runtime = stream.all_data().get().cloned();
                let runtime = runtime.unwrap_or_else(Handle::current);
                clients.spawn_on(serve(stream, service.clone(), number), &runtime);
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve(stream: ResumableStream, mut service: watch::Receiver<Arc<Service>>, number: u64) {
    let peer = stream.peer_addr();
    let identity: Arc<str> = stream.identity().unwrap_or_default().into();
    let (mux, attachment) = (service.borrow().mux, stream.attachment());
    let session = mux::Session::server_resumable(stream, mux);
    session.charge(&service.borrow().budget);
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
            changed = service.changed() => {
                if changed.is_err() {
                    session.close(GOING_AWAY, "the server ends");
                    break session.closed().await;
                }
                if !service.borrow_and_update().access.is_admitted(&client.identity) {
                    session.close(TOKEN_REMOVED, "the server admits the token no longer");
                }
            }
        }
    };
    // The streams fail now, and reset their connections: targets must not take the data so far for
    // the whole.
    while streams.join_next().await.is_some() {}
    if is_over_budget(&error) {
        warn!(session = number, peer = peer.map(tracing::field::display), "session ended: {error}");
    } else {
        debug!(session = number, "session ended: {error}");
    }
}

/// Returns whether the server has ended the session because its memory budget is used up, by the data
/// of the streams or by that of the WebSocket.
fn is_over_budget(error: &SessionError) -> bool {
    match error {
        SessionError::OverBudget => true,
        SessionError::Transport(error) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            matches!(cause, Some(resume::Error::Session(ResumeError::OverBudget)))
        }
        _ => false,
    }
}
