use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::worker::Settings;
use crate::repeated::Repeated;

/// Clients accepted in a row, at most, before connections have their turn.
const MAX_ACCEPTS: usize = 64;

/// The pause after an error of the listener that does not go away by itself, such as no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// When clients are accepted: as they come, within the limit of connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    settings: Arc<Settings>,
    /// There may be clients to accept, once there is room or the pause is over.
    ready: bool,
    paused_until: Option<Instant>,
    failing: Repeated,
}

impl Acceptor {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, ready: true, paused_until: None, failing: Repeated::default() }
    }

    /// The listener says that there are clients.
    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// When to [accept](Acceptor::accept) at the latest, if that is not only up to the listener.
    pub(super) fn next(&self) -> Option<Instant> {
        self.paused_until
    }

    /// A connection has ended, or did not become one.
    pub(super) fn on_connection_end(&self) {
        self.settings.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes clients while there are some and room for them; `open` says whether one became a connection.
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
            // A place first: one that was accepted without it would have to be sent away.
            let connections = &self.settings.connections;
            if connections.fetch_add(1, Ordering::Relaxed) >= self.settings.max_connections {
                self.on_connection_end();
                self.paused_until = now.checked_add(PAUSE);
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
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return;
                }
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                _ => {
                    if let Some(times) = self.failing.count(now) {
                        tracing::warn!(%error, times, "cannot accept connections");
                    }
                    self.paused_until = now.checked_add(PAUSE);
                    return;
                }
            }
        }
        // There may be more, after the connections had their turn.
        self.paused_until = Some(now);
    }
}
