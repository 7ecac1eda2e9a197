//! Tests both halves over an in-memory transport with a small buffer, so that writes wait once the
//! peer stops reading.

use std::time::Duration;

use bytes::BytesMut;
use sockeye_proto::{CloseCode, Config, Connection, Message, TimedOut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

mod abort;
mod close;
mod lost;
mod overflow;
mod pings;
mod positions;

use super::outbox::MAX_BATCH;
use super::{Dropped, Receiver, SendQueue, Sender, TrySendError, WhenFull};
use crate::transport::Transport;
use crate::websocket::{NegotiatedHeaders, WebSocket};
use crate::{Error, Result};

fn websocket(stream: DuplexStream, connection: Connection) -> WebSocket {
    let transport = Transport::boxed(stream, None);
    WebSocket::new(transport, connection, BytesMut::new(), NegotiatedHeaders::default())
        .with_timeouts(&Config::new())
}

fn server(stream: DuplexStream) -> WebSocket {
    websocket(stream, Connection::server(&Config::new()))
}

/// Returns a client and a server, connected by a transport that buffers `buffer` bytes in each
/// direction.
fn pair(buffer: usize) -> (WebSocket, WebSocket) {
    let (a, b) = duplex(buffer);
    (websocket(a, Connection::client(&Config::new(), || [1, 2, 3, 4])), server(b))
}

/// Returns the server's halves, and the bare transport of a peer.
fn server_with_bare_peer(queue: SendQueue) -> (Sender, Receiver, DuplexStream) {
    let (peer, stream) = duplex(64);
    let (sender, receiver) = server(stream).split_with(queue);
    (sender, receiver, peer)
}

/// Returns a queue with capacity for this many messages of 36 bytes; each counts its length plus 64
/// bytes.
fn queue_for(messages: u32, when_full: WhenFull) -> SendQueue {
    SendQueue::new().capacity(messages * 100).when_full(when_full)
}

/// Returns a message of 36 bytes that begins with a number.
fn numbered(number: u32) -> Message {
    format!("{number:<36}").into()
}

async fn numbers(ws: &mut WebSocket) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(message) = ws.recv().await.unwrap() {
        numbers.push(message.to_string().trim().parse().unwrap());
    }
    numbers
}

/// Lets the writer take as much as possible, so that the rest stays in the queue.
async fn let_the_writer_fill_the_transport(sender: &Sender) {
    let mut before = None;
    while before != Some(sender.queued()) {
        before = Some(sender.queued());
        tokio::task::yield_now().await;
    }
}

fn is_closing(result: &Result<()>) -> bool {
    matches!(result, Err(Error::Closed(_)))
}

#[tokio::test]
async fn messages_of_many_senders_arrive_whole_and_in_order_per_sender() {
    let (client, mut server) = pair(1000);
    let (sender, mut receiver) = client.split_with(SendQueue::new().capacity(2000));
    let senders: Vec<_> = (0..8u32)
        .map(|index| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for number in 0..500usize {
                    let text = format!("{index} {number} {}", "x".repeat(number * 20));
                    sender.send(text).await.unwrap();
                }
            })
        })
        .collect();
    let echo = tokio::spawn(async move {
        while let Some(message) = server.recv().await.unwrap() {
            server.send(message).await.unwrap();
        }
    });
    let mut next = [0u32; 8];
    for _ in 0..8 * 500 {
        let text = receiver.recv().await.unwrap().unwrap().to_string();
        let mut words = text.split(' ');
        let index: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(words.next().unwrap(), next[index].to_string());
        assert_eq!(words.next().unwrap().len(), next[index] as usize * 20);
        next[index] += 1;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!((sender.sent(), sender.queued(), sender.dropped().total()), (4000, 0, 0));
    receiver.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    echo.await.unwrap();
}

#[tokio::test]
async fn reads_go_on_while_writes_wait_for_the_peer() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split();
    for number in 0..100 {
        sender.send(numbered(number)).await.unwrap();
    }
    // The client reads nothing, and its message is message all the same.
    client.feed("are you there").await.unwrap();
    let (_, message) = tokio::join!(client.flush(), receiver.recv());
    assert_eq!(message.unwrap(), Some("are you there".into()));
    assert!(sender.queued() > 0);
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let (arrived, closed) = tokio::join!(numbers(&mut client), receiver.recv());
    assert_eq!(arrived, (0..100).collect::<Vec<_>>());
    assert_eq!(closed.unwrap(), None);
}

#[tokio::test]
async fn on_a_full_queue_send_waits_and_try_send_returns_the_message() {
    let (sender, _receiver, mut peer) = server_with_bare_peer(queue_for(4, WhenFull::Wait));
    for number in 0..4 {
        sender.try_send(numbered(number)).unwrap();
    }
    assert_eq!(sender.try_send(numbered(4)), Err(TrySendError::Full(numbered(4))));
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(numbered(5)).await }
    });
    let_the_writer_fill_the_transport(&sender).await;
    assert!(!waiting.is_finished());
    // Five frames of 38 bytes.
    peer.read_exact(&mut [0; 5 * 38]).await.unwrap();
    waiting.await.unwrap().unwrap();
    sender.flush().await.unwrap();
    assert_eq!((sender.sent(), sender.dropped()), (5, Dropped::default()));
}

#[tokio::test]
async fn a_send_cancelled_while_it_waits_queues_nothing() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split_with(queue_for(2, WhenFull::Wait));
    let (mut arrived, mut cancelled) = (Vec::new(), 0);
    for number in 0..200u32 {
        loop {
            // The send is dropped at its first wait, if there is one.
            tokio::select! {
                biased;
                sent = sender.send(numbered(number)) => break sent.unwrap(),
                () = std::future::ready(()) => cancelled += 1,
            }
            arrived.push(client.recv().await.unwrap().unwrap().to_string().trim().parse().unwrap());
        }
    }
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let (rest, closed) = tokio::join!(numbers(&mut client), receiver.recv());
    assert_eq!(closed.unwrap(), None);
    arrived.extend(rest);
    assert_eq!(arrived, (0..200).collect::<Vec<u32>>(), "none lost, none doubled");
    assert!(cancelled > 100, "{cancelled}");
    assert_eq!(sender.sent(), 200);
}

#[tokio::test]
async fn drop_newest_drops_new_messages() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split_with(queue_for(3, WhenFull::DropNewest));
    for number in 0..10 {
        sender.send(numbered(number)).await.unwrap();
    }
    assert_eq!(sender.dropped(), Dropped { newest: 7, ..Dropped::default() });
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let (arrived, _) = tokio::join!(numbers(&mut client), receiver.recv());
    assert_eq!(arrived, [0, 1, 2]);
}

#[tokio::test]
async fn drop_oldest_drops_the_oldest_queued_messages() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split_with(queue_for(3, WhenFull::DropOldest));
    for number in 0..10 {
        sender.send(numbered(number)).await.unwrap();
    }
    assert_eq!(sender.dropped(), Dropped { oldest: 7, ..Dropped::default() });
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let (arrived, _) = tokio::join!(numbers(&mut client), receiver.recv());
    // The first two messages are being written: they keep their capacity and cannot be dropped.
    assert_eq!(arrived, [0, 1, 9]);
}

#[tokio::test]
async fn drop_oldest_drops_the_new_message_if_none_is_queued() {
    let (sender, _receiver, _peer) = server_with_bare_peer(queue_for(1, WhenFull::DropOldest));
    sender.send(vec![0; 1000]).await.unwrap();
    let_the_writer_fill_the_transport(&sender).await;
    assert_eq!(sender.queued(), 0, "it is being written");
    sender.send("late").await.unwrap();
    assert_eq!(sender.dropped(), Dropped { newest: 1, ..Dropped::default() });
}

#[tokio::test]
async fn send_latest_replaces_the_queued_message_of_the_same_key() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split();
    for number in 0..10 {
        let key = if number % 2 == 0 { "even" } else { "odd" };
        sender.send_latest(key, numbered(number)).await.unwrap();
    }
    assert_eq!(sender.dropped().replaced, 8);
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let (arrived, _) = tokio::join!(numbers(&mut client), receiver.recv());
    assert_eq!(arrived, [8, 9]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_closes_the_connection_of_a_slow_peer() {
    let (sender, mut receiver, _peer) = server_with_bare_peer(queue_for(3, WhenFull::Disconnect));
    for number in 0..3 {
        sender.send(numbered(number)).await.unwrap();
    }
    assert!(is_closing(&sender.send(numbered(3)).await));
    assert!(is_closing(&sender.send(numbered(4)).await));
    // The peer does not read the close frame either.
    let error = receiver.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Closing)), "{error:?}");
    assert_eq!(sender.dropped().unsent, 3);
}

#[tokio::test]
async fn a_peer_that_reads_again_sees_1013() {
    let (mut client, server) = pair(64);
    let (sender, mut receiver) = server.split_with(queue_for(2, WhenFull::Disconnect));
    for number in 0..2 {
        sender.send(numbered(number)).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    while sender.send(numbered(9)).await.is_ok() {}
    let (_, closed) = tokio::join!(numbers(&mut client), receiver.recv());
    closed.unwrap();
    assert_eq!(client.close_frame().unwrap().code, CloseCode::TRY_AGAIN_LATER);
}

#[tokio::test]
async fn a_pong_overtakes_queued_messages() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    for _ in 0..100 {
        sender.send(vec![7; 10_000]).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    let receiving = tokio::spawn(async move { receiver.recv().await });
    // A ping with "hi".
    peer.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let (mut read, mut pong_after) = (Vec::new(), None);
    while pong_after.is_none() {
        assert!(peer.read_buf(&mut read).await.unwrap() > 0);
        pong_after = read.windows(4).position(|four| four == [0x8a, 2, b'h', b'i']);
    }
    // Only the output that the writer had taken by then comes first: at most a batch, and the
    // message that exceeds its limit.
    assert!(pong_after.unwrap() < 2 * MAX_BATCH, "{pong_after:?}");
    drop(peer);
    assert!(receiving.await.unwrap().is_err());
    assert!(sender.dropped().unsent > 80);
}

#[tokio::test]
async fn nothing_follows_the_local_close_frame() {
    let (mut client, server) = pair(1 << 16);
    let (sender, mut receiver) = server.split();
    sender.send("before").await.unwrap();
    sender.close(CloseCode::NORMAL_CLOSURE, "that was all").unwrap();
    assert!(sender.is_closed());
    assert!(is_closing(&sender.send("after").await));
    assert_eq!(sender.try_send("after"), Err(TrySendError::Closed("after".into())));
    let (message, closed) = tokio::join!(
        async {
            let message = client.recv().await;
            assert_eq!(client.recv().await.unwrap(), None);
            message
        },
        receiver.recv()
    );
    assert_eq!(message.unwrap(), Some("before".into()));
    assert_eq!(client.close_frame().unwrap().reason, "that was all");
    assert_eq!(closed.unwrap(), None);
    assert_eq!(receiver.close_frame().unwrap().code, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn the_peers_close_is_answered_once_and_queued_messages_are_counted_as_unsent() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    for number in 0..2000 {
        sender.send(numbered(number)).await.unwrap();
    }
    let_the_writer_fill_the_transport(&sender).await;
    let receiving = tokio::spawn(async move { receiver.recv().await });
    peer.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!(read[read.len() - 4..], [0x88, 2, 3, 0xe8]);
    let frames = (read.len() - 4) / 38;
    assert_eq!(read.len(), frames * 38 + 4, "whole frames, then one close frame");
    assert_eq!(sender.sent(), frames as u64);
    assert_eq!(sender.dropped().unsent, 2000 - frames as u64);
    assert!(is_closing(&sender.flush().await));
}

#[tokio::test]
async fn a_broken_rule_closes_both_halves() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    // Not masked.
    peer.write_all(&[0x81, 0]).await.unwrap();
    let (error, read) = tokio::join!(receiver.recv(), async {
        let mut read = [0; 4];
        peer.read_exact(&mut read).await.unwrap();
        let code = u16::from_be_bytes([read[2], read[3]]);
        drop(peer);
        (read[0], code)
    });
    assert!(matches!(error, Err(Error::Protocol(_))), "{error:?}");
    assert_eq!(read, (0x88, 1002));
    assert!(matches!(sender.send("x").await, Err(Error::Protocol(_))));
    assert_eq!(receiver.recv().await.unwrap(), None);
}

#[tokio::test]
async fn the_receiver_goes_on_without_senders() {
    let (mut client, server) = pair(1 << 16);
    let (sender, mut receiver) = server.split();
    sender.send("still written").await.unwrap();
    drop(sender);
    client.send("still read").await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), Some("still read".into()));
    assert_eq!(client.recv().await.unwrap(), Some("still written".into()));
    let (closed, ()) = tokio::join!(receiver.close(CloseCode::NORMAL_CLOSURE, ""), async {
        assert_eq!(client.recv().await.unwrap(), None);
    });
    closed.unwrap();
}

#[tokio::test]
async fn a_dropped_receiver_closes_after_the_queued_messages() {
    let (mut client, server) = pair(64);
    let (sender, receiver) = server.split();
    for number in 0..50 {
        sender.send(numbered(number)).await.unwrap();
    }
    drop(receiver);
    assert!(is_closing(&sender.send(numbered(50)).await));
    assert_eq!(numbers(&mut client).await, (0..50).collect::<Vec<_>>());
    assert_eq!(client.close_frame().unwrap().code, CloseCode::GOING_AWAY);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_waits_for_a_stalled_peer_until_the_write_timeout() {
    let (sender, receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    for number in 0..1000 {
        sender.send(numbered(number)).await.unwrap();
    }
    let started = Instant::now();
    drop(receiver);
    let lost = sender.flush().await;
    assert!(matches!(lost, Err(Error::TimedOut(TimedOut::Writing))), "{lost:?}");
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert!(read.len() <= 64);
    assert_eq!(sender.dropped().unsent, 1000);
    let write_timeout = Config::new().write_timeout.unwrap();
    assert_eq!(started.elapsed().as_secs(), write_timeout.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_a_close_is_disconnected_at_the_close_timeout() {
    let (sender, mut receiver, mut peer) = server_with_bare_peer(SendQueue::new());
    let receiving = tokio::spawn(async move { receiver.recv().await });
    tokio::task::yield_now().await;
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    let mut read = [0; 4];
    peer.read_exact(&mut read).await.unwrap();
    assert_eq!(read, [0x88, 2, 3, 0xe8]);
    let error = receiving.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Closing)), "{error:?}");
}

#[tokio::test]
async fn a_transport_that_fails_ends_the_senders() {
    let (sender, mut receiver, peer) = server_with_bare_peer(queue_for(3, WhenFull::Wait));
    drop(peer);
    assert!(matches!(receiver.recv().await, Err(Error::Disconnected)));
    let ended = async { while sender.send(numbered(0)).await.is_ok() {} };
    timeout(Duration::from_secs(10), ended).await.unwrap();
}

#[tokio::test]
async fn messages_fed_before_the_split_are_sent_first() {
    let (mut client, mut server) = pair(1 << 16);
    server.feed("first").await.unwrap();
    let (sender, _receiver) = server.split();
    sender.send("second").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("first".into()));
    assert_eq!(client.recv().await.unwrap(), Some("second".into()));
}
