//! Output that `send` leaves to the task of a handler, which writes it when the handler waits.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use sockeye_proto::{Role, TransportStatus};
use tokio::io::AsyncWrite;

use super::WebSocket;
use super::output::CORK;
use crate::error::Result;
use crate::handler;
use crate::transport::Transport;

/// A transport that a connection shares with the task of its handler, and the output that the task is to write.
///
/// The lock is held for one attempt to read or write, which never waits. Only the connection adds output, and it takes
/// back what is left before it writes by itself, so that bytes keep their order.
pub(crate) struct Shared(Mutex<Inner>);

struct Inner {
    transport: Transport,
    /// Whole frames that the connection has left here, and the rest of one that was written in part.
    output: Vec<u8>,
    /// How much of `output` was written.
    written: usize,
    /// Whether the task wrote something since [`Shared::take_written`], and whether that had to wait for the peer.
    wrote: Option<bool>,
    /// The transport took nothing when the task last wrote.
    blocked: bool,
    /// The error of a write that the task made, until the connection takes it.
    error: Option<io::Error>,
}

impl WebSocket {
    /// Leaves the output to the task of the handler, where this is polled by that task and more input is at hand: the
    /// handler most likely has more to send before it waits. Returns whether it did.
    #[inline]
    pub(super) fn defer_output(&mut self) -> bool {
        // On a client `send` writes at once, in a handler as well: its own input says nothing of what comes next.
        !self.input.is_empty()
            && self.connection.role() == Role::Server
            && self.output.is_contiguous()
            && self.leave_output()
    }

    fn leave_output(&mut self) -> bool {
        if !handler::is_polled() {
            return false;
        }
        let shared = match &self.transport {
            Transport::Shared(shared) => shared,
            _ => share(&mut self.transport),
        };
        if !handler::leave(shared) {
            return false;
        }
        let mut inner = shared.lock();
        if inner.error.is_some() || inner.output.len() + self.output.len() > CORK {
            return false;
        }
        self.output.leave_in(&mut inner.output);
        self.left_output = true;
        true
    }

    /// Takes back the output that was left to the task of the handler and that it has not written.
    ///
    /// # Errors
    /// The error that the task met when it wrote.
    #[cold]
    pub(super) fn take_output_back(&mut self) -> Result<()> {
        self.left_output = false;
        let Transport::Shared(shared) = &self.transport else { return Ok(()) };
        let mut inner = shared.lock();
        if let Some(error) = inner.error.take() {
            inner.output = Vec::new();
            return Err(error.into());
        }
        let written = mem::take(&mut inner.written);
        self.output.take_back(&mut inner.output, written);
        Ok(())
    }
}

#[cold]
fn share(transport: &mut Transport) -> &Arc<Shared> {
    let inner = Inner {
        transport: mem::replace(transport, Transport::Gone),
        output: Vec::new(),
        written: 0,
        wrote: None,
        blocked: false,
        error: None,
    };
    *transport = Transport::Shared(Arc::new(Shared(Mutex::new(inner))));
    match transport {
        Transport::Shared(shared) => shared,
        _ => unreachable!("it was just made so"),
    }
}

impl Shared {
    /// Writes what the connection has left, as far as the transport takes it. Ready when nothing is left.
    pub(crate) fn poll_write_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.output.is_empty() {
            return Poll::Ready(());
        }
        let result = ready!(inner.poll_write_left(cx));
        inner.written = 0;
        match result {
            Ok(()) => inner.output.clear(),
            Err(error) => {
                inner.output = Vec::new();
                inner.error = Some(error);
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn with_transport<T>(&self, work: impl FnOnce(&mut Transport) -> T) -> T {
        work(&mut self.lock().transport)
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.with_transport(|transport| transport.peer_addr())
    }

    /// Returns how far the output has come, of which the connection itself holds `unwritten` bytes.
    pub(crate) fn status(&self, unwritten: usize) -> TransportStatus {
        let inner = self.lock();
        let left = inner.output.len() - inner.written;
        inner.transport.status(unwritten + left)
    }

    /// Returns whether another task wrote something since this was last asked, and whether that had to wait for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        let mut inner = self.lock();
        // `false` is less than `true`: one of them that waited is enough.
        inner.wrote.take().max(inner.transport.take_written())
    }

    /// Takes the transport away from the task as well. What was left to the task must have been taken back.
    pub(crate) fn take_transport(&self) -> Transport {
        mem::replace(&mut self.lock().transport, Transport::Gone)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_write_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, output, written, wrote, blocked, .. } = self;
        let mut transport = Pin::new(transport);
        while *written < output.len() {
            let taken = transport.as_mut().poll_write(cx, &output[*written..]);
            let waited = mem::replace(blocked, taken.is_pending());
            match ready!(taken)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => *written += length,
            }
            *wrote = (*wrote).max(Some(waited));
        }
        transport.poll_flush(cx)
    }
}
