use std::time::Duration;

/// Default of `buffer`: the product of 100 Mbit/s and 80 ms, which few clients exceed.
const DEFAULT_BUFFER: u32 = 1 << 20;

/// Default of `window`, equal to the other end's default of `buffer`.
const DEFAULT_WINDOW: u32 = 1 << 20;

/// Default of `expiry`: longer than the restart of a proxy, and than the backoff's longest delay
/// after a network loss of a minute.
const DEFAULT_EXPIRY: Duration = Duration::from_secs(120);

/// Default of `ack_delay`, that of QUIC (RFC 9000 section 18.2, `max_ack_delay`).
const DEFAULT_ACK_DELAY: Duration = Duration::from_millis(25);

/// The limits of one end of a session.
///
/// An end acknowledges bytes when its program has read them. The bytes that are not acknowledged
/// are therefore those in the sender's buffer and in the receiver's: one number, the lesser of the
/// sender's `buffer` and the receiver's `window`, bounds both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(super) buffer: u32,
    pub(super) window: u32,
    pub(super) expiry: Duration,
    pub(super) ack_delay: Duration,
}

impl Limits {
    /// Creates the default limits.
    pub const fn new() -> Self {
        Self {
            buffer: DEFAULT_BUFFER,
            window: DEFAULT_WINDOW,
            expiry: DEFAULT_EXPIRY,
            ack_delay: DEFAULT_ACK_DELAY,
        }
    }

    /// Sets the maximum length of what is kept until the other end has acknowledged it, in bytes;
    /// at least 1. Default: 1 MiB. A write waits while the buffer is full.
    pub const fn buffer(self, buffer: u32) -> Self {
        Self { buffer: if buffer == 0 { 1 } else { buffer }, ..self }
    }

    /// Sets the maximum length of what is received and not yet read by the program, in bytes; at
    /// least 1. Default: 1 MiB. A sender that ignores the limit ends the session.
    pub const fn window(self, window: u32) -> Self {
        Self { window: if window == 0 { 1 } else { window }, ..self }
    }

    /// Sets the time for which a session without a WebSocket is kept, at most 49 days. Default: 120
    /// s. The server's limit applies to both ends: a client learns it when the session begins.
    pub const fn expiry(self, expiry: Duration) -> Self {
        Self { expiry, ..self }
    }

    /// Sets the maximum delay of an acknowledgement. Default: 25 ms. A quarter of the window, or 256
    /// KiB if that is less, is acknowledged without a delay.
    pub const fn ack_delay(self, ack_delay: Duration) -> Self {
        Self { ack_delay, ..self }
    }

    /// Returns the expiry as a frame contains it, in milliseconds.
    pub(super) fn expiry_millis(&self) -> u32 {
        u32::try_from(self.expiry.as_millis()).unwrap_or(u32::MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
