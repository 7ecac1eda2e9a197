//! A server over a [`Trickle`], and its raw client.

use sockeye::WebSocket;
use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::harness::Trickle;

/// An opening handshake.
pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A server's close frame with 1000 and no reason.
pub(crate) const CLOSE: [u8; 4] = [0x88, 2, 3, 0xe8];

/// Returns a frame of a client, with a mask key of zeros. `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(0xfe);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Returns the client's close frame with 1000.
pub(crate) fn close() -> Vec<u8> {
    frame(0x88, &[3, 0xe8])
}

/// Returns a server, whose transport moves at most `step` bytes at a time, and the client's end
/// after the handshake.
pub(crate) async fn server(step: usize) -> (WebSocket, DuplexStream) {
    let (mut client, server) = duplex(1 << 20);
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    let ws = Upgrader::new().accept(Trickle::new(server, step)).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    (ws, client)
}

/// Runs a client that sends `input`, answers a close frame, and returns all received bytes.
pub(crate) fn peer(mut client: DuplexStream, input: Vec<u8>) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        // A server that is gone does not read all of it.
        let _ = client.write_all(&input).await;
        let mut received = Vec::new();
        while client.read_buf(&mut received).await.unwrap() > 0 {
            if received.ends_with(&CLOSE) {
                // Redundant if the client started the closing handshake.
                let _ = client.write_all(&close()).await;
            }
        }
        received
    })
}
