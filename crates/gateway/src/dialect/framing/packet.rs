use std::error::Error;
use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The length of type, length and `who`, in bytes.
const HEADER_LENGTH: usize = 12;

/// A packet with a type and an author.
///
/// ```text
///  0       4       8       12              12 + length
///  ┌───────┬───────┬───────┬──────── ─ ─ ──┐
///  │ type  │length │  who  │ content       │    integers are unsigned and big-endian
///  └───────┴───────┴───────┴──────── ─ ─ ──┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The type, which stands for a method.
    pub kind: u32,
    /// The author, or the call; its meaning is the application's.
    pub who: u32,
    /// The content.
    pub content: Bytes,
}

/// The packets of a binary message: one or several. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Packets {
    message: Bytes,
    max_length: u32,
}

/// The reason why a message does not consist of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// The message ends within a packet.
    Unfinished,
    /// The content is too long.
    TooLong {
        /// The length, in bytes.
        length: u32,
        /// The limit, in bytes.
        limit: u32,
    },
}

impl Packet {
    /// Appends the packet to `out`.
    ///
    /// # Errors
    /// [`PacketError::TooLong`] if the content is longer than 32 bits tell.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), PacketError> {
        let length = u32::try_from(self.content.len());
        let length =
            length.map_err(|_| PacketError::TooLong { length: u32::MAX, limit: u32::MAX })?;
        out.reserve(HEADER_LENGTH + self.content.len());
        out.put_u32(self.kind);
        out.put_u32(length);
        out.put_u32(self.who);
        out.put_slice(&self.content);
        Ok(())
    }
}

impl Packets {
    /// Creates the packets of a message, each with at most `max_length` bytes of content. Contents
    /// share the message's bytes.
    pub fn new(message: Bytes, max_length: u32) -> Self {
        Self { message, max_length }
    }

    fn packet(&mut self) -> Result<Packet, PacketError> {
        if self.message.len() < HEADER_LENGTH {
            return Err(PacketError::Unfinished);
        }
        let (kind, length) = (self.message.get_u32(), self.message.get_u32());
        let who = self.message.get_u32();
        if length > self.max_length {
            return Err(PacketError::TooLong { length, limit: self.max_length });
        }
        let length = length as usize;
        if self.message.len() < length {
            return Err(PacketError::Unfinished);
        }
        Ok(Packet { kind, who, content: self.message.split_to(length) })
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.message.is_empty() {
            return None;
        }
        let packet = self.packet();
        if packet.is_err() {
            self.message.clear();
        }
        Some(packet)
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("the message ends within a packet"),
            Self::TooLong { length, limit } => {
                write!(f, "the content of a packet has {length} bytes, of at most {limit}")
            }
        }
    }
}

impl Error for PacketError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets(message: &[u8]) -> Vec<Result<Packet, PacketError>> {
        Packets::new(Bytes::copy_from_slice(message), 4).collect()
    }

    #[test]
    fn a_message_has_several_packets() {
        let message = b"\0\0\0\x07\0\0\0\x02\0\0\0\x09ab\xff\xff\xff\xff\0\0\0\0\0\0\0\x01";
        let first = Packet { kind: 7, who: 9, content: Bytes::from_static(b"ab") };
        let second = Packet { kind: u32::MAX, who: 1, content: Bytes::new() };
        assert_eq!(packets(message), [Ok(first.clone()), Ok(second.clone())]);
        let mut encoded = BytesMut::new();
        first.encode(&mut encoded).unwrap();
        second.encode(&mut encoded).unwrap();
        assert_eq!(encoded, message[..]);
        assert_eq!(packets(b""), []);
    }

    #[test]
    fn a_message_must_not_end_within_a_packet() {
        let message = b"\0\0\0\x07\0\0\0\x02\0\0\0\x09ab";
        for length in 1..message.len() {
            assert_eq!(packets(&message[..length]), [Err(PacketError::Unfinished)], "{length}");
        }
    }

    #[test]
    fn a_long_content_is_refused() {
        let message = b"\0\0\0\x07\0\0\0\x05\0\0\0\x09abcde";
        assert_eq!(packets(message), [Err(PacketError::TooLong { length: 5, limit: 4 })]);
    }

    proptest! {
        #[test]
        fn packets_survive(
            kinds in proptest::collection::vec((any::<u32>(), any::<u32>(), "[a-z]{0,4}"), 0..4)
        ) {
            let mut encoded = BytesMut::new();
            let expected: Vec<_> = kinds
                .into_iter()
                .map(|(kind, who, content)| Packet { kind, who, content: content.into() })
                .collect();
            for packet in &expected {
                packet.encode(&mut encoded).unwrap();
            }
            let found: Result<Vec<_>, _> = Packets::new(encoded.freeze(), 4).collect();
            prop_assert_eq!(found, Ok(expected));
        }

        #[test]
        fn no_message_panics(message in proptest::collection::vec(0..6_u8, 0..60)) {
            packets(&message);
        }
    }
}
