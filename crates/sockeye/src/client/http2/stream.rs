//! A stream of HTTP/2 as a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2;

/// Both halves of a stream.
pub(super) struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Of the frame that was received last, what was not read.
    unread: Bytes,
    /// Whether the sending half was ended.
    ended: bool,
}

impl Stream {
    pub(super) fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        Self { send, receive, unread: Bytes::new(), ended: false }
    }

    /// Waits until the peer has room for some of what is to be written; gives how much, in bytes.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(self.why_closed(cx))),
            }
        }
        Poll::Ready(Ok(self.send.capacity().min(wanted)))
    }

    /// Why nothing can be sent any more.
    fn why_closed(&mut self, cx: &mut Context<'_>) -> io::Error {
        match self.send.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => io_error(reason.into()),
            Poll::Ready(Err(error)) => io_error(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(data)) => self.unread = data,
                // A server that has sent all that it had to say may add that it wants to hear no more.
                Some(Err(error))
                    if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) =>
                {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(http2::read_error(io_error(error)))),
            }
        }
        let length = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        // No more than was received, which is all that could be wrong with it.
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if all == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.poll_room(cx, all.min(http2::MAX_WRITE)))?;
        let data = Bytes::from(http2::gather(bufs, room).into_owned());
        let length = data.len();
        match self.send.send_data(data, false) {
            Ok(()) => Poll::Ready(Ok(length)),
            Err(_) => Poll::Ready(Err(self.why_closed(cx))),
        }
    }

    /// What was written is with the connection, which writes it in a task of its own.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    //= https://www.rfc-editor.org/rfc/rfc8441#section-5
    //# Orderly TCP-level closures are represented as END_STREAM flags
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(io_error))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// The error of the transport beneath, or in the words of TCP what the peer did to the stream or the connection.
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        if let Some(error) = error.into_io() {
            return error;
        }
        return io::ErrorKind::BrokenPipe.into();
    }
    http2::reset(io::Error::other(error))
}
