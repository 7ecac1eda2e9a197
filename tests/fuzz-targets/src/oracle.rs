//! Our connection and tungstenite's, fed the same bytes, see the same messages and agree on
//! protocol errors.
//!
//! The first byte chooses the role, and whether the rest is frames as on the wire or a list of
//! frames (first byte, length, payload) that are masked as the role requires.
//!
//! The differences, and why ours is right:
//! - Ours refuses a length that is not in its shortest form (RFC 6455 section 5.2: the minimal
//!   number of bytes MUST be used); tungstenite accepts it. Ours reports such a control frame as
//!   too long, since the form alone implies that.
//! - Ours refuses a close code that must not be sent (section 7.4.1); tungstenite reports the close
//!   frame with another code. 1014 was registered later than its list.
//! - Ours refuses at the first wrong byte; tungstenite when it has the whole header or frame. The
//!   test feeds it zeros until then, and it must not make a message of them.

use std::io::{self, ErrorKind, Read, Write};

use crate::connections::{InputMethod, Outcome, OwnedEvent, feed};
use sockeye_proto::{Config, Connection, Kind, ProtocolError};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const LIMIT: usize = 4096;

/// Checks one input.
pub fn check(input: &[u8]) {
    let [mode, rest @ ..] = input else { return };
    let role = if mode & 1 == 0 { Role::Server } else { Role::Client };
    let wire = if mode & 2 == 0 { rest.to_vec() } else { frames(rest, role) };
    let config = Config::new().max_frame_length(LIMIT as u64).max_message_length(LIMIT);
    let mut connection = match role {
        Role::Server => Connection::server(&config),
        Role::Client => Connection::client(&config, || [0; 4]),
    };
    let ours = feed(&mut connection, [&wire[..]], InputMethod::Borrowed);
    let (theirs, end) = run_tungstenite(role, &wire);
    compare(&ours, &theirs, end, || run_tungstenite(role, &[&wire[..], &[0; 2 * LIMIT]].concat()));
}

fn compare(
    ours: &Outcome,
    theirs: &[Message],
    end: End,
    after_zeros: impl FnOnce() -> (Vec<Message>, End),
) {
    assert!(theirs.len() >= ours.events.len(), "{ours:?} / {theirs:?}");
    for (ours, theirs) in ours.events.iter().zip(theirs) {
        assert!(is_same(ours, theirs), "{ours:?} / {theirs:?}");
    }
    let extra = &theirs[ours.events.len()..];
    match ours.error {
        Some(ProtocolError::NonMinimalLength { .. } | ProtocolError::ControlTooLong { .. }) => {}
        Some(ProtocolError::InvalidCloseCode { .. }) => {
            assert!(matches!(extra, [Message::Close(_)]) || end == End::Refused, "{extra:?}");
        }
        Some(error) => {
            assert_eq!(extra, [], "{error:?}");
            if end != End::Refused {
                let (theirs, end) = after_zeros();
                assert_eq!((theirs.len(), end), (ours.events.len(), End::Refused), "{error:?}");
            }
        }
        None => {
            assert_eq!(extra, []);
            let closed = matches!(
                ours.events.last(),
                Some(OwnedEvent::Close(_) | OwnedEvent::CloseMidMessage(_))
            );
            assert_eq!(end, if closed { End::Closed } else { End::WantsMore }, "{ours:?}");
        }
    }
}

fn is_same(ours: &OwnedEvent, theirs: &Message) -> bool {
    match (ours, theirs) {
        (OwnedEvent::Message(ours), Message::Text(theirs)) => {
            ours.kind() == Kind::Text && ours.as_bytes() == theirs.as_bytes()
        }
        (OwnedEvent::Message(ours), Message::Binary(theirs)) => {
            ours.kind() == Kind::Binary && ours.as_bytes() == &theirs[..]
        }
        (OwnedEvent::Ping(ours), Message::Ping(theirs))
        | (OwnedEvent::Pong(ours), Message::Pong(theirs)) => ours[..] == theirs[..],
        (OwnedEvent::Close(None) | OwnedEvent::CloseMidMessage(None), Message::Close(None)) => true,
        (
            OwnedEvent::Close(Some(ours)) | OwnedEvent::CloseMidMessage(Some(ours)),
            Message::Close(Some(theirs)),
        ) => {
            let code = u16::from(theirs.code);
            (u16::from(ours.code) == code && *ours.reason == *theirs.reason)
                || u16::from(ours.code) == 1014
        }
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    WantsMore,
    Closed,
    Refused,
}

fn run_tungstenite(role: Role, wire: &[u8]) -> (Vec<Message>, End) {
    let config = WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_frame_size(Some(LIMIT))
        .max_message_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Wire(wire), role, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => {
                let closed = message.is_close();
                messages.push(message);
                if closed {
                    return (messages, End::Closed);
                }
            }
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                return (messages, End::WantsMore);
            }
            Err(_) => return (messages, End::Refused),
        }
    }
}

/// A transport that yields the bytes received so far, and discards output.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frames(mut list: &[u8], role: Role) -> Vec<u8> {
    let mut wire = Vec::new();
    while let [first, length, rest @ ..] = list {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        list = rest;
        let mask = if role == Role::Server { 0x80 } else { 0 };
        wire.push(*first);
        match u8::try_from(payload.len()) {
            Ok(length @ ..126) => wire.push(mask | length),
            _ => wire.extend_from_slice(&[mask | 126, 0, payload.len() as u8]),
        }
        if role == Role::Server {
            let key = [*first, *length, 0x55, 0xaa];
            wire.extend_from_slice(&key);
            wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            wire.extend_from_slice(payload);
        }
    }
    wire
}
