//! Messages that the sender of a split connection writes in fragments, while others send as well.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::peer;
use std::io;

use futures_util::FutureExt as _;
use sockeye::split::{Receiver, SendQueue, Sender};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, CloseCode, Error, Kind, Message, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;

/// Length of a fragment, in bytes.
const FRAGMENT: usize = 64 * 1024;

/// Length of a message that exceeds all buffers, in bytes.
const LONG: usize = 20 * FRAGMENT + 7;

fn long() -> Vec<u8> {
    (0..LONG).map(|index| (index / 1000 % 251).to_le_bytes()[0]).collect()
}

/// Returns a server's halves, and a client, over a pipe of `capacity` bytes.
async fn pair(capacity: usize, client: Client, options: Options) -> (Sender, Receiver, WebSocket) {
    let (near, far) = duplex(capacity);
    let upgrader = Upgrader::new().options(options);
    let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
    let (sender, receiver) = server.unwrap().split_with(SendQueue::new().capacity(10_000));
    (sender, receiver, client.unwrap())
}

async fn plain() -> (Sender, Receiver, WebSocket) {
    pair(1000, Client::new("ws://example.com/"), Options::new()).await
}

/// Returns a server's halves and the raw client end of its stream.
async fn raw() -> (Sender, Receiver, DuplexStream) {
    let (mut near, far) = duplex(1000);
    near.write_all(peer::request("/", "").as_bytes()).await.unwrap();
    let ws = Upgrader::new().accept(far).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    let (sender, receiver) = ws.split();
    (sender, receiver, near)
}

async fn assert_others_wait(sender: Sender, mut receiver: Receiver, mut client: WebSocket) {
    sender.send("before").await.unwrap();
    let other = sender.clone();
    let writing = tokio::spawn(async move {
        let mut message = sender.send_stream(Kind::Binary).await.unwrap();
        // From here on the message has its place in the order of messages.
        message.write_all(&long()[..100]).await.unwrap();
        message.flush().await.unwrap();
        let others = tokio::spawn(async move {
            for number in 0..50 {
                other.send(format!("{number}")).await.unwrap();
            }
        });
        yield_now().await;
        message.write_all(&long()[100..]).await.unwrap();
        message.finish().await.unwrap();
        others.await.unwrap();
        sender.flush().await.unwrap();
        assert_eq!((sender.sent(), sender.dropped().total()), (52, 0));
        sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    });
    let receiving = tokio::spawn(async move { receiver.recv().await });
    assert_eq!(client.recv().await.unwrap(), Some("before".into()));
    assert_eq!(client.recv().await.unwrap(), Some(long().into()));
    for number in 0..50 {
        assert_eq!(client.recv().await.unwrap(), Some(format!("{number}").into()));
    }
    assert_eq!(client.recv().await.unwrap(), None);
    writing.await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn messages_of_others_wait_and_come_after_it() {
    let (sender, receiver, client) = plain().await;
    assert_others_wait(sender, receiver, client).await;
}

#[cfg(feature = "deflate")]
#[tokio::test]
async fn a_compressed_one_arrives_as_well() {
    let deflate = sockeye::Deflate::new();
    let client = Client::new("ws://example.com/").deflate(deflate.clone());
    let (sender, receiver, client) = pair(1000, client, Options::new().deflate(deflate)).await;
    assert_others_wait(sender, receiver, client).await;
}

#[tokio::test]
async fn two_are_written_one_after_the_other() {
    let (sender, _receiver, mut client) = plain().await;
    let mut writing = Vec::new();
    for byte in [1, 2, 3] {
        let sender = sender.clone();
        writing.push(tokio::spawn(async move {
            let mut message = sender.send_stream(Kind::Binary).await.unwrap();
            message.write_all(&vec![byte; LONG]).await.unwrap();
            message.finish().await.unwrap();
        }));
    }
    for byte in [1, 2, 3] {
        assert_eq!(client.recv().await.unwrap(), Some(Message::from(vec![byte; LONG])));
    }
    for task in writing {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn pongs_pass_between_its_fragments() {
    let (sender, mut receiver, mut client) = raw().await;
    let receiving = tokio::spawn(async move { receiver.recv().await });
    let mut message = sender.send_stream(Kind::Text).await.unwrap();
    message.write_all(b"one").await.unwrap();
    message.flush().await.unwrap();
    sender.send("waits").await.unwrap();
    client.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut frames = [0; 7];
    client.read_exact(&mut frames).await.unwrap();
    assert_eq!(&frames, b"\x01\x03one\x8a\x00");
    message.write_all(b"two").await.unwrap();
    message.finish().await.unwrap();
    let mut frames = [0; 12];
    client.read_exact(&mut frames).await.unwrap();
    assert_eq!(&frames, b"\x80\x03two\x81\x05waits");
    receiving.abort();
}

#[tokio::test]
async fn it_waits_for_a_peer_that_does_not_read() {
    let (sender, receiver, mut client) = raw().await;
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    let mut taken = 0;
    for _ in 0..100 {
        while let Some(written) = message.write(&[7; 1000]).now_or_never() {
            taken += written.unwrap();
        }
        yield_now().await;
    }
    assert_eq!(taken, 3 * FRAGMENT);
    let reading = tokio::spawn(async move {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        bytes.len()
    });
    message.finish().await.unwrap();
    drop((sender, receiver));
    assert!(reading.await.unwrap() > taken);
}

#[tokio::test]
async fn one_that_is_dropped_midway_closes_the_connection_with_1011() {
    let (sender, mut receiver, mut client) = plain().await;
    sender.send("before").await.unwrap();
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    message.write_all(b"a part").await.unwrap();
    message.flush().await.unwrap();
    sender.send("never").await.unwrap();
    drop(message);
    assert!(matches!(sender.send("late").await, Err(Error::Closed(_))));
    assert!(matches!(sender.send_stream(Kind::Text).await, Err(Error::Closed(_))));
    let receiving = tokio::spawn(async move { receiver.recv().await });
    assert_eq!(client.recv().await.unwrap(), Some("before".into()));
    let Err(Error::ClosedMidMessage(Some(frame))) = client.recv().await else { panic!() };
    assert_eq!(frame.code, CloseCode::INTERNAL_ERROR);
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!((sender.sent(), sender.dropped().unsent), (1, 1));
}

#[tokio::test]
async fn one_of_which_nothing_was_sent_is_as_if_it_had_never_been() {
    let (sender, _receiver, mut client) = plain().await;
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    message.write_all(b"never sent").await.unwrap();
    let next = sender.send_stream(Kind::Text);
    drop(message);
    let mut next = next.await.unwrap();
    next.write_all(b"sent").await.unwrap();
    next.shutdown().await.unwrap();
    sender.send("after").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("sent".into()));
    assert_eq!(client.recv().await.unwrap(), Some("after".into()));
}

#[tokio::test]
async fn a_close_in_the_middle_ends_it_and_what_waits_behind_it() {
    let (sender, mut receiver, mut client) = plain().await;
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    message.write_all(b"a part").await.unwrap();
    message.flush().await.unwrap();
    sender.send("never").await.unwrap();
    sender.close(CloseCode::GOING_AWAY, "").unwrap();
    let error = message.finish().await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    let receiving = tokio::spawn(async move { receiver.recv().await });
    let Err(Error::ClosedMidMessage(Some(frame))) = client.recv().await else { panic!() };
    assert_eq!(frame.code, CloseCode::GOING_AWAY);
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!((sender.sent(), sender.dropped().unsent), (0, 1));
}

#[tokio::test]
async fn one_that_was_finished_is_sent_before_the_close_frame() {
    let (sender, mut receiver, mut client) = plain().await;
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    message.write_all(&vec![7; FRAGMENT + 1]).await.unwrap();
    // The first poll queues the last fragment.
    let mut finishing = Box::pin(message.finish());
    assert!(finishing.as_mut().now_or_never().is_none());
    sender.send("after").await.unwrap();
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let receiving = tokio::spawn(async move { receiver.recv().await });
    assert_eq!(client.recv().await.unwrap(), Some(vec![7; FRAGMENT + 1].into()));
    assert_eq!(client.recv().await.unwrap(), Some("after".into()));
    assert_eq!(client.recv().await.unwrap(), None);
    finishing.await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!((sender.sent(), sender.dropped().total()), (2, 0));
}

#[tokio::test]
async fn a_peer_that_goes_ends_it() {
    let (sender, mut receiver, client) = raw().await;
    let mut message = sender.send_stream(Kind::Binary).await.unwrap();
    drop(client);
    receiver.recv().await.unwrap_err();
    let error = message.write_all(&long()).await.unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert!(matches!(error, Error::Disconnected), "{error:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_and_not_sent() {
    let (sender, _receiver, mut client) = plain().await;
    let mut message = sender.send_stream(Kind::Text).await.unwrap();
    message.write_all(b"\xff").await.unwrap();
    assert_eq!(message.flush().await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    drop(message);
    let mut message = sender.send_stream(Kind::Text).await.unwrap();
    // A character may be cut anywhere.
    message.write_all(b"\xc3").await.unwrap();
    message.flush().await.unwrap();
    message.write_all(b"\xbc").await.unwrap();
    message.finish().await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("ü".into()));
}
