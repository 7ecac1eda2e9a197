//! What the bytes of a connection travel over.

mod answered_pings;

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::TransportStatus;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::websocket::{Shared, split};

pub(crate) use answered_pings::AnsweredPings;
#[cfg(any(feature = "http2", feature = "hyper"))]
pub(crate) use answered_pings::MIN_NUMBERED;

/// What an HTTP library holds for a stream whose peer gives no room, in bytes: three writes of 16 KiB and the input that is not
/// read meanwhile, with a stream window of 64 KiB, and what it keeps of them.
const HELD_BY_HTTP2: usize = 128 * 1024;

/// What rustls holds for a connection whose socket takes nothing, in bytes: the limit of its buffer.
const HELD_BY_TLS: usize = 64 * 1024;

/// Any byte stream that a WebSocket can run over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// The stream itself, to look for the socket that it runs on.
    fn as_any(&self) -> &dyn Any;
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

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
    /// One of the others, which the task of a handler writes to as well.
    Shared(Arc<Shared>),
    /// It was taken away.
    Gone,
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
        match self {
            Self::Boxed { io, pings, .. } => {
                if let Some(pings) = pings {
                    pings.handle_pong(payload);
                }
                if let Some((outbox, _)) = split::behind((**io).as_any()) {
                    outbox.handle_pong(payload);
                }
            }
            Self::Shared(shared) => {
                shared.with_transport(|transport| transport.handle_pong(payload));
            }
            Self::Tcp(_) | Self::Gone => {}
        }
    }

    /// Takes the transport away, from the task of a handler as well. What was left to that task must have been taken back.
    pub(crate) fn take(&mut self) -> Self {
        match mem::replace(self, Self::Gone) {
            Self::Shared(shared) => shared.take_transport(),
            other => other,
        }
    }

    /// Drops it, and resets the TCP connection that it runs over, if it does.
    pub(crate) fn reset(self) {
        let socket = match &self {
            Self::Tcp(stream) => Some(stream),
            Self::Boxed { io, .. } => socket((**io).as_any()),
            Self::Shared(_) | Self::Gone => None,
        };
        if let Some(socket) = socket {
            // An error says that the socket is gone already.
            let _ = socket.set_zero_linger();
        }
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Boxed { peer, .. } => *peer,
            Self::Shared(shared) => shared.peer_addr(),
            Self::Gone => None,
        }
    }
}

impl Transport {
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Shared(shared) => shared.with_transport(|transport| transport.local_addr()),
            Self::Boxed { .. } | Self::Gone => None,
        }
    }

    /// How far the output has come, of which the connection itself holds `unwritten` bytes.
    pub(crate) fn status(&self, unwritten: usize) -> TransportStatus {
        let (waiting, socket) = match self {
            Self::Tcp(stream) => (0, Some(stream)),
            Self::Boxed { io, .. } => match split::behind((**io).as_any()) {
                Some((outbox, socket)) => (outbox.unwritten(), socket),
                None => (0, socket((**io).as_any())),
            },
            Self::Shared(shared) => return shared.status(unwritten),
            Self::Gone => (0, None),
        };
        let unwritten = (unwritten + waiting) as u64;
        let (acknowledged, in_system) = socket.and_then(delivery).unwrap_or_default();
        TransportStatus { acknowledged, unacknowledged: in_system + unwritten, paused: false }
    }

    /// About how much a transport that takes nothing holds by itself, in bytes.
    pub(crate) fn held_when_full(&self) -> usize {
        match self {
            // A stream of HTTP/2.
            Self::Boxed { pings: Some(_), .. } => HELD_BY_HTTP2,
            Self::Boxed { io, .. } if socket((**io).as_any()).is_some() => HELD_BY_TLS,
            Self::Shared(shared) => shared.with_transport(|transport| transport.held_when_full()),
            Self::Tcp(_) | Self::Boxed { .. } | Self::Gone => 0,
        }
    }

    /// Whether another task wrote something since this was last asked, and whether that had to wait for the peer.
    pub(crate) fn take_written(&self) -> Option<bool> {
        match self {
            Self::Boxed { io, .. } => split::behind((**io).as_any())?.0.take_written(),
            Self::Shared(shared) => shared.take_written(),
            Self::Tcp(_) | Self::Gone => None,
        }
    }
}

/// The socket under the streams that this crate makes, and those that servers usually hand over.
fn socket(io: &dyn Any) -> Option<&TcpStream> {
    #[cfg(feature = "tls")]
    {
        use tokio_rustls::{client, server};

        if let Some(stream) = io.downcast_ref::<client::TlsStream<Transport>>() {
            return match stream.get_ref().0 {
                Transport::Tcp(stream) => Some(stream),
                Transport::Boxed { io, .. } => socket((**io).as_any()),
                // Nothing beneath TLS is shared or taken away.
                Transport::Shared(_) | Transport::Gone => None,
            };
        }
        if let Some(stream) = io.downcast_ref::<server::TlsStream<TcpStream>>() {
            return Some(stream.get_ref().0);
        }
        if let Some(stream) = io.downcast_ref::<tokio_rustls::TlsStream<TcpStream>>() {
            return Some(stream.get_ref().0);
        }
    }
    io.downcast_ref::<TcpStream>()
}

#[cfg(target_os = "linux")]
fn delivery(stream: &TcpStream) -> Option<(u64, u64)> {
    crate::tcp_info::delivery(std::os::fd::AsFd::as_fd(stream))
}

#[cfg(not(target_os = "linux"))]
fn delivery(_: &TcpStream) -> Option<(u64, u64)> {
    None
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

/// Nobody uses a transport that was taken away, but that is no reason to panic.
fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Tcp(_) => "Tcp",
            Self::Boxed { .. } => "Boxed",
            Self::Shared(_) => "Shared",
            Self::Gone => "Gone",
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
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_read(cx, buf))
            }
            Self::Gone => gone(),
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
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_write(cx, buf))
            }
            Self::Gone => gone(),
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
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_write_vectored(cx, bufs))
            }
            Self::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_flush(cx),
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_flush(cx))
            }
            Self::Gone => gone(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_shutdown(cx),
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_shutdown(cx))
            }
            Self::Gone => gone(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Boxed { io, .. } => io.is_write_vectored(),
            Self::Shared(shared) => {
                shared.with_transport(|transport| transport.is_write_vectored())
            }
            Self::Gone => false,
        }
    }
}
