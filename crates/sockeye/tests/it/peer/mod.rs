//! Scripted peers for the opening handshake.

#![allow(dead_code, reason = "each test uses the part that it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};

use sockeye::handshake::{HandshakeError, HeadLimits, HeadSearch, Key, Request, RequestHead};
use sockeye::{Client, ConnectError, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Size of the pipe between both ends, in bytes: less than a head, so that heads arrive in pieces.
const PIPE: usize = 64;

/// Returns the client's end of a pipe whose other end reads the request and answers with `answer`.
pub(crate) fn server<A>(answer: impl FnOnce(Key) -> A + Send + 'static) -> DuplexStream
where
    A: Into<Vec<u8>> + Send,
{
    let (client, mut server) = duplex(PIPE);
    tokio::spawn(async move {
        let key = read_request(&mut server).await;
        // A client that has refused the response does not read all of it.
        let answer: Vec<u8> = answer(key).into();
        let _ = server.write_all(&answer).await;
        // Left open: the client's result must not depend on the end of the stream.
        std::future::pending::<()>().await;
    });
    client
}

/// Returns the client's result for a response that has `headers` in addition to the required ones.
pub(crate) async fn answered_with(
    client: &Client,
    headers: &'static str,
) -> Result<WebSocket, ConnectError> {
    let stream = server(move |key| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{headers}\r\n",
            key.accept()
        )
    });
    client.handshake(stream).await
}

/// Returns the handshake's error, or panics.
pub(crate) fn handshake_error(result: Result<WebSocket, ConnectError>) -> HandshakeError {
    match result {
        Err(ConnectError::Handshake(error)) => error,
        other => panic!("expected an error of the handshake, not {other:?}"),
    }
}

/// Returns a whole request for `path` on `example.com`, with more header lines.
pub(crate) fn request(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// Reads everything up to the end of the stream.
pub(crate) async fn read_all(stream: &mut DuplexStream) -> String {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    String::from_utf8(received).unwrap()
}

async fn read_request(stream: &mut DuplexStream) -> Key {
    let (mut received, mut search) = (Vec::new(), HeadSearch::default());
    loop {
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "the request was cut off");
        if let Some(end) = search.find(&received).unwrap() {
            let head = RequestHead::parse(&received[..end], HeadLimits::default()).unwrap();
            return Request::from_head(&head).unwrap().key().unwrap();
        }
    }
}

/// Upgrades a stream whose other end is a server, and leaves the bytes after the response head
/// unread.
pub(crate) fn upgrade(stream: &mut (impl Read + Write), headers: &str) {
    stream.write_all(request("/", headers).as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}
