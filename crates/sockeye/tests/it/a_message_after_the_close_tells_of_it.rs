//! Sending after the peer has closed returns the peer's close frame, and not a usage error.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode, CloseFrame, Error, WebSocket};
use tokio::io::duplex;

async fn pair() -> (WebSocket, WebSocket) {
    let (client_end, server_end) = duplex(4096);
    let (client, upgrader) = (Client::new("ws://example.com/"), Upgrader::new());
    let (client, server) = tokio::join!(client.handshake(client_end), upgrader.accept(server_end));
    (client.unwrap(), server.unwrap())
}

fn close_frame() -> CloseFrame {
    CloseFrame::new(CloseCode::SERVICE_RESTART, "back soon").unwrap()
}

fn is_closed_by_peer(error: &Error) -> bool {
    matches!(error, Error::Closed(Some(frame)) if *frame == close_frame())
}

#[tokio::test]
async fn after_the_peer_closed_a_message_is_answered_by_its_close_frame() {
    let (mut client, mut server) = pair().await;
    let closing = tokio::spawn(async move {
        server.close(CloseCode::SERVICE_RESTART, "back soon").await.unwrap();
    });
    assert_eq!(client.recv().await.unwrap(), None);
    let error = client.send("late").await.unwrap_err();
    assert!(is_closed_by_peer(&error), "{error:?}");
    assert_eq!(error.to_string(), "the connection is closed: 1012 (Service Restart): back soon");
    assert!(is_closed_by_peer(&client.ping(b"late").await.unwrap_err()));
    closing.await.unwrap();
}

#[tokio::test]
async fn so_it_is_for_the_senders_of_a_divided_connection() {
    let (client, mut server) = pair().await;
    let (sender, mut receiver) = client.split();
    let closing = tokio::spawn(async move {
        server.close(CloseCode::SERVICE_RESTART, "back soon").await.unwrap();
    });
    assert_eq!(receiver.recv().await.unwrap(), None);
    let error = sender.send("late").await.unwrap_err();
    assert!(is_closed_by_peer(&error), "{error:?}");
    closing.await.unwrap();
}

#[tokio::test]
async fn after_the_own_close_there_may_be_no_frame_of_the_peer() {
    let (mut client, mut server) = pair().await;
    let answering = tokio::spawn(async move { while server.recv().await.unwrap().is_some() {} });
    client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let error = client.send("late").await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::BrokenPipe);
    answering.await.unwrap();
}
