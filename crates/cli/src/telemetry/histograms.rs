//! The buckets of histograms, the same in every recorder.

/// Upper bounds of the histogram buckets for round-trip times, in seconds. Chosen: in steps of 1,
/// 2.5 and 5, from a local network to a satellite link.
const RTT_BUCKETS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Upper bounds of the histogram buckets for calls through the gateway, in seconds. Chosen: in
/// steps of 1, 2.5 and 5, from a call on one machine to a long stream.
const CALL_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

/// The histograms that have buckets of their own, with the upper bounds of the buckets.
pub(crate) const HISTOGRAMS: [(&str, &[f64]); 2] = [
    ("sockeye_rtt_seconds", &RTT_BUCKETS),
    (sockeye_gateway::metrics::CALL_SECONDS, &CALL_BUCKETS),
];

/// Returns the upper bounds of the buckets of a histogram.
#[cfg(feature = "otlp")]
pub(super) fn buckets(name: &str) -> Option<&'static [f64]> {
    HISTOGRAMS.iter().find(|(histogram, _)| *histogram == name).map(|(_, bounds)| *bounds)
}
