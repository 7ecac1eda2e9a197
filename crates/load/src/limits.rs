//! Limits of a run.

use std::time::Duration;

/// Maximum number of connections of a run, counting each HTTP/2 stream as one. Chosen above the
/// number of ports that a handful of addresses have.
pub const MAX_CONNECTIONS: usize = 1_000_000;

/// Maximum payload length of a message, in bytes: 64 MiB. A run holds about eight times the length
/// in memory.
pub const MAX_LENGTH: usize = 64 * 1024 * 1024;

/// Maximum number of messages in flight on all connections together: 2^24. A run holds 16 bytes of
/// memory for each.
pub const MAX_IN_FLIGHT: usize = 1 << 24;

/// Maximum payload in flight on one connection, in bytes: 256 MiB. A run holds as much in memory.
pub const MAX_BYTES_IN_FLIGHT: usize = 256 * 1024 * 1024;

/// Maximum of the warm-up and of the counted time: seven days.
pub const MAX_DURATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Timeout without any reply, after which a run fails: 5 s, also for each step of opening a
/// connection.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time of one wait for events in a closed loop.
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(50);

/// Length of the stamp of a message in a latency test, in bytes: the number and the due time, each
/// as 16 hexadecimal digits, which are valid in text messages too.
pub(crate) const STAMP_LENGTH: usize = 32;
