//! Handles: order, broadcast, bounds, and connections that are closed.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use sockeye::push::{Connection, Handle, HandleError, Server};
use sockeye::{CloseCode, CloseFrame, Error, UsageError};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Log, Recorder, Seen, record};
use crate::serving::Running;
use crate::wire::{self, CLOSE, FIN, TEXT};

/// Returns recorders that pass on a handle of each connection that opens.
fn record_handles() -> (impl Fn() -> Recorder + Send + Sync + 'static, Log, Receiver<Handle>) {
    let (handle_sender, handles) = channel();
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            // The receiver is gone when the test has ended.
            let _ = handle_sender.send(connection.handle());
        }
    });
    (make, log, handles)
}

#[test]
fn messages_of_each_thread_arrive_in_order() {
    const THREADS: usize = 4;
    const EACH: usize = 2000;
    let (make, _log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(2));
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let handle = handle.clone();
            thread::spawn(move || {
                for number in 0..EACH {
                    // Long messages are not copied, short ones are.
                    let padding = "x".repeat(if number % 50 == 0 { 5000 } else { 0 });
                    handle.send(format!("{thread} {number} {padding}")).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; THREADS];
    for _ in 0..THREADS * EACH {
        let message = String::from_utf8(peer.message()).unwrap();
        let mut words = message.split(' ');
        let thread: usize = words.next().unwrap().parse().unwrap();
        let number: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(number, next[thread], "of thread {thread}");
        next[thread] += 1;
    }
    for sender in senders {
        sender.join().unwrap();
    }
    running.stop();
}

#[test]
fn a_broadcast_reaches_the_connections_of_all_workers() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(3));
    let mut peers: Vec<_> = (0..24).map(|_| Peer::connect(running.address)).collect();
    for _ in &peers {
        log.opened();
    }
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    let long = "long ".repeat(4000);
    for message in ["short", &long] {
        handle.broadcast(message).unwrap();
        for peer in &mut peers {
            assert_eq!(peer.frame(), (FIN | TEXT, message.as_bytes().to_vec()));
        }
    }
    running.stop();
}

#[test]
fn a_callback_may_broadcast() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(message) = seen {
            connection.broadcast(message.clone()).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(2));
    let mut peers: Vec<_> = (0..8).map(|_| Peer::connect(running.address)).collect();
    for _ in &peers {
        log.opened();
    }
    peers[3].text("to all");
    for peer in &mut peers {
        assert_eq!(peer.message(), b"to all");
    }
    running.stop();
}

#[test]
fn a_handle_closes_and_aborts() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    assert_eq!(handle.id(), log.opened());
    let error = handle.close(CloseCode::NO_STATUS_RCVD, "none").unwrap_err();
    assert!(matches!(error, HandleError::Usage(UsageError::InvalidCloseCode { .. })), "{error:?}");
    handle.close(CloseCode::TRY_AGAIN_LATER, "busy").unwrap();
    handle.send("too late").unwrap();
    assert_eq!(peer.close_code(), 1013);
    peer.send(&wire::close(1013));
    peer.end();
    assert!(
        matches!(log.seen(), Seen::Close(Some(frame)) if frame.code == CloseCode::TRY_AGAIN_LATER)
    );
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    handle.abort().unwrap();
    peer.end();
    assert_eq!(log.wait_for(&Seen::Close(None)), handle.id());
    running.stop();
}

#[test]
fn a_handle_of_a_connection_that_is_over_touches_no_other() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(1));
    let mut first = Peer::connect(running.address);
    let old = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    first.send(&wire::close(1000));
    first.drain();
    while !matches!(log.seen(), Seen::Close(_)) {}
    // The new connection reuses the slot of the old one.
    let mut second = Peer::connect(running.address);
    let new = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    assert_ne!(old.id(), new.id());
    old.send("for nobody").unwrap_err();
    old.ping(b"for nobody").unwrap_err();
    old.close(CloseCode::NORMAL_CLOSURE, "for nobody").unwrap();
    old.abort().unwrap();
    new.send("for you").unwrap();
    assert_eq!(second.frame(), (FIN | TEXT, b"for you".to_vec()));
    second.send(&wire::close(1000));
    assert_eq!(second.close_code(), 1000);
    running.stop();
}

#[test]
fn a_worker_that_is_behind_takes_no_more_than_its_limit() {
    const LIMIT: usize = 100_000;
    const LENGTH: usize = 1000;
    let (handles, handle) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            handles.send(connection.handle()).unwrap();
            released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_command_bytes(LIMIT));
    let mut peer = Peer::connect(running.address);
    peer.text("be busy");
    let handle: Handle = handle.recv_timeout(TEST_TIMEOUT).unwrap();
    let mut sent = 0;
    let error = loop {
        match handle.send("x".repeat(LENGTH)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent <= LIMIT / LENGTH, "{sent} messages wait");
    };
    assert!(matches!(error, HandleError::Full), "{error:?}");
    assert!(sent >= LIMIT / LENGTH / 2, "only {sent} messages wait");
    assert!(matches!(handle.broadcast("x"), Err(HandleError::Full)));
    assert!(matches!(handle.ping(b""), Err(HandleError::Full)));
    assert!(matches!(handle.post("x"), Err(HandleError::Full)));
    release.send(()).unwrap();
    for _ in 0..sent {
        assert_eq!(peer.message().len(), LENGTH);
    }
    // The queue has capacity again.
    handle.send("after").unwrap();
    assert_eq!(peer.message(), b"after");
    running.stop();
}

#[test]
fn a_peer_is_got_rid_of_however_much_waits_for_its_worker() {
    const LIMIT: usize = 100_000;
    let (handles, handle) = channel();
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            handles.send(connection.handle()).unwrap();
            released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_command_bytes(LIMIT));
    for gently in [true, false] {
        let mut peer = Peer::connect(running.address);
        peer.text("be busy");
        let handle: Handle = handle.recv_timeout(TEST_TIMEOUT).unwrap();
        let mut sent = 0;
        while handle.send("x".repeat(1000)).is_ok() {
            sent += 1;
        }
        // Repeated requests are queued once.
        for _ in 0..100_000 {
            if gently {
                handle.close(CloseCode::POLICY_VIOLATION, "enough").unwrap();
            } else {
                handle.abort().unwrap();
            }
        }
        assert!(!handle.is_closed());
        release.send(()).unwrap();
        if gently {
            for _ in 0..sent {
                assert_eq!(peer.message().len(), 1000);
            }
            assert_eq!(peer.close_code(), 1008);
            peer.send(&wire::close(1008));
        }
        peer.drain();
        while !matches!(log.seen(), Seen::Close(_)) {}
    }
    running.stop();
}

#[test]
fn a_handle_reports_that_its_connection_has_ended() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(2));
    let mut closed = Peer::connect(running.address);
    let closed_handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    let _open = Peer::connect(running.address);
    let open_handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    log.opened();
    log.opened();
    closed.send(&wire::close(1000));
    assert_eq!(closed.close_code(), 1000);
    closed.end();
    // The transport ends after the connection.
    assert!(closed_handle.is_closed() && closed_handle.clone().is_closed());
    assert!(!open_handle.is_closed());
    running.stop();
    assert!(open_handle.is_closed());
}

#[test]
fn commands_to_an_ended_connection_are_refused_with_its_end() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let closed = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    peer.send(&wire::close(1000));
    log.wait_for(&Seen::Close(Some(CloseFrame::from(CloseCode::NORMAL_CLOSURE))));
    for refused in [closed.send("too late"), closed.ping(b""), closed.post(7_u32)] {
        let Err(HandleError::Closed(end)) = refused else { panic!("{refused:?}") };
        assert!(matches!(&*end, Error::Closed(Some(frame)) if frame.code == 1000.into()));
    }
    closed.close(1000, "").unwrap();
    closed.abort().unwrap();
    Peer::connect(running.address).finish();
    let lost = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    log.wait_for(&Seen::Close(None));
    let refused = lost.send("too late");
    assert!(
        matches!(&refused, Err(HandleError::Closed(end)) if matches!(**end, Error::Disconnected)),
        "{refused:?}"
    );
    running.stop();
}

#[test]
fn an_empty_close_frame_can_be_sent() {
    let (make, log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    handles.recv_timeout(TEST_TIMEOUT).unwrap().close(CloseCode::NO_STATUS_RCVD, "").unwrap();
    assert_eq!(peer.frame(), (FIN | CLOSE, Vec::new()));
    peer.send(&wire::masked(FIN | CLOSE, b""));
    log.wait_for(&Seen::Close(None));
    running.stop();
}

#[test]
fn a_handle_fails_once_the_server_has_stopped() {
    let (make, _log, handles) = record_handles();
    let running = Running::start(Server::new(make).workers(2));
    let peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    peer.reset();
    running.stop();
    assert!(matches!(handle.send("anyone?"), Err(HandleError::Stopped)));
    assert!(matches!(handle.ping(b""), Err(HandleError::Stopped)));
    assert!(matches!(handle.close(CloseCode::NORMAL_CLOSURE, ""), Err(HandleError::Stopped)));
    assert!(matches!(handle.abort(), Err(HandleError::Stopped)));
    assert!(matches!(handle.broadcast("anyone?"), Err(HandleError::Stopped)));
}
