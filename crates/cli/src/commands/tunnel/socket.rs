//! The sockets at the ends of a tunnel: TCP connections and Unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, tcp, unix};

use crate::host::socket_file::{self, SocketFile};

/// A connection that a tunnel carries.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns the two directions, which are used at once.
    fn halves(&mut self) -> (Box<dyn Reader + '_>, Box<dyn Writer + '_>);

    /// Ends the connection by a reset where its kind has one, so that the peer does not take the
    /// data so far for the whole.
    fn abort(self: Box<Self>);

    /// Returns the local address and that of the peer, where the kind has them.
    fn addresses(&self) -> Option<[SocketAddr; 2]> {
        None
    }
}

/// The direction from the peer of a socket.
pub(super) trait Reader: AsyncRead + Send + Unpin {
    /// Waits until the connection fails, as by a reset, while nothing is read. Waits forever where
    /// the kind of the socket does not tell. Cancel safe.
    fn failure(&mut self) -> Pin<Box<dyn Future<Output = io::Error> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// The direction to the peer of a socket.
pub(super) trait Writer: AsyncWrite + Send + Unpin {}

impl<W: AsyncWrite + Send + Unpin> Writer for W {}

impl Reader for tcp::ReadHalf<'_> {
    fn failure(&mut self) -> Pin<Box<dyn Future<Output = io::Error> + Send + '_>> {
        Box::pin(async move {
            let ready = self.ready(Interest::ERROR).await;
            error_of(ready.and_then(|_| self.as_ref().take_error()))
        })
    }
}

impl Reader for unix::ReadHalf<'_> {
    fn failure(&mut self) -> Pin<Box<dyn Future<Output = io::Error> + Send + '_>> {
        Box::pin(async move {
            let ready = self.ready(Interest::ERROR).await;
            error_of(ready.and_then(|_| self.as_ref().take_error()))
        })
    }
}

/// Returns the error of a socket that has failed.
fn error_of(taken: io::Result<Option<io::Error>>) -> io::Error {
    // A write may have taken the error before.
    taken.unwrap_or_else(Some).unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}

impl Socket for TcpStream {
    fn halves(&mut self) -> (Box<dyn Reader + '_>, Box<dyn Writer + '_>) {
        let (reader, writer) = self.split();
        (Box::new(reader), Box::new(writer))
    }

    fn abort(self: Box<Self>) {
        // The connection ends in any case.
        let _ = self.set_zero_linger();
    }

    fn addresses(&self) -> Option<[SocketAddr; 2]> {
        Some([self.local_addr().ok()?, self.peer_addr().ok()?])
    }
}

impl Socket for UnixStream {
    fn halves(&mut self) -> (Box<dyn Reader + '_>, Box<dyn Writer + '_>) {
        let (reader, writer) = self.split();
        (Box::new(reader), Box::new(writer))
    }

    fn abort(self: Box<Self>) {}
}

/// Prepares a TCP connection for a tunnel: short data leaves at once.
pub(super) fn of_tcp(stream: TcpStream) -> Box<dyn Socket> {
    // A socket that refuses the option is about to fail.
    let _ = stream.set_nodelay(true);
    Box::new(stream)
}

/// A listening socket. That of a path is removed when dropped, unless another one has its place.
#[derive(Debug)]
pub(super) enum SocketListener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, path: PathBuf, _file: SocketFile },
}

impl SocketListener {
    /// Listens on a path, in place of the socket of a program that has ended.
    pub(super) fn bind_unix(path: &Path) -> io::Result<Self> {
        let (listener, file) = socket_file::bind(path, None).map_err(|error| {
            let in_use = |error| io::Error::new(io::ErrorKind::AddrInUse, format!("{error:#}"));
            error.downcast().unwrap_or_else(in_use)
        })?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self::Unix { listener, path: path.to_owned(), _file: file })
    }

    /// Returns the next connection and its address, if it has one.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Socket>, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((of_tcp(stream), Some(peer)))
            }
            Self::Unix { listener, .. } => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }

    /// Returns the address or path for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.to_string(),
                Err(_) => "a closed socket".to_owned(),
            },
            Self::Unix { path, .. } => path.display().to_string(),
        }
    }
}

/// Returns the failure of listening in words, with its remedy.
pub(super) fn describe_bind(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses it, or the path is that of another file".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "the machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "the system does not allow it; ports below 1024 usually need privileges".to_owned()
        }
        _ => error.to_string(),
    }
}
