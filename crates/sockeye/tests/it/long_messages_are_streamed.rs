//! Messages as byte streams: read while they arrive, and written in fragments.

#![allow(
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    clippy::unwrap_used,
    reason = "tests write wire formats by hand, and fail where they are wrong"
)]

use crate::peer;
use std::io;

use futures_util::FutureExt as _;
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{
    Client, CloseCode, Config, Error, Kind, Message, MessageReader, ProtocolError, UsageError,
    WebSocket,
};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, DuplexStream, copy, copy_buf, duplex,
};
use tokio::task::yield_now;

/// Connects a client and a server over a pipe of `capacity` bytes.
async fn pair(capacity: usize, client: Client, options: Options) -> (WebSocket, WebSocket) {
    let (near, far) = duplex(capacity);
    let upgrader = Upgrader::new().options(options);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    (client.unwrap(), server.unwrap())
}

async fn plain(capacity: usize) -> (WebSocket, WebSocket) {
    pair(capacity, Client::new("ws://example.com/"), Options::new()).await
}

#[cfg(feature = "deflate")]
async fn compressing(capacity: usize) -> (WebSocket, WebSocket) {
    let deflate = sockeye::Deflate::new();
    let client = Client::new("ws://example.com/").deflate(deflate.clone());
    pair(capacity, client, Options::new().deflate(deflate)).await
}

/// Returns a server and the raw client end of its stream.
async fn raw(config: Config) -> (DuplexStream, WebSocket) {
    let (mut near, far) = duplex(4096);
    near.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let upgrader = Upgrader::new().options(Options::new().config(config));
    let server = upgrader.accept(far).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    (near, server)
}

/// Encodes a client's frame, with a mask key of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CONTINUATION: u8 = 0x0;
const FIN: u8 = 0x80;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

async fn read(reader: &mut MessageReader<'_>, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn read_all(ws: &mut WebSocket) -> (Kind, Vec<u8>) {
    let mut reader = ws.recv_stream().await.unwrap().unwrap();
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    (reader.kind(), bytes)
}

/// Returns this crate's error inside an I/O error of reading or writing.
fn inner(error: &io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn the_first_byte_is_read_before_the_last_frame_is_sent() {
    let (mut client, mut server) = raw(Config::new()).await;
    client.write_all(&[TEXT, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]).await.unwrap();
    client.write_all(&[0, 0, 0, 0, b's', b'a']).await.unwrap();
    let mut reader = server.recv_stream().await.unwrap().unwrap();
    assert_eq!(reader.kind(), Kind::Text);
    assert_eq!(read(&mut reader, 2).await, b"sa");
    assert!(reader.read_u8().now_or_never().is_none());
    client.write_all(b"lm").await.unwrap();
    assert_eq!(reader.fill_buf().await.unwrap(), b"lm");
    reader.consume(1);
    assert_eq!(read(&mut reader, 1).await, b"m");
}

#[tokio::test]
async fn control_frames_between_fragments_are_handled() {
    let (mut client, mut server) = raw(Config::new()).await;
    let wire = [
        frame(TEXT, b"sal"),
        frame(0x89, b"ping"),
        frame(CONTINUATION, b""),
        frame(0x8a, b"pong"),
        frame(FIN | CONTINUATION, b"mon"),
        frame(FIN | BINARY, b""),
        frame(FIN | TEXT, b"next"),
    ];
    client.write_all(&wire.concat()).await.unwrap();
    assert_eq!(read_all(&mut server).await, (Kind::Text, b"salmon".to_vec()));
    assert_eq!(read_all(&mut server).await, (Kind::Binary, Vec::new()));
    assert_eq!(server.recv().await.unwrap(), Some("next".into()));
    assert!(server.recv().now_or_never().is_none());
    let mut pong = [0; 6];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, *b"\x8a\x04ping");
}

#[tokio::test]
async fn the_rest_of_a_message_that_was_not_read_is_skipped() {
    for read_first in [0, 1, 5000] {
        let (mut client, mut server) = plain(1000).await;
        let sending = tokio::spawn(async move {
            for number in 0..4u8 {
                let mut writer = client.send_stream(Kind::Binary).await.unwrap();
                writer.write_all(&bytes(200_000)).await.unwrap();
                writer.finish().await.unwrap();
                client.send(vec![number]).await.unwrap();
            }
            client
        });
        for number in 0..3u8 {
            {
                let mut reader = server.recv_stream().await.unwrap().unwrap();
                assert_eq!(read(&mut reader, read_first).await, bytes(200_000)[..read_first]);
            }
            if number % 2 == 0 {
                assert_eq!(server.recv().await.unwrap(), Some(vec![number].into()));
            } else {
                assert_eq!(read_all(&mut server).await, (Kind::Binary, vec![number]));
            }
        }
        // Closing skips the rest of the message as well.
        assert!(server.recv_stream().await.unwrap().is_some());
        let (closed, sent) = tokio::join!(server.close(CloseCode::NORMAL_CLOSURE, ""), async {
            let mut client = sending.await.unwrap();
            client.recv().await
        });
        closed.unwrap();
        assert_eq!(sent.unwrap(), None);
    }
}

#[tokio::test]
async fn dropping_a_future_that_waits_for_a_message_loses_nothing() {
    let (mut client, mut server) = raw(Config::new()).await;
    let wire = [frame(TEXT, b"sal"), frame(FIN | CONTINUATION, b"mon"), frame(FIN | BINARY, b"x")];
    let mut began = 0;
    for byte in wire.concat() {
        client.write_all(&[byte]).await.unwrap();
        if began == 0 {
            // The first of the two methods to be polled when the message begins receives it.
            began += usize::from(server.recv_stream().now_or_never().is_some());
            assert!(server.recv().now_or_never().is_none());
        }
    }
    assert_eq!(began, 1);
    // The reader was dropped at once, and the rest is skipped.
    assert_eq!(server.recv().await.unwrap(), Some(b"x"[..].into()));

    // A part of it was received as a whole message, so it continues as one.
    client.write_all(&frame(TEXT, b"sal")).await.unwrap();
    assert!(server.recv().now_or_never().is_none());
    assert!(server.recv_stream().now_or_never().is_none());
    client.write_all(&frame(FIN | CONTINUATION, b"mon")).await.unwrap();
    assert_eq!(read_all(&mut server).await, (Kind::Text, b"salmon".to_vec()));

    // A cancelled `recv_stream` does not make the next message a stream.
    assert!(server.recv_stream().now_or_never().is_none());
    client.write_all(&frame(FIN | TEXT, b"next")).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("next".into()));
}

#[tokio::test]
async fn dropping_a_future_that_waits_for_capacity_or_bytes_loses_nothing() {
    const LENGTH: usize = 300_000;
    let (mut client, mut server) = plain(1000).await;
    let sending = tokio::spawn(async move {
        let bytes = bytes(LENGTH);
        let mut writer = client.send_stream(Kind::Binary).await.unwrap();
        let mut written = 0;
        while written < LENGTH {
            // Cancels every wait at once, of every kind.
            let part = &bytes[written..LENGTH.min(written + 9001)];
            match writer.write(part).now_or_never() {
                Some(length) => written += length.unwrap(),
                None => yield_now().await,
            }
            if written % 2 == 0 && writer.flush().now_or_never().is_none() {
                yield_now().await;
            }
        }
        while writer.shutdown().now_or_never().is_none() {
            yield_now().await;
        }
    });
    let mut reader = server.recv_stream().await.unwrap().unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 777]);
    loop {
        match reader.read(&mut buffer).now_or_never() {
            Some(length) => match length.unwrap() {
                0 => break,
                length => received.extend_from_slice(&buffer[..length]),
            },
            None => yield_now().await,
        }
    }
    assert!(received == bytes(LENGTH), "{} bytes", received.len());
    sending.await.unwrap();
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_message_is_an_error() {
    let (mut client, mut server) = raw(Config::new()).await;
    client.write_all(&frame(BINARY, b"lost")).await.unwrap();
    let mut reader = server.recv_stream().await.unwrap().unwrap();
    assert_eq!(read(&mut reader, 4).await, b"lost");
    drop(client);
    let error = reader.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let mut rest = Vec::new();
    let error = reader.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(server.recv().await.unwrap(), None);

    let (mut client, mut server) = raw(Config::new()).await;
    client.write_all(&frame(BINARY, b"lost")).await.unwrap();
    client.write_all(&frame(0x88, &1001u16.to_be_bytes())).await.unwrap();
    let mut reader = server.recv_stream().await.unwrap().unwrap();
    assert_eq!(read(&mut reader, 4).await, b"lost");
    let mut rest = Vec::new();
    let error = reader.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(matches!(inner(&error), Error::ClosedMidMessage(Some(_))), "{error:?}");
    assert_eq!(server.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_broken_rule_is_an_error_of_the_reader_and_answered_with_a_close_frame() {
    let limit = Config::new().max_streamed_length(5);
    for (config, wire, good, expected, code) in [
        (Config::new(), frame(FIN | TEXT, b"ok\xff"), &b"ok"[..], ProtocolError::InvalidUtf8, 1007),
        (
            limit,
            [frame(TEXT, b"1234"), frame(CONTINUATION, b"56")].concat(),
            b"1234",
            ProtocolError::MessageTooLong { limit: 5 },
            1009,
        ),
    ] {
        let (mut client, mut server) = raw(config).await;
        client.write_all(&wire).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut reader = server.recv_stream().await.unwrap().unwrap();
        let mut received = Vec::new();
        let error = reader.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(received, good);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(matches!(inner(&error), Error::Protocol(error) if *error == expected), "{error:?}");
        let answer = reading.await.unwrap();
        assert_eq!((answer[0], &answer[2..4]), (0x88, &u16::to_be_bytes(code)[..]));
    }
}

/// Sends messages of many lengths as streams through a proxy that reads and writes them as streams.
async fn through_a_proxy(
    (mut sender, mut near): (WebSocket, WebSocket),
    (mut far, mut receiver): (WebSocket, WebSocket),
) {
    const LENGTHS: [usize; 8] = [0, 1, 125, 65_535, 65_536, 65_537, 300_000, 1 << 20];
    let sending = tokio::spawn(async move {
        for length in LENGTHS {
            let mut writer = sender.send_stream(Kind::Binary).await.unwrap();
            for chunk in bytes(length).chunks(10_007) {
                writer.write_all(chunk).await.unwrap();
            }
            writer.finish().await.unwrap();
            sender.send("é".repeat(length / 2)).await.unwrap();
        }
        sender.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    });
    let between = tokio::spawn(async move {
        let mut borrowed = false;
        while let Some(mut reader) = near.recv_stream().await.unwrap() {
            let mut writer = far.send_stream(reader.kind()).await.unwrap();
            borrowed = !borrowed;
            if borrowed {
                copy_buf(&mut reader, &mut writer).await.unwrap();
            } else {
                copy(&mut reader, &mut writer).await.unwrap();
            }
            writer.finish().await.unwrap();
        }
        far.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    });
    for length in LENGTHS {
        let message = receiver.recv().await.unwrap().unwrap();
        assert!(message == Message::from(bytes(length)), "{length} bytes");
        let message = receiver.recv().await.unwrap().unwrap();
        assert!(message == Message::from("é".repeat(length / 2)), "{length} bytes of text");
    }
    assert_eq!(receiver.recv().await.unwrap(), None);
    sending.await.unwrap();
    between.await.unwrap();
}

#[tokio::test]
async fn a_stream_is_written_as_it_is_read() {
    through_a_proxy(plain(1000).await, plain(100_000).await).await;
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn a_stream_is_compressed_and_decompressed_as_it_passes() {
    through_a_proxy(compressing(1000).await, plain(100_000).await).await;
    through_a_proxy(plain(1000).await, compressing(1000).await).await;
    through_a_proxy(compressing(100_000).await, compressing(1000).await).await;
}

#[tokio::test]
async fn the_receiver_of_a_split_connection_reads_streams() {
    let (mut client, server) = plain(1000).await;
    let (sender, mut receiver) = server.split();
    let sending = tokio::spawn(async move {
        for _ in 0..2 {
            let mut writer = client.send_stream(Kind::Text).await.unwrap();
            writer.write_all("x".repeat(200_000).as_bytes()).await.unwrap();
            writer.finish().await.unwrap();
            client.send("next").await.unwrap();
        }
        assert_eq!(client.recv().await.unwrap(), Some("seen".into()));
        client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    });
    let mut message = receiver.recv_stream().await.unwrap().unwrap();
    let mut text = String::new();
    message.read_to_string(&mut text).await.unwrap();
    assert!(text == "x".repeat(200_000));
    assert_eq!(receiver.recv().await.unwrap(), Some("next".into()));
    assert!(receiver.recv_stream().await.unwrap().is_some());
    assert_eq!(receiver.recv().await.unwrap(), Some("next".into()));
    sender.send("seen").await.unwrap();
    assert!(receiver.recv_stream().await.unwrap().is_none());
    sending.await.unwrap();
}

#[tokio::test]
async fn a_flush_sends_what_was_written() {
    let (mut client, mut server) = plain(1000).await;
    let mut writer = client.send_stream(Kind::Text).await.unwrap();
    writer.write_all(b"sal").await.unwrap();
    writer.flush().await.unwrap();
    let mut reader = server.recv_stream().await.unwrap().unwrap();
    assert_eq!(read(&mut reader, 3).await, b"sal");
    writer.write_all(b"mon").await.unwrap();
    assert!(reader.read_u8().now_or_never().is_none());
    writer.shutdown().await.unwrap();
    let error = writer.write_all(b"more").await.unwrap_err();
    assert!(matches!(inner(&error), Error::Usage(UsageError::NoMessage)), "{error:?}");
    drop(writer);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "mon");
    client.send("next").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("next".into()));
}

#[tokio::test]
async fn a_writer_dropped_before_anything_was_sent_leaves_nothing() {
    let (mut client, mut server) = plain(1000).await;
    let mut writer = client.send_stream(Kind::Text).await.unwrap();
    writer.write_all(b"never mind").await.unwrap();
    drop(writer);
    client.send("instead").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("instead".into()));
}

#[tokio::test]
async fn a_writer_dropped_in_the_middle_closes_the_connection() {
    let (mut client, mut server) = plain(1000).await;
    let mut writer = client.send_stream(Kind::Text).await.unwrap();
    writer.write_all(b"half of ").await.unwrap();
    writer.flush().await.unwrap();
    drop(writer);
    let error = client.send("another").await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    let (received, finished) = tokio::join!(server.recv(), client.recv());
    let error = received.unwrap_err();
    let Error::ClosedMidMessage(Some(frame)) = error else { panic!("{error:?}") };
    assert_eq!(frame.code, CloseCode::INTERNAL_ERROR);
    assert_eq!(finished.unwrap(), None);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_not_written() {
    let (mut client, mut server) = plain(1000).await;
    let mut writer = client.send_stream(Kind::Text).await.unwrap();
    writer.write_all("é".as_bytes().split_at(1).0).await.unwrap();
    writer.flush().await.unwrap();
    writer.write_all(b"x").await.unwrap();
    let error = writer.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(matches!(inner(&error), Error::Usage(UsageError::InvalidUtf8)), "{error:?}");
    let error = writer.finish().await.unwrap_err();
    assert!(matches!(error, Error::Usage(UsageError::InvalidUtf8)), "{error:?}");
    let (received, finished) = tokio::join!(server.recv(), client.recv());
    assert!(matches!(received, Err(Error::ClosedMidMessage(Some(_)))), "{received:?}");
    assert_eq!(finished.unwrap(), None);
}
