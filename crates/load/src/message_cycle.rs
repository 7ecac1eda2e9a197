//! The bytes of a run, prepared beforehand: a short cycle of messages that every connection
//! repeats.
//!
//! All messages of a run have the same length. The echo of an uncompressed message is known to the
//! byte, so the client checks the whole reply stream by comparing slices; it inflates compressed
//! echoes first.

use crate::deflate::{DeflateMode, Deflater};
use crate::frame;
use crate::load::{Load, WireProtocol};
use crate::payload::{PayloadKind, Random};
use crate::socket_io;

/// Approximate total size of the distinct messages, in bytes, so that they stay in the second-level
/// cache of the client's core.
const CYCLE_SIZE: usize = 256 * 1024;

/// All bytes that a connection sends during its lifetime, and the replies that it expects.
///
/// ```text
/// requests   preamble │ cycle, repeated indefinitely │ copy of the cycle's first requests
///            └ only with context takeover
/// ```
#[derive(Debug)]
pub(crate) struct MessageCycle {
    requests: Vec<u8>,
    /// Offset of each request, including those of the preamble, and of the end of the cycle's last
    /// request.
    offsets: Vec<usize>,
    /// Number of requests that are sent only once, before the cycle.
    preamble: usize,
    /// Number of messages in the cycle, all distinct.
    distinct: usize,
    /// The expected reply frames, concatenated; empty if they are compressed.
    replies: Vec<u8>,
    /// The messages without frames, concatenated, if they are compressed.
    messages: Vec<u8>,
    length: usize,
}

impl MessageCycle {
    /// Prepares the messages of `load`, so that one write holds up to `in_flight` of them.
    pub(crate) fn prepare(load: &Load, in_flight: usize) -> Self {
        match load.deflate {
            None => Self::new(load.protocol, load.payload, load.length, in_flight),
            Some(mode) => Self::compressed(mode, load.payload, load.length, in_flight),
        }
    }

    /// Prepares messages of `length` bytes for connections with up to `in_flight` messages in
    /// flight.
    ///
    /// # Panics
    ///
    /// If `in_flight` is 0.
    pub(crate) fn new(
        protocol: WireProtocol,
        kind: PayloadKind,
        length: usize,
        in_flight: usize,
    ) -> Self {
        let mut cycle = Self::empty(length, in_flight);
        let mut random = Random::new(length as u64);
        for _ in 0..cycle.distinct {
            let payload = random.payload(kind, length);
            let message = match protocol {
                WireProtocol::WebSocket | WireProtocol::Raw => payload,
                WireProtocol::SocketIo => socket_io::event(&payload),
            };
            let start = cycle.requests.len();
            cycle.push_request(kind.op_code(), &message, random.next());
            match protocol {
                WireProtocol::WebSocket | WireProtocol::SocketIo => {
                    frame::append_reply(&mut cycle.replies, kind.op_code(), &message);
                }
                WireProtocol::Raw => cycle.replies.extend_from_slice(&cycle.requests[start..]),
            }
        }
        cycle.append_wraparound(in_flight);
        cycle
    }

    /// Prepares a cycle as [`MessageCycle::new`] does, with every message compressed.
    ///
    /// With context takeover, the cycle is compressed twice in a row. The first pass, the preamble,
    /// begins with an empty window and is sent once. The second pass may refer to the data before
    /// it; because the same data precedes each later turn of the cycle, the second pass can be
    /// repeated indefinitely.
    ///
    /// # Panics
    ///
    /// If `in_flight` is 0.
    pub(crate) fn compressed(
        mode: DeflateMode,
        kind: PayloadKind,
        length: usize,
        in_flight: usize,
    ) -> Self {
        let mut cycle = Self::empty(length, in_flight);
        let mut random = Random::new(length as u64);
        for _ in 0..cycle.distinct {
            cycle.messages.extend(random.payload(kind, length));
        }
        let mut deflater = Deflater::new(mode);
        let passes = match mode {
            DeflateMode::Takeover => 2,
            DeflateMode::NoTakeover => 1,
        };
        cycle.preamble = (passes - 1) * cycle.distinct;
        for message in 0..(passes * cycle.distinct) as u64 {
            let compressed = deflater.compress(cycle.message(message));
            let first = frame::COMPRESSED | kind.op_code();
            cycle.push_request(first, &compressed, random.next());
        }
        cycle.append_wraparound(in_flight);
        cycle
    }

    fn empty(length: usize, in_flight: usize) -> Self {
        assert!(in_flight > 0, "a connection needs a message in flight");
        Self {
            requests: Vec::new(),
            offsets: vec![0],
            preamble: 0,
            distinct: (CYCLE_SIZE / length.max(1)).clamp(2, 256),
            replies: Vec::new(),
            messages: Vec::new(),
            length,
        }
    }

    fn push_request(&mut self, first: u8, payload: &[u8], random: u64) {
        frame::append_request(&mut self.requests, first, payload, random);
        self.offsets.push(self.requests.len());
    }

    /// Appends the cycle's first requests again, so that a window that wraps around is still one
    /// slice.
    fn append_wraparound(&mut self, in_flight: usize) {
        for message in 0..in_flight {
            let place = self.preamble + message % self.distinct;
            self.requests.extend_from_within(self.offsets[place]..self.offsets[place + 1]);
        }
    }

    /// Returns the byte position in the endless request stream at which message `message` begins.
    pub(crate) fn position(&self, message: u64) -> u64 {
        let preamble = self.preamble as u64;
        let Some(later) = message.checked_sub(preamble) else {
            return self.offsets[wrap(message, self.preamble)] as u64;
        };
        let turns = later / self.distinct as u64;
        let place = self.preamble + wrap(later, self.distinct);
        turns * self.cycle_size() + self.offsets[place] as u64
    }

    /// Returns the number of messages that end at or before byte `position` of the request stream.
    pub(crate) fn messages_before(&self, position: u64) -> u64 {
        let (turns, start) = self.locate(position);
        let before = self.offsets.partition_point(|&begin| begin <= start) - 1;
        turns * self.distinct as u64 + before as u64
    }

    /// Returns up to `size` bytes of the request stream from byte `position` on: all of them, if
    /// they span no more messages than `in_flight`.
    pub(crate) fn requests(&self, position: u64, size: u64) -> &[u8] {
        let (_, start) = self.locate(position);
        let rest = &self.requests[start..];
        &rest[..usize::try_from(size).unwrap_or(usize::MAX).min(rest.len())]
    }

    /// Returns the number of complete turns of the cycle before `position`, and the corresponding
    /// offset in `requests`.
    fn locate(&self, position: u64) -> (u64, usize) {
        let end = self.offsets[self.preamble + self.distinct];
        match usize::try_from(position) {
            Ok(position) if position < end => (0, position),
            _ => {
                let first = self.offsets[self.preamble];
                let later = position - first as u64;
                (later / self.cycle_size(), first + wrap(later, end - first))
            }
        }
    }

    fn cycle_size(&self) -> u64 {
        (self.offsets[self.preamble + self.distinct] - self.offsets[self.preamble]) as u64
    }

    /// Returns the size of one reply in bytes, including its header; 0 for compressed replies,
    /// whose sizes differ.
    pub(crate) fn reply_size(&self) -> usize {
        self.replies.len() / self.distinct
    }

    /// Returns message `message` of a compressed cycle, without its frame.
    pub(crate) fn message(&self, message: u64) -> &[u8] {
        let start = wrap(message, self.distinct) * self.length;
        &self.messages[start..start + self.length]
    }

    /// Compares received bytes with the reply stream from byte `position` on.
    ///
    /// # Errors
    ///
    /// The index in `received` of the first byte that differs.
    pub(crate) fn check(&self, position: u64, mut received: &[u8]) -> Result<(), usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_accepted_at_any_split_and_across_the_wrap() {
        let cycle = MessageCycle::new(WireProtocol::WebSocket, PayloadKind::Ascii, 20_000, 1);
        let mut stream = cycle.replies.repeat(2);
        for (split, position) in [(0, 0_u64), (1, 1), (19_999, 19_999), (300_000, 300_000)] {
            assert_eq!(cycle.check(position, &stream[split..]), Ok(()));
        }
        stream[70_000] ^= 1;
        assert_eq!(cycle.check(5, &stream[5..]), Err(69_995));
    }

    #[test]
    fn a_message_of_socket_io_is_an_event_in_a_text_frame() {
        let cycle = MessageCycle::new(WireProtocol::SocketIo, PayloadKind::Ascii, 20, 1);
        let message = Random::new(20).payload(PayloadKind::Ascii, 20);
        let reply = &cycle.replies[..cycle.reply_size()];
        assert_eq!(reply[..10], *b"\x81\x1e42[\"m\",\"");
        assert_eq!(reply[10..30], message);
        assert_eq!(reply[30..], *b"\"]");
    }

    #[test]
    fn a_window_of_requests_is_one_slice_wherever_it_begins() {
        let cycle = MessageCycle::new(WireProtocol::Raw, PayloadKind::Binary, 100_000, 16);
        let size = cycle.position(1);
        let window = cycle.requests(size, 16 * size);
        let size = usize::try_from(size).unwrap();
        assert_eq!(window.len(), 16 * size);
        assert_eq!(window[..size], window[2 * size..3 * size]);
        assert_ne!(window[..size], window[size..2 * size]);
    }

    #[test]
    fn positions_and_messages_agree_in_the_preamble_and_in_later_turns() {
        for mode in [DeflateMode::Takeover, DeflateMode::NoTakeover] {
            let cycle = MessageCycle::compressed(mode, PayloadKind::Json, 1024, 2);
            for message in [0, 1, 255, 256, 257, 511, 512, 513, 767, 768, 5000] {
                let position = cycle.position(message);
                assert_eq!(cycle.messages_before(position), message);
                assert_eq!(cycle.messages_before(cycle.position(message + 1) - 1), message);
                let size = cycle.position(message + 2) - position;
                assert_eq!(cycle.requests(position, size).len() as u64, size);
            }
        }
    }

    #[test]
    fn the_second_turn_repeats_the_cycle_and_not_the_preamble() {
        let cycle = MessageCycle::compressed(DeflateMode::Takeover, PayloadKind::Json, 1024, 1);
        let distinct = cycle.distinct as u64;
        let request = |message| {
            let position = cycle.position(message);
            cycle.requests(position, cycle.position(message + 1) - position)
        };
        assert_eq!(request(distinct), request(2 * distinct));
        assert_ne!(request(0).len(), request(distinct).len());
    }
}
