use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use sockeye_proto::TransportStatus;
use tokio::io::AsyncWrite;

use super::Transport;

/// A transport that a connection shares with its handler's task, and the output deferred to that
/// task.
///
/// The lock is held for one attempt to read or write, which never blocks. Only the connection adds
/// output, and the connection takes the unwritten rest back before it writes by itself, so that the
/// bytes keep their order.
pub(crate) struct Shared(Mutex<Inner>);

struct Inner {
    transport: Transport,
    /// Whole frames that the connection has deferred to the task, and the rest of a partly written
    /// frame.
    output: Vec<u8>,
    /// Number of bytes of `output` that were written.
    written: usize,
    /// `Some` if the task wrote output since the last [`Shared::take_written`]; `true` if a write
    /// had to wait for the peer.
    write_waited: Option<bool>,
    /// `true` if the transport accepted no bytes at the task's last write.
    blocked: bool,
    /// The error of a write by the task, until the connection takes it.
    error: Option<io::Error>,
}

impl Shared {
    /// Converts `transport` into the shared variant.
    #[cold]
    pub(crate) fn share(transport: &mut Transport) -> &Arc<Self> {
        let inner = Inner {
            transport: mem::replace(transport, Transport::Gone),
            output: Vec::new(),
            written: 0,
            write_waited: None,
            blocked: false,
            error: None,
        };
        *transport = Transport::Shared(Arc::new(Self(Mutex::new(inner))));
        match transport {
            Transport::Shared(shared) => shared,
            _ => unreachable!("the transport was assigned above"),
        }
    }

    /// Defers `length` bytes of output, which `append` appends, to the task. Returns `false` if the
    /// deferred output would then exceed `limit` bytes, or if the task's last write failed.
    #[inline]
    pub(crate) fn defer(
        &self,
        length: usize,
        limit: usize,
        append: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut inner = self.lock();
        if inner.error.is_some() || inner.output.len() + length > limit {
            return false;
        }
        append(&mut inner.output);
        true
    }

    /// Takes back the output that the task has not written: `take` gets the output, and the number
    /// of its bytes that are written.
    ///
    /// # Errors
    /// The error of the task's last write.
    pub(crate) fn take_back(&self, take: impl FnOnce(&mut Vec<u8>, usize)) -> io::Result<()> {
        let mut inner = self.lock();
        if let Some(error) = inner.error.take() {
            inner.output = Vec::new();
            return Err(error);
        }
        let written = mem::take(&mut inner.written);
        take(&mut inner.output, written);
        Ok(())
    }

    /// Writes the deferred output. Ready when all of it is written, or when a write has failed.
    pub(crate) fn poll_write_deferred(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.output.is_empty() {
            return Poll::Ready(());
        }
        let result = ready!(inner.poll_write_deferred(cx));
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
        let deferred = inner.output.len() - inner.written;
        inner.transport.status(unwritten + deferred)
    }

    /// Returns `Some` if another task wrote output since the last call: `true` if a write had to
    /// wait for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        let mut inner = self.lock();
        // `None < Some(false) < Some(true)`: one write that waited is enough for `true`.
        inner.write_waited.take().max(inner.transport.take_written())
    }

    /// Takes the transport, which the handler's task loses as well. The caller must have taken back
    /// the deferred output.
    pub(crate) fn take_transport(&self) -> Transport {
        mem::replace(&mut self.lock().transport, Transport::Gone)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_write_deferred(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, output, written, write_waited, blocked, .. } = self;
        let mut transport = Pin::new(transport);
        while *written < output.len() {
            let taken = transport.as_mut().poll_write(cx, &output[*written..]);
            let waited = mem::replace(blocked, taken.is_pending());
            match ready!(taken)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => *written += length,
            }
            *write_waited = (*write_waited).max(Some(waited));
        }
        transport.poll_flush(cx)
    }
}
