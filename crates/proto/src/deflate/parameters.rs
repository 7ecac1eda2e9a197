use super::{Deflate, Deflater, Inflater};
use crate::Role;

/// The smallest window, as a power of two of bytes (RFC 7692 section 7.1.2).
pub(super) const MIN_WINDOW_BITS: u8 = 8;

/// The largest window, as a power of two of bytes: the default (RFC 7692 section 7.1.2).
pub(super) const MAX_WINDOW_BITS: u8 = 15;

/// The parameters that client and server agreed on in the opening handshake (RFC 7692 section 7.1).
///
/// [`Deflate::accept`](super::Deflate::accept) returns them on a server,
/// [`Deflate::confirm`](super::Deflate::confirm) on a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub(super) client: Side,
    pub(super) server: Side,
}

impl Parameters {
    /// Returns the parameters of the client's messages.
    pub const fn client(self) -> Side {
        self.client
    }

    /// Returns the parameters of the server's messages.
    pub const fn server(self) -> Side {
        self.server
    }

    /// Returns the parameters of the messages that `local` sends.
    pub const fn sending(self, local: Role) -> Side {
        match local {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    /// Returns the parameters of the messages that `local` receives.
    pub const fn receiving(self, local: Role) -> Side {
        match local {
            Role::Client => self.server,
            Role::Server => self.client,
        }
    }

    /// Creates the local compressor, with the level and the threshold of `config`.
    pub fn deflater(self, local: Role, config: &Deflate) -> Deflater {
        Deflater::new(config, self.sending(local))
    }

    /// Creates the local decompressor.
    pub fn inflater(self, local: Role) -> Inflater {
        Inflater::new(self.receiving(local))
    }
}

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
