//! A callback that panics ends its connection, by 1011; every other connection and the handler
//! continue.

use std::sync::mpsc::channel;

use sockeye::handshake::{Refusal, Request};
use sockeye::push::{Answer, Connection, Handle, Handler, Server};
use sockeye::{CloseFrame, Error, MessageRef};

use crate::peer::{Peer, TEST_TIMEOUT, request};
use crate::serving::Running;
use crate::wire::{self, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};

/// A handler that panics in the callback that the connection's path names, and counts the callbacks
/// of its connections.
struct Panicking {
    give: std::sync::mpsc::Sender<Handle>,
    closed: std::sync::mpsc::Sender<String>,
}

impl Panicking {
    fn at(connection: &mut Connection, place: &str) {
        let path = connection.data::<String>().unwrap();
        assert_ne!(path, &format!("/{place}"), "on purpose");
    }
}

impl Handler for Panicking {
    fn upgrade(&mut self, request: &Request<'_>, answer: &mut Answer) -> Result<(), Refusal> {
        assert_ne!(request.path(), "/upgrade", "on purpose");
        answer.set_data(request.path().to_owned());
        Ok(())
    }

    fn open(&mut self, connection: &mut Connection, _: &Request<'_>) {
        self.give.send(connection.handle()).unwrap();
        connection.send("welcome");
        Self::at(connection, "open");
        if connection.data::<String>().unwrap() == "/tick" {
            connection.tick_after(std::time::Duration::from_millis(1));
        }
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.send(message);
        Self::at(connection, "message");
    }

    fn ping(&mut self, connection: &mut Connection, _: &[u8]) {
        Self::at(connection, "ping");
    }

    fn pong(&mut self, connection: &mut Connection, _: &[u8]) {
        Self::at(connection, "pong");
    }

    fn tick(&mut self, connection: &mut Connection) {
        Self::at(connection, "tick");
    }

    fn event(&mut self, connection: &mut Connection, _: Box<dyn std::any::Any + Send>) {
        Self::at(connection, "event");
    }

    fn error(&mut self, connection: &mut Connection, _: &Error) {
        Self::at(connection, "error");
    }

    fn close(&mut self, connection: &mut Connection, _: Option<&CloseFrame>) {
        self.closed.send(connection.data::<String>().unwrap().clone()).unwrap();
        Self::at(connection, "close");
    }
}

/// The callback that panics, the input that makes it panic, the messages before the end, and the
/// close code.
type Case<'a> = (&'a str, Vec<u8>, &'a [&'a [u8]], u16);

#[test]
fn a_panic_ends_only_its_connection() {
    let (give, handles) = channel();
    let (closed, closings) = channel();
    let make = move || Panicking { give: give.clone(), closed: closed.clone() };
    let running = Running::start(Server::new(make).workers(1));
    let mut other = Peer::ask(running.address, "/other");
    handles.recv_timeout(TEST_TIMEOUT).unwrap();
    assert_eq!(other.message(), b"welcome");
    let long = vec![b'x'; 100_000];
    let fragments =
        [wire::masked(TEXT, b"in "), wire::masked(FIN | CONTINUATION, b"pieces")].concat();
    let cases: [Case<'_>; 10] = [
        ("/open", vec![], &[], 1011),
        ("/message", wire::text("boom").repeat(3), &[b"boom"], 1011),
        ("/message", wire::masked(FIN | TEXT, &long), &[&long], 1011),
        ("/message", fragments, &[b"in pieces"], 1011),
        ("/ping", wire::masked(FIN | PING, b"!"), &[b"!"], 1011),
        ("/pong", wire::masked(FIN | PONG, b"!"), &[], 1011),
        ("/tick", vec![], &[], 1011),
        ("/event", vec![], &[], 1011),
        ("/error", wire::masked(FIN | TEXT, b"\xff"), &[], 1007),
        ("/close", wire::close(1000), &[], 1000),
    ];
    for (path, bytes, answers, code) in cases {
        let mut peer = Peer::dial(running.address);
        peer.send(&[request(path, "").as_bytes(), &bytes].concat());
        assert!(peer.head().starts_with("HTTP/1.1 101 "), "{path}");
        let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
        if path == "/event" {
            handle.post(()).unwrap();
        }
        assert_eq!(peer.message(), b"welcome", "{path}");
        for answer in answers {
            assert!(peer.frame().1 == *answer, "{path}");
        }
        let (first, payload) = peer.frame();
        assert_eq!(first, FIN | CLOSE, "{path}");
        assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code, "{path}");
        assert_eq!(closings.recv_timeout(TEST_TIMEOUT).unwrap(), path, "close comes all the same");
        peer.finish();
        peer.end();
        assert!(handle.is_closed(), "{path}");
        other.text("still here");
        assert_eq!(other.message(), b"still here");
    }
    let mut refused = Peer::dial(running.address);
    refused.send(request("/upgrade", "").as_bytes());
    assert!(refused.head().starts_with("HTTP/1.1 500 "));
    other.text("still here");
    assert_eq!(other.message(), b"still here");
    other.send(&wire::close(1000));
    assert_eq!(other.close_code(), 1000);
    running.stop();
    let rest: Vec<String> = closings.into_iter().collect();
    assert_eq!(rest, ["/other"]);
}

#[test]
fn a_panic_with_output_that_waits_ends_only_its_connection() {
    let callbacks = sockeye::push::Callbacks::new()
        .on_message(|connection, message| {
            if message.as_bytes() == b"flood" {
                connection.send_shared(vec![7; 12 << 20]);
            } else {
                connection.send(message);
            }
        })
        .on_drained(|_| panic!("on purpose"));
    let running = Running::start(Server::new(move || callbacks.clone()).workers(1));
    let mut other = Peer::connect(running.address);
    let mut peer = Peer::connect(running.address);
    peer.text("flood");
    assert_eq!(peer.message().len(), 12 << 20);
    assert_eq!(peer.close_code(), 1011);
    peer.finish();
    peer.end();
    other.text("still here");
    assert_eq!(other.message(), b"still here");
    running.stop();
}
