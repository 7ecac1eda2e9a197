use proptest::prelude::*;
use sockeye_proto::deflate::{Deflate, Deflater};
use sockeye_proto::{Config, Connection, Kind, Message, Role, State};

use crate::harness::{InputMethod, OwnedEvent, client, compressing, feed, server};
use crate::wire::{BINARY, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, bare, masked};

pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<String>().prop_map(Message::from),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Message::from),
        (any::<char>(), 0..30_000usize)
            .prop_map(|(character, count)| Message::from(String::from(character).repeat(count))),
        ("[a-z ]{1,20}", 0..500usize).prop_map(|(words, count)| Message::from(words.repeat(count))),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    prop::collection::vec(message(), 0..6)
}

pub(crate) fn deflate() -> impl Strategy<Value = Deflate> {
    (any::<bool>(), any::<bool>(), 8..=15u8, 8..=15u8, 0..=9u8, prop::sample::select(vec![0, 50]))
        .prop_map(|(own, peer, bits, peer_bits, level, threshold)| {
            Deflate::new()
                .no_context_takeover(own)
                .peer_no_context_takeover(peer)
                .threshold(threshold)
                .level(level)
                .and_then(|deflate| deflate.max_window_bits(bits))
                .and_then(|deflate| deflate.peer_max_window_bits(peer_bits))
                .unwrap()
        })
}

pub(crate) fn method() -> impl Strategy<Value = InputMethod> {
    prop::sample::select(vec![InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct])
}

/// Returns places to cut, as fractions of the whole.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

pub(crate) fn pieces<'a>(whole: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    places.extend([0, whole.len()]);
    places.sort_unstable();
    places.windows(2).map(|place| &whole[place[0]..place[1]]).collect()
}

fn sent(connection: &mut Connection, messages: &[Message]) -> Vec<u8> {
    let mut wire = Vec::new();
    for message in messages {
        connection.send(message.into(), &mut wire).unwrap();
    }
    wire
}

fn assert_arrive(
    connection: &mut Connection,
    wire: &[&[u8]],
    method: InputMethod,
    messages: Vec<Message>,
) {
    let seen = feed(connection, wire.iter().copied(), method);
    let expected: Vec<_> = messages.into_iter().map(OwnedEvent::Message).collect();
    assert_eq!((seen.events, seen.error, seen.state), (expected, None, State::Open));
}

/// Cuts a message into fragments by hand, compressed if there is a deflater, with control frames in
/// between.
fn fragmented(
    message: &Message,
    cuts: &[prop::sample::Index],
    mut deflater: Option<&mut Deflater>,
    role: Role,
) -> (Vec<u8>, Vec<OwnedEvent>) {
    let frame = if role == Role::Client { masked } else { bare };
    let fragments = pieces(message.as_bytes(), cuts);
    let (mut wire, mut events) = (Vec::new(), Vec::new());
    for (index, fragment) in fragments.iter().enumerate() {
        let last = index + 1 == fragments.len();
        let mut first = match (index, message.kind()) {
            (0, Kind::Text) => TEXT,
            (0, Kind::Binary) => BINARY,
            _ => CONTINUATION,
        };
        let mut payload = fragment.to_vec();
        if let Some(deflater) = &mut deflater {
            payload.clear();
            deflater.compress(fragment, last, &mut payload);
            if index == 0 {
                first |= RSV1;
            }
        }
        if last {
            first |= FIN;
        }
        wire.extend(frame(first, &payload));
        if !last {
            let control = [index as u8; 3];
            if index % 2 == 0 {
                wire.extend(frame(FIN | PING, &control));
                events.push(OwnedEvent::Ping(control.to_vec()));
            } else {
                wire.extend(frame(FIN | PONG, &control));
                events.push(OwnedEvent::Pong(control.to_vec()));
            }
        }
    }
    events.push(OwnedEvent::Message(message.clone()));
    (wire, events)
}

/// Returns messages, each as by [`fragmented`], one after the other; compressed if its flag says
/// so.
pub(crate) fn all_fragmented(
    messages: &[(Message, Vec<prop::sample::Index>, bool)],
    deflater: &mut Deflater,
    role: Role,
) -> (Vec<u8>, Vec<OwnedEvent>) {
    let (mut wire, mut events) = (Vec::new(), Vec::new());
    for (message, cuts, compressed) in messages {
        let deflater = compressed.then_some(&mut *deflater);
        let (frames, happened) = fragmented(message, cuts, deflater, role);
        wire.extend(frames);
        events.extend(happened);
    }
    (wire, events)
}

/// Checks that any bytes, sent bare to a client, and as the payload of a frame to a server, have
/// the same result however they are cut.
pub(crate) fn assert_same_at_any_split(
    make: impl Fn(Role) -> Connection,
    wire: &[u8],
    cuts: &[prop::sample::Index],
    method: InputMethod,
) {
    let frame = masked(0x80 | wire.first().map_or(0, |byte| byte & 0x4f), wire);
    for (role, wire) in [(Role::Client, wire), (Role::Server, &frame)] {
        let whole = feed(&mut make(role), [wire], InputMethod::Borrowed);
        assert_eq!(feed(&mut make(role), pieces(wire, cuts), method), whole, "{role:?}");
    }
}

proptest! {
    #[test]
    fn in_both_roles(messages in messages(), cuts in cuts(), method in method()) {
        let wire = sent(&mut client(), &messages);
        assert_arrive(&mut server(), &pieces(&wire, &cuts), method, messages.clone());
        let wire = sent(&mut server(), &messages);
        assert_arrive(&mut client(), &pieces(&wire, &cuts), method, messages);
    }

    #[test]
    fn in_both_roles_compressed_by_any_parameters(
        messages in messages(),
        cuts in cuts(),
        method in method(),
        at_client in deflate(),
        at_server in deflate(),
    ) {
        let mut pair = compressing(&Config::new(), &at_client, &at_server);
        let wire = sent(&mut pair.client, &messages);
        assert_arrive(&mut pair.server, &pieces(&wire, &cuts), method, messages.clone());
        let wire = sent(&mut pair.server, &messages);
        assert_arrive(&mut pair.client, &pieces(&wire, &cuts), method, messages);
    }

    #[test]
    fn in_fragments_with_control_frames_between(
        messages in prop::collection::vec((message(), cuts(), any::<bool>()), 1..4),
        cuts in cuts(),
        method in method(),
        deflate in deflate(),
        role in prop::sample::select(vec![Role::Client, Role::Server]),
    ) {
        let mut pair = compressing(&Config::new(), &deflate, &deflate);
        let mut deflater = pair.parameters.deflater(role, &deflate);
        let (wire, expected) = all_fragmented(&messages, &mut deflater, role);
        let peer = if role == Role::Client { &mut pair.server } else { &mut pair.client };
        let seen = feed(peer, pieces(&wire, &cuts), method);
        prop_assert_eq!((seen.events, seen.error, seen.state), (expected, None, State::Open));
    }

    #[test]
    fn any_bytes_give_the_same_events_at_any_split(
        wire in prop::collection::vec(any::<u8>(), 0..200),
        cuts in cuts(),
        method in method(),
        deflate in deflate(),
    ) {
        let make = |role| compressing(&Config::new(), &deflate, &deflate).of(role);
        assert_same_at_any_split(make, &wire, &cuts, method);
    }
}

/// A long message read directly into its final place must not affect the message after it.
#[test]
fn a_long_payload_read_in_place_is_followed_by_the_next_message() {
    let messages = vec![Message::from(vec![7; 300_000]), Message::from("next")];
    for method in [InputMethod::Borrowed, InputMethod::Shared, InputMethod::Direct] {
        let wire = sent(&mut client(), &messages);
        for size in [1000, 16 * 1024, 100_000, wire.len()] {
            let chunks: Vec<_> = wire.chunks(size).collect();
            assert_arrive(&mut server(), &chunks, method, messages.clone());
        }
    }
}
