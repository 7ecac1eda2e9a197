use std::collections::{BTreeSet, VecDeque};

use super::{Direction, StreamId};

/// A control frame that is owed. Its content is determined when it is sent, so that a later state
/// replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Control {
    Ping,
    Pong,
    MaxData,
    MaxStreams(Direction),
    DataBlocked,
    StreamsBlocked(Direction),
    MaxStreamData(StreamId),
    StreamDataBlocked(StreamId),
    StopSending(StreamId),
    ResetStream(StreamId),
}

/// The control frames that are owed, each at most once: a bounded number per stream.
#[derive(Debug, Default)]
pub(super) struct ControlQueue {
    queue: VecDeque<Control>,
    queued: BTreeSet<Control>,
}

impl ControlQueue {
    pub(super) fn push(&mut self, control: Control) {
        if self.queued.insert(control) {
            self.queue.push_back(control);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Control> {
        let control = self.queue.pop_front()?;
        self.queued.remove(&control);
        Some(control)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
