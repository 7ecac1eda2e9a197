//! The bytes of a run, prepared before it: a short cycle of messages that every connection repeats.
//!
//! All messages of a run have one length, so message `i` begins at a multiple of the frame's size and
//! the whole reply stream can be checked by comparing slices. The header encoding here is on purpose
//! not Sockeye's: a mistake there must not be cancelled out by the same mistake in the driver.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Distinct messages are prepared up to about this many bytes, so that they stay in the driver's
/// second-level cache.
const CYCLE_SIZE: usize = 256 * 1024;

/// Whether the two ends speak WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Wire {
    /// Opening handshake, masked frames out, unmasked frames back.
    WebSocket,
    /// No handshake; the same masked frames out, the very same bytes back.
    Raw,
}

/// What the messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Payload {
    /// Binary messages of pseudo-random bytes.
    Binary,
    /// Text messages of ASCII letters and digits.
    Ascii,
    /// Text messages that mix UTF-8 sequences of one to four bytes.
    Utf8,
}

/// Every byte that a connection sends and expects, for as long as it lives.
#[derive(Debug)]
pub struct Cycle {
    requests: Vec<u8>,
    replies: Vec<u8>,
    distinct: usize,
    request_size: usize,
    reply_size: usize,
}

impl Cycle {
    /// Prepares messages of `length` bytes for connections with up to `in_flight` messages on their
    /// way.
    ///
    /// # Panics
    ///
    /// If `in_flight` is 0.
    pub fn new(wire: Wire, payload: Payload, length: usize, in_flight: usize) -> Self {
        assert!(in_flight > 0, "a connection needs a message in flight");
        let distinct = (CYCLE_SIZE / length.max(1)).clamp(2, 256);
        let mut random = Random::new(length as u64);
        let mut requests = Vec::new();
        let mut replies = Vec::new();
        for _ in 0..distinct {
            let message = random.payload(payload, length);
            let start = requests.len();
            append_request(&mut requests, payload, &message, random.next().to_le_bytes());
            match wire {
                Wire::WebSocket => append_reply(&mut replies, payload, &message),
                Wire::Raw => replies.extend_from_slice(&requests[start..]),
            }
        }
        let request_size = requests.len() / distinct;
        let reply_size = replies.len() / distinct;
        // A window of messages that wraps around is still one slice.
        for start in 0..in_flight {
            let start = start % distinct * request_size;
            requests.extend_from_within(start..start + request_size);
        }
        Self { requests, replies, distinct, request_size, reply_size }
    }

    /// The bytes of one request, header included.
    pub fn request_size(&self) -> usize {
        self.request_size
    }

    /// The bytes of one reply, header included.
    pub fn reply_size(&self) -> usize {
        self.reply_size
    }

    /// `size` bytes of the request stream from byte `position` on; at most `in_flight` messages.
    pub fn requests(&self, position: u64, size: usize) -> &[u8] {
        let start = wrap(position, self.distinct * self.request_size);
        &self.requests[start..start + size]
    }

    /// Compares bytes received with the reply stream from byte `position` on, and names the first
    /// byte that differs by its place in `received`.
    ///
    /// # Errors
    ///
    /// That place.
    pub fn check(&self, position: u64, mut received: &[u8]) -> Result<(), usize> {
        let mut start = wrap(position, self.replies.len());
        let mut checked = 0;
        while !received.is_empty() {
            let expected = &self.replies[start..];
            let size = expected.len().min(received.len());
            if received[..size] != expected[..size] {
                let same = received.iter().zip(expected).take_while(|(a, b)| a == b).count();
                return Err(checked + same);
            }
            received = &received[size..];
            checked += size;
            start = 0;
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below `size`")]
fn wrap(position: u64, size: usize) -> usize {
    (position % size as u64) as usize
}

fn append_request(out: &mut Vec<u8>, payload: Payload, message: &[u8], mask: [u8; 8]) {
    append_header(out, payload, message.len(), 0x80);
    let key = [mask[0], mask[1], mask[2], mask[3]];
    out.extend_from_slice(&key);
    out.extend(message.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

fn append_reply(out: &mut Vec<u8>, payload: Payload, message: &[u8]) {
    append_header(out, payload, message.len(), 0);
    out.extend_from_slice(message);
}

/// In place of a length: it follows as 16 or 64 bits.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// One final frame's header in the shortest form (RFC 6455 section 5.2), without the mask key.
fn append_header(out: &mut Vec<u8>, payload: Payload, length: usize, mask_bit: u8) {
    let op_code = if payload == Payload::Binary { 0x2 } else { 0x1 };
    out.push(0x80 | op_code);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..LENGTH_16), _) => out.push(mask_bit | length),
        (_, Ok(length)) => {
            out.push(mask_bit | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(mask_bit | LENGTH_64);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// An xorshift generator: the same bytes in every run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[wrap(self.next() >> 16, choices.len())]
    }

    fn payload(&mut self, payload: Payload, length: usize) -> Vec<u8> {
        const ASCII: [&str; 8] = ["0", "7", "a", "k", "q", "E", "R", " "];
        const MIXED: [&str; 8] = ["a", "7", "é", "ß", "鮭", "海", "🐟", "🌊"];
        let mut bytes = Vec::with_capacity(length + 4);
        while bytes.len() < length {
            let rest = length - bytes.len();
            match payload {
                Payload::Binary => bytes.extend_from_slice(&self.next().to_le_bytes()),
                Payload::Utf8 if rest >= 4 => bytes.extend_from_slice(self.pick(&MIXED).as_bytes()),
                Payload::Ascii | Payload::Utf8 => {
                    bytes.extend_from_slice(self.pick(&ASCII).as_bytes());
                }
            }
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_take_the_shortest_form_at_each_edge() {
        for (length, header) in [
            (0, &[0x82, 0x80][..]),
            (125, &[0x82, 0xfd]),
            (126, &[0x82, 0xfe, 0, 126]),
            (65_535, &[0x82, 0xfe, 0xff, 0xff]),
            (65_536, &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let cycle = Cycle::new(Wire::WebSocket, Payload::Binary, length, 1);
            assert_eq!(cycle.requests(0, header.len()), header);
            assert_eq!(cycle.request_size(), header.len() + 4 + length);
            assert_eq!(cycle.reply_size(), header.len() + length);
        }
    }

    #[test]
    fn a_reply_is_accepted_at_any_split_and_across_the_wrap() {
        let cycle = Cycle::new(Wire::WebSocket, Payload::Ascii, 20_000, 1);
        let mut stream = cycle.replies.repeat(2);
        for (split, position) in [(0, 0_u64), (1, 1), (19_999, 19_999), (300_000, 300_000)] {
            assert_eq!(cycle.check(position, &stream[split..]), Ok(()));
        }
        stream[70_000] ^= 1;
        assert_eq!(cycle.check(5, &stream[5..]), Err(69_995));
    }

    #[test]
    fn text_payloads_are_valid_utf8_of_the_exact_length() {
        for length in 0..300 {
            for payload in [Payload::Ascii, Payload::Utf8] {
                let message = Random::new(7).payload(payload, length);
                assert_eq!(message.len(), length);
                assert!(std::str::from_utf8(&message).is_ok());
            }
        }
    }

    #[test]
    fn a_window_of_requests_is_one_slice_wherever_it_begins() {
        let cycle = Cycle::new(Wire::Raw, Payload::Binary, 100_000, 16);
        let size = cycle.request_size();
        let window = cycle.requests(size as u64, 16 * size);
        assert_eq!(window[..size], window[2 * size..3 * size]);
        assert_ne!(window[..size], window[size..2 * size]);
    }
}
