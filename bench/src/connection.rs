//! One connection of the driver: an exchange over a socket.

use std::io;

use crate::cycle::Cycle;
use crate::exchange::Exchange;
use crate::load::LoadError;
use crate::transport::Transport;

/// A connection that sends the cycle's requests as the caller queues them, and checks the replies.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    exchange: Exchange,
    /// `true` while the event loop waits for writability.
    pub(crate) blocked: bool,
}

impl Connection {
    pub(crate) fn new(transport: Transport, exchange: Exchange) -> Self {
        Self { transport, exchange, blocked: false }
    }

    /// Queues the next `messages` messages of the cycle.
    pub(crate) fn queue(&mut self, cycle: &Cycle, messages: u64) {
        self.exchange.queue(cycle, messages);
    }

    /// Writes queued bytes as far as the socket takes them. Returns `true` when none are left.
    pub(crate) fn send(&mut self, cycle: &Cycle) -> io::Result<bool> {
        if !self.transport.flush_pending()? {
            return Ok(false);
        }
        loop {
            let bytes = self.exchange.unsent(cycle);
            if bytes.is_empty() {
                return self.transport.flush_pending();
            }
            match self.transport.write_once(bytes) {
                Ok(written) => {
                    self.exchange.advance(written);
                    if written < bytes.len() {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the number of messages of the cycle that the socket has taken whole, including those
    /// before the first.
    pub(crate) fn sent(&self, cycle: &Cycle) -> u64 {
        self.exchange.sent(cycle)
    }

    /// Reads once, checks every byte, and returns the number of replies that became whole.
    pub(crate) fn receive(&mut self, cycle: &Cycle, buffer: &mut [u8]) -> Result<u64, LoadError> {
        let size = match self.transport.read_once(buffer) {
            Ok(0) => return Err(LoadError::Closed),
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        self.exchange.receive(cycle, &buffer[..size])
    }
}
