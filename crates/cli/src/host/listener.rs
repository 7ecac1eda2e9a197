//! The listening socket of a server: bound by this process, passed by systemd, or handed over by the
//! process that this one replaces.

use std::net::SocketAddr;

use anyhow::Context;
use sockeye::upgrade::TcpAcceptor;
use tracing::info;

use super::Hosting;
#[cfg(unix)]
use super::handover::{self, Handover};
use super::listen;
use super::listen::place::Place;
use super::listening_socket::{LOCAL, ListeningSocket};
#[cfg(unix)]
use super::unix_stream::UnixAcceptor;
#[cfg(unix)]
use super::{activation, socket_file};

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListeningSocket,
}

impl Listener {
    /// Opens the socket that `--listen` names. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// A sentence that names the place, the cause and the remedy.
    pub(crate) async fn open(hosting: &Hosting) -> anyhow::Result<Self> {
        let place = Place::of(&hosting.listen);
        #[cfg(unix)]
        if let Some(socket) = handover::take_socket(place)? {
            return Ok(Self { socket });
        }
        let socket = match place {
            Place::Address(address) => ListeningSocket::Tcp(listen::bind(address).await?),
            #[cfg(unix)]
            Place::Path(path) => socket_file::bind(path, Some(hosting.listen_mode))
                .and_then(|(socket, file)| Ok(ListeningSocket::unix(socket, Some(file))?))
                .with_context(|| format!("cannot listen on {}", hosting.listen))?,
            #[cfg(unix)]
            Place::Systemd(name) => activation::take(name)?,
            #[cfg(not(unix))]
            Place::Path(_) | Place::Systemd(_) => anyhow::bail!(
                "cannot listen on {}: this system has no such sockets",
                hosting.listen
            ),
        };
        Ok(Self { socket })
    }

    /// Returns the address of the socket; [`LOCAL`] for one in the file system.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                listener.local_addr().context("cannot read the address of the listener")
            }
            #[cfg(unix)]
            ListeningSocket::Unix { .. } => Ok(LOCAL),
        }
    }

    /// Prints the URL, or the path, for users to open and programs to parse.
    pub(crate) fn announce(&self, tls: bool) {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                if let Ok(address) = listener.local_addr() {
                    listen::announce(address, tls);
                }
            }
            #[cfg(unix)]
            ListeningSocket::Unix { listener, .. } => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                let path = path.map_or_else(|| "a socket".into(), |path| path.to_string_lossy());
                listen::print_line(&format!("Sockeye listens on unix:{path}"));
                info!(%path, tls, "started");
            }
        }
    }

    /// Returns the socket for a process that replaces this one.
    ///
    /// # Errors
    /// Those of the operating system.
    #[cfg(unix)]
    pub(crate) fn handover(&self) -> std::io::Result<Handover> {
        use std::os::fd::AsFd as _;
        Ok(match &self.socket {
            ListeningSocket::Tcp(listener) => {
                Handover { socket: listener.as_fd().try_clone_to_owned()?, flag: None }
            }
            ListeningSocket::Unix { listener, file } => Handover {
                socket: listener.as_fd().try_clone_to_owned()?,
                flag: file.as_ref().map(socket_file::SocketFile::handover_flag),
            },
        })
    }
}

/// The acceptor of a listening socket.
pub(crate) enum Acceptor {
    Tcp(TcpAcceptor),
    #[cfg(unix)]
    Unix(UnixAcceptor),
}

impl From<TcpAcceptor> for Acceptor {
    fn from(acceptor: TcpAcceptor) -> Self {
        Self::Tcp(acceptor)
    }
}

impl From<Listener> for Acceptor {
    fn from(listener: Listener) -> Self {
        match listener.socket {
            ListeningSocket::Tcp(listener) => Self::Tcp(TcpAcceptor::new(listener)),
            #[cfg(unix)]
            ListeningSocket::Unix { listener, file } => {
                Self::Unix(UnixAcceptor::new(listener, file))
            }
        }
    }
}
