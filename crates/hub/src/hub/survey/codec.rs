use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes};

use super::RoomQuery;
use crate::core::{RoomName, UserId};
use crate::hub::command::{put_bytes, take_text};
use crate::token::Revocation;

/// A message of a survey: the number of the question, and the question or an answer.
///
/// Encoded as the kind of message and content, the number, and the fields. Integers are big-endian;
/// texts follow their length in four bytes, and may be empty for none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SurveyMessage {
    Question(u64, Question),
    Answer(u64, Answer),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Question {
    Node,
    Rooms(RoomQuery),
    Revoke(Revocation),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Node {
        sessions: u64,
        users: u64,
        rooms: u64,
        memberships: u64,
        /// In milliseconds.
        uptime: u64,
    },
    Rooms {
        /// The rooms with their numbers of sessions.
        rooms: Vec<(RoomName, u64)>,
        /// `true` if the limit has cut the list.
        more: bool,
    },
    /// `true` if the node has entered the revocation.
    Revoked(bool),
}

impl SurveyMessage {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Question(id, Question::Node) => {
                out.put_u8(0);
                out.put_u64(*id);
            }
            Self::Question(id, Question::Rooms(query)) => {
                out.put_u8(1);
                out.put_u64(*id);
                put_bytes(&mut out, query.pattern.as_deref().unwrap_or_default().as_bytes());
                let after = query.after.as_ref().map_or("", RoomName::as_str);
                put_bytes(&mut out, after.as_bytes());
                out.put_u64(query.limit as u64);
            }
            Self::Question(id, Question::Revoke(Revocation::Token { id: token, until })) => {
                out.put_u8(4);
                out.put_u64(*id);
                put_bytes(&mut out, token.as_bytes());
                put_time(&mut out, *until);
            }
            Self::Question(
                id,
                Question::Revoke(Revocation::User { user, issued_before, until }),
            ) => {
                out.put_u8(5);
                out.put_u64(*id);
                put_bytes(&mut out, user.as_str().as_bytes());
                put_time(&mut out, *issued_before);
                put_time(&mut out, *until);
            }
            Self::Answer(id, Answer::Revoked(entered)) => {
                out.put_u8(6);
                out.put_u64(*id);
                out.put_u8(u8::from(*entered));
            }
            Self::Answer(id, Answer::Node { sessions, users, rooms, memberships, uptime }) => {
                out.put_u8(2);
                for number in [id, sessions, users, rooms, memberships, uptime] {
                    out.put_u64(*number);
                }
            }
            Self::Answer(id, Answer::Rooms { rooms, more }) => {
                out.put_u8(3);
                out.put_u64(*id);
                out.put_u8(u8::from(*more));
                for (room, sessions) in rooms {
                    put_bytes(&mut out, room.as_str().as_bytes());
                    out.put_u64(*sessions);
                }
            }
        }
        out.into()
    }

    /// Decodes a message of another node; `None` if it is not understood.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let kind = bytes.try_get_u8().ok()?;
        let id = bytes.try_get_u64().ok()?;
        let mut number = || bytes.try_get_u64().ok();
        let message = match kind {
            0 => Self::Question(id, Question::Node),
            1 => {
                let (pattern, after) = (take_text(&mut bytes)?, take_text(&mut bytes)?);
                let mut query = RoomQuery::new();
                query = query.limit(usize::try_from(bytes.try_get_u64().ok()?).ok()?);
                if !pattern.is_empty() {
                    query = query.pattern(&pattern);
                }
                if !after.is_empty() {
                    query = query.after(RoomName::new(&after).ok()?);
                }
                Self::Question(id, Question::Rooms(query))
            }
            2 => {
                let (sessions, users) = (number()?, number()?);
                let (rooms, memberships, uptime) = (number()?, number()?, number()?);
                Self::Answer(id, Answer::Node { sessions, users, rooms, memberships, uptime })
            }
            3 => {
                let more = bytes.try_get_u8().ok()? == 1;
                let mut rooms = Vec::new();
                while !bytes.is_empty() {
                    let room = RoomName::new(&take_text(&mut bytes)?).ok()?;
                    rooms.push((room, bytes.try_get_u64().ok()?));
                }
                Self::Answer(id, Answer::Rooms { rooms, more })
            }
            4 => {
                let token = take_text(&mut bytes)?;
                let until = take_time(&mut bytes)?;
                Self::Question(id, Question::Revoke(Revocation::Token { id: token, until }))
            }
            5 => {
                let user = UserId::new(&take_text(&mut bytes)?);
                let (issued_before, until) = (take_time(&mut bytes)?, take_time(&mut bytes)?);
                let revocation = Revocation::User { user, issued_before, until };
                Self::Question(id, Question::Revoke(revocation))
            }
            6 => Self::Answer(id, Answer::Revoked(bytes.try_get_u8().ok()? == 1)),
            _ => return None,
        };
        bytes.is_empty().then_some(message)
    }
}

/// Puts a time in milliseconds since 1970, rounded up: tokens are revoked a little longer.
fn put_time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    out.put_u64(u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
}

fn take_time(bytes: &mut Bytes) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(bytes.try_get_u64().ok()?))
}
