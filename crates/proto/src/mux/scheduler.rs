use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::StreamId;

/// The order in which streams send.
///
/// A stream of a higher priority sends before all streams of lower ones. Streams of the same
/// priority take turns, one frame each.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    /// The streams that may send, by priority; no queue is empty.
    levels: BTreeMap<Reverse<i32>, VecDeque<StreamId>>,
    /// The streams that wait for the limit of the session.
    blocked: VecDeque<StreamId>,
}

impl Scheduler {
    /// Adds a stream after the others of its priority.
    pub(super) fn push(&mut self, id: StreamId, priority: i32) {
        self.levels.entry(Reverse(priority)).or_default().push_back(id);
    }

    /// Removes the stream whose turn it is.
    pub(super) fn pop(&mut self) -> Option<StreamId> {
        let mut level = self.levels.first_entry()?;
        let id = level.get_mut().pop_front();
        if level.get().is_empty() {
            level.remove();
        }
        id
    }

    /// Returns whether no stream may send.
    pub(super) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Moves a stream to another priority, if it is queued in this one.
    pub(super) fn reorder(&mut self, id: StreamId, from: i32, to: i32) {
        let Some(level) = self.levels.get_mut(&Reverse(from)) else { return };
        let before = level.len();
        level.retain(|&other| other != id);
        let removed = level.len() < before;
        if level.is_empty() {
            self.levels.remove(&Reverse(from));
        }
        if removed {
            self.push(id, to);
        }
    }

    /// Adds a stream that waits for the limit of the session.
    pub(super) fn block(&mut self, id: StreamId) {
        self.blocked.push_back(id);
    }

    /// Removes a stream that waits for the limit of the session no longer. Returns whether it did.
    pub(super) fn unblock(&mut self, id: StreamId) -> bool {
        let index = self.blocked.iter().position(|&other| other == id);
        index.and_then(|index| self.blocked.remove(index)).is_some()
    }

    #[cfg(test)]
    pub(super) fn blocked(&self) -> usize {
        self.blocked.len()
    }

    /// Removes the streams that wait for the limit of the session.
    pub(super) fn take_blocked(&mut self) -> VecDeque<StreamId> {
        std::mem::take(&mut self.blocked)
    }
}
