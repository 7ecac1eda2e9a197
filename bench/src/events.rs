//! The event loop's epoll: which connection can be read or written.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::connection::Connection;
use crate::cycle::Cycle;
use crate::load::LoadError;

/// Events taken in one wait at most.
pub(crate) const BATCH: usize = 1024;

/// Level-triggered; every connection is known by its place.
#[derive(Debug)]
pub(crate) struct Events {
    epoll: OwnedFd,
}

/// A connection that something can be done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// Its place.
    pub(crate) index: usize,
    /// Whether there is something to read, be it the end.
    pub(crate) readable: bool,
}

impl Events {
    pub(crate) fn new() -> Result<Self, LoadError> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Waits for `connection` to become readable from now on, without ever blocking on it.
    pub(crate) fn add(&self, index: usize, connection: &Connection) -> Result<(), LoadError> {
        let tcp = connection.transport.tcp();
        tcp.set_nonblocking(true)?;
        epoll::add(&self.epoll, tcp, EventData::new_u64(index as u64), EventFlags::IN)?;
        Ok(())
    }

    /// Writes what is queued and keeps the interest in writability in step with what is left.
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

    /// Waits until a connection is ready, but not longer than `at_most`, and adds what [`Ready::from`]
    /// reads to `ready`.
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
