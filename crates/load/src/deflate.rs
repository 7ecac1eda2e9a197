//! permessage-deflate (RFC 7692): the offer, and the compressor of requests.

use flate2::{Compress, Compression, FlushCompress};

use crate::names::impl_names;

/// The bytes that a sender removes from the end of a message and a receiver appends again (RFC 7692
/// section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The permessage-deflate parameters of a run, the same in both directions (RFC 7692 section
/// 7.1.1). The server has to agree to exactly these; only its window may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeflateMode {
    /// Messages may refer to earlier ones, with one window per connection and direction.
    Takeover,
    /// Each message is compressed by itself.
    NoTakeover,
}

impl_names!(DeflateMode { Takeover => "takeover", NoTakeover => "no-takeover" });

impl DeflateMode {
    /// Returns the value of `Sec-WebSocket-Extensions` that offers these parameters. A server may
    /// agree to them with the same value.
    pub const fn offer(self) -> &'static str {
        match self {
            Self::Takeover => "permessage-deflate",
            Self::NoTakeover => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            }
        }
    }
}

/// Compressor of the requests, at the level that browsers use.
#[derive(Debug)]
pub(crate) struct Deflater {
    mode: DeflateMode,
    compress: Compress,
}

impl Deflater {
    pub(crate) fn new(mode: DeflateMode) -> Self {
        Self::with_level(mode, Compression::default())
    }

    pub(crate) fn with_level(mode: DeflateMode, level: Compression) -> Self {
        Self { mode, compress: Compress::new(level, false) }
    }

    /// Returns the payload of the message's only frame.
    pub(crate) fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        if self.mode == DeflateMode::NoTakeover {
            self.compress.reset();
        }
        // More than deflate ever needs, so that one call suffices.
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 64);
        self.compress
            .compress_vec(message, &mut out, FlushCompress::Sync)
            .expect("any input can be compressed");
        assert!(out.ends_with(&TAIL), "a sync flush ends with an empty block");
        out.truncate(out.len() - TAIL.len());
        out
    }
}
