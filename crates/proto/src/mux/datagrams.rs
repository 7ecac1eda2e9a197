use std::collections::VecDeque;

use bytes::Bytes;

/// The size that a datagram counts in addition to its length, in bytes: more than its place in the
/// queue takes.
const OVERHEAD: usize = 64;

/// Datagrams in order, bounded in size. A datagram that does not fit is dropped and counted.
#[derive(Debug)]
pub(super) struct DatagramQueue {
    queue: VecDeque<Bytes>,
    size: usize,
    limit: usize,
    dropped: u64,
}

/// The numbers of datagrams that full queues have dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedDatagrams {
    /// Datagrams of this end that were not sent.
    pub outgoing: u64,
    /// Datagrams of the peer that the program did not read in time.
    pub incoming: u64,
}

impl DatagramQueue {
    pub(super) const fn new(limit: u32) -> Self {
        Self { queue: VecDeque::new(), size: 0, limit: limit as usize, dropped: 0 }
    }

    pub(super) fn push(&mut self, datagram: Bytes) {
        let size = self.size + datagram.len() + OVERHEAD;
        if size > self.limit {
            self.dropped += 1;
            return;
        }
        self.size = size;
        self.queue.push_back(datagram);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let datagram = self.queue.pop_front()?;
        self.size -= datagram.len() + OVERHEAD;
        Some(datagram)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns the size of the datagrams, in bytes.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.size = 0;
    }
}
