//! Frames: opcodes and headers, encoded and decoded over slices.
//!
//! This is the lowest layer, for programs that manage their own buffers. A frame on the wire is a
//! [`Header`] of 2 to [`MAX_HEADER_SIZE`] bytes and then [`Header::length`] bytes of payload, which
//! a client masks (see [`mask`](crate::mask)).
//!
//! ```
//! use sockeye_proto::frame::{Header, OpCode};
//! use sockeye_proto::mask;
//!
//! // A client sends "Hello" masked (the example of RFC 6455 section 5.7).
//! let key = [0x37, 0xfa, 0x21, 0x3d];
//! let mut frame = Vec::new();
//! Header::new(OpCode::Text, 5).masked(key).encode(&mut frame);
//! mask::extend(&mut frame, b"Hello", key);
//! assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
//!
//! // A server reads it.
//! let (header, size) = Header::decode(&frame)?.expect("a whole header");
//! let payload = &mut frame[size..];
//! mask::apply(payload, header.mask.expect("a client masks"), 0);
//! assert_eq!((header.opcode, &*payload), (OpCode::Text, &b"Hello"[..]));
//! # Ok::<(), sockeye_proto::ProtocolError>(())
//! ```

mod header;
mod opcode;
mod whole;

pub use header::{Header, Reserved};
pub use opcode::OpCode;
pub use whole::Frame;

/// Maximum length of the payload of a control frame, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_LENGTH: usize = 125;

/// Maximum size of a header, in bytes: two, eight of length, four of mask key (RFC 6455 section
/// 5.2).
pub const MAX_HEADER_SIZE: usize = 14;
