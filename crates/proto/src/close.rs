//! Close codes and close frames (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use bytes::Bytes;

use crate::error::{ProtocolError, UsageError};
use crate::escape;
use crate::frame::MAX_CONTROL_LENGTH;
use crate::text::Utf8Bytes;

/// A close code, the reason for closing a connection: a number of the registry that RFC 6455
/// section 7.4 established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

macro_rules! close_codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $phrase:literal;)+) => {
        impl CloseCode {
            $($(#[$doc])+ pub const $name: Self = Self($code);)+

            /// Returns the registered name of the code, or `None` if the code is not registered.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($phrase),)+
                    _ => None,
                }
            }
        }
    };
}

close_codes! {
    /// The purpose of the connection is fulfilled.
    NORMAL_CLOSURE = 1000, "Normal Closure";
    /// The endpoint goes away: a server that shuts down, a page that is left.
    GOING_AWAY = 1001, "Going Away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1002, "Protocol Error";
    /// The endpoint does not accept this kind of message.
    UNSUPPORTED_DATA = 1003, "Unsupported Data";
    /// The close frame had no code. Never on the wire: 1005 stands for the missing code.
    NO_STATUS_RCVD = 1005, "No Status Rcvd";
    /// The connection ended without a close frame. Never on the wire.
    ABNORMAL_CLOSURE = 1006, "Abnormal Closure";
    /// A message's data did not fit its type, such as text that is not UTF-8.
    INVALID_FRAME_PAYLOAD_DATA = 1007, "Invalid Frame Payload Data";
    /// A message broke the endpoint's policy.
    POLICY_VIOLATION = 1008, "Policy Violation";
    /// A message is longer than the endpoint accepts.
    MESSAGE_TOO_BIG = 1009, "Message Too Big";
    /// The client needed an extension that the server did not agree to.
    MANDATORY_EXT = 1010, "Mandatory Ext.";
    /// The server encountered an unexpected condition.
    INTERNAL_ERROR = 1011, "Internal Error";
    /// The server restarts; connect again after a random wait.
    SERVICE_RESTART = 1012, "Service Restart";
    /// The server is overloaded; connect again later.
    TRY_AGAIN_LATER = 1013, "Try Again Later";
    /// The server is a gateway, and the server behind it gave a bad answer.
    BAD_GATEWAY = 1014, "Bad Gateway";
    /// The TLS handshake failed. Never on the wire.
    TLS_HANDSHAKE = 1015, "TLS Handshake";
}

impl CloseCode {
    /// Returns whether a close frame may contain the code: the registered codes except 1005, 1006
    /// and 1015, and 3000 to 4999, which belong to libraries and applications.
    pub const fn is_sendable(self) -> bool {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
        //# 1005 is a reserved value and MUST NOT be set as a status code in a
        //# Close control frame by an endpoint.
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns whether the code reports no failure: 1000, 1001, and 1005, which stands for a close
    /// frame without a code.
    pub const fn is_orderly(self) -> bool {
        matches!(self, Self::NORMAL_CLOSURE | Self::GOING_AWAY | Self::NO_STATUS_RCVD)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The code and reason of a close frame.
///
/// ```
/// use sockeye_proto::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::GOING_AWAY, "see you")?;
/// assert_eq!(frame, CloseFrame::from(CloseCode::GOING_AWAY).with_reason("see you"));
/// # Ok::<_, sockeye_proto::UsageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason, for people or logs; may be empty. At most 123 bytes fit beside the code.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// Creates a close frame and checks it. The code is a [`CloseCode`] or a number:
    /// `CloseFrame::new(4001, "…")`.
    ///
    /// # Errors
    /// [`UsageError::InvalidCloseCode`] for a code that must not be sent and
    /// [`UsageError::ControlTooLong`] for a reason that does not fit the frame.
    pub fn new(
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<Self, UsageError> {
        let frame = Self { code: code.into(), reason: reason.into() };
        frame.check()?;
        Ok(frame)
    }

    /// Returns this frame with another reason. The frame is checked when it is sent.
    pub fn with_reason(self, reason: impl Into<Utf8Bytes>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    /// Decodes the payload of a close frame; `None` when it is empty.
    ///
    /// # Errors
    /// [`ProtocolError::CloseTooShort`], [`ProtocolError::InvalidCloseCode`] and
    /// [`ProtocolError::InvalidCloseReason`].
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
        //# If there is a body, the first two bytes of
        //# the body MUST be a 2-byte unsigned integer (in network byte order)
        //# representing a status code
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::CloseTooShort),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !CloseCode(code).is_sendable() {
            return Err(ProtocolError::InvalidCloseCode { code });
        }
        let reason = Utf8Bytes::try_from(Bytes::copy_from_slice(reason))
            .map_err(|_| ProtocolError::InvalidCloseReason)?;
        Ok(Some(Self { code: CloseCode(code), reason }))
    }

    /// Returns the payload's length, in bytes.
    pub(crate) fn length(&self) -> usize {
        2 + self.reason.len()
    }

    /// Appends the payload to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.0.to_be_bytes());
        out.extend_from_slice(self.reason.as_bytes());
    }

    /// Checks whether the frame may be sent. The fields are public, so a frame may have been
    /// created or changed without [`CloseFrame::new`].
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        if !self.code.is_sendable() {
            return Err(UsageError::InvalidCloseCode { code: self.code });
        }
        if self.length() > MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: self.length() });
        }
        Ok(())
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: Utf8Bytes::new() }
    }
}

/// Displays the code and the reason, [escaped](crate::escape) so that it cannot forge a line of a
/// log.
impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            return self.code.fmt(f);
        }
        write!(f, "{}: {}", self.code, escape(&self.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_must_not_be_sent_are_refused_both_ways() {
        for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            let wire = code.to_be_bytes();
            assert_eq!(CloseFrame::decode(&wire), Err(ProtocolError::InvalidCloseCode { code }));
            let code = CloseCode(code);
            assert_eq!(CloseFrame::new(code, ""), Err(UsageError::InvalidCloseCode { code }));
        }
    }

    #[test]
    fn codes_that_may_be_sent_survive_the_round_trip() {
        let libraries = [3000, 3999, 4000, 4999];
        for code in (1000..=1003).chain(1007..=1014).chain(libraries).map(CloseCode) {
            let frame = CloseFrame::new(code, "réason").unwrap();
            let mut wire = Vec::new();
            frame.encode(&mut wire);
            assert_eq!(CloseFrame::decode(&wire), Ok(Some(frame)));
        }
    }

    #[test]
    fn payloads_that_are_empty_short_or_not_utf8_are_told_apart() {
        assert_eq!(CloseFrame::decode(b""), Ok(None));
        assert_eq!(CloseFrame::decode(b"\x03"), Err(ProtocolError::CloseTooShort));
        let wire = b"\x03\xe8\xff";
        assert_eq!(CloseFrame::decode(wire), Err(ProtocolError::InvalidCloseReason));
    }

    #[test]
    fn a_reason_forges_no_line_of_a_log() {
        let reason = "bye\r\nINFO all is well\u{2028}\u{202e}";
        let frame = CloseFrame::new(CloseCode::NORMAL_CLOSURE, reason).unwrap();
        let shown = r"1000 (Normal Closure): bye\r\nINFO all is well\u{2028}\u{202e}";
        assert_eq!(frame.to_string(), shown);
    }

    #[test]
    fn a_reason_must_fit_the_frame() {
        assert!(CloseFrame::new(CloseCode::NORMAL_CLOSURE, "r".repeat(123)).is_ok());
        let long = CloseFrame::new(CloseCode::NORMAL_CLOSURE, "r".repeat(124));
        assert_eq!(long, Err(UsageError::ControlTooLong { length: 126 }));
    }
}
