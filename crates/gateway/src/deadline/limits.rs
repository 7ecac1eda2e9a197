use std::time::{Duration, Instant};

use http::HeaderValue;

/// The limits of the timeouts that clients request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutLimits {
    /// The timeout of calls without one. Default: none, as far as `max` allows it.
    pub default: Option<Duration>,
    /// The maximum of all timeouts. Default: none.
    pub max: Option<Duration>,
}

/// The time at which a call ends, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl TimeoutLimits {
    /// Returns the timeout of a call for the one that its client requests.
    pub fn clamp(&self, requested: Option<Duration>) -> Option<Duration> {
        match (requested.or(self.default), self.max) {
            (Some(timeout), Some(max)) => Some(timeout.min(max)),
            (timeout, max) => timeout.or(max),
        }
    }
}

impl Deadline {
    /// Creates the deadline of a call that begins now. A timeout beyond the clock's range is none.
    pub fn new(now: Instant, timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| now.checked_add(timeout)))
    }

    /// Returns the time at which the call ends.
    pub fn instant(&self) -> Option<Instant> {
        self.0
    }

    /// Returns the time that is left: zero after the deadline.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Reports whether the deadline has passed.
    pub fn has_passed(&self, now: Instant) -> bool {
        self.0.is_some_and(|deadline| deadline <= now)
    }

    /// Returns the header `grpc-timeout` with the time that is left, for the upstream.
    ///
    /// The unit is the finest in which 8 digits suffice. The number is rounded down, so that the
    /// upstream does not work for longer than the client waits.
    pub fn grpc_timeout(&self, now: Instant) -> Option<HeaderValue> {
        self.remaining(now).map(grpc_timeout)
    }
}

fn grpc_timeout(timeout: Duration) -> HeaderValue {
    const MAX: u128 = 99_999_999;
    let units = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let nanos = timeout.as_nanos();
    let mut numbers = units.into_iter().map(|(scale, unit)| (nanos / scale, unit));
    let (number, unit) = numbers.find(|(number, _)| *number <= MAX).unwrap_or((MAX, 'H'));
    // Digits and a letter are always a header value.
    HeaderValue::from_str(&format!("{number}{unit}")).unwrap_or(HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::deadline::TimeoutForm;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timeouts_are_at_most_the_maximum() {
        let limits = |default, max| TimeoutLimits { default, max };
        for (limits, requested, timeout) in [
            (limits(None, None), None, None),
            (limits(None, None), Some(9 * SECOND), Some(9 * SECOND)),
            (limits(Some(SECOND), None), None, Some(SECOND)),
            (limits(Some(SECOND), None), Some(9 * SECOND), Some(9 * SECOND)),
            (limits(None, Some(5 * SECOND)), None, Some(5 * SECOND)),
            (limits(None, Some(5 * SECOND)), Some(9 * SECOND), Some(5 * SECOND)),
            (limits(Some(9 * SECOND), Some(5 * SECOND)), None, Some(5 * SECOND)),
            (limits(None, Some(SECOND)), Some(Duration::ZERO), Some(Duration::ZERO)),
        ] {
            assert_eq!(limits.clamp(requested), timeout, "{limits:?} {requested:?}");
        }
    }

    #[test]
    fn a_deadline_passes_once_its_time_is_over() {
        let now = Instant::now();
        let deadline = Deadline::new(now, Some(SECOND));
        assert_eq!(deadline.remaining(now), Some(SECOND));
        assert!(!deadline.has_passed(now));
        assert!(deadline.has_passed(now + SECOND));
        assert_eq!(deadline.remaining(now + 2 * SECOND), Some(Duration::ZERO));
        assert_eq!(Deadline::new(now, None).remaining(now), None);
        assert!(!Deadline::new(now, Some(Duration::MAX)).has_passed(now));
    }

    #[test]
    fn the_upstream_gets_the_finest_unit_of_eight_digits() {
        for (timeout, header) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(grpc_timeout(timeout), header);
        }
    }

    proptest! {
        #[test]
        fn the_header_is_at_most_a_thousandth_below_the_timeout(nanos in any::<u64>()) {
            let timeout = Duration::from_nanos(nanos);
            let header = grpc_timeout(timeout);
            let parsed = TimeoutForm::Grpc.parse(header.to_str().unwrap()).unwrap();
            prop_assert!(parsed <= timeout);
            prop_assert!(timeout.saturating_sub(parsed) <= timeout / 1000);
        }
    }
}
