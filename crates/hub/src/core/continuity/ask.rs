use crate::core::history::{Limit, Range};
use crate::core::{Epoch, Position};

/// A question of a [`Chain`](super::Chain) to the store. The answer goes to the chain's method that
/// the [`Question`] names, with the same token; an answer to an earlier question is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Identifies the question.
    pub token: u64,
    /// The question.
    pub question: Question,
}

/// A question of a chain to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The position after the newest publication, from the leader. Answered by
    /// [`Chain::on_top`](super::Chain::on_top).
    Top,
    /// A page that proves a position. Answered by [`Chain::on_page`](super::Chain::on_page).
    Read(Read),
    /// Replace the epoch by a random one if it is still `expected`, as
    /// [`Log::replace_epoch`](crate::core::history::Log::replace_epoch) does. Answered with the top
    /// by [`Chain::on_top`](super::Chain::on_top), also if another node was faster, or if the store
    /// cannot replace epochs.
    ReplaceEpoch {
        /// The epoch to replace.
        expected: Epoch,
    },
}

/// A page to read, which proves a position and holds what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The position to prove.
    pub after: Position,
    /// `true` if the store's leader has to answer. Otherwise a replica that lags may.
    pub leader: bool,
}

impl Read {
    /// Returns the range that proves the position: it begins with the position's own entry.
    pub const fn range(&self, limit: Limit) -> Range {
        Range::forwards(limit).at(self.after.offset)
    }
}
