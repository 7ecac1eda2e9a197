use crate::core::{Epoch, Position};

/// A position as a client presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// A whole position.
    Exact(Position),
    /// An offset whose tag the client did not keep.
    Untagged {
        /// The epoch of the history.
        epoch: Epoch,
        /// The offset that the client has seen.
        offset: u64,
        /// An earlier position of the client, whose tag it kept.
        earlier: Option<Position>,
    },
    /// The beginning of the history, whatever its epoch: the client has seen no publication.
    Beginning,
    /// A position that no hub has given.
    Foreign,
}

impl Presented {
    /// Returns the offset, if the position is one of a hub.
    pub(crate) const fn offset(&self) -> Option<u64> {
        match self {
            Self::Exact(position) => Some(position.offset),
            Self::Untagged { offset, .. } => Some(*offset),
            Self::Beginning => Some(0),
            Self::Foreign => None,
        }
    }

    /// Returns the epoch, if the position names one of a hub.
    pub(crate) const fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Exact(position) => Some(position.epoch),
            Self::Untagged { epoch, .. } => Some(*epoch),
            Self::Beginning | Self::Foreign => None,
        }
    }
}
