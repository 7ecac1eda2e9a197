use std::time::Duration;

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Config, Error, ProtocolError, TimedOut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::ledger::record_async;
use crate::pairing::{client, pair};

/// Returns a server, and its client as a raw stream, after the handshake.
async fn accept() -> (sockeye::WebSocket, DuplexStream) {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    near.write_all(request.as_bytes()).await.unwrap();
    let ws = Upgrader::new().accept(far).await.unwrap();
    (ws, near)
}

#[test]
fn a_broken_rule_is_answered_and_counted() {
    let metrics = record_async(async {
        let (mut ws, mut peer) = accept().await;
        // Not masked.
        peer.write_all(b"\x81\x01x").await.unwrap();
        let reading = async move {
            let mut answer = Vec::new();
            peer.read_to_end(&mut answer).await.unwrap();
        };
        let (received, ()) = tokio::join!(ws.recv(), reading);
        assert!(matches!(received, Err(Error::Protocol(ProtocolError::Unmasked))));
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_sent_total{server,1002} 1",
            "sockeye_connections_failed_total{server,protocol} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_wire_received_bytes_total{server} 3",
        ]
    );
}

#[test]
fn a_peer_that_vanishes_is_disconnected() {
    let metrics = record_async(async {
        let (mut ws, peer) = accept().await;
        drop(peer);
        assert!(matches!(ws.recv().await, Err(Error::Disconnected)));
    });
    assert_eq!(
        metrics,
        [
            "sockeye_connections_failed_total{server,disconnected} 1",
            "sockeye_connections_opened_total{server} 1",
        ]
    );
}

#[test]
fn a_peer_that_is_silent_is_out_of_time() {
    let metrics = record_async(async {
        let config = Config::new().ping_after(Some(Duration::from_secs(1)));
        let (_silent, mut server) = pair(client(), Options::new().config(config)).await;
        assert!(matches!(server.recv().await, Err(Error::TimedOut(TimedOut::Keepalive))));
    });
    assert_eq!(
        metrics,
        [
            "sockeye_connections_failed_total{server,keepalive} 1",
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
        ]
    );
}

#[test]
fn codes_of_applications_make_one_label() {
    let metrics = record_async(async {
        let (mut ws, mut peer) = accept().await;
        // 4321, with a mask key of zeros.
        peer.write_all(b"\x88\x82\0\0\0\0\x10\xe1").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_received_total{server,4xxx} 1",
            "sockeye_close_frames_sent_total{server,4xxx} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_wire_received_bytes_total{server} 8",
        ]
    );
}
