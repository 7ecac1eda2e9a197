use bytes::{Buf, BufMut, Bytes};
use sockeye::{CloseFrame, Message, Utf8Bytes};

use super::recipients::Recipients;
use crate::core::{NodeId, RoomName, SessionId, UserId};

/// The first byte of a message between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// A [`Command`] follows.
    Command = 0,
    /// A message of the presence follows.
    Presence = 1,
    /// A question to all nodes, or an answer, follows.
    Survey = 2,
}

impl Envelope {
    pub(super) fn wrap(self, content: &[u8]) -> Bytes {
        [&[self as u8], content].concat().into()
    }

    /// Returns what a message contains, and the content; `None` if it is not understood.
    pub(super) fn unwrap(message: &Bytes) -> Option<(Self, Bytes)> {
        let envelope = match message.first()? {
            0 => Self::Command,
            1 => Self::Presence,
            2 => Self::Survey,
            _ => return None,
        };
        Some((envelope, message.slice(1..)))
    }
}

/// A command to sessions, which each node carries out on its own.
///
/// Encoded as the recipients, the number of the action and its fields. Integers are big-endian;
/// texts and bytes follow their length in four bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) to: Recipients,
    pub(super) action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Send(Message),
    Close(CloseFrame),
    Join(RoomName),
    Leave(RoomName),
}

impl Command {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_recipients(&mut out, &self.to);
        match &self.action {
            Action::Send(message) => {
                out.put_u8(0);
                out.put_u8(u8::from(message.as_text().is_some()));
                put_bytes(&mut out, message.as_bytes());
            }
            Action::Close(frame) => {
                out.put_u8(1);
                out.put_u16(frame.code.into());
                put_bytes(&mut out, frame.reason.as_bytes());
            }
            Action::Join(room) => {
                out.put_u8(2);
                put_bytes(&mut out, room.as_str().as_bytes());
            }
            Action::Leave(room) => {
                out.put_u8(3);
                put_bytes(&mut out, room.as_str().as_bytes());
            }
        }
        out.into()
    }

    /// Decodes a command of another node; `None` if it is not understood.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let to = take_recipients(&mut bytes)?;
        let action = match bytes.try_get_u8().ok()? {
            0 => {
                let is_text = bytes.try_get_u8().ok()? == 1;
                let payload = take_bytes(&mut bytes)?;
                Action::Send(if is_text {
                    Message::Text(Utf8Bytes::try_from(payload).ok()?)
                } else {
                    Message::Binary(payload)
                })
            }
            1 => {
                let code = bytes.try_get_u16().ok()?;
                Action::Close(CloseFrame::new(code, take_text(&mut bytes)?.into_string()).ok()?)
            }
            2 => Action::Join(RoomName::new(&take_text(&mut bytes)?).ok()?),
            3 => Action::Leave(RoomName::new(&take_text(&mut bytes)?).ok()?),
            _ => return None,
        };
        bytes.is_empty().then_some(Self { to, action })
    }
}

fn put_recipients(out: &mut Vec<u8>, recipients: &Recipients) {
    match recipients {
        Recipients::All => out.put_u8(0),
        Recipients::AllExcept(session) => {
            out.put_u8(1);
            put_session(out, *session);
        }
        Recipients::Sessions(sessions) => {
            out.put_u8(2);
            put_length(out, sessions.len());
            for session in sessions {
                put_session(out, *session);
            }
        }
        Recipients::User(user) => {
            out.put_u8(3);
            put_bytes(out, user.as_str().as_bytes());
        }
        Recipients::UserExcept(user, except) => {
            out.put_u8(4);
            put_bytes(out, user.as_str().as_bytes());
            put_session(out, *except);
        }
        Recipients::Selected { selector, argument } => {
            out.put_u8(5);
            put_bytes(out, selector.as_bytes());
            put_bytes(out, argument);
        }
    }
}

fn take_recipients(bytes: &mut Bytes) -> Option<Recipients> {
    Some(match bytes.try_get_u8().ok()? {
        0 => Recipients::All,
        1 => Recipients::AllExcept(take_session(bytes)?),
        2 => {
            let count = bytes.try_get_u32().ok()?;
            // Collects only as many as there are bytes for.
            let sessions: Option<Vec<_>> = (0..count).map(|_| take_session(bytes)).collect();
            Recipients::Sessions(sessions?)
        }
        3 => Recipients::User(UserId::new(&take_text(bytes)?)),
        4 => Recipients::UserExcept(UserId::new(&take_text(bytes)?), take_session(bytes)?),
        5 => Recipients::Selected { selector: take_text(bytes)?, argument: take_bytes(bytes)? },
        _ => return None,
    })
}

fn put_session(out: &mut Vec<u8>, session: SessionId) {
    out.put_u64(session.node.0);
    out.put_u64(session.number);
}

fn take_session(bytes: &mut Bytes) -> Option<SessionId> {
    let node = NodeId(bytes.try_get_u64().ok()?);
    Some(SessionId { node, number: bytes.try_get_u64().ok()? })
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

/// Longer values are cut by nobody: the decoder refuses them, as the lengths disagree.
fn put_length(out: &mut Vec<u8>, length: usize) {
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn take_bytes(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32().ok()? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

pub(super) fn take_text(bytes: &mut Bytes) -> Option<Box<str>> {
    let text = take_bytes(bytes)?;
    std::str::from_utf8(&text).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Vec<Command> {
        let session = SessionId { node: NodeId(7), number: u64::MAX };
        let room = RoomName::new("room:ö").unwrap();
        let binary = Message::Binary(Bytes::from_static(b"\xff\0"));
        let some = Recipients::Sessions(vec![session, session]);
        let none = Recipients::Sessions(Vec::new());
        let user = Recipients::User(UserId::new("ada"));
        let others = Recipients::UserExcept(UserId::new("ada"), session);
        let selected = Recipients::selected("in", "NO");
        let bye = CloseFrame::new(4001, "bye").unwrap();
        [
            (Recipients::All, Action::Send("hello".into())),
            (some, Action::Send(binary)),
            (Recipients::AllExcept(session), Action::Close(bye)),
            (user, Action::Join(room.clone())),
            (none, Action::Leave(room.clone())),
            (others, Action::Leave(room.clone())),
            (selected, Action::Leave(room)),
        ]
        .map(|(to, action)| Command { to, action })
        .into()
    }

    #[test]
    fn commands_are_decoded_as_they_were_encoded() {
        for command in commands() {
            assert_eq!(Command::decode(command.encode()), Some(command));
        }
    }

    #[test]
    fn cut_and_prolonged_commands_are_refused() {
        for command in commands() {
            let bytes = command.encode();
            for length in 0..bytes.len() {
                assert_eq!(Command::decode(bytes.slice(..length)), None, "{command:?}");
            }
            let longer = [&bytes[..], b"\0"].concat();
            assert_eq!(Command::decode(longer.into()), None, "{command:?}");
        }
    }

    #[test]
    fn a_false_count_allocates_nothing() {
        let bytes = Bytes::from_static(&[2, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Command::decode(bytes), None);
    }
}
