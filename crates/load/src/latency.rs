//! Distribution of latencies.

use std::time::Duration;

use hdrhistogram::Histogram;

mod encoding;

/// Longest latency that is distinguished; longer ones count as this.
const MAX_LATENCY: Duration = Duration::from_secs(60);

/// Significant decimal digits of a latency.
const DIGITS: u8 = 3;

/// The distribution of the times from queueing a message to its whole echo or delivery.
///
/// Latencies are kept with three significant digits, and those above 60 s as 60 s. The memory is
/// constant, whatever the number of messages.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Nanoseconds.
    histogram: Histogram<u64>,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// Creates an empty distribution.
    #[allow(clippy::missing_panics_doc, reason = "the settings are constant and valid")]
    pub fn new() -> Self {
        let max = nanoseconds(MAX_LATENCY);
        let histogram = Histogram::new_with_max(max, DIGITS);
        Self { histogram: histogram.expect("the maximum and three digits are valid") }
    }

    /// Adds all latencies of `other`.
    #[allow(clippy::missing_panics_doc, reason = "all distributions have the same settings")]
    pub fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same range and digits");
    }

    /// Records the latency of `messages` messages.
    pub(crate) fn record(&mut self, latency: Duration, messages: u64) {
        self.histogram.saturating_record_n(nanoseconds(latency), messages);
    }

    /// Moves all latencies of `other` into this distribution.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.add(other);
        other.histogram.reset();
    }

    /// Returns the number of messages whose latency was at most `latency`, to its three digits.
    pub fn messages_within(&self, latency: Duration) -> u64 {
        let latency = nanoseconds(latency).min(self.histogram.high());
        self.histogram.count_between(0, latency)
    }

    /// Returns the percentiles at which the distribution changes, with `steps` of them for each
    /// halving of the distance to 100 %: the latency, the share of messages that did not exceed it,
    /// from 0 to 1, and the number of these messages.
    pub fn percentiles(&self, steps: u32) -> Vec<(Duration, f64, u64)> {
        let mut within = 0;
        self.histogram
            .iter_quantiles(steps)
            .map(|value| {
                within += value.count_since_last_iteration();
                let latency = Duration::from_nanos(value.value_iterated_to());
                (latency, value.quantile_iterated_to(), within)
            })
            .collect()
    }

    /// Returns the standard deviation; zero if there was no message.
    pub fn standard_deviation(&self) -> Duration {
        Duration::from_secs_f64(self.histogram.stdev() / 1e9)
    }

    /// Returns the number of messages whose latency was measured.
    pub fn messages(&self) -> u64 {
        self.histogram.len()
    }

    /// Returns the latency that the share `quantile` of the messages did not exceed: the median is
    /// `quantile(0.5)`. The share is clamped to the range from 0 to 1. Zero if there was no
    /// message.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.histogram.value_at_quantile(quantile.clamp(0.0, 1.0)))
    }

    /// Returns the shortest latency; zero if there was no message.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.histogram.min())
    }

    /// Returns the longest latency; zero if there was no message.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.histogram.max())
    }

    /// Returns the mean latency; zero if there was no message.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.histogram.mean() / 1e9)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_recorded_latencies_to_three_digits() {
        let mut latency = Latency::new();
        for microseconds in 1..=1000 {
            latency.record(Duration::from_micros(microseconds), 2);
        }
        assert_eq!(latency.messages(), 2000);
        for (seen, expected) in [
            (latency.min(), 1),
            (latency.quantile(0.5), 500),
            (latency.quantile(0.99), 990),
            (latency.quantile(0.999), 999),
            (latency.quantile(7.0), 1000),
            (latency.max(), 1000),
        ] {
            let expected = Duration::from_micros(expected);
            assert!(seen.abs_diff(expected) <= expected / 1000, "{seen:?} for {expected:?}");
        }
        let mean = Duration::from_nanos(500_500);
        assert!(latency.mean().abs_diff(mean) <= mean / 1000, "{:?}", latency.mean());
    }

    #[test]
    fn a_latency_beyond_the_maximum_counts_as_the_maximum() {
        let mut latency = Latency::new();
        latency.record(Duration::MAX, 1);
        assert_eq!(latency.messages(), 1);
        assert!(latency.max().abs_diff(MAX_LATENCY) <= MAX_LATENCY / 1000);
    }

    #[test]
    fn no_message_has_no_latency() {
        let latency = Latency::new();
        assert_eq!((latency.messages(), latency.quantile(0.5)), (0, Duration::ZERO));
        assert_eq!((latency.min(), latency.mean()), (Duration::ZERO, Duration::ZERO));
    }
}
