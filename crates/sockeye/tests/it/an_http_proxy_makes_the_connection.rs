//! Clients connect through an HTTP proxy by CONNECT, and report the cause of a failure.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::relay;
use std::net::SocketAddr;

use sockeye::handshake::{HandshakeError, HeadLimits};
use sockeye::proxy::TunnelError;
use sockeye::{Client, ConnectError, Stage};
use tokio::io::AsyncWriteExt;

/// Returns a client that uses the proxy; only the proxy can resolve the name of the host.
fn client(proxy: SocketAddr, credentials: &str) -> Client {
    let proxy = format!("http://{credentials}{proxy}").parse().unwrap();
    Client::new("ws://echo.invalid/").proxy(proxy)
}

/// Starts a proxy that sends `answer` to every request and keeps the connection open.
async fn answering(answer: impl Into<String>) -> SocketAddr {
    let answer = answer.into();
    relay::listen(move |mut stream| {
        let answer = answer.clone();
        async move {
            relay::read_head(&mut stream).await;
            // The client may have stopped reading.
            let _ = stream.write_all(answer.as_bytes()).await;
            relay::wait_for_disconnect(stream).await;
        }
    })
    .await
}

async fn refusal(proxy: SocketAddr) -> TunnelError {
    match client(proxy, "").connect().await.unwrap_err() {
        ConnectError::Proxy { proxy: named, source } => {
            assert_eq!(named, proxy.to_string());
            source
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_http_proxy_makes_the_connection() {
    let host = relay::echo_server().await;
    let proxy = relay::listen(move |mut stream| async move {
        let head = relay::read_head(&mut stream).await;
        assert_eq!(
            head,
            "CONNECT echo.invalid:80 HTTP/1.1\r\nHost: echo.invalid:80\r\n\
             Proxy-Authorization: Basic YWRhOnM6ZWNyZXQ=\r\n\r\n"
        );
        let answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\nVia: x\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        relay::relay(stream, host).await;
    })
    .await;
    let mut ws = client(proxy, "ada:s%3Aecret@").connect().await.unwrap();
    assert_eq!(ws.peer_addr(), Some(proxy));
    relay::assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn credentials_go_to_the_proxy_and_no_further() {
    let host = relay::listen(|mut stream| async move {
        let head = relay::read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 400 x\r\nContent-Length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let proxy = relay::listen(move |mut stream| async move {
        relay::read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        relay::relay(stream, host).await;
    })
    .await;
    let client = client(proxy, "ada:secret@");
    assert!(!format!("{client:?}").contains("secret"), "{client:?}");
    let ConnectError::Handshake(HandshakeError::Status { body, .. }) =
        client.connect().await.unwrap_err()
    else {
        panic!("the host answers 400");
    };
    let request = String::from_utf8(body.to_vec()).unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\nHost: echo.invalid\r\n"), "{request}");
    assert!(!request.contains("Proxy-Authorization"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_reported_with_its_content() {
    let proxy = answering(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
         Content-Length: 6\r\n\r\nwho???",
    )
    .await;
    let error = refusal(proxy).await;
    let TunnelError::Refused { status, headers, body } = &error else { panic!("{error:?}") };
    assert_eq!((status.as_u16(), &body[..]), (407, &b"who???"[..]));
    assert_eq!(headers["proxy-authenticate"], "Basic realm=\"x\"");
    assert_eq!(error.to_string(), "the proxy answered 407 Proxy Authentication Required: who???");
}

#[tokio::test]
async fn an_answer_over_the_limits_is_refused() {
    let proxy = answering(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(200))).await;
    let client = client(proxy, "").head_limits(HeadLimits::new().size(100));
    let ConnectError::Proxy { source, .. } = client.connect().await.unwrap_err() else {
        panic!("the proxy is to blame");
    };
    assert!(
        matches!(source, TunnelError::Answer(HandshakeError::HeadTooLarge { limit: 100 })),
        "{source:?}"
    );
}

#[tokio::test]
async fn bytes_behind_the_answer_are_not_taken_for_the_hosts() {
    let proxy = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let error = refusal(proxy).await;
    assert!(matches!(error, TunnelError::EarlyInput { length: 2 }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_speaks_another_protocol_is_an_error() {
    let error = refusal(answering("\x05\x00").await).await;
    assert!(matches!(error, TunnelError::Answer(HandshakeError::MalformedHead(_))), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_disconnects_is_an_error() {
    let proxy = relay::listen(|mut stream| async move {
        relay::read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 2").await.unwrap();
    })
    .await;
    let error = refusal(proxy).await;
    assert!(
        matches!(error, TunnelError::Answer(HandshakeError::Truncated { received: 10 })),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_stays_silent_is_the_stage_named() {
    let error = client(answering("").await, "").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { stage: Stage::Proxy, .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    drop(listener);
    let error = client(proxy, "").connect().await.unwrap_err();
    let ConnectError::Connect { authority, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*authority, proxy.to_string());
}
