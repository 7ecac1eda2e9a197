use std::error::Error;
use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The length of flags and length, in bytes.
const HEADER_LENGTH: usize = 5;

/// The dialect of length-prefixed messages, which gives the flags their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnvelopeFormat {
    /// gRPC: the flag [`COMPRESSED`](Envelope::COMPRESSED).
    Grpc,
    /// gRPC-Web: also [`TRAILERS`](Envelope::TRAILERS).
    GrpcWeb,
    /// Connect's streams: `COMPRESSED` and [`END_STREAM`](Envelope::END_STREAM).
    Connect,
}

/// A length-prefixed message.
///
/// ```text
///  0       1       5              5 + length
///  ┌───────┬───────┬──────── ─ ─ ──┐
///  │ flags │length │ payload       │    length is unsigned and big-endian
///  └───────┴───────┴──────── ─ ─ ──┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The flags.
    pub flags: u8,
    /// The payload, compressed if the flags say so.
    pub payload: Bytes,
}

/// A decoder of [`Envelope`]s.
///
/// ```
/// use bytes::Bytes;
/// use sockeye_gateway::dialect::framing::{EnvelopeDecoder, EnvelopeFormat};
///
/// let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Grpc, 1024);
/// for chunk in [&b"\0\0\0\0\x03a"[..], b"bc\0\0\0\0\0"] {
///     decoder.push(Bytes::copy_from_slice(chunk));
///     while let Some(envelope) = decoder.next_envelope()? {
///         println!("{:?}", envelope.payload);
///     }
/// }
/// decoder.finish()?;
/// # Ok::<_, sockeye_gateway::dialect::framing::EnvelopeError>(())
/// ```
///
/// A payload that is whole in a chunk shares the chunk's memory. Others are copied; memory is
/// allocated as their bytes arrive, not by the length that a peer announces.
#[derive(Debug)]
pub struct EnvelopeDecoder {
    format: EnvelopeFormat,
    max_length: u32,
    /// The bytes that are not decoded.
    input: Bytes,
    /// The beginning of an envelope, before `input`.
    partial: BytesMut,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// The envelope that ends the stream was decoded.
    Ended,
    Failed(EnvelopeError),
}

/// The reason why bytes are not envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The dialect has no such flags.
    UnknownFlags {
        /// The flags.
        flags: u8,
    },
    /// The payload is too long.
    TooLong {
        /// The length, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Bytes follow the envelope that ends the stream.
    AfterEnd,
    /// The stream ends within an envelope.
    Unfinished,
}

impl Envelope {
    /// The flag of a compressed payload.
    pub const COMPRESSED: u8 = 0x01;

    /// The flag of Connect's last envelope: the payload is an [`EndStream`](super::EndStream).
    pub const END_STREAM: u8 = 0x02;

    /// The flag of gRPC-Web's last envelope: the payload is trailers.
    pub const TRAILERS: u8 = 0x80;

    /// Reports whether the payload is compressed.
    pub fn is_compressed(&self) -> bool {
        self.flags & Self::COMPRESSED != 0
    }

    /// Reports whether the envelope ends the stream, and so has no message.
    pub fn is_end(&self) -> bool {
        self.flags & (Self::END_STREAM | Self::TRAILERS) != 0
    }

    /// Appends flags, length and payload to `out`.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] if the payload is longer than 32 bits tell.
    pub fn encode(flags: u8, payload: &[u8], out: &mut BytesMut) -> Result<(), EnvelopeError> {
        let header = Self::header(flags, payload.len())?;
        out.reserve(HEADER_LENGTH + payload.len());
        out.put_slice(&header);
        out.put_slice(payload);
        Ok(())
    }

    /// Returns the flags and the length, for a payload that is written separately.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] if the payload is longer than 32 bits tell.
    pub fn header(flags: u8, length: usize) -> Result<[u8; HEADER_LENGTH], EnvelopeError> {
        let length = u32::try_from(length).map_err(|_| EnvelopeError::TooLong {
            length: length as u64,
            limit: u32::MAX.into(),
        })?;
        let [a, b, c, d] = length.to_be_bytes();
        Ok([flags, a, b, c, d])
    }
}

impl EnvelopeFormat {
    fn flags(self) -> u8 {
        match self {
            Self::Grpc => Envelope::COMPRESSED,
            Self::GrpcWeb => Envelope::COMPRESSED | Envelope::TRAILERS,
            Self::Connect => Envelope::COMPRESSED | Envelope::END_STREAM,
        }
    }
}

impl EnvelopeDecoder {
    /// Creates a decoder for payloads of at most `max_length` bytes.
    pub fn new(format: EnvelopeFormat, max_length: u32) -> Self {
        let (input, partial) = (Bytes::new(), BytesMut::new());
        Self { format, max_length, input, partial, state: State::Open }
    }

    /// Adds the next bytes of the stream. Call [`next_envelope`](Self::next_envelope) afterwards
    /// until there is none: bytes that are not decoded would be copied.
    pub fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            self.input = [&self.input[..], &chunk].concat().into();
        }
    }

    /// Decodes the next envelope. `None` if there is none until more bytes come.
    ///
    /// # Errors
    /// [`EnvelopeError`], at the header of an envelope that is refused. Later calls return the
    /// same error.
    pub fn next_envelope(&mut self) -> Result<Option<Envelope>, EnvelopeError> {
        if matches!(self.state, State::Ended) {
            if self.input.is_empty() {
                return Ok(None);
            }
            self.state = State::Failed(EnvelopeError::AfterEnd);
        }
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        let decoded = self.decode();
        match &decoded {
            Ok(Some(envelope)) if envelope.is_end() => self.state = State::Ended,
            Ok(_) => {}
            Err(error) => self.state = State::Failed(*error),
        }
        decoded
    }

    /// Reports whether the envelope that ends the stream was decoded.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// [`EnvelopeError::Unfinished`] within an envelope, or the error of the stream.
    pub fn finish(&self) -> Result<(), EnvelopeError> {
        match self.state {
            State::Failed(error) => Err(error),
            _ if self.input.is_empty() && self.partial.is_empty() => Ok(()),
            _ => Err(EnvelopeError::Unfinished),
        }
    }

    /// Returns the number of bytes that wait for the rest of their envelope.
    pub fn buffered_length(&self) -> usize {
        self.input.len() + self.partial.len()
    }

    fn decode(&mut self) -> Result<Option<Envelope>, EnvelopeError> {
        if self.partial.is_empty()
            && let Some((flags, end)) = self.header(&self.input)?
            && end <= self.input.len()
        {
            let mut payload = self.input.split_to(end);
            payload.advance(HEADER_LENGTH);
            return Ok(Some(Envelope { flags, payload }));
        }
        self.fill(HEADER_LENGTH);
        let Some((flags, end)) = self.header(&self.partial)? else { return Ok(None) };
        self.fill(end);
        if self.partial.len() < end {
            return Ok(None);
        }
        let mut payload = self.partial.split().freeze();
        payload.advance(HEADER_LENGTH);
        Ok(Some(Envelope { flags, payload }))
    }

    /// Moves bytes from the input to `partial` until it has a length, as far as there are some.
    fn fill(&mut self, length: usize) {
        let missing = length.saturating_sub(self.partial.len()).min(self.input.len());
        self.partial.put(self.input.split_to(missing));
    }

    /// Returns the flags of an envelope and the place of its end, if its header is whole.
    fn header(&self, bytes: &[u8]) -> Result<Option<(u8, usize)>, EnvelopeError> {
        let [flags, a, b, c, d, ..] = *bytes else { return Ok(None) };
        if flags & !self.format.flags() != 0 {
            return Err(EnvelopeError::UnknownFlags { flags });
        }
        let length = u32::from_be_bytes([a, b, c, d]);
        if length > self.max_length {
            let (length, limit) = (length.into(), self.max_length.into());
            return Err(EnvelopeError::TooLong { length, limit });
        }
        // Where pointers have 32 bits, no such payload fits memory.
        Ok(Some((flags, HEADER_LENGTH.saturating_add(length as usize))))
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlags { flags } => {
                write!(f, "the flags {flags:#04x} of a message are unknown")
            }
            Self::TooLong { length, limit } => {
                write!(f, "a message has {length} bytes, of at most {limit}")
            }
            Self::AfterEnd => f.write_str("bytes follow the end of the stream"),
            Self::Unfinished => f.write_str("the stream ends within a message"),
        }
    }
}

impl Error for EnvelopeError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::framing::cuts;

    type Decoded = (Vec<(u8, Vec<u8>)>, Result<(), EnvelopeError>);

    fn decode(format: EnvelopeFormat, chunks: Vec<Bytes>) -> Decoded {
        let mut decoder = EnvelopeDecoder::new(format, 8);
        let mut envelopes = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            loop {
                match decoder.next_envelope() {
                    Ok(Some(envelope)) => envelopes.push((envelope.flags, envelope.payload.into())),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(decoder.next_envelope(), Err(error));
                        return (envelopes, Err(error));
                    }
                }
            }
        }
        (envelopes, decoder.finish())
    }

    fn check(format: EnvelopeFormat, input: &[u8], expected: &Decoded) {
        cuts::for_each(input, |chunks| assert_eq!(&decode(format, chunks), expected, "{input:?}"));
    }

    fn messages(flags_and_payloads: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = BytesMut::new();
        for (flags, payload) in flags_and_payloads {
            Envelope::encode(*flags, payload, &mut out).unwrap();
        }
        out.into()
    }

    #[test]
    fn envelopes_are_the_same_at_every_cut() {
        let input = messages(&[(0, b"abc"), (1, b""), (0, b""), (1, b"12345678")]);
        let expected = vec![(0, b"abc".into()), (1, vec![]), (0, vec![]), (1, b"12345678".into())];
        check(EnvelopeFormat::Grpc, &input, &(expected, Ok(())));
    }

    #[test]
    fn each_format_has_its_flags() {
        for (format, allowed) in [
            (EnvelopeFormat::Grpc, &[0, 1][..]),
            (EnvelopeFormat::GrpcWeb, &[0, 1, 0x80, 0x81]),
            (EnvelopeFormat::Connect, &[0, 1, 2, 3]),
        ] {
            for flags in 0..=u8::MAX {
                let result = decode(format, vec![messages(&[(flags, b"")]).into()]).1;
                let expected = if allowed.contains(&flags) {
                    Ok(())
                } else {
                    Err(EnvelopeError::UnknownFlags { flags })
                };
                assert_eq!(result, expected, "{format:?}");
            }
        }
    }

    #[test]
    fn a_long_payload_is_refused_at_its_header() {
        let error = EnvelopeError::TooLong { length: 9, limit: 8 };
        check(EnvelopeFormat::Grpc, &[0, 0, 0, 0, 9], &(vec![], Err(error)));
        let error = EnvelopeError::TooLong { length: u32::MAX.into(), limit: 8 };
        check(EnvelopeFormat::Grpc, &[0, 255, 255, 255, 255, 1], &(vec![], Err(error)));
    }

    #[test]
    fn nothing_follows_the_end_of_the_stream() {
        for (format, flag) in [(EnvelopeFormat::GrpcWeb, 0x80), (EnvelopeFormat::Connect, 2)] {
            let mut input = messages(&[(0, b"a"), (flag, b"b")]);
            let expected = vec![(0, b"a".to_vec()), (flag, b"b".to_vec())];
            check(format, &input, &(expected.clone(), Ok(())));
            input.push(0);
            check(format, &input, &(expected, Err(EnvelopeError::AfterEnd)));
        }
    }

    #[test]
    fn a_stream_must_not_end_within_an_envelope() {
        for length in 1..7 {
            let input = &messages(&[(0, b"ab")])[..length];
            check(EnvelopeFormat::Grpc, input, &(vec![], Err(EnvelopeError::Unfinished)));
        }
    }

    #[test]
    fn a_payload_that_is_whole_in_a_chunk_is_not_copied() {
        let chunk = Bytes::from(messages(&[(0, b"a"), (0, b"bc")]));
        let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Grpc, 8);
        decoder.push(chunk.clone());
        decoder.next_envelope().unwrap();
        let envelope = decoder.next_envelope().unwrap().unwrap();
        assert_eq!(envelope.payload.as_ptr(), chunk[11..].as_ptr());
    }

    #[test]
    fn chunks_may_be_pushed_without_decoding_between() {
        let input = messages(&[(0, b"abc"), (1, b"d")]);
        let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Grpc, 8);
        for chunk in input.chunks(2) {
            decoder.push(Bytes::copy_from_slice(chunk));
        }
        assert_eq!(decoder.next_envelope().unwrap().unwrap().payload, "abc");
        assert_eq!(decoder.next_envelope().unwrap().unwrap().payload, "d");
        assert_eq!(decoder.finish(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_same_at_every_cut(
            input in proptest::collection::vec(prop_oneof![0..3_u8, 0..12_u8], 0..40),
        ) {
            for format in [EnvelopeFormat::Grpc, EnvelopeFormat::GrpcWeb, EnvelopeFormat::Connect] {
                let whole = decode(format, vec![Bytes::copy_from_slice(&input)]);
                check(format, &input, &whole);
            }
        }
    }
}
