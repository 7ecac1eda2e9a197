//! The driver's report of a run.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::cycle::Wire;
use crate::load::{Load, LoadError, Pattern};
use crate::payload::Payload;
use crate::processor::{self, Time};

/// The measurements of the counted time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The protocol of the run.
    pub wire: Wire,
    /// The traffic pattern.
    pub pattern: Pattern,
    /// The content of messages.
    pub payload: Payload,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Messages in flight per connection.
    pub in_flight: usize,
    /// Counted time in seconds.
    pub seconds: f64,
    /// Messages that came back whole, every byte as expected; in fan-out, the number of deliveries.
    pub messages: u64,
    /// The messages per second.
    pub messages_per_second: f64,
    /// Time from queueing a message to its whole echo or delivery; `None` in an open loop.
    pub latency: Option<Latency>,
    /// The server's processor time, if its process id was given.
    pub server: Option<Share>,
    /// The driver's processor time.
    pub driver: Share,
    /// Time that the hypervisor took, summed over all cores, as a share of the counted time.
    pub stolen: f64,
    /// Messages that the sockets accepted in the counted time, where this differs from the number
    /// that came back.
    pub sent: Option<u64>,
    /// The server's memory, if it was measured.
    pub memory: Option<Memory>,
}

/// Percentiles of the latency, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 99th percentile: 1 % of the messages were slower.
    pub p99: f64,
    /// The 99.9th percentile: 0.1 % of the messages were slower.
    pub p999: f64,
    /// The maximum.
    pub max: f64,
}

/// Processor time of a process in the counted time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    /// User and system time per message, in microseconds.
    pub microseconds_per_message: f64,
    /// Time running, as a share of the counted time; 1 is a whole core.
    pub busy: f64,
    /// Time ready to run while another process had the core, as a share of the counted time.
    pub waited: f64,
}

/// Resident memory of the server's process, in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Memory before the first measured connection, after warm-up connections were closed.
    pub before: u64,
    /// Memory with all connections idle.
    pub after: u64,
    /// The difference per connection.
    pub per_connection: f64,
}

/// The clock readings at the start or end of the counted time.
#[derive(Debug)]
pub(crate) struct Mark {
    at: Instant,
    server: Option<Time>,
    driver: Time,
    stolen: Duration,
}

impl Mark {
    pub(crate) fn now(server_pid: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: server_pid.map(Time::of_process).transpose()?,
            driver: Time::of_process(std::process::id())?,
            stolen: processor::stolen()?,
        })
    }
}

/// Replies since the counted time began.
#[derive(Debug)]
pub(crate) struct Counts {
    begin: Mark,
    messages: u64,
    latency: Histogram<u64>,
}

impl Counts {
    /// Starts the counted time.
    pub(crate) fn begin(server_pid: Option<u32>) -> io::Result<Self> {
        let latency = Histogram::new_with_max(60_000_000_000, 3).expect("valid for three digits");
        Ok(Self { begin: Mark::now(server_pid)?, messages: 0, latency })
    }

    /// Counts replies that were complete at `to`, to messages that were queued at `from`.
    pub(crate) fn reply(&mut self, from: Instant, to: Instant, replies: u64) {
        self.messages += replies;
        let nanoseconds = to.duration_since(from).as_nanos();
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        self.latency.saturating_record_n(nanoseconds, replies);
    }

    /// Counts replies without a latency.
    pub(crate) fn replies(&mut self, messages: u64) {
        self.messages += messages;
    }

    /// Returns whether no reply has arrived yet. A closed loop continues until one has, or fails
    /// when it stalls.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Ends the counted time and returns the report.
    pub(crate) fn report(&self, load: &Load) -> Result<Report, LoadError> {
        let end = Mark::now(load.server_pid)?;
        if self.is_empty() {
            return Err(LoadError::NoReplies);
        }
        let begin = &self.begin;
        let seconds = end.at.duration_since(begin.at).as_secs_f64();
        let messages = as_f64(self.messages);
        let share = |time: Time| Share {
            microseconds_per_message: time.ran.as_secs_f64() * 1e6 / messages,
            busy: time.ran.as_secs_f64() / seconds,
            waited: time.waited.as_secs_f64() / seconds,
        };
        Ok(Report {
            wire: load.wire,
            pattern: load.pattern,
            payload: load.payload,
            length: load.length,
            connections: load.connections,
            in_flight: load.in_flight,
            seconds,
            messages: self.messages,
            messages_per_second: messages / seconds,
            latency: self.percentiles(),
            server: end.server.zip(begin.server).map(|(end, begin)| share(end - begin)),
            driver: share(end.driver - begin.driver),
            stolen: end.stolen.saturating_sub(begin.stolen).as_secs_f64() / seconds,
            sent: None,
            memory: None,
        })
    }

    fn percentiles(&self) -> Option<Latency> {
        let percentile = |q| as_f64(self.latency.value_at_quantile(q)) / 1e3;
        (!self.latency.is_empty()).then(|| Latency {
            p50: percentile(0.5),
            p99: percentile(0.99),
            p999: percentile(0.999),
            max: as_f64(self.latency.max()) / 1e3,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds stay far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_replies_in_microseconds() {
        let mut counts = Counts::begin(None).unwrap();
        assert!(counts.percentiles().is_none());
        let from = Instant::now();
        for microseconds in 1..=1000 {
            counts.reply(from, from + Duration::from_micros(microseconds), 1);
        }
        let latency = counts.percentiles().unwrap();
        for (seen, expected) in
            [(latency.p50, 500.0), (latency.p99, 990.0), (latency.p999, 999.0), (latency.max, 1e3)]
        {
            // The histogram keeps three significant digits and rounds up to the end of a step.
            assert!((seen - expected).abs() <= expected / 1000.0, "{seen} for {expected}");
        }
    }

    #[test]
    fn replies_of_an_open_loop_count_without_a_latency() {
        let mut counts = Counts::begin(None).unwrap();
        counts.replies(7);
        assert_eq!(counts.messages, 7);
        assert!(counts.percentiles().is_none());
    }
}
