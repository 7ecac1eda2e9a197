//! Reloading: SIGHUP makes a server read its settings anew.

use anyhow::Context;
use tracing::{info, warn};

use super::notifier::Notifier;

/// The signal that asks for a reload: SIGHUP.
#[derive(Debug)]
pub(crate) struct ReloadSignal {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl ReloadSignal {
    /// Installs a handler in place of the default action, which ends the process.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
        })
    }

    /// Calls `reload` at each signal, for as long as the future is polled.
    pub(crate) async fn run(
        mut self,
        notifier: &Notifier,
        reload: impl AsyncFn() -> anyhow::Result<()>,
    ) {
        loop {
            self.next().await;
            notifier.reloading();
            let result = reload().await;
            match &result {
                Ok(()) => info!("reloaded"),
                Err(error) => warn!("not reloaded, so the old settings stay: {error:#}"),
            }
            notifier.reloaded(&result);
        }
    }

    /// Waits for the next signal. Cancel safe.
    #[cfg(unix)]
    async fn next(&mut self) {
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits forever: the system has no such signal.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
