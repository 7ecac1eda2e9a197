//! Sockets that systemd has opened and passed to this process (`LISTEN_FDS`).

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use listenfd::ListenFd;

use super::listening_socket::ListeningSocket;

/// The sockets that were passed to the process.
struct Passed {
    sockets: ListenFd,
    /// The name of each, where systemd has told it.
    names: Vec<String>,
}

static PASSED: Mutex<Option<Passed>> = Mutex::new(None);

/// Finds the sockets that were passed. Must be called while the process has one thread: the
/// variables of the environment are removed, so that no child takes the sockets for its own.
pub(crate) fn find_sockets() {
    if std::env::var_os("LISTEN_FDS").is_none() {
        return;
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let passed = Passed { sockets: ListenFd::from_env(), names };
    *PASSED.lock().unwrap_or_else(PoisonError::into_inner) = Some(passed);
}

/// Takes the socket with a name, or else the first one.
///
/// # Errors
/// There is no such socket, or it cannot be listened on.
pub(super) fn take(name: Option<&str>) -> anyhow::Result<ListeningSocket> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Passed { sockets, names }) = passed.as_mut().filter(|passed| passed.sockets.len() > 0)
    else {
        bail!(
            "cannot listen on the socket of systemd: it has passed none; start the program by a \
             socket unit, or use --listen ADDRESS"
        );
    };
    let place = match name {
        None => 0,
        Some(name) => names.iter().position(|known| known == name).with_context(|| {
            format!(
                "cannot listen on systemd:{name}: the sockets that systemd has passed are {}",
                names.join(", ")
            )
        })?,
    };
    let socket = match sockets.take_tcp_listener(place) {
        Ok(socket) => socket.map(ListeningSocket::tcp),
        Err(_) => sockets
            .take_unix_listener(place)
            .context("cannot listen on the socket of systemd: expected a stream socket")?
            .map(|socket| ListeningSocket::unix(socket, None)),
    };
    Ok(socket.context("the socket of systemd was taken before")??)
}
