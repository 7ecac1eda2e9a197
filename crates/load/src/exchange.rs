//! The position of one connection or stream in the message cycle: the requests that it has sent,
//! and the replies that it expects.

use crate::error::LoadError;
use crate::inflater::Inflater;
use crate::load::Load;
use crate::message_cycle::MessageCycle;

/// The position of one connection in the cycle: yields requests as the caller queues them, and
/// checks the replies.
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
    /// Creates an exchange that starts with message `first` of the cycle and has nothing queued. A
    /// compressed cycle is started at its first message, since later ones refer to it.
    pub(crate) fn new(load: &Load, cycle: &MessageCycle, first: u64) -> Self {
        let (first, replies) = match load.deflate {
            None => (first, Replies::Exact { position: first * cycle.reply_size() as u64 }),
            Some(mode) => (0, Replies::Inflated(Box::new(Inflater::new(mode)))),
        };
        let sent = cycle.position(first);
        Self { queued: first, sent, end: sent, replies }
    }

    /// Queues the next `messages` messages of the cycle.
    pub(crate) fn queue(&mut self, cycle: &MessageCycle, messages: u64) {
        self.queued += messages;
        self.end = cycle.position(self.queued);
    }

    /// Returns the bytes that are queued and not sent: all of them, if they are no more than may be
    /// in flight.
    pub(crate) fn unsent<'a>(&self, cycle: &'a MessageCycle) -> &'a [u8] {
        cycle.requests(self.sent, self.end - self.sent)
    }

    /// Marks the first `size` unsent bytes as sent.
    pub(crate) fn advance(&mut self, size: usize) {
        self.sent += size as u64;
    }

    /// Returns the number of messages of the cycle that were sent whole, including those before the
    /// first.
    pub(crate) fn sent(&self, cycle: &MessageCycle) -> u64 {
        cycle.messages_before(self.sent)
    }

    /// Checks every byte received, and returns the number of replies that became whole.
    pub(crate) fn receive(
        &mut self,
        cycle: &MessageCycle,
        received: &[u8],
    ) -> Result<u64, LoadError> {
        match &mut self.replies {
            Replies::Inflated(inflater) => inflater.receive(cycle, received),
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
