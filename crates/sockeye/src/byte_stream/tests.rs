//! Byte streams over in-memory transports.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use sockeye_proto::{CloseCode, Config, Connection, Message, TimedOut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::timeout;

use super::{ByteStream, Error};
use crate::transport::Transport;
use crate::websocket::NegotiatedHeaders;
use crate::{Error as ConnectionError, WebSocket};

mod deadlines;
mod ends;
mod halves;
mod scripts;

fn websocket(stream: DuplexStream, connection: Connection) -> WebSocket {
    let transport = Transport::boxed(stream, None);
    WebSocket::new(transport, connection, BytesMut::new(), NegotiatedHeaders::default())
}

/// Returns both ends over a pipe that holds `buffer` bytes: first the client.
fn websockets(buffer: usize) -> (WebSocket, WebSocket) {
    let (a, b) = duplex(buffer);
    let client = websocket(a, Connection::client(&Config::new(), || [1, 2, 3, 4]));
    (client, websocket(b, Connection::server(&Config::new())))
}

fn streams(buffer: usize) -> (ByteStream, ByteStream) {
    let (client, server) = websockets(buffer);
    (client.into_byte_stream(), server.into_byte_stream())
}

fn cause(error: &io::Error) -> &Error {
    error.get_ref().and_then(|cause| cause.downcast_ref()).expect("an error of byte streams")
}

#[tokio::test]
async fn small_writes_make_one_message_at_a_flush() {
    let (client, mut server) = websockets(1 << 16);
    let mut client = client.into_byte_stream();
    for _ in 0..100 {
        client.write_all(b"tick ").await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Message::from(b"tick ".repeat(100))));
    client.flush().await.unwrap();
    client.write_all(b"more").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Message::from(&b"more"[..])));
}

#[tokio::test]
async fn what_was_written_is_sent_before_a_read_waits() {
    let (mut client, mut server) = streams(1 << 16);
    let echo = tokio::spawn(async move {
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
        // The read writes the remaining output, though there is nothing to read.
        server.read(&mut bytes).await.unwrap()
    });
    client.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello");
    client.shutdown().await.unwrap();
    assert_eq!(echo.await.unwrap(), 0);
}

#[tokio::test]
async fn long_writes_make_messages_of_64_kib_and_never_more() {
    let (client, mut server) = websockets(1 << 20);
    let mut client = client.into_byte_stream();
    let slices = [vec![1; 10_000], vec![2; 100_000], vec![3; 60_000]];
    let slices = slices.each_ref().map(|slice| io::IoSlice::new(slice));
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 65_536);
    client.write_all(&vec![4; 70_000]).await.unwrap();
    client.flush().await.unwrap();
    let mut lengths = Vec::new();
    while lengths.iter().sum::<usize>() < 65_536 + 70_000 {
        lengths.push(server.recv().await.unwrap().unwrap().len());
    }
    assert_eq!(lengths, [65_536, 65_536, 70_000 - 65_536]);
}

#[tokio::test]
async fn writes_wait_for_a_peer_that_does_not_read() {
    let (mut client, mut server) = streams(1000);
    let mut written = 0;
    while let Ok(written_now) = timeout(Duration::ZERO, client.write(&[7; 5000])).await {
        written += written_now.unwrap();
    }
    assert!(written <= 128 * 1024 + 1000, "{written} bytes were taken");
    let reading = tokio::spawn(async move {
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    client.shutdown().await.unwrap();
    assert_eq!(reading.await.unwrap(), vec![7; written]);
}

#[tokio::test]
async fn messages_of_any_length_are_read_without_their_boundaries() {
    let (mut client, server) = websockets(1000);
    let mut server = server.into_byte_stream();
    let sending = tokio::spawn(async move {
        for message in [&b""[..], b"a", b"", b"bc", &vec![b'd'; 300_000], b"", b"e"] {
            client.send(message.to_vec()).await.unwrap();
            client.ping(b"between").await.unwrap();
        }
        let mut message = client.send_stream(sockeye_proto::Kind::Binary).await.unwrap();
        message.write_all(b"fg").await.unwrap();
        message.flush().await.unwrap();
        message.write_all(b"h").await.unwrap();
        message.finish().await.unwrap();
        client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    });
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [&b"abc"[..], &vec![b'd'; 300_000], b"efgh"].concat());
    server.shutdown().await.unwrap();
    sending.await.unwrap();
}

#[tokio::test]
async fn a_message_longer_than_the_limit_of_whole_ones_is_read() {
    let (a, b) = duplex(1 << 16);
    let mut client = websocket(a, Connection::client(&Config::new(), || [1, 2, 3, 4]));
    let config = Config::new().max_message_length(1000);
    let mut server = websocket(b, Connection::server(&config)).into_byte_stream();
    client.feed(vec![9; 50_000]).await.unwrap();
    client.flush().await.unwrap();
    let mut bytes = vec![0; 50_000];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, vec![9; 50_000]);
}

#[tokio::test]
async fn the_rest_of_a_message_in_progress_comes_first() {
    let (mut client, mut server) = websockets(1 << 16);
    client.send(b"0123456789".to_vec()).await.unwrap();
    client.feed(b"fed".to_vec()).await.unwrap();
    let mut message = server.recv_stream().await.unwrap().unwrap();
    let mut bytes = [0; 4];
    message.read_exact(&mut bytes).await.unwrap();
    let (mut client, mut server) = (client.into_byte_stream(), server.into_byte_stream());
    client.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"456789fed");
}

#[tokio::test(start_paused = true)]
async fn a_read_has_a_deadline_and_the_stream_goes_on() {
    let (mut client, mut server) = streams(1000);
    server.set_read_timeout(Some(Duration::from_secs(3)));
    let mut bytes = [0; 100];
    for _ in 0..2 {
        let error = server.read(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(matches!(cause(&error), Error::ReadTimedOut { after } if after.as_secs() == 3));
    }
    client.write_all(b"late").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(server.read(&mut bytes).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_left_unread_is_not_cut_by_its_own_deadlines() {
    let short = Duration::from_secs(1);
    let config = Config::new().ping_after(Some(short)).pong_timeout(short);
    let (a, b) = duplex(1000);
    let sender = Config::new().ping_after(None);
    let mut client = websocket(a, Connection::client(&sender, || [1, 2, 3, 4])).into_byte_stream();
    client.set_half_close_timeout(Duration::from_secs(24 * 3600));
    let (mut reads, mut writes) = split(client);
    let server = websocket(b, Connection::server(&config))
        .with_timeouts(&config.read_timeout(Some(short)).write_timeout(Some(short)));
    let mut server = server.into_byte_stream();
    server.set_read_timeout(Some(short));
    let sending = tokio::spawn(async move {
        writes.write_all(&vec![7; 1 << 20]).await.unwrap();
        writes.shutdown().await.unwrap();
    });
    // Handles the pings.
    let reading = tokio::spawn(async move { reads.read_to_end(&mut Vec::new()).await });
    let mut bytes = Vec::new();
    let mut some = vec![0; 50_000];
    loop {
        let length = server.read(&mut some).await.unwrap();
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(&some[..length]);
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    assert_eq!(bytes, vec![7; 1 << 20]);
    sending.await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_has_a_deadline_and_the_stream_is_over_then() {
    let (mut client, _server) = streams(100);
    client.set_write_timeout(Some(Duration::from_secs(3)));
    client.write_all(&[0; 1000]).await.unwrap();
    let error = client.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let expected = ConnectionError::TimedOut(TimedOut::Writing);
    assert!(
        matches!(cause(&error), Error::Connection(error) if error.to_string() == expected.to_string())
    );
    let error = client.write(b"more").await.unwrap_err();
    assert!(matches!(cause(&error), Error::Failed(io::ErrorKind::TimedOut)), "{error:?}");
    let error = client.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_and_says_so_again() {
    let (_raw, stream) = duplex(1000);
    let mut server = websocket(stream, Connection::server(&Config::new())).into_byte_stream();
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let lost = ConnectionError::TimedOut(TimedOut::Keepalive).to_string();
    assert!(matches!(cause(&error), Error::Connection(error) if error.to_string() == lost));
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert!(matches!(cause(&error), Error::Failed(io::ErrorKind::TimedOut)), "{error:?}");
    let error = server.write(b"late").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
