//! The I/O of an opening handshake, the same in both roles.

use std::any::Any;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use sockeye_proto::Connection;
use sockeye_proto::handshake::{HandshakeError, HeadSearch, Negotiated};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::WebSocket;
use crate::transport::{Io, Transport};
use crate::websocket::NegotiatedHeaders;

/// Capacity to reserve at a time while a head is read, in bytes: twice the size of most heads.
const READ_SPACE: usize = 1024;

/// The reason why no head could be read.
#[derive(Debug)]
pub(crate) enum HeadError {
    Handshake(HandshakeError),
    Io(io::Error),
}

/// A deadline over several waits.
pub(crate) struct Deadline {
    /// The time, or `None` where the time cannot be represented: then there is no deadline.
    at: Option<Instant>,
}

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self { at: Instant::now().checked_add(time) }
    }

    /// Returns the result of the work, or `None` when the deadline came first.
    pub(crate) async fn watch<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.at {
            Some(at) => timeout_at(at, work).await.ok(),
            None => Some(work.await),
        }
    }
}

/// Erases the type of a stream, except that of a TCP stream.
pub(crate) fn transport<S: Io + 'static>(stream: S) -> Transport {
    let mut stream = Some(stream);
    if let Some(tcp) = (&mut stream as &mut dyn Any).downcast_mut::<Option<TcpStream>>() {
        if let Some(tcp) = tcp.take() {
            return tcp.into();
        }
    }
    // Only a TCP stream was taken.
    let stream = stream.expect("the stream was not taken");
    Transport::boxed(stream, None)
}

/// Reads the head of an HTTP message, whose beginning may already be in the buffer. Returns the
/// length of the head; later bytes remain in the buffer as well.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    mut search: HeadSearch,
) -> Result<usize, HeadError> {
    loop {
        if let Some(end) = search.find(buffer).map_err(HeadError::Handshake)? {
            return Ok(end);
        }
        buffer.reserve(READ_SPACE);
        let length = stream.read_buf(buffer).await.map_err(HeadError::Io)?;
        if length == 0 {
            let received = buffer.len();
            return Err(HeadError::Handshake(HandshakeError::Truncated { received }));
        }
    }
}

/// Returns the connection with the negotiated parameters.
pub(crate) fn apply_negotiated(connection: Connection, negotiated: &Negotiated) -> Connection {
    #[cfg(feature = "deflate")]
    if let Some((deflate, parameters)) = &negotiated.deflate {
        return connection.with_deflate(deflate, *parameters);
    }
    let _ = negotiated;
    connection
}

/// Opens the connection after the handshake; `input` holds the bytes received beyond it.
pub(crate) fn open(
    transport: Transport,
    connection: Connection,
    input: &[u8],
    negotiated: Negotiated,
) -> WebSocket {
    let peer = transport.peer_addr();
    open_from(transport, peer, connection, input, negotiated)
}

/// Opens the connection as [`open`] does, for a peer whose address the transport need not know.
pub(crate) fn open_from(
    transport: Transport,
    peer: Option<SocketAddr>,
    connection: Connection,
    input: &[u8],
    negotiated: Negotiated,
) -> WebSocket {
    let connection = apply_negotiated(connection, &negotiated);
    if let Transport::Tcp(stream) = &transport {
        // Messages are written whole: waiting for more output would only delay them. If the stream
        // is already lost, this fails, and the next read reports the error.
        let _ = stream.set_nodelay(true);
    }
    if let Some(subprotocol) = &negotiated.subprotocol {
        tracing::Span::current().record("subprotocol", subprotocol);
    }
    tracing::debug!(
        peer = peer.map(tracing::field::display),
        subprotocol = negotiated.subprotocol,
        extensions = negotiated.extensions,
        "connection open"
    );
    // A copy, so that an idle connection does not hold the head's buffer.
    let input = BytesMut::from(input);
    let Negotiated { subprotocol, extensions, .. } = negotiated;
    let negotiated = NegotiatedHeaders { subprotocol, extensions };
    WebSocket::new(transport, connection, input, negotiated).with_peer(peer)
}
