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
    by_key: HashMap<K, Lane<H, J>>,
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
        Self { by_key: HashMap::new(), jobs: 0, size: 0, limits }
    }

    /// Returns whether a job of this size is within the limits.
    pub(super) fn has_capacity(&self, size: usize) -> bool {
        let size = self.size.saturating_add(size);
        self.jobs == 0 || (self.jobs < self.limits.jobs && size <= self.limits.size)
    }

    /// Adds a job at the end of its lane, behind those that run or wait.
    ///
    /// # Errors
    /// The job, if there are none: it may run, and [begins](Self::begin) if it is not done at once.
    pub(super) fn wait(&mut self, key: &K, handle: H, job: J, size: usize) -> Result<(), J> {
        let Some(lane) = self.by_key.get_mut(key) else { return Err(job) };
        lane.waiting.push_back((Entry { handle, size }, job));
        self.count(size);
        Ok(())
    }

    /// Adds a job that runs, in a lane without any.
    pub(super) fn begin(&mut self, key: K, handle: H, size: usize) {
        let lane = Lane { running: Entry { handle, size }, waiting: VecDeque::new() };
        let before = self.by_key.insert(key, lane);
        debug_assert!(before.is_none(), "the lane has jobs");
        self.count(size);
    }

    fn count(&mut self, size: usize) {
        self.jobs += 1;
        self.size = self.size.saturating_add(size);
    }

    /// Removes the running job of a lane. Returns the next one, which is to run now.
    pub(super) fn leave(&mut self, key: &K) -> Option<J> {
        let lane = self.by_key.get_mut(key)?;
        self.jobs -= 1;
        self.size = self.size.saturating_sub(lane.running.size);
        let Some((entry, job)) = lane.waiting.pop_front() else {
            self.by_key.remove(key);
            return None;
        };
        lane.running = entry;
        Some(job)
    }

    /// Returns the handles of a lane's jobs, beginning with the running one.
    pub(super) fn handles(&self, key: &K) -> impl Iterator<Item = &H> {
        self.by_key.get(key).into_iter().flat_map(|lane| {
            let waiting = lane.waiting.iter().map(|(entry, _)| &entry.handle);
            std::iter::once(&lane.running.handle).chain(waiting)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The jobs in the order in which they entered, with lane, number and size.
    #[derive(Default)]
    struct Model {
        jobs: Vec<(u8, usize, usize)>,
    }

    impl Model {
        fn of(&self, key: u8) -> Vec<usize> {
            let of_key = self.jobs.iter().filter(|job| job.0 == key);
            of_key.map(|(_, number, _)| *number).collect()
        }

        fn size(&self) -> usize {
            self.jobs.iter().map(|(_, _, size)| size).sum()
        }
    }

    proptest! {
        #[test]
        fn lanes_behave_like_a_list_of_jobs(
            jobs in 0usize..6,
            size in 0usize..20,
            steps in vec((any::<bool>(), 0u8..4, 0usize..12), 0..60),
        ) {
            let mut lanes = Lanes::new(Limits { jobs, size });
            let mut model = Model::default();
            for (number, (enter, key, length)) in steps.into_iter().enumerate() {
                if enter {
                    let fits = model.jobs.is_empty()
                        || (model.jobs.len() < jobs && model.size() + length <= size);
                    prop_assert_eq!(lanes.has_capacity(length), fits);
                    if !fits {
                        continue;
                    }
                    let waits = lanes.wait(&key, number, number, length);
                    let runs = model.of(key).is_empty();
                    prop_assert_eq!(waits, if runs { Err(number) } else { Ok(()) });
                    if runs {
                        lanes.begin(key, number, length);
                    }
                    model.jobs.push((key, number, length));
                } else {
                    let first = model.jobs.iter().position(|job| job.0 == key);
                    if let Some(first) = first {
                        model.jobs.remove(first);
                    }
                    let next = first.and_then(|_| model.of(key).first().copied());
                    prop_assert_eq!(lanes.leave(&key), next);
                }
                for key in 0..4 {
                    prop_assert_eq!(lanes.handles(&key).copied().collect::<Vec<_>>(), model.of(key));
                }
                prop_assert!(lanes.by_key.len() <= model.jobs.len(), "an empty lane is forgotten");
            }
        }
    }
}
