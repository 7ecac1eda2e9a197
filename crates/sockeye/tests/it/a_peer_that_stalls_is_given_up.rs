//! Timeouts of writes and of messages: a peer that does not read, and one that does not finish its
//! message.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use sockeye::split::{SendQueue, WhenFull};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, CloseCode, Config, Error, Message, TimedOut, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

/// Size of the pipe between both ends, in bytes.
const PIPE: usize = 1024;

/// Far longer than any timeout here; time is paused.
const LONG: Duration = Duration::from_secs(3600);

fn config() -> Config {
    // Idle timeouts are not tested here.
    Config::new().ping_after(None)
}

/// Returns a server, and the raw client end of its stream, after the handshake.
async fn open(config: Config) -> (WebSocket, DuplexStream) {
    let (server, mut peer) = duplex(PIPE);
    let request = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    peer.write_all(request.as_bytes()).await.unwrap();
    let upgrader = Upgrader::new().options(Options::new().config(config));
    let ws = upgrader.accept(server).await.unwrap();
    let mut answer = [0; PIPE];
    let length = peer.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 101 "));
    (ws, peer)
}

fn large() -> Message {
    Message::from(vec![7_u8; 10 * PIPE])
}

fn is_late(result: &sockeye::Result<()>, late: TimedOut) -> bool {
    matches!(result, Err(Error::TimedOut(other)) if *other == late)
}

#[tokio::test(start_paused = true)]
async fn a_send_to_a_peer_that_does_not_read_fails_in_time_and_the_connection_is_over() {
    let limit = Duration::from_secs(3);
    let (mut ws, _peer) = open(config().write_timeout(Some(limit))).await;
    let start = Instant::now();
    let sent = ws.send(large()).await;
    assert!(is_late(&sent, TimedOut::Writing), "{sent:?}");
    assert_eq!(start.elapsed().as_secs(), limit.as_secs());
    let again = ws.send("more").await;
    assert!(is_late(&again, TimedOut::Writing), "{again:?}");
    // The receiving side gets the error once, too.
    assert!(matches!(ws.recv().await, Err(Error::TimedOut(TimedOut::Writing))));
    assert!(matches!(ws.recv().await, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn half_a_minute_is_the_default() {
    let (mut ws, _peer) = open(config()).await;
    let start = Instant::now();
    let sent = ws.send(large()).await;
    assert!(is_late(&sent, TimedOut::Writing), "{sent:?}");
    assert_eq!(start.elapsed().as_secs(), 30);
    let client = Client::new("ws://example.com/").config(config());
    let (stream, server) = duplex(PIPE);
    let accept = tokio::spawn(async move { Upgrader::new().accept(server).await });
    let mut ws = client.handshake(stream).await.unwrap();
    let _server = accept.await.unwrap().unwrap();
    let sent = ws.send(large()).await;
    assert!(is_late(&sent, TimedOut::Writing), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn senders_of_a_connection_in_two_halves_are_not_kept_waiting() {
    let (ws, mut peer) = open(config().write_timeout(Some(Duration::from_secs(3)))).await;
    let (sender, receiver) = ws.split_with(SendQueue::new().capacity(10 * 1024));
    sender.send(large()).await.unwrap();
    let start = Instant::now();
    // The queue has no capacity for it until the writer times out.
    assert!(sender.send(large()).await.is_err());
    assert_eq!(start.elapsed().as_secs(), 3);
    drop(receiver);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() <= PIPE, "{}", rest.len());
}

/// Reads a byte every two seconds, five of them, and nothing after that.
async fn take_a_little(mut peer: DuplexStream) {
    for _ in 0..5 {
        sleep(Duration::from_secs(2)).await;
        peer.read_u8().await.unwrap();
    }
    sleep(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn the_receiving_half_ends_with_the_writer_under_any_policy() {
    for when_full in [WhenFull::Wait, WhenFull::DropNewest, WhenFull::DropOldest] {
        let (ws, peer) = open(config().write_timeout(Some(Duration::from_secs(3)))).await;
        let queue = SendQueue::new().capacity(10 * 1024).when_full(when_full);
        let (sender, mut receiver) = ws.split_with(queue);
        tokio::spawn(take_a_little(peer));
        let start = Instant::now();
        let sending = tokio::spawn(async move {
            while sender.send(large()).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        });
        let error = receiver.recv().await.unwrap_err();
        assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{when_full:?}: {error:?}");
        assert_eq!(start.elapsed().as_secs(), 5 * 2 + 3, "{when_full:?}");
        assert!(matches!(receiver.recv().await, Ok(None)));
        sending.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_read_as_a_stream_ends_with_the_writer_too() {
    let (ws, mut peer) = open(config().write_timeout(Some(Duration::from_secs(3)))).await;
    peer.write_all(&[0x02, 0x80 | 1, 0, 0, 0, 0, b'a']).await.unwrap();
    let (sender, mut receiver) = ws.split();
    let mut message = receiver.recv_stream().await.unwrap().unwrap();
    sender.send(large()).await.unwrap();
    tokio::spawn(take_a_little(peer));
    let start = Instant::now();
    let error = message.read_to_end(&mut Vec::new()).await.unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 5 * 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_cannot_be_written_ends_both_halves_in_time() {
    let config = config().write_timeout(None).close_timeout(Duration::from_secs(3));
    let (ws, peer) = open(config).await;
    let (sender, mut receiver) = ws.split();
    sender.send(large()).await.unwrap();
    sender.close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    tokio::spawn(take_a_little(peer));
    let start = Instant::now();
    let error = receiver.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Writing)), "{error:?}");
    // Counted from the last byte that the peer took: output queued before the close frame is still
    // written.
    assert_eq!(start.elapsed().as_secs(), 5 * 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_slowly_here_is_not_the_peers_fault() {
    let (mut ws, mut peer) = open(config().read_timeout(Some(Duration::from_secs(3)))).await;
    peer.write_all(&[0x02, 0x80 | 2, 0, 0, 0, 0, b'a', b'b']).await.unwrap();
    let mut message = ws.recv_stream().await.unwrap().unwrap();
    let mut some = [0; 2];
    message.read_exact(&mut some).await.unwrap();
    sleep(LONG).await;
    let last = tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        peer.write_all(&[0x80, 0x80 | 1, 0, 0, 0, 0, b'c']).await.unwrap();
        peer
    });
    let mut rest = Vec::new();
    message.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"c");
    let mut peer = last.await.unwrap();
    // A missing piece does time out.
    peer.write_all(&[0x02, 0x80 | 2, 0, 0, 0, 0, b'a']).await.unwrap();
    let mut message = ws.recv_stream().await.unwrap().unwrap();
    let error = message.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_given_all_its_time() {
    let (mut ws, mut peer) = open(config().write_timeout(Some(Duration::from_secs(3)))).await;
    let reader = tokio::spawn(async move {
        let mut received = 0;
        let mut some = [0; 100];
        while received < 10 * PIPE {
            sleep(Duration::from_secs(2)).await;
            received += peer.read(&mut some).await.unwrap();
        }
        peer
    });
    ws.send(large()).await.unwrap();
    let _peer = reader.await.unwrap();
    // No timer is left behind.
    sleep(LONG).await;
    ws.send("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_send_waits() {
    let (mut ws, mut peer) = open(config().write_timeout(None)).await;
    let reader = tokio::spawn(async move {
        sleep(LONG).await;
        let mut received = vec![0; 10 * PIPE];
        peer.read_exact(&mut received).await.unwrap();
        peer
    });
    ws.send(large()).await.unwrap();
    reader.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn recv_times_out_when_fed_messages_cannot_be_written() {
    let (mut ws, _peer) = open(config().write_timeout(Some(Duration::from_secs(3)))).await;
    ws.feed(large()).await.unwrap();
    let start = Instant::now();
    assert!(matches!(ws.recv().await, Err(Error::TimedOut(TimedOut::Writing))));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_come_to_its_end_fails_in_time() {
    let (mut ws, mut peer) = open(config().read_timeout(Some(Duration::from_secs(3)))).await;
    // The first fragment, then its rest byte by byte, with a ping in between.
    peer.write_all(&[0x01, 0x80 | 0x64, 0, 0, 0, 0]).await.unwrap();
    let start = Instant::now();
    let dripping = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            if peer.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        received = ws.recv() => {
            assert!(matches!(received, Err(Error::TimedOut(TimedOut::Reading))), "{received:?}");
        }
        () = dripping => panic!("the drip ended first"),
    }
    assert_eq!(start.elapsed().as_secs(), 3);
}

/// Returns a connection between a first fragment, `ab`, and a second one that does not arrive.
async fn open_between_fragments() -> (WebSocket, DuplexStream) {
    let (ws, mut peer) = open(config().read_timeout(Some(Duration::from_secs(3)))).await;
    peer.write_all(&[0x02, 0x80 | 2, 0, 0, 0, 0, b'a', b'b']).await.unwrap();
    (ws, peer)
}

fn is_late_read(error: &std::io::Error) -> bool {
    let error = error.get_ref().unwrap();
    let error = match error.downcast_ref() {
        Some(sockeye::byte_stream::Error::Connection(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    matches!(error, Some(Error::TimedOut(TimedOut::Reading)))
}

#[tokio::test(start_paused = true)]
async fn a_fragment_that_does_not_come_fails_a_stream_in_time() {
    let (mut ws, _peer) = open_between_fragments().await;
    let start = Instant::now();
    let mut message = ws.recv_stream().await.unwrap().unwrap();
    let read = timeout(LONG, message.read_to_end(&mut Vec::new())).await.expect("in time");
    assert!(is_late_read(&read.unwrap_err()));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fragment_that_does_not_come_fails_a_byte_stream_in_time() {
    let (ws, _peer) = open_between_fragments().await;
    let start = Instant::now();
    let mut stream = ws.into_byte_stream();
    let read = timeout(LONG, stream.read_to_end(&mut Vec::new())).await.expect("in time");
    assert!(is_late_read(&read.unwrap_err()));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fragment_that_does_not_come_fails_the_call_that_skips_it_in_time() {
    let (mut ws, _peer) = open_between_fragments().await;
    assert!(ws.recv_stream().await.unwrap().is_some());
    let start = Instant::now();
    let received = timeout(LONG, ws.recv()).await.expect("in time");
    assert!(matches!(received, Err(Error::TimedOut(TimedOut::Reading))), "{received:?}");
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_skipped_has_time_for_each_piece() {
    let (mut ws, mut peer) = open(config().read_timeout(Some(Duration::from_secs(3)))).await;
    // One frame, then another message.
    peer.write_all(&[0x82, 0x8a, 0, 0, 0, 0, b'a']).await.unwrap();
    assert!(ws.recv_stream().await.unwrap().is_some());
    let rest = tokio::spawn(async move {
        for _ in 0..9 {
            sleep(Duration::from_secs(2)).await;
            peer.write_all(b"a").await.unwrap();
        }
        peer.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
        peer
    });
    assert_eq!(ws.recv().await.unwrap(), Some("x".into()));
    rest.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_message_has_time_of_its_own_and_silence_between_them_is_free() {
    let (mut ws, mut peer) = open(config().read_timeout(Some(Duration::from_secs(3)))).await;
    let halves = tokio::spawn(async move {
        peer.write_all(&[0x81]).await.unwrap();
        for _ in 0..5 {
            sleep(Duration::from_secs(2)).await;
            // The end of one message, and the beginning of the next.
            peer.write_all(&[0x81, 0, 0, 0, 0, b'x', 0x81]).await.unwrap();
        }
        peer.write_all(&[0x81, 0, 0, 0, 0, b'x']).await.unwrap();
        sleep(LONG).await;
        peer.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
        peer
    });
    for _ in 0..7 {
        assert_eq!(ws.recv().await.unwrap(), Some("x".into()));
    }
    halves.await.unwrap();
}
