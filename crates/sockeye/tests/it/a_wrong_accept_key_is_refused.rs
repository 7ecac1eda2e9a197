//! A server that has not read the client's key is no WebSocket server.

use crate::peer;
use sockeye::Client;
use sockeye::handshake::{HandshakeError, Key};

#[tokio::test]
async fn a_wrong_accept_key_is_refused() {
    let wrong = Key::new([0; 16]).accept().to_string();
    let received = wrong.clone();
    let stream = peer::server(move |_| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {wrong}\r\n\r\n"
        )
    });
    let result = Client::new("ws://example.com/").handshake(stream).await;
    let error = peer::handshake_error(result);
    let HandshakeError::AcceptMismatch { expected, received: shown } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*shown, received);
    assert_eq!(
        error.to_string(),
        format!("the Sec-WebSocket-Accept must be `{expected}`, received `{received}`")
    );
}

#[tokio::test]
async fn an_answer_without_the_accept_key_is_refused() {
    let answer = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let stream = peer::server(|_| answer.to_owned());
    let result = Client::new("ws://example.com/").handshake(stream).await;
    assert_eq!(
        peer::handshake_error(result),
        HandshakeError::MissingHeader { name: "Sec-WebSocket-Accept" }
    );
}
