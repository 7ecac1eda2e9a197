//! The counts of a connection's messages go on when it is split, or becomes a byte stream.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, CloseCode, Deflate, Traffic, WebSocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

/// Returns a client and a server, which compress messages.
async fn pair() -> (WebSocket, WebSocket) {
    let options = Options::new().deflate(Deflate::default());
    pair_with(Client::new("ws://example.com/").deflate(Deflate::default()), options).await
}

async fn pair_with(client: Client, options: Options) -> (WebSocket, WebSocket) {
    let (near, far) = duplex(100_000);
    let upgrader = Upgrader::new().options(options);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    (client.unwrap(), server.unwrap())
}

/// Returns the messages and bytes received, then those sent.
fn counts(traffic: &Traffic) -> [u64; 4] {
    [
        traffic.received_messages(),
        traffic.received_bytes(),
        traffic.sent_messages(),
        traffic.sent_bytes(),
    ]
}

#[tokio::test]
async fn lengths_are_those_before_compression_and_the_close_code_is_the_first() {
    let (mut client, mut server) = pair().await;
    let traffic = server.traffic();
    let text = "a".repeat(1000);
    client.send(text.as_str()).await.unwrap();
    let message = server.recv().await.unwrap().unwrap();
    server.send(message).await.unwrap();
    server.send("short").await.unwrap();
    assert_eq!(counts(&traffic), [1, 1000, 2, 1005]);
    assert_eq!(traffic.close_code(), None);
    let closed = async {
        client.recv().await.unwrap();
        client.recv().await.unwrap();
        client.close(4321, "done").await.unwrap();
    };
    tokio::join!(closed, async { assert!(server.recv().await.unwrap().is_none()) });
    drop(server);
    assert_eq!(traffic.close_code(), Some(CloseCode::from(4321)));
    assert_eq!(counts(&traffic), [1, 1000, 2, 1005]);
}

#[tokio::test]
async fn halves_count_messages_and_fragments() {
    let (mut client, mut server) = pair().await;
    let traffic = server.traffic();
    let (sender, mut receiver) = server.split();
    client.send("question").await.unwrap();
    assert!(receiver.recv().await.unwrap().is_some());
    sender.send("answer").await.unwrap();
    let mut stream = sender.send_stream(sockeye::Kind::Binary).await.unwrap();
    stream.write_all(&[7; 5000]).await.unwrap();
    stream.finish().await.unwrap();
    assert!(client.recv().await.unwrap().is_some());
    assert_eq!(client.recv().await.unwrap().unwrap().len(), 5000);
    assert_eq!(counts(&traffic), [1, 8, 2, 5006]);
}

#[tokio::test]
async fn a_byte_stream_counts_its_messages() {
    // The end of a compressed message is found by the next read.
    let client = Client::new("ws://example.com/");
    let (mut client, mut server) = pair_with(client, Options::new()).await;
    let traffic = server.traffic();
    let mut stream = server.into_byte_stream();
    client.send(vec![1; 300]).await.unwrap();
    let mut bytes = [0; 300];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes[..200]).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(client.recv().await.unwrap().unwrap().len(), 200);
    assert_eq!(counts(&traffic), [1, 300, 1, 200]);
}
