use std::fmt;

use crate::error::ProtocolError;

/// The opcode of a frame, which tells what the frame carries (RFC 6455 section 5.2).
///
/// The set is closed: all other values are reserved, and a frame with one of them is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// The next fragment of the message in progress.
    Continuation = 0x0,
    /// The first frame of a text message.
    Text = 0x1,
    /// The first frame of a binary message.
    Binary = 0x2,
    /// A close frame, of the closing handshake.
    Close = 0x8,
    /// A ping, to be answered with a pong.
    Ping = 0x9,
    /// The answer to a ping, or an unsolicited heartbeat.
    Pong = 0xa,
}

impl OpCode {
    /// Returns the opcode with this wire value, of which only the low four bits exist.
    ///
    /// # Errors
    /// [`ProtocolError::ReservedOpCode`] for 0x3 to 0x7 and from 0xb up.
    pub const fn decode(value: u8) -> Result<Self, ProtocolError> {
        Ok(match value {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.2
            //# If an unknown opcode is received, the receiving endpoint MUST _Fail the
            //# WebSocket Connection_.
            opcode => return Err(ProtocolError::ReservedOpCode { opcode }),
        })
    }

    /// Returns whether frames with this opcode are control frames: close, ping and pong (RFC 6455
    /// section 5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

impl fmt::Display for OpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continuation => "continuation",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Close => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
        })
    }
}
