//! Output that `send` leaves to the task of a handler, which writes the output when the handler
//! waits.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use sockeye_proto::{Role, TransportStatus};
use tokio::io::AsyncWrite;

use super::WebSocket;
use super::output::HIGH_WATER_MARK;
use crate::error::Result;
use crate::handler;
use crate::transport::Transport;

/// A transport that a connection shares with its handler's task, and the output left to that task.
///
/// The lock is held for one attempt to read or write, which never blocks. Only the connection adds
/// output, and the connection takes the unwritten rest back before it writes by itself, so that the
/// bytes keep their order.
pub(crate) struct Shared(Mutex<Inner>);

struct Inner {
    transport: Transport,
    /// Whole frames that the connection has left to the task, and the rest of a partly written
    /// frame.
    output: Vec<u8>,
    /// Number of bytes of `output` that were written.
    written: usize,
    /// `Some` if the task wrote output since the last [`Shared::take_written`]; `true` if a write
    /// had to wait for the peer.
    wrote: Option<bool>,
    /// `true` if the transport accepted no bytes at the task's last write.
    blocked: bool,
    /// The error of a write by the task, until the connection takes it.
    error: Option<io::Error>,
}

impl WebSocket {
    /// Leaves the output to the handler's task, if that task is polling the caller and more input
    /// is available: the handler most likely has more to send before it waits. Returns whether the
    /// output was left to the task.
    #[inline]
    pub(super) fn defer_output(&mut self) -> bool {
        // On a client, `send` writes at once, in a handler as well: a client's input does not tell
        // whether the handler will send more.
        !self.input.is_empty()
            && self.connection.role() == Role::Server
            && self.output.is_contiguous()
            && self.hand_output_to_task()
    }

    fn hand_output_to_task(&mut self) -> bool {
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
        if inner.error.is_some() || inner.output.len() + self.output.len() > HIGH_WATER_MARK {
            return false;
        }
        self.output.leave_in(&mut inner.output);
        self.output_deferred = true;
        true
    }

    /// Takes back the output that the handler's task has not written.
    ///
    /// # Errors
    /// The error of the task's last write.
    #[cold]
    pub(super) fn take_output_back(&mut self) -> Result<()> {
        self.output_deferred = false;
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
    /// Writes the output that the connection has left to the task. Ready when all of it is written,
    /// or when a write has failed.
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

    /// Returns the delivery status of the output, of which the connection itself holds `unwritten`
    /// bytes.
    pub(crate) fn status(&self, unwritten: usize) -> TransportStatus {
        let inner = self.lock();
        let left = inner.output.len() - inner.written;
        inner.transport.status(unwritten + left)
    }

    /// Returns `Some` if another task wrote output since the last call: `true` if a write had to
    /// wait for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        let mut inner = self.lock();
        // `None < Some(false) < Some(true)`: one write that waited is enough for `true`.
        inner.wrote.take().max(inner.transport.take_written())
    }

    /// Takes the transport, which the handler's task loses as well. The caller must have taken back
    /// the output left to that task.
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
