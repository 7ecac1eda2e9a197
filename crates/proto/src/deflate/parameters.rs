use super::{Deflate, Deflater, Inflater};
use crate::Role;

/// The smallest window, as a power of two of bytes (RFC 7692 section 7.1.2).
pub(super) const MIN_WINDOW_BITS: u8 = 8;

/// The largest window, and the one where nothing else was agreed (RFC 7692 section 7.1.2).
pub(super) const MAX_WINDOW_BITS: u8 = 15;

/// What client and server agreed on in the opening handshake (RFC 7692 section 7.1).
///
/// It comes from [`Deflate::accept`](super::Deflate::accept) on a server and from
/// [`Deflate::confirm`](super::Deflate::confirm) on a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub(super) client: Side,
    pub(super) server: Side,
}

impl Parameters {
    /// How the client compresses.
    pub const fn client(self) -> Side {
        self.client
    }

    /// How the server compresses.
    pub const fn server(self) -> Side {
        self.server
    }

    /// How the local end compresses.
    pub const fn sending(self, local: Role) -> Side {
        match local {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    /// How the peer compresses.
    pub const fn receiving(self, local: Role) -> Side {
        match local {
            Role::Client => self.server,
            Role::Server => self.client,
        }
    }

    /// The local end's compressor, at the level and from the message length on that `config` says.
    pub fn deflater(self, local: Role, config: &Deflate) -> Deflater {
        Deflater::new(config, self.sending(local))
    }

    /// The local end's decompressor.
    pub fn inflater(self, local: Role) -> Inflater {
        Inflater::new(self.receiving(local))
    }
}

/// How one side compresses what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    pub(super) no_context_takeover: bool,
    pub(super) max_window_bits: u8,
}

impl Side {
    /// Whether each message is compressed without reference to earlier ones (RFC 7692 section 7.1.1).
    pub const fn no_context_takeover(self) -> bool {
        self.no_context_takeover
    }

    /// The most that a message refers back, as a power of two of bytes, 8 to 15 (RFC 7692 section 7.1.2).
    pub const fn max_window_bits(self) -> u8 {
        self.max_window_bits
    }
}
