//! Close codes and close frames (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use bytes::Bytes;

pub use crate::close_code::CloseCode;
use crate::error::{ProtocolError, UsageError};
use crate::escape;
use crate::frame::MAX_CONTROL_LENGTH;
use crate::text::Utf8Bytes;

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
        let close_code = CloseCode::from(code);
        if !close_code.is_sendable() {
            return Err(ProtocolError::InvalidCloseCode { code });
        }
        let reason = Utf8Bytes::try_from(Bytes::copy_from_slice(reason))
            .map_err(|_| ProtocolError::InvalidCloseReason)?;
        Ok(Some(Self { code: close_code, reason }))
    }

    /// Returns the payload's length, in bytes.
    pub(crate) fn length(&self) -> usize {
        2 + self.reason.len()
    }

    /// Appends the payload to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u16::from(self.code).to_be_bytes());
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
            let code = CloseCode::from(code);
            assert_eq!(CloseFrame::new(code, ""), Err(UsageError::InvalidCloseCode { code }));
        }
    }

    #[test]
    fn codes_that_may_be_sent_survive_the_round_trip() {
        let libraries = [3000, 3999, 4000, 4999];
        for code in (1000..=1003).chain(1007..=1014).chain(libraries).map(CloseCode::from) {
            let frame = CloseFrame::new(code, "réason").unwrap();
            let mut wire = Vec::new();
            frame.encode(&mut wire);
            assert_eq!(CloseFrame::decode(&wire), Ok(Some(frame)));
        }
    }

    #[test]
    fn payloads_that_are_empty_short_or_not_utf8_are_distinguished() {
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
