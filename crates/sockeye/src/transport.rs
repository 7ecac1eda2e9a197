//! The transports of connections.

mod answered_pings;
mod shared;

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

use crate::error::Error;

pub(crate) use answered_pings::AnsweredPings;
#[cfg(any(feature = "http2", feature = "hyper"))]
pub(crate) use answered_pings::MIN_NUMBERED;
pub(crate) use shared::Shared;

/// Approximate memory that an HTTP library holds for a stream whose peer's window is exhausted, in
/// bytes: three writes of 16 KiB, the input that is not read meanwhile, with a stream window of 64
/// KiB, and the overhead of both.
const HELD_BY_HTTP2: usize = 128 * 1024;

/// Memory that rustls holds for a connection whose socket accepts nothing, in bytes: the limit of
/// its buffer.
const HELD_BY_TLS: usize = 64 * 1024;

/// A byte stream that a WebSocket can run on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the stream as `Any`, to find the underlying socket.
    fn as_any(&self) -> &dyn Any;
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The reading half of a split connection, whose writer task writes its control frames.
pub(crate) trait SplitReadHalf: AsyncRead + Send + Unpin {
    /// Passes whole control frames to the writer task; `closes` is `true` if the last of them is a
    /// close frame. Pending while too many frames wait for the task.
    fn poll_control(
        &mut self,
        cx: &Context<'_>,
        frames: &[u8],
        closes: bool,
    ) -> Poll<io::Result<()>>;

    /// Waits until the writer task has written the control frames.
    fn poll_control_written(&mut self, cx: &Context<'_>) -> Poll<()>;

    /// Waits for the error that ends the writer task.
    fn poll_writer_failed(&mut self, cx: &Context<'_>) -> Poll<Error>;

    /// Makes the writer task end its half of the transport, and waits until the task has done so.
    fn poll_finish(&mut self, cx: &Context<'_>) -> Poll<()>;

    /// Handles the payload of a pong, in response to any ping.
    fn handle_pong(&self, payload: &[u8]);

    /// Returns the amount of unwritten output, in bytes.
    fn unwritten(&self) -> usize;

    /// Returns whether a write of the task since the last call had to wait for the peer, or `None`
    /// without a write.
    fn take_written(&self) -> Option<bool>;

    /// Returns the socket, where the transport is plain TCP.
    fn socket(&self) -> Option<&TcpStream>;
}

/// A type-erased byte stream, so that [`WebSocket`](crate::WebSocket) has no type parameter: plain
/// TCP, which is called directly because that is faster, or any other stream behind a pointer.
pub(crate) enum Transport {
    Tcp(TcpStream),
    /// Any other stream, with the pings that the stream itself writes, if any.
    Boxed {
        io: Box<dyn Io>,
        peer: Option<SocketAddr>,
        pings: Option<AnsweredPings>,
    },
    /// The reading half of a split connection.
    Split {
        half: Box<dyn SplitReadHalf>,
        peer: Option<SocketAddr>,
        pings: Option<AnsweredPings>,
    },
    /// One of the other variants, to which the task of a handler writes as well.
    Shared(Arc<Shared>),
    /// The transport was taken.
    Gone,
}

impl Transport {
    /// Creates a transport of any stream but bare TCP, with the peer's address where there is one.
    pub(crate) fn boxed(io: impl Io + 'static, peer: Option<SocketAddr>) -> Self {
        Self::Boxed { io: Box::new(io), peer, pings: None }
    }

    /// Makes [`handle_pong`](Self::handle_pong) record in `answered` which pings of the transport
    /// itself were answered.
    #[cfg(any(feature = "http2", feature = "hyper"))]
    pub(crate) fn with_pings(mut self, answered: Option<AnsweredPings>) -> Self {
        if let Self::Boxed { pings, .. } = &mut self {
            *pings = answered;
        }
        self
    }

    /// Handles the payload of a pong, in response to any ping.
    pub(crate) fn handle_pong(&self, payload: &[u8]) {
        match self {
            Self::Boxed { pings: Some(pings), .. } => pings.handle_pong(payload),
            Self::Split { half, pings, .. } => {
                if let Some(pings) = pings {
                    pings.handle_pong(payload);
                }
                half.handle_pong(payload);
            }
            Self::Shared(shared) => {
                shared.with_transport(|transport| transport.handle_pong(payload));
            }
            Self::Tcp(_) | Self::Boxed { .. } | Self::Gone => {}
        }
    }

    /// Takes the transport, also from the task of a handler. Output deferred to that task must have
    /// been taken back.
    pub(crate) fn take(&mut self) -> Self {
        match mem::replace(self, Self::Gone) {
            Self::Shared(shared) => shared.take_transport(),
            other => other,
        }
    }

    /// Drops the transport, and resets the underlying TCP connection, if any.
    pub(crate) fn reset(self) {
        let socket = match &self {
            Self::Tcp(stream) => Some(stream),
            Self::Boxed { io, .. } => socket((**io).as_any()),
            Self::Split { half, .. } => half.socket(),
            Self::Shared(_) | Self::Gone => None,
        };
        reset_when_dropped(socket);
    }

    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Boxed { peer, .. } | Self::Split { peer, .. } => *peer,
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
            Self::Boxed { .. } | Self::Split { .. } | Self::Gone => None,
        }
    }

    /// Returns the progress of the output, of which the connection itself holds `unwritten` bytes.
    pub(crate) fn status(&self, unwritten: usize) -> TransportStatus {
        let (waiting, socket) = match self {
            Self::Tcp(stream) => (0, Some(stream)),
            Self::Boxed { io, .. } => (0, socket((**io).as_any())),
            Self::Split { half, .. } => (half.unwritten(), half.socket()),
            Self::Shared(shared) => return shared.status(unwritten),
            Self::Gone => (0, None),
        };
        let unwritten = (unwritten + waiting) as u64;
        let (acknowledged, in_system) = socket.and_then(delivery).unwrap_or_default();
        TransportStatus { acknowledged, unacknowledged: in_system + unwritten, paused: false }
    }

    /// Returns the approximate memory that the transport itself holds when it accepts nothing, in
    /// bytes.
    pub(crate) fn held_when_full(&self) -> usize {
        match self {
            // An HTTP/2 stream.
            Self::Boxed { pings: Some(_), .. } | Self::Split { pings: Some(_), .. } => {
                HELD_BY_HTTP2
            }
            Self::Boxed { io, .. } if socket((**io).as_any()).is_some() => HELD_BY_TLS,
            Self::Shared(shared) => shared.with_transport(|transport| transport.held_when_full()),
            Self::Tcp(_) | Self::Boxed { .. } | Self::Split { .. } | Self::Gone => 0,
        }
    }

    /// Returns whether another task's write since the last call had to wait for the peer, or `None`
    /// without a write.
    pub(crate) fn take_written(&self) -> Option<bool> {
        match self {
            Self::Split { half, .. } => half.take_written(),
            Self::Shared(shared) => shared.take_written(),
            Self::Tcp(_) | Self::Boxed { .. } | Self::Gone => None,
        }
    }
}

/// Returns the socket beneath the streams that this crate creates, and those that servers usually
/// pass.
fn socket(io: &dyn Any) -> Option<&TcpStream> {
    #[cfg(feature = "tls")]
    {
        use tokio_rustls::{client, server};

        if let Some(stream) = io.downcast_ref::<client::TlsStream<Transport>>() {
            return match stream.get_ref().0 {
                Transport::Tcp(stream) => Some(stream),
                Transport::Boxed { io, .. } => socket((**io).as_any()),
                // No transport beneath TLS is split, shared or taken.
                Transport::Split { .. } | Transport::Shared(_) | Transport::Gone => None,
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

/// Makes dropping the last half of a TCP connection, if there is one, reset the connection.
pub(crate) fn reset_when_dropped(socket: Option<&TcpStream>) {
    if let Some(socket) = socket {
        // An error means that the socket is already closed.
        let _ = socket.set_zero_linger();
    }
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

/// Returns an error for a transport that was taken. No code should use such a transport, but a
/// mistake must not cause a panic.
fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Tcp(_) => "Tcp",
            Self::Boxed { .. } => "Boxed",
            Self::Split { .. } => "Split",
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
            Self::Split { half, .. } => Pin::new(half).poll_read(cx, buf),
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
            // The driver passes its output to the writer task.
            Self::Split { .. } | Self::Gone => gone(),
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
            // The driver passes its output to the writer task.
            Self::Split { .. } | Self::Gone => gone(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_flush(cx),
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_flush(cx))
            }
            // The driver passes its output to the writer task.
            Self::Split { .. } | Self::Gone => gone(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Boxed { io, .. } => Pin::new(io).poll_shutdown(cx),
            Self::Shared(shared) => {
                shared.with_transport(|transport| Pin::new(transport).poll_shutdown(cx))
            }
            Self::Split { half, .. } => half.poll_finish(cx).map(Ok),
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
            Self::Split { .. } | Self::Gone => false,
        }
    }
}
