//! Load.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use sockeye_grpc::Channel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{assert_alive, assert_all_calls_end, counts, test_service};
use crate::proto::{BarrierRequest, Bytes, DownloadRequest, Empty};
use crate::yield_once;

/// Maximum number of bytes that a server may pass to a stream that is not read, with the default
/// windows: the stream's window, HTTP/2's buffers before it (1 MiB in hyper's server), the
/// transport's buffers, and as much again to be safe.
const MAX_UNREAD: u64 = 16 * 1024 * 1024;

/// 64 calls are in progress on one connection at once: none is answered before all have arrived.
pub async fn sixty_four_calls_run_at_once(channel: &Channel) {
    let mut calls: Vec<_> = (0..64)
        .map(|_| {
            let mut test_service = test_service(channel);
            Box::pin(async move { test_service.barrier(BarrierRequest { size: 64 }).await })
        })
        .collect();
    poll_fn(|cx| {
        calls.retain_mut(|call| {
            call.as_mut().poll(cx).map(|answer| answer.expect("an answer")).is_pending()
        });
        if calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A message of 8 MiB arrives unchanged, and returns unchanged.
pub async fn a_long_message_is_carried_both_ways(channel: &Channel) {
    let content: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let echo =
        test_service(channel).echo(Bytes { content: content.clone() }).await.expect("an echo");
    assert!(echo.into_inner().content == content);
}

/// A server stream that is not read makes the server wait, does not affect other calls, and
/// continues when read.
pub async fn an_unread_stream_makes_the_server_wait(channel: &Channel) {
    let before = counts(channel).await.sent_bytes;
    let request = DownloadRequest { length: 64 * 1024, count: 1024, piecemeal: false };
    let mut replies = test_service(channel).download(request).await.expect("a stream").into_inner();
    for _ in 0..200 {
        assert_alive(channel).await;
    }
    let sent = counts(channel).await.sent_bytes - before;
    assert!(sent <= MAX_UNREAD, "the server sent {sent} bytes");
    let mut count = 0;
    while let Some(reply) = replies.message().await.expect("a message") {
        assert_eq!(reply.content.len(), 64 * 1024);
        count += 1;
    }
    assert_eq!(count, 1024);
    assert_all_calls_end(channel).await;
}

/// Number of times without progress, with a call in between each time, that count as a standstill.
const STANDSTILL: u32 = 50;

/// A call whose short messages are sent one by one and not read makes the server wait, while other
/// calls continue, and is read in full later. The messages exceed a window, so that the server has
/// to wait at some time.
async fn assert_short_messages_wait(channel: &Channel, length: u32, count: u64) {
    let before = counts(channel).await.sent_messages;
    let request = DownloadRequest { length, count, piecemeal: true };
    let mut replies = test_service(channel).download(request).await.expect("a stream").into_inner();
    let (mut sent, mut unchanged) = (0, 0);
    while unchanged < STANDSTILL && sent < count {
        assert_alive(channel).await;
        let now = counts(channel).await.sent_messages - before;
        unchanged = if now == sent { unchanged + 1 } else { 0 };
        sent = now;
    }
    let mut received = 0;
    while let Some(reply) = replies.message().await.expect("a message") {
        assert_eq!(reply.content.len(), length as usize);
        received += 1;
    }
    assert_eq!(received, count);
}

/// 40,000 messages of 20 bytes in a stream that is not read for a while affect no other call.
pub async fn short_messages_that_nobody_reads_harm_no_other_call(channel: &Channel) {
    assert_short_messages_wait(channel, 20, 40_000).await;
    assert_all_calls_end(channel).await;
}

/// The same with empty messages.
pub async fn empty_messages_that_nobody_reads_harm_no_other_call(channel: &Channel) {
    assert_short_messages_wait(channel, 0, 40_000).await;
    assert_all_calls_end(channel).await;
}

/// A stream of short requests that the server does not read makes the client wait, while other
/// calls continue, and is read in full later.
pub async fn short_requests_that_nobody_reads_make_their_sender_wait(channel: &Channel) {
    // More than the window of a stream, in frames that h2 counts as small.
    const COUNT: u64 = 15_000;
    const LENGTH: usize = 100;
    let (messages, receiver) = mpsc::channel(1);
    let mut test_service = test_service(channel);
    let mut upload = pin!(test_service.upload(ReceiverStream::new(receiver)));
    let mut sent = 0;
    let sending = async {
        let (mut turns, mut reads) = (0, false);
        while sent < COUNT {
            match messages.try_send(Bytes { content: vec![0x5a; LENGTH] }) {
                Ok(()) => (sent, turns) = (sent + 1, 0),
                Err(_) => turns += 1,
            }
            yield_once().await;
            // A standstill means that the window is full. The call also gives a browser the time to
            // deliver window updates, which tasks alone would use up.
            if turns > 0 && turns % 100 == 0 {
                assert_alive(channel).await;
                if !reads && turns / 100 > STANDSTILL {
                    reads = true;
                    super::test_service(channel).start_reading(Empty {}).await.expect("an answer");
                }
            }
        }
        super::test_service(channel).start_reading(Empty {}).await.expect("an answer");
        drop(messages);
    };
    let mut sending = pin!(sending);
    let mut is_sent = false;
    let reply = poll_fn(|cx| {
        is_sent = is_sent || sending.as_mut().poll(cx).is_ready();
        upload.as_mut().poll(cx)
    })
    .await;
    assert_eq!(reply.expect("an answer").into_inner().count, COUNT);
    assert_alive(channel).await;
}
