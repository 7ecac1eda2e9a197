//! What the fuzz targets share: connections that a few bytes configure, and runs of them over the same input in
//! different pieces.

use bytes::{BufMut, BytesMut};
use sockeye_proto::deflate::{Deflate, Parameters};
use sockeye_proto::{
    CloseFrame, Config, Connection, Event, Input, Message, ProtocolError, Role, State,
};

/// What a connection made of its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub events: Vec<Happened>,
    pub error: Option<ProtocolError>,
    pub output: Vec<u8>,
    pub state: State,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Happened {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame>, bool),
}

/// A setting from 16 bits of input: windows, takeovers and level.
pub fn deflate(bits: u16) -> Deflate {
    let small = |bits: u16| 8 + (bits & 7) as u8;
    Deflate::new()
        .no_context_takeover(bits & 1 != 0)
        .peer_no_context_takeover(bits & 2 != 0)
        .threshold(usize::from(bits >> 2 & 1) * 20)
        .level((bits >> 3) as u8 % 10)
        .and_then(|deflate| deflate.max_window_bits(small(bits >> 8)))
        .and_then(|deflate| deflate.peer_max_window_bits(small(bits >> 11)))
        .expect("within the ranges")
}

/// What a client and a server with these settings agree on.
pub fn agreed(client: &Deflate, server: &Deflate) -> Parameters {
    server.accept(&[client.offer()]).expect("our own offer").0
}

/// A connection that the first bytes of the input configure, again and again the same, and the rest of the input.
pub fn connection(role: Role, input: &[u8]) -> Option<(impl Fn() -> Connection, &[u8])> {
    let [limits, high, low, rest @ ..] = input else { return None };
    let mut config = Config::new();
    if limits & 1 != 0 {
        config = config.max_frame_length(u64::from(limits & 0xf0));
    }
    if limits & 2 != 0 {
        config = config.max_message_length(usize::from(limits & 0xf0) * 4);
    } else {
        // A bomb of a few bytes must not slow the fuzzer down.
        config = config.max_message_length(1 << 16);
    }
    let (compressed, closing) = (limits & 4 != 0, limits & 8 != 0);
    let deflate = deflate(u16::from_be_bytes([*high, *low]));
    let make = move || {
        let mut connection = match role {
            Role::Client => Connection::client(&config, || [1, 2, 3, 4]),
            Role::Server => Connection::server(&config),
        };
        if compressed {
            connection = connection.with_deflate(&deflate, agreed(&deflate, &deflate));
        }
        if closing {
            connection.close(None, &mut Vec::new()).expect("the first one");
        }
        connection
    };
    Some((make, rest))
}

/// Runs the connection over the input whole and in pieces, in each way that a driver has: it must be the same.
pub fn chunking_changes_nothing(make: impl Fn() -> Connection, wire: &[u8]) {
    let whole = borrowed(&mut make(), [wire]);
    assert_eq!(shared(&mut make(), [wire]), whole);
    for size in [1, wire.len() / 2 + 1] {
        assert_eq!(borrowed(&mut make(), wire.chunks(size)), whole);
        assert_eq!(shared(&mut make(), wire.chunks(size)), whole);
        assert_eq!(direct(&mut make(), wire.chunks(size)), whole);
    }
    if whole.error.is_some() {
        assert_eq!(whole.state, State::Closed);
    }
}

/// As slices.
pub fn borrowed<'a>(
    connection: &mut Connection,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Seen {
    run(connection, pieces, receive)
}

/// As shared bytes.
fn shared<'a>(connection: &mut Connection, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    run(connection, pieces, |connection, piece, seen| {
        let mut piece = BytesMut::from(piece);
        while let Some(event) = connection.receive_bytes(&mut piece, &mut seen.output)? {
            seen.events.push(happened(event));
        }
        assert!(piece.is_empty());
        Ok(())
    })
}

/// As slices, but into the payload space when there is one.
fn direct<'a>(connection: &mut Connection, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    run(connection, pieces, |connection, mut piece, seen| {
        while let Some(mut space) = connection.payload_space() {
            let length = space.remaining_mut().min(piece.len());
            if length == 0 {
                return Ok(());
            }
            space.put_slice(&piece[..length]);
            piece = &piece[length..];
            let event = connection.payload_read(length, &mut seen.output)?;
            seen.events.extend(event.map(happened));
        }
        receive(connection, piece, seen)
    })
}

fn run<'a>(
    connection: &mut Connection,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    take: impl Fn(&mut Connection, &[u8], &mut Seen) -> Result<(), ProtocolError>,
) -> Seen {
    let mut seen = Seen { events: Vec::new(), error: None, output: Vec::new(), state: State::Open };
    for piece in pieces {
        seen.error = take(connection, piece, &mut seen).err();
        if seen.error.is_some() {
            break;
        }
    }
    seen.state = connection.state();
    seen
}

fn receive(
    connection: &mut Connection,
    piece: &[u8],
    seen: &mut Seen,
) -> Result<(), ProtocolError> {
    let mut piece = piece.to_vec();
    let mut input = Input::new(&mut piece);
    while let Some(event) = connection.receive(&mut input, &mut seen.output)? {
        seen.events.push(happened(event));
    }
    assert!(input.is_empty());
    Ok(())
}

fn happened(event: Event<'_>) -> Happened {
    match event {
        Event::Message(message) => Happened::Message(message.into_owned()),
        Event::Ping(payload) => Happened::Ping(payload.into_owned()),
        Event::Pong(payload) => Happened::Pong(payload.into_owned()),
        Event::Close { frame, mid_message } => Happened::Close(frame, mid_message),
    }
}
