//! The event loop's wait: which connections are readable or writable.

use std::io;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};

/// Maximum number of events taken in one wait.
const MAX_EVENTS: usize = 1024;

/// Timeout from which on a wait of whole milliseconds precedes the precise one, which takes three
/// system calls.
#[cfg(unix)]
const LONGEST_PRECISE: Duration = Duration::from_millis(1);

/// An edge-triggered poll instance; each connection is identified by its index.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
}

/// The events of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// Index of the connection.
    pub(crate) index: usize,
    /// `true` if there is data, the end of the stream or an error to read.
    pub(crate) is_readable: bool,
    /// `true` if the stream ends after its data, or has failed.
    pub(crate) is_ended: bool,
    /// `true` if the socket takes data again.
    pub(crate) is_writable: bool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(MAX_EVENTS) })
    }

    /// Registers the non-blocking socket of connection `index`.
    pub(crate) fn register(&self, index: usize, socket: &mut impl Source) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(index), interest)
    }

    /// Waits at most `timeout` for an event. The wait may end early without any.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        ignore_interrupt(self.poll.poll(&mut self.events, Some(timeout)))
    }

    /// Waits as [`Self::wait`] does, where mio would round a timeout up to whole milliseconds.
    pub(crate) fn wait_precisely(&mut self, timeout: Duration) -> io::Result<()> {
        #[cfg(unix)]
        {
            if timeout >= LONGEST_PRECISE {
                // The wait ends early, and the caller waits for the rest.
                let whole = timeout.as_millis().try_into().unwrap_or(u64::MAX);
                return self.wait(Duration::from_millis(whole));
            }
            self.wait(Duration::ZERO)?;
            if self.is_idle() && !timeout.is_zero() {
                wait_readable(self.poll.registry(), timeout)?;
                self.wait(Duration::ZERO)?;
            }
            Ok(())
        }
        #[cfg(not(unix))]
        self.wait(timeout)
    }

    /// Returns whether the last wait ended without an event.
    pub(crate) fn is_idle(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns the events of the last wait.
    pub(crate) fn events(&self) -> impl Iterator<Item = Readiness> {
        self.events.iter().map(|event| {
            let is_ended = event.is_read_closed() || event.is_error();
            Readiness {
                index: event.token().0,
                is_readable: event.is_readable() || is_ended,
                is_ended,
                is_writable: event.is_writable(),
            }
        })
    }
}

/// Waits until the poll instance itself is readable, which means that it has events.
#[cfg(unix)]
fn wait_readable(registry: &mio::Registry, timeout: Duration) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let timeout = Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
    let waited = poll(&mut [PollFd::new(registry, PollFlags::IN)], Some(&timeout));
    ignore_interrupt(waited.map(drop).map_err(io::Error::from))
}

fn ignore_interrupt(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}
