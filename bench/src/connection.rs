//! One connection of the driver: what it has sent, what it expects, and since when.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::cycle::Cycle;
use crate::load::LoadError;

/// A connection in a closed loop: each reply that arrives whole lets one more request out.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// Byte positions in the endless request and reply streams.
    sent: u64,
    queued: u64,
    received: u64,
    /// When each message in flight was queued; message `n` is at `n % in_flight`.
    queued_at: Vec<Instant>,
    replies: u64,
    /// Whether the event loop has been asked for writability.
    pub(crate) blocked: bool,
}

impl Connection {
    /// A connection that starts with message `first` of the cycle, nothing queued yet.
    pub(crate) fn new(stream: TcpStream, cycle: &Cycle, first: u64, in_flight: usize) -> Self {
        let sent = first * cycle.request_size() as u64;
        Self {
            stream,
            sent,
            queued: sent,
            received: first * cycle.reply_size() as u64,
            queued_at: vec![Instant::now(); in_flight],
            replies: 0,
            blocked: false,
        }
    }

    /// Queues the first messages, one for each place in flight.
    pub(crate) fn start(&mut self, cycle: &Cycle) {
        self.queued += (self.queued_at.len() * cycle.request_size()) as u64;
        self.queued_at.fill(Instant::now());
    }

    /// Writes what is queued, as far as the socket takes it in one call; true when all is gone.
    pub(crate) fn send(&mut self, cycle: &Cycle) -> io::Result<bool> {
        let size = usize::try_from(self.queued - self.sent).expect("at most what is in flight");
        if size == 0 {
            return Ok(true);
        }
        match self.stream.write(cycle.requests(self.sent, size)) {
            Ok(written) => {
                self.sent += written as u64;
                Ok(written == size)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads once, checks every byte, and queues a request for each reply that is now whole.
    /// `on_reply` is told when the request was queued and when its reply was whole.
    pub(crate) fn receive(
        &mut self,
        cycle: &Cycle,
        buffer: &mut [u8],
        mut on_reply: impl FnMut(Instant, Instant),
    ) -> Result<u64, LoadError> {
        let size = match self.stream.read(buffer) {
            Ok(0) => return Err(LoadError::Closed),
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let reply_size = cycle.reply_size() as u64;
        cycle.check(self.received, &buffer[..size]).map_err(|offset| {
            let position = self.received + offset as u64;
            LoadError::WrongByte {
                message: self.replies + position / reply_size - self.received / reply_size,
                offset: position % reply_size,
            }
        })?;
        let before = self.received / reply_size;
        self.received += size as u64;
        let replies = self.received / reply_size - before;
        if replies > 0 {
            let now = Instant::now();
            for _ in 0..replies {
                let place = self.place();
                on_reply(self.queued_at[place], now);
                self.queued_at[place] = now;
                self.replies += 1;
            }
            self.queued += replies * cycle.request_size() as u64;
        }
        Ok(replies)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
    fn place(&self) -> usize {
        (self.replies % self.queued_at.len() as u64) as usize
    }
}
