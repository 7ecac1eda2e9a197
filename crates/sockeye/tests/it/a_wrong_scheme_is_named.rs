//! An unusable URL is reported before anything is sent.

use sockeye::handshake::{RequestError, SubprotocolError};
use sockeye::{Client, ConnectError, connect};

#[tokio::test]
async fn a_wrong_scheme_is_named() {
    let error = connect("http://example.com/").await.unwrap_err();
    let ConnectError::Request(reason) = &error else { panic!("{error:?}") };
    assert_eq!(*reason, RequestError::Scheme { scheme: "http".into() });
    assert_eq!(reason.to_string(), "the URL's scheme must be `ws` or `wss`, not `http`");
    assert_eq!(error.to_string(), format!("the request cannot be made: {reason}"));
}

#[tokio::test]
async fn the_first_mistake_of_a_request_is_the_one_that_is_named() {
    let mistakes = [
        (
            Client::new("ws://example.com/").header("Upgrade", "h2c").subprotocols(["a b"]),
            RequestError::ReservedHeader { name: "upgrade".parse().unwrap() },
        ),
        (
            Client::new("ws://example.com/").subprotocols(["a b"]).header("Upgrade", "h2c"),
            SubprotocolError::NotToken { subprotocol: "a b".into() }.into(),
        ),
        (
            Client::new("ws://example.com/").header("a b", "c"),
            RequestError::InvalidHeaderName { name: "a b".into() },
        ),
        (
            Client::new("ws://example.com/").header("x-evil", "a\r\nb: c"),
            RequestError::InvalidHeaderValue { name: "x-evil".parse().unwrap() },
        ),
        (Client::new("ws://a:b@example.com/"), RequestError::UserInfo),
    ];
    for (client, expected) in mistakes {
        match client.connect().await.unwrap_err() {
            ConnectError::Request(reason) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
}
