use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::outbox::{BoxedReadingHalf, Outbox, ReadingHalf as _};
use crate::error::Error;
use crate::transport::{SplitReadHalf, reset_when_dropped};

/// The transport of the receiving half. Reads from the connection's transport directly, and passes
/// control frames to the writer task, which sends them ahead of messages.
pub(super) struct ReceiverTransport<R: AsyncRead + Send + Unpin + 'static> {
    /// Taken on drop: the writer task then reads the peer's further input.
    transport: Option<R>,
    outbox: Arc<Outbox>,
}

impl<R: AsyncRead + Send + Unpin + 'static> ReceiverTransport<R> {
    pub(super) fn new(transport: R, outbox: Arc<Outbox>) -> Self {
        Self { transport: Some(transport), outbox }
    }

    /// Drops the transport and, where it runs over TCP, resets the TCP connection. Called once a
    /// sender has aborted the connection.
    fn reset(&mut self) {
        if let Some(transport) = self.transport.take() {
            reset_when_dropped(transport.socket());
        }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> AsyncRead for ReceiverTransport<R> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.outbox.is_aborted() {
            // The driver then calls `poll_writer_failed`, which returns the error.
            return Poll::Pending;
        }
        match &mut this.transport {
            Some(transport) => Pin::new(transport).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> SplitReadHalf for ReceiverTransport<R> {
    fn poll_control(
        &mut self,
        cx: &Context<'_>,
        frames: &[u8],
        closes: bool,
    ) -> Poll<io::Result<()>> {
        self.outbox.poll_control(cx, frames, closes).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_control_written(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.outbox.poll_control_written(cx)
    }

    fn poll_writer_failed(&mut self, cx: &Context<'_>) -> Poll<Error> {
        if self.outbox.is_aborted() {
            self.reset();
            return Poll::Ready(Error::Closed(None));
        }
        self.outbox.poll_failure(cx)
    }

    fn poll_finish(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.outbox.poll_finish(cx)
    }

    fn handle_pong(&self, payload: &[u8]) {
        self.outbox.handle_pong(payload);
    }

    fn unwritten(&self) -> usize {
        self.outbox.unwritten()
    }

    fn take_written(&self) -> Option<bool> {
        self.outbox.take_written()
    }

    fn socket(&self) -> Option<&TcpStream> {
        self.transport.as_ref()?.socket()
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Drop for ReceiverTransport<R> {
    fn drop(&mut self) {
        if self.outbox.is_aborted() {
            self.reset();
        }
        self.outbox.on_receiver_dropped(
            self.transport.take().map(|transport| Box::new(transport) as BoxedReadingHalf),
        );
    }
}
