use sockeye::byte_stream::{ACCEPT_TIMEOUT, listener, listener_with_queue};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode, ConnectError, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::serving::serve;

/// Returns both ends of a WebSocket in memory: the client's, then the server's.
async fn websockets() -> (WebSocket, WebSocket) {
    let (a, b) = duplex(1000);
    let (client, upgrader) = (Client::new("ws://localhost/"), Upgrader::new());
    let (client, server) = tokio::join!(client.handshake(a), upgrader.accept(b));
    (client.unwrap(), server.unwrap())
}

/// Returns the close code that the server sends.
async fn close_code(mut client: WebSocket) -> CloseCode {
    assert_eq!(client.recv().await.unwrap(), None);
    client.close_frame().unwrap().code
}

#[tokio::test(start_paused = true)]
async fn a_stream_for_which_there_is_no_room_in_time_is_closed_with_1013() {
    let (mut listener, accept) = listener_with_queue(1);
    let (first, ws) = websockets().await;
    tokio::spawn(accept.deliver(ws));
    let (second, ws) = websockets().await;
    let started = tokio::time::Instant::now();
    tokio::spawn(accept.deliver(ws));
    assert_eq!(close_code(second).await, CloseCode::TRY_AGAIN_LATER);
    assert!(started.elapsed() >= ACCEPT_TIMEOUT);

    // A connection that enters the queue in time is accepted.
    let (third, ws) = websockets().await;
    tokio::spawn(accept.deliver(ws));
    tokio::time::sleep(ACCEPT_TIMEOUT / 2).await;
    drop(listener.accept().await.unwrap());
    let mut stream = listener.accept().await.unwrap();
    let mut client = third.into_byte_stream();
    client.write_all(b"hello").await.unwrap();
    client.flush().await.unwrap();
    stream.read_exact(&mut [0; 5]).await.unwrap();
    drop(first);
}

#[tokio::test]
async fn a_closed_listener_gives_those_that_wait_and_refuses_the_rest() {
    let (mut listener, accept) = listener_with_queue(1);
    let url = serve(accept.clone()).await;
    let (first, ws) = websockets().await;
    let first_given = tokio::spawn(accept.deliver(ws));
    while accept.free() > 0 {
        tokio::task::yield_now().await;
    }
    let (second, ws) = websockets().await;
    tokio::spawn(accept.deliver(ws));
    listener.close();
    assert_eq!(close_code(second).await, CloseCode::GOING_AWAY);

    let refused = Client::new(url).connect().await.unwrap_err();
    let ConnectError::Handshake(HandshakeError::Status { status, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(status, 503);

    let mut stream = listener.accept().await.unwrap();
    assert!(listener.accept().await.is_none());
    let mut first = first.into_byte_stream();
    first.write_all(b"served").await.unwrap();
    first.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"served");
    drop(stream);
    first_given.await.unwrap();
}

#[tokio::test]
async fn a_listener_ends_when_nothing_can_give_it_more() {
    let (mut listener, accept) = listener();
    drop(accept.clone());
    drop(accept);
    assert!(listener.accept().await.is_none());
}
