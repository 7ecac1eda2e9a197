//! The order and the bounds of a connection's commands, as pure data.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The bounds of [`Lanes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Maximum number of jobs that run or wait. 0 counts as 1.
    pub(super) jobs: usize,
    /// Maximum size of all jobs together. A job that is larger is admitted alone.
    pub(super) size: usize,
}

/// Jobs that run or wait: those of one lane run one after the other, those of different lanes at
/// the same time. Each job has a handle of the type `H`, by which it is reached while it runs.
#[derive(Debug)]
pub(super) struct Lanes<K, H, J> {
    lanes: HashMap<K, Lane<H, J>>,
    jobs: usize,
    size: usize,
    limits: Limits,
}

#[derive(Debug)]
struct Lane<H, J> {
    running: Entry<H>,
    waiting: VecDeque<(Entry<H>, J)>,
}

#[derive(Debug)]
struct Entry<H> {
    handle: H,
    size: usize,
}

impl<K: Eq + Hash, H, J> Lanes<K, H, J> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { lanes: HashMap::new(), jobs: 0, size: 0, limits }
    }

    /// Returns whether a job of this size is within the limits.
    pub(super) fn has_capacity(&self, size: usize) -> bool {
        self.jobs == 0
            || (self.jobs < self.limits.jobs && size <= self.limits.size.saturating_sub(self.size))
    }

    /// Adds a job at the end of its lane. Returns the job if it is to run now.
    pub(super) fn enter(&mut self, key: K, handle: H, job: J, size: usize) -> Option<J> {
        self.jobs += 1;
        self.size = self.size.saturating_add(size);
        let entry = Entry { handle, size };
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.waiting.push_back((entry, job));
            return None;
        }
        self.lanes.insert(key, Lane { running: entry, waiting: VecDeque::new() });
        Some(job)
    }

    /// Removes the running job of a lane. Returns the next one, which is to run now.
    pub(super) fn leave(&mut self, key: &K) -> Option<J> {
        let lane = self.lanes.get_mut(key)?;
        self.jobs -= 1;
        self.size = self.size.saturating_sub(lane.running.size);
        let Some((entry, job)) = lane.waiting.pop_front() else {
            self.lanes.remove(key);
            return None;
        };
        lane.running = entry;
        Some(job)
    }

    /// Returns the handles of a lane's jobs, beginning with the running one.
    pub(super) fn handles(&self, key: &K) -> impl Iterator<Item = &H> {
        self.lanes.get(key).into_iter().flat_map(|lane| {
            let waiting = lane.waiting.iter().map(|(entry, _)| &entry.handle);
            std::iter::once(&lane.running.handle).chain(waiting)
        })
    }
}
