use proptest::prelude::*;
use sockeye_proto::deflate::Deflate;
use sockeye_proto::{
    CloseCode, CloseFrame, Config, Connection, Kind, Message, MessageRef, Prepared, State,
    UsageError,
};

use crate::harness::{
    InputMethod, OwnedEvent, Pair, binary, client, compressing, feed, server, text,
};
use crate::messages_survive_any_split::{cuts, deflate, message, method, pieces};
use crate::wire::{BINARY, CONTINUATION, FIN, PING, RSV1, TEXT, bare, masked};

fn pair() -> Pair {
    compressing(&Config::new(), &Deflate::new(), &Deflate::new())
}

#[test]
fn frames_are_as_the_rfc_has_them() {
    let send = |mut connection: Connection| {
        let mut out = Vec::new();
        connection.begin_message(Kind::Text).unwrap();
        assert_eq!(out, b"", "nothing is sent yet");
        connection.append_fragment(b"sal", &mut out).unwrap();
        connection.ping(b"?", &mut out).unwrap();
        connection.append_fragment(b"", &mut out).unwrap();
        connection.finish_message(b"mon", &mut out).unwrap();
        connection.begin_message(Kind::Binary).unwrap();
        connection.finish_message(b"whole", &mut out).unwrap();
        connection.send(MessageRef::Text("next"), &mut out).unwrap();
        out
    };
    let frames = [
        (TEXT, &b"sal"[..]),
        (FIN | PING, b"?"),
        (CONTINUATION, b""),
        (FIN | CONTINUATION, b"mon"),
        (FIN | BINARY, b"whole"),
        (FIN | TEXT, b"next"),
    ];
    let expected: Vec<u8> =
        frames.iter().flat_map(|(first, payload)| bare(*first, payload)).collect();
    assert_eq!(send(server()), expected);
    let expected: Vec<u8> =
        frames.iter().flat_map(|(first, payload)| masked(*first, payload)).collect();
    assert_eq!(send(client()), expected);
}

#[test]
fn only_the_first_fragment_says_that_the_message_is_compressed() {
    let mut server = pair().server;
    let mut out = Vec::new();
    server.begin_message(Kind::Text).unwrap();
    server.append_fragment(b"", &mut out).unwrap();
    assert_eq!(out, [RSV1 | TEXT, 0]);
    out.clear();
    server.append_fragment(b"salmon", &mut out).unwrap();
    assert_eq!(out[0], CONTINUATION);
    out.clear();
    server.finish_message(b"", &mut out).unwrap();
    assert_eq!(out, [FIN | CONTINUATION, 1, 0]);
    // A short message whose first fragment is the last is not compressed.
    out.clear();
    server.begin_message(Kind::Text).unwrap();
    server.finish_message(b"salmon", &mut out).unwrap();
    assert_eq!(out, bare(FIN | TEXT, b"salmon"));
}

#[test]
fn no_other_message_comes_between() {
    let prepared = Prepared::new("other");
    for mut connection in [server(), client(), pair().server] {
        let mut out = Vec::new();
        assert_eq!(connection.append_fragment(b"x", &mut out), Err(UsageError::NoMessage));
        assert_eq!(connection.finish_message(b"x", &mut out), Err(UsageError::NoMessage));
        connection.begin_message(Kind::Text).unwrap();
        for _ in 0..2 {
            let length = out.len();
            let refused = Err(UsageError::MessageInProgress);
            let other = MessageRef::Text("other");
            assert_eq!(connection.send(other, &mut out), refused);
            assert_eq!(connection.send_in_place(other, &mut out), refused.map(|()| false));
            assert_eq!(connection.send_prepared(&prepared, &mut out), refused.map(|()| None));
            assert_eq!(connection.begin_message(Kind::Binary), refused);
            assert!(!connection.sends_plain());
            assert_eq!(out.len(), length);
            connection.append_fragment(b"one", &mut out).unwrap();
        }
        connection.finish_message(b"", &mut out).unwrap();
        connection.send(MessageRef::Text("other"), &mut out).unwrap();
    }
    assert!(server().sends_plain());
}

#[test]
fn what_was_begun_can_be_taken_back_until_some_of_it_was_sent() {
    for (mut connection, plain) in [(server(), true), (client(), false), (pair().server, false)] {
        let mut out = Vec::new();
        assert!(connection.cancel_message(), "there is nothing to take back");
        connection.begin_message(Kind::Text).unwrap();
        assert!(connection.cancel_message());
        assert_eq!(connection.sends_plain(), plain);
        connection.begin_message(Kind::Binary).unwrap();
        connection.append_fragment(b"x", &mut out).unwrap();
        assert!(!connection.cancel_message());
        connection.finish_message(b"y", &mut out).unwrap();
        assert!(connection.cancel_message());
        assert_eq!(connection.sends_plain(), plain);
    }
}

#[test]
fn text_that_is_not_utf8_is_not_sent() {
    for mut connection in [server(), client(), pair().server] {
        let mut out = Vec::new();
        connection.begin_message(Kind::Text).unwrap();
        connection.append_fragment(b"\xe2\x82", &mut out).unwrap();
        let length = out.len();
        let refused = Err(UsageError::InvalidUtf8);
        assert_eq!(connection.append_fragment(b"x", &mut out), refused);
        assert_eq!(connection.finish_message(b"", &mut out), refused);
        assert_eq!(out.len(), length);
        // The refused fragments have no effect.
        connection.finish_message(b"\xac", &mut out).unwrap();
    }
}

#[test]
fn a_close_frame_may_come_between_and_nothing_after_it() {
    for mut connection in [server(), client(), pair().server] {
        let mut out = Vec::new();
        connection.begin_message(Kind::Binary).unwrap();
        connection.append_fragment(b"x", &mut out).unwrap();
        let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR);
        connection.close(Some(&frame), &mut out).unwrap();
        let length = out.len();
        assert_eq!(connection.append_fragment(b"x", &mut out), Err(UsageError::Closing));
        assert_eq!(connection.finish_message(b"x", &mut out), Err(UsageError::Closing));
        assert_eq!(connection.begin_message(Kind::Text), Err(UsageError::Closing));
        assert_eq!(out.len(), length);
    }
}

#[test]
fn fragments_are_readable_as_they_come() {
    let mut pair = pair();
    pair.client.stream_messages(true);
    pair.server.begin_message(Kind::Binary).unwrap();
    for index in 0..100u8 {
        let mut out = Vec::new();
        let fragment = vec![index; 1000];
        pair.server.append_fragment(&fragment, &mut out).unwrap();
        let seen = feed(&mut pair.client, [&out[..]], InputMethod::Borrowed);
        assert_eq!(seen.events.last(), Some(&OwnedEvent::Pieces(fragment)));
    }
    let mut out = Vec::new();
    pair.server.finish_message(b"", &mut out).unwrap();
    let seen = feed(&mut pair.client, [&out[..]], InputMethod::Borrowed);
    assert_eq!(seen.events, [OwnedEvent::End]);
}

proptest! {
    #[test]
    fn any_message_arrives_whole(
        messages in prop::collection::vec((message(), cuts(), any::<bool>()), 1..5),
        cuts in cuts(),
        method in method(),
        at_client in deflate(),
        at_server in deflate(),
        compressed in any::<bool>(),
        by_client in any::<bool>(),
    ) {
        let (mut sender, mut receiver) = if compressed {
            let pair = compressing(&Config::new(), &at_client, &at_server);
            (pair.client, pair.server)
        } else {
            (client(), server())
        };
        if !by_client {
            std::mem::swap(&mut sender, &mut receiver);
        }
        let mut wire = Vec::new();
        for (message, cuts, whole) in &messages {
            if *whole {
                sender.send(message.as_ref(), &mut wire).unwrap();
                continue;
            }
            sender.begin_message(message.kind()).unwrap();
            let fragments = pieces(message.as_bytes(), cuts);
            let (last, first) = fragments.split_last().unwrap();
            for fragment in first {
                sender.append_fragment(fragment, &mut wire).unwrap();
            }
            sender.finish_message(last, &mut wire).unwrap();
        }
        let seen = feed(&mut receiver, pieces(&wire, &cuts), method);
        let expected: Vec<_> = messages.into_iter().map(|(message, ..)| match message {
            Message::Text(message) => text(&message),
            Message::Binary(message) => binary(&message),
        }).collect();
        prop_assert_eq!((seen.events, seen.error, seen.state), (expected, None, State::Open));
    }
}
