//! What one end of the driver has sent, and what it expects to come back.

use crate::cycle::Cycle;
use crate::deflate::Inflater;
use crate::load::LoadError;
use crate::mode::Deflate;

/// The place of a connection in the cycle: it sends requests when told to, and checks the replies.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Messages that were queued, those before the first included.
    queued: u64,
    /// Bytes of the request stream that were sent, and where those queued end.
    sent: u64,
    end: u64,
    replies: Replies,
}

/// What has come back.
#[derive(Debug)]
enum Replies {
    /// Known beforehand: the byte position in the reply stream.
    Exact { position: u64 },
    /// To be inflated first.
    Inflated(Box<Inflater>),
}

impl Exchange {
    /// Starts with message `first` of the cycle, nothing queued yet. Compressed cycles have to start with
    /// the first message.
    pub(crate) fn new(cycle: &Cycle, first: u64) -> Self {
        let sent = cycle.position(first);
        let position = first * cycle.reply_size() as u64;
        Self { queued: first, sent, end: sent, replies: Replies::Exact { position } }
    }

    /// The same with replies that are to be inflated.
    pub(crate) fn compressed(deflate: Deflate) -> Self {
        let replies = Replies::Inflated(Box::new(Inflater::new(deflate)));
        Self { queued: 0, sent: 0, end: 0, replies }
    }

    /// Queues the next `messages` of the cycle.
    pub(crate) fn queue(&mut self, cycle: &Cycle, messages: u64) {
        self.queued += messages;
        self.end = cycle.position(self.queued);
    }

    /// What is queued and not sent: all of it, if it is no more than may be in flight.
    pub(crate) fn unsent<'a>(&self, cycle: &'a Cycle) -> &'a [u8] {
        cycle.requests(self.sent, self.end - self.sent)
    }

    /// The first `size` bytes of it are sent.
    pub(crate) fn advance(&mut self, size: usize) {
        self.sent += size as u64;
    }

    /// How many messages of the cycle were sent whole, those before the first included.
    pub(crate) fn sent(&self, cycle: &Cycle) -> u64 {
        cycle.whole(self.sent)
    }

    /// Checks every byte received, and returns how many replies became whole.
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
