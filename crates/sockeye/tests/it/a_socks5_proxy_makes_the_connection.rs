//! Clients connect through a SOCKS5 proxy, and report the cause of a failure.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::relay;
use std::io;
use std::net::SocketAddr;

use sockeye::proxy::{Reply, TunnelError};
use sockeye::{Client, ConnectError, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A proxy's reply of success, with the name `a` and a port as the address.
const CONNECTED: &[u8] = b"\x05\x00\x00\x03\x01a\x00\x50";

fn client(url: &str, proxy: SocketAddr, credentials: &str) -> Client {
    Client::new(url).proxy(format!("socks5://{credentials}{proxy}").parse().unwrap())
}

async fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, expected);
}

/// Starts a proxy that sends these answers one after the other, each after some input, and keeps
/// the connection open.
async fn answering(answers: &'static [&'static [u8]]) -> SocketAddr {
    relay::listen(move |mut stream| async move {
        for answer in answers {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
        }
        relay::wait_for_disconnect(stream).await;
    })
    .await
}

async fn refusal(credentials: &str, answers: &'static [&'static [u8]]) -> TunnelError {
    let proxy = answering(answers).await;
    match client("ws://echo.invalid/", proxy, credentials).connect().await.unwrap_err() {
        ConnectError::Proxy { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_socks5_proxy_makes_the_connection() {
    let host = relay::echo_server().await;
    let proxy = relay::listen(move |mut stream| async move {
        expect(&mut stream, b"\x05\x01\x00").await;
        stream.write_all(b"\x05\x00").await.unwrap();
        expect(&mut stream, b"\x05\x01\x00\x03\x0cecho.invalid\x00\x50").await;
        for byte in CONNECTED {
            stream.write_all(&[*byte]).await.unwrap();
        }
        relay::relay(stream, host).await;
    })
    .await;
    let mut ws = client("ws://echo.invalid/", proxy, "").connect().await.unwrap();
    relay::assert_echoes(&mut ws).await;
}

#[tokio::test]
async fn addresses_are_sent_as_such_and_credentials_when_they_are_wanted() {
    let host = relay::echo_server().await;
    for (url, address) in [
        ("ws://192.0.2.1:8080/", &b"\x01\xc0\x00\x02\x01\x1f\x90"[..]),
        ("ws://[2001:db8::1]/", b"\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50"),
    ] {
        let proxy = relay::listen(move |mut stream| async move {
            expect(&mut stream, b"\x05\x02\x00\x02").await;
            stream.write_all(b"\x05\x02").await.unwrap();
            expect(&mut stream, b"\x01\x03ada\x06s:cr@t").await;
            stream.write_all(b"\x01\x00").await.unwrap();
            expect(&mut stream, b"\x05\x01\x00").await;
            expect(&mut stream, address).await;
            stream.write_all(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50").await.unwrap();
            relay::relay(stream, host).await;
        })
        .await;
        let mut ws = client(url, proxy, "ada:s:cr%40t@").connect().await.unwrap();
        relay::assert_echoes(&mut ws).await;
    }
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let error = refusal("", &[b"\x05\xff"]).await;
    assert!(matches!(error, TunnelError::NoAcceptableMethod), "{error:?}");
    let error = refusal("", &[b"\x05\x02"]).await;
    assert!(matches!(error, TunnelError::UnofferedMethod { method: 2 }), "{error:?}");
    let error = refusal("", &[b"\x04\x5a"]).await;
    assert!(matches!(error, TunnelError::Version { version: 4 }), "{error:?}");
    let error = refusal("u:p@", &[b"\x05\x02", b"\x01\x07"]).await;
    assert!(matches!(error, TunnelError::CredentialsRefused { status: 7 }), "{error:?}");
    let error = refusal("", &[b"\x05\x00", b"\x05\x05"]).await;
    assert!(matches!(error, TunnelError::Reply(Reply::CONNECTION_REFUSED)), "{error:?}");
    assert_eq!(error.to_string(), "the proxy answered: connection refused");
    let error = refusal("", &[b"\x05\x00", b"\x05\x63"]).await;
    assert_eq!(error.to_string(), "the proxy answered: unassigned reply 0x63");
    let error = refusal("", &[b"\x05\x00", b"\x05\x00\x00\x02"]).await;
    assert!(matches!(error, TunnelError::AddressType { address_type: 2 }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_disconnects_is_an_error() {
    let proxy = relay::listen(|mut stream| async move {
        expect(&mut stream, b"\x05\x01\x00").await;
        stream.write_all(b"\x05").await.unwrap();
    })
    .await;
    let error = client("ws://echo.invalid/", proxy, "").connect().await.unwrap_err();
    let ConnectError::Proxy { source: TunnelError::Io(source), .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_name_that_socks_cannot_carry_is_an_error_before_anything_is_sent() {
    let proxy = answering(&[]).await;
    let url = format!("ws://{}/", "a".repeat(256));
    let error = client(&url, proxy, "").connect().await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Proxy { source: TunnelError::HostTooLong { length: 256 }, .. }
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_stays_silent_is_the_stage_named() {
    let proxy = answering(&[b"\x05\x00"]).await;
    let error = client("ws://echo.invalid/", proxy, "").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { stage: Stage::Proxy, .. }), "{error:?}");
}
