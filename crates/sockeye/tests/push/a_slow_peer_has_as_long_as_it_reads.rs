//! Output waits for a peer that takes some of it now and then, and so does the end of the
//! connection; the server drops a peer that takes nothing after the write timeout.

use std::thread;
use std::time::{Duration, Instant};

use sockeye::push::{Connection, Server};
use sockeye::upgrade::Options;
use sockeye::{CloseCode, Config, TimedOut};

use crate::peer::Peer;
use crate::recorder::{Failure, Seen, record};
use crate::serving::Running;
use crate::wire;

/// Length that exceeds the buffers of both ends, in bytes.
const LENGTH: usize = 24 << 20;

/// Bytes that a slow peer reads at a time, and the pause in between: reading everything takes at
/// least two seconds.
const PIECE: usize = 256 * 1024;
const PAUSE: Duration = Duration::from_millis(20);

/// Far shorter than that.
const SHORT: Duration = Duration::from_millis(200);

fn options(config: Config) -> Options {
    Options::new().config(config.ping_after(None))
}

/// Reads the long message slowly.
fn read_slowly(peer: &mut Peer) {
    let begin = Instant::now();
    peer.read_slowly(LENGTH, PIECE, PAUSE);
    assert!(peer.message() == vec![7; LENGTH]);
    assert!(begin.elapsed() > 2 * SHORT, "it was not slow");
}

#[test]
fn a_close_frame_follows_what_was_sent_before_it_however_slowly_that_is_read() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            connection.send_shared(vec![7; LENGTH]);
            connection.close(CloseCode::NORMAL_CLOSURE, "that was all").unwrap();
        }
    });
    let options = options(Config::new().close_timeout(SHORT));
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut peer = Peer::connect(running.address);
    peer.text("send all");
    read_slowly(&mut peer);
    assert_eq!(peer.close_frame(), (1000, "that was all".into()));
    // From now on the close timeout runs.
    peer.end();
    log.wait_for(&Seen::Error(Failure::TimedOut(TimedOut::Closing)));
    running.stop();
}

#[test]
fn a_peer_that_broke_the_protocol_gets_a_close_frame_after_the_messages() {
    let (make, _log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            connection.send_shared(vec![7; LENGTH]);
        }
    });
    let options = options(Config::new().close_timeout(SHORT));
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut peer = Peer::connect(running.address);
    peer.send(&[wire::text("send all"), vec![0xff; 40]].concat());
    read_slowly(&mut peer);
    assert_eq!(peer.close_code(), 1002);
    peer.end();
    running.stop();
}

#[test]
fn a_peer_that_closes_is_sent_what_it_asked_for_before() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            connection.send_shared(vec![7; LENGTH]);
        }
    });
    let options = options(Config::new().close_timeout(SHORT));
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut peer = Peer::connect(running.address);
    peer.send(&[wire::text("send all"), wire::close(1000)].concat());
    read_slowly(&mut peer);
    assert_eq!(peer.close_code(), 1000);
    peer.end();
    running.stop();
    assert!(log.rest().all(|(_, seen)| !matches!(seen, Seen::Error(_))));
}

#[test]
#[cfg(target_os = "linux")]
fn a_peer_on_a_slow_line_takes_some_although_the_system_has_no_room_for_more() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(_) = seen {
            connection.send_shared(vec![7; LENGTH]);
        }
    });
    let options = options(Config::new().write_timeout(Some(5 * SHORT)));
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut peer = Peer::connect(running.address);
    peer.text("send all");
    // So slowly that the system's buffers, of some megabytes, have space every few seconds only.
    peer.read_slowly(4 << 20, 64 * 1024, Duration::from_millis(100));
    assert!(peer.message() == vec![7; LENGTH]);
    peer.send(&wire::close(1000));
    assert_eq!(peer.close_code(), 1000);
    running.stop();
    assert!(log.rest().all(|(_, seen)| !matches!(seen, Seen::Error(_))));
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_after_the_write_timeout() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Message(message) = seen {
            connection.send_shared(vec![7; LENGTH]);
            if message.as_text() == Some("close") {
                connection.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
            }
        }
    });
    let options = options(Config::new().write_timeout(Some(SHORT)));
    // One answer does not fill the queue, so that the frames after the request are handled as well.
    let server = Server::new(make).workers(1).options(options).max_unwritten(2 * LENGTH);
    let running = Running::start(server);
    for message in ["send", "close"] {
        let mut peer = Peer::connect(running.address);
        peer.text(message);
        log.wait_for(&Seen::Error(Failure::TimedOut(TimedOut::Writing)));
        assert_eq!(log.seen(), Seen::Close(None));
        peer.drain();
    }
    // After an error the write timeout is not reported, but it frees the connection all the same.
    let mut peer = Peer::connect(running.address);
    peer.send(&[wire::text("send"), vec![0xff; 40]].concat());
    log.opened();
    assert!(matches!(log.seen(), Seen::Message(_)));
    assert!(matches!(log.seen(), Seen::Error(Failure::Protocol(_))));
    thread::sleep(SHORT);
    peer.drain();
    running.stop();
}
