//! The means of the benchmarks: an allocator that counts, the processor time, and random numbers.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(dead_code, reason = "not all benchmarks use all of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, io};

pub(crate) fn per(what: &str, time: Duration, count: usize) {
    let count = u32::try_from(count).expect("some millions");
    print(what, time.as_secs_f64() * 1e9 / f64::from(count), "ns");
}

pub(crate) fn print(what: &str, value: f64, unit: &str) {
    println!("  {what:<56} {value:>9.1} {unit}");
}

/// The time that the thread has run, which other processes lengthen less than the time on the wall.
pub(crate) struct CpuTime(u64);

impl CpuTime {
    pub(crate) fn now() -> Self {
        let nanoseconds = || -> io::Result<u64> {
            let statistics = fs::read_to_string("/proc/thread-self/schedstat")?;
            let first = statistics.split(' ').next().unwrap_or_default();
            first.parse().map_err(io::Error::other)
        };
        Self(nanoseconds().expect("Linux with scheduler statistics"))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::now().0 - self.0)
    }
}

/// Xorshift: the same numbers at each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(limit)) >> 32) as u32
    }
}

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts what the allocations that are in use take of the heap.
struct Counting;

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) fn allocated() -> f64 {
    ALLOCATED.load(Ordering::Relaxed) as f64
}

/// The size of glibc's chunk for an allocation.
fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(chunk(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's contract is that of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(chunk(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's contract is that of this call.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(chunk(size), Ordering::Relaxed);
        ALLOCATED.fetch_sub(chunk(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's contract is that of this call.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
