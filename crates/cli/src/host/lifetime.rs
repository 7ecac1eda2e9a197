//! The end of a server: what begins it, and the time that connections have.

use std::time::Duration;

use tracing::{info, warn};

use super::Hosting;
use super::front::Answer;
use super::health::Readiness;
#[cfg(unix)]
use super::listener::Listener;
use super::notifier::Notifier;
#[cfg(unix)]
use super::replacement::Replacement;
use super::server::Server;
use super::shutdown::TerminationSignals;

/// The reason why a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The operator, or the service manager.
    Signal,
    /// Another process serves in place of this one.
    Replaced,
}

/// The signals and messages that begin and end a server.
pub(crate) struct Lifetime {
    pub(crate) signals: TerminationSignals,
    pub(crate) notifier: Notifier,
    /// Holds the listening socket, and is dropped when the server stops.
    #[cfg(unix)]
    replacement: Option<Replacement>,
}

impl Lifetime {
    /// Installs the handlers of the signals. To be called before the address is printed, so that
    /// no signal of a reader of the address is missed.
    ///
    /// # Errors
    /// Those of the operating system.
    #[cfg(unix)]
    pub(crate) fn begin(listener: &Listener) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let handover = listener.handover().context("cannot copy the listening socket")?;
        Ok(Self {
            signals: TerminationSignals::listen()?,
            notifier: Notifier::from_environment(),
            replacement: Some(Replacement::listen(handover)?),
        })
    }

    /// Installs the handlers of the signals.
    ///
    /// # Errors
    /// Those of the operating system.
    #[cfg(not(unix))]
    pub(crate) fn begin(_: &super::listener::Listener) -> anyhow::Result<Self> {
        Ok(Self { signals: TerminationSignals::listen()?, notifier: Notifier::from_environment() })
    }

    /// Waits until the server is to stop: after a signal and `--drain-delay`, in which /readyz
    /// answers 503 already, or when another process serves in its place. `delay` returns the time
    /// of `--drain-delay`. Called once.
    pub(crate) async fn wait_for_stop(
        &mut self,
        readiness: &Readiness,
        delay: impl Fn() -> Option<Duration>,
    ) -> Stop {
        let notifier = &self.notifier;
        #[cfg(unix)]
        if let Some(mut replacement) = self.replacement.take() {
            tokio::select! {
                () = self.signals.next() => {}
                () = replacement.done(notifier) => {
                    readiness.stop();
                    return Stop::Replaced;
                }
            }
        }
        #[cfg(not(unix))]
        self.signals.next().await;
        readiness.stop();
        notifier.stopping();
        let Some(delay) = delay() else { return Stop::Signal };
        info!("stopping in {delay:?}: /readyz answers 503 until then");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.signals.next() => {}
        }
        Stop::Signal
    }

    /// Lets the connections of a server that accepts no more end by themselves, for the time of
    /// `--drain` or until another signal.
    pub(crate) async fn let_connections_end<A: Answer>(
        &mut self,
        server: &Server<A>,
        hosting: &Hosting,
    ) {
        let Some(drain) = hosting.drain else { return };
        info!("the open connections may go on for {drain:?}; a signal closes them at once");
        tokio::select! {
            () = server.wait_until_empty() => {}
            () = tokio::time::sleep(drain) => {}
            () = self.signals.next() => {}
        }
    }

    /// Waits until the server has ended what it serves. Another signal ends the process at once,
    /// after `on_abort` and a line that names what is `left`.
    pub(crate) async fn finish(
        &mut self,
        ending: impl Future<Output = ()>,
        left: &str,
        on_abort: impl FnOnce(),
    ) {
        tokio::select! {
            () = ending => {}
            () = self.signals.next() => {
                warn!("exiting immediately: {left}");
                on_abort();
                std::process::exit(self.signals.exit_status());
            }
        }
    }
}
