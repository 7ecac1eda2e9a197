use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Extensions;
use sockeye::ByteStream;
use sockeye::resume::ResumableStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The byte stream below a server's HTTP/2.
#[derive(Debug)]
pub(crate) enum ServerStream {
    WebSocket(Box<ByteStream>),
    Session(ResumableStream),
}

impl ServerStream {
    /// Returns the data that the program has attached to the WebSocket.
    pub(crate) fn data(&self) -> &Extensions {
        match self {
            Self::WebSocket(stream) => stream.websocket().all_data(),
            Self::Session(stream) => stream.all_data(),
        }
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::WebSocket(stream) => stream.local_addr(),
            Self::Session(_) => None,
        }
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::WebSocket(stream) => stream.peer_addr(),
            Self::Session(stream) => stream.peer_addr(),
        }
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Session(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Session(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Session(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::WebSocket(stream) => stream.is_write_vectored(),
            Self::Session(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_flush(cx),
            Self::Session(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Session(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
