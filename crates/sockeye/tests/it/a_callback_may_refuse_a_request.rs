//! Callbacks of the raw upgrade inspect a request before it is answered.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sockeye::UpgradeError;
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{Options, Refusal, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

fn options() -> Options {
    Options::new().subprotocols(["a", "b"])
}

fn upgrader() -> Upgrader {
    Upgrader::new()
        .options(options())
        .on_host(|host| match host {
            "example.com" => Ok(()),
            _ => Err(Refusal::forbidden("unknown host")),
        })
        .on_header(|name, value| match (name, value) {
            ("X-Key", b"wrong") => Err(Refusal::new(StatusCode::UNAUTHORIZED, "who are you?")
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => Ok(()),
        })
        .before_upgrade(|request, response| {
            if request.path() != "/chat" {
                return Err(Refusal::not_found("only /chat"));
            }
            let mut headers = HeaderMap::new();
            headers.insert("x-greeting", HeaderValue::from_static("hello"));
            response.extend(&headers);
            if request.raw_query() == Some("b") {
                response.choose_subprotocol(request, "b");
            }
            Ok(())
        })
}

async fn refused(request: String) -> (String, Refusal) {
    let (stream, mut client) = duplex(4096);
    client.write_all(request.as_bytes()).await.unwrap();
    let server = tokio::spawn(async move { upgrader().accept(stream).await });
    let answer = peer::read_all(&mut client).await;
    drop(client);
    match server.await.unwrap().unwrap_err() {
        UpgradeError::Handshake(HandshakeError::Refused(refusal)) => (answer, refusal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_host_may_be_refused() {
    let request = peer::request("/chat", "").replace("example.com", "example.org");
    let (answer, refusal) = refused(request).await;
    assert_eq!(refusal, Refusal::forbidden("unknown host"));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nunknown host"), "{answer}");
}

#[tokio::test]
async fn a_header_may_be_refused() {
    let (answer, refusal) = refused(peer::request("/chat", "X-Key: wrong\r\n")).await;
    assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.contains("\r\nwww-authenticate: Bearer\r\n"), "{answer}");
}

#[tokio::test]
async fn the_request_as_a_whole_may_be_refused() {
    let (answer, _) = refused(peer::request("/other", "")).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}

#[tokio::test]
async fn an_accepted_request_is_upgraded_with_the_chosen_headers_and_subprotocol() {
    for (path, subprotocol) in [("/chat", "a"), ("/chat?b", "b")] {
        let (stream, mut client) = duplex(4096);
        let request = peer::request(path, "Sec-WebSocket-Protocol: b, a\r\nX-Key: right\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let ws = upgrader().accept(stream).await.unwrap();
        assert_eq!(ws.subprotocol(), Some(subprotocol));
        let mut answer = vec![0; 1024];
        let length = client.read(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        assert!(answer.contains("\r\nx-greeting: hello\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_unless_it_is_allowed() {
    let request = peer::request("/chat", "Origin: https://app.example.org\r\n");
    let accept = async |upgrader: Upgrader| {
        let (stream, mut client) = duplex(4096);
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        upgrader.accept(stream).await
    };
    let expected = HandshakeError::OriginRefused {
        origin: "https://app.example.org".into(),
        host: "example.com".into(),
    };
    match accept(upgrader()).await.unwrap_err() {
        UpgradeError::Handshake(error) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
    let allowing = options().allow_origin("https://*.example.org").unwrap();
    accept(upgrader().options(allowing)).await.unwrap();
}
