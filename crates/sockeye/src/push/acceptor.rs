use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::worker::Settings;
use crate::accept::{ACCEPT_PAUSE, AcceptErrors};

/// Maximum number of clients accepted in a row before connections are served.
const MAX_ACCEPTS: usize = 64;

/// The acceptor of a worker: accepts clients as they arrive, within the limit of connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    settings: Arc<Settings>,
    /// Set while clients may be waiting: they are accepted once the limit and the pause allow it.
    ready: bool,
    paused_until: Option<Instant>,
    errors: AcceptErrors,
}

impl Acceptor {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, ready: true, paused_until: None, errors: AcceptErrors::default() }
    }

    /// Records that clients are waiting at the listener.
    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Returns when to [accept](Acceptor::accept) at the latest, unless only the listener decides
    /// that.
    pub(super) fn next(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Uncounts a connection that has ended, or a client that did not become one.
    pub(super) fn on_connection_end(&self) {
        self.settings.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Accepts clients while some are waiting and the limit allows it. `open` returns whether a
    /// client became a connection.
    pub(super) fn accept<S>(
        &mut self,
        now: Instant,
        accept: impl Fn() -> io::Result<(S, SocketAddr)>,
        mut open: impl FnMut(S, SocketAddr) -> bool,
    ) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            self.ready = true;
        }
        if !self.ready || self.paused_until.is_some() {
            return;
        }
        for _ in 0..MAX_ACCEPTS {
            // Count first: a client accepted beyond the limit would have to be dropped.
            let connections = &self.settings.connections;
            if connections.fetch_add(1, Ordering::Relaxed) >= self.settings.max_connections {
                self.on_connection_end();
                self.paused_until = now.checked_add(ACCEPT_PAUSE);
                return;
            }
            let error = match accept() {
                Ok((socket, peer)) => {
                    if !open(socket, peer) {
                        self.on_connection_end();
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.on_connection_end();
            if error.kind() == io::ErrorKind::WouldBlock {
                self.ready = false;
                return;
            }
            if let Some(pause) = self.errors.handle(&error, now) {
                self.paused_until = now.checked_add(pause);
                return;
            }
        }
        // More clients may be waiting; connections are served first.
        self.paused_until = Some(now);
    }
}
