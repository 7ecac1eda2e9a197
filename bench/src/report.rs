//! The driver's report of a run, in JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye_load::{CpuTime, LoadReport, ServerMemory};

/// The measurements of the counted time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Counted time in seconds.
    pub seconds: f64,
    /// Messages that came back whole, every byte as expected; in fan-out, the number of deliveries.
    pub messages: u64,
    /// The messages per second.
    pub messages_per_second: f64,
    /// Time from queueing a message to its whole echo or delivery; `None` in an open loop.
    pub latency: Option<Percentiles>,
    /// The server's processor time, if its process id was given.
    pub server: Option<CpuUsage>,
    /// The driver's processor time.
    pub driver: CpuUsage,
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
pub struct Percentiles {
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
pub struct CpuUsage {
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

impl Report {
    /// Converts the result of a load; `None` if the system does not report the driver's processor
    /// time.
    pub fn new(load: &LoadReport) -> Option<Self> {
        let seconds = load.elapsed.as_secs_f64();
        let messages = as_f64(load.messages);
        let usage = |time: CpuTime| CpuUsage {
            microseconds_per_message: time.ran.as_secs_f64() * 1e6 / messages,
            busy: time.ran.as_secs_f64() / seconds,
            waited: time.waited.as_secs_f64() / seconds,
        };
        let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
        let latency = load.latency.as_ref().map(|latency| Percentiles {
            p50: microseconds(latency.quantile(0.5)),
            p99: microseconds(latency.quantile(0.99)),
            p999: microseconds(latency.quantile(0.999)),
            max: microseconds(latency.max()),
        });
        // An idle load sends one message over each connection.
        let memory = load.memory.map(|ServerMemory { before, after, .. }| Memory {
            before,
            after,
            per_connection: (as_f64(after) - as_f64(before)) / messages,
        });
        Some(Self {
            seconds,
            messages: load.messages,
            messages_per_second: messages / seconds,
            latency,
            server: load.server.map(usage),
            driver: usage(load.client?),
            stolen: load.stolen?.as_secs_f64() / seconds,
            sent: load.sent,
            memory,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}
