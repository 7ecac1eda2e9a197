//! What the bytes of a connection travel over.

mod answered_pings;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) use answered_pings::AnsweredPings;
#[cfg(any(feature = "http2", feature = "hyper"))]
pub(crate) use answered_pings::MIN_NUMBERED;

/// Any byte stream that a WebSocket can run over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A byte stream without its type, so that [`WebSocket`](crate::WebSocket) has none either: plain TCP, which is worth
/// a direct call, or anything else behind a pointer.
pub(crate) enum Transport {
    Tcp(TcpStream),
    /// With pings of its own, where it writes any.
    Boxed {
        io: Box<dyn Io>,
        peer: Option<SocketAddr>,
        pings: Option<AnsweredPings>,
    },
}

impl Transport {
    /// Anything but a bare TCP stream, with the peer's address where there is one.
    pub(crate) fn boxed(io: impl Io + 'static, peer: Option<SocketAddr>) -> Self {
        Self::Boxed { io: Box::new(io), peer, pings: None }
    }

    /// Hands pongs over to a transport that writes pings of its own.
    pub(crate) fn with_pings(mut self, answered: Option<AnsweredPings>) -> Self {
        if let Self::Boxed { pings, .. } = &mut self {
            *pings = answered;
        }
        self
    }

    /// Handles the payload of a pong, of any ping.
    pub(crate) fn handle_pong(&self, payload: &[u8]) {
        if let Self::Boxed { pings: Some(pings), .. } = self {
            pings.handle_pong(payload);
        }
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Boxed { peer, .. } => *peer,
        }
    }
}

impl Transport {
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Boxed { .. } => None,
        }
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Tcp(_) => "Tcp",
            Self::Boxed { .. } => "Boxed",
        };
        f.debug_struct(name).field("peer", &self.peer_addr()).finish()
    }
}

impl AsyncRead for Transport {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Boxed { io, .. } => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Boxed { io, .. } => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Boxed { io, .. } => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Boxed { io, .. } => io.is_write_vectored(),
        }
    }
}
