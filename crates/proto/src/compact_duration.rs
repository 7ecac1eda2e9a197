//! Configured durations, in the form that a connection keeps.

use std::time::{Duration, Instant};

/// A duration in four bytes, since every idle connection holds several: whole milliseconds, rounded
/// up. Durations of more than 49 days count as infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompactDuration(u32);

impl CompactDuration {
    pub(crate) const FOREVER: Self = Self(u32::MAX);

    pub(crate) fn new(time: Duration) -> Self {
        u32::try_from(time.as_nanos().div_ceil(1_000_000)).map_or(Self::FOREVER, Self)
    }

    pub(crate) const fn duration(self) -> Duration {
        match self {
            Self::FOREVER => Duration::MAX,
            Self(milliseconds) => Duration::from_millis(milliseconds as u64),
        }
    }

    /// Returns the time at which the duration ends if it starts at `now`, or `None` if it never
    /// ends.
    pub(crate) fn after(self, now: Instant) -> Option<Instant> {
        now.checked_add(self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_long_ones_are_for_ever() {
        let now = Instant::now();
        assert_eq!(CompactDuration::new(Duration::ZERO).after(now), Some(now));
        let short = CompactDuration::new(Duration::from_nanos(1));
        assert_eq!(short.duration(), Duration::from_millis(1));
        assert_eq!(
            CompactDuration::new(Duration::from_secs(3600)).duration(),
            Duration::from_secs(3600)
        );
        for long in [Duration::from_secs(60 * 60 * 24 * 50), Duration::MAX] {
            assert_eq!(CompactDuration::new(long), CompactDuration::FOREVER);
            assert_eq!(CompactDuration::new(long).after(now), None);
        }
    }
}
