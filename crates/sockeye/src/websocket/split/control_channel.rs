use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::outbox::{Input, Outbox};
use crate::error::Error;
use crate::transport::Io;

/// Returns the outbox behind the transport of a receiving half, and its socket where that is known.
pub(crate) fn behind(io: &dyn Any) -> Option<(&Outbox, Option<&TcpStream>)> {
    if let Some(control_channel) = io.downcast_ref::<ControlChannel<OwnedReadHalf>>() {
        return Some((
            &control_channel.outbox,
            control_channel.transport.as_ref().map(OwnedReadHalf::as_ref),
        ));
    }
    let control_channel = io.downcast_ref::<ControlChannel<ReadHalf<Box<dyn Io>>>>()?;
    Some((&control_channel.outbox, None))
}

/// The transport of the receiving half: it reads directly, and passes its writes, which are control
/// frames only, to the writer, ahead of messages.
pub(super) struct ControlChannel<R: AsyncRead + Send + Unpin + 'static> {
    /// Taken on drop: the writer then reads the peer's further input.
    transport: Option<R>,
    outbox: Arc<Outbox>,
}

impl<R: AsyncRead + Send + Unpin + 'static> ControlChannel<R> {
    pub(super) fn new(transport: R, outbox: Arc<Outbox>) -> Self {
        Self { transport: Some(transport), outbox }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> AsyncRead for ControlChannel<R> {
    /// Reads the peer's input first; without input, returns the error of the writer, if any.
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(transport) = &mut this.transport {
            let read = Pin::new(transport).poll_read(cx, buf);
            if read.is_ready() {
                return read;
            }
        }
        this.outbox.poll_failed(cx).map(|error| Err(io::Error::other(WriterFailed(error))))
    }
}

/// The error of the writer, on its way through the transport of the receiving half.
#[derive(Debug)]
pub(in crate::websocket) struct WriterFailed(pub(in crate::websocket) Error);

impl fmt::Display for WriterFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for WriterFailed {}

impl<R: AsyncRead + Send + Unpin + 'static> AsyncWrite for ControlChannel<R> {
    /// Takes all of `buf`, which holds whole control frames, since no caller writes a part of one.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outbox
            .poll_control(cx, buf)
            .map(|taken| taken.map(|()| buf.len()).map_err(|_| io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until the writer has written the control frames. A read returns the error of the
    /// writer.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_control_written(cx).map(Ok)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_finish(cx).map(Ok)
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Drop for ControlChannel<R> {
    fn drop(&mut self) {
        self.outbox.abandon(self.transport.take().map(|transport| Box::new(transport) as Input));
    }
}
