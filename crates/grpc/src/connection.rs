//! One connection of HTTP/2 over a byte stream.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::ConnectError;
use crate::body::RequestBody;
use crate::clock::{self, MaybeSend};
use crate::executor::Executor;
use crate::gather::Gather;

/// Sends calls on a connection, which ends when the last of its senders is dropped.
pub(crate) type Sender = http2::SendRequest<RequestBody>;

pub(crate) type Transport = Box<dyn ByteStream>;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + MaybeSend {}

impl<S: AsyncRead + AsyncWrite + Unpin + MaybeSend> ByteStream for S {}

/// Opens a connection. It is open when the first bytes of the server are there, which sends its settings unasked: a
/// WebSocket that is connected to something else, or to nothing, is not taken for a success.
pub(crate) async fn open(
    http2: &http2::Builder<Executor>,
    transport: Transport,
) -> Result<Sender, ConnectError> {
    let (heard, first) = oneshot::channel();
    let stream = Heard { inner: Gather::new(transport), first: Some(heard) };
    let (sender, connection) =
        http2.handshake(TokioIo::new(stream)).await.map_err(ConnectError::Http2)?;
    let mut connection = Box::pin(connection);
    let mut first = pin!(first);
    poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::Http2(error))),
        Poll::Pending => first.as_mut().poll(cx).map_err(|_| ConnectError::Closed),
    })
    .await?;
    clock::spawn(async move {
        // What ended it is told to each call that was under way.
        let _ended = connection.await;
    });
    Ok(sender)
}

/// A byte stream that tells when the first bytes were read.
struct Heard<S> {
    inner: S,
    first: Option<oneshot::Sender<()>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() > before
            && let Some(first) = this.first.take()
        {
            let _dropped = first.send(());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
