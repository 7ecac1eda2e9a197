//! Processor time and memory of processes on this machine, where the system reports them.

use std::ops::Sub;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub(crate) use linux::{cpu_time, resident_memory, stolen_time, wait_until_idle};
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::{cpu_time, resident_memory, stolen_time, wait_until_idle};

/// Processor time of a process, summed over its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuTime {
    /// User and system time, from the scheduler's nanosecond clock.
    pub ran: Duration,
    /// Time during which the process was ready to run while another one had the core.
    pub waited: Duration,
}

impl Sub for CpuTime {
    type Output = Self;

    /// Returns the time since `earlier`; zero if this time is less than `earlier` because a thread
    /// has ended.
    fn sub(self, earlier: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(earlier.ran),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// Returns the processor time of the calling thread; zero where the system does not report it.
pub(crate) fn thread_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap_or_default()
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    Duration::ZERO
}
