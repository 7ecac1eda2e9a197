//! Start and stop of a server: its address, its limit of connections, shutdown, and a handler that
//! panics.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use sockeye::push::{Callbacks, Connection, OnPanic, Server};
use sockeye::{CloseCode, Error, TimedOut};

use crate::peer::{Peer, request};
use crate::recorder::{Failure, Seen, record, record_echo};
use crate::serving::Running;
use crate::wire;

#[test]
fn connections_are_closed_with_1001_when_the_server_stops() {
    let (make, log) = record_echo();
    let running = Running::start(Server::new(make).workers(2));
    let mut peers: Vec<_> = (0..6).map(|_| Peer::connect(running.address)).collect();
    for _ in &peers {
        log.opened();
    }
    // A connection in its handshake must not delay the shutdown.
    let mut unfinished = Peer::dial(running.address);
    unfinished.send(b"GET / HTTP/1.1\r\n");
    let address = running.address;
    running.tell_to_stop();
    unfinished.end();
    for peer in &mut peers {
        assert_eq!(peer.close_code(), 1001);
        // A message in flight is still handled.
        peer.text("one more thing");
        peer.send(&wire::close(1001));
        peer.end();
    }
    running.join().unwrap().unwrap();
    let seen: Vec<Seen> = log.rest().map(|(_, seen)| seen).collect();
    let things =
        seen.iter().filter(|seen| **seen == Seen::Message("one more thing".into())).count();
    assert_eq!(things, peers.len());
    let closed = |seen: &&Seen| matches!(seen, Seen::Close(Some(frame)) if frame.code == CloseCode::GOING_AWAY);
    assert_eq!(seen.iter().filter(closed).count(), peers.len());
    assert_eq!(seen.len(), 2 * peers.len());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_peer_that_does_not_answer_is_dropped_when_the_time_to_stop_is_over() {
    let (make, log) = record_echo();
    let server = Server::new(make).workers(1).shutdown_timeout(Duration::from_millis(30));
    let running = Running::start(server);
    let mut peer = Peer::connect(running.address);
    log.opened();
    running.stop();
    assert_eq!(peer.close_code(), 1001);
    peer.end();
    let seen: Vec<Seen> = log.rest().map(|(_, seen)| seen).collect();
    assert_eq!(seen, [Seen::Error(Failure::TimedOut(TimedOut::Closing)), Seen::Close(None)]);
}

#[test]
fn a_server_may_be_stopped_twice_and_before_it_runs() {
    let listening = Server::new(Callbacks::new).listen("127.0.0.1:0").unwrap();
    let server_handle = listening.handle();
    server_handle.stop();
    server_handle.clone().stop();
    listening.run().unwrap();
    server_handle.stop();
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let running = Running::start(Server::new(Callbacks::new).workers(2));
    for workers in [1, 2] {
        match Server::new(Callbacks::new).workers(workers).listen(running.address) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
            other => panic!("{other:?}"),
        }
    }
    running.stop();
}

#[test]
fn a_panic_in_a_handler_ends_the_server_that_is_to_stop_then() {
    let (make, log) = record(|_: &mut Connection, seen: &Seen| {
        assert_ne!(*seen, Seen::Message("panic".into()), "on purpose");
    });
    let server = Server::new(make).workers(3).on_panic(OnPanic::StopServer);
    let running = Running::start(server.shutdown_timeout(Duration::from_millis(30)));
    let mut others: Vec<_> = (0..6).map(|_| Peer::connect(running.address)).collect();
    let mut peer = Peer::connect(running.address);
    for _ in 0..7 {
        log.opened();
    }
    peer.text("panic");
    peer.drain();
    let panic = running.join().unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("on purpose"), "{message}");
    for other in &mut others {
        other.drain();
    }
}

#[test]
fn a_connection_over_the_limit_waits_for_another_to_end() {
    let (make, log) = record_echo();
    let running = Running::start(Server::new(make).workers(2).max_connections(2));
    let mut first = Peer::connect(running.address);
    let mut second = Peer::connect(running.address);
    log.opened();
    log.opened();
    let mut waiting = Peer::dial(running.address);
    waiting.send(&[request("/", "").as_bytes(), &wire::text("my turn")].concat());
    // The others are served while it waits.
    for peer in [&mut first, &mut second] {
        for _ in 0..50 {
            peer.text("still here");
            assert_eq!(peer.message(), b"still here");
            assert_eq!(log.seen(), Seen::Message("still here".into()));
        }
    }
    first.send(&wire::close(1000));
    assert!(matches!(log.seen(), Seen::Close(Some(_))));
    assert!(waiting.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(waiting.message(), b"my turn");
    running.stop();
}

#[test]
fn a_refused_or_unfinished_request_makes_room_again() {
    let (make, _log) = record_echo();
    let running = Running::start(Server::new(make).workers(1).max_connections(1));
    for _ in 0..3 {
        let mut refused = Peer::dial(running.address);
        refused.send(b"GET / HTTP/1.1\r\n\r\n");
        assert!(refused.head().starts_with("HTTP/1.1 4"));
        refused.reset();
        let mut unfinished = Peer::dial(running.address);
        unfinished.send(b"GET / HT");
        unfinished.finish();
        unfinished.drain();
    }
    let mut peer = Peer::connect(running.address);
    peer.text("at last");
    assert_eq!(peer.message(), b"at last");
    running.stop();
}
