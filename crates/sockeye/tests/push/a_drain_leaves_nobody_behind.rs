//! A server that stops sends every connection a close frame, drops those that do not end, and
//! reports the numbers.

use std::collections::HashSet;
use std::time::Duration;

use sockeye::push::Server;
use sockeye::{CloseCode, CloseFrame, Shutdown};

use crate::peer::Peer;
use crate::recorder::{Seen, record_echo};
use crate::serving::Running;
use crate::wire;

/// More peers than one worker closes at once.
const PEERS: usize = 40;

#[test]
fn every_peer_sees_the_code_and_a_hint_of_its_own() {
    let (make, log) = record_echo();
    let restart = Shutdown::restart()
        .timeout(Duration::from_secs(60))
        .spread(Duration::from_millis(50))
        .retry_after(Duration::from_secs(1)..=Duration::from_secs(600));
    let running = Running::start(Server::new(make).workers(2).shutdown(restart));
    let mut peers: Vec<_> = (0..PEERS).map(|_| Peer::connect(running.address)).collect();
    for _ in &peers {
        log.opened();
    }
    running.tell_to_stop();
    let mut hints = HashSet::new();
    for peer in &mut peers {
        let (code, reason) = peer.close_frame();
        let frame = CloseFrame::new(CloseCode::from(code), reason).unwrap();
        assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
        hints.insert(Shutdown::retry_hint(&frame).expect("a hint when to come back"));
        peer.send(&wire::close(code));
        peer.end();
    }
    assert!(hints.len() > PEERS / 2, "{hints:?}");
    let drained = running.join().unwrap().unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (PEERS, 0, 0));
    let closes = log.rest().filter(|(_, seen)| matches!(seen, Seen::Close(Some(_)))).count();
    assert_eq!(closes, PEERS);
}

#[test]
fn who_does_not_answer_is_dropped_and_counted() {
    let (make, log) = record_echo();
    let server = Server::new(make).workers(1).shutdown_timeout(Duration::from_secs(1));
    let running = Running::start(server);
    let mut good = Peer::connect(running.address);
    let mut deaf = Peer::connect(running.address);
    log.opened();
    log.opened();
    running.tell_to_stop();
    assert_eq!(good.close_code(), 1001);
    good.send(&wire::close(1001));
    good.end();
    let drained = running.join().unwrap().unwrap();
    assert_eq!((drained.closed, drained.dropped, drained.left), (1, 1, 0));
    assert_eq!(deaf.close_code(), 1001);
    deaf.end();
}
