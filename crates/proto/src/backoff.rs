//! Backoff between attempts to reach a server (RFC 6455 section 7.2.3).

use std::time::Duration;

/// Returns the pause after a failed attempt, by exponential backoff with full jitter. The longest
/// pause is `base` · 2 to the power of `earlier`, or `cap` if that is less, where `earlier` is the
/// number of attempts in a row that failed before. `random`, all 64 bits of it, selects the
/// fraction of the longest pause, so that clients that lost the same server at the same moment
/// reconnect spread over time.
//= https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
//# The first reconnect attempt SHOULD be delayed by a random amount of
//# time.
pub fn full_jitter(base: Duration, cap: Duration, earlier: u32, random: u64) -> Duration {
    let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
    let longest = base.saturating_mul(factor).min(cap);
    // Pauses of more than 64 bits of nanoseconds are over 500 years.
    let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let nanos = (u128::from(longest) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(longest))
}
