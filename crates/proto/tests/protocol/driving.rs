//! Drives a connection with its input in each way that a driver may use. The fuzz targets share
//! this file.

#![allow(unreachable_pub, reason = "the crate of the fuzz targets hands it on to them")]

use bytes::{BufMut, BytesMut};
use sockeye_proto::frame::Header;
use sockeye_proto::{CloseFrame, Connection, Event, Input, Kind, Message, ProtocolError, State};

/// The result of feeding input to a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub events: Vec<OwnedEvent>,
    pub error: Option<ProtocolError>,
    /// Answers, as on the wire.
    pub output: Vec<u8>,
    pub state: State,
}

/// An event, owned.
#[derive(Debug, PartialEq, Eq)]
pub enum OwnedEvent {
    Message(Message),
    Begin(Kind),
    /// All pieces in a row, joined: their boundaries depend on those of the input.
    Pieces(Vec<u8>),
    End,
    Frame(Header),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame>),
    /// A close frame with a message in progress.
    CloseMidMessage(Option<CloseFrame>),
}

/// The ways in which a driver may pass input to a connection.
#[derive(Clone, Copy, Debug)]
pub enum InputMethod {
    /// As a slice.
    Borrowed,
    /// As shared bytes.
    Shared,
    /// As a slice, but into the payload space when there is one.
    Direct,
}

/// Feeds `pieces` to a connection, and returns the result.
pub fn feed<'a>(
    connection: &mut Connection,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    method: InputMethod,
) -> Outcome {
    let mut seen =
        Outcome { events: Vec::new(), error: None, output: Vec::new(), state: State::Open };
    for piece in pieces {
        seen.error = take(connection, piece, method, &mut seen).err();
        if seen.error.is_some() {
            break;
        }
    }
    seen.state = connection.state();
    seen
}

fn take(
    connection: &mut Connection,
    piece: &[u8],
    method: InputMethod,
    seen: &mut Outcome,
) -> Result<(), ProtocolError> {
    let Outcome { events, output, .. } = seen;
    match method {
        InputMethod::Borrowed => {
            let mut piece = piece.to_vec();
            receive(connection, &mut piece, events, output)
        }
        InputMethod::Shared => {
            let mut piece = BytesMut::from(piece);
            while let Some(event) = connection.receive_bytes(&mut piece, output)? {
                note(event, events);
            }
            assert!(piece.is_empty(), "all input is taken");
            Ok(())
        }
        InputMethod::Direct => {
            let mut piece = piece;
            while let Some(mut space) = connection.payload_space() {
                let length = space.remaining_mut().min(piece.len());
                if length == 0 {
                    return Ok(());
                }
                space.put_slice(&piece[..length]);
                piece = &piece[length..];
                if let Some(event) = connection.payload_read(length, output)? {
                    note(event, events);
                }
            }
            receive(connection, &mut piece.to_vec(), events, output)
        }
    }
}

fn receive(
    connection: &mut Connection,
    piece: &mut [u8],
    events: &mut Vec<OwnedEvent>,
    output: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    let mut input = Input::new(piece);
    while let Some(event) = connection.receive(&mut input, output)? {
        note(event, events);
    }
    assert!(input.is_empty(), "all input is taken");
    Ok(())
}

fn note(event: Event<'_>, events: &mut Vec<OwnedEvent>) {
    let happened = happened(event);
    if let (OwnedEvent::Pieces(piece), Some(OwnedEvent::Pieces(pieces))) =
        (&happened, events.last_mut())
    {
        pieces.extend_from_slice(piece);
    } else {
        events.push(happened);
    }
}

fn happened(event: Event<'_>) -> OwnedEvent {
    match event {
        Event::Message(message) => OwnedEvent::Message(message.into_owned()),
        Event::Begin(kind) => OwnedEvent::Begin(kind),
        Event::Piece(piece) => {
            assert!(!piece.is_empty(), "a piece is something");
            OwnedEvent::Pieces(piece.into_owned())
        }
        Event::End => OwnedEvent::End,
        Event::Frame(header) => OwnedEvent::Frame(header),
        Event::Ping(payload) => OwnedEvent::Ping(payload.into_owned()),
        Event::Pong(payload) => OwnedEvent::Pong(payload.into_owned()),
        Event::Close { frame, mid_message: false } => OwnedEvent::Close(frame),
        Event::Close { frame, mid_message: true } => OwnedEvent::CloseMidMessage(frame),
    }
}
