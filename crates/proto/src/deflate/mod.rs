//! permessage-deflate: compression of messages (RFC 7692).
//!
//! [`Deflate`] is the local configuration, [`Parameters`] are the result of the opening handshake,
//! and [`Deflater`] and [`Inflater`] process the two directions of one connection.
//!
//! # Memory
//! A compressor takes 371 KiB at the largest window (15 bits) and 245 KiB at the smallest, a
//! decompressor 46 KiB regardless of the window (measured by counting what flate2 allocates).
//! Neither exists before the first compressed message of its direction.
//!
//! | context | with context takeover | without |
//! |---|---|---|
//! | compressor | first message to [`Deflater::release`] or the end | while a message is sent |
//! | decompressor | first message to the end | while a message is arriving |
//!
//! Without takeover a context belongs to a message and not to the connection: the context comes
//! from a pool of the thread and returns there, so that one is enough for ten thousand connections
//! on a thread. The pool of a thread keeps at most 4 compressors and 8 decompressors, 1.8 MiB;
//! contexts beyond that are freed.

mod compress;
mod config;
mod inflate;
mod negotiation;
mod negotiation_error;
mod parameters;
mod pool;
mod side;

pub use compress::Deflater;
pub use config::{Deflate, InvalidSetting};
pub use inflate::Inflater;
pub use negotiation_error::NegotiationError;
pub use parameters::Parameters;
pub(crate) use pool::CompressorKey;
pub use side::Side;

/// The extension's registered name (RFC 7692 section 7).
pub const NAME: &str = "permessage-deflate";

/// The bytes that end every compressed message and are not sent (RFC 7692 section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
