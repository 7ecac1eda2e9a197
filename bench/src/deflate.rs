//! permessage-deflate in the driver (RFC 7692): requests are compressed beforehand, replies are
//! inflated and compared.
//!
//! A server chooses how it compresses, so that only inflating shows whether its bytes are right.
//! Inflating costs the driver less than inflating and compressing costs the server.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::cycle::Cycle;
use crate::frame::{self, COMPRESSED, Head};
use crate::load::LoadError;
use crate::mode::Deflate;

/// The bytes that a sender removes from the end of a message and a receiver appends again (RFC 7692
/// section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The text opcode of a compressed, final frame: the first byte of every reply, without FIN.
const FIRST: u8 = COMPRESSED | 0x1;

/// Compressor of the driver's requests, at the level that browsers use.
#[derive(Debug)]
pub(crate) struct Deflater {
    deflate: Deflate,
    compress: Compress,
}

impl Deflater {
    pub(crate) fn new(deflate: Deflate) -> Self {
        Self { deflate, compress: Compress::new(Compression::default(), false) }
    }

    /// Returns the payload of the message's only frame.
    pub(crate) fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        if self.deflate == Deflate::NoTakeover {
            self.compress.reset();
        }
        // More than deflate ever needs, so that one call suffices.
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 64);
        self.compress
            .compress_vec(message, &mut out, FlushCompress::Sync)
            .expect("any input can be compressed");
        assert!(out.ends_with(&TAIL), "a sync flush ends with an empty block");
        out.truncate(out.len() - TAIL.len());
        out
    }
}

/// Inflates and checks the replies of one connection.
#[derive(Debug)]
pub(crate) struct Inflater {
    decompress: Decompress,
    deflate: Deflate,
    /// The beginning of a frame that is still incomplete.
    partial: Vec<u8>,
    text: Vec<u8>,
    /// The number of the message that is expected next.
    next: u64,
}

impl Inflater {
    /// Creates an inflater that expects message 0 of the cycle first.
    pub(crate) fn new(deflate: Deflate) -> Self {
        let decompress = Decompress::new(false);
        Self { decompress, deflate, partial: Vec::new(), text: Vec::new(), next: 0 }
    }

    /// Takes the bytes that were read, and returns the number of replies that are whole and right.
    pub(crate) fn take(&mut self, cycle: &Cycle, received: &[u8]) -> Result<u64, LoadError> {
        let before = self.next;
        if self.partial.is_empty() {
            let rest = self.frames(cycle, received)?;
            self.partial.extend_from_slice(rest);
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(received);
            let rest = self.frames(cycle, &all)?.len();
            all.drain(..all.len() - rest);
            self.partial = all;
        }
        Ok(self.next - before)
    }

    /// Checks all whole frames, and returns the bytes after them.
    fn frames<'a>(&mut self, cycle: &Cycle, mut bytes: &'a [u8]) -> Result<&'a [u8], LoadError> {
        while let Some(Head { first, size, length }) = frame::head(bytes) {
            if first != Some(FIRST) {
                return Err(LoadError::NotCompressed { message: self.next });
            }
            let Some(payload) = bytes[size..].get(..length) else { break };
            self.message(cycle.message(self.next), payload)?;
            self.next += 1;
            bytes = &bytes[size + length..];
        }
        Ok(bytes)
    }

    fn message(&mut self, expected: &[u8], payload: &[u8]) -> Result<(), LoadError> {
        if self.deflate == Deflate::NoTakeover {
            self.decompress.reset(false);
        }
        self.text.clear();
        // One byte more than expected, to detect a message that is too long.
        self.text.reserve(expected.len() + 1);
        for input in [payload, &TAIL] {
            match self.decompress.decompress_vec(input, &mut self.text, FlushDecompress::Sync) {
                Ok(Status::StreamEnd) => {
                    self.decompress.reset(false);
                    break;
                }
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(LoadError::NotDeflate { message: self.next }),
            }
        }
        if self.text == expected {
            return Ok(());
        }
        let same = self.text.iter().zip(expected).take_while(|(a, b)| a == b).count();
        Err(LoadError::WrongByte { message: self.next, offset: same as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    /// Returns the replies of a server that compresses at another level and echoes `messages`
    /// messages.
    fn replies(deflate: Deflate, cycle: &Cycle, messages: u64) -> Vec<u8> {
        let mut deflater =
            Deflater { deflate, compress: Compress::new(Compression::fast(), false) };
        let mut out = Vec::new();
        for message in 0..messages {
            frame::append_reply(&mut out, FIRST, &deflater.compress(cycle.message(message)));
        }
        out
    }

    /// Returns the requests unmasked, as the server's inflater receives them.
    fn unmasked(cycle: &Cycle, messages: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for message in 0..messages {
            let position = cycle.position(message);
            let request = cycle.requests(position, cycle.position(message + 1) - position);
            let mut header = request.to_vec();
            header[1] &= 0x7f;
            let head = frame::head(&header).unwrap();
            let (key, payload) = request[head.size..].split_at(4);
            let payload: Vec<_> =
                payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            frame::append_reply(&mut out, FIRST, &payload);
        }
        out
    }

    #[test]
    fn replies_are_right_at_any_split_whatever_the_server_chose() {
        for deflate in [Deflate::Takeover, Deflate::NoTakeover] {
            let cycle = Cycle::compressed(deflate, Payload::Json, 1024, 1);
            let stream = replies(deflate, &cycle, 600);
            for size in [1, 7, 1000, 100_000] {
                let mut inflater = Inflater::new(deflate);
                let taken: u64 =
                    stream.chunks(size).map(|part| inflater.take(&cycle, part).unwrap()).sum();
                assert_eq!(taken, 600);
                assert!(inflater.partial.is_empty());
            }
        }
    }

    #[test]
    fn requests_inflate_to_their_messages_in_every_turn_of_the_cycle() {
        for deflate in [Deflate::Takeover, Deflate::NoTakeover] {
            let cycle = Cycle::compressed(deflate, Payload::Json, 1024, 1);
            let stream = unmasked(&cycle, 2000);
            assert_eq!(Inflater::new(deflate).take(&cycle, &stream).unwrap(), 2000);
        }
    }

    #[test]
    fn a_kilobyte_shrinks_to_about_a_third() {
        let cycle = Cycle::compressed(Deflate::NoTakeover, Payload::Json, 1024, 1);
        let mean = cycle.position(256) / 256;
        assert!((300..400).contains(&mean), "{mean} bytes a message");
    }

    #[test]
    fn a_reply_of_another_message_or_without_compression_is_refused() {
        let cycle = Cycle::compressed(Deflate::NoTakeover, Payload::Json, 1024, 1);
        let mut deflater = Deflater::new(Deflate::NoTakeover);
        let mut wrong = cycle.message(0).to_vec();
        wrong[1000] ^= 1;
        let mut reply = Vec::new();
        frame::append_reply(&mut reply, FIRST, &deflater.compress(&wrong));
        let error = Inflater::new(Deflate::NoTakeover).take(&cycle, &reply);
        assert!(matches!(error, Err(LoadError::WrongByte { message: 0, offset: 1000 })));

        let mut plain = Vec::new();
        frame::append_reply(&mut plain, 0x1, cycle.message(0));
        let error = Inflater::new(Deflate::NoTakeover).take(&cycle, &plain);
        assert!(matches!(error, Err(LoadError::NotCompressed { message: 0 })));
    }
}
