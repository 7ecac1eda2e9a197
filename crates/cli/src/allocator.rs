//! Memory that was freed goes back to the system, so that the program is as small after a storm as before it.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "two calls of glibc, for which there is no safe binding")
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use self::glibc::{give_back_what_is_freed, set_up};

/// Other systems' allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn set_up() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) async fn give_back_what_is_freed() {
    std::future::pending().await
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::future::pending;
    use std::time::Duration;

    use tokio::task::spawn_blocking;
    use tokio::time::{MissedTickBehavior, interval};

    /// Free memory at the end of an arena is returned beyond this, in bytes: more than the buffers of a long message, which
    /// would otherwise be returned and asked for again with each one.
    const TRIM_THRESHOLD: i32 = 2 << 20;

    /// A block from here on has a mapping of its own, in bytes, which is returned when the block is freed. By itself glibc
    /// raises this to 32 MiB once it has seen such blocks, and keeps them.
    const MMAP_THRESHOLD: i32 = 4 << 20;

    const EVERY: Duration = Duration::from_secs(1);

    /// A change that is worth a look at every arena, in pages of 4 KiB.
    const WORTHWHILE: usize = 1024;

    /// How often the arenas are looked at after such a change: what is freed within them shows nowhere else.
    const LOOKS: u32 = 10;

    /// Sets what glibc keeps for itself. To be called before there are threads.
    pub(crate) fn set_up() {
        // SAFETY: `mallopt` reads two numbers; it must not run beside other threads that allocate, and there are none yet.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        }
    }

    /// Gives back what lies free between blocks in use, for some seconds after the program has grown or shrunk, where it does not
    /// grow any more. It never returns.
    pub(crate) async fn give_back_what_is_freed() {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last, mut looks) = (0, 0);
        loop {
            ticks.tick().await;
            let Some(now) = resident() else { return pending().await };
            if now.abs_diff(last) > WORTHWHILE {
                looks = LOOKS;
            }
            if looks > 0 && now <= last {
                looks -= 1;
                // In a thread that may wait for the locks of all arenas.
                if spawn_blocking(trim).await.is_err() {
                    return pending().await;
                }
            }
            last = now;
        }
    }

    fn trim() {
        // SAFETY: it takes the allocator's own locks, and touches no block in use.
        unsafe { libc::malloc_trim(0) };
    }

    /// Returns how much of the program is in memory, in pages.
    fn resident() -> Option<usize> {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        statm.split(' ').nth(1)?.parse().ok()
    }
}
