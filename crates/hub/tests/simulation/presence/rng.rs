use std::ops::Range;
use std::time::Duration;

use crate::seeds::SplitMix64;

/// The random choices of a run.
#[derive(Debug)]
pub(crate) struct Rng(SplitMix64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0.next()
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("less than a usize")
    }

    pub(crate) const fn chance(&mut self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }

    /// Returns a time of whole microseconds.
    pub(crate) fn time(&mut self, range: Range<Duration>) -> Duration {
        let span = u64::try_from(range.end.saturating_sub(range.start).as_micros()).expect("short");
        range.start + Duration::from_micros(self.next() % span.max(1))
    }

    pub(crate) fn choose<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(items[self.below(items.len())]) }
    }
}
