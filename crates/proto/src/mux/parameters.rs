use bytes::Bytes;

use super::{Violation, varint};

/// The value of `max_record_size` that applies when the parameter is absent, and its minimum.
pub(super) const DEFAULT_MAX_RECORD_SIZE: u32 = 16_382;

/// The highest limit of streams (RFC 9000 section 4.6).
pub(super) const MAX_STREAMS: u64 = 1 << 60;

const MAX_IDLE_TIMEOUT: u64 = 0x01;
const INITIAL_MAX_DATA: u64 = 0x04;
const INITIAL_MAX_STREAM_DATA_BIDI_LOCAL: u64 = 0x05;
const INITIAL_MAX_STREAM_DATA_BIDI_REMOTE: u64 = 0x06;
const INITIAL_MAX_STREAM_DATA_UNI: u64 = 0x07;
const INITIAL_MAX_STREAMS_BIDI: u64 = 0x08;
const INITIAL_MAX_STREAMS_UNI: u64 = 0x09;
/// RFC 9221 section 3.
const MAX_DATAGRAM_FRAME_SIZE: u64 = 0x20;
const MAX_RECORD_SIZE: u64 = 0x0571_c594_29cd_0845;

/// The parameters that an end sends, unless they have their default.
const KNOWN: [u64; 9] = [
    MAX_IDLE_TIMEOUT,
    INITIAL_MAX_DATA,
    INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
    INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
    INITIAL_MAX_STREAM_DATA_UNI,
    INITIAL_MAX_STREAMS_BIDI,
    INITIAL_MAX_STREAMS_UNI,
    MAX_DATAGRAM_FRAME_SIZE,
    MAX_RECORD_SIZE,
];

/// The parameters that QUIC defines and QMux prohibits (draft-ietf-quic-qmux-02, "Permitted and
/// Forbidden Transport Parameters").
const PROHIBITED: [u64; 10] = [0x00, 0x02, 0x03, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10];

/// The transport parameters of an end. Windows and limits apply to what the other end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportParameters {
    /// The idle timeout in milliseconds; 0 means none.
    pub max_idle_timeout: u64,
    /// The limit of the data of all streams, in bytes.
    pub initial_max_data: u64,
    /// The limit of the data of a bidirectional stream that this end opens, in bytes.
    pub initial_max_stream_data_bidi_local: u64,
    /// The limit of the data of a bidirectional stream that the other end opens, in bytes.
    pub initial_max_stream_data_bidi_remote: u64,
    /// The limit of the data of a unidirectional stream, in bytes.
    pub initial_max_stream_data_uni: u64,
    /// The limit of bidirectional streams.
    pub initial_max_streams_bidi: u64,
    /// The limit of unidirectional streams.
    pub initial_max_streams_uni: u64,
    /// The maximum length of a datagram frame, in bytes; 0 means that none is accepted.
    pub max_datagram_frame_size: u64,
    /// The maximum length of a record, in bytes.
    pub max_record_size: u64,
}

impl Default for TransportParameters {
    /// Returns the values that apply when no parameter is sent.
    fn default() -> Self {
        Self {
            max_idle_timeout: 0,
            initial_max_data: 0,
            initial_max_stream_data_bidi_local: 0,
            initial_max_stream_data_bidi_remote: 0,
            initial_max_stream_data_uni: 0,
            initial_max_streams_bidi: 0,
            initial_max_streams_uni: 0,
            max_datagram_frame_size: 0,
            max_record_size: DEFAULT_MAX_RECORD_SIZE.into(),
        }
    }
}

impl TransportParameters {
    /// Decodes the content of a frame.
    pub(super) fn decode(content: Bytes) -> Result<Self, Violation> {
        let mut parameters = Self::default();
        let mut seen = Vec::new();
        let mut rest = content;
        while !rest.is_empty() {
            let (id, value) =
                take_parameter(&mut rest).map_err(|_| Violation::MalformedParameters)?;
            if PROHIBITED.contains(&id) {
                return Err(Violation::ProhibitedParameter { id });
            }
            let Some(parameter) = parameters.parameter_mut(id) else { continue };
            let value = match varint::peek(&value) {
                Some((number, size)) if size == value.len() => number,
                _ => return Err(Violation::MalformedParameters),
            };
            *parameter = value;
            if !is_valid(id, value) {
                return Err(Violation::ParameterValue { id, value });
            }
            if seen.contains(&id) {
                return Err(Violation::DuplicateParameter { id });
            }
            seen.push(id);
        }
        Ok(parameters)
    }

    /// Appends the content of a frame: the parameters that differ from the defaults.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (mut parameters, mut defaults) = (*self, Self::default());
        for id in KNOWN {
            let value = parameters.parameter_mut(id).map(|value| *value);
            let default = defaults.parameter_mut(id).map(|value| *value);
            if let Some(value) = value.filter(|_| value != default) {
                varint::put(id, out);
                varint::put(varint::size(value) as u64, out);
                varint::put(value, out);
            }
        }
    }

    fn parameter_mut(&mut self, id: u64) -> Option<&mut u64> {
        Some(match id {
            MAX_IDLE_TIMEOUT => &mut self.max_idle_timeout,
            INITIAL_MAX_DATA => &mut self.initial_max_data,
            INITIAL_MAX_STREAM_DATA_BIDI_LOCAL => &mut self.initial_max_stream_data_bidi_local,
            INITIAL_MAX_STREAM_DATA_BIDI_REMOTE => &mut self.initial_max_stream_data_bidi_remote,
            INITIAL_MAX_STREAM_DATA_UNI => &mut self.initial_max_stream_data_uni,
            INITIAL_MAX_STREAMS_BIDI => &mut self.initial_max_streams_bidi,
            INITIAL_MAX_STREAMS_UNI => &mut self.initial_max_streams_uni,
            MAX_DATAGRAM_FRAME_SIZE => &mut self.max_datagram_frame_size,
            MAX_RECORD_SIZE => &mut self.max_record_size,
            _ => return None,
        })
    }
}

fn take_parameter(rest: &mut Bytes) -> Result<(u64, Bytes), Violation> {
    let id = varint::take(rest)?;
    let length = varint::take(rest)?;
    Ok((id, varint::take_bytes(rest, length)?))
}

fn is_valid(id: u64, value: u64) -> bool {
    match id {
        INITIAL_MAX_STREAMS_BIDI | INITIAL_MAX_STREAMS_UNI => value <= MAX_STREAMS,
        MAX_RECORD_SIZE => value >= DEFAULT_MAX_RECORD_SIZE.into(),
        _ => true,
    }
}
