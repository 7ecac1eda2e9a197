//! Graceful shutdown: the signals that begin it, and the guards of the connections that it waits
//! for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye::{Drain, DrainGuard};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::streams::StreamGuard;
use super::workers::Occupied;

/// Guards a connection: holds its slot of the connection limit and its place on a thread, from
/// accept until the last task of the connection ends. An HTTP/1.1 connection shares the slot with
/// the WebSocket that it is upgraded to. An HTTP/2 connection shares the slot with one of its
/// WebSockets at a time; every other concurrent WebSocket takes a slot of its own.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionGuard {
    peer: SocketAddr,
    /// The span of the connection's tasks, which adds the peer to each log line.
    span: Span,
    drain: Drain,
    registration: Arc<Registration>,
    /// The HTTP/2 stream, if the guard belongs to one.
    _stream: Option<Arc<StreamGuard>>,
    /// The slot of the WebSocket on that stream, if the stream carries one.
    _slot: Option<Arc<WebSocketSlot>>,
}

#[derive(Debug)]
struct Registration {
    slot: OwnedSemaphorePermit,
    /// `true` while a WebSocket on an HTTP/2 stream shares the slot.
    is_shared: AtomicBool,
    _place: Option<Occupied>,
    _drain: DrainGuard,
}

/// The slot of a WebSocket on an HTTP/2 stream.
#[derive(Debug)]
enum WebSocketSlot {
    /// Shared with the connection.
    Shared(Arc<Registration>),
    Own {
        _permit: OwnedSemaphorePermit,
    },
}

impl Drop for WebSocketSlot {
    fn drop(&mut self) {
        if let Self::Shared(registration) = self {
            registration.is_shared.store(false, Ordering::Release);
        }
    }
}

impl ConnectionGuard {
    /// Registers a connection. `place` is that on the thread that will serve it, if it is one of
    /// [`Workers`](super::workers::Workers).
    pub(super) fn new(
        drain: &Drain,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
        place: Option<Occupied>,
    ) -> Self {
        let (is_shared, drain_guard) = (AtomicBool::new(false), drain.guard());
        let registration = Registration { slot, is_shared, _place: place, _drain: drain_guard };
        Self {
            peer,
            span: Span::none(),
            drain: drain.clone(),
            registration: Arc::new(registration),
            _stream: None,
            _slot: None,
        }
    }

    /// Returns this guard with `client` as its peer, and with a span that names the client.
    pub(crate) fn with_client(self, client: SocketAddr) -> Self {
        Self { peer: client, span: tracing::warn_span!("connection", peer = %client), ..self }
    }

    /// Returns this guard, extended by an HTTP/2 stream of its connection.
    pub(crate) fn with_stream(self, stream: StreamGuard) -> Self {
        Self { _stream: Some(Arc::new(stream)), ..self }
    }

    /// Returns this guard, extended by a slot for a WebSocket on an HTTP/2 stream; `None` when no
    /// slot is free.
    pub(crate) fn with_slot(self) -> Option<Self> {
        let registration = &self.registration;
        let slot = if registration.is_shared.swap(true, Ordering::AcqRel) {
            let slots = Arc::clone(registration.slot.semaphore());
            WebSocketSlot::Own { _permit: slots.try_acquire_owned().ok()? }
        } else {
            WebSocketSlot::Shared(Arc::clone(registration))
        };
        Some(Self { _slot: Some(Arc::new(slot)), ..self })
    }

    /// Returns the address of the peer.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the span of the connection, which names the peer.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Returns the drain of all connections.
    pub(crate) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Waits until the shutdown begins. Cancel safe.
    pub(crate) async fn wait_for_shutdown(&self) {
        self.drain.begun().await;
    }
}

/// The signals that stop the server: SIGINT (Ctrl-C) and SIGTERM.
#[derive(Debug)]
pub(crate) struct TerminationSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    last_status: i32,
}

/// Exit status that shells report for a program ended by SIGINT or SIGTERM: 128 plus the number of
/// the signal.
const SIGINT_STATUS: i32 = 130;
#[cfg(unix)]
const SIGTERM_STATUS: i32 = 143;

impl TerminationSignals {
    /// Installs signal handlers in place of the default actions, which kill the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        use {
            anyhow::Context,
            tokio::signal::unix::{SignalKind, signal},
        };
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            last_status: SIGINT_STATUS,
        })
    }

    /// Waits for the next signal. Cancel safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        self.last_status = tokio::select! {
            _ = self.interrupt.recv() => SIGINT_STATUS,
            _ = self.terminate.recv() => SIGTERM_STATUS,
        };
    }

    /// Waits for the next Ctrl-C. Cancel safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // No Ctrl-C can be received: the server runs until it is killed.
            std::future::pending::<()>().await;
        }
    }

    /// Returns the exit status that shells report for a process killed by the last signal.
    pub(crate) fn exit_status(&self) -> i32 {
        self.last_status
    }
}
