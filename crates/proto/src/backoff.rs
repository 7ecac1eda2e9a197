//! How long to leave a server alone that could not be reached (RFC 6455 section 7.2.3).

use std::time::Duration;

/// Exponential backoff with full jitter: the part that `random` stands for, all 64 bits of it, of the longest pause after
/// an attempt that failed and `earlier` others in a row before it. That is `base` · 2 to the power of `earlier`, or `cap`
/// where that is less. So clients that lost the same server at the same moment come back spread over time.
//= https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
//# The first reconnect attempt SHOULD be delayed by a random amount of
//# time.
pub fn full_jitter(base: Duration, cap: Duration, earlier: u32, random: u64) -> Duration {
    let factor = 1_u32.checked_shl(earlier).unwrap_or(u32::MAX);
    let longest = base.saturating_mul(factor).min(cap);
    // Pauses that fill more than 64 bits of nanoseconds are over 500 years.
    let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let nanos = (u128::from(longest) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(longest))
}
