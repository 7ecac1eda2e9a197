//! The result of a run.

use std::time::Duration;

use crate::latency::Latency;
use crate::process::CpuTime;

/// The measurements of the counted time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadReport {
    /// The counted time.
    pub elapsed: Duration,
    /// Messages that came back whole, every byte as expected; in fan-out, the number of deliveries.
    pub messages: u64,
    /// Messages of an open loop that the sockets took in the counted time, whether they came back
    /// or not. `None` in other patterns.
    pub sent: Option<u64>,
    /// Latency of the messages in a closed loop; `None` in other patterns.
    pub latency: Option<Latency>,
    /// Processor time of the server; `None` unless
    /// [`Load::server_process`](crate::Load::server_process) named its process, and on systems
    /// other than Linux.
    pub server: Option<CpuTime>,
    /// Processor time of this process; `None` where the system does not report it.
    pub client: Option<CpuTime>,
    /// Time that the hypervisor took, summed over all cores; `None` where the system does not
    /// report it.
    pub stolen: Option<Duration>,
    /// Memory of the server with [`TrafficPattern::Idle`](crate::TrafficPattern::Idle); `None` in
    /// other patterns, and on systems other than Linux.
    pub memory: Option<ServerMemory>,
}

/// Resident memory of the server's process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerMemory {
    /// Memory before the first measured connection, after others were opened and closed.
    pub before: u64,
    /// Memory with all connections idle.
    pub after: u64,
}
