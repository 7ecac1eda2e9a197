//! A socket that listens, over TCP or in the file system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

#[cfg(unix)]
use super::socket_file::SocketFile;

/// The address of clients that connect through the file system, and of a server that listens there:
/// they are on this machine. `--trust-proxy 127.0.0.1` trusts the proxies among them.
pub(crate) const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket that listens.
#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: tokio::net::UnixListener,
        /// `None` if another program owns the file.
        file: Option<SocketFile>,
    },
}

#[cfg(unix)]
impl ListeningSocket {
    /// Puts a socket of the standard library into the runtime.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn tcp(socket: std::net::TcpListener) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(socket)?))
    }

    /// Puts a socket of the standard library into the runtime; `file` is removed with it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn unix(
        socket: std::os::unix::net::UnixListener,
        file: Option<SocketFile>,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Unix { listener: tokio::net::UnixListener::from_std(socket)?, file })
    }
}
