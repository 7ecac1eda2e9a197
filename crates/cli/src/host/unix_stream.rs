//! Connections through a socket in the file system.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::client_stream::{Accept, ClientStream};
use super::listening_socket::LOCAL;
use super::socket_file::SocketFile;

/// Pause after an error of accepting, which mostly persists: that of TCP sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections, and removes the socket from the file system when dropped.
pub(crate) struct UnixAcceptor {
    listener: UnixListener,
    _file: Option<SocketFile>,
}

impl UnixAcceptor {
    pub(super) fn new(listener: UnixListener, file: Option<SocketFile>) -> Self {
        Self { listener, _file: file }
    }
}

impl Accept for UnixAcceptor {
    type Stream = UnixClient;

    async fn accept(&mut self) -> (UnixClient, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (UnixClient { stream, peeked: Vec::new() }, LOCAL),
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A connection. The system cannot copy bytes without taking them from such a stream, so those that
/// were looked at are kept here.
#[derive(Debug)]
pub(crate) struct UnixClient {
    stream: UnixStream,
    /// Bytes that the next read returns: a few, as callers look for the beginning of a protocol.
    peeked: Vec<u8>,
}

impl ClientStream for UnixClient {
    type Detached = (StdUnixStream, Vec<u8>);

    async fn peek(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.peeked.len() < bytes.len() {
            let mut more = vec![0; bytes.len() - self.peeked.len()];
            let length = self.stream.read(&mut more).await?;
            self.peeked.extend_from_slice(&more[..length]);
        }
        let length = self.peeked.len().min(bytes.len());
        bytes[..length].copy_from_slice(&self.peeked[..length]);
        Ok(length)
    }

    fn detach(self) -> io::Result<Self::Detached> {
        Ok((self.stream.into_std()?, self.peeked))
    }

    fn attach((stream, peeked): Self::Detached) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::from_std(stream)?, peeked })
    }
}

impl AsyncRead for UnixClient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peeked.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.peeked.len().min(buffer.remaining());
        buffer.put_slice(&self.peeked[..length]);
        self.peeked.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UnixClient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_that_were_looked_at_are_read_again() {
        let (stream, mut peer) = UnixStream::pair().unwrap();
        let mut client = UnixClient { stream, peeked: Vec::new() };
        let mut begin = [0; 3];
        peer.write_all(b"P").await.unwrap();
        assert_eq!(client.peek(&mut begin[..1]).await.unwrap(), 1);
        peer.write_all(b"RI * HTTP/2.0").await.unwrap();
        assert_eq!(client.peek(&mut begin).await.unwrap(), 3);
        assert_eq!(&begin, b"PRI");
        drop(peer);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "PRI * HTTP/2.0");
        assert_eq!(client.peek(&mut begin).await.unwrap(), 0);
    }
}
