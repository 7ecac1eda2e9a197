use proptest::prelude::*;
use sockeye_proto::deflate::Deflate;
use sockeye_proto::{
    CloseCode, Config, Connection, Event, Input, Kind, MessageRef, ProtocolError, Role, State,
};

use crate::harness::{
    InputMethod, OwnedEvent, accepted, at_every_split, close_frame, compressing,
    compressing_server, feed, refused, text,
};
use crate::messages_survive_any_split::{
    all_fragmented, assert_same_at_any_split, cuts, deflate, message, method, pieces,
};
use crate::wire::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, masked};

fn streaming(mut connection: Connection) -> Connection {
    connection.stream_messages(true);
    connection
}

fn server() -> Connection {
    streaming(Connection::server(&Config::new()))
}

fn piece(bytes: &[u8]) -> OwnedEvent {
    OwnedEvent::Pieces(bytes.to_vec())
}

fn begin(kind: Kind) -> OwnedEvent {
    OwnedEvent::Begin(kind)
}

#[test]
fn pieces_come_before_the_message_is_whole() {
    let wire = [
        masked(TEXT, "sal\u{fc}".as_bytes()),
        masked(FIN | PONG, b"1"),
        masked(CONTINUATION, b""),
        masked(CONTINUATION, b"\xe2\x82"),
        masked(FIN | PONG, b"2"),
        masked(FIN | CONTINUATION, b"\xac"),
        masked(FIN | BINARY, b""),
        masked(FIN | BINARY, &[7; 300]),
    ]
    .concat();
    assert_eq!(
        accepted(server, &wire),
        [
            begin(Kind::Text),
            piece("sal\u{fc}".as_bytes()),
            OwnedEvent::Pong(b"1".to_vec()),
            piece(b"\xe2\x82"),
            OwnedEvent::Pong(b"2".to_vec()),
            piece(b"\xac"),
            OwnedEvent::End,
            begin(Kind::Binary),
            OwnedEvent::End,
            begin(Kind::Binary),
            piece(&[7; 300]),
            OwnedEvent::End,
        ]
    );
}

#[test]
fn a_message_that_has_begun_goes_on_as_it_began() {
    let make = || Connection::server(&Config::new());
    for method in [InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct] {
        let mut server = make();
        let seen = feed(&mut server, [&masked(TEXT, b"who")[..]], method);
        assert_eq!(seen.events, []);
        server.stream_messages(true);
        let wire = [masked(FIN | CONTINUATION, b"le"), masked(TEXT, b"in ")].concat();
        let seen = feed(&mut server, wire.chunks(3), method);
        assert_eq!(seen.events, [text("whole"), begin(Kind::Text), piece(b"in ")]);
        server.stream_messages(false);
        let wire = [masked(FIN | CONTINUATION, b"pieces"), masked(FIN | TEXT, b"whole")].concat();
        let seen = feed(&mut server, wire.chunks(3), method);
        assert_eq!(seen.events, [piece(b"pieces"), OwnedEvent::End, text("whole")]);
    }
}

#[test]
fn the_order_of_fragments_is_checked_though_the_next_message_is_not_streamed() {
    let mut server = server();
    feed(&mut server, [&masked(TEXT, b"one")[..]], InputMethod::Borrowed);
    server.stream_messages(false);
    let seen = feed(&mut server, [&masked(FIN | TEXT, b"two")[..]], InputMethod::Borrowed);
    let error = ProtocolError::ExpectedContinuation { opcode: sockeye_proto::OpCode::Text };
    assert_eq!((seen.events, seen.error), (vec![], Some(error)));
}

#[test]
fn text_is_given_up_to_its_first_invalid_byte() {
    for (wire, valid) in [
        (masked(FIN | TEXT, b"ok \xe2\x82\xac\xff and more"), &b"ok \xe2\x82\xac"[..]),
        (masked(FIN | TEXT, b"ok \xe2\x28"), b"ok \xe2"),
        (masked(FIN | TEXT, b"ok \xe2\x82"), b"ok \xe2\x82"),
        ([masked(TEXT, b"\xf0\x9f"), masked(CONTINUATION, b"\x98x")].concat(), b"\xf0\x9f\x98"),
    ] {
        let events = refused(server, &wire, ProtocolError::InvalidUtf8);
        assert_eq!(events, [begin(Kind::Text), piece(valid)]);
    }
}

/// Returns a DEFLATE block without compression.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
}

#[test]
fn compressed_messages_are_given_as_far_as_they_are_valid() {
    let make = || streaming(compressing_server(&Config::new().max_streamed_length(10)));
    let fine = [
        masked(RSV1 | TEXT, &stored(b"ab")),
        masked(FIN | PING, b""),
        masked(FIN | CONTINUATION, &[&stored(b"cd")[..], b"\0"].concat()),
        masked(FIN | RSV1 | BINARY, b"\0"),
    ]
    .concat();
    let seen = at_every_split(make, &fine);
    assert_eq!(
        seen.events,
        [
            begin(Kind::Text),
            piece(b"ab"),
            OwnedEvent::Ping(Vec::new()),
            piece(b"cd"),
            OwnedEvent::End,
            begin(Kind::Binary),
            OwnedEvent::End,
        ]
    );
    assert_eq!((seen.error, seen.state), (None, State::Open));

    for (payload, valid, error) in [
        (stored(b"ok \xff and"), &b"ok "[..], ProtocolError::InvalidUtf8),
        ([&stored(b"ok")[..], b"\x07"].concat(), b"ok", ProtocolError::InvalidDeflate),
        ([&stored(b"\xc3")[..], b"\x07"].concat(), b"\xc3", ProtocolError::InvalidDeflate),
        ([&stored(b"\xff")[..], b"\x07"].concat(), b"", ProtocolError::InvalidUtf8),
        (stored(b"0123456789x"), b"0123456789", ProtocolError::MessageTooLong { limit: 10 }),
        (stored(b"012345678\xffx"), b"012345678", ProtocolError::InvalidUtf8),
    ] {
        let mut expected = vec![begin(Kind::Text)];
        if !valid.is_empty() {
            expected.push(piece(valid));
        }
        assert_eq!(refused(make, &masked(FIN | RSV1 | TEXT, &payload), error), expected);
    }
}

#[test]
fn a_limit_of_their_own_takes_the_place_of_that_of_messages() {
    let config = Config::new().max_message_length(5).max_streamed_length(8);
    let make = || streaming(Connection::server(&config));
    let wire = [masked(BINARY, &[1; 6]), masked(FIN | CONTINUATION, &[1; 2])].concat();
    assert_eq!(accepted(make, &wire), [begin(Kind::Binary), piece(&[1; 8]), OwnedEvent::End]);
    let wire = [masked(BINARY, &[1; 6]), masked(FIN | CONTINUATION, &[1; 3])].concat();
    let error = ProtocolError::MessageTooLong { limit: 8 };
    assert_eq!(refused(make, &wire, error), [begin(Kind::Binary), piece(&[1; 6])]);
    assert_eq!(refused(make, &masked(FIN | BINARY, &[1; 9]), error), []);

    let make = || streaming(Connection::server(&Config::new().max_frame_length(4)));
    let error = ProtocolError::FrameTooLong { length: 5, limit: 4 };
    assert_eq!(refused(make, &masked(FIN | BINARY, &[1; 5]), error), []);
}

#[test]
fn a_close_frame_between_pieces_says_that_the_rest_is_lost() {
    let wire = [masked(TEXT, b"lo"), masked(FIN | CLOSE, &1001u16.to_be_bytes())].concat();
    let seen = at_every_split(server, &wire);
    let close = OwnedEvent::CloseMidMessage(close_frame(CloseCode::GOING_AWAY, ""));
    assert_eq!(seen.events, [begin(Kind::Text), piece(b"lo"), close]);
}

#[test]
fn frames_are_reported_before_what_they_bring() {
    let make = || streaming(Connection::server(&Config::new().report_frames(true)));
    let wire = [masked(TEXT, b"o"), masked(FIN | CONTINUATION, b"k")].concat();
    let events = accepted(make, &wire);
    assert!(
        matches!(
            &events[..],
            [
                OwnedEvent::Frame(_),
                OwnedEvent::Begin(Kind::Text),
                OwnedEvent::Pieces(_),
                OwnedEvent::Frame(_),
                OwnedEvent::Pieces(_),
                OwnedEvent::End
            ]
        ),
        "{events:?}"
    );
}

#[test]
fn a_bomb_is_given_in_pieces_of_bounded_length() {
    const LENGTH: usize = 64 << 20;
    let pair = compressing(&Config::new(), &Deflate::new(), &Deflate::new());
    let (mut client, mut server) = (pair.client, streaming(pair.server));
    let mut wire = Vec::new();
    client.send(MessageRef::Binary(&vec![0; LENGTH]), &mut wire).unwrap();
    let (mut length, mut out) = (0, Vec::new());
    for chunk in wire.chunks_mut(64 * 1024) {
        let mut input = Input::new(chunk);
        while let Some(event) = server.receive(&mut input, &mut out).unwrap() {
            if let Event::Piece(piece) = event {
                assert!(piece.len() <= 64 * 1024, "{}", piece.len());
                length += piece.len();
            }
        }
    }
    assert_eq!(length, LENGTH);
}

/// Replaces each message of `events` by the events of a streamed message.
fn in_pieces(events: Vec<OwnedEvent>) -> Vec<OwnedEvent> {
    let mut all = Vec::new();
    for event in events {
        let OwnedEvent::Message(message) = event else {
            all.push(event);
            continue;
        };
        all.push(begin(message.kind()));
        if !message.is_empty() {
            all.push(piece(message.as_bytes()));
        }
        all.push(OwnedEvent::End);
    }
    all
}

/// Moves the events between the fragments of a message before the message.
fn put_together(events: Vec<OwnedEvent>) -> Vec<OwnedEvent> {
    let mut all: Vec<OwnedEvent> = Vec::new();
    let mut open = None;
    for event in events {
        match event {
            OwnedEvent::Begin(kind) => open = Some((kind, Vec::new())),
            OwnedEvent::Pieces(piece) => open.as_mut().unwrap().1.extend(piece),
            OwnedEvent::End => {
                let (kind, bytes) = open.take().unwrap();
                all.push(begin(kind));
                if !bytes.is_empty() {
                    all.push(OwnedEvent::Pieces(bytes));
                }
                all.push(OwnedEvent::End);
            }
            other => all.push(other),
        }
    }
    all
}

proptest! {
    #[test]
    fn all_of_any_message_is_given(
        messages in prop::collection::vec((message(), cuts(), any::<bool>()), 1..4),
        cuts in cuts(),
        method in method(),
        deflate in deflate(),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        let pair = compressing(&Config::new().max_message_length(0), &deflate, &deflate);
        let mut deflater = pair.parameters.deflater(role, &deflate);
        let (wire, events) = all_fragmented(&messages, &mut deflater, role);
        let peer = if role == Role::Client { pair.server } else { pair.client };
        let seen = feed(&mut streaming(peer), pieces(&wire, &cuts), method);
        prop_assert_eq!((seen.error, seen.state), (None, State::Open));
        prop_assert_eq!(put_together(seen.events), in_pieces(events));
    }

    #[test]
    fn any_bytes_give_the_same_events_at_any_split(
        wire in prop::collection::vec(any::<u8>(), 0..200),
        cuts in cuts(),
        method in method(),
        deflate in deflate(),
    ) {
        let make = |role| streaming(compressing(&Config::new(), &deflate, &deflate).of(role));
        assert_same_at_any_split(make, &wire, &cuts, method);
    }
}
