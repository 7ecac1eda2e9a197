//! A password, a token, and the credentials of a URL, as headers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use sockeye::handshake::{CredentialsError, RequestError};
use sockeye::{Client, ConnectError};
use tokio::io::{AsyncReadExt, duplex};

/// Returns the request that the client sends.
async fn request(client: Client) -> String {
    let (stream, mut server) = duplex(4096);
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(server.read_u8().await.unwrap());
        }
        drop(server);
        String::from_utf8(head).unwrap()
    };
    let (_, head) = tokio::join!(client.handshake(stream), reading);
    head
}

#[tokio::test]
async fn a_password_or_a_token_becomes_the_header() {
    let url = "ws://example.com/";
    let ada = "\r\nauthorization: Basic YWRhOnM6Y3JldA==\r\n";
    for (client, expected) in [
        (Client::new(url).basic_auth("ada", "s:cret"), ada),
        (Client::with_userinfo("ws://ada:s%3Acret@example.com/"), ada),
        (Client::new(url).bearer_auth("abc"), "\r\nauthorization: Bearer abc\r\n"),
        // The last credentials set win.
        (Client::new(url).bearer_auth("abc").basic_auth("ada", "s:cret"), ada),
        (Client::new(url).header("Authorization", "x").basic_auth("ada", "s:cret"), ada),
    ] {
        assert!(!format!("{client:?}").contains("YWRh"), "{client:?}");
        let head = request(client).await;
        assert!(head.contains(expected), "{head}");
        assert_eq!(head.matches("authorization").count(), 1, "{head}");
        assert!(head.contains("\r\nHost: example.com\r\n"), "{head}");
    }
    let head = request(Client::with_userinfo(url)).await;
    assert!(!head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn credentials_that_cannot_be_sent_are_refused() {
    let url = "ws://example.com/";
    for (client, expected) in [
        (Client::new(url).basic_auth("a:b", ""), CredentialsError::ColonInUser.into()),
        (Client::new(url).basic_auth("a", "\n"), CredentialsError::ControlCharacter.into()),
        (Client::new(url).bearer_auth("a b"), CredentialsError::Token.into()),
        (Client::with_userinfo("ws://a:%@example.com/"), CredentialsError::PercentEncoding.into()),
        (Client::new("ws://ada@example.com/"), RequestError::UserInfo),
    ] {
        match client.connect().await.unwrap_err() {
            ConnectError::Request(reason) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_path_with_spaces_is_encoded_and_a_zone_is_not_sent() {
    let head = request(Client::new("ws://example.com/a b?c d=é")).await;
    assert!(head.starts_with("GET /a%20b?c%20d=%C3%A9 HTTP/1.1\r\n"), "{head}");
    let head = request(Client::new("ws://[fe80::1%25eth0]:81/")).await;
    assert!(head.contains("\r\nHost: [fe80::1]:81\r\n"), "{head}");
}

#[cfg(feature = "idna")]
#[tokio::test]
async fn a_unicode_host_is_sent_in_ascii() {
    let head = request(Client::new("ws://bücher.example/")).await;
    assert!(head.contains("\r\nHost: xn--bcher-kva.example\r\n"), "{head}");
}

#[tokio::test]
async fn the_zone_of_an_address_is_connected_to() {
    // The machine may have no IPv6.
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        sockeye::upgrade::Upgrader::new().accept(stream).await.unwrap()
    });
    // The first interface is the loopback interface.
    let ws = sockeye::connect(format!("ws://[::1%251]:{port}/")).await.unwrap();
    assert_eq!(ws.peer_addr().unwrap().port(), port);
}
