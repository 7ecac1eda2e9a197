//! The counts of a latency test, which each thread has for itself and hands over at every tick.

use std::time::Duration;

use crate::latency::Latency;

/// The counts of a latency test, over a tick or over all of the counted time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatencyCounts {
    /// Response times: from the time at which a message was due to its whole echo or delivery. A
    /// message without an answer counts with the time for which the client waited.
    pub response: Latency,
    /// Service times: from the write with which the socket had taken a message to its whole echo.
    /// Empty in fan-out.
    pub service: Latency,
    /// Schedule lag: from the time at which a message was due to the time at which the client
    /// handled it. High values mean that the client was the bottleneck.
    pub lag: Latency,
    /// Messages that were due.
    pub due: u64,
    /// Messages that came back whole; in fan-out, deliveries.
    pub answered: u64,
    /// Answers that arrived in the counted time, those to messages of the warm-up included.
    pub answered_in_time: u64,
    /// Messages whose answer took longer than the timeout, or did not arrive at all.
    pub timed_out: u64,
    /// Deliveries of a fan-out that did not arrive.
    pub lost: u64,
    /// Deliveries of a fan-out that arrived again.
    pub doubled: u64,
    /// Deliveries of a fan-out that arrived after a later message.
    pub reordered: u64,
    /// Processor time of the threads that put the load on the server.
    pub client: Duration,
}

impl LatencyCounts {
    pub(crate) fn new() -> Self {
        Self {
            response: Latency::new(),
            service: Latency::new(),
            lag: Latency::new(),
            due: 0,
            answered: 0,
            answered_in_time: 0,
            timed_out: 0,
            lost: 0,
            doubled: 0,
            reordered: 0,
            client: Duration::ZERO,
        }
    }

    /// Moves all of `other` into these counts.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.response.take(&mut other.response);
        self.service.take(&mut other.service);
        self.lag.take(&mut other.lag);
        for (count, other) in [
            (&mut self.due, &mut other.due),
            (&mut self.answered, &mut other.answered),
            (&mut self.answered_in_time, &mut other.answered_in_time),
            (&mut self.timed_out, &mut other.timed_out),
            (&mut self.lost, &mut other.lost),
            (&mut self.doubled, &mut other.doubled),
            (&mut self.reordered, &mut other.reordered),
        ] {
            *count += std::mem::take(other);
        }
        self.client += std::mem::take(&mut other.client);
    }
}
