//! Pings are answered and reported; pongs are reported.

use std::sync::mpsc::channel;

use sockeye::push::{Connection, HandleError, Server};
use sockeye::{Error, UsageError};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Seen, record};
use crate::serving::Running;
use crate::wire::{self, FIN, PING, PONG};

#[test]
fn a_ping_is_answered_and_reported() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let id = log.opened();
    for payload in [&b""[..], b"are you there?", &[7; 125]] {
        peer.send(&wire::masked(FIN | PING, payload));
        assert_eq!(peer.frame(), (FIN | PONG, payload.to_vec()));
        assert_eq!(log.wait_for(&Seen::Ping(payload.to_vec())), id);
    }
    running.stop();
}

#[test]
fn a_ping_from_a_callback_or_a_handle_brings_a_pong() {
    let (handles, handle) = channel();
    let (make, log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            let error = connection.ping(&[0; 126]).unwrap_err();
            let too_long = UsageError::ControlTooLong { length: 126 };
            assert!(matches!(error, Error::Usage(error) if error == too_long), "{error:?}");
            connection.ping(b"from open").unwrap();
            handles.send(connection.handle()).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    assert_eq!(peer.frame(), (FIN | PING, b"from open".to_vec()));
    peer.send(&wire::masked(FIN | PONG, b"from open"));
    log.wait_for(&Seen::Pong(b"from open".to_vec()));
    let handle = handle.recv_timeout(TEST_TIMEOUT).unwrap();
    let too_long = handle.ping(&[0; 126]).unwrap_err();
    let expected = UsageError::ControlTooLong { length: 126 };
    assert!(matches!(too_long, HandleError::Usage(error) if error == expected), "{too_long:?}");
    handle.ping(b"from elsewhere").unwrap();
    assert_eq!(peer.frame(), (FIN | PING, b"from elsewhere".to_vec()));
    // An unsolicited pong is reported as well.
    peer.send(&wire::masked(FIN | PONG, b"unasked"));
    assert_eq!(log.wait_for(&Seen::Pong(b"unasked".to_vec())), handle.id());
    running.stop();
}
