//! Messages that the last callbacks try to send never reach the peer, and the calls return an
//! error.

use std::sync::mpsc::channel;

use sockeye::push::{Connection, Handle, SendOutcome, Server};
use sockeye::{CloseCode, CloseFrame, Error};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Failure, Seen, record};
use crate::serving::Running;
use crate::wire::{self, CLOSE, FIN, TEXT};

const CLOSED: &str = "the connection is closed";

/// Ends a connection by `end`, and returns the frames that its peer receives after the handshake.
/// In `callbacks` callbacks, sending must fail with `error`.
fn last_frames(
    end: impl FnOnce(&mut Peer, &Handle),
    callbacks: usize,
    error: &str,
) -> Vec<(u8, Vec<u8>)> {
    let (report, reports) = channel();
    let (give, handles) = channel();
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| match seen {
        Seen::Open(_) => give.send(connection.handle()).unwrap(),
        Seen::Message(_) => {
            connection.abort();
            assert_eq!(connection.send("aborted"), SendOutcome::Closed);
            assert!(matches!(connection.ping(b"aborted"), Err(Error::Closed(None))));
        }
        Seen::Error(_) | Seen::Close(_) => {
            assert_eq!(connection.send("too late"), SendOutcome::Closed);
            assert_eq!(connection.send_shared("too late"), SendOutcome::Closed);
            assert!(!connection.is_open());
            let ping = connection.ping(b"too late").unwrap_err();
            let close = connection.close(CloseCode::NORMAL_CLOSURE, "too late").unwrap_err();
            report.send([ping.to_string(), close.to_string()]).unwrap();
        }
        _ => {}
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    end(&mut peer, &handle);
    for _ in 0..callbacks {
        assert_eq!(reports.recv_timeout(TEST_TIMEOUT).unwrap(), [error, error]);
    }
    let frames = std::iter::from_fn(|| peer.frame_or_end()).collect();
    // Otherwise the server would wait for the end of the peer's half.
    drop(peer);
    running.stop();
    frames
}

#[test]
fn an_abort_by_a_handle_sends_nothing() {
    assert_eq!(last_frames(|_, handle| handle.abort().unwrap(), 1, CLOSED), []);
}

#[test]
fn a_message_sent_after_an_abort_is_dropped() {
    let frames = last_frames(
        |_, handle| {
            handle.post("so that what follows is taken at once").unwrap();
            handle.abort().unwrap();
            // An error if the worker has dropped the connection by now.
            let _ = handle.send("too late");
        },
        1,
        CLOSED,
    );
    assert_eq!(frames, []);
}

#[test]
fn an_abort_in_a_callback_sends_nothing() {
    assert_eq!(last_frames(|peer, _| peer.text("abort"), 1, CLOSED), []);
}

#[test]
fn a_connection_whose_peer_is_gone_sends_nothing() {
    let error = "the connection ended without a closing handshake";
    assert_eq!(last_frames(|peer, _| peer.finish(), 2, error), []);
}

#[test]
fn a_peer_that_breaks_the_protocol_gets_a_close_frame_and_nothing_else() {
    let error = "the peer broke the WebSocket protocol: text message is not UTF-8";
    let frames = last_frames(|peer, _| peer.send(&wire::masked(FIN | TEXT, b"\xff")), 2, error);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(frames[0].0, FIN | CLOSE);
    assert_eq!(frames[0].1[..2], 1007_u16.to_be_bytes());
}

#[test]
fn a_closing_handshake_is_answered_and_nothing_else_is_sent() {
    let error = format!("{CLOSED}: {}", CloseFrame::from(CloseCode::NORMAL_CLOSURE));
    let frames = last_frames(|peer, _| peer.send(&wire::close(1000)), 1, &error);
    assert_eq!(frames, [(FIN | CLOSE, 1000_u16.to_be_bytes().to_vec())]);
}

#[test]
fn a_callback_that_aborts_in_an_event_is_given_no_other() {
    let (give, handles) = channel();
    let (report, is_busy) = channel();
    let (release, released) = channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| match seen {
        Seen::Open(_) => give.send(connection.handle()).unwrap(),
        Seen::Message(_) => {
            report.send(()).unwrap();
            released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
        }
        Seen::Event(1) => connection.abort(),
        _ => {}
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    peer.text("be busy");
    is_busy.recv_timeout(TEST_TIMEOUT).unwrap();
    for event in 0..4_u32 {
        handle.post(event).unwrap();
    }
    release.send(()).unwrap();
    peer.drain();
    running.stop();
    let seen: Vec<Seen> = log.rest().map(|(_, seen)| seen).collect();
    assert_eq!(seen[2..], [Seen::Event(0), Seen::Event(1), Seen::Close(None)]);
}

#[test]
fn a_message_after_the_close_frame_is_refused_as_closed_however_much_is_unwritten() {
    let (report, results) = channel();
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            assert_eq!(connection.send_shared(vec![0; 100_000]), SendOutcome::Taken);
            let full = connection.send("more");
            connection.close(1013, "").unwrap();
            report.send([full, connection.send("more")]).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(100_000));
    let mut peer = Peer::connect(running.address);
    peer.text("go");
    assert_eq!(
        results.recv_timeout(TEST_TIMEOUT).unwrap(),
        [SendOutcome::Full, SendOutcome::Closed]
    );
    peer.drain();
    running.stop();
}

#[test]
fn an_error_is_reported_before_the_close() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let running = Running::start(Server::new(make).workers(1));
    Peer::connect(running.address).finish();
    log.opened();
    assert_eq!(log.seen(), Seen::Error(Failure::Disconnected));
    assert_eq!(log.seen(), Seen::Close(None));
    running.stop();
}
