//! One connection of the driver: what it has sent, and what it expects.

use std::io;

use crate::cycle::Cycle;
use crate::deflate::Inflater;
use crate::load::LoadError;
use crate::mode::Deflate;
use crate::transport::Transport;

/// A connection that sends the cycle's requests when told to, and checks the replies.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    /// Messages that were queued, those before the first included.
    queued: u64,
    /// Bytes of the request stream that were sent, and where those queued end.
    sent: u64,
    end: u64,
    replies: Replies,
    /// Whether the event loop has been asked for writability.
    pub(crate) blocked: bool,
}

/// What has come back.
#[derive(Debug)]
enum Replies {
    /// Known beforehand: the byte position in the reply stream.
    Exact { position: u64 },
    /// To be inflated first.
    Inflated(Box<Inflater>),
}

impl Connection {
    /// A connection that starts with message `first` of the cycle, nothing queued yet. Compressed cycles
    /// have to start with the first message.
    pub(crate) fn new(transport: Transport, cycle: &Cycle, first: u64) -> Self {
        let sent = cycle.position(first);
        let position = first * cycle.reply_size() as u64;
        let replies = Replies::Exact { position };
        Self { transport, queued: first, sent, end: sent, replies, blocked: false }
    }

    /// A connection whose replies are to be inflated.
    pub(crate) fn compressed(transport: Transport, deflate: Deflate) -> Self {
        let replies = Replies::Inflated(Box::new(Inflater::new(deflate)));
        Self { transport, queued: 0, sent: 0, end: 0, replies, blocked: false }
    }

    /// Queues the next `messages` of the cycle.
    pub(crate) fn queue(&mut self, cycle: &Cycle, messages: u64) {
        self.queued += messages;
        self.end = cycle.position(self.queued);
    }

    /// Writes what is queued, as far as the socket takes it; true when all is gone.
    pub(crate) fn send(&mut self, cycle: &Cycle) -> io::Result<bool> {
        if !self.transport.flush_pending()? {
            return Ok(false);
        }
        while self.sent < self.end {
            let bytes = cycle.requests(self.sent, self.end - self.sent);
            match self.transport.write_once(bytes) {
                Ok(written) => {
                    self.sent += written as u64;
                    if written < bytes.len() {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.transport.flush_pending()
    }

    /// How many messages of the cycle the socket has taken whole, those before the first included.
    pub(crate) fn sent(&self, cycle: &Cycle) -> u64 {
        cycle.whole(self.sent)
    }

    /// Reads once, checks every byte, and returns how many replies became whole.
    pub(crate) fn receive(&mut self, cycle: &Cycle, buffer: &mut [u8]) -> Result<u64, LoadError> {
        let size = match self.transport.read_once(buffer) {
            Ok(0) => return Err(LoadError::Closed),
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let received = &buffer[..size];
        match &mut self.replies {
            Replies::Inflated(inflater) => inflater.take(cycle, received),
            Replies::Exact { position } => {
                let reply_size = cycle.reply_size() as u64;
                cycle.check(*position, received).map_err(|offset| {
                    let wrong = *position + offset as u64;
                    let (message, offset) = (wrong / reply_size, wrong % reply_size);
                    LoadError::WrongByte { message, offset }
                })?;
                let before = *position / reply_size;
                *position += size as u64;
                Ok(*position / reply_size - before)
            }
        }
    }
}
