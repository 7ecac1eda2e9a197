//! Processor time and memory from `/proc`.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::CpuTime;

/// A process is idle when it runs for at most [`IDLE_RUN_TIME`] in [`IDLE_INTERVAL`].
const IDLE_INTERVAL: Duration = Duration::from_millis(300);
const IDLE_RUN_TIME: Duration = Duration::from_millis(1);

/// Timeout of the wait for an idle process; afterwards the process is measured although it is busy.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the processor time of the process `pid`. Threads that have ended are not included.
///
/// # Errors
///
/// If the process does not exist, or the kernel has no `schedstat`.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Option<CpuTime>> {
    let mut time = CpuTime::default();
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
    Ok(Some(time))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Returns the time that the hypervisor has taken from all cores of this machine since boot, in
/// steps of a clock tick (10 ms); `None` if `/proc/stat` cannot be read or parsed.
pub(crate) fn stolen_time() -> Option<Duration> {
    // The first line is the sum of all cores: `cpu user nice system idle iowait irq softirq steal
    // …`.
    let text = fs::read_to_string("/proc/stat").ok()?;
    let field = text.lines().next()?.split_ascii_whitespace().nth(8)?;
    let milliseconds = field.parse::<u64>().ok()?.checked_mul(1000)?;
    Some(Duration::from_millis(milliseconds / rustix::param::clock_ticks_per_second()))
}

/// Returns the resident memory of the process, in bytes. `smaps_rollup` is exact, whereas `statm`
/// lags behind by some pages per core.
///
/// # Errors
///
/// If the process does not exist, or the kernel has no `smaps_rollup`.
pub(crate) fn resident_memory(pid: u32) -> io::Result<Option<u64>> {
    match parse_resident(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn parse_resident(rollup: &str) -> Option<u64> {
    let value = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Waits until the process is idle, or until the timeout.
pub(crate) fn wait_until_idle(pid: u32) -> io::Result<()> {
    let deadline = Instant::now() + IDLE_TIMEOUT;
    loop {
        let before = cpu_time(pid)?.unwrap_or_default();
        thread::sleep(IDLE_INTERVAL);
        let spent = cpu_time(pid)?.unwrap_or_default() - before;
        if spent.ran <= IDLE_RUN_TIME || Instant::now() > deadline {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_this_process_only_grows() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap().unwrap();
        let after = cpu_time(pid).unwrap().unwrap();
        assert!(after.ran >= before.ran);
        stolen_time().unwrap();
    }

    #[test]
    fn the_resident_size_is_read_in_bytes_and_not_from_its_neighbours() {
        let rollup = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    1836 kB\nPss:  12 kB\n";
        assert_eq!(parse_resident(rollup), Some(1836 * 1024));
        assert_eq!(parse_resident("Pss_Dirty: 5 kB\n"), None);
        assert_eq!(parse_resident("Rss: many\n"), None);
    }

    #[test]
    fn memory_of_this_process_is_seen() {
        assert!(resident_memory(std::process::id()).unwrap() > Some(0));
    }
}
