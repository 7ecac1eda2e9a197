//! Accepting TCP connections, and the errors that are no reason to stop.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::repeated::Repeated;

/// Pause after an error that persists: retrying at once would only use CPU time that the
/// connections need to end. Chosen so that clients hardly notice the pause, and ten attempts a
/// second cost nothing.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts TCP connections, for a server with a custom accept loop.
/// [`Server`](crate::Server) and [`push::Server`](crate::push::Server) treat errors in the same
/// way.
///
/// ```no_run
/// use sockeye::upgrade::{TcpAcceptor, Upgrader};
/// use tokio::net::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut acceptor = TcpAcceptor::new(TcpListener::bind("127.0.0.1:8080").await?);
/// loop {
///     let (stream, peer) = acceptor.accept().await;
///     println!("{peer} is connected");
///     tokio::spawn(async move { Upgrader::new().accept(stream).await });
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    errors: AcceptErrors,
}

impl TcpAcceptor {
    /// Creates an acceptor of the listener's connections.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, errors: AcceptErrors::default() }
    }

    /// Returns the next connection, and the address of its peer. An error never ends the wait:
    ///
    /// | error | handling |
    /// |---|---|
    /// | of the connection to be accepted, whose client has gone already | accepts the next connection |
    /// | of the listener or the system, such as no more file descriptors | logs a warning, at most every 10 s, and tries again after 100 ms |
    ///
    /// # Cancel safety
    /// If the future is dropped, no connection is lost.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let error = match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => error,
            };
            if let Some(pause) = self.errors.handle(&error, Instant::now()) {
                sleep(pause).await;
            }
        }
    }

    /// Returns the address of the listener.
    ///
    /// # Errors
    /// The errors of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The errors of a listener that accepts.
#[derive(Debug, Default)]
pub(crate) struct AcceptErrors {
    persistent: Repeated,
}

impl AcceptErrors {
    /// Handles an error of `accept`. Returns the pause before the next attempt, or `None` if the
    /// error concerns only the connection that was to be accepted. Logs other errors, which mostly
    /// persist.
    pub(crate) fn handle(&mut self, error: &io::Error, now: Instant) -> Option<Duration> {
        if is_of_one_connection(error) {
            return None;
        }
        if let Some(times) = self.persistent.count(now) {
            tracing::warn!(%error, times, "cannot accept connections");
        }
        Some(ACCEPT_PAUSE)
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_persists_makes_a_server_pause() {
        let mut errors = AcceptErrors::default();
        let mut handle = |kind: io::ErrorKind| errors.handle(&kind.into(), Instant::now());
        for kind in [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::Interrupted,
        ] {
            assert_eq!(handle(kind), None, "{kind:?}");
        }
        for kind in
            [io::ErrorKind::OutOfMemory, io::ErrorKind::PermissionDenied, io::ErrorKind::Other]
        {
            assert_eq!(handle(kind), Some(ACCEPT_PAUSE), "{kind:?}");
        }
    }

    /// `EMFILE` on every system that this crate runs on but Windows.
    #[cfg(unix)]
    #[test]
    fn a_process_without_descriptors_pauses() {
        let error = io::Error::from_raw_os_error(24);
        assert!(AcceptErrors::default().handle(&error, Instant::now()).is_some(), "{error}");
    }
}
