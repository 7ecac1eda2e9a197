//! The streams of accepted connections, over TCP and through the file system.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};

use sockeye::upgrade::TcpAcceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A source of connections.
pub(super) trait Accept: Send {
    type Stream: ClientStream;

    /// Returns the next connection, and the address of its peer. Cancel safe.
    fn accept(&mut self) -> impl Future<Output = (Self::Stream, SocketAddr)> + Send;
}

/// The stream of a connection, whose first bytes can be looked at.
pub(super) trait ClientStream:
    AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static
{
    /// A stream that no runtime watches.
    type Detached: Send + 'static;

    /// Waits for bytes and copies them, without taking them from the stream. Returns their number,
    /// which is 0 if the client has ended the stream. Cancel safe.
    fn peek(&mut self, bytes: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// Takes the stream from its runtime.
    ///
    /// # Errors
    /// Those of the system; the stream is closed then.
    fn detach(self) -> io::Result<Self::Detached>;

    /// Lets the current runtime watch a stream.
    ///
    /// # Errors
    /// Those of the system; the stream is closed then.
    fn attach(stream: Self::Detached) -> io::Result<Self>;
}

impl Accept for TcpAcceptor {
    type Stream = TcpStream;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, peer) = Self::accept(self).await;
        // Without this option, the system delays small echoes, for which clients wait. A socket
        // that refuses the option is about to fail.
        let _ = stream.set_nodelay(true);
        (stream, peer)
    }
}

impl ClientStream for TcpStream {
    type Detached = StdTcpStream;

    async fn peek(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Self::peek(self, bytes).await
    }

    fn detach(self) -> io::Result<StdTcpStream> {
        self.into_std()
    }

    fn attach(stream: StdTcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}
