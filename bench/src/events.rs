//! The epoll instance of the event loop: reports which connections are readable or writable.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::connection::Connection;
use crate::cycle::Cycle;
use crate::load::LoadError;

/// Maximum number of events taken in one wait.
pub(crate) const BATCH: usize = 1024;

/// A level-triggered epoll instance; each connection is identified by its index.
#[derive(Debug)]
pub(crate) struct Events {
    epoll: OwnedFd,
}

/// A connection that is readable or writable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// Index of the connection.
    pub(crate) index: usize,
    /// `true` if there is data or the end of the stream to read.
    pub(crate) readable: bool,
}

impl Events {
    pub(crate) fn new() -> Result<Self, LoadError> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Registers `connection` for readability and makes its socket non-blocking.
    pub(crate) fn add(&self, index: usize, connection: &Connection) -> Result<(), LoadError> {
        let tcp = connection.transport.tcp();
        tcp.set_nonblocking(true)?;
        epoll::add(&self.epoll, tcp, EventData::new_u64(index as u64), EventFlags::IN)?;
        Ok(())
    }

    /// Writes the queued bytes, and registers for writability exactly while some are left.
    pub(crate) fn pump(
        &self,
        index: usize,
        connection: &mut Connection,
        cycle: &Cycle,
    ) -> Result<(), LoadError> {
        let blocked = !connection.send(cycle).map_err(|error| LoadError::from(error).on(index))?;
        if blocked != connection.blocked {
            connection.blocked = blocked;
            let mut flags = EventFlags::IN;
            flags.set(EventFlags::OUT, blocked);
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, connection.transport.tcp(), data, flags)?;
        }
        Ok(())
    }

    /// Waits at most `at_most` for a connection to become ready, and appends the events to `ready`;
    /// [`Ready::from`] converts them.
    pub(crate) fn wait(&self, ready: &mut Vec<Event>, at_most: Duration) -> Result<(), LoadError> {
        let timeout = Timespec::try_from(at_most).map_err(|_| Errno::INVAL)?;
        match epoll::wait(&self.epoll, spare_capacity(ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<Event> for Ready {
    fn from(event: Event) -> Self {
        let (data, flags) = (event.data, event.flags);
        let index = usize::try_from(data.u64()).expect("events carry what was an index");
        let readable = flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR);
        Self { index, readable }
    }
}
