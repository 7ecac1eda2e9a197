//! The listening socket that a process hands over to the one that replaces it: as the standard
//! input of the new process, since that is how a process can pass a descriptor without unsafe code.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use super::listen::place::Place;
use super::listening_socket::ListeningSocket;
use super::socket_file::SocketFile;

/// The variable of the environment that is set for a process which takes over a socket. Its value
/// is the path at which the old process waits for the message that the new one serves.
pub(super) const VARIABLE: &str = "SOCKEYE_HANDOVER";

/// The process from which the service manager expects signs of life, and the time in which. A
/// process that replaces this one has another number: it gets the time alone.
pub(super) const WATCHDOG_PID: &str = "WATCHDOG_PID";
pub(super) const WATCHDOG_USEC: &str = "WATCHDOG_USEC";

/// A listening socket for another process.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(super) socket: OwnedFd,
    /// Keeps the file of the socket when it is set.
    pub(super) flag: Option<Arc<AtomicBool>>,
}

/// Takes the socket over, if the process was started for that.
///
/// # Errors
/// The standard input is no listening socket.
pub(super) fn take_socket(place: Place<'_>) -> anyhow::Result<Option<ListeningSocket>> {
    if std::env::var_os(VARIABLE).is_none() {
        return Ok(None);
    }
    let socket = take_standard_input().context("cannot take the listening socket over")?;
    let socket = TcpListener::from(socket);
    let taken = if socket.local_addr().is_ok() {
        ListeningSocket::tcp(socket)
    } else {
        let file = match place {
            // The old process has left the file to this one.
            Place::Path(path) => SocketFile::own(path).ok(),
            Place::Address(_) | Place::Systemd(_) => None,
        };
        ListeningSocket::unix(UnixListener::from(OwnedFd::from(socket)), file)
    };
    Ok(Some(taken.context("cannot listen on the socket of the old process")?))
}

/// Takes the standard input, and puts an empty one in its place: a socket that stays open would
/// accept clients after the server has stopped.
fn take_standard_input() -> std::io::Result<OwnedFd> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}
