use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use super::Handler;
use super::command_queue::{Waker, Workers};
use super::readiness::{Poller, Readiness};
#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::uring::{Idle, Uring};
use super::worker::Settings;

/// The system interface that a [`Server`](super::Server) uses for I/O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// [`IoUring`](Self::IoUring) if the crate's feature `io-uring` is enabled and the system
    /// allows it, otherwise [`Readiness`](Self::Readiness).
    #[default]
    Auto,
    /// Readiness events: the system reports which sockets are ready (epoll, kqueue).
    Readiness,
    /// Completed operations: the system accepts and completes operations in batches (`io_uring`,
    /// Linux 6.1 or later, with the feature `io-uring`).
    ///
    /// `io_uring` takes less processor time for short messages, compression and broadcasts, and up
    /// to a sixth more where most messages are of 16 KiB or longer: such a server should use
    /// [`Readiness`](Self::Readiness).
    IoUring,
}

/// The backend that a worker will wait on.
#[derive(Debug)]
pub(super) enum Engine {
    Readiness(Poller),
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    IoUring(Box<Idle>),
}

impl Engine {
    /// Creates an engine, and a waker of the worker that will wait on it.
    pub(super) fn new(backend: Backend) -> io::Result<(Self, Waker)> {
        match backend {
            Backend::Readiness => Self::readiness(),
            Backend::IoUring => Self::io_uring(),
            Backend::Auto => Self::io_uring().or_else(|error| {
                if cfg!(feature = "io-uring") {
                    tracing::debug!(%error, "io_uring cannot be used: readiness events instead");
                }
                Self::readiness()
            }),
        }
    }

    /// Serves until the server stops.
    pub(super) fn run<H: Handler>(
        self,
        index: usize,
        listener: TcpListener,
        handler: H,
        settings: Arc<Settings>,
        workers: Arc<Workers>,
    ) -> io::Result<()> {
        match self {
            Self::Readiness(poller) => {
                Readiness::new(index, poller, listener, handler, settings, workers)?.run()
            }
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            Self::IoUring(idle) => {
                Uring::new(index, *idle, listener, handler, settings, workers).run()
            }
        }
    }

    fn readiness() -> io::Result<(Self, Waker)> {
        let (poller, waker) = Poller::new()?;
        Ok((Self::Readiness(poller), waker))
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    fn io_uring() -> io::Result<(Self, Waker)> {
        let (idle, waker) = Idle::new()?;
        Ok((Self::IoUring(Box::new(idle)), waker))
    }

    #[cfg(not(all(feature = "io-uring", target_os = "linux")))]
    fn io_uring() -> io::Result<(Self, Waker)> {
        let missing =
            "io_uring is there on Linux only, with the feature `io-uring` of the crate sockeye";
        Err(io::Error::new(io::ErrorKind::Unsupported, missing))
    }
}
