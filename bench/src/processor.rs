//! Processor time of a process and of the machine, from `/proc`.

use std::fs;
use std::io;
use std::ops::Sub;
use std::time::Duration;

use rustix::io::Errno;

/// The processor time of a process, summed over its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// User and system time, from the scheduler's nanosecond clock.
    pub ran: Duration,
    /// Time during which the process was ready to run while another one had the core.
    pub waited: Duration,
}

impl Time {
    /// Reads the processor time of the process `pid`. Threads that have ended are not included.
    ///
    /// # Errors
    ///
    /// If the process does not exist, or the kernel has no `schedstat`.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let mut time = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = match fs::read_to_string(task?.path().join("schedstat")) {
                // The thread has ended since it was listed.
                Err(error) if is_gone(&error) => continue,
                text => text?,
            };
            let mut fields = text.split_ascii_whitespace().map(str::parse);
            let (Some(Ok(ran)), Some(Ok(waited))) = (fields.next(), fields.next()) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            time.ran += Duration::from_nanos(ran);
            time.waited += Duration::from_nanos(waited);
        }
        Ok(time)
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

impl Sub for Time {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(earlier.ran),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// Returns the time that the hypervisor has taken from all cores of this machine since boot, in
/// steps of a clock tick (10 ms).
///
/// # Errors
///
/// If `/proc/stat` cannot be read or parsed.
pub fn stolen() -> io::Result<Duration> {
    // The first line is the sum of all cores: `cpu user nice system idle iowait irq softirq steal
    // …`.
    let text = fs::read_to_string("/proc/stat")?;
    let ticks: u64 = text
        .lines()
        .next()
        .and_then(|line| line.split_ascii_whitespace().nth(8))
        .and_then(|field| field.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_this_process_only_grows() {
        let pid = std::process::id();
        let before = Time::of_process(pid).unwrap();
        let after = Time::of_process(pid).unwrap();
        assert!(after.ran >= before.ran);
        stolen().unwrap();
    }
}
