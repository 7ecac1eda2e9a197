use std::ops::Range;

use super::{MAX_CONTROL_LENGTH, OpCode};
use crate::error::ProtocolError;
use crate::mask::MaskKey;

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;
const RESERVED_SHIFT: u32 = 4;
/// Value of the length field if the length follows as 16 bits.
const LENGTH_16: u8 = 126;
/// Value of the length field if the length follows as 64 bits.
const LENGTH_64: u8 = 127;

/// The header of a frame (RFC 6455 section 5.2).
///
/// ```text
///  byte 0                      byte 1              0, 2 or 8 bytes   0 or 4 bytes
/// +-----+------+--------------+------+------------+-----------------+------------+
/// | FIN | RSV  | opcode       | MASK | length     | longer length   | mask key   |
/// |  1  |  3   |   4 bits     |  1   |  7 bits    | (126: 16, 127:  |            |
/// |     |      |              |      |            |  64, big endian)|            |
/// +-----+------+--------------+------+------------+-----------------+------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// `true` for the last frame of a message.
    pub fin: bool,
    /// The bits RSV1 to RSV3, which belong to extensions.
    pub reserved: Reserved,
    /// The opcode, which tells what the frame carries.
    pub opcode: OpCode,
    /// The key that masks the payload: always present from a client, never from a server.
    pub mask: Option<MaskKey>,
    /// The payload's length, in bytes. It stays 64 bits wide until it was compared with a limit.
    pub length: u64,
}

impl Header {
    /// Creates the header of a message in one unmasked frame, or of a control frame, with `length`
    /// bytes of payload.
    pub const fn new(opcode: OpCode, length: u64) -> Self {
        Self { fin: true, reserved: Reserved::NONE, opcode, mask: None, length }
    }

    /// Returns this header with a mask key, as a client must send it.
    pub const fn masked(self, key: MaskKey) -> Self {
        Self { mask: Some(key), ..self }
    }

    /// Returns this header with or without the FIN bit: without it, more frames of the message
    /// follow.
    pub const fn with_fin(self, fin: bool) -> Self {
        Self { fin, ..self }
    }

    /// Returns this header with these reserved bits, to which an extension gives a meaning.
    pub const fn with_reserved(self, reserved: Reserved) -> Self {
        Self { reserved, ..self }
    }

    /// Decodes the header at the start of `input`, and returns it with its size in bytes: 2 to
    /// [`MAX_HEADER_SIZE`](super::MAX_HEADER_SIZE). Returns `None` if more input is needed.
    ///
    /// # Errors
    /// Each rule of RFC 6455 section 5.2 that concerns a single header has its variant of
    /// [`ProtocolError`]: [`ReservedOpCode`](ProtocolError::ReservedOpCode),
    /// [`NonMinimalLength`](ProtocolError::NonMinimalLength),
    /// [`LengthOverflow`](ProtocolError::LengthOverflow),
    /// [`ControlTooLong`](ProtocolError::ControlTooLong) and
    /// [`ControlFragmented`](ProtocolError::ControlFragmented). [`Connection`](crate::Connection)
    /// checks the rules that depend on the connection: masking, reserved bits, the order of
    /// fragments, limits.
    #[inline]
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let fin = first & FIN != 0;
        let opcode = OpCode::decode(first & 0x0f)?;
        let short = second & !MASK;
        if opcode.is_control() {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5
            //# All control frames MUST have a payload length of 125 bytes or less
            //# and MUST NOT be fragmented.
            if !fin {
                return Err(ProtocolError::ControlFragmented { opcode });
            }
            if usize::from(short) > MAX_CONTROL_LENGTH {
                return Err(ProtocolError::ControlTooLong { opcode });
            }
        }
        let (length, extended) = match short {
            LENGTH_16 => {
                let Some(bytes) = rest.first_chunk::<2>() else { return Ok(None) };
                (minimal(u64::from(u16::from_be_bytes(*bytes)), u64::from(LENGTH_16))?, 2)
            }
            LENGTH_64 => {
                let Some(bytes) = rest.first_chunk::<8>() else { return Ok(None) };
                let length = u64::from_be_bytes(*bytes);
                //= https://www.rfc-editor.org/rfc/rfc6455#section-5.2
                //# If 127, the following 8 bytes interpreted as a 64-bit unsigned integer
                //# (the most significant bit MUST be 0) are the payload length.
                if length >> 63 != 0 {
                    return Err(ProtocolError::LengthOverflow { length });
                }
                (minimal(length, 0x1_0000)?, 8)
            }
            short => (u64::from(short), 0),
        };
        let (mask, key_size) = if second & MASK == 0 {
            (None, 0)
        } else {
            let Some(key) = rest[extended..].first_chunk::<4>() else { return Ok(None) };
            (Some(*key), 4)
        };
        let reserved = Reserved(first >> RESERVED_SHIFT & 0x7);
        Ok(Some((Self { fin, reserved, opcode, mask, length }, 2 + extended + key_size)))
    }

    /// Decodes the usual case faster than [`Header::decode`]: a complete message in one frame,
    /// without reserved bits and of at most 65,535 bytes. Returns its opcode, its mask key, and the
    /// range of its payload in the input.
    ///
    /// `None` means only that the caller must use [`Header::decode`].
    #[inline]
    pub(crate) fn decode_whole_message(
        input: &[u8],
    ) -> Option<(OpCode, Option<MaskKey>, Range<usize>)> {
        let [first, second, ..] = *input else { return None };
        let opcode = match first {
            0x81 => OpCode::Text,
            0x82 => OpCode::Binary,
            _ => return None,
        };
        let (length, start) = match second & !MASK {
            LENGTH_64 => return None,
            LENGTH_16 => {
                let length = u16::from_be_bytes(*input[2..].first_chunk()?);
                (usize::from(length), if length < u16::from(LENGTH_16) { return None } else { 4 })
            }
            short => (usize::from(short), 2),
        };
        let (mask, start) = if second & MASK == 0 {
            (None, start)
        } else {
            (Some(*input[start..].first_chunk()?), start + 4)
        };
        let end = start + length;
        (end <= input.len()).then_some((opcode, mask, start..end))
    }

    /// Appends the header to `out`, with the length in its shortest form.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call costs as much as the rest: 20 instructions of 330 a message"
    )]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let first =
            (u8::from(self.fin) * FIN) | (self.reserved.0 << RESERVED_SHIFT) | self.opcode as u8;
        let mask = if self.mask.is_some() { MASK } else { 0 };
        let [.., a, b] = self.length.to_be_bytes();
        if self.length < u64::from(LENGTH_16) {
            out.extend_from_slice(&[first, mask | b]);
        } else if self.length < 0x1_0000 {
            out.extend_from_slice(&[first, mask | LENGTH_16, a, b]);
        } else {
            out.extend_from_slice(&[first, mask | LENGTH_64]);
            out.extend_from_slice(&self.length.to_be_bytes());
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }
}

/// The three reserved bits of a header (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reserved(u8);

impl Reserved {
    /// No bit set: the only valid value without an extension.
    pub const NONE: Self = Self(0);

    /// RSV1: with permessage-deflate, the message is compressed (RFC 7692 section 6).
    pub const RSV1: Self = Self(0x4);

    /// Returns the bits as a number, where RSV1 is 4, RSV2 is 2 and RSV3 is 1.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the bits of a number from 0 to 7, or `None` for a greater number.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits <= 0x7 { Some(Self(bits)) } else { None }
    }
}

//= https://www.rfc-editor.org/rfc/rfc6455#section-5.2
//# Note that in all cases, the minimal number of bytes MUST be used to encode the length
fn minimal(length: u64, least: u64) -> Result<u64, ProtocolError> {
    if length < least { Err(ProtocolError::NonMinimalLength { length }) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(header: Header) -> Vec<u8> {
        let mut out = Vec::new();
        header.encode(&mut out);
        out
    }

    #[test]
    fn every_length_form_is_encoded_in_its_shortest_form_and_decoded() {
        for (length, size) in [
            (0, 2),
            (125, 2),
            (126, 4),
            (255, 4),
            (256, 4),
            (65_535, 4),
            (65_536, 10),
            (i64::MAX as u64, 10),
        ] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let header = Header { mask, ..Header::new(OpCode::Binary, length) };
                let wire = encoded(header);
                assert_eq!(wire.len(), size + mask.map_or(0, |_| 4));
                assert_eq!(Header::decode(&wire), Ok(Some((header, wire.len()))));
                for end in 0..wire.len() {
                    assert_eq!(Header::decode(&wire[..end]), Ok(None), "cut at {end}");
                }
            }
        }
    }

    #[test]
    fn lengths_that_are_not_minimal_are_refused() {
        for (wire, length) in [
            (&[0x82, 126, 0, 125][..], 125),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 0xffff),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1], 1),
        ] {
            assert_eq!(Header::decode(wire), Err(ProtocolError::NonMinimalLength { length }));
        }
    }

    #[test]
    fn a_length_with_the_top_bit_is_refused() {
        let wire = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1];
        let length = 0x8000_0000_0000_0001;
        assert_eq!(Header::decode(&wire), Err(ProtocolError::LengthOverflow { length }));
    }

    #[test]
    fn reserved_opcodes_are_refused() {
        for opcode in (0x3..=0x7).chain(0xb..=0xf) {
            let error = Err(ProtocolError::ReservedOpCode { opcode });
            assert_eq!(Header::decode(&[0x80 | opcode, 0]), error);
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        for opcode in [OpCode::Close, OpCode::Ping, OpCode::Pong] {
            let byte = opcode as u8;
            let fragmented = Err(ProtocolError::ControlFragmented { opcode });
            assert_eq!(Header::decode(&[byte, 0]), fragmented);
            let long = Err(ProtocolError::ControlTooLong { opcode });
            assert_eq!(Header::decode(&[0x80 | byte, 126]), long);
            assert_eq!(Header::decode(&[0x80 | byte, 0xff]), long);
        }
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one_or_declines() {
        for opcode in 0..16u8 {
            for first in [opcode, 0x80 | opcode, 0xc0 | opcode] {
                for second in [0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0xfd, 0xfe, 0xff] {
                    for (high, low) in [(0, 0), (0, 125), (0, 126), (1, 0)] {
                        let mut wire = vec![first, second, high, low];
                        wire.resize(400, 7);
                        for end in 0..wire.len() {
                            let Some((opcode, mask, payload)) =
                                Header::decode_whole_message(&wire[..end])
                            else {
                                continue;
                            };
                            let (header, size) = Header::decode(&wire[..end]).unwrap().unwrap();
                            let length = payload.len() as u64;
                            assert_eq!(header, Header { mask, ..Header::new(opcode, length) });
                            assert!(size == payload.start && payload.end <= end);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn reserved_bits_survive_the_round_trip() {
        for bits in 0..8 {
            let reserved = Reserved::from_bits(bits).unwrap();
            let header = Header { reserved, ..Header::new(OpCode::Text, 3) };
            assert_eq!(Header::decode(&encoded(header)), Ok(Some((header, 2))));
        }
        assert_eq!(Reserved::from_bits(8), None);
    }
}
