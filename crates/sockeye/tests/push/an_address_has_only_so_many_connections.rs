//! The limit of connections per address: further ones are refused with 429, and handshakes in
//! progress count.

use sockeye::handshake::HandshakeError;
use sockeye::push::Server;
use sockeye::{Client, CloseCode, ConnectError};

use crate::certificate::certificate;
use crate::peer::{Peer, request};
use crate::recorder::{Seen, record_echo};
use crate::serving::Running;
use crate::wire;

#[test]
fn one_too_many_gets_429_until_another_has_ended() {
    let (make, log) = record_echo();
    let running = Running::start(Server::new(make).workers(1).max_connections_per_address(2));
    let mut first = Peer::connect(running.address);
    let mut slow = Peer::dial(running.address);
    slow.send(b"GET / HT");
    for _ in 0..3 {
        let mut refused = Peer::dial(running.address);
        refused.send(request("/", "").as_bytes());
        let head = refused.head().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 429 too many requests\r\n"), "{head}");
        assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
        assert_eq!(refused.rest(), b"too many connections from this address\n");
    }
    // Admitted connections stay open.
    first.text("still here");
    assert_eq!(first.message(), b"still here");
    first.send(&wire::close(1000));
    log.wait_for(&Seen::Message("still here".into()));
    assert!(matches!(log.seen(), Seen::Close(Some(_))));
    first.drain();
    let mut third = loop {
        let mut peer = Peer::dial(running.address);
        peer.send(request("/", "").as_bytes());
        let head = peer.head();
        if head.starts_with("HTTP/1.1 101 ") {
            break peer;
        }
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    };
    third.text("my turn");
    assert_eq!(third.message(), b"my turn");
    running.stop();
}

#[tokio::test]
async fn one_too_many_gets_429_through_tls() {
    let (server, client) = certificate("127.0.0.1");
    let (make, _log) = record_echo();
    let server = Server::new(make).workers(1).tls(server).max_connections_per_address(1);
    let running = Running::start(server);
    let client = Client::new(format!("wss://{}/", running.address)).tls(client);
    let mut first = client.connect().await.unwrap();
    match client.connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, .. }) => assert_eq!(status, 429),
        other => panic!("{other:?}"),
    }
    first.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    running.stop();
}

#[test]
fn there_is_no_limit_unless_it_is_set() {
    let (make, log) = record_echo();
    let running = Running::start(Server::new(make).workers(2));
    let peers: Vec<_> = (0..100).map(|_| Peer::connect(running.address)).collect();
    for _ in &peers {
        log.opened();
    }
    drop(peers);
    running.stop();
}
