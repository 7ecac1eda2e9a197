//! Tunnels that outlive their WebSocket.

use std::pin::pin;

use sockeye::WebSocket;
use sockeye::resume::{self, Listener, ResumableSessions, ResumableStream};
use tokio::sync::Mutex;

use super::settings::SessionSettings;

/// The sessions of the tunnels of a gateway, over all of its settings.
pub(super) struct TunnelSessions {
    sessions: ResumableSessions,
    listener: Mutex<Listener>,
}

impl TunnelSessions {
    pub(super) fn new() -> Self {
        let (listener, sessions) = resume::listener();
        Self { sessions, listener: Mutex::new(listener) }
    }

    /// Serves the session of a socket until the socket ends, and passes the streams of new sessions
    /// to `begin`.
    pub(super) async fn serve(
        &self,
        socket: WebSocket,
        settings: SessionSettings,
        owner: String,
        begin: impl Fn(ResumableStream),
    ) {
        let sessions = self.sessions.clone().limits(settings.limits);
        let sessions = sessions.max_sessions(settings.max_sessions);
        let mut serving = pin!(sessions.serve(socket, owner));
        loop {
            // A session begins within `serving`, so that some socket is there to accept it. It may
            // be another one's.
            tokio::select! {
                biased;
                Some(stream) = self.accept() => begin(stream),
                served = &mut serving => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "the WebSocket of a tunnel ended");
                    }
                    return;
                }
            }
        }
    }

    async fn accept(&self) -> Option<ResumableStream> {
        self.listener.lock().await.accept().await
    }
}
