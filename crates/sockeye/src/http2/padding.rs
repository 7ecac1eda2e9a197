//! Padding of short writes, for peers that limit short DATA frames.

use sockeye_proto::Role;
use sockeye_proto::frame::{Frame, MAX_CONTROL_LENGTH, OpCode};

use crate::random;
use crate::transport::{AnsweredPings, MIN_NUMBERED};

/// The minimum length of DATA frames that cost the peer nothing, in bytes.
///
/// h2, on which most servers in Rust are based, charges the difference between a shorter DATA frame
/// and this length to a budget of the connection until the program has read the frame, and ends the
/// connection with GOAWAY (`too_many_data_frames`) when the budget is spent (since h2 0.4.16:
/// `DEFAULT_DATA_FRAME_OVERHEAD_THRESHOLD`; the budget is half of the connection's window, at least
/// 25,600). A WebSocket whose peer does not read would end all others of the connection.
const LONG_ENOUGH: usize = 256;

/// Maximum number of shorter DATA frames that may be unread: with the 200 streams and the window of
/// 1 MiB that hyper's servers have by default, all streams together stay within the budget.
const MAX_SHORT: u32 = 8;

/// The decision which writes of a stream are padded, and how.
///
/// ```text
///              a short write                      a short write, the ninth
///  Short(n) ────────────────► Short(n + 1)  Short(8) ─────────────────────► Waiting
///     ▲                       n < 8                  behind a long ping        │
///     └────────────────────────────── the pong ◄───────────────────────────────┤
///                                                                              │  a short write
///                                                                              └─► behind a long pong
/// ```
///
/// A pong proves that the peer has read everything before the ping. No write waits for the pong:
/// until then, each short write is preceded by an unsolicited pong (RFC 6455 section 5.5.3) that
/// makes the write long enough. So a peer that does not read receives no short frames, and the flow
/// control of HTTP/2 blocks the sender as it should.
#[derive(Debug)]
pub(crate) struct Padding {
    role: Role,
    /// The number of short writes since the last ping was sent.
    short: u32,
    /// The number of the last ping that was sent.
    pinged: u64,
    answered: AnsweredPings,
    /// `true` if the data written so far ends at the boundary of a WebSocket frame.
    at_boundary: bool,
}

impl Padding {
    /// Creates the padding of a stream on which nothing was sent.
    pub(crate) fn new(role: Role) -> Self {
        Self { role, short: 0, pinged: 0, answered: AnsweredPings::default(), at_boundary: true }
    }

    /// Returns the handle through which the receiving driver reports pongs.
    pub(crate) fn answered_pings(&self) -> AnsweredPings {
        self.answered.clone()
    }

    /// Returns the control frames that precede a write of `length` bytes, which must be all that
    /// the driver has to write. The caller reports the write afterwards, with
    /// [`Padding::on_written`].
    pub(crate) fn before(&mut self, length: usize) -> Option<Vec<u8>> {
        // The end of a frame follows a long beginning, which returns more to the peer's budget than
        // the end takes.
        if length >= LONG_ENOUGH || !self.at_boundary {
            return None;
        }
        let waiting = self.answered.last() < self.pinged;
        if !waiting && self.short < MAX_SHORT {
            self.short += 1;
            return None;
        }
        if !waiting {
            self.short = 0;
            self.pinged += 1;
        }
        let mut opcode = if waiting { OpCode::Pong } else { OpCode::Ping };
        let mut padding = Vec::with_capacity(LONG_ENOUGH + MAX_CONTROL_LENGTH);
        while padding.len() + length < LONG_ENOUGH {
            self.append(opcode, LONG_ENOUGH - length - padding.len(), &mut padding);
            opcode = OpCode::Pong;
        }
        Some(padding)
    }

    /// Handles a write of `taken` of the driver's `length` bytes.
    pub(crate) fn on_written(&mut self, taken: usize, length: usize) {
        self.at_boundary = taken == length;
    }

    /// Appends a control frame of about `length` bytes.
    fn append(&self, opcode: OpCode, length: usize, out: &mut Vec<u8>) {
        // Pongs carry the number as well: an unsolicited pong may have any payload.
        let length = length.clamp(MIN_NUMBERED, MAX_CONTROL_LENGTH);
        let payload = AnsweredPings::payload(self.pinged, length);
        let mask = (self.role == Role::Client).then(random::bytes);
        Frame::new(opcode, payload).encode(mask, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `length` bytes; returns the opcodes of the padding, and whether the write is long
    /// enough with it.
    fn write(padding: &mut Padding, length: usize) -> (Vec<OpCode>, bool) {
        let before = padding.before(length).unwrap_or_default();
        padding.on_written(length, length);
        let (mut rest, mut opcodes) = (&before[..], Vec::new());
        while !rest.is_empty() {
            let (header, size) = sockeye_proto::frame::Header::decode(rest).unwrap().unwrap();
            assert_eq!(header.mask.is_some(), padding.role == Role::Client);
            opcodes.push(header.opcode);
            rest = &rest[size + usize::try_from(header.length).unwrap()..];
        }
        (opcodes, before.len() + length >= LONG_ENOUGH)
    }

    #[test]
    fn short_writes_are_long_enough_until_the_peer_has_answered() {
        for role in [Role::Client, Role::Server] {
            for length in 1..LONG_ENOUGH {
                let mut padding = Padding::new(role);
                for _ in 0..MAX_SHORT {
                    assert_eq!(write(&mut padding, length), (vec![], false));
                }
                let (opcodes, enough) = write(&mut padding, length);
                assert!(enough && opcodes[0] == OpCode::Ping, "{length}: {opcodes:?}");
                for _ in 0..100 {
                    let (opcodes, enough) = write(&mut padding, length);
                    assert!(enough, "{length}");
                    assert!(opcodes.iter().all(|&opcode| opcode == OpCode::Pong), "{opcodes:?}");
                }
            }
        }
    }

    #[test]
    fn a_pong_allows_as_many_short_writes_again() {
        let mut padding = Padding::new(Role::Server);
        let answered = padding.answered_pings();
        for number in 1_u64..5 {
            for _ in 0..MAX_SHORT {
                assert_eq!(write(&mut padding, 20), (vec![], false));
            }
            assert_eq!(write(&mut padding, 20).0[0], OpCode::Ping);
            // Pongs from other sources, and pongs to earlier pings, must have no effect.
            answered.handle_pong(b"");
            answered.handle_pong(&[0xff; 125]);
            answered.handle_pong(&(number - 1).to_be_bytes());
            assert_eq!(write(&mut padding, 20).0[0], OpCode::Pong);
            answered.handle_pong(&AnsweredPings::payload(number, 125));
        }
    }

    #[test]
    fn nothing_comes_between_the_parts_of_a_frame() {
        let mut padding = Padding::new(Role::Server);
        for _ in 0..MAX_SHORT {
            write(&mut padding, 1);
        }
        assert_eq!(padding.before(10_000), None);
        padding.on_written(9_900, 10_000);
        assert_eq!(padding.before(100), None);
        padding.on_written(40, 100);
        assert_eq!(padding.before(60), None);
        padding.on_written(60, 60);
        assert!(padding.before(60).is_some());
    }
}
