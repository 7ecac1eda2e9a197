//! The frames of a record.

use bytes::Bytes;

use super::parameters::{MAX_STREAMS, TransportParameters};
use super::{Direction, ErrorCode, StreamId, Violation, varint};

const PADDING: u64 = 0x00;
const RESET_STREAM: u64 = 0x04;
const STOP_SENDING: u64 = 0x05;
const STREAM: u64 = 0x08;
const STREAM_LAST: u64 = 0x0f;
const STREAM_FIN: u64 = 0x01;
const STREAM_LEN: u64 = 0x02;
const STREAM_OFF: u64 = 0x04;
const MAX_DATA: u64 = 0x10;
const MAX_STREAM_DATA: u64 = 0x11;
const MAX_STREAMS_BIDI: u64 = 0x12;
const MAX_STREAMS_UNI: u64 = 0x13;
const DATA_BLOCKED: u64 = 0x14;
const STREAM_DATA_BLOCKED: u64 = 0x15;
const STREAMS_BLOCKED_BIDI: u64 = 0x16;
const STREAMS_BLOCKED_UNI: u64 = 0x17;
const CONNECTION_CLOSE: u64 = 0x1c;
const APPLICATION_CLOSE: u64 = 0x1d;
const DATAGRAM: u64 = 0x30;
const DATAGRAM_LEN: u64 = 0x31;
const QX_TRANSPORT_PARAMETERS: u64 = 0x3f51_5330_0d0a_0d0a;
const QX_PING: u64 = 0x348c_6752_9ef8_c7bd;
const QX_PONG: u64 = 0x348c_6752_9ef8_c7be;

/// Maximum length of the reason of a close that is sent, in bytes.
pub(super) const MAX_REASON: usize = 1024;

/// A frame (RFC 9000 section 19, and draft-ietf-quic-qmux-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A byte without meaning.
    Padding,
    /// `RESET_STREAM`: the sender abandons a stream.
    ResetStream {
        /// The stream.
        id: StreamId,
        /// The application's error code.
        code: u64,
        /// The length of the stream's data that was sent, in bytes.
        final_size: u64,
    },
    /// `STOP_SENDING`: the receiver of a stream reads no more.
    StopSending {
        /// The stream.
        id: StreamId,
        /// The application's error code.
        code: u64,
    },
    /// `STREAM`: data of a stream.
    Stream {
        /// The stream.
        id: StreamId,
        /// The length of the data before, in bytes.
        offset: u64,
        /// The data.
        data: Bytes,
        /// Whether this is the end of the stream.
        fin: bool,
    },
    /// `MAX_DATA`: the limit of the data of all streams.
    MaxData(u64),
    /// `MAX_STREAM_DATA`: the limit of the data of a stream.
    MaxStreamData {
        /// The stream.
        id: StreamId,
        /// The limit, in bytes.
        limit: u64,
    },
    /// `MAX_STREAMS`: the limit of streams.
    MaxStreams {
        /// The direction of the streams.
        direction: Direction,
        /// The limit of all streams since the beginning of the session.
        limit: u64,
    },
    /// `DATA_BLOCKED`: the sender has data beyond the limit of the session.
    DataBlocked(u64),
    /// `STREAM_DATA_BLOCKED`: the sender has data beyond the limit of the stream.
    StreamDataBlocked {
        /// The stream.
        id: StreamId,
        /// The limit, in bytes.
        limit: u64,
    },
    /// `STREAMS_BLOCKED`: the sender would open a stream beyond the limit.
    StreamsBlocked {
        /// The direction of the streams.
        direction: Direction,
        /// The limit.
        limit: u64,
    },
    /// `CONNECTION_CLOSE` of type 0x1c: an end found a broken rule.
    ConnectionClose {
        /// The error code.
        code: ErrorCode,
        /// The reason, for people.
        reason: String,
    },
    /// `CONNECTION_CLOSE` of type 0x1d: the application closes the session.
    ApplicationClose {
        /// The application's code.
        code: u64,
        /// The reason, for people.
        reason: String,
    },
    /// `DATAGRAM`.
    Datagram(Bytes),
    /// `QX_TRANSPORT_PARAMETERS`.
    Parameters(TransportParameters),
    /// `QX_PING` that asks for an answer.
    Ping {
        /// The number of the ping.
        sequence: u64,
    },
    /// `QX_PING` that is the answer.
    Pong {
        /// The number of the ping.
        sequence: u64,
    },
}

impl Frame {
    /// Removes a frame from the beginning of a record that is not empty.
    ///
    /// # Errors
    /// The [`Violation`] of a frame that is malformed, unknown or prohibited.
    pub fn decode(record: &mut Bytes) -> Result<Self, Violation> {
        let kind = varint::take(record)?;
        let mut number = || varint::take(record);
        Ok(match kind {
            PADDING => Self::Padding,
            RESET_STREAM => {
                let (id, code) = (StreamId::from_wire(number()?), number()?);
                Self::ResetStream { id, code, final_size: number()? }
            }
            STOP_SENDING => {
                Self::StopSending { id: StreamId::from_wire(number()?), code: number()? }
            }
            STREAM..=STREAM_LAST => decode_stream(kind, record)?,
            MAX_DATA => Self::MaxData(number()?),
            MAX_STREAM_DATA => {
                Self::MaxStreamData { id: StreamId::from_wire(number()?), limit: number()? }
            }
            MAX_STREAMS_BIDI | MAX_STREAMS_UNI => {
                Self::MaxStreams { direction: direction(kind), limit: stream_count(number()?)? }
            }
            DATA_BLOCKED => Self::DataBlocked(number()?),
            STREAM_DATA_BLOCKED => {
                Self::StreamDataBlocked { id: StreamId::from_wire(number()?), limit: number()? }
            }
            STREAMS_BLOCKED_BIDI | STREAMS_BLOCKED_UNI => {
                Self::StreamsBlocked { direction: direction(kind), limit: stream_count(number()?)? }
            }
            CONNECTION_CLOSE => {
                let code = ErrorCode(number()?);
                // The type of the frame that broke the rule.
                number()?;
                Self::ConnectionClose { code, reason: take_reason(record)? }
            }
            APPLICATION_CLOSE => {
                let code = number()?;
                Self::ApplicationClose { code, reason: take_reason(record)? }
            }
            DATAGRAM => Self::Datagram(std::mem::take(record)),
            DATAGRAM_LEN => Self::Datagram(take_prefixed(record)?),
            QX_TRANSPORT_PARAMETERS => {
                Self::Parameters(TransportParameters::decode(take_prefixed(record)?)?)
            }
            QX_PING => Self::Ping { sequence: number()? },
            QX_PONG => Self::Pong { sequence: number()? },
            // PING, ACK, CRYPTO, NEW_TOKEN, NEW_CONNECTION_ID, RETIRE_CONNECTION_ID,
            // PATH_CHALLENGE, PATH_RESPONSE and HANDSHAKE_DONE.
            0x01..=0x03 | 0x06 | 0x07 | 0x18..=0x1b | 0x1e => {
                return Err(Violation::ProhibitedFrame { kind });
            }
            _ => return Err(Violation::UnknownFrame { kind }),
        })
    }

    /// Appends the frame to a record. Stream data and datagrams have their length, so that frames
    /// may follow.
    pub fn encode(&self, record: &mut Vec<u8>) {
        match self {
            Self::Padding => put(record, [PADDING]),
            Self::ResetStream { id, code, final_size } => {
                put(record, [RESET_STREAM, id.into_inner(), *code, *final_size]);
            }
            Self::StopSending { id, code } => put(record, [STOP_SENDING, id.into_inner(), *code]),
            Self::Stream { id, offset, data, fin } => {
                let header = StreamHeader::new(*id, *offset, data.len(), *fin);
                record.extend_from_slice(header.bytes());
                record.extend_from_slice(data);
            }
            Self::MaxData(limit) => put(record, [MAX_DATA, *limit]),
            Self::MaxStreamData { id, limit } => {
                put(record, [MAX_STREAM_DATA, id.into_inner(), *limit]);
            }
            Self::MaxStreams { direction, limit } => {
                put(record, [MAX_STREAMS_BIDI + offset(*direction), *limit]);
            }
            Self::DataBlocked(limit) => put(record, [DATA_BLOCKED, *limit]),
            Self::StreamDataBlocked { id, limit } => {
                put(record, [STREAM_DATA_BLOCKED, id.into_inner(), *limit]);
            }
            Self::StreamsBlocked { direction, limit } => {
                put(record, [STREAMS_BLOCKED_BIDI + offset(*direction), *limit]);
            }
            Self::ConnectionClose { code, reason } => {
                put(record, [CONNECTION_CLOSE, code.0, PADDING]);
                put_prefixed(record, truncated(reason).as_bytes());
            }
            Self::ApplicationClose { code, reason } => {
                put(record, [APPLICATION_CLOSE, *code]);
                put_prefixed(record, truncated(reason).as_bytes());
            }
            Self::Datagram(data) => {
                put(record, [DATAGRAM_LEN]);
                put_prefixed(record, data);
            }
            Self::Parameters(parameters) => {
                let mut content = Vec::new();
                parameters.encode(&mut content);
                put(record, [QX_TRANSPORT_PARAMETERS]);
                put_prefixed(record, &content);
            }
            Self::Ping { sequence } => put(record, [QX_PING, *sequence]),
            Self::Pong { sequence } => put(record, [QX_PONG, *sequence]),
        }
    }
}

/// Maximum size of the header of a stream frame, with the size of the record before it, in bytes.
pub(super) const MAX_STREAM_HEADER: usize = 40;

/// The header of a stream frame that contains its offset and length.
pub(super) struct StreamHeader {
    bytes: [u8; MAX_STREAM_HEADER],
    start: usize,
    end: usize,
}

/// Space before the header for the size of the record.
const RECORD_SIZE_SPACE: usize = 8;

impl StreamHeader {
    pub(super) fn new(id: StreamId, offset: u64, length: usize, fin: bool) -> Self {
        let mut bytes = [0; MAX_STREAM_HEADER];
        let mut space = &mut bytes[RECORD_SIZE_SPACE..];
        varint::put(STREAM | STREAM_OFF | STREAM_LEN | u64::from(fin), &mut space);
        varint::put(id.into_inner(), &mut space);
        varint::put(offset, &mut space);
        varint::put(length as u64, &mut space);
        let end = MAX_STREAM_HEADER - space.len();
        Self { bytes, start: RECORD_SIZE_SPACE, end }
    }

    /// Prepends the size of the record, which consists of this frame with data of `length` bytes.
    pub(super) fn prepend_record_size(&mut self, length: usize) {
        let size = (self.end - RECORD_SIZE_SPACE + length) as u64;
        self.start = RECORD_SIZE_SPACE - varint::size(size);
        varint::put(size, &mut &mut self.bytes[self.start..RECORD_SIZE_SPACE]);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

fn decode_stream(kind: u64, record: &mut Bytes) -> Result<Frame, Violation> {
    let id = StreamId::from_wire(varint::take(record)?);
    let offset = if kind & STREAM_OFF == 0 { 0 } else { varint::take(record)? };
    let data = if kind & STREAM_LEN == 0 { std::mem::take(record) } else { take_prefixed(record)? };
    //= https://www.rfc-editor.org/rfc/rfc9000#section-19.8
    //# The largest offset delivered on a stream -- the sum of the offset and
    //# data length -- cannot exceed 2^62-1
    if offset + data.len() as u64 > varint::MAX {
        return Err(Violation::StreamTooLong { id });
    }
    Ok(Frame::Stream { id, offset, data, fin: kind & STREAM_FIN != 0 })
}

const fn direction(kind: u64) -> Direction {
    if kind & 1 == 0 { Direction::Bidirectional } else { Direction::Unidirectional }
}

const fn offset(direction: Direction) -> u64 {
    match direction {
        Direction::Bidirectional => 0,
        Direction::Unidirectional => 1,
    }
}

//= https://www.rfc-editor.org/rfc/rfc9000#section-19.11
//# This value cannot exceed 2^60, as it is not possible to encode stream IDs
//# larger than 2^62-1.
const fn stream_count(limit: u64) -> Result<u64, Violation> {
    if limit > MAX_STREAMS { Err(Violation::StreamCount { limit }) } else { Ok(limit) }
}

fn take_prefixed(record: &mut Bytes) -> Result<Bytes, Violation> {
    let length = varint::take(record)?;
    varint::take_bytes(record, length)
}

fn take_reason(record: &mut Bytes) -> Result<String, Violation> {
    Ok(String::from_utf8_lossy(&take_prefixed(record)?).into_owned())
}

fn put<const N: usize>(record: &mut Vec<u8>, values: [u64; N]) {
    for value in values {
        varint::put(value, record);
    }
}

fn put_prefixed(record: &mut Vec<u8>, content: &[u8]) {
    varint::put(content.len() as u64, record);
    record.extend_from_slice(content);
}

/// Returns the beginning of a reason, of at most [`MAX_REASON`] bytes.
fn truncated(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
