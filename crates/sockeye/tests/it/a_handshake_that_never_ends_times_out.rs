//! Handshakes that stall, or arrive byte by byte, end at their timeout, in both roles.

use crate::peer;
use std::time::Duration;

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, ConnectError, Stage, UpgradeError};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

/// Sends a byte every second until the peer stops reading.
async fn dribble(mut stream: DuplexStream, bytes: String) -> DuplexStream {
    for byte in bytes.bytes() {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    stream
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_times_out() {
    let (stream, _open) = duplex(4096);
    let start = Instant::now();
    let error = Client::new("ws://example.com/").handshake(stream).await.unwrap_err();
    let after = Duration::from_secs(20);
    assert!(
        matches!(error, ConnectError::TimedOut { stage: Stage::Handshake, after: a } if a == after),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "no connection within 20s: the WebSocket handshake did not finish"
    );
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dribbles_times_out() {
    let (stream, server) = duplex(4096);
    tokio::spawn(dribble(server, "HTTP/1.1 101 Switching Protocols\r\nX: y\r\n".repeat(10)));
    let client = Client::new("ws://example.com/").connect_timeout(Duration::from_secs(5));
    let error = client.handshake(stream).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { stage: Stage::Handshake, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_times_out() {
    let (stream, _open) = duplex(4096);
    let error = Upgrader::new().accept(stream).await.unwrap_err();
    let after = Duration::from_secs(10);
    assert!(matches!(error, UpgradeError::TimedOut { after: a } if a == after), "{error:?}");
    assert_eq!(error.to_string(), "the opening handshake was not finished within 10s");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dribbles_times_out() {
    let (stream, client) = duplex(4096);
    let dribbling = tokio::spawn(dribble(client, peer::request("/", "")));
    let options = Options::new().handshake_timeout(Duration::from_secs(30));
    let error = Upgrader::new().options(options).accept(stream).await.unwrap_err();
    assert!(matches!(error, UpgradeError::TimedOut { .. }), "{error:?}");
    assert_eq!(peer::read_all(&mut dribbling.await.unwrap()).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dribbles_in_time_is_upgraded() {
    let (stream, client) = duplex(4096);
    tokio::spawn(dribble(client, peer::request("/", "")));
    let options = Options::new().handshake_timeout(Duration::from_secs(3600));
    Upgrader::new().options(options).accept(stream).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_and_stays_does_not_hold_the_server() {
    let (stream, mut client) = duplex(4096);
    client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let error = Upgrader::new().accept(stream).await.unwrap_err();
    assert!(matches!(error, UpgradeError::Handshake(_)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
    assert!(peer::read_all(&mut client).await.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
}

#[tokio::test(start_paused = true)]
async fn tls_that_never_answers_is_the_stage_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let error = Client::new(url).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { stage: Stage::Tls, .. }), "{error:?}");
    assert!(error.to_string().contains("the TLS handshake did not finish"), "{error}");
}
