//! Output that a peer does not read is queued, within bounds; meanwhile the server reads nothing
//! from the peer; and everything arrives, in order.

use std::io::{ErrorKind, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use sockeye::push::{Connection, SendOutcome, Server};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Failure, Seen, record};
use crate::serving::Running;
use crate::wire::{self, BINARY, FIN};

const MAX_UNWRITTEN: usize = 24 << 20;
const LENGTH: usize = 10_000;

/// Returns a numbered message.
fn numbered(number: usize) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(LENGTH, number as u8);
    payload
}

/// Sends until a message is not accepted. Returns the number of accepted messages.
fn flood(connection: &mut Connection) -> usize {
    let mut sent = 0;
    loop {
        let payload = numbered(sent);
        let result = if sent % 2 == 0 {
            connection.send(payload.as_slice())
        } else {
            connection.send_shared(payload)
        };
        match result {
            SendOutcome::Taken => sent += 1,
            SendOutcome::Full => return sent,
            other => panic!("it is open: {other:?}"),
        }
        assert!(connection.unwritten() < MAX_UNWRITTEN + LENGTH + 10);
    }
}

#[test]
fn output_is_bounded_and_arrives_in_order_once_it_is_read() {
    let (report, reports) = channel();
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if *seen == Seen::Message("flood".into()) {
            report.send(flood(connection)).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    peer.text("flood");
    let sent = reports.recv_timeout(TEST_TIMEOUT).unwrap();
    assert!(sent >= MAX_UNWRITTEN / (LENGTH + 10));
    // Neither is handled before all of the flood is in the system's buffers.
    peer.text("later");
    peer.send(&wire::close(1000));
    for number in 0..sent {
        assert!(peer.frame() == (FIN | BINARY, numbered(number)), "message {number}");
    }
    assert_eq!(peer.close_code(), 1000);
    peer.end();
    running.stop();
    let seen: Vec<Seen> = log.rest().map(|(_, seen)| seen).collect();
    let [Seen::Open(_), flood, Seen::Drained, later, Seen::Close(Some(_))] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!((flood, later), (&Seen::Message("flood".into()), &Seen::Message("later".into())));
}

#[test]
fn a_flood_goes_on_each_time_that_it_is_drained() {
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if *seen == Seen::Message("flood".into()) || *seen == Seen::Drained {
            flood(connection);
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    peer.text("flood");
    let mut floods = 0;
    while floods < 4 {
        let (first, payload) = peer.frame();
        assert_eq!(first, FIN | BINARY);
        floods += usize::from(payload == numbered(0));
    }
    peer.reset();
    log.wait_for(&Seen::Close(None));
    running.stop();
}

#[test]
fn reading_pauses_while_answers_are_not_read() {
    const TOTAL: usize = 6000;
    let most = Arc::new(AtomicUsize::new(0));
    let seen_most = most.clone();
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(message) = seen {
            connection.send(message);
            seen_most.fetch_max(connection.unwritten(), Ordering::Relaxed);
        }
    });
    // Prepared before the connection exists: if this took long, the server would send a ping.
    let bytes: Vec<u8> =
        (0..TOTAL).flat_map(|number| wire::masked(FIN | BINARY, &numbered(number))).collect();
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let mut writer = peer.stream().try_clone().unwrap();
    let (report, stalled) = channel();
    let writing = thread::spawn(move || {
        // The reading half shares the timeout, as it shares the socket, but only writes use it.
        writer.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // From now on the peer reads.
                    let _ = report.send(());
                }
                Err(error) => panic!("cannot write: {error}"),
            }
        }
    });
    stalled.recv_timeout(TEST_TIMEOUT).expect("the server stops reading at some time");
    for number in 0..TOTAL {
        assert!(peer.frame() == (FIN | BINARY, numbered(number)), "message {number}");
    }
    writing.join().unwrap();
    running.stop();
    let most = most.load(Ordering::Relaxed);
    // Maximum that a worker reads at a time.
    assert!(most < 4 << 20, "{most} bytes waited, of {}", TOTAL * LENGTH);
}

#[test]
fn a_peer_that_is_gone_before_it_has_read_is_noticed() {
    let (report, reports) = channel();
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if *seen == Seen::Message("flood".into()) {
            report.send(flood(connection)).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    peer.text("flood");
    reports.recv_timeout(TEST_TIMEOUT).unwrap();
    // Now the server waits for the peer.
    let (_, payload) = peer.frame();
    assert_eq!(payload.len(), LENGTH);
    peer.reset();
    let failure = loop {
        if let Seen::Error(failure) = log.seen() {
            break failure;
        }
    };
    assert!(matches!(failure, Failure::Io(_) | Failure::Disconnected), "{failure:?}");
    assert_eq!(log.seen(), Seen::Close(None));
    running.stop();
}
