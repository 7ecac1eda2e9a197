//! Configured times, as a connection keeps them.

use std::time::{Duration, Instant};

/// A time in four bytes, since every idle connection holds some: whole milliseconds, rounded up. What is longer than 49
/// days is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(u32);

impl Span {
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

    /// When it is over, if it ever is.
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
        assert_eq!(Span::new(Duration::ZERO).after(now), Some(now));
        let short = Span::new(Duration::from_nanos(1));
        assert_eq!(short.duration(), Duration::from_millis(1));
        assert_eq!(Span::new(Duration::from_secs(3600)).duration(), Duration::from_secs(3600));
        for long in [Duration::from_secs(60 * 60 * 24 * 50), Duration::MAX] {
            assert_eq!(Span::new(long), Span::FOREVER);
            assert_eq!(Span::new(long).after(now), None);
        }
    }
}
