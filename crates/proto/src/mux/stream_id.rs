use std::fmt;

use crate::Role;

/// The identifier of a stream (RFC 9000 section 2.1): the end that opened the stream, the
/// direction, and the number of streams that this end had opened in this direction before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

/// Whether a stream carries data in both directions, or only from the end that opened the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Both ends send.
    Bidirectional,
    /// The end that opened the stream sends.
    Unidirectional,
}

impl StreamId {
    /// Creates an identifier. `index` is at most 2^60 - 1.
    pub const fn new(initiator: Role, direction: Direction, index: u64) -> Self {
        let initiator = match initiator {
            Role::Client => 0,
            Role::Server => 1,
        };
        let direction = match direction {
            Direction::Bidirectional => 0,
            Direction::Unidirectional => 2,
        };
        Self((index << 2) | direction | initiator)
    }

    pub(super) const fn from_wire(id: u64) -> Self {
        Self(id)
    }

    /// Returns the identifier as frames contain it.
    pub const fn into_inner(self) -> u64 {
        self.0
    }

    /// Returns the end that opened the stream.
    pub const fn initiator(self) -> Role {
        if self.0 & 1 == 0 { Role::Client } else { Role::Server }
    }

    /// Returns the direction.
    pub const fn direction(self) -> Direction {
        if self.0 & 2 == 0 { Direction::Bidirectional } else { Direction::Unidirectional }
    }

    /// Returns the number of streams of this kind that the initiator had opened before.
    pub const fn index(self) -> u64 {
        self.0 >> 2
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
