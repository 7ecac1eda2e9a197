use std::fmt;
use std::time::Duration;

/// The reason why a session ended before both programs had read everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeError {
    /// No WebSocket was attached for as long as the session may be without one.
    Expired {
        /// The limit; `None` where the other end reports the expiry.
        after: Option<Duration>,
    },
    /// The server does not know the session: the server was restarted, the token is wrong, or the
    /// session belongs to another identity, which a server does not distinguish.
    Unknown,
    /// The other end needs bytes that are no longer kept, or acknowledges bytes that were never
    /// sent. Either end was replaced by a process with another state.
    Gap {
        /// The position that the other end states.
        stated: u64,
        /// The lowest position that is possible.
        lowest: u64,
        /// The highest position that is possible.
        highest: u64,
    },
    /// A later attempt attached another WebSocket to the session. A client that gets this error
    /// shares its token with another one.
    Replaced,
    /// The server has as many sessions as it may have.
    Full,
    /// The other end's program dropped the stream before the end.
    Reset,
    /// The memory budget of the server was used up, and this session held the most.
    OverBudget,
    /// The other end sent an invalid frame.
    Frame(FrameError),
    /// The other end reports that this end sent an invalid frame.
    Refused,
    /// The other end ended the session for a reason that this version does not know.
    UnknownReason {
        /// The reason's value.
        reason: u8,
    },
}

/// The rule that a frame broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The message was text.
    Text,
    /// The message was empty.
    Empty,
    /// The first byte is no type of a frame.
    UnknownType {
        /// The byte.
        kind: u8,
    },
    /// The length does not fit the type.
    Length {
        /// The type.
        kind: u8,
        /// The length of the message, in bytes.
        length: usize,
    },
    /// A window of 0 bytes, in which nothing could be sent.
    NoWindow,
    /// The frame is not allowed in this state of the session.
    Unexpected {
        /// The type.
        kind: u8,
    },
    /// The data, or the end of it, does not begin where the previous data ended.
    Offset {
        /// The offset of the frame.
        stated: u64,
        /// The number of bytes received before.
        expected: u64,
    },
    /// The data exceeds the window.
    Window {
        /// The length of the data, in bytes.
        length: usize,
        /// The number of bytes that fit.
        free: usize,
    },
}

/// The reason in an [`End`](super::Frame::End) frame: an open code space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndReason(pub u8);

impl EndReason {
    /// [`ResumeError::Unknown`].
    pub const UNKNOWN: Self = Self(0x01);
    /// [`ResumeError::Expired`].
    pub const EXPIRED: Self = Self(0x02);
    /// [`ResumeError::Gap`].
    pub const GAP: Self = Self(0x03);
    /// [`ResumeError::Replaced`].
    pub const REPLACED: Self = Self(0x04);
    /// [`ResumeError::Full`].
    pub const FULL: Self = Self(0x05);
    /// [`ResumeError::Reset`].
    pub const RESET: Self = Self(0x06);
    /// [`ResumeError::OverBudget`].
    pub const OVER_BUDGET: Self = Self(0x07);
    /// [`ResumeError::Frame`] at the sender, [`ResumeError::Refused`] at the receiver.
    pub const FRAME: Self = Self(0x08);

    /// Returns the error of the end that receives the reason.
    pub(super) const fn error(self) -> ResumeError {
        match self {
            Self::UNKNOWN => ResumeError::Unknown,
            Self::EXPIRED => ResumeError::Expired { after: None },
            Self::GAP => ResumeError::Gap { stated: 0, lowest: 0, highest: 0 },
            Self::REPLACED => ResumeError::Replaced,
            Self::FULL => ResumeError::Full,
            Self::RESET => ResumeError::Reset,
            Self::OVER_BUDGET => ResumeError::OverBudget,
            Self::FRAME => ResumeError::Refused,
            Self(reason) => ResumeError::UnknownReason { reason },
        }
    }
}

impl ResumeError {
    /// Returns the reason that notifies the other end of this error.
    pub const fn reason(&self) -> EndReason {
        match self {
            Self::Expired { .. } => EndReason::EXPIRED,
            Self::Unknown => EndReason::UNKNOWN,
            Self::Gap { .. } => EndReason::GAP,
            Self::Replaced => EndReason::REPLACED,
            Self::Full => EndReason::FULL,
            Self::Reset => EndReason::RESET,
            Self::OverBudget => EndReason::OVER_BUDGET,
            Self::Frame(_) | Self::Refused => EndReason::FRAME,
            Self::UnknownReason { reason } => EndReason(*reason),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { after: Some(after) } => {
                write!(f, "the session expired after {after:?} without a WebSocket")
            }
            Self::Expired { after: None } => f.write_str("the session has expired"),
            Self::Unknown => f.write_str("the server does not know the session"),
            Self::Gap { stated: 0, lowest: 0, highest: 0 } => {
                f.write_str("the other end no longer has bytes that this end needs")
            }
            Self::Gap { stated, lowest, highest } => write!(
                f,
                "the other end is at byte {stated}, and only {lowest} to {highest} are possible"
            ),
            Self::Replaced => f.write_str("another WebSocket was attached to the session"),
            Self::Full => f.write_str("the server accepts no more sessions"),
            Self::Reset => f.write_str("the other end abandoned the session"),
            Self::OverBudget => f.write_str("the memory budget is used up"),
            Self::Frame(error) => write!(f, "the other end sent an invalid frame: {error}"),
            Self::Refused => f.write_str("the other end refused a frame as invalid"),
            Self::UnknownReason { reason } => {
                write!(f, "the other end ended the session for the unknown reason {reason:#04x}")
            }
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<FrameError> for ResumeError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text where a binary frame is expected"),
            Self::Empty => f.write_str("an empty message"),
            Self::UnknownType { kind } => write!(f, "the unknown type {kind:#04x}"),
            Self::Length { kind, length } => {
                write!(f, "the type {kind:#04x} with a length of {length} bytes")
            }
            Self::NoWindow => f.write_str("a window of 0 bytes"),
            Self::Unexpected { kind } => {
                write!(f, "the type {kind:#04x}, which is not allowed at this point")
            }
            Self::Offset { stated, expected } => {
                write!(f, "data at the offset {stated} instead of {expected}")
            }
            Self::Window { length, free } => {
                write!(f, "{length} bytes of data where {free} bytes fit the window")
            }
        }
    }
}

impl std::error::Error for FrameError {}
