//! Decompressor of the replies of one connection (RFC 7692).
//!
//! A server chooses how it compresses, so that only inflating shows whether its bytes are right.
//! Inflating costs the client less than inflating and compressing costs the server.

use flate2::{Decompress, FlushDecompress, Status};

use crate::deflate::{DeflateMode, TAIL};
use crate::error::LoadError;
use crate::frame::{self, COMPRESSED, Header};
use crate::message_cycle::MessageCycle;

/// First byte of every reply, without FIN: a text frame with a compressed payload.
const FIRST_BYTE: u8 = COMPRESSED | 0x1;

/// Inflates and checks the replies of one connection.
#[derive(Debug)]
pub(crate) struct Inflater {
    decompress: Decompress,
    mode: DeflateMode,
    /// The beginning of a frame that is still incomplete.
    partial: Vec<u8>,
    inflated: Vec<u8>,
    /// Number of the message that is expected next.
    next: u64,
}

impl Inflater {
    /// Creates an inflater that expects message 0 of the cycle first.
    pub(crate) fn new(mode: DeflateMode) -> Self {
        let decompress = Decompress::new(false);
        Self { decompress, mode, partial: Vec::new(), inflated: Vec::new(), next: 0 }
    }

    /// Takes received bytes, and returns the number of replies that became whole.
    pub(crate) fn receive(
        &mut self,
        cycle: &MessageCycle,
        received: &[u8],
    ) -> Result<u64, LoadError> {
        let before = self.next;
        if self.partial.is_empty() {
            let rest = self.check_frames(cycle, received)?;
            self.partial.extend_from_slice(rest);
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(received);
            let rest = self.check_frames(cycle, &all)?.len();
            all.drain(..all.len() - rest);
            self.partial = all;
        }
        Ok(self.next - before)
    }

    /// Checks all whole frames, and returns the bytes after them.
    fn check_frames<'a>(
        &mut self,
        cycle: &MessageCycle,
        mut bytes: &'a [u8],
    ) -> Result<&'a [u8], LoadError> {
        while let Some(Header { first, size, length }) = frame::decode_header(bytes) {
            let limit = max_compressed_length(cycle.message(self.next).len());
            if first != Some(FIRST_BYTE) || length > limit {
                return Err(LoadError::NotCompressed { message: self.next });
            }
            let end = usize::try_from(length).ok().and_then(|length| size.checked_add(length));
            let Some(payload) = end.and_then(|end| bytes.get(size..end)) else { break };
            self.check_message(cycle.message(self.next), payload)?;
            self.next += 1;
            bytes = &bytes[size + payload.len()..];
        }
        Ok(bytes)
    }

    fn check_message(&mut self, expected: &[u8], payload: &[u8]) -> Result<(), LoadError> {
        if self.mode == DeflateMode::NoTakeover {
            self.decompress.reset(false);
        }
        self.inflated.clear();
        // One byte more than expected, to detect a message that is too long.
        self.inflated.reserve(expected.len() + 1);
        for input in [payload, &TAIL] {
            match self.decompress.decompress_vec(input, &mut self.inflated, FlushDecompress::Sync) {
                Ok(Status::StreamEnd) => {
                    self.decompress.reset(false);
                    break;
                }
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(LoadError::NotDeflate { message: self.next }),
            }
        }
        if self.inflated == expected {
            return Ok(());
        }
        let same = self.inflated.iter().zip(expected).take_while(|(a, b)| a == b).count();
        Err(LoadError::WrongByte { message: self.next, offset: same as u64 })
    }
}

/// Returns the maximum payload length of a compressed reply: twice the length of the message, and a
/// kilobyte. A longer reply is an error, since deflate never expands data so much.
fn max_compressed_length(length: usize) -> u64 {
    2 * length as u64 + 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::Deflater;
    use crate::payload::PayloadKind;
    use flate2::Compression;

    /// Returns the replies of a server that compresses at another level and echoes `messages`
    /// messages.
    fn replies(mode: DeflateMode, cycle: &MessageCycle, messages: u64) -> Vec<u8> {
        let mut deflater = Deflater::with_level(mode, Compression::fast());
        let mut out = Vec::new();
        for message in 0..messages {
            frame::append_reply(&mut out, FIRST_BYTE, &deflater.compress(cycle.message(message)));
        }
        out
    }

    /// Returns the requests unmasked, as the server's inflater receives them.
    fn unmasked(cycle: &MessageCycle, messages: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for message in 0..messages {
            let position = cycle.position(message);
            let request = cycle.requests(position, cycle.position(message + 1) - position);
            let mut frame = request.to_vec();
            frame[1] &= 0x7f;
            let header = frame::decode_header(&frame).unwrap();
            let (key, payload) = request[header.size..].split_at(4);
            let payload: Vec<_> =
                payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            frame::append_reply(&mut out, FIRST_BYTE, &payload);
        }
        out
    }

    #[test]
    fn replies_are_correct_at_any_split_in_every_mode() {
        for mode in [DeflateMode::Takeover, DeflateMode::NoTakeover] {
            let cycle = MessageCycle::compressed(mode, PayloadKind::Json, 1024, 1);
            let stream = replies(mode, &cycle, 600);
            for size in [1, 7, 1000, 100_000] {
                let mut inflater = Inflater::new(mode);
                let received: u64 =
                    stream.chunks(size).map(|part| inflater.receive(&cycle, part).unwrap()).sum();
                assert_eq!(received, 600);
                assert!(inflater.partial.is_empty());
            }
        }
    }

    #[test]
    fn requests_inflate_to_their_messages_in_every_turn_of_the_cycle() {
        for mode in [DeflateMode::Takeover, DeflateMode::NoTakeover] {
            let cycle = MessageCycle::compressed(mode, PayloadKind::Json, 1024, 1);
            let stream = unmasked(&cycle, 2000);
            assert_eq!(Inflater::new(mode).receive(&cycle, &stream).unwrap(), 2000);
        }
    }

    #[test]
    fn a_kilobyte_shrinks_to_about_a_third() {
        let cycle = MessageCycle::compressed(DeflateMode::NoTakeover, PayloadKind::Json, 1024, 1);
        let mean = cycle.position(256) / 256;
        assert!((300..400).contains(&mean), "{mean} bytes a message");
    }

    #[test]
    fn a_reply_of_another_message_or_without_compression_is_refused() {
        let cycle = MessageCycle::compressed(DeflateMode::NoTakeover, PayloadKind::Json, 1024, 1);
        let mut deflater = Deflater::new(DeflateMode::NoTakeover);
        let mut wrong = cycle.message(0).to_vec();
        wrong[1000] ^= 1;
        let mut reply = Vec::new();
        frame::append_reply(&mut reply, FIRST_BYTE, &deflater.compress(&wrong));
        let error = Inflater::new(DeflateMode::NoTakeover).receive(&cycle, &reply);
        assert!(matches!(error, Err(LoadError::WrongByte { message: 0, offset: 1000 })));

        let mut plain = Vec::new();
        frame::append_reply(&mut plain, 0x1, cycle.message(0));
        let error = Inflater::new(DeflateMode::NoTakeover).receive(&cycle, &plain);
        assert!(matches!(error, Err(LoadError::NotCompressed { message: 0 })));
    }

    #[test]
    fn a_reply_that_announces_too_much_is_refused_before_it_is_collected() {
        let cycle = MessageCycle::compressed(DeflateMode::NoTakeover, PayloadKind::Json, 100, 1);
        let header = [0x80 | FIRST_BYTE, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let error = Inflater::new(DeflateMode::NoTakeover).receive(&cycle, &header);
        assert!(matches!(error, Err(LoadError::NotCompressed { message: 0 })));
    }
}
