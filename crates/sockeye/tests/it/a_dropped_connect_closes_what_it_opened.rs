//! Dropping the future of a pending connect releases everything: at each stage the peer sees the
//! end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::relay;
use std::net::SocketAddr;

use sockeye::Client;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Starts a peer that reads a head for each of these answers and sends the answer; after the last
/// one it reads another head and does not answer. The peer reports when it has reached that point,
/// and when the client has disconnected.
async fn peer(answers: &'static [&'static str]) -> (SocketAddr, UnboundedReceiver<&'static str>) {
    let (say, said) = unbounded_channel();
    let address = relay::listen(move |mut stream| {
        let say = say.clone();
        async move {
            for answer in answers {
                relay::read_head(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            relay::read_head(&mut stream).await;
            say.send("waiting").unwrap();
            relay::wait_for_disconnect(stream).await;
            say.send("gone").unwrap();
        }
    })
    .await;
    (address, said)
}

async fn assert_ends(client: Client, mut said: UnboundedReceiver<&'static str>) {
    tokio::select! {
        result = client.connect() => panic!("{result:?}"),
        word = said.recv() => assert_eq!(word, Some("waiting")),
    }
    assert_eq!(said.recv().await, Some("gone"));
}

#[tokio::test]
async fn in_the_websocket_handshake() {
    let (address, said) = peer(&[]).await;
    assert_ends(Client::new(format!("ws://{address}/")), said).await;
}

#[tokio::test]
async fn while_the_proxy_connects() {
    let (address, said) = peer(&[]).await;
    let proxy = format!("http://{address}").parse().unwrap();
    assert_ends(Client::new("ws://example.invalid/").proxy(proxy), said).await;
}

#[tokio::test]
async fn in_the_handshake_through_a_proxy() {
    let (address, said) = peer(&["HTTP/1.1 200 OK\r\n\r\n"]).await;
    let proxy = format!("http://{address}").parse().unwrap();
    assert_ends(Client::new("ws://example.invalid/").proxy(proxy), said).await;
}

#[tokio::test]
async fn behind_a_redirect() {
    let (elsewhere, said) = peer(&[]).await;
    let answer = format!("HTTP/1.1 307 x\r\nLocation: http://{elsewhere}/\r\n\r\n");
    let address = relay::listen(move |mut stream| {
        let answer = answer.clone();
        async move {
            relay::read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    assert_ends(Client::new(format!("ws://{address}/")).follow_redirects(1), said).await;
}
