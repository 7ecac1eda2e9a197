//! The server drops a peer at a timeout: a silent one, an unfinished one, and one that does not
//! close.

use std::time::Duration;

use sockeye::frame::{Frame, OpCode};
use sockeye::push::{Connection, Server};
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, Config, TimedOut};

use crate::certificate::certificate;
use crate::peer::Peer;
use crate::recorder::{Failure, Seen, record};
use crate::serving::Running;
use crate::wire::{self, CLOSE, FIN, PING, PONG};

const SOON: Duration = Duration::from_millis(30);

#[test]
fn silence_is_pinged_and_then_ends_the_connection() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let config = Config::new().ping_after(Some(SOON)).pong_timeout(SOON);
    let running =
        Running::start(Server::new(make).workers(1).options(Options::new().config(config)));
    let mut peer = Peer::connect(running.address);
    assert_eq!(peer.frame().0, FIN | PING);
    let reason = [&1011_u16.to_be_bytes()[..], b"keepalive timeout"].concat();
    assert_eq!(peer.frame(), (FIN | CLOSE, reason));
    assert_eq!(peer.frame_or_end(), None);
    log.opened();
    assert_eq!(log.seen(), Seen::Error(Failure::TimedOut(TimedOut::Keepalive)));
    assert_eq!(log.seen(), Seen::Close(None));
    running.stop();
}

#[test]
fn a_peer_that_answers_pings_stays() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let config = Config::new().ping_after(Some(SOON)).pong_timeout(Duration::from_secs(60));
    let running =
        Running::start(Server::new(make).workers(1).options(Options::new().config(config)));
    let mut peer = Peer::connect(running.address);
    let (first, payload) = peer.frame();
    assert_eq!(first, FIN | PING);
    peer.send(&wire::masked(FIN | PONG, &payload));
    log.wait_for(&Seen::Pong(payload));
    peer.text("still here");
    log.wait_for(&Seen::Message("still here".into()));
    peer.send(&wire::close(1000));
    assert!(matches!(log.seen(), Seen::Close(Some(_))));
    running.stop();
}

#[test]
fn an_unfinished_handshake_times_out_without_a_callback() {
    let (make, log) = record(|_: &mut Connection, _: &Seen| {});
    let options = Options::new().handshake_timeout(SOON);
    let running = Running::start(Server::new(make).workers(1).options(options));
    let mut silent = Peer::dial(running.address);
    let mut slow = Peer::dial(running.address);
    slow.send(b"GET / HTTP/1.1\r\nHost: exam");
    silent.end();
    slow.end();
    running.stop();
    assert_eq!(log.rest().count(), 0);
}

#[test]
fn a_close_that_is_never_answered_ends_the_connection() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            connection.close(CloseCode::POLICY_VIOLATION, "go").unwrap();
        }
    });
    let config = Config::new().close_timeout(SOON);
    let running =
        Running::start(Server::new(make).workers(1).options(Options::new().config(config)));
    let mut peer = Peer::connect(running.address);
    assert_eq!(peer.close_code(), 1008);
    peer.end();
    log.opened();
    assert_eq!(log.seen(), Seen::Error(Failure::TimedOut(TimedOut::Closing)));
    assert_eq!(log.seen(), Seen::Close(None));
    running.stop();
}

#[tokio::test]
async fn a_peer_that_broke_a_rule_over_tls_and_never_ends_the_connection_is_dropped() {
    let (server, trusting) = certificate("127.0.0.1");
    let (make, _log) = record(|_: &mut Connection, _: &Seen| {});
    let options = Options::new().config(Config::new().close_timeout(SOON));
    let server = Server::new(make).workers(1).tls(server).options(options).max_connections(1);
    let running = Running::start(server);
    let client = Client::new(format!("wss://{}/", running.address)).tls(trusting);
    let ws = client.connect().await.unwrap();
    let (mut receiver, mut sender) = ws.into_frames(1000).unwrap();
    let broken = Frame::new(OpCode::Continuation, "of nothing");
    sender.send_frame(&broken).await.unwrap();
    let close = receiver.recv_frame().await.unwrap().unwrap();
    assert_eq!(close.payload[..2], 1002_u16.to_be_bytes());
    // The only place is free once the server has dropped the connection.
    let next = tokio::time::timeout(Duration::from_secs(60), client.connect()).await;
    next.expect("the server has a place").unwrap();
    drop((receiver, sender));
    running.stop();
}
