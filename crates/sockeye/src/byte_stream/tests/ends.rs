//! The ends of streams, orderly or not.

use super::*;

const HALF_CLOSE_TIMEOUT: Duration = crate::byte_stream::HALF_CLOSE_TIMEOUT;

#[tokio::test]
async fn a_stream_that_was_shut_down_is_read_on() {
    for client_first in [true, false] {
        let (a, b) = streams(100);
        let (mut first, mut second) = if client_first { (a, b) } else { (b, a) };
        let answering = tokio::spawn(async move {
            let mut question = Vec::new();
            second.read_to_end(&mut question).await.unwrap();
            assert_eq!(question, b"question");
            second.write_all(&question.repeat(10_000)).await.unwrap();
            second.shutdown().await.unwrap();
            assert_eq!(second.read(&mut [0; 10]).await.unwrap(), 0);
        });
        first.write_all(b"question").await.unwrap();
        first.shutdown().await.unwrap();
        let error = first.write(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(matches!(cause(&error), Error::ShutDown));
        let mut answer = Vec::new();
        first.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"question".repeat(10_000));
        assert_eq!(first.read(&mut [0; 10]).await.unwrap(), 0);
        first.shutdown().await.unwrap();
        answering.await.unwrap();
    }
}

#[tokio::test]
async fn both_ends_may_shut_down_at_once() {
    let (mut client, mut server) = streams(1000);
    client.write_all(b"from the client").await.unwrap();
    server.write_all(b"from the server").await.unwrap();
    client.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
    let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
    let (a, b) =
        tokio::join!(client.read_to_end(&mut from_server), server.read_to_end(&mut from_client));
    a.and(b).unwrap();
    assert_eq!((from_server, from_client), (b"from the server".into(), b"from the client".into()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_after_our_shutdown_is_given_up() {
    let (mut client, mut server) = streams(1000);
    client.shutdown().await.unwrap();
    let started = tokio::time::Instant::now();
    // The server sends for longer than the timeout, with a byte now and then.
    let sending = tokio::spawn(async move {
        assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
        for _ in 0..10 {
            tokio::time::advance(HALF_CLOSE_TIMEOUT / 2).await;
            server.write_all(b"x").await.unwrap();
            server.flush().await.unwrap();
        }
        server
    });
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!(bytes, b"x".repeat(10));
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(started.elapsed() >= HALF_CLOSE_TIMEOUT * 5);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_close_frame_that_tells_of_no_failure_is_the_end() {
    for code in [CloseCode::NORMAL_CLOSURE, CloseCode::GOING_AWAY] {
        let (mut client, server) = websockets(1000);
        let mut server = server.into_byte_stream();
        client.send(b"last words".to_vec()).await.unwrap();
        let closing = tokio::spawn(async move { client.close(code, "").await });
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"last words");
        server.shutdown().await.unwrap();
        closing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_close_frame_without_a_code_is_the_end() {
    let (mut raw, stream) = duplex(1000);
    let mut server = websocket(stream, Connection::server(&Config::new())).into_byte_stream();
    raw.write_all(&[0x82, 0x81, 0, 0, 0, 0, b'x', 0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"x");
    server.write_all(b"yz").await.unwrap();
    server.shutdown().await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [0x82, 2, b'y', b'z', 0x88, 2, 0x03, 0xe8]);
}

#[tokio::test]
async fn another_code_is_an_error_that_has_it() {
    let (mut client, server) = websockets(1000);
    let mut server = server.into_byte_stream();
    client.send(b"half of it".to_vec()).await.unwrap();
    let closing =
        tokio::spawn(async move { client.close(CloseCode::INTERNAL_ERROR, "disk full").await });
    let mut bytes = Vec::new();
    let error = server.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((bytes, error.kind()), (b"half of it".to_vec(), io::ErrorKind::ConnectionReset));
    let Error::Closed(frame) = cause(&error) else { panic!("{error:?}") };
    assert_eq!((frame.code, &*frame.reason), (CloseCode::INTERNAL_ERROR, "disk full"));
    closing.await.unwrap().unwrap();
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert!(matches!(cause(&error), Error::Failed(io::ErrorKind::ConnectionReset)));
    let error = server.write(b"late").await.unwrap_err();
    assert!(matches!(cause(&error), Error::ShutDown));
}

#[tokio::test]
async fn an_end_of_the_transport_without_a_close_frame_is_an_error() {
    for (wire, expected) in [
        // Between messages, within a frame, and between the fragments of a message.
        (&[0x82, 0x81, 0, 0, 0, 0, b'x'][..], &b"x"[..]),
        (&[0x82, 0x82, 0, 0, 0, 0, b'x'], b"x"),
        (&[0x02, 0x81, 0, 0, 0, 0, b'x'], b"x"),
        (&[], b""),
    ] {
        let (mut raw, stream) = duplex(1000);
        let mut server = websocket(stream, Connection::server(&Config::new())).into_byte_stream();
        raw.write_all(wire).await.unwrap();
        drop(raw);
        let mut bytes = Vec::new();
        let error = server.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!((&*bytes, error.kind()), (expected, io::ErrorKind::UnexpectedEof));
        assert!(matches!(cause(&error), Error::Connection(ConnectionError::Disconnected)));
        // The next read fails as well.
        let error = server.read(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_close_frame_within_a_message_is_an_error() {
    let (mut raw, stream) = duplex(1000);
    let mut server = websocket(stream, Connection::server(&Config::new())).into_byte_stream();
    let wire = [0x02, 0x81, 0, 0, 0, 0, b'x', 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    raw.write_all(&wire).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let mut bytes = Vec::new();
    let error = server.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((&*bytes, error.kind()), (&b"x"[..], io::ErrorKind::UnexpectedEof));
    let Error::Connection(ConnectionError::ClosedMidMessage(Some(_))) = cause(&error) else {
        panic!("{error:?}")
    };
    assert_eq!(reading.await.unwrap(), [0x88, 2, 0x03, 0xe8]);
}

#[tokio::test]
async fn text_is_refused_with_1003() {
    let (mut client, server) = websockets(1000);
    let mut server = server.into_byte_stream();
    client.send(b"bytes".to_vec()).await.unwrap();
    client.send("text").await.unwrap();
    let receiving = tokio::spawn(async move {
        assert_eq!(client.recv().await.unwrap(), None);
        client.close_frame().cloned()
    });
    let mut bytes = Vec::new();
    let error = server.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((bytes, error.kind()), (b"bytes".to_vec(), io::ErrorKind::InvalidData));
    assert!(matches!(cause(&error), Error::Text));
    assert_eq!(receiving.await.unwrap().unwrap().code, CloseCode::UNSUPPORTED_DATA);
}

#[tokio::test]
async fn a_websocket_that_failed_before_makes_no_stream_that_ended() {
    let (raw, stream) = duplex(1000);
    let mut server = websocket(stream, Connection::server(&Config::new()));
    drop(raw);
    server.recv().await.unwrap_err();
    let error = server.into_byte_stream().read(&mut [0; 10]).await.unwrap_err();
    assert!(matches!(cause(&error), Error::Failed(io::ErrorKind::NotConnected)), "{error:?}");

    // A WebSocket that was closed in an orderly way makes a stream that has ended.
    let (mut client, mut server) = websockets(1000);
    let (closed, ended) = tokio::join!(client.close(CloseCode::NORMAL_CLOSURE, ""), server.recv());
    closed.unwrap();
    assert_eq!(ended.unwrap(), None);
    assert_eq!(server.into_byte_stream().read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_silence_after_our_shutdown_can_be_set() {
    let (mut client, _server) = streams(1000);
    client.set_half_close_timeout(Duration::from_secs(3));
    client.shutdown().await.unwrap();
    let started = tokio::time::Instant::now();
    let error = client.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn a_dropped_stream_is_cut() {
    let (mut client, mut server) = streams(1000);
    client.write_all(b"flushed").await.unwrap();
    client.flush().await.unwrap();
    client.write_all(b"not flushed").await.unwrap();
    drop(client);
    let mut bytes = Vec::new();
    let error = server.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((bytes, error.kind()), (b"flushed".to_vec(), io::ErrorKind::UnexpectedEof));
}

#[tokio::test]
async fn what_was_written_before_the_peer_ended_its_direction_is_delivered() {
    let (mut client, mut server) = streams(1 << 16);
    server.write_all(b"unflushed").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
    server.write_all(b" and later").await.unwrap();
    server.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"unflushed and later");
}
