//! Protobuf's binary format: tags, varints and the fields of a message.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "varints are cut into groups of seven bits, and zigzag is defined on the bits"
)]

use std::error::Error;
use std::fmt;

/// The largest message that is read, in bytes: 2 GiB less one, protobuf's own limit.
pub(crate) const MAX_MESSAGE_SIZE: usize = i32::MAX as usize;

/// The nesting of groups that are read or skipped: protobuf's default limit.
pub(crate) const MAX_GROUP_DEPTH: u32 = 100;

/// The rule of the binary format that a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireProblem {
    /// The message ends within a field.
    Truncated,
    /// A varint has more than ten bytes, or a tag more than five; or a varint has more than 64 bits
    /// where those are refused.
    LongVarint,
    /// A tag has the field number 0.
    ZeroFieldNumber,
    /// A tag has the wire type 6 or 7.
    WireType(u8),
    /// A group ends that did not begin, or whose begin has another number.
    UnmatchedEndGroup(u32),
    /// A group does not end.
    OpenGroup(u32),
    /// Groups are nested more than 100 deep.
    GroupDepth,
    /// The message is larger than 2 GiB.
    TooLarge,
}

impl fmt::Display for WireProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends within a field"),
            Self::LongVarint => f.write_str("a varint is too long"),
            Self::ZeroFieldNumber => f.write_str("a field has the number 0"),
            Self::WireType(wire_type) => write!(f, "the wire type {wire_type} does not exist"),
            Self::UnmatchedEndGroup(number) => write!(f, "group {number} ends but did not begin"),
            Self::OpenGroup(number) => write!(f, "group {number} does not end"),
            Self::GroupDepth => write!(f, "groups are nested more than {MAX_GROUP_DEPTH} deep"),
            Self::TooLarge => f.write_str("the message is larger than 2 GiB"),
        }
    }
}

/// A malformed message in protobuf's binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireError {
    /// The broken rule.
    pub problem: WireProblem,
    /// The offset of the first byte that breaks it.
    pub offset: usize,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed protobuf at byte {}: {}", self.offset, self.problem)
    }
}

impl Error for WireError {}

/// The encoding of a field's value, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    Group = 3,
    Fixed32 = 5,
}

/// A field of a message: its number, and its value or where the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireField {
    pub(crate) number: u32,
    pub(crate) wire_type: WireType,
    /// The offset of the tag.
    pub(crate) start: usize,
    /// The value of a varint or a fixed-size field; of others a packed [`Span`].
    pub(crate) value: u64,
}

impl WireField {
    pub(crate) fn span(&self) -> Span {
        Span::unpack(self.value)
    }
}

/// A part of a message: the offsets of its first byte and of the byte after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { start: 0, end: bytes.len() }
    }

    /// Both offsets in one number. They fit: [`Reader::new`] bounds the size of messages.
    pub(crate) fn pack(self) -> u64 {
        (self.start as u64) << 32 | self.end as u64
    }
    pub(crate) fn unpack(value: u64) -> Self {
        Self { start: (value >> 32) as usize, end: (value & 0xffff_ffff) as usize }
    }

    pub(crate) fn bytes(self, message: &[u8]) -> &[u8] {
        message.get(self.start..self.end).unwrap_or_default()
    }
}

/// A reader of fields. Offsets count from the start of the outermost message.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// `true` to refuse varints of more than 64 bits, whose highest bits other readers drop.
    is_strict: bool,
}

impl<'a> Reader<'a> {
    /// A reader of the message at `span`.
    pub(crate) fn new(message: &'a [u8], span: Span) -> Result<Self, WireError> {
        if message.len() > MAX_MESSAGE_SIZE {
            return Err(WireError { problem: WireProblem::TooLarge, offset: MAX_MESSAGE_SIZE });
        }
        let bytes = message.get(..span.end).unwrap_or(message);
        Ok(Self { bytes, pos: span.start, is_strict: false })
    }

    /// Refuses varints of more than 64 bits.
    pub(crate) fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }

    /// Reads the next field; `None` at the end.
    #[expect(clippy::inline_always, reason = "the result is larger than the work")]
    #[inline(always)]
    pub(crate) fn field(&mut self) -> Result<Option<WireField>, WireError> {
        let start = self.pos;
        let (number, wire_type) = match self.bytes.get(start) {
            None => return Ok(None),
            // A tag of one byte, whose number is not 0.
            Some(&tag @ 0x08..0x80) => {
                self.pos += 1;
                (u32::from(tag >> 3), tag & 7)
            }
            Some(_) => self.tag()?,
        };
        // Most fields are of these two.
        let (wire_type, value) = match wire_type {
            0 => (WireType::Varint, self.varint(10)?),
            2 => (WireType::Len, self.length_delimited()?.pack()),
            END_GROUP => {
                let problem = WireProblem::UnmatchedEndGroup(number);
                return Err(WireError { problem, offset: start });
            }
            _ => return self.value(number, wire_type, start, 0).map(Some),
        };
        Ok(Some(WireField { number, wire_type, start, value }))
    }

    /// Reads a varint; `None` at the end.
    #[inline]
    pub(crate) fn packed_varint(&mut self) -> Result<Option<u64>, WireError> {
        if self.pos >= self.bytes.len() { Ok(None) } else { self.varint(10).map(Some) }
    }

    /// Reads four bytes; `None` at the end.
    pub(crate) fn packed_fixed32(&mut self) -> Result<Option<u64>, WireError> {
        if self.pos >= self.bytes.len() { Ok(None) } else { self.fixed32().map(Some) }
    }

    /// Reads eight bytes; `None` at the end.
    pub(crate) fn packed_fixed64(&mut self) -> Result<Option<u64>, WireError> {
        if self.pos >= self.bytes.len() { Ok(None) } else { self.fixed64().map(Some) }
    }

    fn fail(&self, problem: WireProblem) -> WireError {
        WireError { problem, offset: self.pos }
    }

    /// Reads a tag: a field number that is not 0, and the bits of a wire type.
    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let start = self.pos;
        let tag = self.varint(5)?;
        let Ok(tag) = u32::try_from(tag) else {
            return Err(WireError { problem: WireProblem::LongVarint, offset: start });
        };
        if tag >> 3 == 0 {
            return Err(WireError { problem: WireProblem::ZeroFieldNumber, offset: start });
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    #[inline]
    fn varint(&mut self, most: usize) -> Result<u64, WireError> {
        match self.bytes.get(self.pos) {
            Some(&byte) if byte < 0x80 => {
                self.pos += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(most),
        }
    }

    fn long_varint(&mut self, most: usize) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, &byte) in self.bytes[self.pos..].iter().take(most).enumerate() {
            // The tenth byte has room for one bit.
            if index == 9 && byte > 1 && self.is_strict {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.pos += index + 1;
                return Ok(value);
            }
        }
        let truncated = self.bytes.len() - self.pos < most;
        Err(self.fail(if truncated { WireProblem::Truncated } else { WireProblem::LongVarint }))
    }

    fn fixed32(&mut self) -> Result<u64, WireError> {
        let Some(bytes) = self.bytes[self.pos..].first_chunk() else {
            return Err(self.fail(WireProblem::Truncated));
        };
        self.pos += 4;
        Ok(u64::from(u32::from_le_bytes(*bytes)))
    }

    fn fixed64(&mut self) -> Result<u64, WireError> {
        let Some(bytes) = self.bytes[self.pos..].first_chunk() else {
            return Err(self.fail(WireProblem::Truncated));
        };
        self.pos += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn value(
        &mut self,
        number: u32,
        wire_type: u8,
        start: usize,
        depth: u32,
    ) -> Result<WireField, WireError> {
        let (wire_type, value) = match wire_type {
            0 => (WireType::Varint, self.varint(10)?),
            1 => (WireType::Fixed64, self.fixed64()?),
            2 => (WireType::Len, self.length_delimited()?.pack()),
            3 => (WireType::Group, self.group(number, start, depth)?.pack()),
            5 => (WireType::Fixed32, self.fixed32()?),
            other => {
                return Err(WireError { problem: WireProblem::WireType(other), offset: start });
            }
        };
        Ok(WireField { number, wire_type, start, value })
    }

    #[inline]
    fn length_delimited(&mut self) -> Result<Span, WireError> {
        let length = self.varint(10)?;
        let start = self.pos;
        if length > (self.bytes.len() - start) as u64 {
            return Err(self.fail(WireProblem::Truncated));
        }
        let end = start + length as usize;
        self.pos = end;
        Ok(Span { start, end })
    }

    /// Reads to the end of a group.
    fn group(&mut self, number: u32, opened: usize, depth: u32) -> Result<Span, WireError> {
        if depth >= MAX_GROUP_DEPTH {
            return Err(WireError { problem: WireProblem::GroupDepth, offset: opened });
        }
        let begin = self.pos;
        while self.pos < self.bytes.len() {
            let start = self.pos;
            let (inner, wire_type) = self.tag()?;
            if wire_type == END_GROUP {
                if inner == number {
                    return Ok(Span { start: begin, end: start });
                }
                let problem = WireProblem::UnmatchedEndGroup(inner);
                return Err(WireError { problem, offset: start });
            }
            self.value(inner, wire_type, start, depth + 1)?;
        }
        Err(WireError { problem: WireProblem::OpenGroup(number), offset: opened })
    }

    /// The offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.pos
    }
}

const END_GROUP: u8 = 4;

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the length of a value and the value.
#[inline]
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field with a length.
pub(crate) fn put_len_field(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_tag(out, number, WireType::Len);
    put_bytes(out, content);
}

/// Appends a field with a varint.
pub(crate) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, WireType::Varint);
    put_varint(out, value);
}

/// Appends a tag.
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    put_varint(out, u64::from(number << 3 | wire_type as u32));
}

/// Starts a value whose length is not known yet; [`close_len`] ends it.
#[inline]
pub(crate) fn open_len(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Writes the length before the value that began at `start`, and returns where the value is now.
#[inline]
pub(crate) fn close_len(out: &mut Vec<u8>, start: usize) -> usize {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return start;
    }
    let extra = varint_size(length as u64) - 1;
    out.resize(out.len() + extra, 0);
    out.copy_within(start..start + length, start + extra);
    let mut rest = length;
    for byte in &mut out[start - 1..start + extra] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[start + extra - 1] &= 0x7f;
    start + extra
}

fn varint_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Returns the number that zigzag encoding stores as `value`.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Returns what zigzag encoding stores for a number.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// Fields of the messages of tests and of fuzz targets.
#[cfg(any(fuzzing, test))]
pub(crate) mod fields {
    use super::{put_len_field, put_varint_field};

    /// A field with a length.
    pub(crate) fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_len_field(&mut out, number, content);
        out
    }

    /// A field with a varint.
    pub(crate) fn varint(number: u32, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint_field(&mut out, number, value);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<WireField>, WireError> {
        let mut reader = Reader::new(bytes, Span::of(bytes))?;
        let mut fields = Vec::new();
        while let Some(field) = reader.field()? {
            fields.push(field);
        }
        Ok(fields)
    }

    fn problem(bytes: &[u8]) -> (WireProblem, usize) {
        let error = fields(bytes).unwrap_err();
        (error.problem, error.offset)
    }

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let bytes = b"\x08\x96\x01\x11\x01\x00\x00\x00\x00\x00\x00\x80\x1a\x02ab\x23\x28\x07\x24\x35\x02\x00\x00\x00";
        let fields = fields(bytes).unwrap();
        let types: Vec<_> = fields.iter().map(|field| (field.number, field.wire_type)).collect();
        let expected = [
            (1, WireType::Varint),
            (2, WireType::Fixed64),
            (3, WireType::Len),
            (4, WireType::Group),
            (6, WireType::Fixed32),
        ];
        assert_eq!(types, expected);
        assert_eq!(fields[0].value, 150);
        assert_eq!(fields[2].span().bytes(bytes), b"ab");
        assert_eq!(fields[3].span().bytes(bytes), b"\x28\x07");
    }

    #[test]
    fn malformed_fields_are_refused_with_their_offset() {
        assert_eq!(problem(b"\x08\x01\x1a\x05ab"), (WireProblem::Truncated, 4));
        assert_eq!(problem(b"\x08"), (WireProblem::Truncated, 1));
        assert_eq!(problem(b"\x08\xff"), (WireProblem::Truncated, 1));
        assert_eq!(problem(b"\x0d\x00\x00"), (WireProblem::Truncated, 1));
        assert_eq!(problem(&[&b"\x08"[..], &[0xff; 11]].concat()), (WireProblem::LongVarint, 1));
        assert_eq!(problem(b"\x88\x80\x80\x80\x80\x00\x00"), (WireProblem::LongVarint, 0));
        assert_eq!(problem(b"\x88\x80\x80\x80\x40\x00"), (WireProblem::LongVarint, 0));
        assert_eq!(problem(b"\x00\x00"), (WireProblem::ZeroFieldNumber, 0));
        assert_eq!(problem(b"\x0e\x00"), (WireProblem::WireType(6), 0));
        assert_eq!(problem(b"\x0c"), (WireProblem::UnmatchedEndGroup(1), 0));
        assert_eq!(problem(b"\x0b\x14"), (WireProblem::UnmatchedEndGroup(2), 1));
        assert_eq!(problem(b"\x0b\x10\x01"), (WireProblem::OpenGroup(1), 0));
    }

    #[test]
    fn groups_are_refused_past_100_levels() {
        let nested = |levels| [vec![0x0b; levels], vec![0x0c; levels]].concat();
        assert!(fields(&nested(100)).is_ok());
        assert_eq!(problem(&nested(101)), (WireProblem::GroupDepth, 100));
    }

    #[test]
    fn lengths_are_filled_in_whatever_their_size() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = b"before".to_vec();
            let start = open_len(&mut out);
            out.resize(start + length, b'x');
            let start = close_len(&mut out, start);
            let mut expected = b"before".to_vec();
            put_bytes(&mut expected, &vec![b'x'; length]);
            assert_eq!(out, expected, "{length}");
            assert_eq!(out.len() - start, length);
        }
    }

    #[test]
    fn zigzag_is_its_own_inverse() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }
}
