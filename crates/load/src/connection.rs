//! One connection of a load in an event loop: an exchange over a non-blocking socket.

use std::io;
use std::net::TcpStream;

use mio::net::TcpStream as NonBlocking;

use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::message_cycle::MessageCycle;
use crate::poller::{Poller, Readiness};
use crate::transport::{ReadOutcome, Transport};

/// Size of the buffer for one read, in bytes, which all connections share.
const READ_SIZE: usize = 256 * 1024;

/// Returns a buffer for [`Connection::receive`].
pub(crate) fn read_buffer() -> Box<[u8]> {
    vec![0; READ_SIZE].into_boxed_slice()
}

/// A connection that sends the cycle's requests as the caller queues them, and checks the replies.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport<NonBlocking>,
    exchange: Exchange,
    is_blocked: bool,
}

impl Connection {
    /// Makes the socket of connection `index` non-blocking and registers it with `poller`.
    pub(crate) fn register(
        poller: &Poller,
        index: usize,
        transport: Transport<TcpStream>,
        exchange: Exchange,
    ) -> io::Result<Self> {
        let mut transport = transport.into_nonblocking()?;
        poller.register(index, transport.socket())?;
        Ok(Self { transport, exchange, is_blocked: false })
    }

    /// Returns whether queued bytes wait until the socket takes data again.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Queues the next `messages` messages of the cycle, and writes as much as the socket takes.
    pub(crate) fn send(&mut self, cycle: &MessageCycle, messages: u64) -> Result<(), LoadError> {
        self.exchange.queue(cycle, messages);
        if self.is_blocked { Ok(()) } else { self.write(cycle) }
    }

    /// Writes what is left of the queued bytes, if `readiness` says that the socket takes data
    /// again.
    pub(crate) fn resume(
        &mut self,
        cycle: &MessageCycle,
        readiness: Readiness,
    ) -> Result<(), LoadError> {
        if self.is_blocked && readiness.is_writable { self.write(cycle) } else { Ok(()) }
    }

    fn write(&mut self, cycle: &MessageCycle) -> Result<(), LoadError> {
        self.is_blocked = !self.try_write(cycle)?;
        Ok(())
    }

    /// Writes queued bytes as far as the socket takes them. Returns `true` when none are left.
    fn try_write(&mut self, cycle: &MessageCycle) -> io::Result<bool> {
        if !self.transport.flush_pending()? {
            return Ok(false);
        }
        loop {
            let bytes = self.exchange.unsent(cycle);
            if bytes.is_empty() {
                return self.transport.flush_pending();
            }
            let written = self.transport.write_available(bytes)?;
            self.exchange.advance(written);
            if written < bytes.len() {
                return Ok(false);
            }
        }
    }

    /// Returns the number of messages of the cycle that the socket has taken whole, including those
    /// before the first.
    pub(crate) fn sent(&self, cycle: &MessageCycle) -> u64 {
        self.exchange.sent(cycle)
    }

    /// Reads until the socket is empty, checks every byte, and returns the number of replies that
    /// became whole. The messages in flight bound the loop, since any other byte is an error.
    pub(crate) fn receive(
        &mut self,
        cycle: &MessageCycle,
        buffer: &mut [u8],
        readiness: Readiness,
    ) -> Result<u64, LoadError> {
        let mut replies = 0;
        if !readiness.is_readable {
            return Ok(0);
        }
        loop {
            match self.transport.read_once(buffer)? {
                ReadOutcome::Data { size, has_more } => {
                    replies += self.exchange.receive(cycle, &buffer[..size])?;
                    if !has_more && !readiness.is_ended {
                        return Ok(replies);
                    }
                }
                ReadOutcome::End => return Err(LoadError::Closed),
                ReadOutcome::Blocked => return Ok(replies),
            }
        }
    }
}
