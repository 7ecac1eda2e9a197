use std::fmt;

/// Counts of the connections that were open when a server stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Number of connections that ended in time: by the closing handshake, or because either side
    /// disconnected.
    pub closed: usize,
    /// Number of connections that were dropped at the timeout. Their peers see 1006.
    pub dropped: usize,
    /// Number of dropped connections that their handlers still hold: these handlers neither use the
    /// connections nor run in [`Drain::serve`](crate::Drain::serve). 0 for a
    /// [`Server`](crate::Server).
    pub left: usize,
    /// Number of [guards](crate::Drain::guard) that were still held at the timeout.
    pub guards: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} closed, {} dropped", self.closed, self.dropped)?;
        if self.left > 0 {
            write!(f, ", of which {} are still held", self.left)?;
        }
        if self.guards > 0 {
            write!(f, ", {} guards held at the timeout", self.guards)?;
        }
        Ok(())
    }
}
