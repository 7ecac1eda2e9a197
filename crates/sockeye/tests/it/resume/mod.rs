//! Byte streams that outlive their WebSocket, through a proxy that cuts the connections.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_close_with_1000_ends_no_session;
mod a_program_may_ask_for_another_websocket;
mod a_server_that_stops_loses_no_session;
mod a_session_belongs_to_its_identity;
mod a_session_that_cannot_continue_says_why;
mod a_slow_peer_bounds_memory;
mod both_directions_end_by_themselves;
mod each_step_of_the_handshake_may_be_lost;
pub(crate) mod proxy;
mod reconnections_at_odd_moments;
mod sixty_four_mebibytes_survive_ten_cuts;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye::reconnect::{Backoff, Reconnecting};
use sockeye::resume::{self, Error, Limits, ResumableSessions, ResumableStream, ResumeError};
use sockeye::resume::{Listener, SUBPROTOCOL};
use sockeye::upgrade::Options;
use sockeye::{Client, Server};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server of sessions, and the way to its streams.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) listener: Listener,
    pub(crate) sessions: ResumableSessions,
    pub(crate) task: JoinHandle<()>,
}

/// Starts a server, whose clients have the identity of their bearer token.
pub(crate) async fn serve(change: impl FnOnce(ResumableSessions) -> ResumableSessions) -> Serving {
    let (listener, sessions) = resume::listener();
    let sessions = change(sessions);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let shared = sessions.clone();
    let options = Options::new().subprotocols([SUBPROTOCOL]).keep_request(true);
    let server = Server::from_listener(tcp).options(options).serve(move |ws| {
        let (sessions, request) = (shared.clone(), ws.request());
        let identity = request.and_then(|request| request.bearer_token());
        let identity = identity.unwrap_or("anyone").to_owned();
        async move { sessions.serve(ws, identity).await }
    });
    let task = tokio::spawn(async move { server.await.unwrap() });
    Serving { address, listener, sessions, task }
}

/// Returns a client of this address that reconnects without long delays.
pub(crate) fn client(address: SocketAddr) -> Reconnecting {
    reconnecting(Client::new(format!("ws://{address}/")))
}

pub(crate) fn reconnecting(client: Client) -> Reconnecting {
    let backoff = Backoff::new().base(Duration::from_millis(10)).cap(Duration::from_millis(100));
    // No connection of these tests is open for long enough to begin another series.
    let backoff = backoff.max_attempts(Some(500));
    Reconnecting::new(client.subprotocols([SUBPROTOCOL])).backoff(backoff)
}

/// Returns both ends of a session: the client's, then the server's.
pub(crate) async fn pair(serving: &mut Serving, via: SocketAddr) -> [ResumableStream; 2] {
    let client = ResumableStream::connect(client(via)).await.unwrap();
    [client, serving.listener.accept().await.unwrap()]
}

/// Returns the session's error inside an I/O error.
pub(crate) fn session_error(error: &io::Error) -> ResumeError {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::Session(error)) => *error,
        other => panic!("{other:?} instead of an error of the session"),
    }
}

/// Returns limits with this expiry.
pub(crate) fn expiring(expiry: Duration) -> Limits {
    Limits::new().expiry(expiry)
}

/// Returns bytes of which no two neighbourhoods are alike.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_ne_bytes());
    }
    bytes.truncate(length);
    bytes
}
