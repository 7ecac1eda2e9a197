use std::fmt;

/// Number of bits of an id for the slot of the connection in its worker.
const SLOT_BITS: u32 = 24;
/// Number of bits of an id for the worker.
const WORKER_BITS: u32 = 10;

/// Maximum number of connections of a worker.
pub(super) const MAX_SLOTS: usize = 1 << SLOT_BITS;
/// Maximum number of workers of a server.
pub(super) const MAX_WORKERS: usize = 1 << WORKER_BITS;

/// The identifier of a connection of a server, which differs from those of all other open
/// connections and of earlier ones: an id recurs after a thousand million connections at the
/// earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub(super) const fn new(worker: usize, slot: usize, serial: u64) -> Self {
        debug_assert!(slot < MAX_SLOTS && worker < MAX_WORKERS);
        Self((serial << WORKER_BITS | worker as u64) << SLOT_BITS | slot as u64)
    }

    /// Returns the id with this numeric value.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) const fn from_token(token: u64) -> Self {
        Self(token)
    }

    #[expect(clippy::cast_possible_truncation, reason = "cut to the bits that are meant")]
    pub(super) const fn worker(self) -> usize {
        (self.0 >> SLOT_BITS) as u32 as usize & (MAX_WORKERS - 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "cut to the bits that are meant")]
    pub(super) const fn slot(self) -> usize {
        self.0 as u32 as usize & (MAX_SLOTS - 1)
    }
}

/// Formats the numeric value of the id, as in log lines.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ConnectionId> for u64 {
    fn from(id: ConnectionId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_in_each_part_and_give_the_slot_back() {
        let ids = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (MAX_WORKERS - 1, MAX_SLOTS - 1, 7)];
        for (index, &(worker, slot, serial)) in ids.iter().enumerate() {
            let id = ConnectionId::new(worker, slot, serial);
            assert_eq!((id.worker(), id.slot()), (worker, slot));
            for &(worker, slot, serial) in &ids[index + 1..] {
                assert_ne!(id, ConnectionId::new(worker, slot, serial));
            }
        }
    }
}
