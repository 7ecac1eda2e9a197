use std::fmt;

use super::side::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};

/// Configuration of permessage-deflate: the parameters to offer or accept, and how to compress.
///
/// Settings named `peer_*` apply to the peer's messages, all others to messages of the local
/// endpoint, regardless of which side is the client.
///
/// ```
/// use sockeye_proto::deflate::Deflate;
///
/// let deflate = Deflate::new().level(6)?.no_context_takeover(true).threshold(1024);
/// # let _ = deflate;
/// # Ok::<(), sockeye_proto::deflate::InvalidSetting>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deflate {
    pub(super) level: u8,
    pub(super) threshold: usize,
    pub(super) no_context_takeover: bool,
    pub(super) peer_no_context_takeover: bool,
    pub(super) max_window_bits: u8,
    pub(super) peer_max_window_bits: u8,
}

impl Deflate {
    /// Creates the default configuration; each setter documents its default.
    pub const fn new() -> Self {
        Self {
            level: 1,
            threshold: 128,
            no_context_takeover: false,
            peer_no_context_takeover: false,
            max_window_bits: MAX_WINDOW_BITS,
            peer_max_window_bits: MAX_WINDOW_BITS,
        }
    }

    /// Sets the compression level: from 0 (none) and 1 (fastest) to 9 (smallest). Default: 1.
    ///
    /// Measured on JSON messages with context takeover, level 1 against level 6: at 128 bytes 0.4
    /// against 4.7 µs per message and 26 against 22 % of the length left; at 1 KiB 2.8 against
    /// 22 µs and 25 against 19 %.
    ///
    /// # Errors
    /// [`InvalidSetting::Level`] above 9.
    pub const fn level(self, level: u8) -> Result<Self, InvalidSetting> {
        if level > 9 {
            return Err(InvalidSetting::Level { level });
        }
        Ok(Self { level, ..self })
    }

    /// Sets the minimum length of messages to compress, in bytes; shorter messages are sent
    /// uncompressed. Default: 128, below which a message saves less than the headers of its packet
    /// take.
    ///
    /// Lower the threshold where short messages repeat each other and context takeover is on.
    pub const fn threshold(self, bytes: usize) -> Self {
        Self { threshold: bytes, ..self }
    }

    /// Sets whether each sent message is compressed without reference to earlier ones. Default:
    /// `false`.
    ///
    /// Such messages compress worse, the more so the shorter and the more similar they are, but the
    /// connection needs no compressor between messages: see [the budget](crate::deflate#memory).
    pub const fn no_context_takeover(self, on: bool) -> Self {
        Self { no_context_takeover: on, ..self }
    }

    /// Sets whether the peer must compress each message without reference to earlier ones, so that
    /// the decompressor is free between messages. Default: `false`.
    ///
    /// Every peer must support this, and a server requests it from its client in the answer
    /// (RFC 7692 section 7.1.1). Some servers ignore the client's request: the connection then
    /// continues, and keeps its decompressor between messages.
    pub const fn peer_no_context_takeover(self, on: bool) -> Self {
        Self { peer_no_context_takeover: on, ..self }
    }

    /// Sets the maximum window of sent messages, as a power of two of bytes: from 8 to 15. Default:
    /// 15, which compresses best. The peer may request less.
    ///
    /// # Errors
    /// [`InvalidSetting::WindowBits`] outside 8..=15.
    pub const fn max_window_bits(self, bits: u8) -> Result<Self, InvalidSetting> {
        match check_window_bits(bits) {
            Ok(max_window_bits) => Ok(Self { max_window_bits, ..self }),
            Err(error) => Err(error),
        }
    }

    /// Sets the maximum window of the peer's messages, as a power of two of bytes: from 8 to 15.
    /// Default: 15.
    ///
    /// A smaller window saves memory of the peer only: the local decompressor has a window of
    /// 32 KiB in any case. A server may ignore the limit. A client can be limited only if its offer
    /// allows a limit, and uses 15 otherwise (RFC 7692 section 7.1.2).
    ///
    /// # Errors
    /// [`InvalidSetting::WindowBits`] outside 8..=15.
    pub const fn peer_max_window_bits(self, bits: u8) -> Result<Self, InvalidSetting> {
        match check_window_bits(bits) {
            Ok(peer_max_window_bits) => Ok(Self { peer_max_window_bits, ..self }),
            Err(error) => Err(error),
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

const fn check_window_bits(bits: u8) -> Result<u8, InvalidSetting> {
    if bits < MIN_WINDOW_BITS || bits > MAX_WINDOW_BITS {
        return Err(InvalidSetting::WindowBits { bits });
    }
    Ok(bits)
}

/// A setting of [`Deflate`] that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// A level above 9.
    Level {
        /// The level.
        level: u8,
    },
    /// A window outside 8..=15 bits (RFC 7692 section 7.1.2).
    WindowBits {
        /// The bits.
        bits: u8,
    },
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level { level } => write!(f, "compression level {level} is not in 0 to 9"),
            Self::WindowBits { bits } => {
                write!(f, "window of {bits} bits is not in {MIN_WINDOW_BITS} to {MAX_WINDOW_BITS}")
            }
        }
    }
}

impl std::error::Error for InvalidSetting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let deflate = Deflate::new();
        assert_eq!(deflate.clone().level(10), Err(InvalidSetting::Level { level: 10 }));
        for bits in [0, 7, 16, 255] {
            let refused = Err(InvalidSetting::WindowBits { bits });
            assert_eq!(deflate.clone().max_window_bits(bits), refused);
            assert_eq!(deflate.clone().peer_max_window_bits(bits), refused);
        }
        for bits in 8..=15 {
            assert_eq!(deflate.clone().max_window_bits(bits).unwrap().max_window_bits, bits);
        }
    }
}
