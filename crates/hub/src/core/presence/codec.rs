//! The bytes of messages between nodes. Numbers are little-endian, or in base 128 with the lowest
//! digits first where they are small in general; texts and infos follow their length.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Change, Incarnation, PresenceBody, PresenceMessage, Profile, RequestId, SHARDS, Section,
    ShardSet, ShardSummary,
};
use crate::core::{NodeId, RoomName, UserId};

/// The first byte of each message. A change of the format takes the next number.
const VERSION: u8 = 0x01;

const HEARTBEAT: u8 = 0x00;
const DELTA: u8 = 0x01;
const REQUEST: u8 = 0x02;
const SNAPSHOT: u8 = 0x03;
const SHUTDOWN: u8 = 0x04;

impl PresenceMessage {
    /// Encodes the message. Heartbeats have 700 to 1,200 bytes; deltas and snapshots at most 32 KiB
    /// beyond their last member.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer(BytesMut::with_capacity(64));
        out.byte(VERSION);
        out.byte(match self.body {
            PresenceBody::Heartbeat { .. } => HEARTBEAT,
            PresenceBody::Delta { .. } => DELTA,
            PresenceBody::Request { .. } => REQUEST,
            PresenceBody::Snapshot { .. } => SNAPSHOT,
            PresenceBody::Shutdown => SHUTDOWN,
        });
        out.fixed(self.node.0);
        out.number(self.incarnation.0);
        match &self.body {
            PresenceBody::Heartbeat { beat, shards } => {
                out.number(*beat);
                for shard in shards.iter() {
                    out.number(shard.number);
                    out.fixed(shard.hash);
                }
            }
            PresenceBody::Delta { changes } => {
                out.count(changes.len());
                for change in changes {
                    out.number(change.number);
                    out.bytes(change.room.as_str().as_bytes());
                    out.number(change.session);
                    match &change.profile {
                        Some(profile) => out.profile(profile),
                        None => out.byte(LEFT),
                    }
                }
            }
            PresenceBody::Request { to, id, shards } => {
                out.request(*to, *id);
                out.fixed(shards.0);
            }
            PresenceBody::Snapshot { to, id, sections } => {
                out.request(*to, *id);
                out.count(sections.len());
                for section in sections {
                    out.byte(section.shard);
                    out.number(section.number);
                    out.number(section.part.into());
                    out.byte(section.last.into());
                    out.count(section.members.len());
                    for (room, session, profile) in &section.members {
                        out.bytes(room.as_str().as_bytes());
                        out.number(*session);
                        out.profile(profile);
                    }
                }
            }
            PresenceBody::Shutdown => {}
        }
        out.0.freeze()
    }

    /// Decodes a message. Infos are copied: one that shared the memory of its message would keep
    /// all of it.
    ///
    /// # Errors
    /// If the bytes are no message of this version. They come from other nodes, but nothing is
    /// taken for granted: any bytes may be given.
    pub fn decode(bytes: &[u8]) -> Result<Self, PresenceDecodeError> {
        let mut input = Reader(bytes);
        let version = input.byte()?;
        if version != VERSION {
            return Err(PresenceDecodeError::Version { version });
        }
        let kind = input.byte()?;
        let node = NodeId(input.fixed()?);
        let incarnation = Incarnation(input.number()?);
        let body = match kind {
            HEARTBEAT => {
                let beat = input.number()?;
                let mut shards = Box::new([ShardSummary::default(); SHARDS]);
                for shard in shards.iter_mut() {
                    *shard = ShardSummary { number: input.number()?, hash: input.fixed()? };
                }
                PresenceBody::Heartbeat { beat, shards }
            }
            DELTA => PresenceBody::Delta { changes: input.list(Reader::change)? },
            REQUEST => {
                let (to, id) = input.request()?;
                PresenceBody::Request { to, id, shards: ShardSet(input.fixed()?) }
            }
            SNAPSHOT => {
                let (to, id) = input.request()?;
                PresenceBody::Snapshot { to, id, sections: input.list(Reader::section)? }
            }
            SHUTDOWN => PresenceBody::Shutdown,
            _ => return Err(PresenceDecodeError::Malformed),
        };
        if !input.0.is_empty() {
            return Err(PresenceDecodeError::Malformed);
        }
        Ok(Self { node, incarnation, body })
    }
}

/// Bytes are no message between presences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceDecodeError {
    /// The message is of another version of the format.
    Version {
        /// The version.
        version: u8,
    },
    /// The message is cut short, too long, or contains an invalid value.
    Malformed,
}

impl fmt::Display for PresenceDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { version } => {
                write!(f, "a presence message has version {version} instead of {VERSION}")
            }
            Self::Malformed => f.write_str("malformed presence message"),
        }
    }
}

impl Error for PresenceDecodeError {}

/// The byte before the info of a profile, or in place of a profile.
const LEFT: u8 = 0x00;
const WITHOUT_USER: u8 = 0x01;
const WITH_USER: u8 = 0x02;

struct Writer(BytesMut);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.put_u8(byte);
    }

    fn fixed(&mut self, number: u64) {
        self.0.put_u64_le(number);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.byte(number.to_le_bytes()[0]);
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.put_slice(bytes);
    }

    fn profile(&mut self, profile: &Profile) {
        match &profile.user {
            Some(user) => {
                self.byte(WITH_USER);
                self.bytes(user.as_str().as_bytes());
            }
            None => self.byte(WITHOUT_USER),
        }
        self.bytes(&profile.info);
    }

    fn request(&mut self, to: NodeId, id: RequestId) {
        self.fixed(to.0);
        self.number(id.incarnation.0);
        self.number(id.number);
    }
}

struct Reader<'a>(&'a [u8]);

type Decoded<T> = Result<T, PresenceDecodeError>;

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Decoded<&'a [u8]> {
        let length = usize::try_from(length).ok();
        let parts = length.and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = parts.ok_or(PresenceDecodeError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Decoded<u8> {
        Ok(self.take(1)?[0])
    }

    fn fixed(&mut self) -> Decoded<u64> {
        let bytes = self.take(8)?;
        let bytes = bytes.try_into().map_err(|_| PresenceDecodeError::Malformed)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn number(&mut self) -> Decoded<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let digits = u64::from(byte & 0x7f);
            if digits << shift >> shift != digits {
                break;
            }
            number |= digits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(PresenceDecodeError::Malformed)
    }

    fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    fn text<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Decoded<T> {
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(parse).ok_or(PresenceDecodeError::Malformed)
    }

    /// Reads items after their count. Memory is taken only for items that are there.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Decoded<T>) -> Decoded<Vec<T>> {
        let count = self.number()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn room(&mut self) -> Decoded<RoomName> {
        self.text(|name| RoomName::new(name).ok())
    }

    fn profile(&mut self) -> Decoded<Option<Profile>> {
        let user = match self.byte()? {
            LEFT => return Ok(None),
            WITHOUT_USER => None,
            WITH_USER => Some(self.text(|user| Some(UserId::new(user)))?),
            _ => return Err(PresenceDecodeError::Malformed),
        };
        Ok(Some(Profile { user, info: Bytes::copy_from_slice(self.bytes()?) }))
    }

    fn change(&mut self) -> Decoded<Change> {
        let number = self.number()?;
        let room = self.room()?;
        let session = self.number()?;
        Ok(Change { number, room, session, profile: self.profile()? })
    }

    fn request(&mut self) -> Decoded<(NodeId, RequestId)> {
        let to = NodeId(self.fixed()?);
        let id = RequestId { incarnation: Incarnation(self.number()?), number: self.number()? };
        Ok((to, id))
    }

    fn section(&mut self) -> Decoded<Section> {
        let malformed = PresenceDecodeError::Malformed;
        let shard = self.byte()?;
        if usize::from(shard) >= SHARDS {
            return Err(malformed);
        }
        let number = self.number()?;
        let part = u32::try_from(self.number()?).map_err(|_| malformed)?;
        let last = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(malformed),
        };
        let members = self.list(|input| {
            let (room, session) = (input.room()?, input.number()?);
            Ok((room, session, input.profile()?.ok_or(malformed)?))
        })?;
        Ok(Section { shard, number, part, last, members })
    }
}
