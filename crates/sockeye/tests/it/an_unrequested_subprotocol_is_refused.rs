//! A server must choose among the subprotocols that the client offered.

use crate::peer;
use sockeye::Client;
use sockeye::handshake::HandshakeError;

#[tokio::test]
async fn an_unrequested_subprotocol_is_refused() {
    for client in [
        Client::new("ws://example.com/"),
        Client::new("ws://example.com/").subprotocols(["chat", "plain"]),
    ] {
        let result = peer::answered_with(&client, "Sec-WebSocket-Protocol: other\r\n").await;
        let error = peer::handshake_error(result);
        assert_eq!(error, HandshakeError::UnrequestedSubprotocol { subprotocol: "other".into() });
        assert_eq!(
            error.to_string(),
            "the server chose subprotocol `other`, which was not requested"
        );
    }
}

#[tokio::test]
async fn a_requested_subprotocol_is_used() {
    let client = Client::new("ws://example.com/").subprotocols(["chat", "plain"]);
    let ws = peer::answered_with(&client, "Sec-WebSocket-Protocol: plain\r\n").await.unwrap();
    assert_eq!(ws.subprotocol(), Some("plain"));
    let ws = peer::answered_with(&client, "").await.unwrap();
    assert_eq!(ws.subprotocol(), None);
}
