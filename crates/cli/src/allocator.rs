//! Returns freed memory to the system, so that the program shrinks again after a load peak.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "two calls of glibc, for which there is no safe binding")
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use self::glibc::{set_up, trim_after_changes};

/// Leaves the allocators of other systems unchanged.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn set_up() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) async fn trim_after_changes() {
    std::future::pending().await
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::future::pending;
    use std::time::Duration;

    use tokio::task::spawn_blocking;
    use tokio::time::{MissedTickBehavior, interval};

    /// Free memory at the end of an arena beyond which glibc returns it to the system, in bytes.
    /// Larger than the buffers of a long message: those would otherwise be returned and requested
    /// again with each message.
    const TRIM_THRESHOLD: i32 = 2 << 20;

    /// Size of a block from which glibc gives it a mapping of its own, in bytes. Such a mapping is
    /// returned when the block is freed. Without this setting glibc raises the threshold to 32 MiB
    /// once it has seen such blocks, and keeps them.
    const MMAP_THRESHOLD: i32 = 4 << 20;

    /// Interval at which the resident memory is compared with its previous size.
    const CHECK_INTERVAL: Duration = Duration::from_secs(1);

    /// Change of the resident memory that makes a trim of every arena worthwhile, in pages of 4
    /// KiB.
    const MIN_CHANGE: usize = 1024;

    /// Number of trims after such a change: no statistic shows the memory that is freed within the
    /// arenas.
    const TRIMS_PER_CHANGE: u32 = 10;

    /// Sets the thresholds of glibc. Must be called before the program has started any thread.
    pub(crate) fn set_up() {
        // SAFETY: `mallopt` reads two numbers; it must not run beside other threads that allocate,
        // and there are none yet.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        }
    }

    /// Trims the free memory between blocks in use, for some seconds after the resident memory has
    /// changed and as long as it does not grow. Never returns.
    pub(crate) async fn trim_after_changes() {
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last, mut trims_left) = (0, 0);
        loop {
            ticks.tick().await;
            let Some(now) = resident() else { return pending().await };
            if now.abs_diff(last) > MIN_CHANGE {
                trims_left = TRIMS_PER_CHANGE;
            }
            if trims_left > 0 && now <= last {
                trims_left -= 1;
                // On a blocking thread: the call may wait for the locks of all arenas.
                if spawn_blocking(trim).await.is_err() {
                    return pending().await;
                }
            }
            last = now;
        }
    }

    fn trim() {
        // SAFETY: `malloc_trim` takes the allocator's own locks, and touches no block in use.
        unsafe { libc::malloc_trim(0) };
    }

    /// Returns the resident memory of the program, in pages.
    fn resident() -> Option<usize> {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        statm.split(' ').nth(1)?.parse().ok()
    }
}
