//! An HTTP/2 client that leaves data unread, resets streams or floods the server ends at most its
//! own connection, in order, and harms no other.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::program;
use crate::program::any_issuer;

/// Timeout, far longer than any step of these tests takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Connects an h2 client whose streams have no window.
async fn connect(
    server: &program::Server,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let (config, _) = any_issuer::client_config();
    let mut config = rustls::ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let (sender, mut connection) = builder.handshake(stream).await.unwrap();
    let mut ping = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    ping.ping(h2::Ping::opaque()).await.unwrap();
    (sender, connection)
}

/// Sends a request, and returns its stream once the response head has arrived.
async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
) -> Result<(SendStream<Bytes>, RecvStream), h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let websocket = request.method() == Method::CONNECT;
    let (answer, send) = sender.send_request(request, !websocket)?;
    let answer = tokio::time::timeout(TEST_TIMEOUT, answer).await.unwrap()?;
    assert_eq!(answer.status(), 200);
    Ok((send, answer.into_body()))
}

fn page(server: &program::Server) -> Request<()> {
    Request::get(format!("https://{}/", server.address)).body(()).unwrap()
}

fn websocket(server: &program::Server) -> Request<()> {
    let mut request = page(server);
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = format!("https://{}/echo", server.address).parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request
}

#[tokio::test]
async fn each_further_websocket_needs_a_slot() {
    let server = program::Server::start(&["--self-signed", "--max-connections", "3"]);
    let (sender, _connection) = connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(ask(&sender, websocket(&server)).await.unwrap());
    }
    let mut ready = sender.clone().ready().await.unwrap();
    let (answer, _send) = ready.send_request(websocket(&server), false).unwrap();
    let answer = tokio::time::timeout(TEST_TIMEOUT, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    // Pages need no slot: the streams of a connection are bounded.
    drop(ask(&sender, page(&server)).await.unwrap());
    let (mut send, _) = streams.pop().unwrap();
    send.send_reset(Reason::CANCEL);
    // The server learns of the reset before the next request, and frees the slot soon after.
    let freed = async {
        loop {
            let mut ready = sender.clone().ready().await.unwrap();
            let (answer, _send) = ready.send_request(websocket(&server), false).unwrap();
            if answer.await.unwrap().status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, freed).await.unwrap();
}

#[tokio::test]
async fn websockets_that_do_not_read_their_echoes_leave_the_connection_alone() {
    /// A text message of 20 bytes, masked by zeros.
    const MESSAGE: &[u8] = b"\x81\x94\0\0\0\0xxxxxxxxxxxxxxxxxxxx";
    const STREAMS: usize = 30;

    let server = program::Server::start(&["--self-signed"]);
    let (sender, _connection) = connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let (mut send, receive) = ask(&sender, websocket(&server)).await.unwrap();
        // Enough messages to fill the stream's window of 64 KiB, one HTTP/2 frame each.
        for _ in 0..64 * 1024 / MESSAGE.len() {
            send.send_data(MESSAGE.into(), false).unwrap();
        }
        streams.push((send, receive));
    }
    // All messages are received before this request.
    let _page = ask(&sender, page(&server)).await.unwrap();
}

#[tokio::test]
async fn a_connection_with_many_resets_is_ended_in_order() {
    let server = program::Server::start(&["--self-signed"]);
    let (sender, connection) = connect(&server).await;
    let stays = ask(&sender, websocket(&server)).await.unwrap();
    let error = async {
        for _ in 0..500 {
            // Dropping a body resets its stream, which waits for a window.
            drop(ask(&sender, page(&server)).await?);
        }
        Ok::<_, h2::Error>(())
    };
    let error = error.await.unwrap_err();
    assert!(error.is_go_away() && error.reason() == Some(Reason::NO_ERROR), "{error:?}");
    // The WebSocket stays open until its handler ends.
    assert!(!connection.is_finished());
    drop(stays);
    // Any result is accepted: TLS may end while the client still writes.
    let _ended = tokio::time::timeout(TEST_TIMEOUT, connection).await.unwrap().unwrap();
}
