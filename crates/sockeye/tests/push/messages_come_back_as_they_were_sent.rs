//! Every byte of every message survives, whatever its length, and however the stream is split.

use std::io::Write as _;
use std::thread;

use sockeye::push::Server;
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, Deflate, Message};

use crate::certificate::certificate;
use crate::peer::Peer;
use crate::recorder::{Seen, record_echo};
use crate::serving::Running;
use crate::wire::{self, BINARY, CONTINUATION, FIN, PING, PONG, TEXT};

/// Lengths on both sides of every boundary between two ways to write, read or hold a message.
const LENGTHS: [usize; 14] = [
    0,
    1,
    125,
    126,
    4095,
    4096,
    16_384,
    65_535,
    65_536,
    262_130,
    262_144,
    300_000,
    1_000_003,
    5 << 20,
];

/// Returns bytes that differ between messages, and within a message.
fn binary(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ at >> 8 ^ at >> 16 ^ length) as u8).collect()
}

/// Returns text in which consecutive characters have different widths.
fn text(length: usize) -> String {
    let mut text = String::with_capacity(length);
    for character in "aé€😀".chars().cycle() {
        if text.len() + character.len_utf8() > length {
            break;
        }
        text.push(character);
    }
    while text.len() < length {
        text.push('z');
    }
    text
}

/// Sends all of `bytes`, at most `piece` at a time, while reading the answers.
fn exchange(peer: &mut Peer, bytes: Vec<u8>, piece: usize, expected: &[(u8, Vec<u8>)]) {
    let mut writer = peer.stream().try_clone().unwrap();
    let writing = thread::spawn(move || {
        for piece in bytes.chunks(piece) {
            writer.write_all(piece).unwrap();
        }
    });
    for (first, payload) in expected {
        let (mut got_first, mut got) = peer.frame();
        // Keepalive of the server, if the test takes long on a busy machine.
        while matches!(got_first, 0x89 | 0x8a) && got_first != *first {
            (got_first, got) = peer.frame();
        }
        assert_eq!(got_first, *first);
        assert_eq!(got.len(), payload.len());
        assert!(got == *payload, "a message of {} bytes was changed", payload.len());
    }
    writing.join().unwrap();
}

/// Returns one message of every length, as text and as binary.
fn all_messages() -> Vec<(u8, Vec<u8>)> {
    LENGTHS
        .iter()
        .flat_map(|&length| {
            [(FIN | TEXT, text(length).into_bytes()), (FIN | BINARY, binary(length))]
        })
        .collect()
}

fn with_echo(test: impl FnOnce(&mut Peer)) {
    let (make, _) = record_echo();
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    test(&mut peer);
    peer.send(&wire::close(1000));
    assert_eq!(peer.close_code(), 1000);
    peer.end();
    running.stop();
}

#[test]
fn messages_come_back_one_at_a_time() {
    with_echo(|peer| {
        for message in all_messages() {
            let bytes = wire::masked(message.0, &message.1);
            exchange(peer, bytes, usize::MAX, &[message]);
        }
    });
}

#[test]
fn messages_come_back_when_all_are_sent_at_once() {
    with_echo(|peer| {
        let mut messages = all_messages();
        messages.extend((0..3000).map(|index| (FIN | BINARY, binary(index % 200))));
        messages.extend((0..100).map(|index| (FIN | BINARY, binary(16_384 + index))));
        messages.extend(all_messages());
        let bytes = messages.iter().flat_map(|(first, payload)| wire::masked(*first, payload));
        let bytes: Vec<u8> = bytes.collect();
        exchange(peer, bytes, usize::MAX, &messages);
    });
}

#[test]
fn messages_come_back_when_they_are_cut_at_odd_places() {
    for piece in [7919, 65_537] {
        with_echo(|peer| {
            let messages = all_messages();
            let bytes = messages.iter().flat_map(|(first, payload)| wire::masked(*first, payload));
            let bytes: Vec<u8> = bytes.collect();
            exchange(peer, bytes, piece, &messages);
        });
    }
    with_echo(|peer| {
        let messages: Vec<_> = [0, 1, 125, 126, 300].map(|n| (FIN | BINARY, binary(n))).into();
        let bytes = messages.iter().flat_map(|(first, payload)| wire::masked(*first, payload));
        let bytes: Vec<u8> = bytes.collect();
        exchange(peer, bytes, 1, &messages);
    });
}

#[test]
fn fragments_come_back_as_one_message_and_pings_between_them_at_once() {
    with_echo(|peer| {
        // One at a time: the server must answer only the last of several pending pings.
        for (first, payload) in all_messages() {
            let cuts = [payload.len() / 3, payload.len() / 2];
            let mark = payload.len().to_be_bytes();
            let bytes = [
                wire::masked(first & !FIN, &payload[..cuts[0]]),
                wire::masked(CONTINUATION, &payload[cuts[0]..cuts[1]]),
                wire::masked(FIN | PING, &mark),
                wire::masked(FIN | CONTINUATION, &payload[cuts[1]..]),
            ];
            let expected = [(FIN | PONG, mark.to_vec()), (first, payload)];
            exchange(peer, bytes.concat(), usize::MAX, &expected);
        }
    });
}

/// Sends messages of all lengths with this library's client, several at a time if the socket
/// buffers of both ends hold them: this client reads only after it has sent.
async fn by_client(client: Client) {
    let mut ws = client.connect().await.unwrap();
    let messages: Vec<Message> = LENGTHS
        .iter()
        .flat_map(|&length| [Message::from(text(length)), Message::from(binary(length))])
        .collect();
    let (short, long): (Vec<_>, Vec<_>) =
        messages.iter().partition(|message| message.len() < 20_000);
    for batch in short.chunks(3).chain(long.chunks(1)) {
        for message in batch {
            ws.feed((*message).clone()).await.unwrap();
        }
        for message in batch {
            let got = ws.recv().await.unwrap().unwrap();
            assert!(got == **message, "a message of {} bytes was changed", message.len());
        }
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
}

#[tokio::test]
async fn messages_come_back_to_our_client() {
    let (make, log) = record_echo();
    let running = Running::start(Server::new(make).workers(1));
    by_client(Client::new(running.url())).await;
    running.stop();
    let closed = log.rest().last().unwrap().1;
    let Seen::Close(Some(frame)) = closed else { panic!("{closed:?}") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::NORMAL_CLOSURE, "done"));
}

#[tokio::test]
async fn messages_come_back_compressed() {
    for (server, client) in [
        (Deflate::new(), Deflate::new()),
        (Deflate::new().no_context_takeover(true), Deflate::new()),
    ] {
        let (make, _) = record_echo();
        let options = Options::new().deflate(server);
        let running = Running::start(Server::new(make).workers(1).options(options));
        by_client(Client::new(running.url()).deflate(client)).await;
        running.stop();
    }
}

#[tokio::test]
async fn messages_come_back_over_tls() {
    let (server, client) = certificate("127.0.0.1");
    let (make, _) = record_echo();
    let options = Options::new().deflate(Deflate::new());
    let running = Running::start(Server::new(make).workers(1).tls(server).options(options));
    let url = format!("wss://{}/", running.address);
    by_client(Client::new(&url).tls(client.clone())).await;
    by_client(Client::new(&url).tls(client).deflate(Deflate::new())).await;
    running.stop();
}
