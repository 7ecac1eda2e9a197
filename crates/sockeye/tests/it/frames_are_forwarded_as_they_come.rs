//! Connections used for frames instead of messages, and streams that are upgraded only.

#![allow(
    clippy::decimal_bitwise_operands,
    clippy::unwrap_used,
    reason = "tests write wire formats by hand, and fail where they are wrong"
)]

use crate::peer;
use bytes::BytesMut;
use futures_util::FutureExt as _;
use sockeye::frame::{Frame, OpCode, Reserved};
use sockeye::upgrade::{Options, Refusal, Upgraded, Upgrader};
use sockeye::{
    Client, CloseCode, Error, FrameReceiver, FrameSender, Kind, Message, ProtocolError,
    UpgradeError, UsageError, WebSocket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;

const LIMIT: usize = 1 << 20;

/// Connects a client and a server over a pipe of `capacity` bytes.
async fn pair(capacity: usize, client: &Client, upgrader: &Upgrader) -> (WebSocket, WebSocket) {
    let (near, far) = duplex(capacity);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    (client.unwrap(), server.unwrap())
}

fn client() -> Client {
    Client::new("ws://example.com/")
}

/// Returns a server and the raw client end of its stream.
async fn raw() -> (DuplexStream, WebSocket) {
    let (mut near, far) = duplex(4096);
    near.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let server = Upgrader::new().accept(far).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    (near, server)
}

async fn copy(mut from: FrameReceiver, mut to: FrameSender) -> sockeye::Result<usize> {
    let mut count = 0;
    while let Some(frame) = from.recv_frame().await? {
        to.send_frame(&frame).await?;
        count += 1;
    }
    to.shutdown().await?;
    Ok(count)
}

/// Forwards between a client and a server that echoes, and returns how many frames passed each way.
async fn through_a_proxy(
    (mut client, near): (WebSocket, WebSocket),
    (far, mut server): (WebSocket, WebSocket),
) -> (usize, usize) {
    let (from_near, to_near) = near.into_frames(LIMIT).unwrap();
    let (from_far, to_far) = far.into_frames(LIMIT).unwrap();
    let up = tokio::spawn(copy(from_near, to_far));
    let down = tokio::spawn(copy(from_far, to_near));
    let echo = tokio::spawn(async move {
        while let Some(message) = server.recv().await? {
            server.send(message).await?;
        }
        Ok::<_, Error>(())
    });
    for round in 0..3 {
        for length in [0, 1, 200, 5000, 200_000] {
            let message = Message::from(format!("{round} salmon ").repeat(length / 9));
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(message));
        }
        client.ping(b"through").await.unwrap();
        let mut writer = client.send_stream(Kind::Text).await.unwrap();
        writer.write_all(b"in ").await.unwrap();
        writer.flush().await.unwrap();
        writer.write_all(b"fragments").await.unwrap();
        writer.finish().await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some("in fragments".into()));
    }
    client.close(CloseCode::NORMAL_CLOSURE, "bye").await.unwrap();
    assert_eq!(client.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
    echo.await.unwrap().unwrap();
    (up.await.unwrap().unwrap(), down.await.unwrap().unwrap())
}

#[tokio::test]
async fn a_proxy_forwards_frames_of_every_kind() {
    let upgrader = Upgrader::new();
    let near = pair(1000, &client(), &upgrader).await;
    let far = pair(100_000, &client(), &upgrader).await;
    // Each round: five messages, a ping or its pong, and two fragments or the whole; then a close
    // frame.
    assert_eq!(through_a_proxy(near, far).await, (3 * 8 + 1, 3 * 7 + 1));
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn a_proxy_forwards_compressed_frames_as_they_are() {
    let deflate = sockeye::Deflate::new();
    let upgrader = Upgrader::new().options(Options::new().deflate(deflate.clone()));
    let client = client().deflate(deflate);
    let near = pair(1000, &client, &upgrader).await;
    let far = pair(1000, &client, &upgrader).await;
    assert_eq!(through_a_proxy(near, far).await, (3 * 8 + 1, 3 * 7 + 1));
}

#[tokio::test]
async fn reserved_bits_and_fragments_are_kept() {
    let (mut client, server) = raw().await;
    let (mut receiver, mut sender) = server.into_frames(10).unwrap();
    let rsv2 = Reserved::from_bits(2).unwrap();
    let frames = [
        Frame::new(OpCode::Text, "sal").with_fin(false).with_reserved(rsv2),
        Frame::new(OpCode::Ping, "?"),
        Frame::new(OpCode::Continuation, "\u{1}mon").with_reserved(Reserved::RSV1),
        Frame::new(OpCode::Close, ""),
    ];
    let mut wire = Vec::new();
    for frame in &frames {
        frame.encode(Some([1, 2, 3, 4]), &mut wire);
    }
    // The future of `recv_frame` may be dropped at any time.
    let mut taken = Vec::new();
    for byte in wire {
        assert!(receiver.recv_frame().now_or_never().is_none());
        client.write_all(&[byte]).await.unwrap();
        taken.extend(receiver.recv_frame().now_or_never().map(|frame| frame.unwrap().unwrap()));
    }
    assert_eq!(taken, frames);
    for frame in &frames {
        sender.feed_frame(frame).await.unwrap();
    }
    sender.shutdown().await.unwrap();
    let mut answer = BytesMut::new();
    while client.read_buf(&mut answer).await.unwrap() > 0 {}
    for frame in frames {
        assert_eq!(Frame::decode(&mut answer, false, 10).unwrap(), Some(frame));
    }
    assert!(answer.is_empty());
    drop(client);
    assert_eq!(receiver.recv_frame().await.unwrap(), None);
}

#[tokio::test]
async fn dropping_a_future_that_waits_for_capacity_loses_no_frame() {
    let (client, server) = pair(100, &client(), &Upgrader::new()).await;
    let (_, mut sender) = client.into_frames(LIMIT).unwrap();
    let (mut receiver, _sender) = server.into_frames(LIMIT).unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..100u8 {
            let frame = Frame::new(OpCode::Binary, vec![number; 3000]);
            while sender.feed_frame(&frame).now_or_never().is_none() {
                yield_now().await;
            }
        }
        while sender.flush().now_or_never().is_none() {
            yield_now().await;
        }
    });
    for number in 0..100u8 {
        let frame = loop {
            match receiver.recv_frame().now_or_never() {
                Some(frame) => break frame.unwrap().unwrap(),
                None => yield_now().await,
            }
        };
        assert_eq!(frame, Frame::new(OpCode::Binary, vec![number; 3000]));
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn a_frame_that_breaks_a_rule_is_an_error_and_the_end() {
    for (wire, expected) in [
        (&[0x82, 0x01, 0][..], ProtocolError::Unmasked),
        (&[0x82, 0x8b, 0], ProtocolError::FrameTooLong { length: 11, limit: 10 }),
        (&[0x83, 0x80], ProtocolError::ReservedOpCode { opcode: 3 }),
    ] {
        let (mut client, server) = raw().await;
        let (mut receiver, _sender) = server.into_frames(10).unwrap();
        client.write_all(&[wire, &[0; 20]].concat()).await.unwrap();
        let error = receiver.recv_frame().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(error) if error == expected), "{error:?}");
        assert_eq!(receiver.recv_frame().await.unwrap(), None);
    }
    let (mut client, server) = raw().await;
    let (mut receiver, mut sender) = server.into_frames(10).unwrap();
    client.write_all(&[0x82, 0x81]).await.unwrap();
    drop(client);
    assert!(matches!(receiver.recv_frame().await, Err(Error::Disconnected)));
    assert_eq!(receiver.recv_frame().await.unwrap(), None);
    let error = sender.send_frame(&Frame::new(OpCode::Ping, vec![0; 126])).await.unwrap_err();
    assert!(matches!(error, Error::Usage(UsageError::ControlTooLong { length: 126 })), "{error:?}");
}

#[tokio::test]
async fn a_message_in_progress_does_not_become_frames() {
    let (mut client, mut server) = raw().await;
    client.write_all(&[0x02, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    assert!(server.recv().now_or_never().is_none());
    let error = server.into_frames(10).unwrap_err();
    assert!(matches!(error, Error::Usage(UsageError::MessageInProgress)), "{error:?}");

    let (_client, mut server) = raw().await;
    assert!(server.close(CloseCode::NORMAL_CLOSURE, "").now_or_never().is_none());
    let error = server.into_frames(10).unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
}

#[tokio::test]
async fn an_upgraded_stream_comes_with_what_was_read_beyond_the_request() {
    let (mut client, server) = duplex(4096);
    let mut wire = peer::request("/", "Sec-WebSocket-Protocol: raw\r\n").into_bytes();
    Frame::new(OpCode::Text, "early").encode(Some([1, 2, 3, 4]), &mut wire);
    client.write_all(&wire).await.unwrap();
    let upgrader = Upgrader::new().options(Options::new().subprotocols(["raw"]));
    let Upgraded { mut stream, mut unread, negotiated, .. } =
        upgrader.accept_raw(server).await.unwrap();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("raw"));
    let frame = Frame::decode(&mut unread, true, 100).unwrap();
    assert_eq!(frame, Some(Frame::new(OpCode::Text, "early")));
    assert!(unread.is_empty());
    stream.write_all(b"\x81\x02ok").await.unwrap();
    drop(stream);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n\x81\x02ok"));
}

#[tokio::test]
async fn a_stream_that_is_not_upgraded_gets_the_refusal() {
    let (mut client, server) = duplex(4096);
    client.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let upgrader = Upgrader::new().on_host(|_| Err(Refusal::forbidden("no\n")));
    let (answer, refused) = tokio::join!(
        async {
            let answer = peer::read_all(&mut client).await;
            drop(client);
            answer
        },
        upgrader.accept_raw(server)
    );
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nno\n"), "{answer}");
    assert!(matches!(refused.unwrap_err(), UpgradeError::Handshake(_)));
}
