//! Much at once.

use std::future::poll_fn;
use std::task::Poll;

use sockeye_grpc::Channel;

use super::{assert_alive, assert_all_calls_end, figures, trial};
use crate::proto::{Bytes, Meeting, Pouring};

/// What a server may hand over to a stream that nobody reads, with the default windows: the stream's window, what HTTP/2
/// buffers before it (1 MiB in hyper's server), what is in the transport's buffers, and as much again to be safe.
const MAX_UNREAD: u64 = 16 * 1024 * 1024;

/// 64 calls are under way on one connection at once: none is answered before all are there.
pub async fn sixty_four_calls_run_at_once(channel: &Channel) {
    let mut calls: Vec<_> = (0..64)
        .map(|_| {
            let mut trial = trial(channel);
            Box::pin(async move { trial.meet(Meeting { size: 64 }).await })
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

/// A message of 8 MiB arrives unchanged, and comes back so.
pub async fn a_long_message_is_carried_both_ways(channel: &Channel) {
    let content: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let echo = trial(channel).echo(Bytes { content: content.clone() }).await.expect("an echo");
    assert!(echo.into_inner().content == content);
}

/// A server stream that nobody reads makes the server wait, leaves other calls alone, and goes on when it is read.
pub async fn an_unread_stream_makes_the_server_wait(channel: &Channel) {
    let before = figures(channel).await.poured;
    let asked = Pouring { length: 64 * 1024, count: 1024 };
    let mut replies = trial(channel).pour(asked).await.expect("a stream").into_inner();
    for _ in 0..200 {
        assert_alive(channel).await;
    }
    let poured = figures(channel).await.poured - before;
    assert!(poured <= MAX_UNREAD, "the server poured {poured} bytes");
    let mut count = 0;
    while let Some(reply) = replies.message().await.expect("a message") {
        assert_eq!(reply.content.len(), 64 * 1024);
        count += 1;
    }
    assert_eq!(count, 1024);
    assert_all_calls_end(channel).await;
}
