//! Upgrade in place: SIGUSR2 starts the program anew, with the same arguments, and hands the
//! listening socket over to the new process. Connections that arrive meanwhile wait in the queue of
//! that socket, so none is lost. The old process stops when the new one serves.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::handover::{self, Handover};
use super::notifier::Notifier;

/// Time in which a new process must serve: that of systemd (`DefaultTimeoutStartSec`) is 90 s.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Replaces this process at SIGUSR2.
#[derive(Debug)]
pub(crate) struct Replacement {
    signal: Signal,
    /// The program, also after another file has taken its place. `None` if the system does not tell,
    /// as in an empty root without `/proc`.
    program: Option<PathBuf>,
    handover: Handover,
}

impl Replacement {
    /// Installs a handler in place of the default action, which ends the process.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn listen(handover: Handover) -> anyhow::Result<Self> {
        Ok(Self {
            signal: signal(SignalKind::user_defined2()).context("cannot listen for SIGUSR2")?,
            program: std::env::current_exe().ok(),
            handover,
        })
    }

    /// Waits until another process serves in place of this one. If the future is dropped while a
    /// process starts, that process ends.
    pub(crate) async fn done(&mut self, notifier: &Notifier) {
        loop {
            if self.signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            match self.start(notifier.is_watched()).await {
                Ok(id) => {
                    if let Some(flag) = &self.handover.flag {
                        flag.store(true, Ordering::Relaxed);
                    }
                    info!("process {id} serves from now on");
                    notifier.replaced_by(id);
                    return;
                }
                Err(error) => warn!("not replaced, so this process goes on: {error:#}"),
            }
        }
    }

    /// Starts the new process, and waits until it serves. Returns its number.
    async fn start(&self, is_watched: bool) -> anyhow::Result<u32> {
        check_outlives(std::process::id())?;
        let program =
            self.program.as_ref().context("cannot find the program: there is no /proc")?;
        let ready = ReadySocket::bind()?;
        let socket = self.handover.socket.try_clone().context("cannot copy the socket")?;
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).stdin(Stdio::from(socket));
        command.env(handover::VARIABLE, &ready.path).env_remove(handover::WATCHDOG_PID);
        if !is_watched {
            command.env_remove(handover::WATCHDOG_USEC);
        }
        let process =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let id = process.id().context("the new process has ended")?;
        let mut starting = Starting { process, serves: false };
        tokio::select! {
            read = ready.wait_until_ready() => read.context("cannot wait for the new process")?,
            status = starting.process.wait() => {
                bail!("the new process has ended with {}", status.context("it is lost")?);
            }
            () = tokio::time::sleep(START_TIMEOUT) => {
                bail!("the new process does not serve after {START_TIMEOUT:?}");
            }
        }
        starting.serves = true;
        Ok(id)
    }
}

/// Checks that a new process can outlive the one with this number.
///
/// # Errors
/// A sentence, if it is the first process of a container: all others end with it.
fn check_outlives(id: u32) -> anyhow::Result<()> {
    if id == 1 {
        bail!("all processes of a container end with its first one; replace the container instead");
    }
    Ok(())
}

/// A process that is starting: it is ended when this is dropped before it serves.
struct Starting {
    process: Child,
    serves: bool,
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.serves {
            // The process may have ended by itself.
            let _ = self.process.start_kill();
        }
    }
}

/// The socket at which a new process tells that it serves, removed when dropped.
struct ReadySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl ReadySocket {
    /// Binds a socket that only this user can write to.
    ///
    /// # Errors
    /// A sentence that names the folder.
    fn bind() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder =
            std::env::var_os("RUNTIME_DIRECTORY").map_or_else(std::env::temp_dir, |folders| {
                // systemd separates several by colons.
                let text = folders.to_string_lossy();
                PathBuf::from(text.split(':').next().unwrap_or_default())
            });
        let path = folder.join(format!("sockeye-{}.handover", std::process::id()));
        // One of a process that was killed and had this number.
        let _ = std::fs::remove_file(&path);
        let bound = UnixDatagram::bind(&path).and_then(|socket| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            Ok(socket)
        });
        let socket = bound.with_context(|| {
            format!(
                "cannot make the socket at which a new process reports, in {}; TMPDIR or \
                 RUNTIME_DIRECTORY names another folder",
                folder.display()
            )
        })?;
        Ok(Self { socket, path })
    }

    /// Waits for the message of a server that is ready.
    async fn wait_until_ready(&self) -> io::Result<()> {
        let mut message = [0; 4096];
        loop {
            let length = self.socket.recv(&mut message).await?;
            if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return Ok(());
            }
        }
    }
}

impl Drop for ReadySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_process_of_a_container_is_not_replaced() {
        assert!(super::check_outlives(1).is_err());
        assert!(super::check_outlives(2).is_ok());
    }
}
