//! A server must choose among the extensions that were offered.

use crate::peer;
use sockeye::Client;
use sockeye::handshake::HandshakeError;

#[tokio::test]
async fn an_unoffered_extension_is_refused() {
    let client = Client::new("ws://example.com/");
    let headers = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let error = peer::handshake_error(peer::answered_with(&client, headers).await);
    assert_eq!(
        error,
        HandshakeError::UnofferedExtension { extension: "permessage-deflate".into() }
    );
    assert_eq!(
        error.to_string(),
        "the server chose extension `permessage-deflate`, which was not offered"
    );
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn an_answer_beyond_the_offer_is_refused() {
    use sockeye::Deflate;
    use sockeye::deflate::NegotiationError;

    let client = Client::new("ws://example.com/").deflate(Deflate::new());
    let headers = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16\r\n";
    let error = peer::handshake_error(peer::answered_with(&client, headers).await);
    assert!(
        matches!(error, HandshakeError::Deflate(NegotiationError::InvalidValue { .. })),
        "{error:?}"
    );
    let headers = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let ws = peer::answered_with(&client, headers).await.unwrap();
    assert_eq!(ws.extensions(), Some("permessage-deflate"));
}
