//! Messages of the server to the service manager (`sd_notify`), and to the process that it replaces.

use std::time::Duration;

#[cfg(unix)]
use std::{ffi::OsStr, ffi::OsString, os::unix::net::UnixDatagram};

#[cfg(unix)]
use super::handover;

/// Tells the service manager of the server, if there is one. A message that cannot be sent is
/// dropped: the server does not depend on its manager.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notifier {
    /// The paths of the sockets to write to; `@` begins the name of an abstract one.
    #[cfg(unix)]
    sockets: Vec<OsString>,
    /// Time in which the manager expects a sign of life.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Reads the environment.
    #[cfg(unix)]
    pub(crate) fn from_environment() -> Self {
        let old = std::env::var_os(handover::VARIABLE);
        let is_for_this_process = std::env::var(handover::WATCHDOG_PID)
            .map_or(true, |id| id == std::process::id().to_string());
        let watchdog = std::env::var(handover::WATCHDOG_USEC).ok().filter(|_| is_for_this_process);
        let watchdog = watchdog.and_then(|time| time.parse().ok()).filter(|time| *time > 0);
        let sockets = [std::env::var_os("NOTIFY_SOCKET"), old].into_iter().flatten();
        Self {
            sockets: sockets.filter(|path| !path.is_empty()).collect(),
            watchdog: watchdog.map(Duration::from_micros),
        }
    }

    /// Returns a notifier that tells nobody: the system has no such manager.
    #[cfg(not(unix))]
    pub(crate) fn from_environment() -> Self {
        Self::default()
    }

    /// Returns whether the manager expects signs of life.
    #[cfg(unix)]
    pub(super) fn is_watched(&self) -> bool {
        self.watchdog.is_some()
    }

    /// Tells that the server accepts connections, and gives signs of life from then on, for as long
    /// as the runtime has free threads. Must be called within a Tokio runtime.
    pub(crate) fn ready(&self) {
        self.send("READY=1\nSTATUS=Serving.");
        let Some(watchdog) = self.watchdog else { return };
        let notifier = self.clone();
        tokio::spawn(async move {
            // Half of the time, as sd_watchdog_enabled(3) recommends.
            let mut ticks = tokio::time::interval(watchdog / 2);
            loop {
                ticks.tick().await;
                notifier.send("WATCHDOG=1");
            }
        });
    }

    /// Tells that the settings are being read anew. [`reloaded`](Self::reloaded) must follow.
    pub(crate) fn reloading(&self) {
        self.send(&format!("RELOADING=1\n{}", monotonic_time()));
    }

    /// Tells the result of a reload.
    pub(crate) fn reloaded(&self, result: &anyhow::Result<()>) {
        let status = match result {
            Ok(()) => "Serving.".to_owned(),
            Err(error) => format!("Serving with the old settings: {error:#}").replace('\n', " "),
        };
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// Tells that the server stops.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=Waiting for connections to end.");
    }

    /// Tells that another process is the server from now on.
    #[cfg(unix)]
    pub(super) fn replaced_by(&self, process: u32) {
        self.send(&format!("MAINPID={process}\nREADY=1\nSTATUS=Serving."));
    }

    #[cfg(unix)]
    fn send(&self, message: &str) {
        for path in &self.sockets {
            if let Err(error) = send(path, message.as_bytes()) {
                tracing::debug!(?path, "cannot notify the service manager: {error}");
            }
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "the twin of a method that sends")]
    fn send(&self, _: &str) {}
}

/// Returns the time of a reload, which systemd compares with that of its request.
#[cfg(target_os = "linux")]
fn monotonic_time() -> String {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let microseconds = u64::try_from(now.tv_nsec).unwrap_or_default() / 1000;
    format!("MONOTONIC_USEC={}", seconds * 1_000_000 + microseconds)
}

#[cfg(not(target_os = "linux"))]
fn monotonic_time() -> String {
    String::new()
}

#[cfg(unix)]
fn send(path: &OsStr, message: &[u8]) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::SocketAddr;

    let socket = UnixDatagram::unbound()?;
    // The server does not wait for a manager that does not read.
    socket.set_nonblocking(true)?;
    let address = match path.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(path)?,
    };
    let _: usize = socket.send_to_addr(message, &address)?;
    Ok(())
}
