use super::{Deflate, Deflater, Inflater, Side};
use crate::Role;

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
