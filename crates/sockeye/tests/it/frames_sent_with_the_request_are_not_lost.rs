//! Bytes that follow a head directly belong to the connection.

use crate::peer;
use sockeye::Client;
use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncWriteExt, duplex};

#[tokio::test]
async fn frames_sent_with_the_request_are_not_lost() {
    let (stream, mut client) = duplex(4096);
    let mut bytes = peer::request("/", "").into_bytes();
    // "hi" and "yo" with a mask key of zeros.
    bytes.extend_from_slice(b"\x81\x82\0\0\0\0hi\x81\x82\0\0\0\0yo");
    client.write_all(&bytes).await.unwrap();
    let mut ws = Upgrader::new().accept(stream).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hi".into()));
    assert_eq!(ws.recv().await.unwrap(), Some("yo".into()));
}

#[tokio::test]
async fn frames_sent_with_the_answer_are_not_lost() {
    let client = Client::new("ws://example.com/");
    let stream = peer::server(|key| {
        let mut answer = format!(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            key.accept()
        )
        .into_bytes();
        answer.extend_from_slice(b"\x81\x02hi\x81\x02yo");
        answer
    });
    let mut ws = client.handshake(stream).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hi".into()));
    assert_eq!(ws.recv().await.unwrap(), Some("yo".into()));
}
