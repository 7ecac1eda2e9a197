//! permessage-deflate: compression of messages (RFC 7692).
//!
//! [`Deflate`] is what a program asks for, [`Parameters`] what both sides agreed on in the opening handshake,
//! [`Deflater`] and [`Inflater`] the two directions of one connection.
//!
//! # Memory
//! A compressor takes 371 KiB at the largest window (15 bits) and 245 KiB at the smallest, a decompressor 46 KiB
//! whatever the window (measured by counting what flate2 allocates). None exists before the first compressed message of its direction.
//!
//! | direction | with context takeover | without |
//! |---|---|---|
//! | sending | a compressor from the first message to [`Deflater::release`] or the end | one while a message is being sent |
//! | receiving | a decompressor from the first message to the end | one while a message is arriving |
//!
//! Without takeover a context belongs to the message and not to the connection: it comes from a pool of the thread and
//! goes back there, so that ten thousand connections on a thread make do with one. The pool of a thread keeps at
//! most 4 compressors and 8 decompressors, 1.8 MiB; what exceeds that is freed.

mod compress;
mod config;
mod inflate;
mod negotiation;
mod negotiation_error;
mod parameters;
mod pool;

pub use compress::Deflater;
pub use config::{Deflate, InvalidSetting};
pub use inflate::Inflater;
pub use negotiation_error::NegotiationError;
pub use parameters::{Parameters, Side};
pub(crate) use pool::Key;

/// The extension's registered name (RFC 7692 section 7).
pub const NAME: &str = "permessage-deflate";

/// What ends every compressed message and is not sent (RFC 7692 section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
