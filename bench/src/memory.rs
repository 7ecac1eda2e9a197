//! Resident memory of a process, and a wait for the process to become idle.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::processor::Time;

/// Interval of one check: the process is idle when it ran for at most [`QUIET_RUN`] in
/// [`QUIET_TIME`].
const QUIET_TIME: Duration = Duration::from_millis(300);
const QUIET_RUN: Duration = Duration::from_millis(1);

/// Timeout of the wait; afterwards the process is measured although it is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the resident memory of the process, in bytes. `smaps_rollup` is exact, whereas `statm`
/// lags behind by some pages per core.
///
/// # Errors
///
/// If the process does not exist, or the kernel has no `smaps_rollup`.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(rollup: &str) -> Option<u64> {
    let value = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Waits until the process is idle, or until the timeout.
pub(crate) fn settle(pid: u32) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        let before = Time::of_process(pid)?;
        thread::sleep(QUIET_TIME);
        let spent = Time::of_process(pid)? - before;
        if spent.ran <= QUIET_RUN || begin.elapsed() > PATIENCE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_read_in_bytes_and_not_from_its_neighbours() {
        let rollup = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    1836 kB\nPss:  12 kB\n";
        assert_eq!(parse(rollup), Some(1836 * 1024));
        assert_eq!(parse("Pss_Dirty: 5 kB\n"), None);
        assert_eq!(parse("Rss: many\n"), None);
    }

    #[test]
    fn memory_of_this_process_is_seen() {
        assert!(resident(std::process::id()).unwrap() > 0);
    }
}
