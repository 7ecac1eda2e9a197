//! The position of one connection or stream in the cycle: the bytes that it has sent, and the
//! replies that it expects.

use crate::cycle::Cycle;
use crate::deflate::Inflater;
use crate::load::LoadError;
use crate::mode::Deflate;

/// The position of a connection in the cycle: sends requests as the caller queues them, and checks
/// the replies.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Number of messages queued, including those before the first.
    queued: u64,
    /// Bytes of the request stream that were sent, and the position at which the queued bytes end.
    sent: u64,
    end: u64,
    replies: Replies,
}

/// The replies received so far.
#[derive(Debug)]
enum Replies {
    /// Replies that are known beforehand, and the byte position in the reply stream.
    Exact { position: u64 },
    /// Replies that have to be inflated first.
    Inflated(Box<Inflater>),
}

impl Exchange {
    /// Creates an exchange that starts with message `first` of the cycle and has nothing queued.
    /// Compressed cycles have to start with their first message.
    pub(crate) fn new(cycle: &Cycle, first: u64) -> Self {
        let sent = cycle.position(first);
        let position = first * cycle.reply_size() as u64;
        Self { queued: first, sent, end: sent, replies: Replies::Exact { position } }
    }

    /// Creates an exchange whose replies have to be inflated.
    pub(crate) fn compressed(deflate: Deflate) -> Self {
        let replies = Replies::Inflated(Box::new(Inflater::new(deflate)));
        Self { queued: 0, sent: 0, end: 0, replies }
    }

    /// Queues the next `messages` messages of the cycle.
    pub(crate) fn queue(&mut self, cycle: &Cycle, messages: u64) {
        self.queued += messages;
        self.end = cycle.position(self.queued);
    }

    /// Returns the bytes that are queued and not sent: all of them, if they are no more than may be
    /// in flight.
    pub(crate) fn unsent<'a>(&self, cycle: &'a Cycle) -> &'a [u8] {
        cycle.requests(self.sent, self.end - self.sent)
    }

    /// Marks the first `size` unsent bytes as sent.
    pub(crate) fn advance(&mut self, size: usize) {
        self.sent += size as u64;
    }

    /// Returns the number of messages of the cycle that were sent whole, including those before the
    /// first.
    pub(crate) fn sent(&self, cycle: &Cycle) -> u64 {
        cycle.whole(self.sent)
    }

    /// Checks every byte received, and returns the number of replies that became whole.
    pub(crate) fn receive(&mut self, cycle: &Cycle, received: &[u8]) -> Result<u64, LoadError> {
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
                *position += received.len() as u64;
                Ok(*position / reply_size - before)
            }
        }
    }
}
