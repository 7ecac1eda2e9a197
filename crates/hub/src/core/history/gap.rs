use std::fmt;

use crate::core::Position;

/// Publications may have been missed: continuity with an earlier position cannot be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The position from which the reader continues.
    pub position: Position,
    /// The reason why nothing could be proven.
    pub reason: GapReason,
}

/// The reason of a [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The position is of another epoch: the store lost or replaced the history.
    Epoch,
    /// Publications after the position are no longer retained.
    Trimmed,
    /// The store has other publications, or none, at the offset: it lost the one that the position
    /// names.
    RolledBack,
    /// More publications were missed than the reader's limit.
    Limit,
}

impl GapReason {
    /// Returns the reason as clients are told it: `epoch`, `trimmed`, `rolled_back` or `limit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Trimmed => "trimmed",
            Self::RolledBack => "rolled_back",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
