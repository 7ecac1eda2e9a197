//! Errors, divided by blame: those of the peer, and those of the caller.

use std::fmt;

use crate::close_code::CloseCode;
use crate::frame::OpCode;

/// A rule of the protocol that the peer broke: the connection must be failed.
///
/// One variant per broken rule, with the offending values. [`ProtocolError::close_code`] returns
/// the code for the close frame (RFC 6455 section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Reserved bits to which no negotiated extension gives a meaning: RSV1, RSV2 and RSV3 as bits
    /// 2, 1 and 0 (RFC 6455 section 5.2).
    ReservedBits {
        /// The three bits, RSV1 being the highest.
        bits: u8,
    },
    /// An opcode that RFC 6455 section 5.2 reserves.
    ReservedOpCode {
        /// The four bits of the opcode.
        opcode: u8,
    },
    /// A payload length in more bytes than necessary (RFC 6455 section 5.2).
    NonMinimalLength {
        /// The length, in bytes of payload.
        length: u64,
    },
    /// A 64-bit payload length with the most significant bit set (RFC 6455 section 5.2).
    LengthOverflow {
        /// The length as received.
        length: u64,
    },
    /// A control frame of more than [`frame::MAX_CONTROL_LENGTH`](crate::frame::MAX_CONTROL_LENGTH)
    /// bytes of payload (RFC 6455 section 5.5).
    ControlTooLong {
        /// The control frame's opcode.
        opcode: OpCode,
    },
    /// A control frame without the FIN bit (RFC 6455 section 5.5).
    ControlFragmented {
        /// The control frame's opcode.
        opcode: OpCode,
    },
    /// A client sent a frame that is not masked (RFC 6455 section 5.1).
    Unmasked,
    /// A server sent a frame that is masked (RFC 6455 section 5.1).
    Masked,
    /// A continuation frame when no message is in progress (RFC 6455 section 5.4).
    UnexpectedContinuation,
    /// A new text or binary frame before the fragmented message in progress was finished (RFC 6455
    /// section 5.4).
    ExpectedContinuation {
        /// The opcode that arrived in place of a continuation.
        opcode: OpCode,
    },
    /// A frame longer than the configured limit.
    FrameTooLong {
        /// The frame's payload length, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A message longer than the configured limit, after decompression where it is compressed.
    MessageTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection must be closed because a [`MemoryBudget`](crate::MemoryBudget) is used up.
    /// The peer broke no rule, and may try again later.
    OverBudget {
        /// The budget of all connections, in bytes.
        limit: usize,
    },
    /// A text message that is not UTF-8 (RFC 6455 section 8.1).
    InvalidUtf8,
    /// A compressed message that is not valid DEFLATE data (RFC 7692 section 7.2.2).
    InvalidDeflate,
    /// A close frame with a payload of one byte (RFC 6455 section 5.5.1).
    CloseTooShort,
    /// A close code that must not appear in a frame (RFC 6455 section 7.4).
    InvalidCloseCode {
        /// The code as received.
        code: u16,
    },
    /// A close reason that is not UTF-8 (RFC 6455 section 5.5.1).
    InvalidCloseReason,
}

impl ProtocolError {
    /// Returns the close code that reports the error to the peer (RFC 6455 section 7.4.1).
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => {
                CloseCode::INVALID_FRAME_PAYLOAD_DATA
            }
            Self::FrameTooLong { .. } | Self::MessageTooLong { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::OverBudget { .. } => CloseCode::TRY_AGAIN_LATER,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ReservedBits { bits } => write!(f, "reserved bits are set: {bits:#05b}"),
            Self::ReservedOpCode { opcode } => write!(f, "reserved opcode {opcode:#x}"),
            Self::NonMinimalLength { length } => {
                write!(f, "payload length {length} is not in its shortest form")
            }
            Self::LengthOverflow { length } => {
                write!(f, "payload length {length:#x} has its top bit set")
            }
            Self::ControlTooLong { opcode } => {
                write!(
                    f,
                    "{opcode} frame with more than {} bytes",
                    crate::frame::MAX_CONTROL_LENGTH
                )
            }
            Self::ControlFragmented { opcode } => write!(f, "fragmented {opcode} frame"),
            Self::Unmasked => f.write_str("frame from a client is not masked"),
            Self::Masked => f.write_str("frame from a server is masked"),
            Self::UnexpectedContinuation => {
                f.write_str("continuation frame without a message to continue")
            }
            Self::ExpectedContinuation { opcode } => {
                write!(f, "{opcode} frame while a fragmented message is in progress")
            }
            Self::FrameTooLong { length, limit } => {
                write!(f, "frame of {length} bytes is over the limit of {limit} bytes")
            }
            Self::MessageTooLong { limit } => {
                write!(f, "message is over the limit of {limit} bytes")
            }
            Self::OverBudget { limit } => {
                write!(f, "the memory budget of {limit} bytes is used up")
            }
            Self::InvalidUtf8 => f.write_str("text message is not UTF-8"),
            Self::InvalidDeflate => f.write_str("compressed message is not valid DEFLATE data"),
            Self::CloseTooShort => f.write_str("close frame with a payload of one byte"),
            Self::InvalidCloseCode { code } => write!(f, "close code {code} must not be sent"),
            Self::InvalidCloseReason => f.write_str("close reason is not UTF-8"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// A rule that the caller broke: nothing was sent, and the connection stays usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// A message or a ping after the close frame was sent (RFC 6455 section 5.5.1).
    Closing,
    /// A whole message, or the beginning of another, while one is sent in fragments (RFC 6455
    /// section 5.4).
    MessageInProgress,
    /// A fragment of a message that was not begun.
    NoMessage,
    /// Bytes that would make a text in fragments invalid UTF-8 (RFC 6455 section 5.6).
    InvalidUtf8,
    /// A control frame's payload is longer than
    /// [`frame::MAX_CONTROL_LENGTH`](crate::frame::MAX_CONTROL_LENGTH) (RFC 6455 section 5.5).
    ControlTooLong {
        /// The payload's length, in bytes; for a close frame including the two bytes of the code.
        length: usize,
    },
    /// A close code that must not appear in a frame (RFC 6455 section 7.4).
    InvalidCloseCode {
        /// The code.
        code: CloseCode,
    },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Closing => f.write_str("the close frame was already sent"),
            Self::MessageInProgress => f.write_str("a message in fragments is not finished"),
            Self::NoMessage => f.write_str("there is no message to add a fragment to"),
            Self::InvalidUtf8 => f.write_str("text message is not UTF-8"),
            Self::ControlTooLong { length } => write!(
                f,
                "control frame payload of {length} bytes is over the limit of {} bytes",
                crate::frame::MAX_CONTROL_LENGTH
            ),
            Self::InvalidCloseCode { code } => {
                write!(f, "close code {} must not be sent", u16::from(code))
            }
        }
    }
}

impl std::error::Error for UsageError {}
