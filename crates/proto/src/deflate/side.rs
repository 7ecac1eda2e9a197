/// The smallest window, as a power of two of bytes (RFC 7692 section 7.1.2).
pub(super) const MIN_WINDOW_BITS: u8 = 8;

/// The largest window, as a power of two of bytes: the default (RFC 7692 section 7.1.2).
pub(super) const MAX_WINDOW_BITS: u8 = 15;

/// The parameters by which one side compresses its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    pub(super) no_context_takeover: bool,
    pub(super) max_window_bits: u8,
}

impl Side {
    /// Returns whether each message is compressed without reference to earlier ones (RFC 7692
    /// section 7.1.1).
    pub const fn no_context_takeover(self) -> bool {
        self.no_context_takeover
    }

    /// Returns the maximum window, as a power of two of bytes, 8 to 15 (RFC 7692 section 7.1.2).
    pub const fn max_window_bits(self) -> u8 {
        self.max_window_bits
    }
}
