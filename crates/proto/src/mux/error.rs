use std::fmt;

use super::{Direction, StreamId};

/// The rule that the peer broke, which ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A frame does not end within its record.
    Truncated,
    /// The record is longer than this end allows.
    RecordTooLong {
        /// The length of the record, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// A WebSocket message was text.
    Text,
    /// The type of the frame is one of QUIC's that QMux prohibits.
    ProhibitedFrame {
        /// The type.
        kind: u64,
    },
    /// The type of the frame is unknown, or belongs to an extension that was not negotiated.
    UnknownFrame {
        /// The type.
        kind: u64,
    },
    /// The first frame was not `QX_TRANSPORT_PARAMETERS`.
    ParametersExpected,
    /// `QX_TRANSPORT_PARAMETERS` was not the first frame.
    ParametersRepeated,
    /// The content of `QX_TRANSPORT_PARAMETERS` is malformed.
    MalformedParameters,
    /// A transport parameter of QUIC that QMux prohibits.
    ProhibitedParameter {
        /// The identifier.
        id: u64,
    },
    /// A transport parameter that occurs twice.
    DuplicateParameter {
        /// The identifier.
        id: u64,
    },
    /// A transport parameter whose value is outside of its range.
    ParameterValue {
        /// The identifier.
        id: u64,
        /// The value.
        value: u64,
    },
    /// The stream exceeds the limit of streams.
    StreamLimit {
        /// The stream.
        id: StreamId,
        /// The limit.
        limit: u64,
    },
    /// A limit of streams above 2^60.
    StreamCount {
        /// The limit.
        limit: u64,
    },
    /// The frame refers to a stream of this end that was not opened.
    StreamNotOpened {
        /// The stream.
        id: StreamId,
    },
    /// The frame is one of a sender, and the peer does not send on the stream.
    NotTheSender {
        /// The stream.
        id: StreamId,
    },
    /// The frame is one of a receiver, and the peer does not receive on the stream.
    NotTheReceiver {
        /// The stream.
        id: StreamId,
    },
    /// Stream data that does not begin where the previous data of the stream ended.
    OutOfOrder {
        /// The stream.
        id: StreamId,
        /// The offset of the data.
        offset: u64,
        /// The number of bytes received before.
        expected: u64,
    },
    /// Stream data that would end beyond the highest offset, 2^62 - 1.
    StreamTooLong {
        /// The stream.
        id: StreamId,
    },
    /// Stream data beyond the limit of the stream.
    StreamFlowControl {
        /// The stream.
        id: StreamId,
        /// The end of the data.
        end: u64,
        /// The limit.
        limit: u64,
    },
    /// Stream data beyond the limit of the session.
    SessionFlowControl {
        /// The sum of the data of all streams.
        total: u64,
        /// The limit.
        limit: u64,
    },
    /// The final size in a reset contradicts the end of the stream that was received before.
    FinalSize {
        /// The stream.
        id: StreamId,
        /// The size that the frame states.
        stated: u64,
        /// The number of bytes received.
        received: u64,
    },
    /// Stream data after the end of the stream.
    AfterEnd {
        /// The stream.
        id: StreamId,
    },
    /// A datagram, which this end does not accept.
    DatagramRefused,
    /// A datagram frame that is longer than this end allows.
    DatagramTooLong {
        /// The length of the frame, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The sequence number of a ping is not higher than that of the ping before.
    PingOrder {
        /// The number.
        sequence: u64,
        /// The number of the previous ping.
        previous: u64,
    },
    /// The answer to a ping that was not sent.
    UnknownPing {
        /// The number.
        sequence: u64,
    },
}

/// An error code of a connection close (RFC 9000 section 20.1): an open code space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u64);

impl ErrorCode {
    /// No error.
    pub const NO_ERROR: Self = Self(0x00);
    /// The peer cannot continue.
    pub const INTERNAL_ERROR: Self = Self(0x01);
    /// More data than allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x03);
    /// More streams than allowed.
    pub const STREAM_LIMIT_ERROR: Self = Self(0x04);
    /// A frame that is not allowed in the state of the stream.
    pub const STREAM_STATE_ERROR: Self = Self(0x05);
    /// A final size that changed.
    pub const FINAL_SIZE_ERROR: Self = Self(0x06);
    /// A malformed frame.
    pub const FRAME_ENCODING_ERROR: Self = Self(0x07);
    /// A malformed or prohibited transport parameter.
    pub const TRANSPORT_PARAMETER_ERROR: Self = Self(0x08);
    /// Any other broken rule.
    pub const PROTOCOL_VIOLATION: Self = Self(0x0a);
}

impl Violation {
    /// Returns the code that notifies the peer.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Truncated
            | Self::RecordTooLong { .. }
            | Self::ProhibitedFrame { .. }
            | Self::UnknownFrame { .. }
            | Self::StreamCount { .. }
            | Self::StreamTooLong { .. } => ErrorCode::FRAME_ENCODING_ERROR,
            Self::MalformedParameters
            | Self::ProhibitedParameter { .. }
            | Self::DuplicateParameter { .. }
            | Self::ParameterValue { .. } => ErrorCode::TRANSPORT_PARAMETER_ERROR,
            Self::StreamLimit { .. } => ErrorCode::STREAM_LIMIT_ERROR,
            Self::StreamNotOpened { .. }
            | Self::NotTheSender { .. }
            | Self::NotTheReceiver { .. } => ErrorCode::STREAM_STATE_ERROR,
            Self::StreamFlowControl { .. } | Self::SessionFlowControl { .. } => {
                ErrorCode::FLOW_CONTROL_ERROR
            }
            Self::FinalSize { .. } | Self::AfterEnd { .. } => ErrorCode::FINAL_SIZE_ERROR,
            Self::Text
            | Self::ParametersExpected
            | Self::ParametersRepeated
            | Self::OutOfOrder { .. }
            | Self::DatagramRefused
            | Self::DatagramTooLong { .. }
            | Self::PingOrder { .. }
            | Self::UnknownPing { .. } => ErrorCode::PROTOCOL_VIOLATION,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("a frame that does not end within its record"),
            Self::RecordTooLong { length, limit } => {
                write!(f, "a record of {length} bytes, more than {limit}")
            }
            Self::Text => f.write_str("a text message"),
            Self::ProhibitedFrame { kind } => write!(f, "the prohibited frame type {kind:#x}"),
            Self::UnknownFrame { kind } => write!(f, "the unknown frame type {kind:#x}"),
            Self::ParametersExpected => f.write_str("a frame before the transport parameters"),
            Self::ParametersRepeated => f.write_str("transport parameters in a later frame"),
            Self::MalformedParameters => f.write_str("malformed transport parameters"),
            Self::ProhibitedParameter { id } => {
                write!(f, "the prohibited transport parameter {id:#x}")
            }
            Self::DuplicateParameter { id } => write!(f, "the transport parameter {id:#x} twice"),
            Self::ParameterValue { id, value } => {
                write!(f, "the invalid value {value} of the transport parameter {id:#x}")
            }
            Self::StreamLimit { id, limit } => {
                write!(f, "stream {id}, beyond the limit of {limit} {}", id.direction())
            }
            Self::StreamCount { limit } => write!(f, "a limit of {limit} streams"),
            Self::StreamNotOpened { id } => write!(f, "a frame for stream {id}, which is not open"),
            Self::NotTheSender { id } => write!(f, "a frame of the sender of stream {id}"),
            Self::NotTheReceiver { id } => write!(f, "a frame of the receiver of stream {id}"),
            Self::OutOfOrder { id, offset, expected } => {
                write!(f, "data of stream {id} at the offset {offset} instead of {expected}")
            }
            Self::StreamTooLong { id } => write!(f, "data of stream {id} beyond the last offset"),
            Self::StreamFlowControl { id, end, limit } => {
                write!(f, "data of stream {id} up to {end}, beyond the limit of {limit}")
            }
            Self::SessionFlowControl { total, limit } => {
                write!(f, "{total} bytes of all streams, beyond the limit of {limit}")
            }
            Self::FinalSize { id, stated, received } => {
                write!(f, "a final size of {stated} for stream {id} after {received} bytes")
            }
            Self::AfterEnd { id } => write!(f, "data after the end of stream {id}"),
            Self::DatagramRefused => f.write_str("a datagram, which this end does not accept"),
            Self::DatagramTooLong { length, limit } => {
                write!(f, "a datagram frame of {length} bytes, more than {limit}")
            }
            Self::PingOrder { sequence, previous } => {
                write!(f, "ping {sequence} after ping {previous}")
            }
            Self::UnknownPing { sequence } => {
                write!(f, "the answer to ping {sequence}, which was not sent")
            }
        }
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NO_ERROR => "no error",
            Self::INTERNAL_ERROR => "internal error",
            Self::FLOW_CONTROL_ERROR => "flow control error",
            Self::STREAM_LIMIT_ERROR => "stream limit error",
            Self::STREAM_STATE_ERROR => "stream state error",
            Self::FINAL_SIZE_ERROR => "final size error",
            Self::FRAME_ENCODING_ERROR => "frame encoding error",
            Self::TRANSPORT_PARAMETER_ERROR => "transport parameter error",
            Self::PROTOCOL_VIOLATION => "protocol violation",
            Self(code) => return write!(f, "code {code:#x}"),
        };
        f.write_str(name)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bidirectional => "bidirectional streams",
            Self::Unidirectional => "unidirectional streams",
        })
    }
}
