//! The bound on unwritten output is for peers that do not read: a peer that reads gets everything,
//! however small the bound.

use sockeye::Prepared;
use sockeye::push::{Connection, SendOutcome, Server};
use sockeye::upgrade::Options;
use sockeye::{Client, Deflate, WebSocket};

use crate::certificate::certificate;
use crate::peer::{Peer, request};
use crate::recorder::{Seen, record};
use crate::serving::Running;
use crate::wire::{self, FIN, TEXT};

const MAX_UNWRITTEN: usize = 64 * 1024;
const ANSWER: usize = 4096;

fn answer(number: usize) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(ANSWER, number as u8);
    payload
}

/// The frames of as many short messages.
fn questions(count: usize) -> impl Iterator<Item = u8> {
    (0..count).flat_map(|_| wire::masked(FIN | TEXT, b"?"))
}

fn assert_frames(peer: &mut Peer, count: usize) {
    for number in 0..count {
        assert!(peer.frame().1 == answer(number), "message {number}");
    }
}

async fn assert_answers(ws: &mut WebSocket, count: usize) {
    for number in 0..count {
        let message = ws.recv().await.unwrap().unwrap();
        assert!(message.as_bytes() == answer(number), "message {number}");
    }
}

/// Answers each message with its number, in a payload of 4 KiB.
fn number_answers(connection: &mut Connection, seen: &Seen) {
    match seen {
        Seen::Open(_) => connection.set_data(0_usize),
        Seen::Message(_) => {
            let next: &mut usize = connection.data().unwrap();
            let number = *next;
            *next += 1;
            let payload = answer(number);
            assert_eq!(connection.send(payload.as_slice()), SendOutcome::Taken, "at {number}");
        }
        _ => {}
    }
}

#[test]
fn that_asks_for_more_than_the_bound_in_one_write() {
    const TOTAL: usize = 2000;
    let (make, log) = record(number_answers);
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    let mut bytes: Vec<u8> = questions(TOTAL).collect();
    bytes.extend(wire::close(1000));
    peer.send(&bytes);
    assert_frames(&mut peer, TOTAL);
    assert_eq!(peer.close_code(), 1000);
    peer.end();
    running.stop();
    let messages = log.rest().filter(|(_, seen)| matches!(seen, Seen::Message(_))).count();
    assert_eq!(messages, TOTAL);
}

#[test]
fn that_sent_its_questions_right_after_the_request() {
    const TOTAL: usize = 500;
    let (make, _log) = record(number_answers);
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::dial(running.address);
    let mut bytes = request("/", "").into_bytes();
    bytes.extend(questions(TOTAL));
    peer.send(&bytes);
    peer.head();
    assert_frames(&mut peer, TOTAL);
    drop(peer);
    running.stop();
}

#[test]
fn is_heard_even_where_nothing_may_be_unwritten() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            assert_eq!(connection.send("dropped"), SendOutcome::Full);
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(0));
    let mut peer = Peer::connect(running.address);
    peer.send(&[wire::text("one"), wire::text("two"), wire::close(1000)].concat());
    assert_eq!(peer.close_code(), 1000);
    peer.end();
    running.stop();
    let messages = log.rest().filter(|(_, seen)| matches!(seen, Seen::Message(_))).count();
    assert_eq!(messages, 2);
}

#[tokio::test]
async fn encrypted_and_compressed_alike() {
    const TOTAL: usize = 500;
    let (tls, trusting) = certificate("127.0.0.1");
    for encrypted in [false, true] {
        for deflate in [None, Some(Deflate::new())] {
            let (make, _log) = record(number_answers);
            let options = deflate
                .clone()
                .map_or_else(Options::new, |deflate| Options::new().deflate(deflate));
            let mut server = Server::new(make).workers(1).max_unwritten(512).options(options);
            let mut scheme = "ws";
            if encrypted {
                server = server.tls(tls.clone());
                scheme = "wss";
            }
            let running = Running::start(server);
            let url = format!("{scheme}://{}/", running.address);
            let mut client = Client::new(&url).tls(trusting.clone());
            if let Some(deflate) = deflate {
                client = client.deflate(deflate);
            }
            let mut ws = client.connect().await.unwrap();
            for _ in 0..TOTAL {
                ws.feed("a question of some length, so that it can be compressed").await.unwrap();
            }
            ws.flush().await.unwrap();
            assert_answers(&mut ws, TOTAL).await;
            ws.close(1000, "").await.unwrap();
            running.stop();
        }
    }
}

#[test]
fn that_is_sent_to_by_others() {
    const TOTAL: usize = 100;
    // Commands that a callback posts to its own connection wait until the callback returns, and
    // arrive together.
    let (make, _log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            let handle = connection.handle();
            for number in 0..TOTAL {
                let payload = answer(number);
                match number % 3 {
                    0 => handle.send(payload).unwrap(),
                    1 => handle.send_prepared(&Prepared::new(payload)).unwrap(),
                    _ => connection.broadcast(payload).unwrap(),
                }
            }
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    peer.text("go");
    assert_frames(&mut peer, TOTAL);
    drop(peer);
    running.stop();
}
