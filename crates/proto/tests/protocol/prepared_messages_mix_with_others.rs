use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;
use sockeye_proto::deflate::Deflate;
use sockeye_proto::frame::{Header, Reserved};
use sockeye_proto::{
    CloseCode, CloseFrame, Config, Connection, Message, Prepared, State, UsageError,
};

use crate::eight_window_bits_never_refer_further_back::farthest_reference;
use crate::harness::{InputMethod, OwnedEvent, Pair, client, compressing, feed, server};

/// Returns a server that compresses with these settings, and its client.
fn pair(window_bits: u8, no_context_takeover: bool, level: u8) -> Pair {
    let deflate = Deflate::new()
        .no_context_takeover(no_context_takeover)
        .threshold(20)
        .level(level)
        .and_then(|deflate| deflate.max_window_bits(window_bits))
        .unwrap();
    let pair = compressing(&Config::new(), &Deflate::new(), &deflate);
    assert_eq!(pair.parameters.server().max_window_bits(), window_bits);
    pair
}

fn send_prepared(connection: &mut Connection, prepared: &Prepared, out: &mut Vec<u8>) {
    if let Some(rest) = connection.send_prepared(prepared, out).unwrap() {
        out.extend_from_slice(&rest);
    }
}

/// Inflates `wire` like an independent peer that keeps strictly to the agreed window.
fn inflated(window_bits: u8, mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut compressed = Vec::new();
    let mut context = Decompress::new_with_window_bits(false, window_bits.max(9));
    while let Some((header, size)) = Header::decode(wire).unwrap() {
        let (payload, rest) = wire[size..].split_at(header.length as usize);
        wire = rest;
        if header.reserved == Reserved::NONE {
            messages.push(payload.to_vec());
            continue;
        }
        let whole = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
        let mut message = Vec::with_capacity(1 << 20);
        context.decompress_vec(&whole, &mut message, FlushDecompress::Sync).unwrap();
        messages.push(message);
        compressed.extend(whole);
    }
    assert!(farthest_reference(&compressed) <= 1 << window_bits);
    messages
}

/// Sends messages, prepared or not, and checks what arrives with both inflaters.
fn assert_arrive(mut pair: Pair, messages: &[(&Prepared, bool)]) {
    let mut wire = Vec::new();
    for (prepared, ready) in messages {
        if *ready {
            send_prepared(&mut pair.server, prepared, &mut wire);
        } else {
            pair.server.send(prepared.as_ref(), &mut wire).unwrap();
        }
    }
    let seen = feed(&mut pair.client, wire.chunks(5000), InputMethod::Borrowed);
    let expected: Vec<_> = messages
        .iter()
        .map(|(prepared, _)| OwnedEvent::Message(prepared.message().clone()))
        .collect();
    assert_eq!((seen.events, seen.error, seen.state), (expected, None, State::Open));
    let expected: Vec<_> =
        messages.iter().map(|(prepared, _)| prepared.message().as_bytes().to_vec()).collect();
    assert_eq!(inflated(pair.parameters.server().max_window_bits(), &wire), expected);
}

#[test]
fn no_message_refers_to_what_the_window_has_moved_past() {
    let words = |salt: u32| {
        let words: Vec<_> = (0..120u32).map(|n| (n * n * salt % 977).to_string()).collect();
        Prepared::new(words.join(" "))
    };
    let (a, b, c) = (words(1), words(2), words(3));
    for window_bits in 8..=15 {
        for level in [0, 1, 6, 9] {
            for no_context_takeover in [false, true] {
                let pair = pair(window_bits, no_context_takeover, level);
                assert_arrive(
                    pair,
                    &[
                        (&a, false),
                        (&b, true),
                        (&a, false),
                        (&b, false),
                        (&c, true),
                        (&b, true),
                        (&c, false),
                        (&a, false),
                    ],
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn any_order_arrives(
        window_bits in 8..=15u8,
        no_context_takeover in any::<bool>(),
        level in 0..=9u8,
        messages in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(b'a'..b'f', 0..3000),
                (prop::collection::vec(any::<u8>(), 1..700), 1..60usize)
                    .prop_map(|(pattern, times)| pattern.repeat(times)),
            ],
            1..4,
        ),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..8),
    ) {
        let prepared: Vec<_> = messages.into_iter().map(Prepared::new).collect();
        let order: Vec<_> =
            order.iter().map(|(index, ready)| (index.get(&prepared), *ready)).collect();
        assert_arrive(pair(window_bits, no_context_takeover, level), &order);
    }
}

#[test]
fn a_frame_is_the_same_as_that_of_a_first_message() {
    let makes: [fn() -> Connection; 3] = [server, client, || pair(15, false, 1).server];
    for length in [0, 1, 19, 20, 125, 126, 4095, 4096, 65_535, 65_536, 200_000] {
        let prepared = Prepared::new(vec![0x5a; length]);
        for make in makes {
            let (mut expected, mut wire) = (Vec::new(), Vec::new());
            make().send(prepared.as_ref(), &mut expected).unwrap();
            send_prepared(&mut make(), &prepared, &mut wire);
            assert!(wire == expected, "{length}");
        }
    }
}

#[test]
fn what_was_encoded_is_shared_by_all_connections_that_agreed_on_the_same() {
    // Numbers without a pattern, so that compressed frames are long as well.
    let noise: Vec<u8> =
        (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let prepared = Prepared::new(noise);
    let rest = |mut connection: Connection| {
        connection.send_prepared(&prepared.clone(), &mut Vec::new()).unwrap().unwrap().as_ptr()
    };
    assert_eq!(rest(server()), prepared.message().as_bytes().as_ptr());
    assert_eq!(rest(server()), rest(server()));
    let first = rest(pair(12, false, 1).server);
    assert_eq!(rest(pair(12, true, 1).server), first);
    assert_ne!(rest(pair(13, false, 1).server), first);
    assert_ne!(rest(pair(12, false, 2).server), first);
    assert_eq!(rest(pair(12, false, 1).server), first);
}

#[test]
fn many_threads_may_send_one_at_once() {
    let prepared = Prepared::new("salmon ".repeat(1000));
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let prepared = &prepared;
            scope.spawn(move || {
                for window_bits in 8..=15 {
                    assert_arrive(pair(window_bits, thread % 2 == 0, 1), &[(prepared, true); 2]);
                }
            });
        }
    });
}

#[test]
fn none_is_sent_after_the_close_frame() {
    let prepared = Prepared::new(Message::from("late"));
    for mut connection in [server(), client(), pair(15, false, 1).server] {
        let mut out = Vec::new();
        let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
        connection.close(Some(&frame), &mut out).unwrap();
        let length = out.len();
        assert_eq!(connection.send_prepared(&prepared, &mut out), Err(UsageError::Closing));
        assert_eq!(out.len(), length);
    }
}
