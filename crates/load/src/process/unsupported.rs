//! Systems that do not report the time and memory of other processes by files: nothing is measured.

use std::io;
use std::time::Duration;

use super::CpuTime;

#[expect(clippy::unnecessary_wraps, reason = "the signature of the Linux implementation")]
pub(crate) fn cpu_time(_pid: u32) -> io::Result<Option<CpuTime>> {
    Ok(None)
}

pub(crate) fn stolen_time() -> Option<Duration> {
    None
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of the Linux implementation")]
pub(crate) fn resident_memory(_pid: u32) -> io::Result<Option<u64>> {
    Ok(None)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of the Linux implementation")]
pub(crate) fn wait_until_idle(_pid: u32) -> io::Result<()> {
    Ok(())
}
