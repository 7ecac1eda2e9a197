//! The payload of the messages: a stamp of the message's number and due time, then filler.

use crate::limits::STAMP_LENGTH;
use crate::load::Load;
use crate::payload::Random;

/// Number and due time of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Number of the message, counted from 0 on its connection.
    pub(crate) number: u64,
    /// Due time by the schedule, in nanoseconds since the test began.
    pub(crate) due: u64,
}

/// The payload that all messages of a test share but for their stamps.
#[derive(Debug)]
pub(crate) struct StampedPayload {
    bytes: Vec<u8>,
    op_code: u8,
}

impl StampedPayload {
    pub(crate) fn new(load: &Load) -> Self {
        let mut random = Random::new(load.length as u64);
        let bytes = match load.length.checked_sub(STAMP_LENGTH) {
            None => random.payload(load.payload, load.length),
            // The filler is a payload by itself, so that text stays valid behind the stamp.
            Some(filler) => {
                [vec![b'0'; STAMP_LENGTH], random.payload(load.payload, filler)].concat()
            }
        };
        Self { bytes, op_code: load.payload.op_code() }
    }

    /// Returns the opcode of the messages.
    pub(crate) fn op_code(&self) -> u8 {
        self.op_code
    }

    /// Returns the payload with `stamp`; without it if the payload is too short for one.
    pub(crate) fn stamp(&mut self, stamp: Stamp) -> &[u8] {
        if let Some(place) = self.bytes.first_chunk_mut::<STAMP_LENGTH>() {
            write_hexadecimal(&mut place[..16], stamp.number);
            write_hexadecimal(&mut place[16..], stamp.due);
        }
        &self.bytes
    }

    /// Compares the echo `received` with the payload of `stamp`.
    ///
    /// # Errors
    ///
    /// The offset of the first byte that differs.
    pub(crate) fn check(&mut self, stamp: Stamp, received: &[u8]) -> Result<(), u64> {
        let expected = self.stamp(stamp);
        if received == expected {
            return Ok(());
        }
        Err(received.iter().zip(expected).take_while(|(a, b)| a == b).count() as u64)
    }

    /// Returns the stamp of the delivered message `received`, whose filler is compared with that of
    /// the payload.
    ///
    /// # Errors
    ///
    /// The offset of the first byte that is wrong.
    pub(crate) fn read(&self, received: &[u8]) -> Result<Stamp, u64> {
        let Some((stamp, filler)) = received.split_first_chunk::<STAMP_LENGTH>() else {
            return Err(received.len() as u64);
        };
        let expected = &self.bytes[STAMP_LENGTH.min(self.bytes.len())..];
        if filler != expected {
            let same = filler.iter().zip(expected).take_while(|(a, b)| a == b).count();
            return Err((STAMP_LENGTH + same) as u64);
        }
        let number = read_hexadecimal(&stamp[..16]).ok_or(0_u64)?;
        let due = read_hexadecimal(&stamp[16..]).ok_or(16_u64)?;
        Ok(Stamp { number, due })
    }
}

/// The two hexadecimal digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 0xf]];
        byte += 1;
    }
    pairs
};

fn write_hexadecimal(place: &mut [u8], value: u64) {
    for (pair, byte) in place.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair.copy_from_slice(&DIGITS[usize::from(byte)]);
    }
}

fn read_hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn payload(length: usize) -> StampedPayload {
        StampedPayload::new(&Load::new(SocketAddr::from(([127, 0, 0, 1], 80))).length(length))
    }

    #[test]
    fn a_stamp_is_read_back_from_any_payload_that_is_long_enough() {
        for stamp in [Stamp { number: 0, due: 0 }, Stamp { number: u64::MAX, due: 0x0123_4567 }] {
            for length in [32, 33, 1000] {
                let mut payload = payload(length);
                let bytes = payload.stamp(stamp).to_vec();
                assert_eq!(bytes.len(), length);
                assert_eq!(payload.read(&bytes), Ok(stamp));
                assert_eq!(payload.check(stamp, &bytes), Ok(()));
            }
        }
    }

    #[test]
    fn a_wrong_byte_is_found_in_the_stamp_and_in_the_filler() {
        let mut payload = payload(40);
        let stamp = Stamp { number: 1, due: 2 };
        let mut bytes = payload.stamp(stamp).to_vec();
        bytes[35] ^= 1;
        assert_eq!(payload.check(stamp, &bytes), Err(35));
        assert_eq!(payload.read(&bytes), Err(35));
        bytes[3] = b'x';
        bytes[35] ^= 1;
        assert_eq!(payload.check(stamp, &bytes), Err(3));
        assert_eq!(payload.read(&bytes), Err(0));
        assert_eq!(payload.read(&bytes[..31]), Err(31));
    }
}
